// What each client has in hand, against its quota: one that asks for too much is refused, and
// nobody else notices.
#ifndef GLOVEBOX_SERVICE_CLIENT_BOOK_H_
#define GLOVEBOX_SERVICE_CLIENT_BOOK_H_

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "base/clock.h"
#include "policy/client_quota.h"
#include "service/caller.h"

namespace glovebox {

// What a call holds while it lasts.
enum class CallKind { kCall, kTransfer, kStream };

// Thread-safe.
class ClientBook {
 public:
  // Outlives every ticket, as `clock` does.
  ClientBook(const ClientQuota& quota, const Clock* clock) : quota_(quota), clock_(clock) {}

  // Gives back what was taken when it is destroyed.
  class Ticket {
   public:
    Ticket() = default;
    Ticket(Ticket&& other) noexcept { *this = std::move(other); }
    Ticket& operator=(Ticket&& other) noexcept;
    ~Ticket() { Release(); }
    // The call has its answer, which may still be on its way to the client: it is not in hand any
    // more. Of these there may be as many again; what is beyond stays in hand until it is gone.
    void Answered();

   private:
    friend class ClientBook;
    Ticket(ClientBook* book, std::string principal, size_t slot)
        : book_(book), principal_(std::move(principal)), slot_(slot) {}
    void Release();
    ClientBook* book_ = nullptr;
    std::string principal_;
    size_t slot_ = 0;
  };

  // One more request. RESOURCE_EXHAUSTED with reason CLIENT_RATE (metadata retry_after_ms: when
  // there is room again) or CLIENT_QUOTA; both name the quota. Administrators have none.
  absl::StatusOr<Ticket> Admit(const Caller& caller, CallKind kind) ABSL_LOCKS_EXCLUDED(mutex_);
  // One more sandbox is asked for. CLIENT_RATE.
  absl::Status AdmitCreation(const Caller& caller) ABSL_LOCKS_EXCLUDED(mutex_);
  // One more command, held until it is among the `running` ones, which are counted under no lock of
  // this class: never more than the quota, at a limit that is reached just now perhaps one less.
  template <typename CountRunning>
  absl::StatusOr<Ticket> AdmitExec(const Caller& caller, CountRunning running) {
    if (caller.admin) return Ticket();
    Ticket ticket = Take(caller.principal, kStarting);
    if (InHand(caller.principal, kStarting) + running() <= quota_.running_execs_max) return ticket;
    return QuotaError("running_execs_max", quota_.running_execs_max,
                      "commands run; wait for one to end");
  }

  // Requests of this client that were refused for their rate since this was last asked.
  uint64_t TakeRefused(const Caller& caller) ABSL_LOCKS_EXCLUDED(mutex_);

  static absl::Status QuotaError(const char* quota, uint64_t limit, absl::string_view what);

 private:
  static constexpr size_t kKinds = 3;
  static constexpr size_t kStarting = kKinds;
  static constexpr size_t kAnswered = kStarting + 1;  // of each kind from here on
  static constexpr size_t kSlots = kAnswered + kKinds;

  struct Rate {
    double tokens = 0;
    int64_t at_ns = 0;
  };
  struct Client {
    std::array<uint64_t, kSlots> in_hand = {};
    Rate requests, creations;
    uint64_t refused = 0;
  };

  Client& Find(const std::string& principal) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ForgetIdle() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status Spend(const char* quota, uint64_t per_second, Rate* rate) const;
  Ticket Take(const std::string& principal, size_t slot) ABSL_LOCKS_EXCLUDED(mutex_);
  uint64_t InHand(const std::string& principal, size_t slot) ABSL_LOCKS_EXCLUDED(mutex_);
  void GiveBack(const std::string& principal, size_t slot) ABSL_LOCKS_EXCLUDED(mutex_);
  // The slot where the ticket is from now on.
  size_t MoveToAnswered(const std::string& principal, size_t slot) ABSL_LOCKS_EXCLUDED(mutex_);

  const ClientQuota quota_;
  const Clock* const clock_;
  absl::Mutex mutex_;
  std::map<std::string, Client> clients_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace glovebox

#endif  // GLOVEBOX_SERVICE_CLIENT_BOOK_H_
