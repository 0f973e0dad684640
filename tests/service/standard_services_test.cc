// The services that any gRPC tool knows: health checking and reflection, asked as such a tool asks.
#include <gmock/gmock.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/dynamic_message.h>
#include <google/protobuf/text_format.h>
#include <google/protobuf/wrappers.pb.h>
#include <grpcpp/generic/generic_stub.h>

#include <chrono>
#include <memory>
#include <set>
#include <string>

#include "base/keepalive.h"
#include "tests/service/wire_fixture.h"

namespace glovebox {
namespace {

using google::protobuf::DescriptorPool;
using google::protobuf::Message;
using google::protobuf::TextFormat;

// grpc.health.v1 has no C++ header in Debian. HealthCheckRequest{string service = 1} and
// HealthCheckResponse{enum status = 1} are on the wire what these two are.
using HealthRequest = google::protobuf::StringValue;
using HealthResponse = google::protobuf::Int32Value;
constexpr int kServing = 1;
constexpr int kNotServing = 2;

constexpr std::chrono::seconds kPatience(20);

// Both sides of one call that streams, one step at a time.
template <typename Request, typename Response>
class Stream {
 public:
  Stream(const std::shared_ptr<grpc::Channel>& channel, const std::string& method,
         std::chrono::milliseconds limit = kPatience)
      : stub_(channel) {
    context_.set_deadline(std::chrono::system_clock::now() + limit);
    call_ = stub_.PrepareCall(&context_, method, &queue_);
    call_->StartCall(nullptr);
    EXPECT_TRUE(Step());
  }
  ~Stream() {
    (void)Finish();
    queue_.Shutdown();
    void* tag = nullptr;
    bool ok = false;
    while (queue_.Next(&tag, &ok)) {
    }
  }
  // Once more is harmless.
  grpc::Status Finish() {
    if (finished_) return status_;
    finished_ = true;
    if (!ended_) context_.TryCancel();
    call_->Finish(&status_, nullptr);
    (void)Step();
    return status_;
  }
  bool Write(const Request& request) {
    call_->Write(request, nullptr);
    return Step();
  }
  bool Read(Response* response) {
    call_->Read(response, nullptr);
    ended_ = !Step();
    return !ended_;
  }

 private:
  bool Step() {
    void* tag = nullptr;
    bool ok = false;
    return queue_.Next(&tag, &ok) && ok;
  }

  grpc::CompletionQueue queue_;
  grpc::ClientContext context_;
  grpc::Status status_;
  bool ended_ = false;  // the server has, or the connection
  bool finished_ = false;
  grpc::TemplatedGenericStub<Request, Response> stub_;
  std::unique_ptr<grpc::ClientAsyncReaderWriter<Request, Response>> call_;
};

using StandardServicesTest = WireTest;

struct Health {
  grpc::Status status;
  int serving = 0;
};

Health Check(const std::shared_ptr<grpc::Channel>& channel, const std::string& service) {
  grpc::CompletionQueue queue;
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kPatience);
  HealthRequest request;
  request.set_value(service);
  grpc::TemplatedGenericStub<HealthRequest, HealthResponse> stub(channel);
  auto call = stub.PrepareUnaryCall(&context, "/grpc.health.v1.Health/Check", request, &queue);
  call->StartCall();
  Health health;
  HealthResponse response;
  call->Finish(&response, &health.status, nullptr);
  void* tag = nullptr;
  bool ok = false;
  EXPECT_TRUE(queue.Next(&tag, &ok) && ok);
  health.serving = response.value();
  return health;
}

TEST_F(StandardServicesTest, HealthCheckSaysServingForTheServerAndEachService) {
  const auto channel = Connect();
  for (const char* service : {"", "glovebox.v1.SandboxService", "glovebox.v1.ExecService"}) {
    const Health health = Check(channel, service);
    EXPECT_TRUE(health.status.ok()) << service << ": " << health.status.error_message();
    EXPECT_EQ(health.serving, kServing) << service;
  }
}

TEST_F(StandardServicesTest, HealthCheckOfAnUnknownServiceIsNotFound) {
  EXPECT_EQ(Check(Connect(), "no.such.Service").status.error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST_F(StandardServicesTest, HealthIsNotServingDuringShutdown) {
  const auto channel = Connect();
  EXPECT_EQ(Check(channel, "").serving, kServing);
  server_->StopAccepting();
  // The connection was there before: it is served until the calls have ended.
  const Health health = Check(channel, "");
  EXPECT_TRUE(health.status.ok()) << health.status.error_message();
  EXPECT_EQ(health.serving, kNotServing);
}

TEST_F(StandardServicesTest, HealthWatchTellsOfTheShutdown) {
  Stream<HealthRequest, HealthResponse> watch(Connect(), "/grpc.health.v1.Health/Watch");
  HealthResponse response;
  ASSERT_TRUE(watch.Write(HealthRequest()));
  ASSERT_TRUE(watch.Read(&response));
  EXPECT_EQ(response.value(), kServing);
  server_->StopAccepting();
  ASSERT_TRUE(watch.Read(&response));
  EXPECT_EQ(response.value(), kNotServing);
}

grpc::ChannelArguments PingingEvery(int milliseconds) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, milliseconds);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kPingAnswerWithinMs);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  return arguments;
}

