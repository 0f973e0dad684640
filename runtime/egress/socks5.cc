#include "egress/socks5.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/match.h"
#include "egress/byte_reader.h"

namespace glovebox {
namespace {

using State = Socks5Parsed::State;

constexpr uint32_t kVersion = 5;
constexpr char kNoAuthentication = 0;
constexpr uint32_t kCommandConnect = 1;
constexpr uint32_t kAddressV4 = 1;
constexpr uint32_t kAddressName = 3;
constexpr uint32_t kAddressV6 = 4;

Socks5Parsed Refused(Socks5Code code) { return {State::kRefused, 0, code}; }

IpAddress AddressOf(absl::string_view bytes) {
  IpAddress address;
  address.is_v6 = bytes.size() == 16;
  std::copy(bytes.begin(), bytes.end(), address.bytes.begin());
  return address;
}

}  // namespace

Socks5Parsed ParseSocks5Greeting(absl::string_view bytes) {
  ByteReader reader(bytes);
  uint32_t version = 0;
  absl::string_view methods;
  if (!reader.Number(1, &version)) return {};
  if (version != kVersion) return Refused(Socks5Code::kFailure);
  if (!reader.Vector(1, &methods)) return {};
  if (!absl::StrContains(methods, kNoAuthentication)) return Refused(Socks5Code::kFailure);
  return {State::kDone, bytes.size() - reader.rest().size(), Socks5Code::kGranted};
}

std::string Socks5GreetingReply(bool granted) {
  return granted ? std::string("\x05\x00", 2) : std::string("\x05\xff", 2);
}

Socks5Parsed ParseSocks5Request(absl::string_view bytes, std::optional<Destination>* destination) {
  ByteReader reader(bytes);
  uint32_t version = 0, command = 0, reserved = 0, kind = 0, port = 0;
  if (!reader.Number(1, &version)) return {};
  if (version != kVersion) return Refused(Socks5Code::kFailure);
  if (!reader.Number(1, &command) || !reader.Number(1, &reserved) || !reader.Number(1, &kind)) {
    return {};
  }
  if (reserved != 0) return Refused(Socks5Code::kFailure);
  if (command != kCommandConnect) return Refused(Socks5Code::kCommandUnknown);
  absl::string_view host;
  bool whole = false;
  switch (kind) {
    case kAddressV4:
      whole = reader.Take(4, &host);
      break;
    case kAddressV6:
      whole = reader.Take(16, &host);
      break;
    case kAddressName:
      whole = reader.Vector(1, &host);
      break;
    default:
      return Refused(Socks5Code::kAddressUnknown);
  }
  if (!whole || !reader.Number(2, &port)) return {};
  if (port == 0) return Refused(Socks5Code::kFailure);
  Destination asked;
  asked.port = static_cast<uint16_t>(port);
  if (kind == kAddressName) {
    absl::StatusOr<Destination> named = ParseHost(host, asked.port);
    if (!named.ok()) return Refused(Socks5Code::kNotAllowed);
    asked = *std::move(named);
  } else {
    asked.address = AddressOf(host);
  }
  *destination = std::move(asked);
  return {State::kDone, bytes.size() - reader.rest().size(), Socks5Code::kGranted};
}

// Where the connection came from is nobody's business: all zeros.
std::string Socks5Reply(Socks5Code code) {
  constexpr std::array<char, 10> kReply = {kVersion, 0, 0, kAddressV4, 0, 0, 0, 0, 0, 0};
  std::string reply(kReply.data(), kReply.size());
  reply[1] = static_cast<char>(code);
  return reply;
}

}  // namespace glovebox
