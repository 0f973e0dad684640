// How much of the output of ended execs is kept on disk.
#ifndef GLOVEBOX_EXEC_ARCHIVE_LIMITS_H_
#define GLOVEBOX_EXEC_ARCHIVE_LIMITS_H_

#include <cstdint>

namespace glovebox {

// Of one sandbox. Beyond them the output of the oldest exec goes first; its result stays. An
// archive greater than bytes_max alone keeps its beginning and its end.
struct ArchiveLimits {
  uint32_t execs_max = 512;
  uint64_t bytes_max = 128 * 1024 * 1024;  // more than the greatest region (80 MiB)
  // Execs whose output could not be written (disk full): so many stay in memory.
  uint32_t unsaved_max = 8;
};

}  // namespace glovebox

#endif  // GLOVEBOX_EXEC_ARCHIVE_LIMITS_H_
