#include "tools/glovebox/create_options.h"

#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/escape.h"
#include "base/status.h"
#include "tools/glovebox/repository_argument.h"
#include "tools/glovebox/sizes.h"

namespace glovebox {
namespace {

constexpr uint64_t kPidsMost = 4'194'304;  // the kernel's PID_MAX_LIMIT
constexpr uint64_t kInodesMost = uint64_t{1} << 32;

// Names the option in what its parser has to say.
template <typename T>
absl::StatusOr<T> Of(const char* option, absl::StatusOr<T> value) {
  if (!value.ok()) return Annotate(value.status(), option);
  return value;
}

absl::Status AddLimits(const SandboxOptions& options, v1::SandboxLimits* limits) {
  if (!options.memory.empty()) {
    ASSIGN_OR_RETURN(const uint64_t value, Of("--memory", ParseSize(options.memory)));
    limits->set_memory_bytes(value);
  }
  if (!options.pids.empty()) {
    ASSIGN_OR_RETURN(const uint64_t value, Of("--pids", ParseCount(options.pids, kPidsMost)));
    limits->set_pids_max(value);
  }
  if (!options.disk.empty()) {
    ASSIGN_OR_RETURN(const uint64_t value, Of("--disk", ParseSize(options.disk)));
    limits->set_disk_bytes(value);
  }
  if (!options.inodes.empty()) {
    ASSIGN_OR_RETURN(const uint64_t value, Of("--inodes", ParseCount(options.inodes, kInodesMost)));
    limits->set_disk_inodes(value);
  }
  if (!options.cpus.empty()) {
    ASSIGN_OR_RETURN(const uint64_t value, Of("--cpus", ParseCpuMillis(options.cpus)));
    limits->set_cpu_millis(value);
  }
  return absl::OkStatus();
}

// A name has no colon; a digest may be shortened.
absl::Status AddCache(const std::string& text, v1::CacheMount* cache) {
  const size_t path = text.find(":/");
  if (path == std::string::npos || path == 0) {
    return absl::InvalidArgumentError(absl::StrCat("--cache \"", EscapeForPeople(text, 80),
                                                   "\" is not NAME:/PATH or DIGEST:/PATH"));
  }
  const std::string what = text.substr(0, path);
  if (absl::StartsWith(what, "sha256:")) {
    cache->set_snapshot(what);
  } else {
    cache->set_name(what);
  }
  cache->set_target_path(text.substr(path + 1));
  return absl::OkStatus();
}

}  // namespace

void AddHistoryOption(Verb verb, std::string& history) {
  verb.AddOption("--history", history,
                 "Of the repository: full (default), shallow (one commit), none (no .git)")
      .TypeName("HOW");
}

absl::StatusOr<v1::RepositoryHistory> ParseHistoryArgument(absl::string_view history) {
  if (history.empty()) return v1::REPOSITORY_HISTORY_UNSPECIFIED;
  if (history == "full") return v1::REPOSITORY_HISTORY_FULL;
  if (history == "shallow") return v1::REPOSITORY_HISTORY_SHALLOW;
  if (history == "none") return v1::REPOSITORY_HISTORY_NONE;
  return absl::InvalidArgumentError(
      absl::StrCat("--history \"", EscapeForPeople(history, 40), "\": give full, shallow or none"));
}

void AddCreateOptions(Verb verb, SandboxOptions& options) {
  verb.AddOption("--image", options.image, "Image of the root (host)").TypeName("NAME");
  Option repository = verb.AddOption("--repo", options.repository,
                                     "Git repository or bundle for /workspace, at a commit or ref")
                          .TypeName("PATH[@COMMIT]");
  AddHistoryOption(verb, options.history);
  verb.AddOption("--snapshot", options.snapshot, "Snapshot for /workspace")
      .TypeName("DIGEST")
      .Excludes(repository);
  verb.AddOption("--memory", options.memory, "Memory limit, e.g. 512MiB or 1g").TypeName("SIZE");
  verb.AddOption("--pids", options.pids, "Limit of processes and threads").TypeName("N");
  verb.AddOption("--disk", options.disk, "Limit of what can be written").TypeName("SIZE");
  verb.AddOption("--inodes", options.inodes, "Limit of files that can be made").TypeName("N");
  verb.AddOption("--cpus", options.cpus, "CPU limit, e.g. 1 or 0.5").TypeName("N");
  verb.AddOption("--label", options.labels, "Label; may be repeated").TypeName("K=V").Repeated();
  verb.AddOption("--cache", options.caches,
                 "Show a cache or snapshot read-only at a directory; may be repeated")
      .TypeName("NAME|DIGEST:/PATH")
      .Repeated();
  verb.AddOption("--require", options.require,
                 "Fail unless the host enforces this (glovebox preflight); may be repeated")
      .TypeName("NAME[>=N]")
      .Repeated();
  verb.AddFlag("--root-inside", options.root_inside,
               "Commands may be user 0 of the sandbox's own user namespace");
  verb.AddOption("--seccomp", options.seccomp,
                 "System calls that commands may make: strict, build (default), nested, i386")
      .TypeName("TIER");
  AddEgressOptions(verb, {"--egress", "--allow-preset", "--egress-limit"}, options.egress);
}

absl::StatusOr<v1::CreateSandboxRequest> BuildCreateRequest(const SandboxOptions& options) {
  v1::CreateSandboxRequest request;
  if (!options.image.empty()) request.set_image(options.image);
  if (!options.snapshot.empty()) request.set_snapshot(options.snapshot);
  if (!options.repository.empty()) {
    ASSIGN_OR_RETURN(const RepositoryArgument repository,
                     Of("--repo", ParseRepositoryArgument(options.repository)));
    request.mutable_repository()->set_path(repository.path);
    request.mutable_repository()->set_commit(repository.commit);
    ASSIGN_OR_RETURN(const v1::RepositoryHistory history, ParseHistoryArgument(options.history));
    request.mutable_repository()->set_history(history);
  }
  RETURN_IF_ERROR(AddLimits(options, request.mutable_limits()));
  for (const std::string& label : options.labels) {
    const size_t equals = label.find('=');
    if (equals == std::string::npos || equals == 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("--label \"", EscapeForPeople(label, 80), "\" is not KEY=VALUE"));
    }
    (*request.mutable_labels())[label.substr(0, equals)] = label.substr(equals + 1);
  }
  for (const std::string& cache : options.caches) {
    RETURN_IF_ERROR(AddCache(cache, request.add_caches()));
  }
  for (const std::string& one : options.require) request.add_require(one);
  ASSIGN_OR_RETURN(std::optional<v1::EgressPolicy> egress,
                   BuildEgress(options.egress, EgressUse::kWhole));
  if (egress.has_value()) *request.mutable_egress() = *std::move(egress);
  if (options.root_inside) request.mutable_profile()->set_root_inside(true);
  if (!options.seccomp.empty()) {
    v1::SeccompTier tier = v1::SECCOMP_TIER_UNSPECIFIED;
    const std::string name = absl::StrCat("SECCOMP_TIER_", absl::AsciiStrToUpper(options.seccomp));
    if (!v1::SeccompTier_Parse(name, &tier) || tier == v1::SECCOMP_TIER_UNSPECIFIED) {
      return absl::InvalidArgumentError(absl::StrCat(
          "--seccomp \"", EscapeForPeople(options.seccomp, 40),
          "\" is no tier; there are strict, build, nested and i386 (glovebox seccomp)"));
    }
    request.mutable_profile()->set_seccomp_tier(tier);
  }
  return request;
}

}  // namespace glovebox
