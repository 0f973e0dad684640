#include "policy/landlock.h"

#include <algorithm>

#include "absl/numeric/bits.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace glovebox {
namespace {

constexpr uint64_t kLook = kLandlockExecute | kLandlockReadFile | kLandlockReadDir;
// Never device nodes; what can be opened as one was there before.
constexpr uint64_t kChange = kLandlockWriteFile | kLandlockRemoveDir | kLandlockRemoveFile |
                             kLandlockMakeDir | kLandlockMakeReg | kLandlockMakeSock |
                             kLandlockMakeFifo | kLandlockMakeSym | kLandlockRefer |
                             kLandlockTruncate;
constexpr uint64_t kNode = kLandlockReadFile | kLandlockWriteFile;

uint64_t RightsOf(int abi) {
  uint64_t rights = (uint64_t{1} << 14) - 1;  // up to REFER
  if (abi >= 3) rights |= kLandlockTruncate;
  if (abi >= 5) rights |= kLandlockIoctlDev;
  return rights;
}

void AddDevices(std::vector<LandlockRule>* rules) {
  for (const char* node : {"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"}) {
    rules->push_back({node, kNode, false, true, "one of the harmless nodes"});
  }
  rules->push_back({"/dev/tty", kNode | kLandlockIoctlDev, false, true, "the own terminal"});
  rules->push_back({"/dev/pts", kNode | kLandlockReadDir | kLandlockIoctlDev, true, true,
                    "the sandbox's own terminals, and ptmx"});
  rules->push_back({"/dev/shm", kLook | kChange, true, true, "shared memory of its own"});
}

bool IsBelow(const std::string& path, const std::string& directory) {
  return path == directory || absl::StartsWith(path, absl::StrCat(directory, "/"));
}

void AddWritable(const std::string& workdir, std::vector<LandlockRule>* rules) {
  constexpr uint64_t kAll = kLook | kChange;
  rules->push_back({"/tmp", kAll, true, true, "of its own"});
  rules->push_back({"/var/tmp", kAll, true, false, "on the sandbox's disk"});
  rules->push_back({"/home", kAll, true, false, "homes of the command users"});
  rules->push_back({"/workspace", kAll, true, false, "the repository"});
  rules->push_back({"/run", kAll, true, false, "sockets and locks of programs that run here"});
  const bool there = std::any_of(rules->begin(), rules->end(), [&](const LandlockRule& rule) {
    return rule.path == "/" ? workdir == "/" : IsBelow(workdir, rule.path);
  });
  const bool special = IsBelow(workdir, "/proc") || IsBelow(workdir, "/dev");
  if (!workdir.empty() && !there && !special) {
    rules->push_back({workdir, kAll, true, false, "where commands start"});
  }
}

}  // namespace

LandlockPolicy MakeLandlockPolicy(const LandlockRequest& request) {
  LandlockPolicy policy;
  if (request.abi < kLandlockAbiMin) return policy;
  policy.abi = std::min(request.abi, kLandlockAbiMax);
  if (policy.abi >= kLandlockAbiFull) {
    policy.scoped = kLandlockScopeAbstractSocket | kLandlockScopeSignal;
  }
  if (request.mounts_allowed) return policy;
  policy.handled = RightsOf(policy.abi);
  if (request.root_inside) {
    // Rights reach everything below, mounts included, and cannot be taken back there: beneath /proc
    // and /dev the read-only mounts and the ids alone refuse uid 0.
    policy.rules.push_back({"/", kLook | kChange, true, true, "root of a system writes it all"});
  } else {
    policy.rules.push_back({"/", kLook, true, true, "the image is to be read and executed"});
  }
  AddDevices(&policy.rules);
  if (!request.root_inside) AddWritable(request.workdir, &policy.rules);
  for (LandlockRule& rule : policy.rules) rule.access &= policy.handled;
  return policy;
}

std::string DescribeLandlock(const LandlockPolicy& policy) {
  if (!policy.enforced()) return "none";
  return absl::StrCat(
      "ABI ", policy.abi, ": ", absl::popcount(policy.handled), " file rights",
      policy.scoped != 0 ? ", signals and abstract sockets stay inside" : ", no scopes");
}

}  // namespace glovebox
