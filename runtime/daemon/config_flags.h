// gloveboxd's command line.
#ifndef GLOVEBOX_DAEMON_CONFIG_FLAGS_H_
#define GLOVEBOX_DAEMON_CONFIG_FLAGS_H_

#include <optional>

#include "daemon/config.h"

namespace glovebox {

enum class RunMode { kServe, kCheckConfig, kEndSandboxes };

// Reads the configuration file and the flags, which win, into a finished `config`. With a value the
// program is to exit with it: help was shown (0), or an error (2), said on stderr.
std::optional<int> ReadCommandLine(int argc, const char* const* argv, Config* config,
                                   RunMode* mode);

}  // namespace glovebox

#endif  // GLOVEBOX_DAEMON_CONFIG_FLAGS_H_
