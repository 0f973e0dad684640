// Bytes that nobody may see: copies share them, and they are zeroed when the last one goes. What
// was copied out of them is for whoever did that to wipe.
#ifndef GLOVEBOX_POLICY_SECRET_VALUE_H_
#define GLOVEBOX_POLICY_SECRET_VALUE_H_

#include <cstddef>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"

namespace glovebox {

// With all that the string has room for: it may have been longer.
inline void Wipe(std::string* secret) {
  secret->resize(secret->capacity());
  ::explicit_bzero(secret->data(), secret->size());
  secret->clear();
}

// Immutable, but for assignment; any thread. There is no way to print one.
class SecretValue {
 public:
  SecretValue() = default;
  explicit SecretValue(std::string bytes) : held_(std::make_shared<const Held>(&bytes)) {}

  absl::string_view bytes() const { return held_ == nullptr ? absl::string_view() : held_->bytes; }

  // In a time that depends on the lengths alone.
  bool Is(absl::string_view other) const {
    const absl::string_view own = bytes();
    if (own.size() != other.size()) return false;
    unsigned differing = 0;
    for (size_t i = 0; i < own.size(); ++i) {
      differing |= static_cast<unsigned char>(own[i]) ^ static_cast<unsigned char>(other[i]);
    }
    return differing == 0;
  }

 private:
  struct Held {
    // A short string's bytes stay where they were moved from.
    explicit Held(std::string* of) : bytes(std::move(*of)) { Wipe(of); }
    ~Held() { Wipe(&bytes); }
    Held(const Held&) = delete;
    Held& operator=(const Held&) = delete;
    std::string bytes;
  };
  std::shared_ptr<const Held> held_;
};

// By name.
using EgressSecrets = std::map<std::string, SecretValue, std::less<>>;

inline constexpr size_t kSecretBytesMin = 8;  // fewer would be found in what is none
inline constexpr size_t kSecretBytesMax = size_t{8} << 10;

}  // namespace glovebox

#endif  // GLOVEBOX_POLICY_SECRET_VALUE_H_
