#include "egress/http_fields.h"

#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_replace.h"

namespace glovebox {

bool NamesAnotherMethod(absl::string_view field) {
  const std::string name = absl::AsciiStrToLower(absl::StrReplaceAll(field, {{"_", "-"}}));
  return name == "x-http-method" || name == "x-http-method-override" || name == "x-method-override";
}

}  // namespace glovebox
