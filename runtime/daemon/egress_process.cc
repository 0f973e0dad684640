#include "daemon/egress_process.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/flat_bytes.h"
#include "base/status.h"
#include "egress/embedded/embedded_egress.h"
#include "linux/memfd.h"
#include "linux/seqpacket.h"

namespace glovebox {
namespace {

absl::Status Failed(absl::string_view why) {
  return absl::InternalError(
      absl::StrCat("glovebox-egress, the way out of sandboxes, does not start: ", why));
}

// A program that plays the proxy needs none.
std::vector<int> FilesOf(const EgressParts& parts) {
  std::vector<int> files;
  for (const UniqueFd* const file : {&parts.roots, &parts.commands}) {
    if (file->valid()) files.push_back(file->get());
  }
  return files;
}

int Milliseconds(absl::Duration duration) {
  return static_cast<int>(absl::ToInt64Milliseconds(duration)) + 1;
}

}  // namespace

EgressParts::~EgressParts() { ::explicit_bzero(setup.key, sizeof setup.key); }

absl::StatusOr<EgressParts> MakeEgressParts(const EgressSetup& setup,
                                            const EgressAuthority& authority,
                                            absl::string_view roots) {
  if (authority.certificate_der.size() > sizeof setup.certificate ||
      authority.key_der.size() > sizeof setup.key) {
    return absl::FailedPreconditionError("the authority of sandboxes is larger than any of ours");
  }
  EgressParts parts;
  ASSIGN_OR_RETURN(parts.program,
                   MakeSealedMemfd("glovebox-egress", EmbeddedEgress(), /*executable=*/true));
  ASSIGN_OR_RETURN(parts.roots, MakeSealedMemfd("egress-roots", roots, /*executable=*/false));
  parts.setup = setup;
  parts.setup.certificate_bytes = static_cast<uint32_t>(authority.certificate_der.size());
  parts.setup.key_bytes = static_cast<uint32_t>(authority.key_der.size());
  std::copy(authority.certificate_der.begin(), authority.certificate_der.end(),
            parts.setup.certificate);
  std::copy(authority.key_der.begin(), authority.key_der.end(), parts.setup.key);
  return parts;
}

absl::StatusOr<std::unique_ptr<EgressProcess>> EgressProcess::Start(const EgressParts& parts,
                                                                    Take take) {
  ASSIGN_OR_RETURN(
      ControlledProcess process,
      ControlledProcess::Start(parts.program.get(), "glovebox-egress", kEgressControlFd));
  // This end alone: what the proxy does not read must not make the daemon wait.
  if (::fcntl(process.control_fd(), F_SETFL, O_NONBLOCK) != 0) return ErrnoError(errno, "fcntl");
  std::unique_ptr<EgressProcess> proxy(
      new EgressProcess(std::move(process), parts.answer_within, std::move(take)));
  const absl::Status sent = SendPacket(proxy->control_fd(), BytesOf(parts.setup), FilesOf(parts));
  const absl::StatusOr<EgressReport> said = sent.ok()
                                                ? proxy->Receive(Milliseconds(parts.answer_within))
                                                : absl::StatusOr<EgressReport>(sent);
  if (said.ok() && said->kind == EgressMessageKind::kReady) return proxy;
  const std::string why = said.ok() ? said->text : std::string(said.status().message());
  return Failed(absl::StrCat(why, "; ", proxy->End()));
}

// Descriptors that come with a message are closed at once.
absl::StatusOr<EgressReport> EgressProcess::Receive(int timeout_ms) {
  ASSIGN_OR_RETURN(const Packet packet,
                   ReceivePacket(control_fd(), sizeof(EgressMessage), 1, timeout_ms));
  if (packet.bytes.empty()) return absl::UnavailableError("it ended");
  return ParseEgressMessage(packet.bytes, packet.fds.size());
}

absl::StatusOr<EgressReport> EgressProcess::Ask(EgressOrder order, const std::vector<int>& fds,
                                                absl::Time until) {
  order.sequence = ++sequence_;
  const absl::Status sent = SendPacket(control_fd(), BytesOf(order), fds);
  // One order at a time is under way: they pile up only where answers come without reading.
  if (WouldBlock(sent)) return absl::UnavailableError("it answers orders that it does not read");
  RETURN_IF_ERROR(sent);
  until = std::min(until, absl::Now() + answer_within_);
  for (;;) {
    const absl::Duration left = until - absl::Now();
    if (left <= absl::ZeroDuration()) return absl::DeadlineExceededError("it does not answer");
    ASSIGN_OR_RETURN(EgressReport said, Receive(Milliseconds(left)));
    if (said.kind == EgressMessageKind::kEvent) {
      take_(said);
      continue;
    }
    if (said.kind == EgressMessageKind::kAnswer && said.sequence == order.sequence &&
        said.sandbox == order.sandbox) {
      return said;
    }
    return absl::DataLossError("it answers what it was not asked");
  }
}

absl::Status EgressProcess::TakeEvent() {
  ASSIGN_OR_RETURN(const EgressReport said, Receive(Milliseconds(answer_within_)));
  if (said.kind != EgressMessageKind::kEvent) {
    return absl::DataLossError("it answers what it was not asked");
  }
  take_(said);
  return absl::OkStatus();
}

}  // namespace glovebox
