// What gloveboxd is told: defaults, then the configuration file, then flags.
#ifndef GLOVEBOX_DAEMON_CONFIG_H_
#define GLOVEBOX_DAEMON_CONFIG_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "policy/client_quota.h"
#include "policy/output_limits.h"
#include "policy/sandbox_limits.h"
#include "snapshot/blob_limits.h"

namespace glovebox {

enum class LogFormat { kText, kJson };
enum class OnShutdown { kLeave, kEnd };
enum class LogLevel { kDebug, kInfo, kWarn, kError };

struct Config {
  std::string state_dir = "/var/lib/glovebox";
  std::string runtime_dir = "/run/glovebox";
  std::string socket;        // "": <runtime_dir>/glovebox.sock
  std::string socket_group;  // "": the daemon's own user alone
  bool reflection = false;
  // False: where the kernel has no Landlock, sandboxes are made without it, and say so.
  bool landlock_required = true;

  // TCP, with certificates on both sides; "": none.
  std::string tcp_listen;  // "address:port"
  std::string tcp_certificate, tcp_key, tcp_client_ca;

  // Principals ("uid:1000", "cert:ci.example"). Root and the daemon's own user are administrators
  // in any case; owners absent: everybody who can connect.
  std::vector<std::string> client_admins;
  std::optional<std::vector<std::string>> client_owners;
  ClientQuota client_quota;  // of each that is no administrator

  std::optional<std::string> audit_file;          // "": off; absent: <state_dir>/audit.log
  uint64_t audit_bytes_max = uint64_t{64} << 20;  // then it is renamed, and a new one begun
  uint32_t audit_files_max = 4;                   // with the renamed ones
  bool audit_arguments = false;                   // of commands

  // The way out of sandboxes.
  std::vector<std::string> egress_name_servers;    // none: those of /etc/resolv.conf
  std::vector<std::string> egress_private_ranges;  // that a policy may allow, in CIDR form
  std::string egress_origin_roots;                 // PEM; "": the host's
  bool egress_all_ports = true;                    // false: those alone that policies name
  uint32_t egress_connections_max = 4096;          // open at once, of all sandboxes

  LogFormat log_format = LogFormat::kText;
  LogLevel log_level = LogLevel::kInfo;

  std::string metrics_listen;  // "": off; else "127.0.0.1:port" or "[::1]:port"

  // Above what systemd gives to users and containers (0x70000000 on; systemd's UIDS-GIDS.md).
  uint32_t id_range_first = 0x70000000;
  uint32_t id_range_count = 4096;

  OnShutdown on_shutdown = OnShutdown::kLeave;  // what becomes of sandboxes at SIGTERM

  std::string cgroup_parent;  // below each hierarchy's mount; "": its root

  uint32_t sandboxes_max = 4096;
  uint32_t creates_at_once_max = 64;
  uint32_t connections_max = 2048;  // of all clients but administrators on the unix socket
  // Absent: everything when nobody but the daemon's own user can connect, nothing otherwise.
  std::optional<std::vector<std::string>> import_roots;

  // Of the snapshots in the store; 0: no limit. To hold it, what nobody uses is removed.
  uint64_t store_bytes_max = 0;
  uint64_t store_inodes_max = 0;
  BlobLimits uploads;  // what clients may have uploaded

  // System call tiers that sandboxes may have, and the one of those that name none.
  std::optional<std::vector<std::string>> seccomp_tiers;  // absent: strict and build
  std::string seccomp_default = "build";
  // Refused system calls are answered by init and appear in the end of their command; false: the
  // kernel answers them, and nobody is told.
  bool explain_refusals = true;

  SandboxLimits sandbox_defaults;
  OutputBounds output;                  // of commands
  uint32_t output_memory_percent = 50;  // of a sandbox's memory limit, for output that is retained
  uint32_t disk_stock = 8;              // blank disks of the default size that are kept ready

  std::map<std::string, std::string> labels;  // of the host, in GetNode
};

// Applies a TOML file's text to `config`. INVALID_ARGUMENT with name, line and what would be right
// for an unknown key, a wrong type or a malformed file. `file_name` is for messages.
absl::Status ApplyToml(absl::string_view text, absl::string_view file_name, Config* config);

// Fills in what depends on other values and checks the whole. INVALID_ARGUMENT.
absl::Status FinishConfig(Config* config);

// The configuration as TOML that ApplyToml takes.
std::string FormatConfig(const Config& config);

// "json" -> kJson and so on. INVALID_ARGUMENT.
absl::Status ParseOnShutdown(absl::string_view text, OnShutdown* what);
absl::Status ParseLogFormat(absl::string_view text, LogFormat* format);
absl::Status ParseLogLevel(absl::string_view text, LogLevel* level);
absl::Status ParseLandlockNeed(absl::string_view text, bool* required);
const char* OnShutdownName(OnShutdown what);
const char* LogFormatName(LogFormat format);
const char* LogLevelName(LogLevel level);

}  // namespace glovebox

#endif  // GLOVEBOX_DAEMON_CONFIG_H_
