#include "init/cgroup_tree.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>

#include "linux/bare_text.h"
#include "linux/raw_syscalls.h"

namespace glovebox {
namespace {

// Calls visit(pid) for each line. Pids are those of init's pid namespace; a process outside of it
// would be shown as 0.
template <typename Visitor>
void ForEachProcess(const Exec& exec, Visitor visit) {
  UniqueFd fd(
      static_cast<int>(raw::OpenAt(exec.cgroup.get(), "cgroup.procs", O_RDONLY | O_CLOEXEC)));
  if (!fd.valid()) return;
  char buffer[4096];
  int pid = 0;
  for (;;) {
    long size = raw::Read(fd.get(), buffer, sizeof(buffer));
    if (size <= 0) return;
    for (long i = 0; i < size; ++i) {
      if (buffer[i] >= '0' && buffer[i] <= '9') {
        pid = pid * 10 + (buffer[i] - '0');
      } else {
        visit(pid);
        pid = 0;
      }
    }
  }
}

// The number behind `key` in a small file of "key number" lines.
bool ReadKeyed(const char* text, size_t size, const char* key, uint64_t* value) {
  size_t key_size = TextSize(key);
  for (size_t at = 0; at < size;) {
    size_t line = FindChar(text + at, size - at, '\n');
    if (line > key_size && TextEqual(text + at, key_size, key, key_size)) {
      return ParseDecimal(text + at + key_size, line - key_size, ~uint64_t{0}, value);
    }
    at += line + 1;
  }
  return false;
}

// 0 when it cannot be read.
size_t ReadCgroupFile(const Exec& exec, const char* name, char* buffer, size_t size) {
  UniqueFd fd(static_cast<int>(raw::OpenAt(exec.cgroup.get(), name, O_RDONLY | O_CLOEXEC)));
  if (!fd.valid()) return 0;
  long got = raw::Read(fd.get(), buffer, size);
  return got > 0 ? static_cast<size_t>(got) : 0;
}

// A bit for each possible pid, mapped; pages that are not touched cost nothing.
class PidSet {
 public:
  PidSet() {
    long address = raw::Call(__NR_mmap, nullptr, kBytes, PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (address > 0) words_ = reinterpret_cast<uint64_t*>(address);
  }
  ~PidSet() {
    if (words_ != nullptr) (void)raw::Call(__NR_munmap, words_, kBytes);
  }
  PidSet(const PidSet&) = delete;
  PidSet& operator=(const PidSet&) = delete;
  bool valid() const { return words_ != nullptr; }
  // False when it was there.
  bool Add(int pid) {
    if (pid < 0 || pid >= kPidsMax) return false;
    uint64_t& word = words_[pid / 64];
    uint64_t bit = uint64_t{1} << (pid % 64);
    bool fresh = (word & bit) == 0;
    word |= bit;
    return fresh;
  }

 private:
  static constexpr int kPidsMax = 4 * 1024 * 1024;  // PID_MAX_LIMIT
  static constexpr size_t kBytes = kPidsMax / 8;
  uint64_t* words_ = nullptr;
};

// Signals processes of the tree that were found by number. Their parents may reap them at any time,
// and another tree's process have the number by then. So each is pinned by a pidfd, then the tree
// is read again: a number that is in it now, and whose pidfd still takes the signal afterwards, was
// this process's all the while.
class PinnedSignals {
 public:
  // `group`: only to members of this process group; 0: to all.
  PinnedSignals(const Exec& exec, int signal, int group)
      : exec_(exec), signal_(signal), group_(group) {}
  PinnedSignals(const PinnedSignals&) = delete;
  PinnedSignals& operator=(const PinnedSignals&) = delete;
  ~PinnedSignals() { Send(); }

