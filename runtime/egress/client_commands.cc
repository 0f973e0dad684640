#include "egress/client_commands.h"

#include <time.h>

#include <utility>

#include "base/status.h"

namespace glovebox {
namespace {

int64_t ThreadNanos() {
  timespec now{};
  (void)::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);  // cannot fail
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

}  // namespace

SocketEnd ToSocketEnd(const IpAddress& address, uint16_t port) {
  return {address.bytes, address.is_v6, port};
}

absl::Status ClientCommands::AskOn(UniqueFd diag) {
  ASSIGN_OR_RETURN(SocketDiag adopted, SocketDiag::Adopt(std::move(diag)));
  diag_.emplace(std::move(adopted));
  no_udp_ = false;
  wrong_ = 0;
  return absl::OkStatus();
}

ClientCommand ClientCommands::Of(SocketProtocol protocol,
                                 absl::FunctionRef<std::optional<ClientEnds>()> ends) {
  const uint64_t word = word_->load(std::memory_order_acquire);
  if (word != kEgressSeveralCommands) return {word, 0};
  if (!diag_.has_value() || (no_udp_ && protocol == SocketProtocol::kUdp)) return {};
  const std::optional<ClientEnds> known = ends();
  return known.has_value() ? ClientCommand{0, Ask(protocol, *known)} : ClientCommand();
}

uint64_t ClientCommands::Ask(SocketProtocol protocol, const ClientEnds& ends) {
  const int64_t before_ns = ThreadNanos();
  const absl::StatusOr<uint64_t> cgroup = diag_->CgroupOfClient(protocol, ends.client, ends.server);
  if (absl::IsFailedPrecondition(cgroup.status())) {  // this kernel does not tell it
    no_udp_ = true;
    if (protocol == SocketProtocol::kTcp) diag_.reset();
    return 0;
  }
  Count(!cgroup.ok() || ThreadNanos() - before_ns > kQuestionNanosMax);
  return cgroup.ok() ? *cgroup : 0;
}

void ClientCommands::Count(bool wrong) {
  if (wrong) {
    wrong_ += kWrongWeight;
  } else if (wrong_ > 0) {
    --wrong_;
  }
  if (wrong_ > kWrongWeight * kWrongMax) diag_.reset();
}

}  // namespace glovebox
