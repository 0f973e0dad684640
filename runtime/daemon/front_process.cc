#include "daemon/front_process.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/flat_bytes.h"
#include "base/status.h"
#include "daemon/front_message.h"
#include "front/embedded/embedded_front.h"
#include "linux/memfd.h"
#include "linux/seqpacket.h"

namespace glovebox {
namespace {

// Generous: a loaded host may take long.
constexpr int kReadyWithinMs = 20'000;

absl::Status Failed(absl::string_view why) {
  return absl::InternalError(
      absl::StrCat("glovebox-front, which serves TCP, does not start: ", why));
}

}  // namespace

absl::StatusOr<FrontParts> MakeFrontParts(const TlsPems& pems, UniqueFd listener,
                                          const FrontSetup& setup) {
  FrontParts parts;
  ASSIGN_OR_RETURN(parts.program,
                   MakeSealedMemfd("glovebox-front", EmbeddedFront(), /*executable=*/true));
  ASSIGN_OR_RETURN(parts.certificate, MakeSealedMemfd("certificate", pems.certificate, false));
  ASSIGN_OR_RETURN(parts.key, MakeSealedMemfd("key", pems.key, false));
  ASSIGN_OR_RETURN(parts.client_ca, MakeSealedMemfd("client-ca", pems.client_ca, false));
  parts.listener = std::move(listener);
  parts.setup = setup;
  return parts;
}

absl::StatusOr<std::unique_ptr<FrontProcess>> FrontProcess::Start(const FrontParts& parts) {
  ASSIGN_OR_RETURN(
      ControlledProcess process,
      ControlledProcess::Start(parts.program.get(), "glovebox-front", kFrontControlFd));
  std::unique_ptr<FrontProcess> front(new FrontProcess(std::move(process)));
  const absl::Status set_up = front->SetUp(parts);
  if (!set_up.ok()) return Failed(absl::StrCat(std::string(set_up.message()), "; ", front->End()));
  return front;
}

absl::Status FrontProcess::SetUp(const FrontParts& parts) {
  RETURN_IF_ERROR(SendPacket(
      control_fd(), BytesOf(parts.setup),
      {parts.listener.get(), parts.certificate.get(), parts.key.get(), parts.client_ca.get()}));
  ASSIGN_OR_RETURN(const Packet packet,
                   ReceivePacket(control_fd(), sizeof(FrontMessage), 1, kReadyWithinMs));
  if (packet.bytes.empty()) return absl::InternalError("it ended");
  ASSIGN_OR_RETURN(const FrontEvent said, ParseFrontMessage(packet.bytes, packet.fds.size()));
  if (said.kind == FrontMessageKind::kReady) return absl::OkStatus();
  return absl::InternalError(said.text);
}

void FrontProcess::StopAccepting() {
  const FrontStopAccepting order;
  (void)SendPacket(control_fd(), BytesOf(order), {});  // fails when it has ended, which will do
}

}  // namespace glovebox
