// What gloveboxd and glovebox-init say to each other over the sandbox's socket (SOCK_SEQPACKET,
// connected by path by the daemon, accepted by init). One frame is one message: a fixed header,
// then at most kFrameBodyMax bytes.
//
// Init serves one connection at a time; a new one replaces the old one (a new daemon takes over
// from a dead one), whose frames are carried out first, so that nothing a dead daemon had sent is
// lost. Execs live on without a connection. Both sides drop the connection on a frame that does not
// fit its kind: the daemon takes nothing from init on trust once a payload has run.
//
// Init holds every exec, its region's memfd and its end, from kStart to kAckEnd. After kHello it
// answers with kHelloAck; then per held exec kHeld, and as they apply kStarted, kStdinAck, kEnd, in
// this order; then kHeldAll.
//
// Versions: kHello carries the newest version that the daemon speaks; kHelloAck the one that both
// speak from here on, the lower of the two. Init drops a daemon below kFramesVersionOldest. A
// daemon copes with every init from kFramesVersionOldest to kFramesVersion, so a newer daemon takes
// over the sandboxes of an older one; it refuses an answer outside that range (INIT_VERSION) and
// cannot adopt that sandbox. A new version may append fields to bodies and add kinds; it changes
// neither the header nor kHello, kHelloAck.
#ifndef GLOVEBOX_INIT_FRAMES_H_
#define GLOVEBOX_INIT_FRAMES_H_

#include <cstdint>
#include <type_traits>

