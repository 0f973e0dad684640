#include <sys/resource.h>

#include <set>

#include "base/status.h"
#include "gtest/gtest.h"
#include "init/exec_limits.h"
#include "init/exec_region.h"
#include "policy/exec_limits.h"
#include "policy/sandbox_limits.h"

namespace glovebox {
namespace {

std::string RefusedField(const absl::Status& status) {
  EXPECT_TRUE(absl::IsOutOfRange(status)) << status;
  const std::optional<ErrorDetail> detail = GetErrorDetail(status);
  if (!detail.has_value()) return "";
  EXPECT_EQ(detail->reason, "LIMIT_OUT_OF_RANGE");
  EXPECT_TRUE(detail->metadata.contains("min") && detail->metadata.contains("max"));
  return detail->metadata.at("field");
}

TEST(SandboxLimits, DefaultsAreWithinTheirRanges) {
  EXPECT_EQ(Validate(SandboxLimits{}), absl::OkStatus());
}

TEST(SandboxLimits, EveryFieldHasARangeAndIsNamedWhenOutsideOfIt) {
  EXPECT_EQ(SandboxLimitRanges().size() * sizeof(uint64_t), sizeof(SandboxLimits));
  for (const LimitRange& range : SandboxLimitRanges()) {
    SandboxLimits limits;
    limits.*range.member = range.max + 1;
    EXPECT_EQ(RefusedField(Validate(limits)), std::string("limits.") + range.field);
    if (range.min == 0) continue;
    limits.*range.member = range.min - 1;
    EXPECT_EQ(RefusedField(Validate(limits)), std::string("limits.") + range.field);
  }
}

TEST(SandboxLimits, ADiskCannotHaveMoreInodesThanBlocks) {
  SandboxLimits limits;
  limits.disk_bytes = 16 * kMiB;
  limits.disk_inodes = 4096;
  EXPECT_EQ(Validate(limits), absl::OkStatus());
  limits.disk_inodes = 4097;
  EXPECT_EQ(RefusedField(Validate(limits)), "limits.disk_inodes");
}

TEST(SandboxLimits, ResourceLimitsAreHardAndNeverBelowTheirSoftOnes) {
  std::set<uint32_t> seen;
  for (const ResourceLimit& limit : ResourceLimits(SandboxLimits{})) {
    EXPECT_LE(limit.soft, limit.hard);
    EXPECT_NE(limit.hard, RLIM_INFINITY);
    EXPECT_TRUE(seen.insert(limit.resource).second);
  }
  for (uint32_t resource : {RLIMIT_CORE, RLIMIT_NOFILE, RLIMIT_MEMLOCK, RLIMIT_MSGQUEUE,
                            RLIMIT_SIGPENDING, RLIMIT_FSIZE, RLIMIT_NPROC}) {
    EXPECT_TRUE(seen.contains(resource)) << resource;
  }
}

TEST(ExecLimits, DefaultsAreWithinTheirRanges) {
  EXPECT_EQ(Validate(ExecLimits{}), absl::OkStatus());
}

TEST(ExecLimits, EveryFieldHasARangeAndIsNamedWhenOutsideOfIt) {
  EXPECT_EQ(ExecLimitRanges().size() * sizeof(uint64_t), sizeof(ExecLimits));
  for (const ExecLimitRange& range : ExecLimitRanges()) {
    ExecLimits limits;
    limits.*range.member = range.max + range.multiple_of;
    EXPECT_EQ(RefusedField(Validate(limits)), range.field);
  }
  ExecLimits odd;
  odd.ring_bytes = 1024 * 1024 + 4;
  EXPECT_EQ(RefusedField(Validate(odd)), "ring_bytes");
}

TEST(ExecLimits, AreNeverWiderThanWhatInitTakes) {
  EXPECT_LE(kExecTextBytesMax + sizeof(ExecSpecWire), kSpecBytesMax);
  EXPECT_LE(kExecVariablesMax, kVariablesMax);
  EXPECT_LE(kExecsAtOnceMax, kExecsMax);
  for (const ExecLimitRange& range : ExecLimitRanges()) {
    if (range.member == &ExecLimits::ring_bytes || range.member == &ExecLimits::stderr_ring_bytes) {
      EXPECT_GE(range.min, kRingBytesMin) << range.field;
    }
    if (std::string(range.unit) == "ms") {
      EXPECT_LE(range.max, UINT32_MAX) << range.field;
    }
  }
}

}  // namespace
}  // namespace glovebox
