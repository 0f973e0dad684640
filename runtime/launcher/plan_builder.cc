#include "launcher/plan_builder.h"

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/status.h"
#include "init/launch_plan.h"
#include "policy/payload_profile.h"
#include "policy/proc_masks.h"

namespace glovebox {
namespace {

constexpr size_t kHostnameMax = 64;     // __NEW_UTS_LEN
constexpr size_t kComponentMax = 255;   // NAME_MAX
constexpr size_t kPathBytesMax = 4096;  // PATH_MAX, with the NUL

absl::Status Refuse(absl::string_view field, absl::string_view why) {
  return DetailedError(absl::StatusCode::kInvalidArgument, absl::StrCat("plan ", field, ": ", why),
                       {"INVALID_PLAN", {{"field", std::string(field)}}});
}

absl::Status CheckHostname(const std::string& hostname) {
  const bool plain = std::all_of(hostname.begin(), hostname.end(), [](unsigned char c) {
    return absl::ascii_isalnum(c) || c == '.' || c == '-';
  });
  if (hostname.empty() || hostname.size() > kHostnameMax || !plain) {
    return Refuse("hostname", "give 1 to 64 of a-z, A-Z, 0-9, '.' and '-'");
  }
  return absl::OkStatus();
}

absl::Status CheckComponents(absl::string_view field, absl::string_view path) {
  for (absl::string_view component : absl::StrSplit(path, '/')) {
    if (component.empty() || component == "." || component == "..") {
      return Refuse(field, "must be in normal form: no empty, \".\" or \"..\" components");
    }
    if (component.size() > kComponentMax) return Refuse(field, "has a component over 255 bytes");
  }
  return absl::OkStatus();
}

absl::Status CheckAbsolute(absl::string_view field, absl::string_view path) {
  if (path.size() < 2 || path[0] != '/') return Refuse(field, "must be absolute and below /");
  if (path.size() >= kPathBytesMax) return Refuse(field, "is over 4095 bytes");
  if (absl::StrContains(path, '\0')) return Refuse(field, "has a NUL byte");
  return CheckComponents(field, path.substr(1));
}

// The name becomes part of overlay's option text, where ':' ',' and '\' have a meaning.
absl::Status CheckLayer(absl::string_view field, const std::string& subdirectory) {
  if (subdirectory.empty()) return absl::OkStatus();
  if (subdirectory.size() >= kPathBytesMax) return Refuse(field, "has a name over 4095 bytes");
  for (char c : subdirectory) {
    if (c == ':' || c == ',' || c == '\\' || c == '\0') {
      return Refuse(field, "has a name with ':', ',', '\\' or NUL in it");
    }
  }
  return CheckComponents(field, subdirectory);
}

absl::Status CheckCaches(const std::vector<PlanCacheInput>& caches) {
  constexpr absl::string_view kField = "caches";
  if (caches.size() > kCachesMax) {
    return Refuse(kField, absl::StrCat("at most ", kCachesMax, ", got ", caches.size()));
  }
  uint32_t layers = 0;
  for (const PlanCacheInput& cache : caches) {
    RETURN_IF_ERROR(CheckAbsolute(kField, cache.target));
    RETURN_IF_ERROR(CheckLayer(kField, cache.subdirectory));
    RETURN_IF_ERROR(CheckLayer(kField, cache.shown));
    if (cache.layer_count < 1 || cache.layer_count > kLayersMax) {
      return Refuse(kField, absl::StrCat("give 1 to ", kLayersMax, " layers each"));
    }
    layers += cache.layer_count;
  }
  if (layers <= kCacheLayersMax) return absl::OkStatus();
  return Refuse(kField, absl::StrCat("at most ", kCacheLayersMax, " layers together"));
}

absl::Status CheckEnvironment(const std::vector<std::string>& environment) {
  for (const std::string& variable : environment) {
    const size_t equals = variable.find('=');
    if (equals == 0 || equals == std::string::npos || absl::StrContains(variable, '\0')) {
      return Refuse("environment", "has an entry that is not NAME=value");
    }
    if (variable.size() > kExecArgumentBytesMax) {
      return Refuse("environment", "has a variable over 131071 bytes, which execve refuses");
    }
  }
  return absl::OkStatus();
}

absl::Status CheckLists(const PlanInput& input) {
  if (input.layers.empty() || input.layers.size() > kLayersMax) {
    return Refuse("layers", absl::StrCat("give 1 to ", kLayersMax, ", got ", input.layers.size()));
  }
  if (input.binds.size() > kBindsMax) {
    return Refuse("binds", absl::StrCat("at most ", kBindsMax, ", got ", input.binds.size()));
  }
  if (ProcMasks().size() > kMasksMax) return Refuse("masks", "the policy has more than init takes");
  if (input.landlock.rules.size() > kPathRulesMax) {
    return Refuse("landlock", "the policy has more rules than init takes");
  }
  if (ResourceLimits(input.limits).size() > kRlimitsMax) {
    return Refuse("rlimits", "the policy has more than init takes");
  }
  return absl::OkStatus();
}

absl::Status CheckFilters(const SeccompPrograms* filters) {
  if (filters == nullptr) {
    return Refuse("filters", "are missing; a plan without them is never made");
  }
  for (const auto* program : {&filters->allow_list, &filters->argument_rules}) {
    if (program->empty() || program->size() > BPF_MAXINSNS) {
      return Refuse("filters", absl::StrCat("give 1 to ", BPF_MAXINSNS, " instructions each"));
    }
  }
  if (filters->answers.size() > BPF_MAXINSNS) {
    return Refuse("filters", absl::StrCat("give at most ", BPF_MAXINSNS, " answers"));
  }
  return absl::OkStatus();
}

absl::Status CheckInput(const PlanInput& input) {
  RETURN_IF_ERROR(Validate(input.limits));
  RETURN_IF_ERROR(CheckHostname(input.hostname));
  if (!input.workdir.empty() && input.workdir != "/") {
    RETURN_IF_ERROR(CheckAbsolute("workdir", input.workdir));
  }
  RETURN_IF_ERROR(CheckLists(input));
  for (const std::string& layer : input.layers) RETURN_IF_ERROR(CheckLayer("layers", layer));
  for (const PlanBindInput& bind : input.binds) {
    RETURN_IF_ERROR(CheckAbsolute("binds", bind.target));
  }
  RETURN_IF_ERROR(CheckCaches(input.caches));
  if (input.exec_max < 1 || input.exec_max > kExecsAtOnceMax) {
    return Refuse("exec_max", absl::StrCat("give 1 to ", kExecsAtOnceMax));
  }
  if (input.commands_as_root && !input.root_inside) {
    return Refuse("commands_as_root", "needs the profile root_inside");
  }
  RETURN_IF_ERROR(CheckEnvironment(input.environment));
  return CheckFilters(input.filters);
}

absl::string_view NameOf(absl::string_view variable) {
  return variable.substr(0, variable.find('='));
}

std::string EnvironmentBlock(const PlanInput& input) {
  std::vector<std::string> merged = DefaultEnvironment(input.commands_as_root);
  for (const std::string& variable : input.environment) {
    auto same = std::find_if(merged.begin(), merged.end(), [&](const std::string& other) {
      return NameOf(other) == NameOf(variable);
    });
    if (same != merged.end()) {
      *same = variable;
    } else {
      merged.push_back(variable);
    }
  }
  std::string block;
  for (const std::string& variable : merged) block.append(variable.c_str(), variable.size() + 1);
  return block;
}

// Grows the plan behind its fixed part.
class PlanWriter {
 public:
  PlanWriter() : bytes_(sizeof(LaunchPlan), '\0') {}

