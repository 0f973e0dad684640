#include "egress/http_fields.h"

#include <string>

#include "absl/strings/ascii.h"

namespace glovebox {
namespace {

std::string Spelled(absl::string_view field) {
  std::string name = absl::AsciiStrToLower(field);
  for (char& c : name) {
    if (!absl::ascii_isalnum(static_cast<unsigned char>(c))) c = '-';
  }
  return name;
}

}  // namespace

bool NamesAnotherRequest(absl::string_view field) {
  const std::string name = Spelled(field);
  return name == "x-http-method" || name == "x-http-method-override" ||
         name == "x-method-override" || name == "x-original-url" || name == "x-rewrite-url";
}

bool IsNamedAs(absl::string_view field, absl::string_view name) {
  return Spelled(field) == Spelled(name);
}

}  // namespace glovebox
