#include <cstdio>
#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/kernel/changes/random_payload.h"
#include "tests/kernel/changes/round_trip.h"
#include "tests/support/must_run.h"

namespace glovebox {
namespace {

TEST(RandomChangesTest, ListAndPatchAgreeWithGitOverThreeLayers) {
  SKIP_UNLESS(EnterPrivateMounts(), "needs CAP_SYS_ADMIN for mounts");
  const uint32_t seed = TestSeed();
  RecordProperty("seed", absl::StrCat(seed));
  for (uint32_t round = 0; round < 5; ++round) {
    SCOPED_TRACE(absl::StrCat("GLOVEBOX_TEST_SEED=", seed, " round ", round));
    OverlayTree overlay;
    GitStore git(overlay.Path("."));
    RandomPayload base(seed + round, overlay.Path("base/workspace"));
    for (int i = 0; i < 150; ++i) base.Step();
    std::string tree = git.TreeOf(overlay.Path("base/workspace"));
    RandomPayload payload(seed + 1000 + round, overlay.Work());
    for (int layer = 0; layer < 3; ++layer) {
      SCOPED_TRACE(absl::StrCat("layer ", layer));
      overlay.Mount();
      std::string before = tree;
      for (int part = 0; part < 2; ++part) {
        for (int i = 0; i < 40; ++i) payload.Step();
        tree = ExpectRoundTrip(overlay, &git, before);
      }
    }
    if (HasFailure()) {
      std::printf("seed %u\n", seed);
      return;
    }
  }
}

}  // namespace
}  // namespace glovebox
