// What a hostile init sends over its socket, and the rest of the daemon is never shown.
#include <sys/socket.h>

#include "base/flat_bytes.h"
#include "launcher/init_client.h"
#include "linux/memfd.h"
#include "linux/seqpacket.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/targets.h"
#include "tests/support/temporary_directory.h"

namespace glovebox {
namespace {

constexpr int kPacketsMax = 64;

// Two bits: descriptors; one: bytes as they are, instead of below a header that fits them.
void SendOne(FuzzInput* input, int socket) {
  static const UniqueFd memory = *MakeFixedSizeMemfd("fuzz", 4096);
  const uint8_t choice = input->Byte();
  std::string message;
  if ((choice & 4) != 0) {
    message = std::string(input->Bytes(input->Take<uint16_t>()));
  } else {
    const auto kind = static_cast<FrameKind>(input->Byte());
    const uint32_t exec_no = input->Byte();
    const absl::string_view body = input->Bytes(input->Take<uint16_t>());
    const FrameHeader header{kFrameMagic, kind, 0, exec_no, static_cast<uint32_t>(body.size())};
    message = std::string(BytesOf(header));
    message.append(body.data(), body.size());
  }
  const std::vector<int> fds(choice & 3, memory.get());
  (void)SendPacket(socket, message, fds);  // a full socket takes no more, which is as good
}

void CheckFrame(const InitFrame& frame) {
  Demand(frame.body.size() <= kFrameBodyMax, "bodies are bounded");
  const bool carries = frame.kind == FrameKind::kHeld ||
                       (frame.kind == FrameKind::kSocket && frame.As<SocketBody>().error == 0);
  Demand(frame.descriptor.valid() == carries,
         "a descriptor comes with kHeld, with a socket that was made, and with nothing else");
}

}  // namespace

void FuzzInitFrame(absl::string_view bytes) {
  static const TemporaryDirectory directory;
  static const UniqueFd listener = *ListenSeqpacket(directory.Join("socket"));
  const auto client = InitClient::Connect(directory.Join("socket"));
  Demand(client.ok(), "the test can connect");
  UniqueFd init(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  FuzzInput input(bytes);
  const bool collects = input.Byte() % 2 == 0;
  for (int i = 0; i < kPacketsMax && !input.empty(); ++i) SendOne(&input, init.get());
  init.Reset();
  if (collects) {
    const auto held = (*client)->CollectHeld(0);
    if (!held.ok()) return;
    Demand(held->regions.size() <= kExecsHeldMax, "what init holds is bounded");
    for (const InitFrame& frame : held->frames) {
      CheckFrame(frame);
      Demand(held->regions.contains(frame.exec_no), "frames are of execs that are held");
    }
    return;
  }
  for (;;) {
    const auto frame = (*client)->Receive();
    if (!frame.ok()) return;
    if (frame->has_value()) CheckFrame(**frame);
  }
}

}  // namespace glovebox
