#include "egress/http_fields.h"

#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_replace.h"

namespace glovebox {
namespace {

std::string Spelled(absl::string_view field) {
  return absl::AsciiStrToLower(absl::StrReplaceAll(field, {{"_", "-"}}));
}

}  // namespace

bool NamesAnotherMethod(absl::string_view field) {
  const std::string name = Spelled(field);
  return name == "x-http-method" || name == "x-http-method-override" || name == "x-method-override";
}

bool IsNamedAs(absl::string_view field, absl::string_view name) {
  return Spelled(field) == Spelled(name);
}

}  // namespace glovebox
