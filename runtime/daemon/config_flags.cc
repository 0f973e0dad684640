#include "daemon/config_flags.h"

#include <fcntl.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <iostream>
#include <string>

#include "base/status.h"
#include "linux/file_io.h"

namespace glovebox {
namespace {

constexpr char kDefaultFile[] = "/etc/glovebox/gloveboxd.toml";
constexpr size_t kFileBytesMax = size_t{1} << 20;

// What was given as flags; absent fields leave the file's values.
struct Flags {
  std::string config_file;
  std::optional<std::string> state_dir, runtime_dir, socket, socket_group, log_format, log_level;
  std::optional<std::string> tcp_listen, tls_certificate, tls_key, tls_client_ca, audit_file;
  std::optional<std::string> metrics_listen, cgroup_parent, on_shutdown;
  std::optional<bool> reflection;
  bool check_config = false;
  bool end_sandboxes = false;
};

void Declare(CLI::App* app, Flags* flags) {
  app->add_option("--config", flags->config_file,
                  std::string("configuration file (default ") + kDefaultFile + ", if it is there)");
  app->add_option("--state-dir", flags->state_dir, "directory for everything that is kept");
  app->add_option("--runtime-dir", flags->runtime_dir, "directory for sockets and id leases");
  app->add_option("--socket", flags->socket, "unix socket to serve on");
  app->add_option("--socket-group", flags->socket_group, "group whose members may connect too");
  app->add_option("--log-format", flags->log_format, "text or json");
  app->add_option("--log-level", flags->log_level, "debug, info, warn or error");
  app->add_option("--metrics-listen", flags->metrics_listen,
                  "loopback address for Prometheus, e.g. 127.0.0.1:9464");
  app->add_option("--tcp-listen", flags->tcp_listen,
                  "serve on this TCP address too, e.g. 10.0.0.5:7443; needs the three files below");
  app->add_option("--tls-certificate", flags->tls_certificate,
                  "PEM file: the daemon's certificate");
  app->add_option("--tls-key", flags->tls_key, "PEM file: its key, mode 0600");
  app->add_option("--tls-client-ca", flags->tls_client_ca,
                  "PEM file: who signs the certificates of clients");
  app->add_option("--audit-file", flags->audit_file,
                  "audit log (default <state-dir>/audit.log; \"\" for none)");
  app->add_option("--cgroup-parent", flags->cgroup_parent, "cgroup below which sandboxes are made");
  app->add_option("--on-shutdown", flags->on_shutdown,
                  "leave sandboxes running at SIGTERM, or end them (leave or end)");
  app->add_flag(
      "--end-sandboxes", flags->end_sandboxes,
      "end and remove every sandbox that a daemon of this state directory left, and exit");
  app->add_option("--reflection", flags->reflection, "serve gRPC reflection (true or false)");
  app->add_flag("--check-config", flags->check_config, "print what would be in force, and exit");
  app->set_version_flag("--version", GLOVEBOX_VERSION);
}

absl::Status ApplyFile(const Flags& flags, Config* config) {
  std::string file = flags.config_file;
  if (file.empty()) {
    std::error_code ignored;
    if (!std::filesystem::exists(kDefaultFile, ignored)) return absl::OkStatus();
    file = kDefaultFile;
  }
  absl::StatusOr<std::string> text = ReadFileAt(AT_FDCWD, file, kFileBytesMax);
  if (!text.ok()) return Annotate(text.status(), "configuration file");
  return ApplyToml(*text, file, config);
}

// The current directory is the caller's own business: a relative path means what it says there.
std::string Absolute(const std::string& path) {
  return path.empty() ? path : std::filesystem::absolute(path).lexically_normal().string();
}

absl::Status ApplyFlags(const Flags& flags, Config* config) {
  if (flags.state_dir.has_value()) config->state_dir = Absolute(*flags.state_dir);
  if (flags.runtime_dir.has_value()) config->runtime_dir = Absolute(*flags.runtime_dir);
  if (flags.socket.has_value()) config->socket = Absolute(*flags.socket);
  if (flags.socket_group.has_value()) config->socket_group = *flags.socket_group;
  if (flags.tcp_listen.has_value()) config->tcp_listen = *flags.tcp_listen;
  if (flags.tls_certificate.has_value()) config->tcp_certificate = Absolute(*flags.tls_certificate);
  if (flags.tls_key.has_value()) config->tcp_key = Absolute(*flags.tls_key);
  if (flags.tls_client_ca.has_value()) config->tcp_client_ca = Absolute(*flags.tls_client_ca);
  if (flags.audit_file.has_value()) config->audit_file = Absolute(*flags.audit_file);
  if (flags.metrics_listen.has_value()) config->metrics_listen = *flags.metrics_listen;
  if (flags.cgroup_parent.has_value()) config->cgroup_parent = *flags.cgroup_parent;
  if (flags.reflection.has_value()) config->reflection = *flags.reflection;
  if (flags.on_shutdown.has_value()) {
    RETURN_IF_ERROR(ParseOnShutdown(*flags.on_shutdown, &config->on_shutdown));
  }
  if (flags.log_format.has_value()) {
    RETURN_IF_ERROR(ParseLogFormat(*flags.log_format, &config->log_format));
  }
  if (flags.log_level.has_value()) {
    RETURN_IF_ERROR(ParseLogLevel(*flags.log_level, &config->log_level));
  }
  return absl::OkStatus();
}

absl::Status Assemble(const Flags& flags, Config* config) {
  RETURN_IF_ERROR(ApplyFile(flags, config));
  RETURN_IF_ERROR(ApplyFlags(flags, config));
  return FinishConfig(config);
}

}  // namespace

std::optional<int> ReadCommandLine(int argc, const char* const* argv, Config* config,
                                   RunMode* mode) {
  CLI::App app("gloveboxd: sandboxes for agent tasks. Runs in the foreground as root.");
  Flags flags;
  Declare(&app, &flags);
  try {  // CLI11 reports by exceptions
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  if (const absl::Status assembled = Assemble(flags, config); !assembled.ok()) {
    std::cerr << "gloveboxd: " << assembled.message() << "\n";
    return 2;
  }
  if (flags.end_sandboxes) *mode = RunMode::kEndSandboxes;
  if (flags.check_config) *mode = RunMode::kCheckConfig;
  return std::nullopt;
}

}  // namespace glovebox
