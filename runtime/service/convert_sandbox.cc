#include "service/convert_sandbox.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/ids.h"
#include "base/status.h"
#include "policy/credential_header.h"
#include "sandbox/cache_mounts.h"
#include "service/convert_egress.h"
#include "service/convert_time.h"
#include "service/request_error.h"
#include "service/status.h"

namespace glovebox {
namespace {

absl::StatusOr<std::optional<SeccompTier>> TierFromProto(v1::SeccompTier tier) {
  switch (static_cast<int>(tier)) {
    case v1::SECCOMP_TIER_UNSPECIFIED:
      return std::nullopt;
    case v1::SECCOMP_TIER_STRICT:
      return SeccompTier::kStrict;
    case v1::SECCOMP_TIER_BUILD:
      return SeccompTier::kBuild;
    case v1::SECCOMP_TIER_NESTED:
      return SeccompTier::kNested;
    case v1::SECCOMP_TIER_I386:
      return SeccompTier::kI386;
    default:
      return FieldError("profile.seccomp_tier", "is no tier that this daemon knows");
  }
}

v1::SeccompTier ToProto(SeccompTier tier) {
  switch (tier) {
    case SeccompTier::kStrict:
      return v1::SECCOMP_TIER_STRICT;
    case SeccompTier::kBuild:
      return v1::SECCOMP_TIER_BUILD;
    case SeccompTier::kNested:
      return v1::SECCOMP_TIER_NESTED;
    case SeccompTier::kI386:
      return v1::SECCOMP_TIER_I386;
  }
  return v1::SECCOMP_TIER_UNSPECIFIED;
}

constexpr size_t kRequestIdBytesMax = 63;
constexpr size_t kRevisionBytesMax = 1024;

absl::Status SetLimit(bool present, uint64_t value, uint64_t maximum, absl::string_view field,
                      uint64_t* limit) {
  if (!present) return absl::OkStatus();
  if (value == 0) {
    return FieldError(field, "must not be 0; leave it out for the default");
  }
  if (value > maximum) {
    return FieldError(field, absl::StrCat(value, " is above this host's maximum of ", maximum));
  }
  *limit = value;
  return absl::OkStatus();
}

absl::StatusOr<SandboxLimits> LimitsFromProto(const v1::SandboxLimits& asked,
                                              const LimitBounds& bounds) {
  SandboxLimits limits = bounds.defaults;
  const SandboxLimits& max = bounds.maximum;
  RETURN_IF_ERROR(SetLimit(asked.has_memory_bytes(), asked.memory_bytes(), max.memory_bytes,
                           "limits.memory_bytes", &limits.memory_bytes));
  RETURN_IF_ERROR(SetLimit(asked.has_pids_max(), asked.pids_max(), max.pids_max, "limits.pids_max",
                           &limits.pids_max));
  RETURN_IF_ERROR(SetLimit(asked.has_cpu_millis(), asked.cpu_millis(), max.cpu_millis,
                           "limits.cpu_millis", &limits.cpu_millis));
  RETURN_IF_ERROR(SetLimit(asked.has_disk_bytes(), asked.disk_bytes(), max.disk_bytes,
                           "limits.disk_bytes", &limits.disk_bytes));
  // The default number of files fits the default size alone.
  if (asked.has_disk_bytes()) limits.disk_inodes = 0;
  RETURN_IF_ERROR(SetLimit(asked.has_disk_inodes(), asked.disk_inodes(),
                           max.disk_inodes == 0 ? UINT64_MAX : max.disk_inodes,
                           "limits.disk_inodes", &limits.disk_inodes));
  const absl::Status valid = Validate(limits);
  if (valid.ok()) return limits;
  const ErrorDetail detail = GetErrorDetail(valid).value_or(ErrorDetail{});
  const auto field = detail.metadata.find("field");
  return FieldError(
      field == detail.metadata.end() ? "limits" : absl::StrCat("limits.", field->second),
      valid.message());
}

absl::Status CheckLabels(const google::protobuf::Map<std::string, std::string>& labels) {
  if (labels.size() > kLabelsMax) {
    return FieldError("labels", absl::StrCat("at most ", kLabelsMax, " are allowed"));
  }
  for (const auto& [key, value] : labels) {
    const bool key_fits = !key.empty() && key.size() <= kLabelKeyBytesMax &&
                          std::all_of(key.begin(), key.end(), [](char c) {
                            return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '.' ||
                                   c == '_' || c == '/' || c == '-';
                          });
    if (!key_fits) return FieldError("labels", "keys are 1 to 63 of [a-zA-Z0-9._/-]");
    if (value.size() > kLabelValueBytesMax) {
      return FieldError("labels",
                        absl::StrCat("values have at most ", kLabelValueBytesMax, " bytes"));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckRequestId(const std::string& id) {
  const bool fits = !id.empty() && id.size() <= kRequestIdBytesMax &&
                    std::all_of(id.begin(), id.end(), [](char c) {
                      return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '.' ||
                             c == '_' || c == '-';
                    });
  return fits ? absl::OkStatus() : FieldError("request_id", "must be 1 to 63 of [a-zA-Z0-9._-]");
}

absl::StatusOr<std::vector<CacheMount>> CachesFromProto(
    const google::protobuf::RepeatedPtrField<v1::CacheMount>& protos) {
  std::vector<CacheMount> caches;
  for (const v1::CacheMount& proto : protos) {
    if (!proto.name().empty() && !proto.snapshot().empty()) {
      return FieldError(absl::StrCat("caches[", caches.size(), "]"),
                        "has a snapshot and a name; set one of them");
    }
    caches.push_back({proto.name(), proto.snapshot(), proto.target_path()});
  }
  RETURN_IF_ERROR(CheckCacheMounts(caches));
  return caches;
}

absl::Status CheckCommit(absl::string_view commit, absl::string_view field) {
  if (commit.size() <= kRevisionBytesMax) return absl::OkStatus();
  return FieldError(absl::StrCat(field, ".commit"),
                    absl::StrCat("has at most ", kRevisionBytesMax, " bytes"));
}

absl::StatusOr<History> HistoryFromProto(v1::RepositoryHistory history, absl::string_view field) {
  if (!v1::RepositoryHistory_IsValid(history)) {
    return FieldError(absl::StrCat(field, ".history"), "is of a later release");
  }
  if (history == v1::REPOSITORY_HISTORY_SHALLOW) return History::kShallow;
  return history == v1::REPOSITORY_HISTORY_NONE ? History::kNone : History::kFull;
}

// Taken with a token by hosts of many, whatever the user is called.
constexpr char kTokenUser[] = "x-access-token";

std::string UserOf(const v1::RemoteRepository& repository) {
  return repository.user().empty() ? kTokenUser : repository.user();
}

absl::Status CheckSecretUse(const v1::RemoteRepository& repository, RepositoryUrl::Scheme scheme,
                            absl::string_view field) {
  if (!repository.has_secret_name()) {
    if (repository.user().empty()) return absl::OkStatus();
    return FieldError(absl::StrCat(field, ".user"), "goes with a secret");
  }
  if (scheme != RepositoryUrl::Scheme::kHttps) {
    return FieldError(absl::StrCat(field, ".secret_name"), "a secret goes over https alone");
  }
  const std::string secret_field = absl::StrCat(field, ".secret_name");
  RETURN_IF_ERROR(ParseClientName(repository.secret_name(), secret_field).status());
  absl::Status fits = CheckCredentialForm({repository.secret_name(), "", UserOf(repository), ""});
  if (fits.ok()) return fits;
  // Its own field is of a rule of a policy.
  return FieldError(absl::StrCat(field, ".user"),
                    absl::StripPrefix(fits.message(), "credential.basic_user: "));
}

}  // namespace

absl::StatusOr<RepositorySource> FromProto(const v1::Repository& repository,
                                           absl::string_view field) {
  const std::string& path = repository.path();
  if (path.empty() || path[0] != '/' || path.size() > 4095 || absl::StrContains(path, '\0')) {
    return FieldError(absl::StrCat(field, ".path"), "must be an absolute path on the host");
  }
  RETURN_IF_ERROR(CheckCommit(repository.commit(), field));
  ASSIGN_OR_RETURN(const History history, HistoryFromProto(repository.history(), field));
  return RepositorySource{path, repository.commit(), history};
}

absl::StatusOr<RemoteSource> FromProto(const v1::RemoteRepository& repository,
                                       absl::string_view field) {
  ASSIGN_OR_RETURN(RepositoryUrl url,
                   RepositoryUrl::Parse(repository.url(), absl::StrCat(field, ".url")));
  RETURN_IF_ERROR(CheckSecretUse(repository, url.scheme, field));
  RETURN_IF_ERROR(CheckCommit(repository.commit(), field));
  ASSIGN_OR_RETURN(const History history, HistoryFromProto(repository.history(), field));
  return RemoteSource{std::move(url), repository.commit(), history, repository.secret_name(),
                      UserOf(repository)};
}

absl::StatusOr<CreateOptions> FromProto(const v1::CreateSandboxRequest& request,
                                        const LimitBounds& bounds) {
  CreateOptions options;
  if (request.has_request_id()) {
    RETURN_IF_ERROR(CheckRequestId(request.request_id()));
    options.request_id = request.request_id();
  }
  if (request.has_image()) {
    ASSIGN_OR_RETURN(options.image, ParseClientName(request.image(), "image"));
  }
  switch (request.source_case()) {
    case v1::CreateSandboxRequest::kSnapshot: {
      ASSIGN_OR_RETURN(options.snapshot, ParseDigest(request.snapshot()));
      break;
    }
    case v1::CreateSandboxRequest::kRepository: {
      ASSIGN_OR_RETURN(options.repository, FromProto(request.repository(), "repository"));
      break;
    }
    case v1::CreateSandboxRequest::SOURCE_NOT_SET:
      break;
  }
  ASSIGN_OR_RETURN(options.limits, LimitsFromProto(request.limits(), bounds));
  RETURN_IF_ERROR(CheckLabels(request.labels()));
  options.labels = {request.labels().begin(), request.labels().end()};
  options.root_inside = request.profile().root_inside();
  ASSIGN_OR_RETURN(options.seccomp, TierFromProto(request.profile().seccomp_tier()));
  ASSIGN_OR_RETURN(options.egress, FromProto(request.egress(), "egress"));
  ASSIGN_OR_RETURN(options.caches, CachesFromProto(request.caches()));
  return options;
}

absl::StatusOr<ForkOptions> FromProto(const v1::ForkSandboxRequest& request,
                                      const LimitBounds& bounds) {
  ForkOptions options;
  if (request.has_request_id()) {
    RETURN_IF_ERROR(CheckRequestId(request.request_id()));
    options.request_id = request.request_id();
  }
  if (request.count() < 1 || request.count() > kForksAtOnceMax) {
    return FieldError("count", absl::StrCat("must be 1 to ", kForksAtOnceMax));
  }
  options.count = request.count();
  const v1::SandboxLimits& asked = request.limits();
  const char* const own_disk = "cannot be set: a fork has a disk as large as its parent's";
  if (asked.has_disk_bytes()) return FieldError("limits.disk_bytes", own_disk);
  if (asked.has_disk_inodes()) return FieldError("limits.disk_inodes", own_disk);
  ASSIGN_OR_RETURN(const SandboxLimits limits, LimitsFromProto(asked, bounds));
  if (asked.has_memory_bytes()) options.memory_bytes = limits.memory_bytes;
  if (asked.has_pids_max()) options.pids_max = limits.pids_max;
  if (asked.has_cpu_millis()) options.cpu_millis = limits.cpu_millis;
  RETURN_IF_ERROR(CheckLabels(request.labels()));
  options.labels = {request.labels().begin(), request.labels().end()};
  return options;
}

v1::SandboxLimits ToProto(const SandboxLimits& limits) {
  v1::SandboxLimits proto;
  proto.set_memory_bytes(limits.memory_bytes);
  proto.set_pids_max(limits.pids_max);
  proto.set_cpu_millis(limits.cpu_millis);
  proto.set_disk_bytes(limits.disk_bytes);
  // 0 is the domain's word for "by the size"; the number itself is on the disk (GetUsage).
  if (limits.disk_inodes != 0) proto.set_disk_inodes(limits.disk_inodes);
  return proto;
}

v1::SandboxState ToProto(SandboxState state) {
  switch (state) {
    case SandboxState::kCreating:
      return v1::SANDBOX_STATE_CREATING;
    case SandboxState::kRunning:
      return v1::SANDBOX_STATE_RUNNING;
    case SandboxState::kPaused:
      return v1::SANDBOX_STATE_PAUSED;
    case SandboxState::kStopped:
    case SandboxState::kDeleting:  // its processes are being ended; the files are not there for
                                   // long
      return v1::SANDBOX_STATE_STOPPED;
  }
  return v1::SANDBOX_STATE_UNSPECIFIED;
}

std::vector<HostCapability> ToHostCapabilities(const std::vector<v1::Capability>& capabilities) {
  std::vector<HostCapability> host;
  for (const v1::Capability& c : capabilities) {
    HostCapability::State state = HostCapability::State::kMissing;
    if (c.state() == v1::CAPABILITY_STATE_AVAILABLE) state = HostCapability::State::kAvailable;
    if (c.state() == v1::CAPABILITY_STATE_DEGRADED) state = HostCapability::State::kDegraded;
    host.push_back({c.name(), state, c.mechanism(), c.remedy(), c.level()});
  }
  return host;
}

v1::Capability SeccompEnforcement(const SandboxInfo& info) {
  v1::Capability capability;
  capability.set_name("seccomp");
  capability.set_state(v1::CAPABILITY_STATE_AVAILABLE);
  const std::string digest = info.seccomp_digest.empty()
                                 ? "of an earlier release"
                                 : absl::StrCat("sha256:", info.seccomp_digest);
  capability.set_mechanism(absl::StrCat("tier ", SeccompTierName(info.seccomp), ", ", digest));
  return capability;
}

v1::Sandbox ToProto(const SandboxInfo& info, const std::string& host_id) {
  v1::Sandbox proto;
  proto.set_id(info.id);
  proto.set_host_id(host_id);
  proto.set_owner(info.owner);
  proto.set_state(ToProto(info.state));
  *proto.mutable_create_time() = ToProtoTime(info.created);
  proto.set_image(info.image);
  proto.set_snapshot(info.snapshot);
  proto.set_commit(info.commit);
  *proto.mutable_limits() = ToProto(info.limits);
  proto.mutable_labels()->insert(info.labels.begin(), info.labels.end());
  for (const CacheMount& cache : info.caches) {
    v1::CacheMount& mount = *proto.add_caches();
    mount.set_name(cache.name);
    mount.set_snapshot(cache.snapshot);
    mount.set_target_path(cache.target);
  }
  proto.set_workdir(info.workdir);
  proto.set_parent_id(info.parent);
  proto.mutable_profile()->set_root_inside(info.root_inside);
  proto.mutable_profile()->set_seccomp_tier(ToProto(info.seccomp));
  *proto.mutable_egress() = ToProto(info.egress);
  proto.set_egress_etag(info.egress_etag);
  if (!info.stop_reason.empty()) {
    *proto.mutable_stop_reason() = ToRpcStatus(
        DetailedError(absl::StatusCode::kAborted, info.stop_reason, {"SANDBOX_STOPPED", {}}));
  }
  return proto;
}

bool Matches(const SandboxInfo& info, const v1::ListSandboxesRequest& request) {
  for (const auto& [key, value] : request.label_filter()) {
    auto it = info.labels.find(key);
    if (it == info.labels.end() || it->second != value) return false;
  }
  if (request.states_size() == 0) return true;
  return std::find(request.states().begin(), request.states().end(), ToProto(info.state)) !=
         request.states().end();
}

}  // namespace glovebox
