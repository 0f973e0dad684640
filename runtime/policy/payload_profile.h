// Who a command is inside its sandbox, and what it starts with.
#ifndef GLOVEBOX_POLICY_PAYLOAD_PROFILE_H_
#define GLOVEBOX_POLICY_PAYLOAD_PROFILE_H_

#include <cstdint>
#include <string>
#include <vector>

namespace glovebox {

inline constexpr uint32_t kCommandUid = 1000;
inline constexpr uint32_t kCommandGid = 1000;
inline constexpr char kCommandUser[] = "agent";
inline constexpr char kCommandHome[] = "/home/agent";
inline constexpr char kRootHome[] = "/root";

struct PayloadCapability {
  uint32_t number;  // CAP_*
  const char* name;
  const char* why;
};

// What uid 0 of the profile root_inside keeps, in the sandbox's own user namespace only. Every
// other command has no capability at all.
const std::vector<PayloadCapability>& RootInsideCapabilities();
uint64_t RootInsideCapabilityMask();

// "NAME=value" of a command that names nothing itself. `as_root`: for uid 0.
std::vector<std::string> DefaultEnvironment(bool as_root);

}  // namespace glovebox

#endif  // GLOVEBOX_POLICY_PAYLOAD_PROFILE_H_
