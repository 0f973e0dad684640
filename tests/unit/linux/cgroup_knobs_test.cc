// The control files over plain directories: what is written, read back and counted.
#include "linux/cgroup_knobs.h"

#include <fcntl.h>

#include <map>
#include <memory>
#include <string>

#include "base/status.h"
#include "gtest/gtest.h"
#include "linux/cgroup_controllers.h"
#include "linux/file_io.h"
#include "tests/support/temporary_directory.h"

namespace glovebox {
namespace {

constexpr CgroupLimits kLimits{(uint64_t{1} << 30) + 5, 512, 1500};

class CgroupKnobs : public ::testing::Test {
 protected:
  CgroupKnobs() : fd_(open(directory_.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {}

  void Put(const std::string& file, const std::string& content) {
    absl::StatusOr<UniqueFd> fd = OpenAt(fd_.get(), file, O_CREAT | O_WRONLY | O_TRUNC, 0600);
    ASSERT_TRUE(fd.ok()) << fd.status();
    ASSERT_EQ(WriteAll(fd->get(), content), absl::OkStatus());
  }
  std::string Get(const std::string& file) {
    return ReadFileAt(fd_.get(), file, 4096).value_or("unreadable");
  }
  UniqueFd Directory() {
    return UniqueFd(open(directory_.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  }
  void PutV2Files() {
    for (const char* file : {"memory.max", "memory.swap.max", "pids.max", "cpu.max"}) Put(file, "");
  }

  TemporaryDirectory directory_;
  UniqueFd fd_;
};

TEST_F(CgroupKnobs, V2LimitsAreWrittenInTheKernelsForm) {
  PutV2Files();
  ASSERT_EQ(ApplyKnobs(fd_.get(), V2Knobs(kLimits)), absl::OkStatus());
  EXPECT_EQ(Get("memory.max"), "1073741824") << "whole pages";
  EXPECT_EQ(Get("memory.swap.max"), "0");
  EXPECT_EQ(Get("pids.max"), "512");
  EXPECT_EQ(Get("cpu.max"), "150000 100000");
}

TEST_F(CgroupKnobs, V1LimitsMemoryBeforeMemoryAndSwap) {
  const std::vector<CgroupKnob> knobs = V1Knobs("memory", kLimits);
  ASSERT_EQ(knobs.size(), 4u);
  EXPECT_EQ(knobs[0], (CgroupKnob{"memory.limit_in_bytes", "1073741824", false}));
  EXPECT_EQ(knobs[1], (CgroupKnob{"memory.memsw.limit_in_bytes", "1073741824", true}));
  EXPECT_EQ(knobs[3], (CgroupKnob{"memory.kmem.tcp.limit_in_bytes", "268435456", true}));
  EXPECT_EQ(V1Knobs("cpu", kLimits)[1].value, "150000");
}

TEST_F(CgroupKnobs, AFileThatMayBeAbsentIsPassedOverAndAnotherIsNot) {
  Put("here", "");
  EXPECT_EQ(ApplyKnobs(fd_.get(), {{"absent", "0", true}, {"here", "1", false}}), absl::OkStatus());
  EXPECT_EQ(Get("here"), "1");
  EXPECT_TRUE(absl::IsNotFound(ApplyKnobs(fd_.get(), {{"absent", "0", false}})));
}

TEST_F(CgroupKnobs, AValueThatDoesNotHoldIsAnErrorThatNamesBoth) {
  Put("pids.max", "4194304");  // the write covers its first digits only
  const absl::Status status = ApplyKnobs(fd_.get(), {{"pids.max", "16", false}});
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  const std::optional<ErrorDetail> detail = GetErrorDetail(status);
  ASSERT_TRUE(detail.has_value());
  EXPECT_EQ(detail->reason, "CGROUP_LIMIT_NOT_HELD");
  EXPECT_EQ(detail->metadata.at("wanted"), "16");
  EXPECT_EQ(detail->metadata.at("found"), "1694304");
}

TEST_F(CgroupKnobs, V2EventsAreReadFromTheirFiles) {
  PutV2Files();
  absl::StatusOr<std::unique_ptr<CgroupControllers>> controllers =
      MakeV2Controllers(Directory(), &kLimits);
  ASSERT_TRUE(controllers.ok()) << controllers.status();
  Put("memory.events", "low 0\nhigh 0\nmax 4\noom 2\noom_kill 3\noom_group_kill 0\n");
  Put("memory.current", "8192\n");
  Put("pids.events", "max 7\n");
  Put("pids.current", "5\n");
  absl::StatusOr<CgroupEvents> events = (*controllers)->Events();
  ASSERT_TRUE(events.ok()) << events.status();
  EXPECT_EQ(events->oom_kills, 3u);
  EXPECT_EQ(events->pids_max_hits, 7u);
  EXPECT_EQ(events->pids_current, 5u);
  EXPECT_EQ(events->memory_peak_bytes, 8192u) << "memory.peak is younger than memory.current";
  Put("memory.peak", "16384\n");
  EXPECT_EQ((*controllers)->Events()->memory_peak_bytes, 16384u);
  EXPECT_TRUE((*controllers)->OpenTasks()->empty()) << "v2 is joined by birth";
}

TEST_F(CgroupKnobs, HandingDownNamesTheControllerThatIsMissing) {
  Put("cgroup.subtree_control", "");
  Put("cgroup.controllers", "cpuset cpu io memory\n");
  const absl::Status status = EnableV2Controllers(fd_.get());
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_EQ(GetErrorDetail(status)->metadata.at("controller"), "pids");
  Put("cgroup.controllers", "cpuset cpu io memory pids\n");
  EXPECT_EQ(EnableV2Controllers(fd_.get()), absl::OkStatus());
}

TEST_F(CgroupKnobs, KeyedNumbersNeedTheWholeKey) {
  EXPECT_EQ(FlatKeyed("oom 1\noom_kill 2\n", "oom_kill"), 2u);
  EXPECT_EQ(FlatKeyed("oom_kill 2\n", "oom"), std::nullopt);
  EXPECT_EQ(FlatKeyed("max many\n", "max"), std::nullopt);
  EXPECT_EQ(FlatKeyed("", "max"), std::nullopt);
}

}  // namespace
}  // namespace glovebox
