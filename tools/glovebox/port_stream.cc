#include "tools/glovebox/port_stream.h"

#include <grpcpp/client_context.h>

#include <utility>

#include "tools/glovebox/stubs.h"

namespace glovebox {

struct PortStream::Call {
  grpc::ClientContext context;
  std::unique_ptr<grpc::ClientReaderWriter<v1::ForwardPortRequest, v1::ForwardPortResponse>> stream;
};

PortStream::PortStream(Connection& connection, const std::string& sandbox_id, uint16_t port)
    : connection_(connection), call_(std::make_unique<Call>()) {
  call_->stream = connection.stubs().network->ForwardPort(&call_->context);
  v1::ForwardPortRequest request;
  request.mutable_target()->set_sandbox_id(sandbox_id);
  request.mutable_target()->set_port(port);
  (void)call_->stream->Write(request);  // Read fails then, and Finish says why
}

PortStream::~PortStream() = default;

bool PortStream::Read(std::string* data, bool* end) {
  v1::ForwardPortResponse response;
  if (!call_->stream->Read(&response)) return false;
  *data = std::move(*response.mutable_data());
  *end = response.end();
  return true;
}

bool PortStream::Write(absl::string_view data) {
  v1::ForwardPortRequest request;
  request.set_data(std::string(data));
  return call_->stream->Write(request);
}

void PortStream::EndWriting() { (void)call_->stream->WritesDone(); }  // fails when it has ended

void PortStream::Cancel() { call_->context.TryCancel(); }

absl::Status PortStream::Finish() {
  const grpc::Status status = call_->stream->Finish();
  return status.ok() ? absl::OkStatus() : Explain(connection_, status);
}

}  // namespace glovebox
