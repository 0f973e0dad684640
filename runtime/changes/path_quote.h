// Path names in patches, as git writes and accepts them.
#ifndef GLOVEBOX_CHANGES_PATH_QUOTE_H_
#define GLOVEBOX_CHANGES_PATH_QUOTE_H_

#include <string>

#include "absl/strings/string_view.h"

namespace glovebox {

// `prefix` and `path` as one name, in C style with double quotes when it has a control character,
// a quote, a backslash or a byte above 0x7e (git's quote.c with core.quotePath on), bare otherwise.
std::string QuoteForGit(absl::string_view prefix, absl::string_view path);

// True for names that git apply and the index refuse with git's default settings (verify_path):
// a component that is ".git" in any spelling that NTFS takes for it, or a symbolic link that NTFS
// takes for .gitmodules. Errs on the side of refusing. A whole patch with one such name is void.
bool RefusedByGit(absl::string_view path, bool is_symlink);

}  // namespace glovebox

#endif  // GLOVEBOX_CHANGES_PATH_QUOTE_H_
