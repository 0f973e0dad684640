// Everything the daemon is made of, built in order and taken apart in the opposite one.
#ifndef GLOVEBOX_DAEMON_WIRING_H_
#define GLOVEBOX_DAEMON_WIRING_H_

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/work_queue.h"
#include "daemon/audit_log.h"
#include "daemon/call_log.h"
#include "daemon/config.h"
#include "daemon/egress_gate.h"
#include "daemon/logging.h"
#include "daemon/metrics.h"
#include "daemon/name_server_watch.h"
#include "daemon/peer_registry.h"
#include "daemon/server.h"
#include "daemon/state_directory.h"
#include "exec/archive_health.h"
#include "launcher/launcher.h"
#include "launcher/seccomp_compiler.h"
#include "linux/cgroup.h"
#include "linux/event_loop.h"
#include "linux/kernel_features.h"
#include "sandbox/connection_log.h"
#include "sandbox/sandbox_manager.h"
#include "sandbox/secret_book.h"
#include "sandbox/state_db.h"
#include "sandbox/store_owners.h"
#include "sandbox/tree_watch.h"
#include "service/change_service.h"
#include "service/client_book.h"
#include "service/exec_service.h"
#include "service/file_service.h"
#include "service/network_service.h"
#include "service/node_service.h"
#include "service/sandbox_access.h"
#include "service/sandbox_service.h"
#include "service/service_deps.h"
#include "service/snapshot_service.h"
#include "snapshot/host_image.h"

namespace glovebox {

class Daemon {
 public:
  // The process is in a private mount namespace, with SIGPIPE ignored and the signals to end it
  // blocked. The sandboxes that a daemon of this state directory left are taken over first; what it
  // left half made or half removed is removed.
  // `ports` outlives it, or is null.
  static absl::StatusOr<std::unique_ptr<Daemon>> Start(const Config& config, const Log* log,
                                                       const std::vector<KernelFeature>& features,
                                                       PortGiver* ports);
  // Sandboxes stay as they are, but for those that Stop ended.
  ~Daemon();

  // Ends and removes every sandbox that a daemon of this state directory left, instead of serving.
  static absl::Status EndSandboxes(const Config& config, const Log* log);

  int tcp_port() const { return server_->tcp_port(); }  // 0: none

  // Stops taking connections and calls, leaves or ends every sandbox as configured, ends the calls.
  // Returns when all of it is done; after Hasten, without waiting for clients. Once.
  void Stop();
  // Kills what Stop still waits for. Any thread, during Stop.
  void Hasten();

 private:
  // What belongs to sandboxes that are to be taken over, by name.
  struct KeptTraces {
    std::set<std::string> sandboxes;  // of this boot
    std::set<std::string> disks;
    std::set<std::string> host_images;
  };
  KeptTraces Kept() const;

  Daemon(const Log* log, StateDirectory state)
      : log_(log), call_log_(log), state_(std::move(state)) {}
  absl::Status OpenState();
  absl::Status OpenHost(const Config& config, const KeptTraces& kept);
  absl::Status OpenStore(const Config& config, const KeptTraces& kept);
  absl::Status StartEgress(const Config& config);
  absl::Status StartSandboxes(const Config& config);
  void AdoptSandboxes();
  absl::Status OpenClients(const Config& config);
  absl::StatusOr<ServerOptions> ListenOptions(const Config& config);
  absl::Status Serve(const Config& config, const std::vector<KernelFeature>& features);

  // In order of construction; each may use those before it until it is destroyed.
  const Log* const log_;
  CallLog call_log_;
  RealClock clock_;
  StateDirectory state_;
  std::string run_directory_;
  EgressRoots sandbox_roots_;
  OnShutdown on_shutdown_ = OnShutdown::kLeave;
  bool nothing_left_ = false;  // every sandbox was ended
  std::string boot_id_;
  StateDb::Contents found_;  // by OpenState, for AdoptSandboxes
  std::unique_ptr<StateDb> state_db_;
  CgroupHost cgroup_host_;
  std::vector<SeccompPrograms> filters_;  // of the tiers that clients may ask for
  SeccompPrograms worker_filters_;
  std::unique_ptr<CgroupDriver> cgroups_;
  std::unique_ptr<IdRanges> ids_;
  std::unique_ptr<DiskFactory> disks_;
  std::unique_ptr<HostImage> host_image_;
  std::unique_ptr<SnapshotStore> snapshots_;
  std::unique_ptr<ImageStore> images_;
  std::unique_ptr<BlobStore> blobs_;
  std::unique_ptr<Launcher> launcher_;
  std::unique_ptr<ArchiveHealth> archive_health_;
  JournalMemory journal_memory_{uint64_t{256} << 20};
  std::unique_ptr<SocketBudget> sockets_;
  std::unique_ptr<ConnectionLog> connections_;
  std::unique_ptr<SecretBook> secrets_;
  PortGiver* egress_ports_ = nullptr;
  std::unique_ptr<EgressGate> egress_;
  std::unique_ptr<NameServerWatch> name_server_watch_;  // null: the operator names them
  std::unique_ptr<EventLoop> events_;
  std::unique_ptr<WorkQueue> cleanup_;
  std::unique_ptr<WorkQueue> looks_after_ends_;
  std::unique_ptr<SandboxManager> sandboxes_;
  v1::Capability way_out_;
  std::unique_ptr<Metrics> metrics_;
  std::unique_ptr<AuditLog> audit_;
  std::unique_ptr<PageTokens> page_tokens_;
  std::unique_ptr<StoreOwners> store_owners_;
  std::unique_ptr<ClientBook> book_;
  std::unique_ptr<SandboxAccess> access_;
  std::unique_ptr<PeerRegistry> peers_;
  std::unique_ptr<WorkQueue> calls_;
  std::unique_ptr<WorkQueue> transfers_;
  std::unique_ptr<WorkQueue> pauses_;
  std::unique_ptr<EventLoop> watch_events_;  // a sandbox that writes much delays no other's execs
  std::unique_ptr<WorkQueue> watch_looks_;
  std::unique_ptr<TreeWatches> watches_;
  std::unique_ptr<EventLoop> forward_events_;  // what payloads send delays nobody else
  ServiceDeps service_deps_;
  std::unique_ptr<SandboxService> sandbox_service_;
  std::unique_ptr<ExecService> exec_service_;
  std::unique_ptr<ChangeService> change_service_;
  std::unique_ptr<FileService> file_service_;
  std::unique_ptr<NetworkService> network_service_;
  std::unique_ptr<SnapshotService> snapshot_service_;
  std::unique_ptr<NodeService> node_service_;
  std::unique_ptr<Server> server_;
};

}  // namespace glovebox

#endif  // GLOVEBOX_DAEMON_WIRING_H_
