// The server on a real unix socket with a real client.
#include <grpcpp/generic/generic_stub.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "base/ids.h"
#include "glovebox/v1/file.grpc.pb.h"
#include "tests/service/wire_fixture.h"

namespace glovebox {
namespace {

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
  v1::UpdateSandboxResponse response;
  const grpc::Status status = stub->UpdateSandbox(&context, v1::UpdateSandboxRequest(), &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNIMPLEMENTED);
  EXPECT_EQ(InfoOf(status).reason(), "METHOD_NOT_SERVED");
}

TEST_F(WireTest, ARequestThatCannotBeReadIsTheCallersFault) {
  grpc::GenericStub stub(Connect());
  for (const char* method : {"/glovebox.v1.SandboxService/GetSandbox",  // unary
                             "/glovebox.v1.ExecService/RunExec"}) {     // a stream
    grpc::ClientContext context;
    grpc::CompletionQueue queue;
    const grpc::Slice garbage("\xff\xff\xff\xff");
    const grpc::ByteBuffer request(&garbage, 1);
    auto call = stub.PrepareUnaryCall(&context, method, request, &queue);
    call->StartCall();
    grpc::ByteBuffer response;
    grpc::Status status;
    call->Finish(&response, &status, this);
    void* tag = nullptr;
    bool ok = false;
    ASSERT_TRUE(queue.Next(&tag, &ok));
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << method;
    EXPECT_EQ(InfoOf(status).reason(), "INVALID_FIELD") << status.error_message();
  }
}

TEST_F(WireTest, AForkHasItsParentsDiskAndACountWithinTheLimit) {
  auto stub = v1::SandboxService::NewStub(Connect());
  const auto refused = [&](const v1::ForkSandboxRequest& request) {
    grpc::ClientContext context;
    v1::ForkSandboxResponse response;
    return stub->ForkSandbox(&context, request, &response);
  };
  v1::ForkSandboxRequest request;
  request.set_sandbox_id(std::string(32, 'a'));
  for (const uint32_t count : {0u, 1001u}) {
    request.set_count(count);
    const grpc::Status status = refused(request);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_NE(status.error_message().find("count"), std::string::npos) << status.error_message();
  }
  request.set_count(1);
  EXPECT_EQ(refused(request).error_code(), grpc::StatusCode::NOT_FOUND);
  request.mutable_limits()->set_disk_bytes(1 << 30);
  EXPECT_NE(refused(request).error_message().find("limits.disk_bytes"), std::string::npos);
}

TEST_F(WireTest, FieldThatIsNotServedIsRefused) {
  auto stub = v1::SnapshotService::NewStub(Connect());
  grpc::ClientContext context;
  v1::ImportImageRequest request;
  v1::ImportImageResponse response;
  request.set_name("debian");
  request.set_reference("registry.example/debian:12");
  const auto reader = stub->ImportImage(&context, request);
  EXPECT_FALSE(reader->Read(&response));
  const grpc::Status status = reader->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNIMPLEMENTED);
  EXPECT_EQ(InfoOf(status).metadata().at("field"), "reference");
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

TEST_F(WireTest, ContinuingWhatIsNotThereStartsNothing) {
  grpc::ClientContext context;
  v1::RunExecRequest request;
  request.set_sandbox_id(NewRandomId());
  request.set_exec_id("gone");
  request.set_from_sequence(1);
  // An empty spec would be refused first if it were to be started.
  auto frames = v1::ExecService::NewStub(Connect())->RunExec(&context, request);
  v1::RunExecResponse response;
  EXPECT_FALSE(frames->Read(&response));
  EXPECT_EQ(frames->Finish().error_code(), grpc::StatusCode::NOT_FOUND);
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
