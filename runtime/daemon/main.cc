// gloveboxd: the daemon. Runs in the foreground; `gloveboxd --help` says how.
#include <sys/resource.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>

#include <algorithm>
#include <cerrno>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/escape.h"
#include "base/status.h"
#include "daemon/config.h"
#include "daemon/config_flags.h"
#include "daemon/logging.h"
#include "daemon/lookup_process.h"
#include "daemon/shutdown.h"
#include "daemon/wiring.h"
#include "linux/capabilities.h"
#include "linux/host_root.h"
#include "linux/kernel_features.h"
#include "linux/mount.h"
#include "linux/oom_score.h"
#include "policy/daemon_policy.h"

namespace glovebox {
namespace {

constexpr absl::Duration kStopPatience = absl::Seconds(10);

// Thousands of sandboxes hold a handful of descriptors each.
void RaiseOpenFiles() {
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) != 0) return;
  files.rlim_cur = files.rlim_max;
  (void)::setrlimit(RLIMIT_NOFILE, &files);  // what cannot be raised is met as EMFILE later
}

// The daemon knows secrets of its clients. 1, not 0: a core_pattern that pipes to a program ignores
// 0 but not 1, and no core file fits in one byte. What it starts inherits that.
void RefuseCoreFiles(const Log& log) {
  const rlimit core{1, 1};
  if (::setrlimit(RLIMIT_CORE, &core) == 0) return;
  log.Write(LogLevel::kWarn, "a core file of this process would have secrets of clients",
            {{"error", std::string(ErrnoError(errno, "RLIMIT_CORE").message())},
             {"remedy", "start it with RLIMIT_CORE 1 (LimitCORE=1 of the unit)"}});
}

int Fail(const Log& log, const absl::Status& status) {
  LogFields fields = {{"error", std::string(status.message())}};
  if (const auto detail = GetErrorDetail(status); detail.has_value()) {
    fields.emplace_back("reason", detail->reason);
    for (const auto& [key, value] : detail->metadata) fields.emplace_back(key, value);
  }
  log.Write(LogLevel::kError, "cannot start", fields);
  (void)::sd_notifyf(0, "STATUS=cannot start: %s",
                     EscapeForPeople(status.message(), 200).c_str());  // without systemd: nothing
  return 1;
}

absl::string_view StopWords(OnShutdown what) {
  return what == OnShutdown::kEnd ? "ending sandboxes" : "leaving sandboxes running";
}

// With the port that was given to it, where 0 was asked for.
std::string TcpAddress(const Config& config, int port) {
  if (port == 0) return "off";
  return absl::StrCat(config.tcp_listen.substr(0, config.tcp_listen.rfind(':')), ":", port);
}

// Null, and said in `features`, where ports are given to the way out one by one.
std::unique_ptr<LookupProcess> StartLookup(const Config& config, const Log& log,
                                           std::vector<KernelFeature>* features) {
  const auto feature = std::find_if(features->begin(), features->end(),
                                    [](const auto& one) { return one.name == kEveryPortFeature; });
  if (feature == features->end()) return nullptr;
  if (!config.egress_all_ports) {
    *feature = {kEveryPortFeature, FeatureState::kDegraded,         "switched off",
                kWithoutEveryPort, "set [egress] all_ports = true", 0};
  }
  if (feature->state != FeatureState::kOk) return nullptr;
  auto process = LookupProcess::Start();
  if (process.ok()) return *std::move(process);
  log.Write(LogLevel::kWarn, "sandboxes' way out has the ports alone that policies name",
            {{"error", std::string(process.status().message())}});
  *feature = {kEveryPortFeature,
              FeatureState::kDegraded,
              std::string(process.status().message()),
              kWithoutEveryPort,
              "let the daemon have CAP_BPF and CAP_NET_ADMIN",
              0};
  return nullptr;
}

int Run(const Config& config, RunMode mode) {
  const Log log(config.log_format, config.log_level);
  ::umask(0077);
  RaiseOpenFiles();
  RefuseCoreFiles(log);
  PrepareSignals();
  if (const absl::Status root = CheckHostRoot(); !root.ok()) {
    return Fail(log, Annotate(root, "gloveboxd needs root of the host"));
  }
  // Both while there is one thread: unshare(CLONE_NEWNS) moves only its caller, and probes fork.
  if (const absl::Status entered = EnterPrivateMountNamespace(); !entered.ok()) {
    return Fail(log, Annotate(entered, "gloveboxd cannot have mounts of its own"));
  }
  if (mode == RunMode::kEndSandboxes) {
    const absl::Status ended = Daemon::EndSandboxes(config, &log);
    return ended.ok() ? 0 : Fail(log, ended);
  }
  std::vector<KernelFeature> features = ProbeKernelFeatures();
  features.push_back(ProtectFromOomKiller());
  // With what the daemon gives up below; until it ends.
  const std::unique_ptr<LookupProcess> lookup = StartLookup(config, log, &features);
  // Also while there is one thread: capabilities are a thread's own.
  std::vector<int> capabilities;
  for (const KeptCapability& kept : DaemonCapabilities()) capabilities.push_back(kept.number);
  if (const absl::Status dropped = KeepOnlyCapabilities(capabilities); !dropped.ok()) {
    return Fail(log, Annotate(dropped, "gloveboxd cannot confine itself"));
  }
  if (lookup != nullptr) lookup->Watch(&log);
  absl::StatusOr<std::unique_ptr<Daemon>> daemon =
      Daemon::Start(config, &log, features, lookup.get());
  if (!daemon.ok()) return Fail(log, daemon.status());
  log.Write(LogLevel::kInfo, "serving",
            {{"socket", config.socket},
             {"tcp", TcpAddress(config, (*daemon)->tcp_port())},
             {"state_dir", config.state_dir}});
  (void)::sd_notify(0, "READY=1\nSTATUS=serving");
  const int signal = WaitForEndSignal();
  log.Write(LogLevel::kInfo, "stopping", {{"signal", absl::StrCat(signal)}});
  (void)::sd_notify(0, absl::StrCat("STOPPING=1\nSTATUS=", StopWords(config.on_shutdown)).c_str());
  if (lookup != nullptr) lookup->EndWatch();
  StopWithPatience([&] { (*daemon)->Stop(); }, [&] { (*daemon)->Hasten(); }, kStopPatience);
  daemon->reset();
  log.Write(LogLevel::kInfo, "stopped");
  return 0;
}

}  // namespace
}  // namespace glovebox

int main(int argc, char** argv) {
  glovebox::Config config;
  glovebox::RunMode mode = glovebox::RunMode::kServe;
  if (const auto exit_code = glovebox::ReadCommandLine(argc, argv, &config, &mode)) {
    return *exit_code;
  }
  if (mode == glovebox::RunMode::kCheckConfig) {
    std::cout << glovebox::FormatConfig(config);
    return 0;
  }
  return glovebox::Run(config, mode);
}
