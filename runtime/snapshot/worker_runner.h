// The seam through which the content store has foreign input processed: a command in a worker
// sandbox, never on the host. The sandbox layer implements it; tests give a fake where no sandbox
// is needed.
#ifndef GLOVEBOX_SNAPSHOT_WORKER_RUNNER_H_
#define GLOVEBOX_SNAPSHOT_WORKER_RUNNER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/unique_fd.h"
#include "snapshot/disk.h"
#include "snapshot/layer.h"

namespace glovebox {

// A host file or directory shown read-only to the worker. Its owner on the host is the worker's
// user inside; everybody else's files are reachable only as far as "other" permissions go.
struct WorkerBind {
  std::string host_path;  // absolute
  std::string target;  // absolute, must exist in the host image (/mnt, /media, /srv, /opt), or be a
                       // file path below them
  // What `host_path` led to when it was looked at, O_PATH: that is shown, whatever is there now.
  std::shared_ptr<const UniqueFd> pinned = nullptr;
};

// The one place on the network that a worker may reach.
struct WorkerReach {
  std::string host;  // a name
  uint16_t port = 0;
  bool tls = false;  // TLS that names the host and nothing else; else any bytes
  // A secret of this owner is the password of `user` in every request; "": none. With TLS.
  std::string secret_name = {};
  std::string user = {};
  std::string owner = {};
};

// Of a worker with a reach: a connection that went nowhere.
struct WorkerRefusal {
  enum class Why {
    kNotItsHost,      // another host or port, or other bytes than the reach has
    kPrivateAddress,  // which the operator does not let policies allow
    kTooMuch,         // more bytes or connections than it may have
    kNotTrusted,      // the certificate, where requests get a secret
    kNoSecret,        // it is gone
    kNoAddress,       // the name has none
    kNoAnswer,
  };
  Why why = Why::kNotItsHost;
  std::string host;  // as asked for: printable
};

struct WorkerJob {
  std::vector<std::string> arguments;
  std::vector<std::string> environment;  // "NAME=value"
  std::vector<WorkerBind> binds;
  // Shown above the host image, uppermost first: what it writes over them is a layer over them.
  std::vector<Layer> base;
  bool as_root_inside = false;  // uid 0 with root_inside capabilities, else uid 1000
  uint64_t disk_bytes = 0;
  uint64_t disk_inodes = 0;
  uint64_t memory_bytes = 0;
  absl::Duration wall_limit;
  std::optional<WorkerReach> reach = std::nullopt;  // none: it has no network
  // Called with pieces of stderr as they come (at most 64 KiB each); may be empty. Called on the
  // caller's thread.
  std::function<void(absl::string_view)> on_stderr;
  // Asked a few times a second, on the caller's thread: whether nobody wants the result any more.
  // Then the worker is ended, and the answer is CANCELLED. May be empty.
  std::function<bool()> unwanted;
};

struct WorkerResult {
  int exit_code = -1;  // -1: not an exit; see `end`
  std::string end;  // for people: "exited 0", "killed: memory limit 1 GiB", "timed out after 600 s"
  std::string stdout_bytes;             // first 64 KiB
  std::string stderr_tail;              // last 4 KiB
  std::vector<WorkerRefusal> refusals;  // the first 16
  std::unique_ptr<Disk>
      disk;  // the worker's disk with what it wrote in upper/; its sandbox is gone
};

class WorkerRunner {
 public:
  virtual ~WorkerRunner() = default;
  // Runs the job to its end. An error means that it could not be run; what it did is in the result.
  // Thread-safe, blocking.
  virtual absl::StatusOr<WorkerResult> Run(const WorkerJob& job) = 0;
};

}  // namespace glovebox

#endif  // GLOVEBOX_SNAPSHOT_WORKER_RUNNER_H_
