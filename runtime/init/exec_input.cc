#include "init/exec_input.h"

#include <asm/ioctls.h>
#include <asm/termbits.h>
#include <errno.h>
#include <sys/mman.h>

namespace glovebox {
namespace {

// The end of a terminal's input is a character, whatever the line discipline was told it is.
bool WriteEndOfFileCharacter(int master_fd) {
  struct termios settings {};
  char character = 4;  // ^D
  if (raw::Ioctl(master_fd, TCGETS, &settings) >= 0 && settings.c_cc[VEOF] != 0) {
    character = static_cast<char>(settings.c_cc[VEOF]);
  }
  return raw::Write(master_fd, &character, 1) != -EAGAIN;
}

void Poll(Exec* exec, uint32_t slot, bool wanted, EventSet* events) {
  events->Change(exec->input_fd.get(), wanted ? uint32_t{EPOLLOUT} : 0, EventSource::kStdin, slot);
}

}  // namespace

long PrepareInput(Exec* exec) {
  long address = raw::Call(__NR_mmap, nullptr, kStdinWindow, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (address < 0 && address > -4096) return address;
  exec->input.buffer = reinterpret_cast<char*>(address);
  return 0;
}

void ReleaseInput(Exec* exec) {
  if (exec->input.buffer != nullptr) {
    (void)raw::Call(__NR_munmap, exec->input.buffer, kStdinWindow);
  }
  exec->input.buffer = nullptr;
}

void CloseInput(Exec* exec, EventSet* events) {
  exec->input.closed = true;
  if (exec->input_fd.valid()) events->Remove(exec->input_fd.get());
  exec->input_fd.Reset();
  ReleaseInput(exec);
}

void TakeInput(Exec* exec, uint32_t slot, const StdinBody& body, const char* bytes, uint32_t size,
               EventSet* events) {
  ExecInput& input = exec->input;
  exec->pending |= kPendingStdinAck;
  if (input.closed || input.eof || body.offset > input.accepted) return;
  uint64_t skip = input.accepted - body.offset;
  uint64_t fresh = skip < size ? size - skip : 0;
  uint64_t room = kStdinWindow - (input.accepted - input.written);
  uint64_t take = fresh < room ? fresh : room;
  for (uint64_t i = 0; i < take;) {
    uint64_t at = (input.accepted + i) % kStdinWindow;
    uint64_t part = take - i < kStdinWindow - at ? take - i : kStdinWindow - at;
    __builtin_memcpy(input.buffer + at, bytes + skip + i, part);
    i += part;
  }
  input.accepted += take;
  if (body.eof != 0 && take == fresh && body.offset + size == input.accepted) input.eof = true;
  WriteInput(exec, slot, events);
}

void WriteInput(Exec* exec, uint32_t slot, EventSet* events) {
  ExecInput& input = exec->input;
  if (input.closed || !exec->input_fd.valid()) return;
  exec->pending |= kPendingStdinAck;
  while (input.written < input.accepted) {
    uint64_t at = input.written % kStdinWindow;
    uint64_t size = input.accepted - input.written;
    if (size > kStdinWindow - at) size = kStdinWindow - at;
    long result = raw::Write(exec->input_fd.get(), input.buffer + at, size);
    if (result == -EINTR) continue;
    if (result == -EAGAIN) return Poll(exec, slot, true, events);
    if (result < 0) return CloseInput(exec, events);  // EPIPE, EIO: the command reads no more
    input.written += static_cast<uint64_t>(result);
  }
  if (!input.eof) return Poll(exec, slot, false, events);
  if (exec->terminal && !WriteEndOfFileCharacter(exec->input_fd.get())) {
    return Poll(exec, slot, true, events);
  }
  CloseInput(exec, events);
}

}  // namespace glovebox
