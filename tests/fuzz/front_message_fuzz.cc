// What a glovebox-front that somebody took over sends to the daemon: whatever it says, what is
// taken of it is a connection with an address and a name, or words for the log.
#include "absl/strings/match.h"
#include "daemon/front_message.h"
#include "daemon/peer_registry.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/targets.h"

namespace glovebox {
namespace {

void CheckName(absl::string_view name) {
  const auto principal = PrincipalOfCertificate(name);
  if (!principal.ok()) return;
  Demand(absl::StartsWith(*principal, "cert:") && principal->size() > 5 && principal->size() <= 258,
         "a principal is a bounded name of its own kind");
  Demand(IsPrintable(*principal) && !absl::StrContains(*principal, ' '), "and one word");
}

}  // namespace

void FuzzFrontMessage(absl::string_view input) {
  FuzzInput parts(input);
  const size_t fds = parts.Byte() % 4;
  const absl::string_view bytes = parts.Rest();
  const auto event = ParseFrontMessage(bytes, fds);
  if (!event.ok()) return;
  Demand(bytes.size() == sizeof(FrontMessage), "a message has one size");
  Demand(event->text.size() <= kFrontTextBytesMax, "a text is bounded");
  const bool connection = event->kind == FrontMessageKind::kConnection;
  Demand(connection == (fds == 1), "a descriptor comes with a connection and with nothing else");
  Demand((event->kind == FrontMessageKind::kRefused) == (event->refusal != FrontRefusal::kNone) &&
             static_cast<uint32_t>(event->refusal) < kFrontRefusals,
         "a refusal has a known reason");
  Demand(connection ? event->peer.port != 0 : IsPrintable(event->text),
         "a connection has a port, other words are printable");
  Demand(IsPrintable(event->peer.Uri()) && !event->peer.Network().empty(), "an address is one");
  if (connection) CheckName(event->text);
}

}  // namespace glovebox
