#ifndef GLOVEBOX_TESTS_KERNEL_SNAPSHOT_STATE_DIRECTORY_H_
#define GLOVEBOX_TESTS_KERNEL_SNAPSHOT_STATE_DIRECTORY_H_

#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/status.h"
#include "gtest/gtest.h"
#include "snapshot/disk.h"

namespace glovebox {

// A state directory with a disk factory, as the daemon has them. /var/tmp: a real file system,
// where /tmp may be memory.
class StateDirectoryTest : public testing::Test {
 protected:
  static constexpr uint64_t kMiB = uint64_t{1} << 20;

  StateDirectoryTest() {
    std::string path = "/var/tmp/glovebox-test.XXXXXX";
    directory_ = ::mkdtemp(path.data());
    OpenDisks();
  }
  ~StateDirectoryTest() override {
    disks_.reset();
    std::filesystem::remove_all(directory_);
  }

  void OpenDisks() {
    disks_.reset();
    auto disks = DiskFactory::Open(directory_ + "/disks");
    if (!disks.ok()) {
      ADD_FAILURE() << disks.status();
      std::abort();
    }
    disks_ = *std::move(disks);
  }
  std::unique_ptr<Disk> NewDisk(uint64_t bytes, uint64_t inodes) {
    auto disk = disks_->Create(bytes, inodes);
    if (!disk.ok()) {
      ADD_FAILURE() << disk.status();
      return nullptr;
    }
    return *std::move(disk);
  }
  int Count(const std::string& path) const {
    return static_cast<int>(
        std::distance(std::filesystem::directory_iterator(directory_ + "/" + path), {}));
  }

  std::string directory_;
  std::unique_ptr<DiskFactory> disks_;
  RealClock clock_;
};

inline std::string ReasonOf(const absl::Status& status) {
  const auto detail = GetErrorDetail(status);
  return detail.has_value() ? detail->reason : "";
}

inline void WriteFile(const std::string& path, const std::string& content) {
  std::ofstream(path, std::ios::binary) << content;
}

inline std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

}  // namespace glovebox

#endif  // GLOVEBOX_TESTS_KERNEL_SNAPSHOT_STATE_DIRECTORY_H_
