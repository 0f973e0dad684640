// tar inside a sandbox, as the other end of a copy.
#ifndef GLOVEBOX_TOOLS_SANDBOX_TAR_H_
#define GLOVEBOX_TOOLS_SANDBOX_TAR_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "tools/glovebox/connection.h"
#include "tools/glovebox/copy_names.h"
#include "tools/glovebox/exec_stream.h"
#include "tools/glovebox/stdin_pump.h"

namespace glovebox {

// A command of ours inside. Used by one thread.
class SandboxTar {
 public:
  SandboxTar(Connection& connection, const std::string& sandbox_id,
             const std::vector<std::string>& arguments, bool with_input);

  // The next piece of its stdout, valid until the next call; empty when it has ended well.
  // Otherwise the error has what it wrote on stderr. Missing output is DATA_LOSS.
  absl::StatusOr<absl::string_view> NextPiece();

  // Starts it, so that input can be written.
  absl::Status Start();
  StdinWriter& input() { return input_; }

 private:
  absl::Status Judge(const v1::End& end) const;

  const std::string exec_id_;
  const std::string program_;
  StdinWriter input_;
  std::unique_ptr<ExecStream> stream_;
  v1::Frame frame_;
  std::string errors_;  // the beginning of stderr
};

// What `path` is inside, links followed.
absl::StatusOr<DestinationKind> KindInside(Connection& connection, const std::string& sandbox_id,
                                           const std::string& path);

}  // namespace glovebox

#endif  // GLOVEBOX_TOOLS_SANDBOX_TAR_H_
