#include "init/limit_watch.h"

#include <signal.h>
#include <sys/vfs.h>

#include "linux/bare_text.h"
#include "linux/raw_syscalls.h"

namespace glovebox {
namespace {

constexpr size_t kCounterBytesMax = 512;  // the longest is memory.events, under 150

struct CounterText {
  char data[kCounterBytesMax];
  size_t size = 0;
};

void ReadCounter(const UniqueFd& fd, CounterText* text) {
  if (!fd.valid()) return;
  long size = raw::Call(__NR_pread64, fd.get(), text->data, sizeof(text->data), 0);
  if (size > 0) text->size = static_cast<size_t>(size);
}

// The number at the start of [from, size); 0 when there is none.
uint64_t NumberAt(const CounterText& text, size_t from) {
  uint64_t value = 0;
  size_t digits = from;
  while (digits < text.size && text.data[digits] >= '0' && text.data[digits] <= '9') ++digits;
  if (!ParseDecimal(text.data + from, digits - from, ~uint64_t{0}, &value)) return 0;
  return value;
}

// Of the line that starts with `key`, which ends with a space.
uint64_t NumberOf(const UniqueFd& fd, const char* key) {
  CounterText text;
  ReadCounter(fd, &text);
  size_t key_size = TextSize(key);
  for (size_t at = 0; at < text.size;) {
    size_t line = FindChar(text.data + at, text.size - at, '\n');
    if (line > key_size && TextEqual(text.data + at, key_size, key, key_size)) {
      return NumberAt(text, at + key_size);
    }
    at += line + 1;
  }
  return 0;
}

uint64_t NumberIn(const UniqueFd& fd) {
  CounterText text;
  ReadCounter(fd, &text);
  return NumberAt(text, 0);
}

uint32_t FullBits(const char* path, uint32_t bytes_bit, uint32_t inodes_bit) {
  struct statfs fs;
  if (raw::Call(__NR_statfs, path, &fs) < 0) return 0;
  uint32_t bits = 0;
  if (static_cast<uint64_t>(fs.f_bavail) * static_cast<uint64_t>(fs.f_bsize) < kDiskFullBytes) {
    bits |= bytes_bit;
  }
  if (fs.f_ffree == 0) bits |= inodes_bit;
  return bits;
}

uint64_t Grown(uint64_t before, uint64_t now) { return now > before ? now - before : 0; }

// The sandbox's peak is this command's when it rose meanwhile and nothing else ran. A peak of two,
// init and one more, leaves no choice either.
uint32_t ProcessesMax(uint64_t before, uint64_t now, bool shared) {
  if (shared || now < 2 || now > UINT32_MAX) return 0;
  if (now == before && now != 2) return 0;
  return static_cast<uint32_t>(now - 1);
}

}  // namespace

void LimitWatch::Take(UniqueFd* fds) {
  for (uint32_t i = 0; i < kCounterFds; ++i) fds_[i] = static_cast<UniqueFd&&>(fds[i]);
}

LimitReading LimitWatch::Read() const {
  auto fd = [this](CounterFd which) -> const UniqueFd& {
    return fds_[static_cast<uint32_t>(which)];
  };
  LimitReading reading;
  reading.oom_kills = NumberOf(fd(CounterFd::kOomKills), "oom_kill ");
  reading.forks_refused = NumberOf(fd(CounterFd::kPidsEvents), "max ");
  reading.processes_peak = NumberIn(fd(CounterFd::kPidsPeak));
  // The overlay answers for the file system of its upper directory, the sandbox's disk.
  reading.full = FullBits("/", kFullDiskBytes, kFullDiskInodes) |
                 FullBits("/tmp", kFullTmpBytes, kFullTmpInodes);
  return reading;
}

LimitFacts LimitWatch::Since(const LimitReading& before, bool shared) const {
  LimitReading now = Read();
  LimitFacts facts{};
  facts.shared = shared ? 1 : 0;
  facts.full = now.full;
  facts.full_before = before.full;
  facts.processes_max = ProcessesMax(before.processes_peak, now.processes_peak, shared);
  facts.oom_kills = Grown(before.oom_kills, now.oom_kills);
  facts.forks_refused = Grown(before.forks_refused, now.forks_refused);
  if (facts.oom_kills > 0) {
    facts.memory_peak_bytes = NumberIn(fds_[static_cast<uint32_t>(CounterFd::kMemoryPeak)]);
  }
  return facts;
}

EndCause CauseWithLimits(EndCause cause, int exit_code, int signal, const LimitFacts& facts) {
  if (signal == 0 && exit_code == 0) return cause;
  if (signal == SIGKILL && facts.oom_kills > 0) return EndCause::kOomKilled;
  if (facts.shared != 0) return cause;
  if (facts.oom_kills > 0) return EndCause::kOomKilled;
  if (facts.forks_refused > 0) return EndCause::kPidsLimit;
  if ((facts.full & ~facts.full_before) != 0) return EndCause::kDiskFull;
  return cause;
}

}  // namespace glovebox
