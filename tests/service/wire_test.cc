// The server on a real unix socket with a real client; no sandbox is made, so no privilege is
// needed.
#include <fcntl.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/ids.h"
#include "daemon/logging.h"
#include "daemon/server.h"
#include "glovebox/v1/file.grpc.pb.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "linux/file_io.h"
#include "service/change_service.h"
#include "service/exec_service.h"
#include "service/node_service.h"
#include "service/sandbox_service.h"
#include "service/snapshot_service.h"

namespace glovebox {
namespace {

class RecordingObserver final : public RpcObserver {
 public:
  void OnRpcEnd(const RpcEnd& end) override {
    const std::lock_guard lock(mutex_);
    ends_.push_back(end);
  }
  std::vector<RpcEnd> ends() {
    const std::lock_guard lock(mutex_);
    return ends_;
  }

 private:
  std::mutex mutex_;
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
    deps_ = {manager_.get(), &calls_,       &transfers_, &clock_,
             &observer_,     &page_tokens_, "test-host", {}};
    socket_ = directory_ + "/s";
    Start();
  }

  void Start() {
    auto server = Server::Start({socket_, std::nullopt, true},
                                {&sandboxes_, &execs_, &changes_, &snapshot_service_, &node_},
                                &observer_, &log_);
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }

  void TearDown() override {
    server_.reset();
    (void)RemoveTreeAt(AT_FDCWD, directory_);  // in /tmp
  }

