// The memory that gloveboxd and glovebox-init share for one exec: a memfd of fixed size (sealed
// against growing and shrinking) with the command's spec, its output and the words by which the two
// wake each other. Output is read from the pipe straight into it; the daemon's death loses nothing,
// and a hostile init can fill no more than its size.
//
//   [RegionHeader, 4096 bytes][spec][head: the first records, kept for ever]
//   [ring of stdout or the terminal: its latest records][ring of stderr: its latest records]
//
// Output is a sequence of records, each 8-byte aligned and contiguous: RecordHeader, then `size`
// bytes. Records of both streams fill the head until one does not fit (the head is then closed),
// then each its stream's ring, where the oldest make room: a flood on one stream never displaces
// what is kept of the other. Without a ring of its own (size 0) stderr goes to the first. A record
// that would cross the end of a ring is preceded by a kPad record up to the end (or, when fewer
// than sizeof(RecordHeader) bytes remain, those bytes are skipped by both sides).
//
// Positions in a ring are absolute byte counts; position p lies at ring offset p % size.
// [tail, head) holds whole records. Order on the writer's side: before overwriting, store tail
// (seq_cst) and fence; then write; then store head (release). The reader loads head (acquire),
// copies a record, fences, loads tail and throws the copy away when the record's position is below
// it. Of two rings it takes the record with the lower sequence number; whoever sees a record sees
// every earlier one, so a ring that looked empty is looked at again before a record of the other is
// taken. The reader treats every value as hostile: it checks sizes against the region before it
// touches memory, and copies before it interprets.
//
// Back pressure: readers that pace say how far they have come (gate_sequence). Init overwrites a
// record of a ring only when everything up to half a ring after it was delivered: of a reader that
// does not acknowledge, what was delivered may have been lost on the way to its client, which then
// comes back for it.
#ifndef GLOVEBOX_INIT_EXEC_REGION_H_
#define GLOVEBOX_INIT_EXEC_REGION_H_

#include <atomic>
#include <cstdint>
#include <type_traits>

#include "init/frames.h"

namespace glovebox {

inline constexpr uint32_t kRegionMagic = 0x67625247;  // "gbRG"
inline constexpr uint32_t kRegionVersion = 3;
inline constexpr uint64_t kRegionHeaderBytes = 4096;
inline constexpr uint64_t kSpecBytesMax = 2 * 1024 * 1024;
inline constexpr uint32_t kRecordDataMax = 64 * 1024;

enum class OutputStream : uint32_t {
  kStdout = 0,
  kStderr = 1,
  kTerminal = 2,
  kPad = 3,
  // Of a persistent shell, in their places among its output. Their bytes are in bytes_before but in
  // no count of output; a gap's size has those of the ones that it hides.
  kCommandStarted = 4,  // CommandStartedRecord
  kCommandEnded = 5,    // CommandEndedRecord, after every byte that the command itself wrote
};
inline constexpr bool CarriesOutput(OutputStream stream) {
  return stream <= OutputStream::kTerminal;
}

struct CommandStartedRecord {
  uint64_t number;
};

enum class CommandCause : uint32_t {
  kNone = 0,
  kExited = 1,      // exit_code is its status
  kTimedOut = 2,    // its wall limit passed; exit_code is the shell's answer, if it lived on
  kShellEnded = 3,  // the shell's process ended, with exit_code or by signal
};

struct CommandEndedRecord {
  uint64_t number;
  CommandCause cause;
  int32_t exit_code;     // -1: none
  int32_t signal;        // that ended the shell; 0: none
  uint32_t shell_ended;  // 1: no command follows, the exec's end does
};

// The latest command of a persistent shell.
struct ShellWords {
  std::atomic<uint32_t> version;  // odd while init changes the rest
  uint32_t running;               // 1: no end yet
  uint64_t number;                // 0: there was no command
  uint64_t fingerprint;           // as in ShellCommandBody
  uint64_t started_sequence;
  uint64_t ended_sequence;
  CommandEndedRecord end;
};

enum class OutputPolicy : uint32_t {
  kDropOldest = 0,    // never slows the command; a reader that falls behind gets a gap
  kBackPressure = 1,  // the pipes are not read while a ring is full of what was not delivered.
                      // While nobody paces (no daemon, or gate_armed is 0), for hold_limit_ms at
                      // most; then as kDropOldest until somebody paces again
};

struct RecordHeader {
  uint32_t size;  // data bytes that follow (before padding to 8)
  OutputStream stream;
  uint64_t sequence;  // 1, 2, ... over both streams; 0 for kPad
  int64_t monotonic_ns;
  uint64_t
      bytes_before;  // output bytes of both streams before this record: tells how large a gap is
};
static_assert(sizeof(RecordHeader) == 32);

inline constexpr uint32_t kRings = 2;

struct RingPlace {
  uint64_t offset, size;  // multiples of 8
};

struct RingWords {
  std::atomic<uint64_t> head;
  std::atomic<uint64_t> tail;
};

struct RegionHeader {
  // Written by the daemon before START, read-only afterwards. Init copies them once and checks
  // them.
  uint32_t magic;
  uint32_t version;
  uint64_t region_size;
  uint64_t spec_offset, spec_size;
  uint64_t head_offset, head_size;  // multiples of 8
  RingPlace rings[kRings];          // of stdout or the terminal; of stderr, size 0: there is none

