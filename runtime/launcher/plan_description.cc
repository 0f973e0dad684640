#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "base/escape.h"
#include "base/status.h"
#include "init/launch_plan.h"
#include "launcher/plan_builder.h"

namespace glovebox {
namespace {

absl::Status Damaged(absl::string_view what) {
  return DetailedError(absl::StatusCode::kDataLoss,
                       absl::StrCat("not a launch plan of this version: ", what),
                       {"INVALID_PLAN", {{"field", std::string(what)}}});
}

class PlanPrinter {
 public:
  PlanPrinter(absl::string_view bytes, const LaunchPlan& plan) : bytes_(bytes), plan_(plan) {}

  absl::StatusOr<std::string> Print() {
    RETURN_IF_ERROR(PrintHead());
    RETURN_IF_ERROR(PrintEnvironment());
    RETURN_IF_ERROR(PrintMounts());
    for (uint32_t i = 0; i < plan_.rlimit_count; ++i) {
      const PlanRlimit& limit = plan_.rlimits[i];
      Line("rlimit", absl::StrCat(limit.resource, " soft ", limit.soft, " hard ", limit.hard));
    }
    for (uint32_t i = 0; i < plan_.filter_count; ++i) {
      RETURN_IF_ERROR(CheckFilter(plan_.filters[i]));
      Line("filter", absl::StrCat(plan_.filters[i].count, " instructions"));
    }
    if (plan_.answers.count > 0) {
      RETURN_IF_ERROR(CheckFilter(plan_.answers));
      Line("answers", absl::StrCat(plan_.answers.count, " instructions"));
    }
    Line("namespaces", plan_.namespaces_allowed != 0 ? "yes" : "no");
    Line("way out", plan_.way_out != 0 ? "yes" : "no");
    RETURN_IF_ERROR(PrintLandlock());
    return std::move(out_);
  }

 private:
  void Line(absl::string_view name, absl::string_view value) {
    absl::StrAppend(&out_, name, ": ", EscapeForPeople(value), "\n");
  }

  // Without its last NUL.
  absl::StatusOr<absl::string_view> Text(const PlanText& text, absl::string_view what) const {
    if (text.size == 0 || text.offset < sizeof(LaunchPlan) || text.offset > bytes_.size() ||
        text.size > bytes_.size() - text.offset || bytes_[text.offset + text.size - 1] != '\0') {
      return Damaged(what);
    }
    return bytes_.substr(text.offset, text.size - 1);
  }

  absl::Status CheckFilter(const PlanFilter& filter) const {
    constexpr uint64_t kInstructionBytes = 8;
    if (filter.offset < sizeof(LaunchPlan) ||
        filter.offset + filter.count * kInstructionBytes > bytes_.size()) {
      return Damaged("filter");
    }
    return absl::OkStatus();
  }

  absl::Status PrintLandlock() {
    const PlanLandlock& landlock = plan_.landlock;
    Line("landlock",
         absl::StrCat("handled 0x", absl::Hex(landlock.handled), " scoped ", landlock.scoped));
    if (landlock.rule_count > kPathRulesMax) return Damaged("landlock");
    for (uint32_t i = 0; i < landlock.rule_count; ++i) {
      ASSIGN_OR_RETURN(const absl::string_view path, Text(landlock.rules[i].path, "landlock"));
      Line("path rule", absl::StrCat(path, " 0x", absl::Hex(landlock.rules[i].access)));
    }
    return absl::OkStatus();
  }

  absl::Status PrintHead() {
    ASSIGN_OR_RETURN(const absl::string_view hostname, Text(plan_.hostname, "hostname"));
    ASSIGN_OR_RETURN(const absl::string_view workdir, Text(plan_.workdir, "workdir"));
    Line("hostname", hostname);
    Line("workdir", workdir.empty() ? "/" : workdir);
    Line("user", absl::StrCat(plan_.uid, ":", plan_.gid));
    Line("root_inside", plan_.root_inside != 0 ? "yes" : "no");
    Line("capabilities", absl::StrCat("0x", absl::Hex(plan_.payload_capabilities)));
    Line("exec_max", absl::StrCat(plan_.exec_max));
    Line("tmp", absl::StrCat(plan_.tmp_bytes, " bytes, ", plan_.tmp_inodes, " inodes"));
    Line("shm", absl::StrCat(plan_.shm_bytes, " bytes, ", plan_.shm_inodes, " inodes"));
    return absl::OkStatus();
  }

  absl::Status PrintEnvironment() {
    if (plan_.environment.size == 0) return absl::OkStatus();
    ASSIGN_OR_RETURN(absl::string_view block, Text(plan_.environment, "environment"));
    for (size_t start = 0; start <= block.size();) {
      const size_t end = std::min(block.find('\0', start), block.size());
      Line("environment", block.substr(start, end - start));
      start = end + 1;
    }
    return absl::OkStatus();
  }

  absl::Status PrintMounts() {
    for (uint32_t i = 0; i < plan_.layer_count; ++i) {
      ASSIGN_OR_RETURN(const absl::string_view name, Text(plan_.layers[i].subdirectory, "layer"));
      Line("layer", name.empty() ? "." : name);
    }
    for (uint32_t i = 0; i < plan_.bind_count; ++i) {
      ASSIGN_OR_RETURN(const absl::string_view target, Text(plan_.binds[i].target, "bind"));
      const char* kind = plan_.binds[i].is_directory != 0 ? "bind directory" : "bind file";
      Line(plan_.binds[i].own_view != 0 ? "bind with a view of its own" : kind, target);
    }
    for (uint32_t i = 0; i < plan_.cache_count; ++i) {
      const PlanCache& cache = plan_.caches[i];
      ASSIGN_OR_RETURN(const absl::string_view target, Text(cache.target, "cache"));
      ASSIGN_OR_RETURN(const absl::string_view shown, Text(cache.shown, "cache"));
      Line("cache", absl::StrCat(target, " shows ", shown, " of ", cache.layer_count, " layers"));
    }
    for (uint32_t i = 0; i < plan_.mask_count; ++i) {
      ASSIGN_OR_RETURN(const absl::string_view path, Text(plan_.masks[i].path, "mask"));
      Line(plan_.masks[i].kind == kMaskHide ? "hide" : "read-only", path);
    }
    return absl::OkStatus();
  }

  const absl::string_view bytes_;
  const LaunchPlan& plan_;
  std::string out_;
};

}  // namespace

absl::StatusOr<std::string> DescribePlan(absl::string_view bytes) {
  if (bytes.size() < sizeof(LaunchPlan) || bytes.size() > kLaunchPlanBytesMax) {
    return Damaged("size");
  }
  LaunchPlan plan;
  std::memcpy(&plan, bytes.data(), sizeof(plan));
  if (plan.magic != kLaunchPlanMagic || plan.version != kLaunchPlanVersion) return Damaged("magic");
  if (plan.size != bytes.size()) return Damaged("size");
  if (plan.layer_count > kLayersMax || plan.bind_count > kBindsMax ||
      plan.cache_count > kCachesMax || plan.mask_count > kMasksMax ||
      plan.rlimit_count > kRlimitsMax || plan.filter_count > kFiltersMax) {
    return Damaged("counts");
  }
  return PlanPrinter(bytes, plan).Print();
}

}  // namespace glovebox
