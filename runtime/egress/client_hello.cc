#include "egress/client_hello.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "egress/byte_reader.h"

namespace glovebox {
namespace {

constexpr uint8_t kHandshakeRecord = 22;
constexpr uint8_t kClientHello = 1;
constexpr size_t kRecordHeaderBytes = 5;
constexpr size_t kRecordBytesMax = size_t{1} << 14;
constexpr size_t kHandshakeHeaderBytes = 4;
constexpr uint32_t kExtensionServerName = 0;
constexpr uint32_t kExtensionProtocols = 16;
constexpr uint32_t kExtensionEch = 0xfe0d;
constexpr uint32_t kExtensionEsni = 0xffce;

size_t LengthOfMessage(absl::string_view handshake) {
  uint32_t length = 0;
  ByteReader reader(handshake.substr(1));
  (void)reader.Number(3, &length);  // the caller has the whole header
  return kHandshakeHeaderBytes + length;
}

}  // namespace

ClientHelloReader::State ClientHelloReader::Refuse(const char* why) {
  why_ = why;
  handshake_.clear();
  return state_ = State::kRefused;
}

bool ClientHelloReader::FeedHeader(uint8_t byte) {
  if (header_.empty() && byte != kHandshakeRecord) {
    if (handshake_.empty()) {
      state_ = State::kNotTls;
    } else {
      (void)Refuse("another record within the hello");
    }
    return false;
  }
  header_.push_back(static_cast<char>(byte));
  if (header_.size() == 2 && byte != 3) return (void)Refuse("a version that is none of TLS"), false;
  if (header_.size() < kRecordHeaderBytes) return true;
  record_left_ =
      static_cast<size_t>(static_cast<uint8_t>(header_[3])) << 8 | static_cast<uint8_t>(header_[4]);
  header_.clear();
  if (record_left_ == 0 || record_left_ > kRecordBytesMax) {
    return (void)Refuse("a record of another size"), false;
  }
  return true;
}

ClientHelloReader::State ClientHelloReader::Feed(absl::string_view bytes) {
  while (state_ == State::kMore && !bytes.empty()) {
    if (record_left_ == 0) {
      if (!FeedHeader(static_cast<uint8_t>(bytes[0]))) return state_;
      bytes.remove_prefix(1);
      ++bytes_;
      continue;
    }
    const size_t count = std::min(record_left_, bytes.size());
    handshake_.append(bytes.data(), count);
    bytes.remove_prefix(count);
    record_left_ -= count;
    bytes_ += count;
    if (static_cast<uint8_t>(handshake_[0]) != kClientHello) return Refuse("no client hello");
    if (bytes_ > kBytesMax) return Refuse("a hello over 32 KiB");
    if (handshake_.size() < kHandshakeHeaderBytes) continue;
    const size_t length = LengthOfMessage(handshake_);
    if (length > kBytesMax) return Refuse("a hello over 32 KiB");
    if (handshake_.size() < length) continue;
    if (handshake_.size() > length || record_left_ > 0) {
      return Refuse("something behind the hello in its record");
    }
    const std::string hello = std::exchange(handshake_, {});
    state_ = Parse(absl::string_view(hello).substr(kHandshakeHeaderBytes));
  }
  return state_;
}

// RFC 8446, 4.1.2.
ClientHelloReader::State ClientHelloReader::Parse(absl::string_view hello) {
  ByteReader reader(hello);
  uint32_t version = 0;
  absl::string_view random, session, suites, compressions, extensions;
  if (!reader.Number(2, &version) || !reader.Take(32, &random) || !reader.Vector(1, &session) ||
      !reader.Vector(2, &suites) || !reader.Vector(1, &compressions)) {
    return Refuse("a hello that ends early");
  }
  if (version >> 8 != 3 || session.size() > 32 || suites.empty() || suites.size() % 2 != 0 ||
      compressions.empty()) {
    return Refuse("a hello of another form");
  }
  if (reader.empty()) return State::kDone;  // as before TLS had extensions
  if (!reader.Vector(2, &extensions) || !reader.empty()) {
    return Refuse("extensions that are not the end of the hello");
  }
  return ParseExtensions(extensions);
}

ClientHelloReader::State ClientHelloReader::ParseExtensions(absl::string_view extensions) {
  std::set<uint32_t> seen;
  for (ByteReader reader(extensions); !reader.empty();) {
    uint32_t type = 0;
    absl::string_view extension;
    if (!reader.Number(2, &type) || !reader.Vector(2, &extension)) {
      return Refuse("an extension that ends early");
    }
    if (!seen.insert(type).second) return Refuse("an extension twice");
    if (type == kExtensionEch || type == kExtensionEsni) encrypted_ = true;
    if (type == kExtensionServerName && ParseServerName(extension) == State::kRefused) {
      return state_;
    }
    if (type == kExtensionProtocols && ParseProtocols(extension) == State::kRefused) return state_;
  }
  return State::kDone;
}

// RFC 7301, 3.1.
ClientHelloReader::State ClientHelloReader::ParseProtocols(absl::string_view extension) {
  ByteReader outer(extension);
  absl::string_view list;
  if (!outer.Vector(2, &list) || !outer.empty() || list.empty()) {
    return Refuse("a list of protocols of another form");
  }
  for (ByteReader reader(list); !reader.empty();) {
    absl::string_view protocol;
    if (!reader.Vector(1, &protocol) || protocol.empty()) {
      return Refuse("a list of protocols of another form");
    }
    offers_http2_ = offers_http2_ || protocol == "h2";
    offers_http1_ = offers_http1_ || protocol == "http/1.1";
  }
  return State::kDone;
}

// RFC 6066, 3.
ClientHelloReader::State ClientHelloReader::ParseServerName(absl::string_view extension) {
  ByteReader outer(extension);
  absl::string_view list, name;
  if (!outer.Vector(2, &list) || !outer.empty()) return Refuse("a list of names of another form");
  ByteReader reader(list);
  uint32_t kind = 0;
  if (!reader.Number(1, &kind) || kind != 0 || !reader.Vector(2, &name) || !reader.empty()) {
    return Refuse("not exactly one name of a host");
  }
  absl::StatusOr<HostName> host = HostName::Parse(name);
  if (!host.ok() || absl::EndsWith(name, ".")) return Refuse("a name that is none of a host");
  server_name_ = *std::move(host);
  return State::kDone;
}

}  // namespace glovebox
