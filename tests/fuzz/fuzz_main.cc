// libFuzzer's side: GLOVEBOX_FUZZ_TARGET names the target of this process.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "tests/fuzz/targets.h"

namespace {

const glovebox::FuzzTarget* FindTarget() {
  const char* name = std::getenv("GLOVEBOX_FUZZ_TARGET");
  for (const glovebox::FuzzTarget& target : glovebox::FuzzTargets()) {
    if (name != nullptr && std::strcmp(name, target.name) == 0) return &target;
  }
  std::fprintf(stderr, "GLOVEBOX_FUZZ_TARGET must be one of:");
  for (const glovebox::FuzzTarget& target : glovebox::FuzzTargets()) {
    std::fprintf(stderr, " %s", target.name);
  }
  std::fprintf(stderr, "\n");
  std::exit(2);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const glovebox::FuzzTarget* const target = FindTarget();
  target->run({reinterpret_cast<const char*>(data), size});
  return 0;
}