using KeepaliveTest = WireTest;

// Both settings a hundredth of the real ones, in the same proportion: a silent call that lasts for
// ten pings of the client is not broken, and one that pings too often is.
TEST_F(KeepaliveTest, OurClientsPingsAreNotTooMany) {
  server_.reset();
  Start(kClientPingsApartMs / 100);
  Stream<HealthRequest, HealthResponse> watch(Connect(PingingEvery(kClientPingEveryMs / 100)),
                                              "/grpc.health.v1.Health/Watch",
                                              std::chrono::milliseconds(kClientPingEveryMs / 10));
  HealthResponse response;
  ASSERT_TRUE(watch.Write(HealthRequest()));
  ASSERT_TRUE(watch.Read(&response));
  EXPECT_FALSE(watch.Read(&response));
  EXPECT_EQ(watch.Finish().error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
}

TEST_F(KeepaliveTest, AClientThatPingsTooOftenIsThrownOut) {
  Stream<HealthRequest, HealthResponse> watch(Connect(PingingEvery(20)),
                                              "/grpc.health.v1.Health/Watch");
  HealthResponse response;
  ASSERT_TRUE(watch.Write(HealthRequest()));
  ASSERT_TRUE(watch.Read(&response));
  EXPECT_FALSE(watch.Read(&response));
  const grpc::Status status = watch.Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE) << status.error_message();
}

// The messages of grpc.reflection.v1alpha, known to this process because the server's library has
// them; Debian ships no header of theirs.
class Reflection {
 public:
  explicit Reflection(const std::shared_ptr<grpc::Channel>& channel)
      : stream_(channel, "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo") {}

  // `request` and the answer as text of the messages.
  std::unique_ptr<Message> Ask(const std::string& request) {
    std::unique_ptr<Message> message = New("ServerReflectionRequest");
    EXPECT_TRUE(TextFormat::ParseFromString(request, message.get()));
    const grpc::Slice slice(message->SerializeAsString());
    const grpc::ByteBuffer out(&slice, 1);
    EXPECT_TRUE(stream_.Write(out));
    grpc::ByteBuffer in;
    EXPECT_TRUE(stream_.Read(&in));
    grpc::Slice answer;
    EXPECT_TRUE(in.DumpToSingleSlice(&answer).ok());
    std::unique_ptr<Message> response = New("ServerReflectionResponse");
    EXPECT_TRUE(response->ParseFromArray(answer.begin(), static_cast<int>(answer.size())));
    return response;
  }

 private:
  std::unique_ptr<Message> New(const std::string& name) {
    const auto* type =
        DescriptorPool::generated_pool()->FindMessageTypeByName("grpc.reflection.v1alpha." + name);
    return std::unique_ptr<Message>(factory_.GetPrototype(type)->New());
  }

  google::protobuf::DynamicMessageFactory factory_;
  Stream<grpc::ByteBuffer, grpc::ByteBuffer> stream_;
};

const Message& Field(const Message& message, const char* name) {
  return message.GetReflection()->GetMessage(message,
                                             message.GetDescriptor()->FindFieldByName(name));
}

std::set<std::string> ServiceNames(const Message& answer) {
  const Message& list = Field(answer, "list_services_response");
  const auto* services = list.GetDescriptor()->FindFieldByName("service");
  std::set<std::string> names;
  for (int i = 0; i < list.GetReflection()->FieldSize(list, services); ++i) {
    const Message& one = list.GetReflection()->GetRepeatedMessage(list, services, i);
    names.insert(one.GetReflection()->GetString(one, one.GetDescriptor()->FindFieldByName("name")));
  }
  return names;
}

TEST_F(StandardServicesTest, ReflectionListsEveryServiceThatIsServed) {
  Reflection reflection(Connect());
  EXPECT_THAT(
      ServiceNames(*reflection.Ask("list_services: ''")),
      ::testing::UnorderedElementsAre(
          "glovebox.v1.ChangeService", "glovebox.v1.ExecService", "glovebox.v1.NetworkService",
          "glovebox.v1.NodeService", "glovebox.v1.SandboxService", "glovebox.v1.SnapshotService",
          "grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection"));
}

TEST_F(StandardServicesTest, ReflectionDescribesAMethod) {
  Reflection reflection(Connect());
  const std::unique_ptr<Message> answer =
      reflection.Ask("file_containing_symbol: 'glovebox.v1.ExecService'");
  const Message& files = Field(*answer, "file_descriptor_response");
  const auto* field = files.GetDescriptor()->FindFieldByName("file_descriptor_proto");
  ASSERT_GT(files.GetReflection()->FieldSize(files, field), 0);
  bool found = false;
  for (int i = 0; i < files.GetReflection()->FieldSize(files, field); ++i) {
    google::protobuf::FileDescriptorProto file;
    ASSERT_TRUE(file.ParseFromString(files.GetReflection()->GetRepeatedString(files, field, i)));
    for (const auto& service : file.service()) {
      for (const auto& method : service.method()) found = found || method.name() == "RunExec";
    }
  }
  EXPECT_TRUE(found);
}

}  // namespace
}  // namespace glovebox