  void Add(int pid) {
    long fd = raw::Call(__NR_pidfd_open, pid, 0);
    if (fd < 0) return;  // gone since the reading: fine
    pinned_[count_++] = {pid, static_cast<int>(fd), false};
    if (count_ == kPinnedMax) Send();
  }
  void Send() {
    if (count_ == 0) return;
    ForEachProcess(exec_, [this](int pid) {
      for (uint32_t i = 0; i < count_; ++i) pinned_[i].found |= pinned_[i].pid == pid;
    });
    for (uint32_t i = 0; i < count_; ++i) {
      const Pinned& one = pinned_[i];
      if (one.found && (group_ == 0 || raw::Call(__NR_getpgid, one.pid) == group_) &&
          raw::PidfdSendSignal(one.fd, signal_) >= 0) {
        ++sent_;
      }
      (void)raw::Close(one.fd);  // of a pidfd it cannot fail
    }
    count_ = 0;
  }
  uint32_t sent() const { return sent_; }

 private:
  static constexpr uint32_t kPinnedMax = 64;
  struct Pinned {
    int pid;
    int fd;
    bool found;
  };
  const Exec& exec_;
  const int signal_;
  const int group_;
  Pinned pinned_[kPinnedMax];
  uint32_t count_ = 0;
  uint32_t sent_ = 0;
};

// To each once, in rounds: see SignalTree.
uint32_t SignalRounds(const Exec& exec, int signal, int group) {
  PidSet reached;
  PinnedSignals signals(exec, signal, group);
  bool fresh = true;
  for (int round = 0; round < kSignalRounds && fresh; ++round) {
    fresh = false;
    ForEachProcess(exec, [&](int pid) {
      if (pid <= 1 || (reached.valid() && !reached.Add(pid))) return;
      signals.Add(pid);
      fresh = reached.valid();  // without the memory to know them one round has to do
    });
    signals.Send();
  }
  return signals.sent();
}

}  // namespace

bool TreeLives(const Exec& exec) {
  char buffer[128];
  size_t size = ReadCgroupFile(exec, "cgroup.events", buffer, sizeof(buffer));
  uint64_t populated = 0;
  return ReadKeyed(buffer, size, "populated ", &populated) && populated != 0;
}

void ReadCpuTime(const Exec& exec, uint64_t* user_us, uint64_t* system_us) {
  char buffer[1024];
  size_t size = ReadCgroupFile(exec, "cpu.stat", buffer, sizeof(buffer));
  uint64_t user = 0, system = 0;
  if (!ReadKeyed(buffer, size, "user_usec ", &user) ||
      !ReadKeyed(buffer, size, "system_usec ", &system)) {
    return;
  }
  *user_us = user;
  *system_us = system;
}

uint32_t CountProcesses(const Exec& exec) {
  uint32_t count = 0;
  ForEachProcess(exec, [&count](int) { ++count; });
  return count;
}

void SignalTree(const Exec& exec, int signal) { (void)SignalRounds(exec, signal, 0); }

bool SignalGroup(const Exec& exec, int group, int signal) {
  return SignalRounds(exec, signal, group) > 0;
}

void SignalAllButLeader(const Exec& exec, int signal) {
  PinnedSignals signals(exec, signal, 0);
  ForEachProcess(exec, [&signals, leader = exec.pid](int pid) {
    if (pid > 1 && pid != leader) signals.Add(pid);
  });
}

bool KillAllButLeader(const Exec& exec) {
  constexpr int kRounds = 64;
  uint64_t before = 0;
  for (int round = 0; round < kRounds; ++round) {
    uint64_t found = 0;  // stands for which ones
    PinnedSignals kills(exec, SIGKILL, 0);
    ForEachProcess(exec, [&found, &kills, leader = exec.pid](int pid) {
      if (pid <= 1 || pid == leader) return;
      found = (found + static_cast<uint64_t>(pid)) * 0x9e3779b97f4a7c15u;
      kills.Add(pid);
    });
    // Who was killed forks no more: the same ones again are dying.
    if (found == 0 || found == before) return true;
    before = found;
  }
  return false;
}

void KillTree(Exec* exec) {
  exec->tree_killed = true;
  if (raw::Write(exec->cgroup_kill.get(), "1", 1) == 1) return;
  // A descriptor that does not kill leaves what can be found by number.
  SignalTree(*exec, SIGKILL);
}

}  // namespace glovebox
