// Brings what a snapshot is to be made of to the daemon: only what that lacks, and what broke off
// goes on where it was.
#ifndef GLOVEBOX_TOOLS_UPLOADER_H_
#define GLOVEBOX_TOOLS_UPLOADER_H_

#include <cstdint>

#include "absl/status/status.h"
#include "tools/glovebox/calls.h"
#include "tools/glovebox/connection.h"
#include "tools/glovebox/progress.h"
#include "tools/glovebox/reconnect.h"
#include "tools/glovebox/upload_plan.h"

namespace glovebox {

struct UploadTotals {
  uint64_t blobs = 0;  // that travelled
  uint64_t bytes = 0;
};

// A connection that breaks is made again as the policy says.
absl::Status Upload(Connection& connection, const UploadPlan& plan, ReconnectPolicy policy,
                    ProgressLine* line, UploadTotals* totals);

}  // namespace glovebox

#endif  // GLOVEBOX_TOOLS_UPLOADER_H_
