// Our services on a real unix socket; no sandbox is made, so no privilege is needed.
#ifndef GLOVEBOX_TESTS_SERVICE_WIRE_FIXTURE_H_
#define GLOVEBOX_TESTS_SERVICE_WIRE_FIXTURE_H_

#include <fcntl.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <condition_variable>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "daemon/logging.h"
#include "daemon/server.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "linux/file_io.h"
#include "sandbox/connection_log.h"
#include "sandbox/tree_watch.h"
#include "service/change_service.h"
#include "service/exec_service.h"
#include "service/network_service.h"
#include "service/node_service.h"
#include "service/sandbox_service.h"
#include "service/snapshot_service.h"

namespace glovebox {

class RecordingObserver final : public RpcObserver {
 public:
  void OnRpcEnd(const RpcEnd& end) override {
    const std::lock_guard lock(mutex_);
    ends_.push_back(end);
    changed_.notify_all();
  }
  void OnDecided(const RpcEnd&) override {}
  std::vector<RpcEnd> ends() {
    const std::lock_guard lock(mutex_);
    return ends_;
  }
  void AwaitEnds(size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return ends_.size() >= count; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<RpcEnd> ends_;
};

class WireTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char directory[] = "/tmp/gbwire.XXXXXX";
    ASSERT_NE(::mkdtemp(directory), nullptr);
    directory_ = directory;
    ASSERT_TRUE(MakeDirectoryAt(AT_FDCWD, directory_ + "/store", 0700).ok());
    auto snapshots = SnapshotStore::Open(directory_ + "/store", nullptr, &clock_);
    ASSERT_TRUE(snapshots.ok()) << snapshots.status();
    snapshots_ = *std::move(snapshots);
    SandboxDeps deps;
    deps.clock = &clock_;
    manager_ = std::make_unique<SandboxManager>(deps, snapshots_.get(), nullptr, ManagerLimits{});
    auto blobs = BlobStore::Open(directory_ + "/blobs", &clock_, BlobLimits{});
    ASSERT_TRUE(blobs.ok()) << blobs.status();
    blobs_ = *std::move(blobs);
    access_ = std::make_unique<SandboxAccess>(manager_.get(), owners_.get(), blobs_.get(), &book_,
                                              quota_);
    deps_ = {access_.get(), &calls_, &transfers_, &pauses_,    &clock_, &observer_,
             &page_tokens_, &peers_, &book_,      "test-host", {},      {}};
    deps_.watches = &watches_;
    deps_.connections = &connections_;
    socket_ = directory_ + "/s";
    Start();
  }

  void Start(int client_pings_apart_ms = kClientPingsApartMs) {
    ServerOptions options;
    options.reflection = true;
    options.socket = socket_;
    options.client_pings_apart_ms = client_pings_apart_ms;
    options.peers = &peers_;
    auto server = Server::Start(
        options, {&sandboxes_, &execs_, &changes_, &network_, &snapshot_service_, &node_},
        &observer_, &log_);
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }

  void TearDown() override {
    server_.reset();
    (void)RemoveTreeAt(AT_FDCWD, directory_);  // in /tmp
  }

  std::shared_ptr<grpc::Channel> Connect(grpc::ChannelArguments arguments = {}) {
    arguments.SetMaxSendMessageSize(-1);
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    return grpc::CreateCustomChannel("unix:" + socket_, grpc::InsecureChannelCredentials(),
                                     arguments);
  }

  static google::rpc::ErrorInfo InfoOf(const grpc::Status& status) {
    google::rpc::Status rpc;
    google::rpc::ErrorInfo info;
    EXPECT_TRUE(rpc.ParseFromString(status.error_details()));
    if (rpc.details_size() > 0) rpc.details(0).UnpackTo(&info);
    EXPECT_EQ(info.domain(), "glovebox.dev") << status.error_message();
    return info;
  }

  std::string directory_, socket_;
  RealClock clock_;
  RecordingObserver observer_;
  Log log_{LogFormat::kText, LogLevel::kError};
  PageTokens page_tokens_{"test"};
  WorkQueue calls_{2, 64};
  WorkQueue transfers_{2, 64};
  WorkQueue pauses_{1, 64};
  WorkQueue looks_{1, 64};
  TreeWatches watches_{WatchDeps{nullptr, &looks_, &clock_}};
  ConnectionLog connections_{"cafe", {.readers = 4}};
  std::unique_ptr<SnapshotStore> snapshots_;
  std::unique_ptr<BlobStore> blobs_;
  std::unique_ptr<SandboxManager> manager_;
  ClientQuota quota_;
  ClientBook book_{quota_, &clock_};
  PeerRegistry peers_{RolePolicy{::geteuid(), {}, std::nullopt}};
  std::unique_ptr<StoreOwners> owners_ = *StoreOwners::Open("");
  std::unique_ptr<SandboxAccess> access_;
  ServiceDeps deps_;
  SandboxService sandboxes_{&deps_, {}, {}};
  ExecService execs_{&deps_};
  ChangeService changes_{&deps_};
  NetworkService network_{&deps_};
  SnapshotService snapshot_service_{&deps_};
  NodeService node_{&deps_, NodeFacts{{}, "/", [] { return uint64_t{4096}; }}};
  std::unique_ptr<Server> server_;
};

}  // namespace glovebox

#endif  // GLOVEBOX_TESTS_SERVICE_WIRE_FIXTURE_H_