  PlanText AddText(absl::string_view text) {
    const PlanText where{Here(), static_cast<uint32_t>(text.size() + 1)};
    bytes_.append(text.data(), text.size());
    bytes_.push_back('\0');
    return where;
  }
  // `block` has its own NULs, the last one included.
  PlanText AddBlock(absl::string_view block) {
    const PlanText where{Here(), static_cast<uint32_t>(block.size())};
    bytes_.append(block.data(), block.size());
    return where;
  }
  PlanFilter AddFilter(const std::vector<sock_filter>& program) {
    bytes_.resize((bytes_.size() + alignof(uint64_t) - 1) / alignof(uint64_t) * alignof(uint64_t));
    const PlanFilter where{Here(), static_cast<uint32_t>(program.size())};
    bytes_.append(reinterpret_cast<const char*>(program.data()),
                  program.size() * sizeof(sock_filter));
    return where;
  }
  std::string Finish(LaunchPlan plan) && {
    plan.size = Here();
    std::memcpy(bytes_.data(), &plan, sizeof(plan));
    return std::move(bytes_);
  }
  size_t size() const { return bytes_.size(); }

 private:
  uint32_t Here() const { return static_cast<uint32_t>(bytes_.size()); }
  std::string bytes_;
};

void FillNumbers(const PlanInput& input, LaunchPlan* plan) {
  plan->magic = kLaunchPlanMagic;
  plan->version = kLaunchPlanVersion;
  plan->uid = input.commands_as_root ? 0 : kCommandUid;
  plan->gid = input.commands_as_root ? 0 : kCommandGid;
  plan->root_inside = input.root_inside ? 1 : 0;
  plan->payload_capabilities = input.root_inside ? RootInsideCapabilityMask() : 0;
  plan->exec_max = input.exec_max;
  plan->namespaces_allowed = TierMakesNamespaces(input.filters->tier) ? 1 : 0;
  plan->way_out = input.way_out ? 1 : 0;
  plan->tmp_bytes = input.limits.tmp_bytes;
  plan->tmp_inodes = input.limits.tmp_inodes;
  plan->shm_bytes = input.limits.shm_bytes;
  plan->shm_inodes = input.limits.shm_inodes;
  for (const ResourceLimit& limit : ResourceLimits(input.limits)) {
    plan->rlimits[plan->rlimit_count++] = {limit.resource, 0, limit.soft, limit.hard};
  }
}

void FillTexts(const PlanInput& input, PlanWriter* writer, LaunchPlan* plan) {
  plan->hostname = writer->AddText(input.hostname);
  plan->workdir = writer->AddText(input.workdir);
  plan->environment = writer->AddBlock(EnvironmentBlock(input));
  for (const std::string& layer : input.layers) {
    plan->layers[plan->layer_count++].subdirectory = writer->AddText(layer);
  }
  for (const PlanBindInput& bind : input.binds) {
    plan->binds[plan->bind_count++] = {writer->AddText(bind.target), bind.is_directory ? 1u : 0u,
                                       bind.own_view ? 1u : 0u};
  }
  for (const PlanCacheInput& cache : input.caches) {
    plan->caches[plan->cache_count++] = {writer->AddText(cache.target),
                                         writer->AddText(cache.subdirectory),
                                         writer->AddText(cache.shown), cache.layer_count, 0};
    plan->cache_layer_count += cache.layer_count;
  }
  for (const ProcMask& mask : ProcMasks()) {
    const uint32_t kind = mask.kind == ProcMask::Kind::kHide ? kMaskHide : kMaskReadOnly;
    plan->masks[plan->mask_count++] = {writer->AddText(mask.path), kind, 0};
  }
  plan->landlock.handled = input.landlock.handled;
  plan->landlock.scoped = input.landlock.scoped;
  for (const LandlockRule& rule : input.landlock.rules) {
    plan->landlock.rules[plan->landlock.rule_count++] = {writer->AddText(rule.path),
                                                         rule.is_directory ? 1u : 0u,
                                                         rule.required ? 1u : 0u, rule.access};
  }
}

}  // namespace

absl::StatusOr<std::string> BuildPlan(const PlanInput& input) {
  RETURN_IF_ERROR(CheckInput(input));
  LaunchPlan plan{};
  PlanWriter writer;
  FillNumbers(input, &plan);
  FillTexts(input, &writer, &plan);
  for (const auto* program : {&input.filters->allow_list, &input.filters->argument_rules}) {
    plan.filters[plan.filter_count++] = writer.AddFilter(*program);
  }
  if (!input.filters->answers.empty()) plan.answers = writer.AddFilter(input.filters->answers);
  if (writer.size() > kLaunchPlanBytesMax) {
    return Refuse("size", absl::StrCat("takes ", writer.size(), " bytes of ", kLaunchPlanBytesMax,
                                       "; give fewer or shorter environment variables"));
  }
  return std::move(writer).Finish(plan);
}

}  // namespace glovebox
