// The way out of sandboxes, as the daemon sees it: a glovebox-egress that has every sandbox's
// sockets and policy, and its successor, which gets all of them again, when it ends. What a
// sandbox may reach is what the daemon knows; the proxy can be replaced at any time, and no sandbox
// ends for it: connections that were open are reset.
#ifndef GLOVEBOX_DAEMON_EGRESS_GATE_H_
#define GLOVEBOX_DAEMON_EGRESS_GATE_H_

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "base/unique_fd.h"
#include "daemon/command_words.h"
#include "daemon/egress_process.h"
#include "daemon/logging.h"
#include "daemon/restart_delay.h"
#include "egress/egress_wire.h"
#include "policy/egress_policy.h"
#include "policy/ip_address.h"
#include "policy/secret_value.h"
#include "sandbox/egress_gateway.h"

namespace glovebox {

// Any thread but its own, where records are taken. Calls are done in turn. Each waits for the
// proxy's answer, at most parts.answer_within, after which it is taken for hung and replaced; or,
// when it comes just then, until a successor has started and has all sandboxes: at most as long for
// each of the two.
class EgressGate : public EgressGateway {
 public:
  // Returns when the first proxy takes orders. INTERNAL.
  // `secrets`: those of an owner that a policy names, asked on the gate's thread; "": there are
  // none.
  using FindSecrets =
      std::function<EgressSecrets(const std::string& owner, const EgressPolicy& policy)>;
  static absl::StatusOr<std::unique_ptr<EgressGate>> Start(EgressParts parts, const Log* log,
                                                           FindSecrets secrets = {});
  ~EgressGate() override;  // ends the proxy, and with it the connections

  // While there is no proxy, connections wait in the listeners' backlogs. RESOURCE_EXHAUSTED:
  // beyond setup.sandboxes_max, or the sockets for so many.
  absl::StatusOr<uint64_t> Add(const EgressPolicy& policy, const std::string& owner,
                               std::vector<EgressListener> listeners, UniqueFd bytes,
                               TakeRecord take) override;
  absl::Status Listen(uint64_t sandbox, std::vector<EgressListener> listeners) override;
  absl::StatusOr<uint32_t> Replace(uint64_t sandbox, const EgressPolicy& policy) override;
  void NoteCommands(uint64_t sandbox, EgressCommandWord word) override;
  void Settle(uint64_t sandbox) override;
  void Remove(uint64_t sandbox) override;

  // A secret of `owner` is another one, or gone: from its return on requests of all sandboxes are
  // judged so. Those that are under way with one that is gone are cut.
  void SecretChanged(const std::string& owner, const std::string& name);

  // From its return on names are asked of these, at most kEgressNameServersMax, also those that are
  // under way.
  void SetNameServers(const std::vector<IpAddress>& servers);

 private:
  struct Sandbox {
    EgressPolicy policy;
    std::string owner;
    std::vector<EgressListener> listeners;
    UniqueFd bytes;
    TakeRecord take;
    bool refused = false;  // by the proxy that there is now: it has no way out until the next one
  };
  struct Work {
    absl::FunctionRef<void()> function;
    absl::Notification done;
  };

  EgressGate(EgressParts parts, std::unique_ptr<CommandWords> words, const Log* log,
             FindSecrets secrets, UniqueFd wake);
  void Do(absl::FunctionRef<void()> function) ABSL_LOCKS_EXCLUDED(mutex_);
  void Wake();
  // The rest on the gate's thread.
  absl::StatusOr<UniqueFd> FileOf(const EgressPolicy& policy, const std::string& owner) const;
  absl::StatusOr<uint32_t> AskToReplace(uint64_t number, const EgressPolicy& policy,
                                        const std::string& owner);
  void Run(absl::Notification* started, absl::Status* first);
  absl::Status StartProcess();
  void StartAgain();
  void AddAll();
  void Serve();
  bool WaitFor(int timeout_ms);
  void RunWork() ABSL_LOCKS_EXCLUDED(mutex_);
  void TakeEvent(const EgressReport& event);
  absl::Status CheckRoom(size_t sandboxes, size_t sockets) const;
  absl::StatusOr<EgressReport> Ask(const EgressOrder& order, const std::vector<int>& fds,
                                   absl::Time until = absl::InfiniteFuture());
  absl::StatusOr<EgressReport> AskToListen(EgressOrder order,
                                           const std::vector<EgressListener>& listeners,
                                           std::vector<int> fds, absl::Time until);
  absl::StatusOr<EgressReport> AskToAdd(uint64_t number, const Sandbox& sandbox,
                                        absl::Time until = absl::InfiniteFuture());
  void Lose(const absl::Status& why);

  EgressParts parts_;  // its name servers change, on the gate's thread
  const Log* const log_;
  const FindSecrets secrets_;
  const std::unique_ptr<CommandWords> words_;
  const UniqueFd wake_;  // eventfd: there is work, or ending_ has changed
  std::atomic<bool> ending_ = false;
  absl::Mutex mutex_;
  std::deque<Work*> work_ ABSL_GUARDED_BY(mutex_);  // of callers that wait: as many as those

  // Of the gate's thread alone.
  std::map<uint64_t, Sandbox> sandboxes_;
  uint64_t next_sandbox_ = 1;
  std::unique_ptr<EgressProcess> process_;  // null: being replaced
  RestartDelay restart_delay_;

  // Last: it uses all of the above. It starts every proxy, because one dies with the thread that
  // started it.
  std::thread thread_;
};

}  // namespace glovebox

#endif  // GLOVEBOX_DAEMON_EGRESS_GATE_H_
