// What a client asks for and what it is told about a sandbox.
#ifndef GLOVEBOX_SANDBOX_SANDBOX_SPEC_H_
#define GLOVEBOX_SANDBOX_SANDBOX_SPEC_H_

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "policy/egress_policy.h"
#include "policy/repository_url.h"
#include "policy/sandbox_limits.h"
#include "policy/seccomp_table.h"
#include "snapshot/snapshot_record.h"

namespace glovebox {

inline constexpr char kWorkspace[] = "/workspace";

// Of one sandbox; proto/glovebox/v1/types.proto states them.
inline constexpr size_t kLabelsMax = 64;
inline constexpr size_t kLabelKeyBytesMax = 63;
inline constexpr size_t kLabelValueBytesMax = 1024;

struct RepositorySource {
  std::string path;      // on the host: a repository or a bundle
  std::string revision;  // "": HEAD
  History history = History::kFull;
  friend bool operator==(const RepositorySource&, const RepositorySource&) = default;
};

// A repository that is fetched over the network.
struct RemoteSource {
  RepositoryUrl url;
  std::string revision;  // "": HEAD
  History history = History::kFull;
  std::string secret_name = {};  // "": none
  std::string user = {};         // whose password it is
};

inline constexpr size_t kCacheMountsMax = 8;
inline constexpr size_t kCacheTargetBytesMax = 1024;

// A snapshot that is mounted read-only.
struct CacheMount {
  std::string name;      // "": the request named the digest
  std::string snapshot;  // digest; with a name, "" until the sandbox is made
  std::string target;    // directory inside
  friend bool operator==(const CacheMount&, const CacheMount&) = default;
};

struct CreateOptions {
  std::string owner;       // sandbox/owner.h
  std::string request_id;  // "": none. The same id of the same owner with the same options gives
                           // the same sandbox
  std::string image = "host";
  std::string snapshot;  // digest, or "" ; at most one of snapshot and repository
  std::optional<RepositorySource> repository;
  std::vector<CacheMount> caches;
  SandboxLimits limits;
  std::map<std::string, std::string> labels;
  bool root_inside = false;
  std::optional<SeccompTier> seccomp;  // none: the node's default
  // Of the tier's programs, in hexadecimal digits; set by the manager, "" in what an earlier
  // release recorded.
  std::string seccomp_digest;
  std::string parent;  // id of the sandbox that it was forked from, or ""
  EgressPolicy egress;
  // By UpdateEgress; set by the manager.
  std::optional<EgressPolicy> egress_now;
  friend bool operator==(const CreateOptions&, const CreateOptions&) = default;
};

inline const EgressPolicy& EgressInForce(const CreateOptions& options) {
  return options.egress_now.has_value() ? *options.egress_now : options.egress;
}

// Of an UpdateEgress.
struct EgressUpdate {
  EgressPolicy policy;  // in force
  std::string etag;     // of that
  uint32_t connections_cut = 0;
};

// OCI's words; kDeleting is ours.
enum class SandboxState { kCreating, kRunning, kPaused, kStopped, kDeleting };

struct SandboxInfo {
  std::string id;
  std::string owner;
  SandboxState state = SandboxState::kCreating;
  absl::Time created;
  std::string image;
  std::string snapshot;  // "" without one
  std::string commit;
  std::string source;  // where the snapshot came from
  std::vector<CacheMount> caches;
  SandboxLimits limits;
  std::map<std::string, std::string> labels;
  bool root_inside = false;
  SeccompTier seccomp = kDefaultSeccompTier;
  std::string seccomp_digest;  // "": not known
  std::string parent;          // "" when it was not forked
  std::string workdir;
  std::string stop_reason;  // kStopped: why, for people
  EgressPolicy egress;      // in force
  std::string egress_etag;
};

// Of one ForkSandbox; proto/glovebox/v1/sandbox.proto states them.
inline constexpr uint32_t kForksAtOnceMax = 1000;

// Of one sandbox; proto/glovebox/v1/sandbox.proto states it.
inline constexpr size_t kCheckpointsMax = 16;

// A state of a sandbox's files to go back to.
struct CheckpointInfo {
  std::string id;  // unique in its sandbox
  absl::Time created;
  uint64_t bytes = 0;                    // on the host's disk
  std::optional<absl::Duration> frozen;  // how long the sandbox stood still, when it was taken now
};

// How children differ from their parent. The disk is the parent's, so are its limits.
struct ForkOptions {
  std::string request_id;  // "": none. With one, a repetition makes only the children that miss
  uint32_t count = 1;      // 1..kForksAtOnceMax
  std::optional<uint64_t> memory_bytes, pids_max, cpu_millis;
  std::map<std::string, std::string> labels;  // added to the parent's
};

// What a sandbox uses now and used at most.
struct SandboxUsage {
  uint64_t memory_bytes = 0, memory_peak_bytes = 0;
  uint64_t cpu_us = 0;
  uint64_t pids = 0;
  uint64_t disk_bytes_used = 0, disk_bytes_limit = 0;
  uint64_t disk_inodes_used = 0, disk_inodes_limit = 0;
  uint64_t oom_kills = 0;
};

}  // namespace glovebox

#endif  // GLOVEBOX_SANDBOX_SANDBOX_SPEC_H_
