// Whom a sandbox belongs to, and who may see it.
#ifndef GLOVEBOX_SANDBOX_OWNER_H_
#define GLOVEBOX_SANDBOX_OWNER_H_

#include <string>
#include <utility>

#include "absl/strings/string_view.h"

namespace glovebox {

// Whoever asks is an administrator, or it is the daemon itself that asks.
struct EveryOwner {};

// On whose behalf sandboxes are looked for. An owner is a principal ("uid:1000",
// "cert:ci.example");
// "" is the owner of what was made before there were owners: administrators alone see it.
// Immutable.
class Viewer {
 public:
  explicit Viewer(EveryOwner) : all_(true) {}
  explicit Viewer(std::string principal) : principal_(std::move(principal)) {}

  bool Sees(absl::string_view owner) const {
    return all_ || (!owner.empty() && owner == absl::string_view(principal_));
  }

 private:
  bool all_ = false;
  std::string principal_;
};

}  // namespace glovebox

#endif  // GLOVEBOX_SANDBOX_OWNER_H_
