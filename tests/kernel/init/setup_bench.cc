// Prints how long a sandbox takes from the request to "ready", an exec from kStart to kEnd, and
// what an idle init holds. Not a test: figures depend on the machine.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <sstream>

#include "tests/kernel/init/init_rig.h"

namespace glovebox {
namespace {

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

double Milliseconds(std::chrono::steady_clock::time_point from) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - from).count();
}

void Measure() {
  InitRig rig;
  std::vector<double> create, first_exec, exec;
  Spec spec;
  spec.argv = {"/bin/true"};
  std::vector<std::unique_ptr<TestSandbox>> alive;  // the program's pages are shared among them
  for (int i = 0; i < 50; ++i) {
    SpawnReply reply;
    std::chrono::steady_clock::time_point started;
    InitRig::Options options;
    options.request = [&started](SpawnRequest*) { started = std::chrono::steady_clock::now(); };
    std::unique_ptr<TestSandbox> sandbox = rig.Create(options, &reply);
    if (sandbox == nullptr || sandbox->AwaitReport().error != 0) return;
    create.push_back(Milliseconds(started));
    sandbox->Connect();
    for (int j = 0; j < 4; ++j) {
      auto region = sandbox->Prepare(spec);
      started = std::chrono::steady_clock::now();
      sandbox->SendStart(*region);
      sandbox->AwaitEnd(region.get());
      (j == 0 ? first_exec : exec).push_back(Milliseconds(started));
    }
    alive.push_back(std::move(sandbox));
  }
  SpawnReply reply;
  alive.push_back(rig.Create({}, &reply));
  if (alive.back() == nullptr || alive.back()->AwaitReport().error != 0) return;
  std::string smaps =
      ReadWholeFile("/proc/" + std::to_string(alive.back()->host_pid) + "/smaps_rollup");
  std::printf("request to ready: median %.3f ms, best %.3f ms\n", Median(create),
              *std::min_element(create.begin(), create.end()));
  std::printf("exec of busybox true, start to end: first %.3f ms, later %.3f ms (medians)\n",
              Median(first_exec), Median(exec));
  std::istringstream lines(smaps);
  for (std::string line; std::getline(lines, line);) {
    if (line.rfind("Pss", 0) == 0 || line.rfind("Rss", 0) == 0) std::printf("%s\n", line.c_str());
  }
}

}  // namespace
}  // namespace glovebox

int main() {
  glovebox::Measure();
  return 0;
}
