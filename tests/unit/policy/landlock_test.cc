#include "policy/landlock.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace glovebox {
namespace {

constexpr uint64_t kChanges = kLandlockWriteFile | kLandlockRemoveDir | kLandlockRemoveFile |
                              kLandlockMakeDir | kLandlockMakeReg | kLandlockMakeSock |
                              kLandlockMakeFifo | kLandlockMakeSym | kLandlockRefer |
                              kLandlockTruncate;

LandlockRequest At(int abi) {
  LandlockRequest request;
  request.abi = abi;
  return request;
}

uint64_t AccessOf(const LandlockPolicy& policy, const std::string& path) {
  for (const LandlockRule& rule : policy.rules) {
    if (rule.path == path) return rule.access;
  }
  return 0;
}

TEST(LandlockPolicy, HandlesAllThatEachAbiKnows) {
  EXPECT_EQ(MakeLandlockPolicy(At(2)).handled, 0x3fffu);
  EXPECT_EQ(MakeLandlockPolicy(At(3)).handled, 0x7fffu);
  EXPECT_EQ(MakeLandlockPolicy(At(4)).handled, 0x7fffu);
  EXPECT_EQ(MakeLandlockPolicy(At(5)).handled, 0xffffu);
  EXPECT_EQ(MakeLandlockPolicy(At(5)).scoped, 0u);
  for (int abi : {6, 7, 99}) {
    EXPECT_EQ(MakeLandlockPolicy(At(abi)).handled, 0xffffu) << abi;
    EXPECT_EQ(MakeLandlockPolicy(At(abi)).scoped, 3u) << abi;
  }
}

TEST(LandlockPolicy, IsLeftOutWhereRenamesWouldBreak) {
  for (int abi : {0, 1}) {
    EXPECT_FALSE(MakeLandlockPolicy(At(abi)).enforced()) << abi;
    EXPECT_EQ(DescribeLandlock(MakeLandlockPolicy(At(abi))), "none");
  }
}

TEST(LandlockPolicy, NoRuleGrantsWhatIsNotHandledOrADeviceNode) {
  for (int abi = 2; abi <= 8; ++abi) {
    for (bool root : {false, true}) {
      LandlockRequest request = At(abi);
      request.root_inside = root;
      const LandlockPolicy policy = MakeLandlockPolicy(request);
      for (const LandlockRule& rule : policy.rules) {
        EXPECT_EQ(rule.access & ~policy.handled, 0u) << rule.path;
        EXPECT_EQ(rule.access & (kLandlockMakeChar | kLandlockMakeBlock), 0u) << rule.path;
        EXPECT_NE(rule.access, 0u) << "the kernel refuses a rule without a right: " << rule.path;
      }
    }
  }
}

TEST(LandlockPolicy, TheImageProcAndDevAreNotToBeChangedByCommands) {
  const LandlockPolicy policy = MakeLandlockPolicy(At(7));
  EXPECT_EQ(AccessOf(policy, "/") & kChanges, 0u);
  for (const LandlockRule& rule : policy.rules) {
    EXPECT_NE(rule.path.substr(0, 5), "/proc");
    EXPECT_NE(rule.path, "/dev");
    if (rule.path.substr(0, 5) == "/dev/" && rule.path != "/dev/shm") {
      EXPECT_EQ(rule.access & kChanges, kLandlockWriteFile) << rule.path;
    }
  }
  EXPECT_EQ(AccessOf(policy, "/workspace") & kChanges, kChanges);
  EXPECT_EQ(AccessOf(policy, "/home") & kChanges, kChanges);
}

TEST(LandlockPolicy, DeviceIoctlsAreForTerminalsOnly) {
  for (const LandlockRule& rule : MakeLandlockPolicy(At(7)).rules) {
    const bool terminal = rule.path == "/dev/tty" || rule.path == "/dev/pts";
    EXPECT_EQ((rule.access & kLandlockIoctlDev) != 0, terminal) << rule.path;
  }
}

TEST(LandlockPolicy, RootInsideWritesTheImage) {
  LandlockRequest request = At(7);
  request.root_inside = true;
  EXPECT_EQ(AccessOf(MakeLandlockPolicy(request), "/") & kChanges, kChanges);
}

TEST(LandlockPolicy, ATierThatMountsKeepsTheScopes) {
  LandlockRequest request = At(7);
  request.mounts_allowed = true;
  const LandlockPolicy policy = MakeLandlockPolicy(request);
  EXPECT_EQ(policy.handled, 0u);
  EXPECT_EQ(policy.scoped, 3u);
  EXPECT_TRUE(policy.rules.empty());
}

TEST(LandlockPolicy, TheWorkingDirectoryIsWritableUnlessItIsTheKernels) {
  LandlockRequest request = At(7);
  request.workdir = "/srv/app";
  EXPECT_EQ(AccessOf(MakeLandlockPolicy(request), "/srv/app") & kChanges, kChanges);
  for (const char* path : {"/", "/proc", "/proc/sys", "/dev", "/home/agent"}) {
    request.workdir = path;
    const LandlockPolicy policy = MakeLandlockPolicy(request);
    EXPECT_EQ(policy.rules.size(), MakeLandlockPolicy(At(7)).rules.size()) << path;
  }
}

}  // namespace
}  // namespace glovebox
