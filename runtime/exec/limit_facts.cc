#include "exec/limit_facts.h"

#include <csignal>

namespace glovebox {
namespace {

OomFacts::Victim VictimOf(const ExecResult& result, bool shared) {
  // Init says kOomKilled of a SIGKILL only when neither a client nor itself sent it.
  if (result.cause == ExecResult::Cause::kOomKilled && result.signal == SIGKILL) {
    return OomFacts::Victim::kLeader;
  }
  return shared ? OomFacts::Victim::kUnknown : OomFacts::Victim::kDescendant;
}

// What became full while the command ran goes before what was full already, the disk before /tmp.
std::optional<DiskFacts> DiskFactsOf(const LimitFacts& facts, const ExecLimitValues& limits) {
  const uint32_t fresh = facts.full & ~facts.full_before;
  const uint32_t shown = fresh != 0 ? fresh : facts.full;
  DiskFacts disk;
  disk.at_start = fresh == 0;
  disk.shared = facts.shared != 0;
  if ((shown & (kFullDiskBytes | kFullDiskInodes)) != 0) {
    disk.path = "/";
    disk.inodes = (shown & kFullDiskBytes) == 0;
    disk.limit = disk.inodes ? limits.disk_inodes : limits.disk_bytes;
  } else if ((shown & (kFullTmpBytes | kFullTmpInodes)) != 0) {
    disk.path = "/tmp";
    disk.inodes = (shown & kFullTmpBytes) == 0;
  } else {
    return std::nullopt;
  }
  return disk;
}

}  // namespace

void SetLimitFacts(const ExecEnd& end, const ExecLimitValues& limits, ExecResult* result) {
  const LimitFacts& facts = end.limits;
  const bool shared = facts.shared != 0;
  if (facts.oom_kills > 0) {
    result->oom = OomFacts{limits.memory_bytes,
                           facts.memory_peak_bytes,
                           facts.oom_kills,
                           VictimOf(*result, shared),
                           "",
                           shared};
  }
  if (facts.forks_refused > 0) {
    result->pids = PidsFacts{limits.pids_max, facts.forks_refused, shared};
  }
  result->disk = DiskFactsOf(facts, limits);
}

}  // namespace glovebox
