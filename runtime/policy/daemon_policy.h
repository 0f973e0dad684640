// What gloveboxd leaves itself once it serves: the capabilities that it keeps and the system calls
// that it never makes. Whoever takes it over from a parser or a library has no more than that.
#ifndef GLOVEBOX_POLICY_DAEMON_POLICY_H_
#define GLOVEBOX_POLICY_DAEMON_POLICY_H_

#include <cstdint>
#include <vector>

namespace glovebox {

struct KeptCapability {
  int number;        // capability.h
  const char* name;  // "CAP_..."
  const char* why;
};

// All others leave the bounding set, and with it every program that the daemon starts. Host root
// may lack some of these already; what is not there is not missed until it is needed.
const std::vector<KeptCapability>& DaemonCapabilities();

struct RefusedCall {
  uint32_t number;  // x86-64
  const char* name;
  const char* why;
};

// Answered with EPERM in every thread of the daemon, but not in glovebox-spawner and what it
// starts: commands have a policy of their own, which allows some of these inside a sandbox.
const std::vector<RefusedCall>& DaemonRefusedCalls();

}  // namespace glovebox

#endif  // GLOVEBOX_POLICY_DAEMON_POLICY_H_
