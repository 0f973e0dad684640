#include "init/plan_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <initializer_list>

#include "init/exec_limits.h"
#include "init/report.h"
#include "linux/bare_text.h"
#include "linux/raw_syscalls.h"

namespace glovebox {
namespace {

constexpr SetupStep kStep = SetupStep::kReadPlan;
constexpr long kSeals = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK;

void Check(bool fits, const char* what) {
  if (!fits) FailSetup(kStep, EINVAL, what);
}

// A ':' or ',' would end the name inside the overlay's options, a '\' escape one; ".." would leave
// the layer.
bool IsLayerSubdirectory(const char* text) {
  if (*text == '/') return false;
  const char* component = text;
  for (const char* at = text;; ++at) {
    if (*at == ':' || *at == ',' || *at == '\\') return false;
    if (*at != '/' && *at != 0) continue;
    if (TextEqual(component, static_cast<size_t>(at - component), "..", 2)) return false;
    component = at + 1;
    if (*at == 0) return true;
  }
}

}  // namespace

void PlanReader::Read() {
  struct stat status;
  Require(raw::Call(__NR_fstat, kInitPlanFd, &status), kStep, "fstat");
  Check(status.st_size >= static_cast<off_t>(sizeof(LaunchPlan)) &&
            status.st_size <= static_cast<off_t>(kLaunchPlanBytesMax),
        "size of the plan");
  long seals = Require(raw::Fcntl(kInitPlanFd, F_GET_SEALS), kStep, "seals of the plan");
  Check((seals & kSeals) == kSeals, "the plan is not sealed");
  long address =
      raw::Call(__NR_mmap, nullptr, status.st_size, PROT_READ, MAP_PRIVATE, kInitPlanFd, 0);
  Require(address < 0 && address > -4096 ? address : 0, kStep, "mmap");
  plan_ = reinterpret_cast<const LaunchPlan*>(address);
  (void)raw::Close(kInitPlanFd);  // frees the number anyhow
  Check(plan_->magic == kLaunchPlanMagic, "magic");
  Check(plan_->version == kLaunchPlanVersion, "version");
  Check(plan_->size == static_cast<uint64_t>(status.st_size), "size field");
  CheckNumbers();
  CheckTexts();
}

void PlanReader::CheckNumbers() const {
  Check(plan_->layer_count >= 1 && plan_->layer_count <= kLayersMax, "layer_count");
  Check(plan_->bind_count <= kBindsMax, "bind_count");
  Check(plan_->cache_count <= kCachesMax, "cache_count");
  uint32_t cache_layers = 0;
  for (uint32_t i = 0; i < plan_->cache_count; ++i) {
    const uint32_t count = plan_->caches[i].layer_count;
    Check(count >= 1 && count <= kLayersMax, "layer_count of a cache");
    cache_layers += count;
  }
  Check(cache_layers <= kCacheLayersMax && cache_layers == plan_->cache_layer_count,
        "cache_layer_count");
  Check(plan_->mask_count <= kMasksMax, "mask_count");
  Check(plan_->rlimit_count <= kRlimitsMax, "rlimit_count");
  Check(plan_->filter_count <= kFiltersMax, "filter_count");
  Check(plan_->exec_max >= 1 && plan_->exec_max <= kExecsMax, "exec_max");
  Check(plan_->root_inside <= 1, "root_inside");
  Check(plan_->root_inside == 1 || (plan_->uid != 0 && plan_->payload_capabilities == 0),
        "uid 0 or capabilities without root_inside");
  // 0 would be "no limit" to tmpfs.
  Check(plan_->tmp_bytes > 0 && plan_->tmp_inodes > 0, "limits of /tmp");
  Check(plan_->shm_bytes > 0 && plan_->shm_inodes > 0, "limits of /dev/shm");
  Check(plan_->landlock.rule_count <= kPathRulesMax, "landlock rule_count");
  Check(plan_->namespaces_allowed <= 1, "namespaces_allowed");
  Check(plan_->way_out <= 1, "way_out");
  for (uint32_t i = 0; i < plan_->filter_count; ++i) CheckFilter(plan_->filters[i]);
  if (plan_->answers.count > 0) CheckFilter(plan_->answers);
}

void PlanReader::CheckFilter(const PlanFilter& filter) const {
  uint64_t end = filter.offset + uint64_t{filter.count} * sizeof(sock_filter);
  Check(filter.count >= 1 && filter.count <= BPF_MAXINSNS && filter.offset >= sizeof(LaunchPlan) &&
            end <= plan_->size && filter.offset % alignof(sock_filter) == 0,
        "filter");
}

void PlanReader::CheckText(const PlanText& text, const char* what) const {
  Check(text.size >= 1 && text.offset >= sizeof(LaunchPlan) &&
            uint64_t{text.offset} + text.size <= plan_->size &&
            base()[text.offset + text.size - 1] == 0,
        what);
}

void PlanReader::CheckPath(const PlanText& text, const char* what) const {
  CheckText(text, what);
  Check(Text(text)[0] == '/' && Text(text)[1] != 0 && text.size <= kPathBytesMax, what);
}

void PlanReader::CheckTexts() const {
  CheckText(plan_->hostname, "hostname");
  Check(plan_->hostname.size >= 2 && plan_->hostname.size <= 65, "hostname");
  CheckText(plan_->workdir, "workdir");
  Check(plan_->workdir.size == 1 || Text(plan_->workdir)[0] == '/', "workdir is not absolute");
  if (plan_->environment.size > 0) CheckText(plan_->environment, "environment");
  for (uint32_t i = 0; i < plan_->layer_count; ++i) {
    CheckText(plan_->layers[i].subdirectory, "layer subdirectory");
    Check(IsLayerSubdirectory(Text(plan_->layers[i].subdirectory)), "layer subdirectory");
  }
  for (uint32_t i = 0; i < plan_->bind_count; ++i) {
    CheckPath(plan_->binds[i].target, "bind target");
    Check(plan_->binds[i].own_view <= plan_->binds[i].is_directory, "bind with a view of its own");
  }
  for (uint32_t i = 0; i < plan_->cache_count; ++i) {
    const PlanCache& cache = plan_->caches[i];
    CheckPath(cache.target, "cache target");
    for (const PlanText* text : {&cache.subdirectory, &cache.shown}) {
      CheckText(*text, "cache directory");
      Check(IsLayerSubdirectory(Text(*text)), "cache directory");
    }
  }
  for (uint32_t i = 0; i < plan_->mask_count; ++i) {
    CheckPath(plan_->masks[i].path, "mask path");
    Check(plan_->masks[i].kind == kMaskHide || plan_->masks[i].kind == kMaskReadOnly, "mask kind");
  }
  for (uint32_t i = 0; i < plan_->landlock.rule_count; ++i) {
    const PlanText& path = plan_->landlock.rules[i].path;
    CheckText(path, "landlock path");
    Check(Text(path)[0] == '/' && path.size <= kPathBytesMax, "landlock path");
  }
}

}  // namespace glovebox
