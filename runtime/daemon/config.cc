#include "daemon/config.h"

#include <sys/un.h>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/escape.h"
#include "base/status.h"
#include "egress/egress_wire.h"
#include "policy/ip_address.h"
#include "policy/seccomp_table.h"

namespace glovebox {
namespace {

constexpr size_t kSocketPathMax = sizeof(sockaddr_un::sun_path) - 1;
// "/" + 16 digits of the instance + "/" + 32 of a sandbox (wiring.cc).
constexpr size_t kRunNameBytes = 50;

absl::Status Refuse(absl::string_view key, absl::string_view why) {
  return DetailedError(absl::StatusCode::kInvalidArgument, absl::StrCat(key, ": ", why),
                       {"CONFIG_INVALID", {}});
}

absl::Status CheckPath(absl::string_view key, absl::string_view path, size_t bytes_max) {
  if (path.empty() || path[0] != '/') return Refuse(key, "must be an absolute path");
  if (path.find('\0') != absl::string_view::npos) return Refuse(key, "must not have a NUL");
  if (path.size() > bytes_max) {
    return Refuse(key, absl::StrCat("has ", path.size(), " bytes; at most ", bytes_max,
                                    " fit: choose a shorter path"));
  }
  return absl::OkStatus();
}

absl::Status CheckMetrics(absl::string_view listen) {
  if (listen.empty()) return absl::OkStatus();
  absl::string_view port = listen;
  uint32_t number = 0;
  if (!absl::ConsumePrefix(&port, "127.0.0.1:") && !absl::ConsumePrefix(&port, "[::1]:")) {
    return Refuse("metrics.listen",
                  "must be \"127.0.0.1:PORT\" or \"[::1]:PORT\": the figures are for this host "
                  "alone; put a proxy in front to share them");
  }
  if (!absl::SimpleAtoi(port, &number) || number > 65535) {
    return Refuse("metrics.listen", "must end in a port from 0 to 65535");
  }
  return absl::OkStatus();
}

absl::Status CheckIdRanges(const Config& config) {
  constexpr uint32_t kIds = 65536;
  if (config.id_range_first % kIds != 0 || config.id_range_first == 0) {
    return Refuse("id_ranges.first", "must be a multiple of 65536, and not 0");
  }
  const uint64_t end =
      uint64_t{config.id_range_first} + uint64_t{config.id_range_count} * uint64_t{kIds};
  // 0xffffffff is "no id"; 0xffff0000 on is kept clear of it.
  if (config.id_range_count == 0 || end > 0xffff0000) {
    return Refuse("id_ranges.count", "must be at least 1, and the last id below 4294901760");
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ParseOnShutdown(absl::string_view text, OnShutdown* what) {
  for (const OnShutdown candidate : {OnShutdown::kLeave, OnShutdown::kEnd}) {
    if (text != OnShutdownName(candidate)) continue;
    *what = candidate;
    return absl::OkStatus();
  }
  return Refuse("on_shutdown", "must be \"leave\" or \"end\"");
}

absl::Status ParseLogFormat(absl::string_view text, LogFormat* format) {
  for (const LogFormat candidate : {LogFormat::kText, LogFormat::kJson}) {
    if (text != LogFormatName(candidate)) continue;
    *format = candidate;
    return absl::OkStatus();
  }
  return Refuse("log format", "must be \"text\" or \"json\"");
}

absl::Status ParseLogLevel(absl::string_view text, LogLevel* level) {
  for (const LogLevel candidate :
       {LogLevel::kDebug, LogLevel::kInfo, LogLevel::kWarn, LogLevel::kError}) {
    if (text != LogLevelName(candidate)) continue;
    *level = candidate;
    return absl::OkStatus();
  }
  return Refuse("log level", "must be \"debug\", \"info\", \"warn\" or \"error\"");
}

absl::Status ParseLandlockNeed(absl::string_view text, bool* required) {
  if (text != "required" && text != "optional") {
    return absl::InvalidArgumentError("must be \"required\" or \"optional\"");
  }
  *required = text == "required";
  return absl::OkStatus();
}

const char* OnShutdownName(OnShutdown what) { return what == OnShutdown::kEnd ? "end" : "leave"; }

const char* LogFormatName(LogFormat format) { return format == LogFormat::kJson ? "json" : "text"; }

const char* LogLevelName(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return "debug";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarn:
      return "warn";
    case LogLevel::kError:
      return "error";
  }
  return "info";
}

static absl::Status FinishTiers(Config* config) {
  if (!config->seccomp_tiers.has_value()) config->seccomp_tiers = {"strict", "build"};
  bool has_default = false;
  for (const std::string& tier : *config->seccomp_tiers) {
    if (!FindSeccompTier(tier).has_value()) {
      return Refuse("seccomp.tiers", "must be of strict, build, nested and i386");
    }
    has_default = has_default || tier == config->seccomp_default;
  }
  if (!has_default) return Refuse("seccomp.default", "must be one of seccomp.tiers");
  return absl::OkStatus();
}

static absl::Status CheckPrincipals(absl::string_view key, const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    if ((absl::StartsWith(name, "uid:") || absl::StartsWith(name, "cert:")) && name.back() != ':' &&
        name.size() <= 300) {
      continue;
    }
    return Refuse(key, absl::StrCat("\"", EscapeForPeople(name, 100),
                                    "\" is no principal; there are \"uid:NUMBER\" and "
                                    "\"cert:NAME\""));
  }
  return absl::OkStatus();
}

static absl::Status CheckClients(const Config& config) {
  RETURN_IF_ERROR(CheckPrincipals("clients.admins", config.client_admins));
  if (config.client_owners.has_value()) {
    RETURN_IF_ERROR(CheckPrincipals("clients.owners", *config.client_owners));
  }
  if (const absl::Status quota = Validate(config.client_quota); !quota.ok()) {
    return Refuse("client_quota", quota.message());
  }
  const bool tls =
      !config.tcp_certificate.empty() && !config.tcp_key.empty() && !config.tcp_client_ca.empty();
  if (!config.tcp_listen.empty() && !tls) {
    return Refuse("tcp.listen",
                  "needs tcp.certificate, tcp.key and tcp.client_ca: without certificates on both "
                  "sides there is no TCP");
  }
  return absl::OkStatus();
}

static absl::Status FinishAudit(Config* config) {
  if (!config->audit_file.has_value()) {
    config->audit_file = absl::StrCat(config->state_dir, "/audit.log");
  }
  if (!config->audit_file->empty()) {
    RETURN_IF_ERROR(CheckPath("audit.file", *config->audit_file, 1024));
  }
  if (config->audit_bytes_max < 64 * 1024) {
    return Refuse("audit.bytes_max", "must be at least 65536");
  }
  if (config->audit_files_max < 1 || config->audit_files_max > 1000) {
    return Refuse("audit.files_max", "must be 1 to 1000");
  }
  return absl::OkStatus();
}

static absl::Status CheckEgress(const Config& config) {
  constexpr size_t kRootsPathMax = 1024;
  if (config.egress_name_servers.size() > kEgressNameServersMax) {
    return Refuse("egress.name_servers", absl::StrCat("at most ", kEgressNameServersMax));
  }
  for (const std::string& server : config.egress_name_servers) {
    if (!IpAddress::Parse(server).ok()) {
      return Refuse("egress.name_servers", "are addresses, as in \"192.0.2.53\"");
    }
  }
  for (const std::string& text : config.egress_private_ranges) {
    const absl::StatusOr<IpRange> range = IpRange::Parse(text);
    const absl::Status may = range.ok() ? CheckException(*range) : range.status();
    if (!may.ok()) return Refuse("egress.private_ranges", may.message());
  }
  if (!config.egress_origin_roots.empty()) {
    RETURN_IF_ERROR(CheckPath("egress.origin_roots", config.egress_origin_roots, kRootsPathMax));
  }
  if (config.egress_connections_max == 0) {
    return Refuse("egress.connections_max", "must be at least 1");
  }
  return absl::OkStatus();
}

absl::Status FinishConfig(Config* config) {
  constexpr size_t kPathMax = 1024;
  RETURN_IF_ERROR(CheckPath("state_dir", config->state_dir, kPathMax));
  RETURN_IF_ERROR(CheckPath("runtime_dir", config->runtime_dir, kSocketPathMax - kRunNameBytes));
  if (config->socket.empty()) config->socket = absl::StrCat(config->runtime_dir, "/glovebox.sock");
  RETURN_IF_ERROR(CheckPath("socket", config->socket, kSocketPathMax));
  RETURN_IF_ERROR(CheckMetrics(config->metrics_listen));
  RETURN_IF_ERROR(CheckIdRanges(*config));
  RETURN_IF_ERROR(CheckClients(*config));
  RETURN_IF_ERROR(FinishAudit(config));
  RETURN_IF_ERROR(CheckEgress(*config));
  if (config->sandboxes_max == 0) return Refuse("limits.sandboxes_max", "must be at least 1");
  if (config->creates_at_once_max == 0) {
    return Refuse("limits.creates_at_once_max", "must be at least 1");
  }
  if (config->connections_max == 0) return Refuse("limits.connections_max", "must be at least 1");
  if (config->disk_stock > 64) return Refuse("disk_stock", "must be at most 64");
  if (!config->cgroup_parent.empty() && absl::StrContains(config->cgroup_parent, "..")) {
    return Refuse("cgroup_parent", "must not have \"..\"");
  }
  if (!config->import_roots.has_value()) {
    config->import_roots.emplace();
    if (config->socket_group.empty()) config->import_roots->push_back("/");
  }
  for (const std::string& root : *config->import_roots) {
    RETURN_IF_ERROR(CheckPath("import_roots", root, kPathMax));
  }
  if (config->output_memory_percent < 1 || config->output_memory_percent > 100) {
    return Refuse("limits.output_memory_percent", "must be 1 to 100");
  }
  RETURN_IF_ERROR(Validate(config->output));
  RETURN_IF_ERROR(FinishTiers(config));
  const absl::Status limits = Validate(config->sandbox_defaults);
  return limits.ok() ? limits : Refuse("sandbox_defaults", limits.message());
}

}  // namespace glovebox
