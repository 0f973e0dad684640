// The caches of sandboxes: snapshots that many of them mount read-only.
#include <utility>

#include "base/status.h"
#include "sandbox/sandbox_manager.h"

namespace glovebox {

// What a name means is decided here, once.
absl::Status SandboxManager::LeaseCaches(CreateOptions* options, SandboxBlueprint* blueprint) {
  for (CacheMount& cache : options->caches) {
    CacheLayers mount{cache.target, {}};
    if (!cache.name.empty()) {
      ASSIGN_OR_RETURN(cache.snapshot, caches_.Resolve(options->owner, cache.name, &mount.layers));
    } else {
      ASSIGN_OR_RETURN(mount.layers, snapshots_->Lease(cache.snapshot));
    }
    blueprint->caches.push_back(std::move(mount));
  }
  return absl::OkStatus();
}

// One that cannot be had is left without layers, which no sandbox begins with.
absl::Status SandboxManager::LeaseCachesAgain(const std::vector<CacheMount>& caches,
                                              SandboxBlueprint* blueprint) const {
  absl::Status status;
  for (const CacheMount& cache : caches) {
    absl::StatusOr<std::vector<Layer>> layers = snapshots_->Lease(cache.snapshot);
    status.Update(layers.status());
    if (!layers.ok()) layers.emplace();
    blueprint->caches.push_back({cache.target, *std::move(layers)});
  }
  return status;
}

bool SandboxManager::IsSameRequest(CreateOptions asked, const CreateOptions& made) {
  asked.seccomp_digest = made.seccomp_digest;  // of the release that made it
  asked.egress_now = made.egress_now;          // of what came after
  // A name may mean something else by now.
  for (size_t i = 0; i < asked.caches.size() && i < made.caches.size(); ++i) {
    if (!asked.caches[i].name.empty()) asked.caches[i].snapshot = made.caches[i].snapshot;
  }
  return asked == made;
}

}  // namespace glovebox
