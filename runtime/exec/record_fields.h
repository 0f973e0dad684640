// Reading and writing records as MessagePack maps, field by field. Internal to exec_record.
//
// Not CBOR: the library's CBOR reader recurses once per byte of some inputs (strings of indefinite
// length), which a hostile record would turn into a stack overflow. Of MessagePack only arrays and
// maps nest, and their depth is checked first.
#ifndef GLOVEBOX_EXEC_RECORD_FIELDS_H_
#define GLOVEBOX_EXEC_RECORD_FIELDS_H_

#include <concepts>
#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "exec/exec_spec.h"

namespace glovebox {

// DATA_LOSS with reason RECORD_INVALID and metadata field.
absl::Status RecordFieldError(absl::string_view field, absl::string_view why);

// A map that is the whole of `bytes`, with bounded depth and number of keys.
absl::StatusOr<nlohmann::json> ParseRecord(absl::string_view bytes);
std::string FormatRecord(const nlohmann::json& record);

// The same list of fields serves both: Field is always there; Added may be missing in records of
// earlier versions and then keeps its default.
class RecordWriter {
 public:
  template <typename Value>
  void Field(const char* name, const Value& value) {
    record_[name] = Json(value);
  }
  template <typename Value>
  void Added(const char* name, const Value& value) {
    Field(name, value);
  }
  // A value by its stable name.
  template <typename Enum, typename NameOf>
  void Name(const char* name, const Enum& value, NameOf name_of) {
    record_[name] = name_of(value);
  }
  template <typename Enum, typename NameOf>
  void Name(const char* name, const std::optional<Enum>& value, NameOf name_of) {
    if (value.has_value()) Name(name, *value, name_of);
  }
  nlohmann::json Take() { return std::move(record_); }

 private:
  template <typename Value>
  static nlohmann::json Json(const Value& value) {
    return value;
  }
  template <typename Value>
  static nlohmann::json Json(const std::optional<Value>& value) {
    return value.has_value() ? Json(*value) : nlohmann::json();
  }
  template <typename Value, size_t kCount>
  static nlohmann::json Json(const Value (&values)[kCount]) {
    return std::vector<Value>(std::begin(values), std::end(values));
  }
  static nlohmann::json Json(const TerminalSize& size) { return {size.rows, size.columns}; }
  static nlohmann::json Json(const OomFacts& oom) {
    return nlohmann::json::array({oom.limit_bytes, oom.peak_bytes, oom.kills,
                                  static_cast<uint32_t>(oom.victim), oom.program, oom.shared});
  }
  static nlohmann::json Json(const PidsFacts& pids) {
    return nlohmann::json::array({pids.limit, pids.forks_refused, pids.shared});
  }
  static nlohmann::json Json(const DiskFacts& disk) {
    return nlohmann::json::array({disk.path, disk.inodes, disk.limit, disk.at_start, disk.shared});
  }
  static nlohmann::json Json(const ChangeRange& range) {
    return nlohmann::json::array({range.from_cursor, range.to_cursor, range.shared});
  }
  static nlohmann::json Json(const std::vector<RefusedCallFacts>& calls) {
    nlohmann::json list = nlohmann::json::array();
    for (const RefusedCallFacts& call : calls) {
      list.push_back(
          nlohmann::json::array({call.number, call.i386, call.error, call.count, call.arguments[0],
                                 call.arguments[1], call.arguments[2]}));
    }
    return list;
  }
  static nlohmann::json Json(const std::vector<RefusedConnection>& connections) {
    nlohmann::json list = nlohmann::json::array();
    for (const RefusedConnection& one : connections) {
      list.push_back(nlohmann::json::array(
          {one.host, one.port, static_cast<uint32_t>(one.denial), one.count}));
    }
    return list;
  }

  nlohmann::json record_ = nlohmann::json::object();
};

class RecordReader {
 public:
  explicit RecordReader(const nlohmann::json& record) : record_(record) {}

  template <typename Value>
  void Field(const char* name, Value& value) {
    const auto it = record_.find(name);
    if (it == record_.end()) {
      Fail(name, "is missing");
    } else if (!Take(*it, value)) {
      Fail(name, "does not fit");
    }
  }
  template <typename Value>
  void Added(const char* name, Value& value) {
    if (record_.contains(name)) Field(name, value);
  }
  template <typename Enum, typename NameOf>
  void Name(const char* name, Enum& value, NameOf name_of) {
    std::string text;
    Field(name, text);
    if (!status_.ok()) return;
    // Values of our enums are few and dense; all others have one name.
    const absl::string_view none = name_of(static_cast<Enum>(kEnumValuesMax));
    for (int i = 0; i < kEnumValuesMax && text != none; ++i) {
      value = static_cast<Enum>(i);
      if (text == name_of(value)) return;
    }
    Fail(name, "is not known");
  }
  template <typename Enum, typename NameOf>
  void Name(const char* name, std::optional<Enum>& value, NameOf name_of) {
    if (record_.contains(name)) Name(name, value.emplace(), name_of);
  }
  void Fail(const char* name, absl::string_view why) {
    if (status_.ok()) status_ = RecordFieldError(name, why);
  }
  const absl::Status& status() const { return status_; }

