// A region with init's own writer on the other side.
#ifndef GLOVEBOX_TESTS_UNIT_EXEC_WRITTEN_REGION_H_
#define GLOVEBOX_TESTS_UNIT_EXEC_WRITTEN_REGION_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <string>

#include "exec/exec_record.h"
#include "exec/output_region.h"
#include "init/region_writer.h"

namespace glovebox {

class WrittenRegion {
 public:
  explicit WrittenRegion(const ExecSpec& spec, const std::string& id = "exec-1") {
    auto made = OutputRegion::Create(spec, EncodeExecRecord(id, spec));
    if (!made.ok()) throw std::runtime_error(made.status().ToString());
    region.emplace(*std::move(made));
    if (writer.Map(region->fd()) != 0) throw std::runtime_error("init refuses the region");
  }
  ~WrittenRegion() { writer.Unmap(); }

  void Write(const std::string& text, OutputStream stream = OutputStream::kStdout) {
    for (size_t done = 0; done < text.size();) {
      const auto rest = static_cast<uint32_t>(text.size() - done);
      const RegionWriter::Space space = writer.Reserve(stream, rest, false);
      ASSERT_GT(space.size, 0u);
      const uint32_t size = std::min(rest, space.size);
      std::memcpy(space.data, text.data() + done, size);
      writer.Commit(stream, size, ++clock_ns);
      done += size;
    }
  }
  ExecEnd End() {
    ExecEnd end{};
    end.cause = EndCause::kExited;
    end.started_ns = 1;
    end.ended_ns = ++clock_ns;
    writer.Finish(&end);
    return end;
  }
  // As init hands it back: another descriptor of the same memory.
  UniqueFd Duplicate() const { return UniqueFd(::fcntl(region->fd(), F_DUPFD_CLOEXEC, 3)); }

  std::optional<OutputRegion> region;  // may be moved from
  RegionWriter writer;
  int64_t clock_ns = 1;
};

}  // namespace glovebox

#endif  // GLOVEBOX_TESTS_UNIT_EXEC_WRITTEN_REGION_H_