  std::shared_ptr<grpc::Channel> Connect() {
    grpc::ChannelArguments arguments;
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
  std::unique_ptr<SnapshotStore> snapshots_;
  std::unique_ptr<SandboxManager> manager_;
  ServiceDeps deps_;
  SandboxService sandboxes_{&deps_, {}};
  ExecService execs_{&deps_};
  ChangeService changes_{&deps_};
  SnapshotService snapshot_service_{&deps_};
  NodeService node_{&deps_, NodeFacts{{}, "/", [] { return uint64_t{4096}; }}};
  std::unique_ptr<Server> server_;
};

TEST_F(WireTest, UnknownSandboxIsNotFoundWithReason) {
  auto stub = v1::SandboxService::NewStub(Connect());
  grpc::ClientContext context;
  v1::GetSandboxRequest request;
  v1::GetSandboxResponse response;
  request.set_sandbox_id(NewRandomId());
  const grpc::Status status = stub->GetSandbox(&context, request, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(InfoOf(status).reason(), "SANDBOX_NOT_FOUND");
}

TEST_F(WireTest, StreamsFailWithReasonToo) {
  auto channel = Connect();
  grpc::ClientContext run_context;
  v1::RunExecRequest run;
  run.set_sandbox_id(NewRandomId());
  auto frames = v1::ExecService::NewStub(channel)->RunExec(&run_context, run);
  v1::RunExecResponse frame;
  EXPECT_FALSE(frames->Read(&frame));
  EXPECT_EQ(InfoOf(frames->Finish()).reason(), "SANDBOX_NOT_FOUND");
  grpc::ClientContext diff_context;
  v1::DiffSandboxRequest diff;
  diff.set_sandbox_id(NewRandomId());
  auto chunks = v1::ChangeService::NewStub(channel)->DiffSandbox(&diff_context, diff);
  v1::DiffSandboxResponse chunk;
  EXPECT_FALSE(chunks->Read(&chunk));
  EXPECT_EQ(InfoOf(chunks->Finish()).reason(), "SANDBOX_NOT_FOUND");
}

TEST_F(WireTest, WrongIdIsAWrongField) {
  auto stub = v1::ExecService::NewStub(Connect());
  grpc::ClientContext context;
  v1::WaitExecRequest request;
  v1::WaitExecResponse response;
  request.set_sandbox_id("../../etc");
  const grpc::Status status = stub->WaitExec(&context, request, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_FALSE(InfoOf(status).reason().empty());
}

TEST_F(WireTest, RpcThatIsNotServedSaysSo) {
  auto stub = v1::SandboxService::NewStub(Connect());
  grpc::ClientContext context;
  v1::PauseSandboxResponse response;
  const grpc::Status status = stub->PauseSandbox(&context, v1::PauseSandboxRequest(), &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNIMPLEMENTED);
  EXPECT_EQ(InfoOf(status).reason(), "METHOD_NOT_SERVED");
}

TEST_F(WireTest, FieldThatIsNotServedIsRefused) {
  auto stub = v1::SandboxService::NewStub(Connect());
  grpc::ClientContext context;
  v1::CreateSandboxRequest request;
  v1::CreateSandboxResponse response;
  request.mutable_egress()->set_mode(v1::EGRESS_MODE_FULL);
  const grpc::Status status = stub->CreateSandbox(&context, request, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNIMPLEMENTED);
  EXPECT_EQ(InfoOf(status).metadata().at("field"), "egress.mode");
}

TEST_F(WireTest, HugeMessageIsRefusedAndTheServerGoesOn) {
  auto channel = Connect();
  auto stub = v1::ExecService::NewStub(channel);
  {
    grpc::ClientContext context;
    v1::WriteStdinRequest request;
    v1::WriteStdinResponse response;
    request.set_data(std::string(100 << 20, 'x'));
    EXPECT_EQ(stub->WriteStdin(&context, request, &response).error_code(),
              grpc::StatusCode::RESOURCE_EXHAUSTED);
  }
  grpc::ClientContext context;
  v1::ListSandboxesResponse response;
  const grpc::Status status = v1::SandboxService::NewStub(channel)->ListSandboxes(
      &context, v1::ListSandboxesRequest(), &response);
  EXPECT_TRUE(status.ok()) << status.error_message();
}

TEST_F(WireTest, ForeignPageTokenIsRefused) {
  auto stub = v1::SnapshotService::NewStub(Connect());
  grpc::ClientContext context;
  v1::ListSnapshotsRequest request;
  v1::ListSnapshotsResponse response;
  request.set_page_token("AAAA");
  EXPECT_EQ(InfoOf(stub->ListSnapshots(&context, request, &response)).reason(),
            "PAGE_TOKEN_INVALID");
}

TEST_F(WireTest, NodeIsShown) {
  auto stub = v1::NodeService::NewStub(Connect());
  grpc::ClientContext context;
  v1::GetNodeResponse response;
  ASSERT_TRUE(stub->GetNode(&context, v1::GetNodeRequest(), &response).ok());
  EXPECT_GT(response.node().capacity().disk_bytes(), 0u);
  EXPECT_EQ(response.node().capacity().memory_available_bytes(), 4096u);
}

TEST_F(WireTest, EachCallIsReportedOnceWithItsReason) {
  auto stub = v1::SandboxService::NewStub(Connect());
  const std::string id = NewRandomId();
  grpc::ClientContext context;
  v1::GetSandboxRequest request;
  v1::GetSandboxResponse response;
  request.set_sandbox_id(id);
  (void)stub->GetSandbox(&context, request, &response);
  const std::vector<RpcEnd> ends = observer_.ends();
  ASSERT_EQ(ends.size(), 1u);
  EXPECT_EQ(ends[0].method, "SandboxService/GetSandbox");
  EXPECT_EQ(ends[0].sandbox_id, id);
  EXPECT_EQ(ends[0].reason, "SANDBOX_NOT_FOUND");
}

TEST_F(WireTest, SocketIsPrivateAndASecondServerIsRefused) {
  struct stat made {};
  ASSERT_EQ(::stat(socket_.c_str(), &made), 0);
  EXPECT_EQ(made.st_mode & 07777, 0600u);
  const auto second = UnixListener::Open(socket_, std::nullopt);
  EXPECT_TRUE(absl::IsFailedPrecondition(second.status())) << second.status();
}

TEST_F(WireTest, SocketGoesWithTheServerAndCanBeHadAgain) {
  server_.reset();
  EXPECT_NE(::access(socket_.c_str(), F_OK), 0);
  Start();
  auto stub = v1::SandboxService::NewStub(Connect());
  grpc::ClientContext context;
  v1::ListSandboxesResponse response;
  EXPECT_TRUE(stub->ListSandboxes(&context, v1::ListSandboxesRequest(), &response).ok());
}

}  // namespace
}  // namespace glovebox
