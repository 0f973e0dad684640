// Lists for people.
#ifndef GLOVEBOX_TOOLS_TABLE_H_
#define GLOVEBOX_TOOLS_TABLE_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace glovebox {

// Columns two blanks apart, each as wide as its widest cell; the last one is not filled. Cells must
// be escaped. With `bold_head` the first row is bold.
std::string FormatTable(const std::vector<std::vector<std::string>>& rows, bool bold_head);

// "12 s", "5 min", "3 h", "2 d": how long ago an RFC 3339 time was; "" for none.
std::string AgeText(absl::string_view rfc3339);

}  // namespace glovebox

#endif  // GLOVEBOX_TOOLS_TABLE_H_
