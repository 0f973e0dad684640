// Sandboxes that lack one mechanism, and the probes of tests/escape in them. There are neither
// filters nor Landlock: what is looked at stands alone.
#ifndef GLOVEBOX_TESTS_KERNEL_ABLATION_ABLATED_RIG_H_
#define GLOVEBOX_TESTS_KERNEL_ABLATION_ABLATED_RIG_H_

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tests/kernel/ablation/taken_calls.h"
#include "tests/kernel/init/init_rig.h"

namespace glovebox {

class AblatedRig {
 public:
  using PlanChange = std::function<void(PlanBuilder*)>;

  // Whose calls are judged: of the spawner's own start too, or of what it does for sandboxes.
  enum class From { kSpawner, kSandboxes };

  AblatedRig() : AblatedRig({}, nullptr) {}  // nothing is taken away
  AblatedRig(std::vector<uint32_t> numbers, CallJudge judge, From from = From::kSandboxes);

  // What init says of one set-up.
  SetupReport Report(const PlanChange& change = nullptr);
  std::unique_ptr<TestSandbox> Ready(const PlanChange& change = nullptr);
  int taken() const { return calls_.taken(); }

 private:
  InitRig::Options Options(const PlanChange& change) const;

  std::atomic<bool> armed_ =
      false;          // once the spawner has made itself ready: its calls are its own
  TakenCalls calls_;  // outlives the rig, whose spawner it answers
  InitRig rig_;
};

// The masks of the policy but the one of `path`, in place of those that the builder has.
AblatedRig::PlanChange MasksWithout(const std::string& path);
// Commands may be uid 0, with the capabilities of the profile.
void RootInside(PlanBuilder* builder);

struct ProbeAnswer {
  std::string word;  // CONFINED, ESCAPED, BROKEN
  std::string detail;
};
ProbeAnswer Probe(TestSandbox* sandbox, const std::string& name, const std::string& user = "");
// A line of a command's /proc/self/status without its name: StatusOf(s, "CapEff").
std::string StatusOf(TestSandbox* sandbox, const std::string& field, const std::string& user = "");

}  // namespace glovebox

#endif  // GLOVEBOX_TESTS_KERNEL_ABLATION_ABLATED_RIG_H_
