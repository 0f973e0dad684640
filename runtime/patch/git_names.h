// File names in the headers of git and unified patches.
#ifndef GLOVEBOX_PATCH_GIT_NAMES_H_
#define GLOVEBOX_PATCH_GIT_NAMES_H_

#include <optional>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"

namespace glovebox {

// A name in double quotes, with C's escapes, at the start of `text`, which is moved behind it.
// nullopt: malformed.
std::optional<std::string> TakeQuoted(absl::string_view* text);

// A whole name: quoted, or as it is. nullopt: malformed.
std::optional<std::string> WholeName(absl::string_view text);

// What follows "--- " or "+++ ": a name up to a tab, or quoted. nullopt: malformed.
std::optional<std::string> MarkedName(absl::string_view text);

// Of the same text: whether the time behind its last tab is the epoch, which diff -N gives a file
// that is not there. As git reads it.
bool HasTimeOfTheEpoch(absl::string_view text);

// What follows "diff --git ": both names, when they can be told apart for certain: they are quoted,
// or the same but for their prefix.
std::optional<std::pair<std::string, std::string>> PairOfNames(absl::string_view text);

// Both names without the prefixes a/ and b/, or i/, w/, c/, o/ (diff.mnemonicPrefix). A pair
// without such prefixes (diff.noprefix) stays. "/dev/null" becomes "".
void StripPrefixes(std::string* old_name, std::string* new_name);

}  // namespace glovebox

#endif  // GLOVEBOX_PATCH_GIT_NAMES_H_
