// The tables of state.db and how older ones become them.
#ifndef GLOVEBOX_SANDBOX_STATE_SCHEMA_H_
#define GLOVEBOX_SANDBOX_STATE_SCHEMA_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "sandbox/sqlite.h"

namespace glovebox {

// Opens or makes the file, checks it and brings its schema up to `version`. Errors as of
// StateDb::Open.
absl::StatusOr<SqliteHandle> OpenStateFile(const std::string& path, int version);

}  // namespace glovebox

#endif  // GLOVEBOX_SANDBOX_STATE_SCHEMA_H_
