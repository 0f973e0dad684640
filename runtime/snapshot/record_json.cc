#include "snapshot/record_json.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace glovebox {

absl::Status RecordError(absl::string_view why) {
  return DetailedError(absl::StatusCode::kDataLoss, absl::StrCat("record.json: ", why),
                       {"RECORD_INVALID", {}});
}

bool IsLowerHex(absl::string_view text, size_t digits) {
  return text.size() == digits && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

absl::StatusOr<RecordJson> RecordJson::Parse(absl::string_view json,
                                             const std::set<std::string>& strings,
                                             const std::set<std::string>& numbers,
                                             const std::set<std::string>& optional) {
  if (json.size() > kBytesMax) return RecordError("is too long");
  const nlohmann::json object =
      nlohmann::json::parse(json.begin(), json.end(), nullptr, /*allow_exceptions=*/false);
  if (!object.is_object()) return RecordError("is not a JSON object");
  RecordJson record;
  size_t required = 0;
  for (const auto& [name, value] : object.items()) {
    const bool extra = optional.count(name) != 0;
    required += extra ? 0 : 1;
    if ((extra || strings.count(name) != 0) && value.is_string()) {
      record.strings_[name] = value.get<std::string>();
    } else if (numbers.count(name) != 0 && value.is_number_unsigned()) {
      record.numbers_[name] = value.get<uint64_t>();
    } else {
      return RecordError("has a field that is unknown or of the wrong type");
    }
  }
  if (required != strings.size() + numbers.size()) {
    return RecordError("has not the fields that it should have");
  }
  return record;
}

void RecordJson::SetString(const std::string& name, absl::string_view value) {
  strings_[name] = std::string(value);
}

std::string RecordJson::Format() const {
  nlohmann::json object = nlohmann::json::object();
  for (const auto& [name, value] : strings_) object[name] = value;
  for (const auto& [name, value] : numbers_) object[name] = value;
  return object.dump(1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace glovebox