namespace glovebox {

inline constexpr uint32_t kFrameMagic = 0x67624652;  // "gbFR"
inline constexpr uint32_t kFramesVersion = 7;
inline constexpr uint32_t kFramesVersionOldest = 2;
inline constexpr uint32_t kFramesVersionPause = 3;    // the first with kPause and kContinue
inline constexpr uint32_t kFramesVersionProgram = 4;  // the first with kStartProgram
inline constexpr uint32_t kFramesVersionSocket = 5;   // the first with kOpenSocket
inline constexpr uint32_t kFramesVersionListen =
    6;  // the first with kListen, kListenLoopback and kDatagrams
inline constexpr uint32_t kFramesVersionClients = 7;  // the first with kDiagOfClients
inline constexpr uint32_t kFrameBodyMax = 32 * 1024;

// Execs that init holds at once, those that run and those that wait for kAckEnd. A kStart beyond it
// is refused with EAGAIN; an end is never dropped.
inline constexpr uint32_t kExecsHeldMax = 1024;

enum class FrameKind : uint16_t {
  // daemon -> init
  kHello = 1,  // HelloBody; first frame of a connection, answered by kHelloAck. Descriptors: none
               // (init keeps those it has), or kCounterFds files of the sandbox's counters
  kStart,      // no body. Descriptors: exec region memfd, the exec's cgroup v2 directory, its
               // cgroup.kill (writable); with full_log_bytes in the spec the log's file (writable)
  kStdin,      // StdinBody + bytes
  kSignal,     // SignalBody
  kResize,     // ResizeBody; ignored without a terminal
  kResume,     // no body; the reader moved the gate (exec_region.h) while writer_waiting was set
  kAckEnd,     // no body; end and output are recorded outside, init forgets the exec
  kShellCommand,  // ShellCommandBody. Descriptor: what the shell is to read, a memfd that does not
                  // shrink. Only while no command runs
  // Both without a body, exec_no 0, and harmless when repeated. Between them the limits of commands
  // stand still; what ends because it was killed still ends. kPaused answers kPause: every kStart
  // before it was carried out, so no command is half born when the daemon freezes their cgroups.
  kPause,
  kContinue,
  kStartProgram,  // as kStart, with a fourth descriptor: the program's file, which is executed
                  // whatever arguments[0] is. The user need not be able to read it: then nobody in
                  // the sandbox can trace it or look into its memory
  kOpenSocket,    // OpenSocketBody, exec_no 0; answered by kSocket, in the order of the requests
  // init -> daemon
  kHelloAck = 64,  // HelloBody
  kStarted,        // StartedBody; the command's execve succeeded. Repeated after each kHello
  kOutput,    // no body; there is output beyond what the reader had seen when it set reader_waiting
  kStdinAck,  // StdinAckBody; the latest is repeated after each kHello
  kEnd,       // ExecEnd; repeated after each kHello until kAckEnd
  kRefused,   // RefusedBody; answer to a kStart that made no exec
  kHeld,      // no body. Descriptor: the exec's region memfd. Once per held exec after each kHello
  kHeldAll,   // no body, exec_no 0; everything held was told
  kPaused,    // no body, exec_no 0
  kSocket,    // SocketBody, exec_no 0. Descriptor: the socket, when there is no error
};

struct FrameHeader {
  uint32_t magic;
  FrameKind kind;
  uint16_t flags;  // 0
  uint32_t
      exec_no;  // chosen by the daemon, unique in the life of the sandbox; 0 where there is none
  uint32_t body_size;
};
static_assert(sizeof(FrameHeader) == 16);

struct HelloBody {
  uint32_t version;
  uint32_t open_execs;  // in kHelloAck: execs that init holds
};

// The counters of the sandbox that init reads to say what a limit did to a command: files of the
// sandbox's cgroups, in this order. /dev/null stands for one that this kernel has not.
enum class CounterFd : uint32_t {
  kOomKills,    // a line "oom_kill <n>": memory.events, v1 memory.oom_control
  kMemoryPeak,  // a number: memory.peak, v1 memory.max_usage_in_bytes
  kPidsEvents,  // a line "max <n>": pids.events
  kPidsPeak,    // a number: pids.peak
};
inline constexpr uint32_t kCounterFds = 4;

struct StdinBody {  // bytes follow; a repeated range is skipped, a gap is refused by
                    // StdinAck.accepted staying behind
  uint64_t offset;  // of the first byte in the whole input
  uint32_t eof;     // 1: no byte follows the last one here
  uint32_t reserved;
};

struct StdinAckBody {
  uint64_t accepted;  // input bytes taken so far; the daemon may have at most kStdinWindow bytes
                      // beyond `written`
  uint64_t written;   // input bytes that the command's pipe or terminal has taken
  uint32_t closed;    // 1: the command closed its end, or eof was written
  uint32_t reserved;
};
inline constexpr uint64_t kStdinWindow = 64 * 1024;

enum class SignalScope : uint32_t { kLeader = 0, kGroup = 1, kTree = 2 };

struct SignalBody {
  uint32_t signal;
  SignalScope scope;  // kGroup: the leader's process group, with a terminal the foreground one.
                      // kTree with SIGKILL writes cgroup.kill; with others see SignalTree
};

struct ResizeBody {
  uint16_t rows;
  uint16_t columns;
};

struct ShellCommandBody {
  uint64_t number;         // the latest one's plus one
  uint64_t fingerprint;    // the daemon's; told by ShellWords
  uint32_t size;           // of the memfd
  uint32_t wall_limit_ms;  // 0: none. At the limit: SIGINT to the shell and SIGTERM to all else of
                           // the exec, after the grace SIGKILL to all but the shell
  uint32_t term_grace_ms;
  uint32_t reserved;
};
inline constexpr uint32_t kShellInputMax = 1024 * 1024 + 64;

// Sockets that init makes in the sandbox's network namespace, which the daemon cannot enter. The
// numbers are never given to anything else.
enum class SocketKind : uint32_t {
  kConnectIpv4 = 1,  // TCP, its connection to 127.0.0.1:port begun and not waited for
  kConnectIpv6 = 2,  // the same to [::1]:port
  // NETLINK_SOCK_DIAG: what listens there. The filter of commands, which init has too, refuses it,
  // so this is one that init opened before: each answer leads to the same socket.
  kDiag = 3,
  // For the proxy outside; init keeps none of them. Each can be made anew while another one of the
  // same kind and port is still open, which is how the next daemon gets its own.
  kListen = 4,          // TCP, at every address of both families
  kListenLoopback = 5,  // TCP, at 127.0.0.1
  kDatagrams = 6,       // UDP, at every address of both families
  // As kDiag and another one, for the proxy: whose a client's socket is. Of a sandbox with a way
  // out.
  kDiagOfClients = 7,
};

struct OpenSocketBody {
  uint64_t request;  // the daemon's, for its answer
  SocketKind kind;   // one that this init does not know: EINVAL
  uint16_t port;     // 0 of kDiag and kDiagOfClients
  uint16_t reserved;
};
// Requests that a daemon may have without their answers.
inline constexpr uint32_t kSocketsAskedMax = 16;

struct SocketBody {
  uint64_t request;
  int32_t error;  // errno; 0: the socket comes with this
  uint32_t reserved;
};

struct StartedBody {
  int32_t pid;  // in the sandbox's pid namespace, for people
  uint32_t reserved;
  int64_t monotonic_ns;
};

struct RefusedBody {
  int32_t error;  // errno
  uint32_t reserved;
  char detail[120];
};

// Why an exec ended. The last three stand for kExited and kSignaled when the command failed and
// init found out why (init/limit_watch.h); exit code and signal are those of the leader all the
// same.
enum class EndCause : uint32_t {
  kNone = 0,
  kExited = 1,
  kSignaled = 2,
  kTimedOut = 3,
  kIdleTimedOut = 4,
  kOutputLimit = 5,
  kKilledByClient = 6,
  kSpawnFailed = 7,
  kOomKilled = 8,
  kPidsLimit = 9,
  kDiskFull = 10,
};

// Steps of starting one command, for SPAWN_FAILED{kind, errno, step}.
enum class ExecStep : uint32_t {
  kNone = 0,
  kReadSpec,
  kResources,    // pipes, terminal, log mapping
  kClone,        // clone3 into the exec's cgroup
  kSession,      // setsid, controlling terminal
  kDescriptors,  // 0, 1, 2
  kResetSignals,
  kUser,  // name look-up, groups, gid, uid
  kCapabilities,
  kWorkingDirectory,
  kFilter,  // seccomp
  kExecve,
  kInterpreter,  // execve once more: the file is there and its interpreter (#!, ELF) is not
};

// File systems that were full: less than kDiskFullBytes left, or no inode.
enum FullBit : uint32_t {
  kFullDiskBytes = 1,
  kFullDiskInodes = 2,
  kFullTmpBytes = 4,
  kFullTmpInodes = 8,
};
// Some room, because a program that meets the limit often removes a small file before it ends.
inline constexpr uint64_t kDiskFullBytes = 64 * 1024;

// What the sandbox's limits did between the start of a command and its leader's end. The counters
// are the whole sandbox's: with `shared` they may be another command's as well.
struct LimitFacts {
  uint32_t shared;             // 1: other commands, or kept survivors of one, ran meanwhile
  uint32_t full;               // FullBits at the leader's end
  uint32_t full_before;        // FullBits at the start
  uint32_t processes_max;      // processes and threads at once; 0: not known
  uint64_t oom_kills;          // processes that the kernel killed for want of memory
  uint64_t forks_refused;      // by the limit on processes
  uint64_t memory_peak_bytes;  // of the sandbox so far, where oom_kills > 0; 0: not known
};

// System calls that were refused to the exec, by number and rule; of more kinds than there is room
// for, the number of calls.
inline constexpr uint32_t kDenialsMax = 16;
inline constexpr uint32_t kDenialRuleShift = 16;

struct ExecDenial {
  uint32_t number;
  uint32_t arch;          // AUDIT_ARCH_*
  uint32_t answer;        // of the plan's answers: rule << kDenialRuleShift | errno
  uint32_t count;         // stays at its greatest value
  uint32_t arguments[3];  // lower halves, of the first call; 0 where no argument decided
};

struct ExecEnd {
  EndCause cause;
  int32_t exit_code;  // kExited (and kTimedOut and the like when the leader then exited): else -1
  int32_t signal;     // 0 when no signal ended the leader
  uint32_t core_dumped;
  ExecStep failed_step;  // kSpawnFailed
  int32_t error;         // errno of kSpawnFailed
  uint32_t survivors;    // processes of the tree that were alive when the leader ended
  uint32_t pipe_held;    // 1: a descendant still held stdout or stderr when the drain ended
  int64_t started_ns;    // monotonic
  int64_t ended_ns;
  uint64_t user_us;  // of the whole tree
  uint64_t system_us;
  // Greatest resident set of one process: of the leader and of those waited for by their parents up
  // to it. 0: not known.
  uint64_t memory_peak_bytes;
  uint64_t bytes_total[2];    // stdout (or the terminal), stderr: as written by the command
  uint64_t bytes_dropped[2];  // of those, neither in the region nor in the full log any more
  uint64_t frame_count;       // sequence numbers 1..frame_count were given to output
  uint64_t read_bytes;        // from storage, by the same processes as memory_peak_bytes
  uint64_t write_bytes;       // to storage, likewise
  LimitFacts limits;
  uint64_t log_bytes;          // of the full log (init/log_writer.h)
  uint64_t log_last_sequence;  // records 1..log_last_sequence are in it
  int32_t log_error;           // why no more: EFBIG, ENOSPC, ...; 0: everything is in it
  uint32_t denial_count;
  ExecDenial denials[kDenialsMax];  // in the order of their first call
  uint64_t denials_uncounted;
};
static_assert(std::is_trivially_copyable_v<ExecEnd>);

}  // namespace glovebox

#endif  // GLOVEBOX_INIT_FRAMES_H_
