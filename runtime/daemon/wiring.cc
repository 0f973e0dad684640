#include "daemon/wiring.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/ids.h"
#include "base/status.h"
#include "daemon/egress_authority.h"
#include "daemon/egress_setup.h"
#include "daemon/name_servers.h"
#include "daemon/node_facts.h"
#include "daemon/tls.h"
#include "files/embedded/embedded_files.h"
#include "importer/embedded/embedded_importer.h"
#include "launcher/self_filter.h"
#include "linux/file_io.h"
#include "linux/host_duties.h"
#include "linux/kernel_probes.h"
#include "policy/landlock.h"
#include "policy/seccomp_table.h"
#include "sandbox/sandbox_errors.h"
#include "spawner/embedded/embedded_binaries.h"

namespace glovebox {
namespace {

constexpr int kCallThreads = 16;
constexpr size_t kCallsWaitingMax = 2048;
constexpr int kTransferThreads = 16;
constexpr size_t kTransfersWaitingMax = 256;
constexpr size_t kTransfersOfOneSandbox = 4;
constexpr int kPauseThreads = 8;
constexpr int kCleanupThreads = 2;
constexpr int kLookThreads = 4;
constexpr int kLookAfterEndThreads = 4;
constexpr size_t kLooksAfterEndsOfOneOwner = 2;
constexpr uint64_t kForwardsMax = 2048;
constexpr absl::Duration kCallsGrace = absl::Seconds(5);

// Half of the descriptors are left for sandboxes, whatever is allowed to clients.
uint64_t OpenFilesLimit() {
  rlimit files{};
  return ::getrlimit(RLIMIT_NOFILE, &files) == 0 ? files.rlim_cur : 1024;
}

// Each has one, and the clients' connections may have half of all.
uint64_t ForwardsMax() { return std::min<uint64_t>(kForwardsMax, OpenFilesLimit() / 8); }

ConnectionLimits ConnectionLimitsOf(const Config& config) {
  ConnectionLimits limits;
  limits.of_client = config.client_quota.connections_max;
  limits.all = std::min<uint64_t>(config.connections_max, OpenFilesLimit() / 2);
  limits.strangers = std::max<uint64_t>(limits.all / 4, 1);
  return limits;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Daemon>> Daemon::Start(const Config& config, const Log* log,
                                                      const std::vector<KernelFeature>& features,
                                                      PortGiver* ports) {
  ASSIGN_OR_RETURN(StateDirectory state, StateDirectory::Open(config.state_dir));
  std::unique_ptr<Daemon> daemon(new Daemon(log, std::move(state)));
  daemon->on_shutdown_ = config.on_shutdown;
  daemon->egress_ports_ = ports;
  RETURN_IF_ERROR(daemon->OpenState());
  const KeptTraces kept = daemon->Kept();
  RETURN_IF_ERROR(daemon->OpenHost(config, kept));
  RETURN_IF_ERROR(daemon->OpenStore(config, kept));
  RETURN_IF_ERROR(daemon->StartEgress(config));
  RETURN_IF_ERROR(daemon->StartSandboxes(config));
  daemon->AdoptSandboxes();
  RETURN_IF_ERROR(daemon->Serve(config, features));
  return daemon;
}

absl::Status Daemon::EndSandboxes(const Config& config, const Log* log) {
  ASSIGN_OR_RETURN(StateDirectory state, StateDirectory::Open(config.state_dir));
  Daemon daemon(log, std::move(state));
  RETURN_IF_ERROR(daemon.OpenState());
  for (const SandboxRow& row : daemon.found_.sandboxes) {
    // On a full disk what is ended here makes the room for writing that it was.
    if (!daemon.state_db_->EraseSandbox(row.id).ok()) daemon.state_db_->EraseSandboxBehind(row.id);
  }
  RETURN_IF_ERROR(daemon.OpenHost(config, {}));
  RETURN_IF_ERROR(daemon.OpenStore(config, {}));
  for (const std::string& path :
       {daemon.run_directory_, daemon.state_.Below("output"), daemon.state_.Below("commits")}) {
    RETURN_IF_ERROR(RemoveTreeAt(AT_FDCWD, path));
  }
  for (const SandboxRow& row : daemon.found_.sandboxes) {
    // Taken and given back at once: then their block has no owner any more.
    (void)daemon.ids_->TakeAgain(row.host_id_first);
  }
  daemon.nothing_left_ = true;
  log->Write(LogLevel::kInfo, "ended",
             {{"sandboxes", absl::StrCat(daemon.found_.sandboxes.size())}});
  return absl::OkStatus();
}

absl::Status Daemon::OpenState() {
  ASSIGN_OR_RETURN(const std::string boot_id,
                   ReadFileAt(AT_FDCWD, "/proc/sys/kernel/random/boot_id", 64));
  boot_id_ = std::string(absl::StripAsciiWhitespace(boot_id));
  ASSIGN_OR_RETURN(
      state_db_, StateDb::Open(state_.Below("state.db"), [log = log_](const absl::Status& now) {
        if (now.ok()) {
          log->Write(LogLevel::kInfo, "state.db can be written again");
        } else {
          log->Write(LogLevel::kError,
                     "state.db cannot be written; no sandboxes are made, running ones go on",
                     {{"error", std::string(now.message())}});
        }
      }));
  ASSIGN_OR_RETURN(found_, state_db_->Load());
  return absl::OkStatus();
}

Daemon::KeptTraces Daemon::Kept() const {
  KeptTraces kept;
  for (const SandboxRow& row : found_.sandboxes) {
    if (row.boot_id != boot_id_) continue;
    kept.sandboxes.insert(row.id);
    kept.disks.insert(row.disk);
    if (row.options.image == ImageStore::kHostName) kept.host_images.insert(row.image_digest);
  }
  for (const CheckpointRow& row : found_.checkpoints) {
    if (kept.sandboxes.contains(row.sandbox_id)) kept.disks.insert(row.image);
  }
  return kept;
}

// What a dead daemon left without a record ends here, before its ids and disks are used again.
absl::Status Daemon::OpenHost(const Config& config, const KeptTraces& kept) {
  RETURN_IF_ERROR(MakeDirectories(config.runtime_dir, 0755));
  run_directory_ = absl::StrCat(config.runtime_dir, "/", state_.instance());
  RETURN_IF_ERROR(MakeDirectoryAt(AT_FDCWD, run_directory_, 0700));
  ASSIGN_OR_RETURN(cgroup_host_, DetectCgroupHost());
  if (cgroup_host_.v2_mount.empty()) {
    RETURN_IF_ERROR(MakeDirectoryAt(AT_FDCWD, state_.Below("cgroup2"), 0700));
    RETURN_IF_ERROR(MountCgroup2(state_.Below("cgroup2"), &cgroup_host_));
  }
  ASSIGN_OR_RETURN(cgroups_,
                   CgroupDriver::Open(cgroup_host_, {state_.instance(), config.cgroup_parent}));
  RETURN_IF_ERROR(Annotate(cgroups_->RemoveLeftovers(kept.sandboxes),
                           "ending what an earlier daemon left unfinished"));
  const std::string leases = absl::StrCat(config.runtime_dir, "/ids");
  RETURN_IF_ERROR(MakeDirectories(leases, 0700));
  ASSIGN_OR_RETURN(ids_, IdRanges::Open(leases, config.id_range_first, config.id_range_count,
                                        state_.instance()));
  const RefusalForm form = config.explain_refusals ? RefusalForm::kTold : RefusalForm::kErrno;
  for (const std::string& tier : config.seccomp_tiers.value_or(std::vector<std::string>{})) {
    filters_.push_back(CompileSeccomp(FindSeccompTier(tier).value_or(kDefaultSeccompTier), form));
  }
  worker_filters_ = CompileSeccomp(SeccompTier::kBuild, RefusalForm::kErrno);
  return absl::OkStatus();
}

absl::Status Daemon::OpenStore(const Config& config, const KeptTraces& kept) {
  for (const char* name : {"disks", "store", "output", "commits"}) {
    RETURN_IF_ERROR(MakeDirectoryAt(AT_FDCWD, state_.Below(name), 0700));
  }
  ASSIGN_OR_RETURN(disks_, DiskFactory::Open(state_.Below("disks"), kept.disks));
  ASSIGN_OR_RETURN(host_image_, HostImage::Build(state_.Below("store"), kept.host_images));
  ASSIGN_OR_RETURN(snapshots_, SnapshotStore::Open(state_.Below("store"), disks_.get(), &clock_));
  ASSIGN_OR_RETURN(
      images_, ImageStore::Open(state_.Below("store"), disks_.get(), host_image_.get(), &clock_));
  ASSIGN_OR_RETURN(blobs_, BlobStore::Open(state_.Below("blobs"), &clock_, config.uploads));
  for (const std::string& damage : snapshots_->damaged()) {
    log_->Write(LogLevel::kError, "a snapshot is damaged and not shown", {{"what", damage}});
  }
  for (const std::string& damage : images_->damaged()) {
    log_->Write(LogLevel::kError, "an image is damaged and not shown", {{"what", damage}});
  }
  const SandboxLimits& limits = config.sandbox_defaults;
  disks_->KeepInStock(limits.disk_bytes, limits.disk_inodes, static_cast<int>(config.disk_stock));
  return absl::OkStatus();
}

absl::Status Daemon::StartEgress(const Config& config) {
  ASSIGN_OR_RETURN(const EgressSetup setup, MakeEgressSetup(config, OpenFilesLimit()));
  way_out_ = EgressEnforcement(setup);
  ASSIGN_OR_RETURN(const EgressAuthority authority, LoadEgressAuthority(state_.path()));
  ASSIGN_OR_RETURN(const std::string roots, ReadOriginRoots(config));
  ASSIGN_OR_RETURN(sandbox_roots_, ShowSandboxRoots(state_.Below("egress-roots"), roots,
                                                    authority.certificate_pem));
  ASSIGN_OR_RETURN(EgressParts parts, MakeEgressParts(setup, authority, roots));
  std::vector<std::string> problems;
  ASSIGN_OR_RETURN(secrets_, SecretBook::Open(state_.Below("secrets"), &clock_, &problems));
  for (const std::string& problem : problems) {
    log_->Write(LogLevel::kError, "a secret is not there", {{"what", problem}});
  }
  ASSIGN_OR_RETURN(egress_, EgressGate::Start(std::move(parts), log_,
                                              [book = secrets_.get()](const auto&... asked) {
                                                return book->Find(asked...);
                                              }));
  secrets_->OnChange([gate = egress_.get()](const std::string& owner, const std::string& name) {
    gate->SecretChanged(owner, name);
  });
  connections_ = std::make_unique<ConnectionLog>(NewRandomId());
  if (!config.egress_name_servers.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(name_server_watch_,
                   NameServerWatch::Start(kResolvConf, NameServersOf(setup), log_,
                                          [gate = egress_.get()](const auto& servers) {
                                            gate->SetNameServers(servers);
                                          }));
  return absl::OkStatus();
}

absl::Status Daemon::StartSandboxes(const Config& config) {
  ASSIGN_OR_RETURN(launcher_, Launcher::Start(EmbeddedSpawner(), EmbeddedInit(),
                                              [log = log_](absl::string_view what) {
                                                log->Write(LogLevel::kWarn, what);
                                              }));
  // The spawners run by now: they and the sandboxes have policies of their own.
  RETURN_IF_ERROR(RefuseCallsToSelf());
  ASSIGN_OR_RETURN(events_, EventLoop::Start());
  cleanup_ = std::make_unique<WorkQueue>(kCleanupThreads, 0);
  // One piece of work waits for each sandbox at most.
  looks_after_ends_ =
      std::make_unique<WorkQueue>(kLookAfterEndThreads, 0, kLooksAfterEndsOfOneOwner);
  const int landlock_abi = LandlockAbi();
  if (landlock_abi < kLandlockAbiMin && config.landlock_required) {
    const KernelFeature missing = JudgeLandlock(landlock_abi);
    return absl::FailedPreconditionError(
        absl::StrCat("this kernel has no Landlock (", missing.found, "): ", missing.remedy,
                     ", or set landlock = \"optional\" to run sandboxes without that layer"));
  }
  SandboxDeps deps;
  ASSIGN_OR_RETURN(deps.importer, WriteImporter(state_.path()));
  ASSIGN_OR_RETURN(deps.files_program, MakeFilesProgram());
  deps.landlock_abi = landlock_abi;
  deps.launcher = launcher_.get();
  deps.cgroups = cgroups_.get();
  deps.disks = disks_.get();
  deps.ids = ids_.get();
  deps.events = events_.get();
  deps.cleanup = cleanup_.get();
  deps.looks_after_ends = looks_after_ends_.get();
  deps.clock = &clock_;
  deps.filters = &worker_filters_;
  deps.run_directory = run_directory_;
  deps.output_memory_percent = config.output_memory_percent;
  deps.state = state_db_.get();
  deps.output_directory = state_.Below("output");
  deps.commits_directory = state_.Below("commits");
  archive_health_ = std::make_unique<ArchiveHealth>([log = log_](const absl::Status& now) {
    if (now.ok()) {
      log->Write(LogLevel::kInfo, "output of ended commands can be stored again");
    } else {
      log->Write(LogLevel::kError,
                 "output of ended commands cannot be stored; that of the latest stays in memory",
                 {{"error", std::string(now.message())}});
    }
  });
  deps.archive_health = archive_health_.get();
  deps.journals = &journal_memory_;
  sockets_ = std::make_unique<SocketBudget>(ForwardsMax());
  deps.sockets = sockets_.get();
  deps.egress = egress_.get();
  deps.secrets = secrets_.get();
  deps.egress_ports = egress_ports_;
  deps.egress_roots = sandbox_roots_;
  deps.connections = connections_.get();
  ManagerLimits limits;
  for (const SeccompPrograms& programs : filters_) limits.seccomp_tiers.push_back(&programs);
  limits.seccomp_default = FindSeccompTier(config.seccomp_default).value_or(kDefaultSeccompTier);
  limits.sandboxes_max = config.sandboxes_max;
  limits.creates_at_once_max = config.creates_at_once_max;
  if (config.store_bytes_max != 0) limits.store.bytes_max = config.store_bytes_max;
  if (config.store_inodes_max != 0) limits.store.inodes_max = config.store_inodes_max;
  for (const std::string& range : config.egress_private_ranges) {
    ASSIGN_OR_RETURN(IpRange parsed, IpRange::Parse(range));
    limits.egress_private_ranges.push_back(parsed);
  }
  limits.import_roots = config.import_roots.value_or(std::vector<std::string>{});
  sandboxes_ =
      std::make_unique<SandboxManager>(deps, snapshots_.get(), images_.get(), std::move(limits));
  return absl::OkStatus();
}

void Daemon::AdoptSandboxes() {
  const bool any = !found_.sandboxes.empty() || !found_.unusable.empty();
  const absl::Time begin = clock_.Now();
  // Also removes what has no record.
  const AdoptionReport report = sandboxes_->Adopt(std::exchange(found_, {}), boot_id_);
  for (const std::string& problem : report.problems) {
    log_->Write(LogLevel::kWarn, "what an earlier daemon left was not all taken over",
                {{"what", problem}});
  }
  if (!any) return;
  log_->Write(LogLevel::kInfo, "took over sandboxes of an earlier daemon",
              {{"running", absl::StrCat(report.running)},
               {"stopped", absl::StrCat(report.stopped)},
               {"duration", absl::FormatDuration(clock_.Now() - begin)}});
}

absl::Status Daemon::OpenClients(const Config& config) {
  if (const std::string& file = config.audit_file.value_or(""); !file.empty()) {
    ASSIGN_OR_RETURN(audit_,
                     AuditLog::Open({file, config.audit_bytes_max, config.audit_files_max}));
    std::map<std::string, std::string> policies;
    for (const v1::Capability& policy : OtherEnforcement(config)) {
      policies[policy.name()] = policy.mechanism();
    }
    audit_->WriteStart(GLOVEBOX_VERSION, policies);
    call_log_.SetAudit(audit_.get());
  }
  ASSIGN_OR_RETURN(store_owners_, StoreOwners::Open(state_.Below("store-owners.json")));
  book_ = std::make_unique<ClientBook>(config.client_quota, &clock_);
  access_ = std::make_unique<SandboxAccess>(sandboxes_.get(), store_owners_.get(), blobs_.get(),
                                            book_.get(), config.client_quota);
  RETURN_IF_ERROR(access_->ForgetOwnersOfWhatIsGone());
  RolePolicy roles;
  roles.own_uid = ::geteuid();
  roles.admins.insert(config.client_admins.begin(), config.client_admins.end());
  if (config.client_owners.has_value()) {
    roles.owners.emplace(config.client_owners->begin(), config.client_owners->end());
  }
  peers_ = std::make_unique<PeerRegistry>(std::move(roles), ConnectionLimitsOf(config));
  return absl::OkStatus();
}

absl::StatusOr<ServerOptions> Daemon::ListenOptions(const Config& config) {
  ServerOptions options;
  options.socket = config.socket;
  options.reflection = config.reflection;
  options.peers = peers_.get();
  options.connections = ConnectionLimitsOf(config);
  if (!config.socket_group.empty()) {
    ASSIGN_OR_RETURN(options.socket_group, FindGroup(config.socket_group));
  }
  if (!config.tcp_listen.empty()) {
    options.tcp_listen = config.tcp_listen;
    ASSIGN_OR_RETURN(options.tcp_pems,
                     ReadTlsFiles({config.tcp_certificate, config.tcp_key, config.tcp_client_ca}));
  }
  return options;
}

absl::Status Daemon::Serve(const Config& config, const std::vector<KernelFeature>& features) {
  if (!config.metrics_listen.empty()) {
    ASSIGN_OR_RETURN(metrics_, Metrics::Serve(config.metrics_listen, [this] {
                       return LiveCounts{sandboxes_->Counts(), connections_->Counts()};
                     }));
    call_log_.SetMetrics(metrics_.get());
  }
  page_tokens_ = std::make_unique<PageTokens>(NewRandomId());
  calls_ = std::make_unique<WorkQueue>(kCallThreads, kCallsWaitingMax);
  transfers_ =
      std::make_unique<WorkQueue>(kTransferThreads, kTransfersWaitingMax, kTransfersOfOneSandbox);
  pauses_ = std::make_unique<WorkQueue>(kPauseThreads, kCallsWaitingMax);
  ASSIGN_OR_RETURN(watch_events_, EventLoop::Start());
  // One piece of work waits for each watch and each of its followers at most.
  watch_looks_ = std::make_unique<WorkQueue>(kLookThreads, 0);
  watches_ =
      std::make_unique<TreeWatches>(WatchDeps{watch_events_.get(), watch_looks_.get(), &clock_});
  ASSIGN_OR_RETURN(forward_events_, EventLoop::Start());
  RETURN_IF_ERROR(OpenClients(config));
  service_deps_ = {access_.get(),
                   calls_.get(),
                   transfers_.get(),
                   pauses_.get(),
                   &clock_,
                   &call_log_,
                   page_tokens_.get(),
                   peers_.get(),
                   book_.get(),
                   state_.instance(),
                   {config.sandbox_defaults, MaximumLimits()},
                   config.output,
                   config.audit_arguments,
                   watches_.get(),
                   forward_events_.get(),
                   connections_.get()};
  ASSIGN_OR_RETURN(const CgroupReport report, ReportCgroups(cgroup_host_));
  std::vector<v1::Capability> capabilities = CgroupCapabilities(report);
  std::vector<v1::Capability> enforcement = capabilities;
  enforcement.push_back(LandlockEnforcement(LandlockAbi()));
  capabilities.push_back(way_out_);
  for (v1::Capability& other : OtherEnforcement(config)) capabilities.push_back(std::move(other));
  for (const KernelFeature& feature : features) capabilities.push_back(ToCapability(feature));
  for (const KernelFeature& duty : ProbeHostDuties(state_.path())) {
    capabilities.push_back(ToCapability(duty));
  }
  NodeFacts facts{DescribeNode(config, state_.instance(), service_deps_.limits, capabilities,
                               cgroup_host_.version),
                  state_.path(), [] {
                    auto meminfo = ReadFileAt(AT_FDCWD, "/proc/meminfo", 64 * 1024);
                    return meminfo.ok() ? MemoryAvailableBytes(*meminfo) : 0;
                  }};
  sandbox_service_ = std::make_unique<SandboxService>(&service_deps_, enforcement, capabilities);
  exec_service_ = std::make_unique<ExecService>(&service_deps_);
  change_service_ = std::make_unique<ChangeService>(&service_deps_);
  file_service_ = std::make_unique<FileService>(&service_deps_);
  network_service_ = std::make_unique<NetworkService>(&service_deps_);
  snapshot_service_ = std::make_unique<SnapshotService>(&service_deps_);
  node_service_ = std::make_unique<NodeService>(&service_deps_, std::move(facts));
  ASSIGN_OR_RETURN(const ServerOptions options, ListenOptions(config));
  ASSIGN_OR_RETURN(
      server_, Server::Start(options,
                             {sandbox_service_.get(), exec_service_.get(), change_service_.get(),
                              file_service_.get(), network_service_.get(), snapshot_service_.get(),
                              node_service_.get()},
                             &call_log_, log_));
  return absl::OkStatus();
}

void Daemon::Stop() {
  server_->StopAccepting();
  // Ends the execs or tells who follows them to connect again, and with that the streams and waits.
  connections_->End(ShuttingDown());
  const size_t left =
      sandboxes_->Shutdown(on_shutdown_ == OnShutdown::kEnd ? SandboxManager::OnShutdown::kEnd
                                                            : SandboxManager::OnShutdown::kLeave);
  nothing_left_ = left == 0;
  state_db_->Flush();
  server_->Shutdown(kCallsGrace);
}

void Daemon::Hasten() {
  if (on_shutdown_ == OnShutdown::kEnd) {
    const absl::Status killed = cgroups_->RemoveLeftovers();
    if (!killed.ok()) {
      log_->Write(LogLevel::kError, "sandboxes could not be ended",
                  {{"error", std::string(killed.message())}});
    }
  }
  server_->Shutdown(absl::ZeroDuration());
}

Daemon::~Daemon() {
  server_.reset();
  watch_looks_.reset();
  pauses_.reset();
  transfers_.reset();
  calls_.reset();
  call_log_.SetMetrics(nullptr);
  call_log_.SetAudit(nullptr);
  metrics_.reset();
  sandboxes_.reset();
  looks_after_ends_.reset();  // records what it has looked at with the clean-up
  cleanup_.reset();
  if (!nothing_left_) return;
  if (cgroups_ != nullptr) {
    const absl::Status removed = cgroups_->RemoveInstance();
    if (!removed.ok()) {
      log_->Write(LogLevel::kError, "cgroups are left behind",
                  {{"error", std::string(removed.message())}});
    }
  }
  if (!run_directory_.empty()) {
    // Empty when every sandbox was given back; the next start removes it otherwise.
    (void)RemoveTreeAt(AT_FDCWD, run_directory_);
  }
}

}  // namespace glovebox
