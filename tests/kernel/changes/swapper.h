// A payload that exchanges a directory, a link out, a file, a link to a file outside and a FIFO for
// one another, as fast as the disk goes.
#ifndef GLOVEBOX_TESTS_KERNEL_CHANGES_SWAPPER_H_
#define GLOVEBOX_TESTS_KERNEL_CHANGES_SWAPPER_H_

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include "gtest/gtest.h"

namespace glovebox {

// The files first; the thread runs from Begin until the end of this.
class Swapper {
 public:
  // In `work`, a directory of an upper itself: the overlay would only slow the attack down.
  // `outside` has a file "file".
  Swapper(std::string work, const std::string& outside, const std::string& content)
      : work_(std::move(work)) {
    namespace fs = std::filesystem;
    fs::create_directories(work_ + "/d");
    std::ofstream(work_ + "/d/file") << content;
    std::ofstream(work_ + "/f") << content;
    fs::create_symlink(outside, work_ + "/link");
    fs::create_symlink(outside + "/file", work_ + "/f-link");
    EXPECT_EQ(::mkfifo((work_ + "/f-fifo").c_str(), 0666), 0);
  }
  Swapper(const Swapper&) = delete;
  Swapper& operator=(const Swapper&) = delete;
  ~Swapper() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
  }

  void Begin() {
    thread_ = std::thread([this] {
      while (!stop_) {
        Swap("/d", "/link");
        Swap("/f", "/f-link");
        Swap("/f", "/f-fifo");
      }
    });
  }

 private:
  void Swap(const char* a, const char* b) const {
    (void)::renameat2(AT_FDCWD, (work_ + a).c_str(), AT_FDCWD, (work_ + b).c_str(),
                      RENAME_EXCHANGE);
  }

  const std::string work_;
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

}  // namespace glovebox

#endif  // GLOVEBOX_TESTS_KERNEL_CHANGES_SWAPPER_H_
