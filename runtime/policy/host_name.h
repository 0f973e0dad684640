// Names of hosts as rules, resolvers and TLS mean them, in one spelling. Pure values.
#ifndef GLOVEBOX_POLICY_HOST_NAME_H_
#define GLOVEBOX_POLICY_HOST_NAME_H_

#include <compare>
#include <cstddef>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace glovebox {

// A DNS name in lower case without the dot at its end: at most 253 bytes, labels of 1 to 63
// letters, digits, '-' (not at their ends) and '_'. Two spellings of one name are equal.
//
// '_' is no letter of host names (RFC 952), but resolvers take it, and buckets and container
// networks have it in names that people use. The last label is not a number, decimal or 0x...: what
// ends so is an address to some parser ("127.1", "0x7f000001", "2130706433"), and a name that two
// programs read differently is refused here. For the same reason everything else is: NUL, '%', '#',
// '@', '\', spaces, a port, brackets, and bytes over 127 (write xn--...).
class HostName {
 public:
  static constexpr size_t kBytesMax = 253;

  // INVALID_ARGUMENT, INVALID_FIELD; the message does not repeat the bytes.
  static absl::StatusOr<HostName> Parse(absl::string_view text);

  const std::string& value() const { return value_; }
  friend auto operator<=>(const HostName&, const HostName&) = default;

 private:
  explicit HostName(std::string value) : value_(std::move(value)) {}
  std::string value_;
};

// The host of a rule: one name, or "*.example.com", which is every name below example.com, at any
// depth, and not example.com itself.
struct HostPattern {
  std::string name;    // canonical; without the "*."
  bool below = false;  // "*."
  std::string Text() const { return below ? "*." + name : name; }

  // INVALID_ARGUMENT, INVALID_FIELD. "*" alone and "*.com" are refused: what has one label is a
  // registry of names, in which anybody can have one.
  static absl::StatusOr<HostPattern> Parse(absl::string_view text);
};

}  // namespace glovebox

#endif  // GLOVEBOX_POLICY_HOST_NAME_H_
