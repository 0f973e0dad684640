// The audit log: one JSON line for each call that changes something. Apart from the debug log, and
// never with a byte that a sandbox or a request brought but names, ids and, where that is
// configured, arguments of commands; all of them escaped and cut.
#ifndef GLOVEBOX_DAEMON_AUDIT_LOG_H_
#define GLOVEBOX_DAEMON_AUDIT_LOG_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "base/unique_fd.h"
#include "service/rpc_observer.h"

namespace glovebox {

// Whether a call of `method` ("ExecService/StartExec") can change anything. What is not known to
// read alone changes. Pure.
bool ChangesState(absl::string_view method);

// One line, without its end. Pure.
std::string FormatAuditLine(const RpcEnd& end, absl::Time time);

// Thread-safe.
class AuditLog {
 public:
  struct Options {
    std::string path;
    uint64_t bytes_max = uint64_t{64} << 20;
    uint32_t files_max = 4;
  };
  // Goes on in a file that is there. The file is made with mode 0600; FAILED_PRECONDITION when it
  // is a link or open to others.
  static absl::StatusOr<std::unique_ptr<AuditLog>> Open(Options options);

  // That a daemon of `version` begins to serve, and the digests of the policies built into it, by
  // name.
  void WriteStart(absl::string_view version, const std::map<std::string, std::string>& policies)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // A full file becomes PATH.1, that one PATH.2 and so on; the oldest goes. A line that cannot be
  // written is counted, and the next one that can says so ("lost_before").
  void Write(const RpcEnd& end) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  AuditLog(Options options, UniqueFd file, uint64_t bytes)
      : options_(std::move(options)), file_(std::move(file)), bytes_(bytes) {}
  void Append(std::string line) ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status Rotate() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Options options_;
  absl::Mutex mutex_;
  UniqueFd file_ ABSL_GUARDED_BY(mutex_);
  uint64_t bytes_ ABSL_GUARDED_BY(mutex_);
  uint64_t lost_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace glovebox

#endif  // GLOVEBOX_DAEMON_AUDIT_LOG_H_
