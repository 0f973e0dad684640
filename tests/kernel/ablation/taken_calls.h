// Takes chosen system calls away from a process and all that it starts: a call is answered without
// having been made, or is made with other memory behind its pointers. So a test has the real
// glovebox-spawner and glovebox-init without one of their mechanisms, and shows what notices.
// Linux 5.5 (SECCOMP_USER_NOTIF_FLAG_CONTINUE).
#ifndef GLOVEBOX_TESTS_KERNEL_ABLATION_TAKEN_CALLS_H_
#define GLOVEBOX_TESTS_KERNEL_ABLATION_TAKEN_CALLS_H_

#include <linux/seccomp.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/unique_fd.h"

namespace glovebox {

// One call, whose maker waits.
class TakenCall {
 public:
  TakenCall(int pid, const seccomp_data& data) : pid_(pid), data_(data) {}
  int pid() const { return pid_; }  // of the thread, as the test sees it
  int number() const { return data_.nr; }
  uint64_t argument(int index) const { return data_.args[index]; }

  // What the pointer `index` points to: `size` bytes; up to the NUL, at most 255.
  std::string Bytes(int index, size_t size) const;
  std::string Text(int index) const;
  // Replaces it, read-only pages included.
  void Put(int index, const std::string& bytes) const;
  // Where the descriptor `index` leads.
  std::string Path(int index) const;
  // Writes `text` to that file, as the test and not as the process.
  void WriteTo(int index, const std::string& text) const;

 private:
  int pid_;
  seccomp_data data_;
};

// What the call returns without being made (below zero: -errno); nullopt: it is made.
using CallJudge = std::function<std::optional<int64_t>(const TakenCall&)>;

// Construct, fork, InstallInChild() there and Serve() here; destroy after the child has ended.
class TakenCalls {
 public:
  // `judge` is asked for each call of `numbers`, on a thread of its own.
  TakenCalls(std::vector<uint32_t> numbers, CallJudge judge);
  ~TakenCalls();

  void InstallInChild() noexcept;  // a child without it ends
  void Serve();
  // How many were answered without being made: 0 means that the test has taken nothing.
  int taken() const { return taken_; }

 private:
  void Run();
  bool AnswerOne();

  const std::vector<uint32_t> numbers_;
  const CallJudge judge_;
  UniqueFd ours_, childs_;  // the listener comes this way
  UniqueFd listener_, wake_;
  std::atomic<int> taken_ = 0;
  std::thread thread_;
};

}  // namespace glovebox

#endif  // GLOVEBOX_TESTS_KERNEL_ABLATION_TAKEN_CALLS_H_
