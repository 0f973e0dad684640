// What a payload takes until it is refused: the refusal comes at the sandbox's limit, hidden places
// count, and host and neighbours do not notice. Attacks: HostDoS, PeerDoS.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/inotify.h>

#include <mutex>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/synchronization/notification.h"
#include "tests/escape/probe_run.h"
#include "tests/support/suite_world.h"

namespace glovebox {
namespace {

using Cause = ExecResult::Cause;

struct Taken {
  long amount = -1;
  std::string why;
  Cause cause = Cause::kExited;
};

class ExhaustionTest : public SuiteWorld<ExhaustionTest> {
 protected:
  static SandboxLimits Small() {
    SandboxLimits limits;
    limits.memory_bytes = 256 * kMiB;
    limits.pids_max = 64;
    limits.disk_bytes = 32 * kMiB;
    limits.disk_inodes = 1024;
    limits.tmp_bytes = 16 * kMiB;
    limits.tmp_inodes = 3000;
    limits.shm_bytes = 4 * kMiB;
    limits.shm_inodes = 200;
    limits.open_files = 4096;
    limits.locked_memory_bytes = kMiB;
    limits.message_queue_bytes = 400'000;
    limits.pending_signals = 300;
    return limits;
  }
  std::shared_ptr<Sandbox> Make() {
    CreateOptions options;
    options.limits = Small();
    std::shared_ptr<Sandbox> sandbox = Create(options);
    EXPECT_TRUE(CopyProbeInto(*sandbox).ok());
    return sandbox;
  }
  static Taken Take(Sandbox& sandbox, const std::string& what) {
    ExecSpec spec = Shell("ulimit -Sn $(ulimit -Hn); exec /tmp/escape_probe exhaust " + what);
    spec.wall_limit_ms = 30'000;
    auto outcome = RunIn(sandbox, spec);
    EXPECT_TRUE(outcome.ok()) << outcome.status();
    Taken taken;
    if (!outcome.ok()) return taken;
    taken.cause = outcome->result.cause;
    const std::vector<std::string> words = absl::StrSplit(outcome->out, ' ');
    if (words.size() == 2) {
      EXPECT_TRUE(absl::SimpleAtoi(words[0], &taken.amount)) << outcome->out;
      taken.why = std::string(absl::StripAsciiWhitespace(words[1]));
    }
    return taken;
  }
  // Taken within `least` .. `most` and then refused with `why`.
  static void ExpectLimit(Sandbox& sandbox, const std::string& what, long least, long most,
                          const std::string& why) {
    const Taken taken = Take(sandbox, what);
    EXPECT_GE(taken.amount, least) << what << " " << taken.why;
    EXPECT_LE(taken.amount, most) << what << " " << taken.why;
    EXPECT_EQ(taken.why, why) << what;
  }
};

TEST_F(ExhaustionTest, DescriptorsTerminalsSignalsQueuesAndLockedMemoryEndAtTheirLimits) {
  const auto sandbox = Make();
  ExpectLimit(*sandbox, "descriptors", 4000, 4096, "EMFILE");
  ExpectLimit(*sandbox, "terminals", 16, 256, "ENOSPC");
  ExpectLimit(*sandbox, "pending_signals", 100, 301, "EAGAIN");
  ExpectLimit(*sandbox, "queue_bytes", 80'000, 400'000, "EMFILE");
  ExpectLimit(*sandbox, "locked_bytes", 900'000, 1 << 20, "ENOMEM");
}

TEST_F(ExhaustionTest, InotifyEndsBeforeTheHostsOwnRunsOut) {
  const auto sandbox = Make();
  ExpectLimit(*sandbox, "inotify_instances", 16, 1024, "EMFILE");
  // While one sandbox holds all it may have, another and the host get theirs.
  ExecSpec hold;
  hold.arguments = {"perl", "-e",
                    "$| = 1; while (syscall(294, 0) >= 0) {} print qq(full\\n); sleep 60"};
  auto held = sandbox->StartExec("hold", hold);
  ASSERT_TRUE(held.ok()) << held.status();
  OutputReader reader(*held, 0, OutputReader::NeverWaitedFor());
  bool seen = false;
  while (!seen) {
    auto woken = std::make_shared<absl::Notification>();
    auto once = std::make_shared<std::once_flag>();
    auto frame =
        reader.NextOrWatch([woken, once] { std::call_once(*once, [&] { woken->Notify(); }); });
    ASSERT_TRUE(frame.ok()) << frame.status();
    if (!frame->has_value()) {
      woken->WaitForNotification();
      continue;
    }
    ASSERT_NE((*frame)->kind, OutputFrame::Kind::kEnd);
    seen = (*frame)->data == "full\n";
  }
  // The kernel's limit is per owner of a user namespace, and each sandbox has one of its own.
  const auto other = Make();
  ExpectLimit(*other, "inotify_instances", 16, 1024, "EMFILE");
  const UniqueFd host(::inotify_init1(IN_CLOEXEC));
  EXPECT_TRUE(host.valid());
}

TEST_F(ExhaustionTest, FilesAndBytesEndAtTheLimitsOfEachFileSystem) {
  const auto sandbox = Make();
  ExpectLimit(*sandbox, "tmp_bytes", 8 << 20, 16 << 20, "ENOSPC");
  ExpectLimit(*sandbox, "shm_bytes", 3 << 20, 4 << 20, "ENOSPC");
  ExpectLimit(*sandbox, "disk_bytes", 16 << 20, 32 << 20, "ENOSPC");
  // What was deleted while it was open was given back with its process.
  ExpectLimit(*sandbox, "disk_bytes", 16 << 20, 32 << 20, "ENOSPC");
  ExpectLimit(*sandbox, "sparse_file", 16 << 20, 64 << 20, "EFBIG");
  ExpectLimit(*sandbox, "tmp_files", 2000, 3000, "ENOSPC");
  ExpectLimit(*sandbox, "shm_files", 100, 200, "ENOSPC");
  ExpectLimit(*sandbox, "disk_files", 500, 1100, "ENOSPC");
}

TEST_F(ExhaustionTest, InotifyWatchesEndAtALimit) {
  const auto sandbox = Make();
  const Taken taken = Take(*sandbox, "inotify_watches");
  EXPECT_GE(taken.amount, 1000);
  EXPECT_EQ(taken.why, "ENOSPC");  // of the files or of the watches
}

TEST_F(ExhaustionTest, ProcessesEndAtTheLimit) {
  const auto sandbox = Make();
  ExpectLimit(*sandbox, "processes", 40, 64, "EAGAIN");
}

TEST_F(ExhaustionTest, BytesInSocketsPipesAndMemfdsCountAsMemory) {
  for (const char* what : {"socket_bytes", "pipe_bytes", "memfd_bytes"}) {
    const auto sandbox = Make();
    const Taken taken = Take(*sandbox, what);
    // Either another limit came first, or the memory limit ended it; never more than the limit.
    if (taken.cause == Cause::kExited) {
      EXPECT_LE(taken.amount, 256 << 20) << what << " " << taken.why;
    }
    auto usage = sandbox->Usage();
    ASSERT_TRUE(usage.ok());
    EXPECT_LE(usage->memory_peak_bytes, 256 * kMiB + kMiB) << what;
    const auto after = RunIn(*sandbox, Shell("echo alive"));
    // These bytes are no process's: when the first that was killed does not free them at once, the
    // next may be init, and with it the sandbox goes, which says so.
    if (!after.ok()) {
      EXPECT_THAT(sandbox->stop_reason(), testing::HasSubstr("for lack of memory")) << what;
    } else {
      EXPECT_EQ(after->out, "alive\n") << what;
    }
  }
}

// Up to 600 MiB would wait in the first, were there no limit (measured: 1.6 GiB of a sandbox of
// 128).
TEST_F(ExhaustionTest, BytesInInternetSocketsHaveALimit) {
  constexpr long kPage = 4096;
  for (const char* what : {"udp_pages", "tcp_pages"}) {
    const auto sandbox = Make();
    const Taken taken = Take(*sandbox, what);
    // On cgroup v2 they count as memory, and may end the program.
    if (taken.cause != Cause::kExited) continue;
    EXPECT_GE(taken.amount, 0) << what;
    // A quarter of the memory limit, and what one packet may go beyond it on each of two CPUs.
    EXPECT_LE(taken.amount * kPage, 64L * 1024 * 1024 + 8 * 1024 * 1024) << what;
    EXPECT_EQ(RunIn(*sandbox, Shell("echo alive"))->out, "alive\n") << what;
  }
}

}  // namespace
}  // namespace glovebox