 private:
  static constexpr int kEnumValuesMax = 64;
  using Json = nlohmann::json;

  static bool Take(const Json& json, bool& value) {
    if (!json.is_boolean()) return false;
    value = json.get<bool>();
    return true;
  }
  template <std::integral Value>
  static bool Take(const Json& json, Value& value) {
    if (!json.is_number_integer()) return false;
    if (json.is_number_unsigned()) {
      const auto number = json.get<uint64_t>();
      if (number > static_cast<uint64_t>(std::numeric_limits<Value>::max())) return false;
      value = static_cast<Value>(number);
      return true;
    }
    const auto number = json.get<int64_t>();
    if (std::is_unsigned_v<Value> ||
        number < static_cast<int64_t>(std::numeric_limits<Value>::min())) {
      return false;
    }
    value = static_cast<Value>(number);
    return true;
  }
  static bool Take(const Json& json, OutputPolicy& value) {
    uint32_t number = 0;
    if (!Take(json, number) || number > static_cast<uint32_t>(OutputPolicy::kBackPressure)) {
      return false;
    }
    value = static_cast<OutputPolicy>(number);
    return true;
  }
  static bool Take(const Json& json, std::string& value) {
    if (!json.is_string()) return false;
    value = json.get_ref<const std::string&>();
    return true;
  }
  static bool Take(const Json& json, std::vector<std::string>& values) {
    if (!json.is_array()) return false;
    values.resize(json.size());
    for (size_t i = 0; i < values.size(); ++i) {
      if (!Take(json[i], values[i])) return false;
    }
    return true;
  }
  template <typename Value, size_t kCount>
  static bool Take(const Json& json, Value (&values)[kCount]) {
    if (!json.is_array() || json.size() != kCount) return false;
    for (size_t i = 0; i < kCount; ++i) {
      if (!Take(json[i], values[i])) return false;
    }
    return true;
  }
  template <typename Value>
  static bool Take(const Json& json, std::optional<Value>& value) {
    if (json.is_null()) {
      value.reset();
      return true;
    }
    return Take(json, value.emplace());
  }
  static bool Take(const Json& json, ChangeRange& range) {
    return json.is_array() && json.size() == 3 && Take(json[0], range.from_cursor) &&
           Take(json[1], range.to_cursor) && Take(json[2], range.shared);
  }
  static bool Take(const Json& json, TerminalSize& size) {
    uint16_t values[2];
    if (!Take(json, values)) return false;
    size = {values[0], values[1]};
    return true;
  }
  static bool Take(const Json& json, OomFacts::Victim& victim) {
    uint32_t number = 0;
    if (!Take(json, number) || number > static_cast<uint32_t>(OomFacts::Victim::kDescendant)) {
      return false;
    }
    victim = static_cast<OomFacts::Victim>(number);
    return true;
  }
  // An array with one element for each of `values`, in order.
  template <typename... Values>
  static bool TakeEach(const Json& json, Values&... values) {
    if (!json.is_array() || json.size() != sizeof...(values)) return false;
    size_t at = 0;
    return (Take(json[at++], values) && ...);
  }
  static bool Take(const Json& json, OomFacts& oom) {
    return TakeEach(json, oom.limit_bytes, oom.peak_bytes, oom.kills, oom.victim, oom.program,
                    oom.shared);
  }
  static bool Take(const Json& json, PidsFacts& pids) {
    return TakeEach(json, pids.limit, pids.forks_refused, pids.shared);
  }
  static bool Take(const Json& json, DiskFacts& disk) {
    return TakeEach(json, disk.path, disk.inodes, disk.limit, disk.at_start, disk.shared);
  }

  static bool Take(const Json& json, std::vector<RefusedCallFacts>& calls) {
    if (!json.is_array() || json.size() > kDenialsMax) return false;
    calls.resize(json.size());
    for (size_t i = 0; i < calls.size(); ++i) {
      RefusedCallFacts& call = calls[i];
      if (!TakeEach(json[i], call.number, call.i386, call.error, call.count, call.arguments[0],
                    call.arguments[1], call.arguments[2])) {
        return false;
      }
    }
    return true;
  }

  static bool Take(const Json& json, EgressDenial& denial) {
    uint32_t number = 0;
    if (!Take(json, number) || !IsEgressDenial(number)) return false;
    denial = static_cast<EgressDenial>(number);
    return true;
  }
  static bool Take(const Json& json, std::vector<RefusedConnection>& connections) {
    if (!json.is_array() || json.size() > kDenialsMax) return false;
    connections.resize(json.size());
    for (size_t i = 0; i < connections.size(); ++i) {
      RefusedConnection& one = connections[i];
      if (!TakeEach(json[i], one.host, one.port, one.denial, one.count)) return false;
    }
    return true;
  }

  const Json& record_;
  absl::Status status_;
};

}  // namespace glovebox

#endif  // GLOVEBOX_EXEC_RECORD_FIELDS_H_
