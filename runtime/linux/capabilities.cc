#include "linux/capabilities.h"

#include <sys/capability.h>
#include <sys/prctl.h>

#include <cerrno>
#include <memory>
#include <set>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace glovebox {
namespace {

struct FreeCapabilities {
  void operator()(cap_t caps) const { cap_free(caps); }
};
using Capabilities = std::unique_ptr<std::remove_pointer_t<cap_t>, FreeCapabilities>;

absl::Status DropFromBoundingSet(const std::set<int>& keep) {
  for (cap_value_t capability = 0; capability <= cap_max_bits() - 1; ++capability) {
    if (keep.contains(capability) || cap_get_bound(capability) <= 0) continue;
    if (cap_drop_bound(capability) < 0) {
      return ErrnoError(errno, absl::StrCat("dropping capability ", capability));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status KeepOnlyCapabilities(const std::vector<int>& keep) {
  const std::set<int> kept(keep.begin(), keep.end());
  // While CAP_SETPCAP is still effective.
  RETURN_IF_ERROR(DropFromBoundingSet(kept));
  const Capabilities now(cap_get_proc());
  const Capabilities wanted(cap_init());
  if (now == nullptr || wanted == nullptr) return ErrnoError(errno, "reading capabilities");
  for (const int capability : kept) {
    cap_flag_value_t permitted = CAP_CLEAR;
    // EINVAL: a capability that this kernel does not know.
    if (cap_get_flag(now.get(), capability, CAP_PERMITTED, &permitted) < 0) continue;
    if (permitted == CAP_CLEAR) continue;
    for (const cap_flag_t set : {CAP_PERMITTED, CAP_EFFECTIVE}) {
      if (cap_set_flag(wanted.get(), set, 1, &capability, CAP_SET) < 0) {
        return ErrnoError(errno, absl::StrCat("capability ", capability));
      }
    }
  }
  if (cap_set_proc(wanted.get()) < 0) return ErrnoError(errno, "setting capabilities");
  if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0) {
    return ErrnoError(errno, "clearing ambient capabilities");
  }
  const Capabilities got(cap_get_proc());
  if (got == nullptr || cap_compare(got.get(), wanted.get()) != 0) {
    return absl::InternalError("capabilities differ from what was set");
  }
  return absl::OkStatus();
}

}  // namespace glovebox
