// The proxy's end of the control socket: orders come, answers and events go.
#ifndef GLOVEBOX_EGRESS_EGRESS_LINK_H_
#define GLOVEBOX_EGRESS_EGRESS_LINK_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "base/unique_fd.h"
#include "egress/egress_wire.h"
#include "egress/net_io.h"

namespace glovebox {

// Copies printable ASCII of `text` into an array of a message, cut to fit; other bytes become '?'.
void PutText(absl::string_view text, char* array, size_t size);

// One thread. Events wait for the daemon in a queue with an end; what does not fit is counted and
// the next event says how much. Nothing else ever waits for the daemon.
class EgressLink {
 public:
  static constexpr size_t kEventsMax = 4096;

  EgressLink(asio::io_context* io, UniqueFd socket);

  struct Setup {
    EgressSetup setup;
    UniqueFd roots, command_words;
  };
  // The first message; waits. INVALID_ARGUMENT for one of another form.
  absl::Status Receive(Setup* received);
  void Ready();
  void Failed(absl::string_view why);

  struct Order {
    EgressOrder order;
    std::vector<UniqueFd> fds;
  };
  // Calls `take` with each order from now on, and `end` when the socket ends or something comes
  // that is no order.
  void Start(std::function<void(Order)> take, std::function<void()> end);
  void Answer(EgressMessage message);
  // Answers overtake events; this one does not.
  void AnswerBehindEvents(const EgressMessage& message);
  // `message.lost`: those before it that its sandbox did not tell.
  void Event(EgressMessage message);

 private:
  awaitable<void> ReadOrders(std::function<void(Order)> take, std::function<void()> end);
  void Flush();

  asio::posix::stream_descriptor socket_;
  std::deque<EgressMessage> answers_;  // as many as there are unanswered orders
  std::deque<EgressMessage> events_;
  uint64_t lost_ = 0;
  bool waiting_ = false;  // until the socket takes more
};

}  // namespace glovebox

#endif  // GLOVEBOX_EGRESS_EGRESS_LINK_H_