  // Written by init.
  alignas(64) std::atomic<uint64_t> head_used;  // bytes of whole records in the head
  std::atomic<uint32_t> head_closed;            // 1: later records are in the rings
  RingWords ring[kRings];
  std::atomic<uint64_t> last_sequence;
  std::atomic<uint64_t> bytes_total[2];
  std::atomic<uint64_t> bytes_dropped[2];
  std::atomic<uint32_t> writer_waiting;  // init waits for kResume
  std::atomic<uint32_t> ended;           // 1: `end` is complete and no record follows
  ExecEnd end;
  ShellWords shell;

  // Written by the daemon.
  alignas(64) std::atomic<uint32_t> reader_waiting;  // 1: send kOutput at the next record (init
                                                     // swaps it to 0)
  std::atomic<uint32_t> gate_armed;  // 1: somebody paces. Init sets it to 0 when a daemon connects
  std::atomic<uint64_t> gate_sequence;  // records up to it were delivered

  // Written by the daemon before START; nothing to init. What the next daemon needs to know of this
  // exec if no other record of it was kept (exec/exec_record.h); size 0: nothing.
  uint64_t record_offset, record_size;
};
static_assert(sizeof(RegionHeader) <= kRegionHeaderBytes);
static_assert(std::atomic<uint64_t>::is_always_lock_free &&
              std::is_standard_layout_v<RegionHeader>);

inline constexpr int kShellControlFd = 9;  // the highest that every sh can name

enum class StdinMode : uint32_t { kNull = 0, kPipe = 1 };  // a terminal is its own stdin

// The command. Texts are NUL-terminated in the bytes that follow; counts are checked against the
// size.
struct ExecSpecWire {
  uint32_t size;            // of the whole spec
  uint32_t argument_count;  // >= 1
  uint32_t variable_count;
  StdinMode stdin_mode;
  OutputPolicy output_policy;
  uint32_t terminal;  // 1: stdin, stdout and stderr are a pty of the sandbox's own devpts
  uint16_t rows, columns;
  uint32_t wall_limit_ms;  // 0: none. At the limit: SIGTERM to the process group, after
                           // term_grace_ms SIGKILL to the tree
  uint32_t idle_limit_ms;  // 0: none. No output for so long
  uint32_t term_grace_ms;
  uint32_t drain_limit_ms;  // how long after the leader's end to wait for a descendant to let go of
                            // the pipes
  uint32_t keep_survivors;  // 1: descendants live on after the leader; else the tree is killed
  uint32_t replace_environment;  // 1: the variables are the whole environment; else they extend the
                                 // plan's
  uint64_t output_bytes_max;     // 0: none. Beyond it the tree is killed, cause kOutputLimit
  uint64_t full_log_bytes;       // 0: none. With kStart comes the log's file; at most so long
  uint32_t hold_limit_ms;        // kBackPressure: see there
  uint32_t shell;  // 1: the command takes kShellCommand; its end of the control socket is
                   // kShellControlFd. Not with a terminal
  // texts: user ("" for the plan's uid and gid; "name", "uid" or "uid:gid"), cwd ("" for the
  // plan's), argument_count arguments, variable_count "NAME=value"
};
static_assert(std::is_trivially_copyable_v<ExecSpecWire>);

}  // namespace glovebox

#endif  // GLOVEBOX_INIT_EXEC_REGION_H_
