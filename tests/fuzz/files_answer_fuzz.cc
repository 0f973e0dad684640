// What comes from the program for files in a sandbox, which somebody else there may have written:
// frames, and failures that are shown to people and acted on by clients.
#include "base/escape.h"
#include "base/status.h"
#include "files/protocol.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/targets.h"

namespace glovebox {

void FuzzFilesAnswer(absl::string_view input) {
  constexpr size_t kBytesMax = 4096;
  FilesFrameParser parser(kBytesMax);
  for (size_t at = 0; at < input.size(); at += 7) {
    parser.Feed(input.substr(at, 7));
    for (;;) {
      const auto frame = parser.Next();
      if (!frame.ok()) return;
      if (!frame->has_value()) break;
      Demand((*frame)->body.size() <= kBytesMax, "a frame has its limit");
      const absl::Status status = DecodeFailure((*frame)->body);
      Demand(!status.ok(), "a failure is none of success");
      Demand(!absl::IsUnavailable(status) && !absl::IsUnauthenticated(status),
             "no failure sends clients elsewhere");
      const auto detail = GetErrorDetail(status);
      Demand(detail.has_value() && !detail->reason.empty(), "a failure has a reason");
      Demand(IsPlain(status.message()), "a message has no controls");
    }
  }
}

}  // namespace glovebox
