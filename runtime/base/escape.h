// Untrusted bytes for people's eyes: terminals and log lines never get a control character, a
// bidirectional override or an invalid UTF-8 sequence from a payload, an image, a repository or a
// client.
#ifndef GLOVEBOX_BASE_ESCAPE_H_
#define GLOVEBOX_BASE_ESCAPE_H_

#include <string>

#include "absl/strings/string_view.h"

namespace glovebox {

// Valid printable UTF-8 stays; C0, C1, DEL, backslash, bidi and other format controls, and invalid
// bytes become \n, \t, \\ or \xNN (each byte). The result is one line of valid UTF-8.
std::string EscapeForPeople(absl::string_view bytes);

// The same, cut to at most `bytes_max` bytes of input, with "... (N bytes more)" when something was
// cut.
std::string EscapeForPeople(absl::string_view bytes, size_t bytes_max);

}  // namespace glovebox

#endif  // GLOVEBOX_BASE_ESCAPE_H_
