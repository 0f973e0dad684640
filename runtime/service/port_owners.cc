#include "service/port_owners.h"

#include <utility>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/wire_field.h"
#include "files/protocol.h"
#include "service/files_run.h"

namespace glovebox {
namespace {

constexpr absl::Duration kWithin = absl::Seconds(5);

}  // namespace

std::map<uint64_t, PortOwner> FindPortOwners(std::shared_ptr<Sandbox> sandbox,
                                             const std::vector<uint64_t>& inodes,
                                             const std::function<bool()>& cancelled) {
  if (inodes.empty()) return {};
  WireWriter request;
  for (const uint64_t inode : inodes) request.Number(1, inode);
  const absl::Time last = absl::Now() + kWithin;
  const auto answer = FilesRun::Ask(std::move(sandbox), kFilesOwners, "/", request.message(),
                                    [&] { return cancelled() || absl::Now() > last; });
  if (!answer.ok()) return {};
  return ParsePortOwners(*answer, inodes);
}

}  // namespace glovebox
