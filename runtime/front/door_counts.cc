#include "front/door_counts.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace glovebox {
namespace {

std::string TooMany(absl::string_view who, uint32_t limit) {
  return absl::StrCat(who, " ", limit, " connections, which is the most");
}

}  // namespace

FrontRefusal DoorCounts::Enter(const TcpEndpoint& peer) {
  const std::string network = peer.Network();
  const auto found = strangers_of_network_.find(network);
  if (found != strangers_of_network_.end() && found->second >= limits_.network_strangers_max) {
    return FrontRefusal::kNetworkFull;
  }
  if (strangers_ >= limits_.strangers_max) return FrontRefusal::kStrangersFull;
  if (connections_ >= limits_.connections_max) return FrontRefusal::kAllFull;
  ++strangers_of_network_[network];
  ++strangers_;
  ++connections_;
  return FrontRefusal::kNone;
}

void DoorCounts::NoLongerStranger(const TcpEndpoint& peer) {
  --strangers_;
  const auto found = strangers_of_network_.find(peer.Network());
  if (--found->second == 0) strangers_of_network_.erase(found);
}

std::string DoorCounts::Words(FrontRefusal refusal, const TcpEndpoint& peer) const {
  if (refusal == FrontRefusal::kNetworkFull) {
    return TooMany(absl::StrCat("in the handshake, ", peer.Network(), " has"),
                   limits_.network_strangers_max);
  }
  if (refusal == FrontRefusal::kStrangersFull) {
    return TooMany("those in the handshake are", limits_.strangers_max);
  }
  return TooMany("over TCP there are", limits_.connections_max);
}

}  // namespace glovebox
