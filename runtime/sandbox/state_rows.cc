#include "sandbox/state_rows.h"

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "sandbox/cache_mounts.h"
#include "sandbox/egress_json.h"

namespace glovebox {
namespace {

using Json = nlohmann::json;

absl::Status Wrong(absl::string_view what) {
  return DetailedError(absl::StatusCode::kDataLoss,
                       absl::StrCat("the recorded options of a sandbox are damaged: ", what),
                       {"STATE_DB_DAMAGED", {}});
}

absl::Status Take(const Json& json, const char* key, std::string* value) {
  const auto it = json.find(key);
  if (it == json.end()) return absl::OkStatus();
  if (!it->is_string()) return Wrong(key);
  *value = it->get<std::string>();
  return absl::OkStatus();
}

absl::Status Take(const Json& json, const char* key, uint64_t* value) {
  const auto it = json.find(key);
  if (it == json.end()) return absl::OkStatus();
  if (!it->is_number_unsigned()) return Wrong(key);
  *value = it->get<uint64_t>();
  return absl::OkStatus();
}

absl::Status Take(const Json& json, const char* key, bool* value) {
  const auto it = json.find(key);
  if (it == json.end()) return absl::OkStatus();
  if (!it->is_boolean()) return Wrong(key);
  *value = it->get<bool>();
  return absl::OkStatus();
}

// The member object `key`, empty when there is none.
absl::StatusOr<Json> TakeObject(const Json& json, const char* key) {
  const auto it = json.find(key);
  if (it == json.end()) return Json::object();
  if (!it->is_object()) return Wrong(key);
  return *it;
}

absl::Status TakeCaches(const Json& json, std::vector<CacheMount>* caches) {
  const auto it = json.find("caches");
  if (it == json.end()) return absl::OkStatus();
  if (!it->is_array() || it->size() > kCacheMountsMax) return Wrong("caches");
  for (const Json& item : *it) {
    if (!item.is_object()) return Wrong("caches");
    CacheMount cache;
    RETURN_IF_ERROR(Take(item, "name", &cache.name));
    RETURN_IF_ERROR(Take(item, "snapshot", &cache.snapshot));
    RETURN_IF_ERROR(Take(item, "target", &cache.target));
    caches->push_back(std::move(cache));
  }
  // A sandbox without one of its caches is not the one that was asked for.
  return CheckCacheMounts(*caches).ok() ? absl::OkStatus() : Wrong("caches");
}

// A text within the text: it is read by itself when a policy is replaced.
absl::StatusOr<EgressPolicy> TakeEgress(const Json& json, const char* key) {
  std::string text;
  RETURN_IF_ERROR(Take(json, key, &text));
  return ParseEgress(text);
}

}  // namespace

std::string FormatOptions(const CreateOptions& options) {
  Json limits = Json::object();
  for (const LimitRange& range : SandboxLimitRanges()) {
    limits[range.field] = options.limits.*range.member;
  }
  Json json = {{"owner", options.owner},
               {"request_id", options.request_id},
               {"image", options.image},
               {"snapshot", options.snapshot},
               {"root_inside", options.root_inside},
               {"labels", options.labels},
               {"limits", std::move(limits)}};
  if (options.repository.has_value()) {
    json["repository"] = {{"path", options.repository->path},
                          {"revision", options.repository->revision},
                          {"history", HistoryName(options.repository->history)}};
  }
  for (const CacheMount& cache : options.caches) {
    json["caches"].push_back(
        {{"name", cache.name}, {"snapshot", cache.snapshot}, {"target", cache.target}});
  }
  if (!options.seccomp_digest.empty()) json["seccomp_digest"] = options.seccomp_digest;
  if (!options.parent.empty()) json["parent"] = options.parent;
  if (options.seccomp.has_value()) json["seccomp"] = SeccompTierName(*options.seccomp);
  if (options.egress != EgressPolicy()) json["egress"] = FormatEgress(options.egress);
  if (options.egress_now.has_value()) json["egress_now"] = FormatEgress(*options.egress_now);
  // A path may have any bytes; what is not UTF-8 is only ever shown to people.
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

absl::StatusOr<CreateOptions> ParseOptions(absl::string_view text) {
  const Json json = Json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return Wrong("not a JSON object");
  CreateOptions options;
  RETURN_IF_ERROR(Take(json, "owner", &options.owner));
  RETURN_IF_ERROR(Take(json, "request_id", &options.request_id));
  RETURN_IF_ERROR(Take(json, "seccomp_digest", &options.seccomp_digest));
  RETURN_IF_ERROR(Take(json, "image", &options.image));
  RETURN_IF_ERROR(Take(json, "snapshot", &options.snapshot));
  RETURN_IF_ERROR(Take(json, "root_inside", &options.root_inside));
  RETURN_IF_ERROR(Take(json, "parent", &options.parent));
  RETURN_IF_ERROR(TakeCaches(json, &options.caches));
  ASSIGN_OR_RETURN(const Json limits, TakeObject(json, "limits"));
  for (const LimitRange& range : SandboxLimitRanges()) {
    RETURN_IF_ERROR(Take(limits, range.field, &(options.limits.*range.member)));
  }
  ASSIGN_OR_RETURN(const Json labels, TakeObject(json, "labels"));
  for (const auto& [key, value] : labels.items()) {
    RETURN_IF_ERROR(Take(labels, key.c_str(), &options.labels[key]));
  }
  if (json.contains("seccomp")) {
    std::string tier;
    RETURN_IF_ERROR(Take(json, "seccomp", &tier));
    options.seccomp = FindSeccompTier(tier);
    if (!options.seccomp.has_value()) return Wrong("seccomp");
  }
  if (json.contains("repository")) {
    ASSIGN_OR_RETURN(const Json repository, TakeObject(json, "repository"));
    options.repository.emplace();
    RETURN_IF_ERROR(Take(repository, "path", &options.repository->path));
    RETURN_IF_ERROR(Take(repository, "revision", &options.repository->revision));
    std::string history = HistoryName(History::kFull);  // all that earlier releases had
    RETURN_IF_ERROR(Take(repository, "history", &history));
    ASSIGN_OR_RETURN(options.repository->history, ParseHistory(history));
  }
  if (json.contains("egress")) {
    ASSIGN_OR_RETURN(options.egress, TakeEgress(json, "egress"));
  }
  if (json.contains("egress_now")) {
    ASSIGN_OR_RETURN(options.egress_now, TakeEgress(json, "egress_now"));
  }
  return options;
}

}  // namespace glovebox
