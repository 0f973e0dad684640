// A hostile init hands a whole exec to a new daemon: its memory, then its frames.
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/flat_bytes.h"
#include "exec/exec.h"
#include "linux/file_io.h"
#include "linux/seqpacket.h"
#include "service/convert_exec.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/targets.h"
#include "tests/support/temporary_directory.h"

namespace glovebox {
namespace {

constexpr int kReadsMax = 5'000;

ExecSpec SpecOf(uint8_t choice) {
  ExecSpec spec;
  spec.arguments = {"x"};
  spec.head_bytes = 4096;
  spec.ring_bytes = 64 * 1024;
  spec.stderr_ring_bytes = 64 * 1024;
  spec.stdin_open = (choice & 1) != 0;
  spec.shell = (choice & 2) != 0;
  if (spec.shell) spec.arguments.clear();
  if ((choice & 4) != 0) spec.output_policy = OutputPolicy::kBackPressure;
  return spec;
}

// "offset, length, bytes" over and over, anywhere in the memory; rings and words first.
void Spoil(FuzzInput* input, int memfd) {
  const off_t size = ::lseek(memfd, 0, SEEK_END);
  auto mapping = SharedMapping::Map(memfd, static_cast<size_t>(size));
  Demand(mapping.ok(), "the test can map");
  for (int i = input->Byte(); i > 0 && !input->empty(); --i) {
    const uint64_t offset = input->Take<uint32_t>() % static_cast<uint64_t>(size);
    const std::string bytes = input->Text();
    const size_t fit = std::min<size_t>(bytes.size(), static_cast<uint64_t>(size) - offset);
    std::memcpy(mapping->data() + offset, bytes.data(), fit);
  }
}

InitFrame FrameOf(FuzzInput* input) {
  InitFrame frame;
  switch (input->Byte() % 5) {
    case 0:
      frame.kind = FrameKind::kStarted;
      frame.body = std::string(BytesOf(input->Take<StartedBody>()));
      break;
    case 1:
      frame.kind = FrameKind::kStdinAck;
      frame.body = std::string(BytesOf(input->Take<StdinAckBody>()));
      break;
    case 2:
      frame.kind = FrameKind::kEnd;
      frame.body = std::string(BytesOf(input->Take<ExecEnd>()));
      break;
    case 3:
      frame.kind = FrameKind::kRefused;
      frame.body = std::string(BytesOf(input->Take<RefusedBody>()));
      break;
    default:
      frame.kind = FrameKind::kOutput;
  }
  frame.exec_no = 1;
  return frame;
}

void ReadAll(const std::shared_ptr<Exec>& exec, uint64_t from) {
  OutputReader reader(exec, from, OutputReader::NeverWaitedFor());
  for (int i = 0; i < kReadsMax; ++i) {
    const auto frame = reader.Next();
    if (!frame.ok()) {
      Demand(absl::IsDataLoss(frame.status()), "a broken region is told as such");
      return;
    }
    if (!frame->has_value()) return;
    Demand((*frame)->data.size() <= kRecordDataMax, "frames are bounded");
    const bool last = (*frame)->last;
    (void)ToProto(**std::move(frame), *exec, RealClock());  // must only not crash
    if (last) return;
  }
}

void CheckOutcome(const Exec& exec) {
  (void)ToProto(exec, "sandbox", WithEnvironment::kYes, RealClock());  // must only not crash
  const std::optional<ExecOutcome> outcome = exec.outcome();
  if (!outcome.has_value()) return;
  Demand(DecodeExecOutcome(EncodeExecOutcome(*outcome)).ok(),
         "whatever init says of an end, it is a record that the next daemon can read");
}

// Init's end of the socket is never read: what the daemon sends fits into the buffer.
std::shared_ptr<InitClient> Connected(UniqueFd* other_end) {
  static const TemporaryDirectory directory;
  static const UniqueFd listener = *ListenSeqpacket(directory.Join("socket"));
  std::shared_ptr<InitClient> client = *InitClient::Connect(directory.Join("socket"));
  other_end->Reset(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  return client;
}

}  // namespace

void FuzzAdoptedExec(absl::string_view bytes) {
  FuzzInput input(bytes);
  const uint8_t choice = input.Byte();
  const ExecSpec spec = SpecOf(choice);
  auto made = OutputRegion::Create(spec, EncodeExecRecord("the-id", spec));
  Demand(made.ok(), "the test can make a region");
  Spoil(&input, made->fd());
  auto region = OutputRegion::Adopt(UniqueFd(::fcntl(made->fd(), F_DUPFD_CLOEXEC, 3)));
  if (!region.ok()) return;
  auto record = DecodeExecRecord(region->record());
  if (!record.ok()) return;
  UniqueFd init;
  auto adopted = Exec::Adopt(1, *std::move(record), *std::move(region), Connected(&init));
  if (!adopted.ok()) return;
  const std::shared_ptr<Exec> exec = *std::move(adopted);
  ShellCommand command;
  command.script = "true";
  for (int i = 0; i < 16 && !input.empty(); ++i) {
    exec->OnFrame(FrameOf(&input), ExecLimitValues{1 << 20, 64, 1 << 20, 1000});
    (void)exec->Snapshot();                                                   // must only not crash
    (void)exec->WriteStdin(exec->Snapshot().stdin_accepted, "input", false);  // likewise
    if (exec->spec().shell) (void)exec->RunShellCommand(command);             // likewise
  }
  ReadAll(exec, choice >> 3);
  CheckOutcome(*exec);
  exec->OnSandboxGone();
  ReadAll(exec, 0);
  CheckOutcome(*exec);
}

}  // namespace glovebox
