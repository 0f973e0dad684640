// The temporary directory of one run, with the root file system that all runtimes are given.
#ifndef GLOVEBOX_TESTS_BENCH_WORKSPACE_H_
#define GLOVEBOX_TESTS_BENCH_WORKSPACE_H_

#include <string>
#include <utility>

#include "absl/status/statusor.h"

namespace glovebox::bench {

// Removed, without following links or mounts, by the destructor.
class Workspace {
 public:
  // root()/bin has busybox (when the host has a static one), true, hello and calls (static
  // glibc), true_bare, hello_bare, pause_bare and tree_bare (no C library); copied from beside the
  // running program.
  static absl::StatusOr<Workspace> Make();

  explicit Workspace(std::string path) : path_(std::move(path)), root_(path_ + "/root") {}
  Workspace(Workspace&& other) noexcept
      : path_(std::exchange(other.path_, "")), root_(std::move(other.root_)) {}
  Workspace& operator=(Workspace&& other) = delete;
  ~Workspace();

  const std::string& path() const { return path_; }
  const std::string& root() const { return root_; }

 private:
  std::string path_;
  std::string root_;
};

// The folder of the running program.
std::string ProgramFolder();

}  // namespace glovebox::bench

#endif  // GLOVEBOX_TESTS_BENCH_WORKSPACE_H_
