// Prints what the domain costs: request to ready, one exec, and opening a file forty thousand times
// in a command. Not a test: figures depend on the machine.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdio>

#include "linux/kernel_probes.h"
#include "policy/landlock.h"
#include "tests/kernel/init/init_rig.h"

namespace glovebox {
namespace {

using Clock = std::chrono::steady_clock;

double Milliseconds(Clock::time_point from) {
  return std::chrono::duration<double, std::milli>(Clock::now() - from).count();
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values.empty() ? 0 : values[values.size() / 2];
}

struct Figures {
  std::vector<double> create, exec, opens;
};

InitRig::Options OptionsWith(int abi, Clock::time_point* started) {
  InitRig::Options options;
  options.plan = [abi](PlanBuilder* builder) {
    LandlockRequest request;
    request.abi = abi;
    const LandlockPolicy policy = MakeLandlockPolicy(request);
    PlanLandlock& landlock = builder->plan.landlock;
    landlock.handled = policy.handled;
    landlock.scoped = policy.scoped;
    for (const LandlockRule& rule : policy.rules) {
      landlock.rules[landlock.rule_count++] = {builder->Text(rule.path),
                                               rule.is_directory ? 1u : 0u, rule.required ? 1u : 0u,
                                               rule.access};
    }
  };
  options.request = [started](SpawnRequest*) { *started = Clock::now(); };
  return options;
}

void Once(InitRig* rig, int abi, Figures* figures) {
  Clock::time_point started;
  SpawnReply reply;
  std::unique_ptr<TestSandbox> sandbox = rig->Create(OptionsWith(abi, &started), &reply);
  if (sandbox == nullptr || sandbox->AwaitReport().error != 0) return;
  figures->create.push_back(Milliseconds(started));
  sandbox->Connect();
  Spec spec;
  spec.argv = {"/bin/true"};
  for (int i = 0; i < 10; ++i) {
    auto exec = sandbox->Prepare(spec);
    started = Clock::now();
    sandbox->SendStart(*exec);
    sandbox->AwaitEnd(exec.get());
    if (i > 0) figures->exec.push_back(Milliseconds(started));
  }
  spec.argv = {"/bin/sh", "-c",
               "i=0; while [ $i -lt 40000 ]; do : </home/agent/../../etc/passwd; i=$((i+1)); done"};
  auto exec = sandbox->Prepare(spec);
  started = Clock::now();
  sandbox->SendStart(*exec);
  sandbox->AwaitEnd(exec.get());
  figures->opens.push_back(Milliseconds(started));
}

void Measure() {
  InitRig rig;
  Figures without, with;
  for (int round = 0; round < 20; ++round) {  // by turns: the machine is busy with other things
    Once(&rig, 0, &without);
    Once(&rig, LandlockAbi(), &with);
  }
  std::printf("medians                without   with Landlock\n");
  std::printf("request to ready (ms)  %7.3f   %7.3f\n", Median(without.create),
              Median(with.create));
  std::printf("exec of true (ms)      %7.3f   %7.3f\n", Median(without.exec), Median(with.exec));
  std::printf("40000 opens (ms)       %7.1f   %7.1f\n", Median(without.opens), Median(with.opens));
}

}  // namespace
}  // namespace glovebox

int main() {
  glovebox::Measure();
  return 0;
}
