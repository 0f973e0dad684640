#include "daemon/front_message.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace glovebox {
namespace {

absl::Status Wrong(absl::string_view what) {
  return absl::DataLossError(absl::StrCat("glovebox-front said what it never says: ", what));
}

bool IsPrintable(absl::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c < 0x7f; });
}

absl::Status CheckByKind(const FrontMessage& message, absl::string_view text, size_t fds) {
  const bool refused = message.refusal != FrontRefusal::kNone;
  switch (message.kind) {
    case FrontMessageKind::kReady:
      if (fds != 0 || refused || !text.empty()) return Wrong("more than that it is ready");
      return absl::OkStatus();
    case FrontMessageKind::kFailed:
      if (fds != 0 || refused || !IsPrintable(text)) return Wrong("a failure of another form");
      return absl::OkStatus();
    case FrontMessageKind::kConnection:
      if (fds != 1 || refused || message.port == 0) return Wrong("half a connection");
      return absl::OkStatus();
    case FrontMessageKind::kRefused:
      if (fds != 0 || !refused || static_cast<uint32_t>(message.refusal) >= kFrontRefusals ||
          !IsPrintable(text)) {
        return Wrong("a refusal of another form");
      }
      return absl::OkStatus();
  }
  return Wrong("a message of no kind");
}

absl::StatusOr<int> Option(int fd, int name) {
  int value = 0;
  socklen_t size = sizeof value;
  if (::getsockopt(fd, SOL_SOCKET, name, &value, &size) == 0) return value;
  return Wrong("a descriptor that is no socket");
}

}  // namespace

absl::StatusOr<FrontEvent> ParseFrontMessage(absl::string_view bytes, size_t fds) {
  FrontMessage message;
  if (bytes.size() != sizeof message) return Wrong("a message of another size");
  std::memcpy(&message, bytes.data(), sizeof message);
  if (message.magic != kFrontMagic || message.version != kFrontVersion) {
    return Wrong("a message of another version");
  }
  if (message.text_bytes > sizeof message.text) return Wrong("a text beyond its message");
  if (message.port > UINT16_MAX) return Wrong("a port that is none");
  const char* const text_end = message.text + message.text_bytes;
  if (std::any_of(text_end, std::cend(message.text), [](char c) { return c != 0; })) {
    return Wrong("something after its text");
  }
  const absl::string_view text(message.text, message.text_bytes);
  RETURN_IF_ERROR(CheckByKind(message, text, fds));
  FrontEvent event;
  event.kind = message.kind;
  event.refusal = message.refusal;
  std::copy(std::begin(message.address), std::end(message.address), event.peer.address.begin());
  event.peer.port = static_cast<uint16_t>(message.port);
  event.text = std::string(text);
  return event;
}

absl::Status CheckHandedOver(int fd) {
  ASSIGN_OR_RETURN(const int domain, Option(fd, SO_DOMAIN));
  ASSIGN_OR_RETURN(const int type, Option(fd, SO_TYPE));
  ASSIGN_OR_RETURN(const int listens, Option(fd, SO_ACCEPTCONN));
  sockaddr_storage peer{};
  socklen_t size = sizeof peer;
  const bool connected = ::getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &size) == 0;
  // One whose other end has closed since is connected still.
  if (domain != AF_UNIX || type != SOCK_STREAM || listens != 0 || !connected) {
    return Wrong("a socket that is no unix stream");
  }
  if (::fcntl(fd, F_SETFL, O_NONBLOCK) != 0) return ErrnoError(errno, "O_NONBLOCK");
  return absl::OkStatus();
}

}  // namespace glovebox
