// Sends one message of a given size to WriteStdin and prints the status code's number: what a
// client gets that does not keep to the limits. usage: large_message_client SOCKET SANDBOX EXEC
// BYTES
#include <grpcpp/grpcpp.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "glovebox/v1/exec.grpc.pb.h"

int main(int argc, char** argv) {
  if (argc != 5) return 2;
  grpc::ChannelArguments arguments;
  arguments.SetMaxSendMessageSize(-1);
  const auto channel = grpc::CreateCustomChannel("unix:" + std::string(argv[1]),
                                                 grpc::InsecureChannelCredentials(), arguments);
  const auto stub = glovebox::v1::ExecService::NewStub(channel);
  glovebox::v1::WriteStdinRequest request;
  request.set_sandbox_id(argv[2]);
  request.set_exec_id(argv[3]);
  request.set_data(std::string(std::strtoull(argv[4], nullptr, 10), 'x'));
  glovebox::v1::WriteStdinResponse response;
  grpc::ClientContext context;
  const grpc::Status status = stub->WriteStdin(&context, request, &response);
  (void)std::printf("%d\n", static_cast<int>(status.error_code()));
  return 0;
}
