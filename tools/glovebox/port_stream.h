// The call ForwardPort, as bytes each way.
#ifndef GLOVEBOX_TOOLS_PORT_STREAM_H_
#define GLOVEBOX_TOOLS_PORT_STREAM_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "tools/glovebox/connection.h"

namespace glovebox {

// One thread reads and another writes; Cancel from any.
class PortStream {
 public:
  PortStream(Connection& connection, const std::string& sandbox_id, uint16_t port);
  ~PortStream();
  PortStream(const PortStream&) = delete;
  PortStream& operator=(const PortStream&) = delete;

  // Waits for a piece, which may be empty; the first one says that the connection is made. `end`:
  // none follows it. False when the call has ended.
  bool Read(std::string* data, bool* end);
  // At most 64 KiB. False when the call has ended.
  bool Write(absl::string_view data);
  // Nothing follows; what comes is still read.
  void EndWriting();
  void Cancel();
  // How it ended, after Read's false. Once, with no Write under way.
  absl::Status Finish();

 private:
  struct Call;
  Connection& connection_;
  const std::unique_ptr<Call> call_;
};

}  // namespace glovebox

#endif  // GLOVEBOX_TOOLS_PORT_STREAM_H_
