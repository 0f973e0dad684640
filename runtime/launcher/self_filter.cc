#include "launcher/self_filter.h"

#include <seccomp.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "policy/daemon_policy.h"

namespace glovebox {
namespace {

struct ReleaseContext {
  void operator()(void* context) const { seccomp_release(context); }
};

absl::Status Failed(absl::string_view what, int error) {
  return DetailedError(
      absl::StatusCode::kInternal,
      absl::StrCat("gloveboxd cannot confine itself: ", what, ": ", std::strerror(error)),
      {"SELF_FILTER_FAILED", {{"errno", absl::StrCat(error)}}});
}

}  // namespace

absl::Status RefuseCallsToSelf() {
  const std::unique_ptr<void, ReleaseContext> context(seccomp_init(SCMP_ACT_ALLOW));
  if (context == nullptr) return Failed("seccomp_init", ENOMEM);
  for (const RefusedCall& call : DaemonRefusedCalls()) {
    const int added = seccomp_rule_add_exact(context.get(), SCMP_ACT_ERRNO(EPERM),
                                             static_cast<int>(call.number), 0);
    if (added < 0) return Failed(call.name, -added);
  }
  // All threads, those of libraries too; without no_new_privs, which would outlive an execve.
  for (const auto& [attribute, value] :
       {std::pair{SCMP_FLTATR_CTL_TSYNC, 1u}, std::pair{SCMP_FLTATR_CTL_NNP, 0u},
        std::pair{SCMP_FLTATR_CTL_OPTIMIZE, 2u}}) {
    const int set = seccomp_attr_set(context.get(), attribute, value);
    if (set < 0) return Failed("seccomp_attr_set", -set);
  }
  const int loaded = seccomp_load(context.get());
  return loaded < 0 ? Failed("seccomp_load", -loaded) : absl::OkStatus();
}

}  // namespace glovebox
