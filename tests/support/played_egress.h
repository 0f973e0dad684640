// What a test program says and hears when it plays a glovebox-egress: the daemon runs it by its
// descriptor, with the words of EgressProcess::Start as its arguments.
#ifndef GLOVEBOX_TESTS_SUPPORT_PLAYED_EGRESS_H_
#define GLOVEBOX_TESTS_SUPPORT_PLAYED_EGRESS_H_

#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <vector>

#include "base/flat_bytes.h"
#include "egress/egress_wire.h"
#include "linux/seqpacket.h"

namespace glovebox {

inline bool IsPlayedEgress(int argc, char** argv) {
  return argc > 0 && std::strcmp(argv[0], "glovebox-egress") == 0;
}

inline void Say(const EgressMessage& message, const std::vector<int>& fds = {}) {
  if (!SendPacket(kEgressControlFd, BytesOf(message), fds).ok()) ::_exit(0);
}

// Closes what descriptors come with it.
template <typename Message>
Message Hear() {
  const auto packet = ReceivePacket(kEgressControlFd, sizeof(Message), kEgressSocketsMax + 1, -1);
  if (!packet.ok() || packet->bytes.size() != sizeof(Message)) ::_exit(0);
  Message message;
  std::memcpy(&message, packet->bytes.data(), sizeof message);
  return message;
}

inline EgressMessage Event(uint64_t sandbox, const char* host) {
  EgressMessage event;
  event.kind = EgressMessageKind::kEvent;
  event.event = EgressEventKind::kOpened;
  event.sandbox = sandbox;
  std::strcpy(event.host, host);
  return event;
}

inline EgressMessage Answer(uint32_t sequence, uint64_t sandbox) {
  EgressMessage answer;
  answer.kind = EgressMessageKind::kAnswer;
  answer.sequence = sequence;
  answer.sandbox = sandbox;
  return answer;
}

}  // namespace glovebox

#endif  // GLOVEBOX_TESTS_SUPPORT_PLAYED_EGRESS_H_
