// What glovebox-egress says, taken for a stranger's words: it reads what payloads send, and whoever
// takes it over can say anything, but nothing of another form gets past here.
#ifndef GLOVEBOX_DAEMON_EGRESS_MESSAGE_H_
#define GLOVEBOX_DAEMON_EGRESS_MESSAGE_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "egress/egress_wire.h"
#include "policy/egress_record.h"

namespace glovebox {

struct EgressReport {
  EgressMessageKind kind = EgressMessageKind::kReady;
  uint32_t sequence = 0;         // of kAnswer: the order's
  bool failed = false;           // of kAnswer
  uint32_t connections_cut = 0;  // of kAnswer
  std::string text;              // printable ASCII: why, of kFailed and of an answer that failed
  uint64_t sandbox = 0;          // of kAnswer and kEvent; may be one that there is not
  EgressRecord record;           // of kEvent
};

// `fds`: how many descriptors came with it. DATA_LOSS for what a proxy never says. Pure.
absl::StatusOr<EgressReport> ParseEgressMessage(absl::string_view bytes, size_t fds);

}  // namespace glovebox

#endif  // GLOVEBOX_DAEMON_EGRESS_MESSAGE_H_
