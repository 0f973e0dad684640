// What glovebox-front says, taken for a stranger's words: whoever takes the front over can say
// anything, but nothing of another form gets past here.
#ifndef GLOVEBOX_DAEMON_FRONT_MESSAGE_H_
#define GLOVEBOX_DAEMON_FRONT_MESSAGE_H_

#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "front/front_wire.h"
#include "linux/tcp_endpoint.h"

namespace glovebox {

struct FrontEvent {
  FrontMessageKind kind = FrontMessageKind::kReady;
  FrontRefusal refusal = FrontRefusal::kNone;  // of kRefused
  TcpEndpoint peer;                            // of kConnection and kRefused
  // kConnection: the certificate's name, any bytes (PrincipalOfCertificate judges them). Otherwise
  // printable ASCII.
  std::string text;
};

// `fds`: how many descriptors came with it. DATA_LOSS for what a front never says. Pure.
absl::StatusOr<FrontEvent> ParseFrontMessage(absl::string_view bytes, size_t fds);

// Makes `fd`, which came with a kConnection, one that does not block; DATA_LOSS when it is anything
// but a connected unix stream socket.
absl::Status CheckHandedOver(int fd);

}  // namespace glovebox

#endif  // GLOVEBOX_DAEMON_FRONT_MESSAGE_H_
