// What the state database keeps of a sandbox and of an exec. Values.
#ifndef GLOVEBOX_SANDBOX_STATE_ROWS_H_
#define GLOVEBOX_SANDBOX_STATE_ROWS_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "sandbox/sandbox_spec.h"

namespace glovebox {

// Everything that Create decided, enough to find again what exists of it on the host.
struct SandboxRow {
  std::string id;
  std::string boot_id;  // /proc/sys/kernel/random/boot_id when it was made
  absl::Time created;
  CreateOptions options;
  std::string workdir;
  std::string image_digest;     // of the image that options.image named then
  std::string snapshot_digest;  // "" without one; also when options named a repository
  uint32_t host_id_first = 0;
  std::string disk;  // Disk::name()
  bool paused = false;
  std::optional<std::string> stop_reason;  // absent: init lived when this was written
};

// One exec. `spec` and `end` are opaque here (exec/exec_record.h).
struct ExecRow {
  std::string sandbox_id;
  uint32_t exec_no = 0;
  std::string exec_id;
  std::string spec;
  std::optional<std::string> end;  // present: it is archived
};

// A copy of a sandbox's disk to go back to.
struct CheckpointRow {
  std::string sandbox_id;
  std::string checkpoint_id;
  absl::Time created;
  std::string image;  // DiskImage::name()
};

// A name of a snapshot (sandbox/cache_book.h).
struct CacheRow {
  std::string name;
  std::string scope;  // whose it is; "": shared
  std::string owner;  // who set it
  std::string snapshot;
  absl::Time set;
};

// CreateOptions as JSON text. Keys that a newer release wrote are passed over, missing ones have
// their default. DATA_LOSS with reason STATE_DB_DAMAGED for what is not of this form.
std::string FormatOptions(const CreateOptions& options);
absl::StatusOr<CreateOptions> ParseOptions(absl::string_view json);

}  // namespace glovebox

#endif  // GLOVEBOX_SANDBOX_STATE_ROWS_H_
