// One glovebox-egress process.
#ifndef GLOVEBOX_DAEMON_EGRESS_PROCESS_H_
#define GLOVEBOX_DAEMON_EGRESS_PROCESS_H_

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/unique_fd.h"
#include "daemon/controlled_process.h"
#include "daemon/egress_authority.h"
#include "daemon/egress_message.h"
#include "egress/egress_wire.h"

namespace glovebox {

// What every proxy of a daemon is made from.
struct EgressParts {
  UniqueFd program;   // a sealed memfd
  EgressSetup setup;  // with a key
  UniqueFd roots;     // that origins are held to, PEM in a sealed memfd
  UniqueFd commands;  // CommandWords; the gate adds it
  // Generous: a loaded host may take long. Events do not lengthen it.
  absl::Duration answer_within = absl::Seconds(20);

  EgressParts() = default;
  EgressParts(EgressParts&&) = default;
  EgressParts& operator=(EgressParts&&) = delete;
  ~EgressParts();  // zeroes the key
};
// `setup` is without authority; `roots` is PEM.
absl::StatusOr<EgressParts> MakeEgressParts(const EgressSetup& setup,
                                            const EgressAuthority& authority,
                                            absl::string_view roots);

// One thread, which is the one that started it: the proxy is killed when that thread ends. After an
// error of Ask or TakeEvent it is not to be used any more: it has ended, hangs or lies.
class EgressProcess {
 public:
  // For events; called from within Ask and TakeEvent.
  using Take = std::function<void(const EgressReport& event)>;

  // Returns when the proxy is confined and takes orders. INTERNAL.
  static absl::StatusOr<std::unique_ptr<EgressProcess>> Start(const EgressParts& parts, Take take);
  EgressProcess(const EgressProcess&) = delete;
  EgressProcess& operator=(const EgressProcess&) = delete;

  int control_fd() const { return process_.control_fd(); }
  pid_t pid() const { return process_.pid(); }

  // Sends an order and waits for its answer, which may say that it failed; not longer than
  // answer_within, and not after `until`. The order's sequence is set here. DEADLINE_EXCEEDED,
  // UNAVAILABLE, DATA_LOSS.
  absl::StatusOr<EgressReport> Ask(EgressOrder order, const std::vector<int>& fds,
                                   absl::Time until = absl::InfiniteFuture());
  // The event that is there: control_fd() is readable. Waits for one that is not, as Ask.
  absl::Status TakeEvent();
  // Kills it if it lives, which resets its connections, and says how it ended.
  std::string End() { return process_.End(); }

 private:
  EgressProcess(ControlledProcess process, absl::Duration answer_within, Take take)
      : process_(std::move(process)), answer_within_(answer_within), take_(std::move(take)) {}
  absl::StatusOr<EgressReport> Receive(int timeout_ms);

  ControlledProcess process_;
  const absl::Duration answer_within_;
  const Take take_;
  uint32_t sequence_ = 0;
};

}  // namespace glovebox

#endif  // GLOVEBOX_DAEMON_EGRESS_PROCESS_H_
