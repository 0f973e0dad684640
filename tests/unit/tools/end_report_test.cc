#include "tools/glovebox/end_report.h"

#include <gtest/gtest.h>

namespace glovebox {
namespace {

v1::End EndOf(v1::EndCause cause) {
  v1::End end;
  end.set_cause(cause);
  return end;
}

v1::End SpawnFailed(v1::SpawnFailureKind kind, int error = 0) {
  v1::End end = EndOf(v1::END_CAUSE_SPAWN_FAILED);
  end.mutable_spawn_failure()->set_kind(kind);
  end.mutable_spawn_failure()->set_error_number(error);
  return end;
}

TEST(EndReportTest, TheCommandsOwnCodeIsPassedThrough) {
  v1::End end = EndOf(v1::END_CAUSE_EXITED);
  for (const int code : {0, 1, 42, 255}) {
    end.set_exit_code(code);
    EXPECT_EQ(ExitCodeOf(end), code);
  }
  EXPECT_FALSE(ReasonOf(end, std::nullopt).has_value());
}

TEST(EndReportTest, ASignalIs128PlusItsNumber) {
  v1::End end = EndOf(v1::END_CAUSE_SIGNALED);
  end.set_signal(11);
  EXPECT_EQ(ExitCodeOf(end), 139);
  EXPECT_EQ(*ReasonOf(end, std::nullopt), "command ended by SIGSEGV");
  end.set_cause(v1::END_CAUSE_KILLED_BY_CLIENT);
  end.set_signal(2);
  EXPECT_EQ(ExitCodeOf(end), 130);
}

TEST(EndReportTest, ATimeoutIs124WhateverTheCommandDidThen) {
  v1::End end = EndOf(v1::END_CAUSE_TIMED_OUT);
  end.set_exit_code(0);
  EXPECT_EQ(ExitCodeOf(end), 124);
  EXPECT_EQ(*ReasonOf(end, absl::Seconds(10)),
            "command timed out after 10s (wall limit); it exited with 0");
  EXPECT_EQ(ExitCodeOf(EndOf(v1::END_CAUSE_IDLE_TIMED_OUT)), 124);
}

TEST(EndReportTest, OutOfMemoryNamesLimitAndPeak) {
  v1::End end = EndOf(v1::END_CAUSE_OOM_KILLED);
  end.mutable_oom()->set_limit_bytes(1u << 30);
  end.mutable_oom()->set_peak_bytes(1u << 30);
  EXPECT_EQ(ExitCodeOf(end), 137);
  end.mutable_oom()->set_victim_kind(v1::OOM_VICTIM_LEADER);
  end.mutable_oom()->set_victim("cc1plus");
  EXPECT_EQ(*ReasonOf(end, std::nullopt),
            "out of memory: the kernel killed the command, cc1plus, limit 1 GiB, peak 1 GiB; give "
            "the sandbox more (--memory)");
}

TEST(EndReportTest, AnExitCodeIsNeverLostToALimit) {
  v1::End end = EndOf(v1::END_CAUSE_OOM_KILLED);
  end.set_exit_code(2);
  end.mutable_oom()->set_victim_kind(v1::OOM_VICTIM_DESCENDANT);
  end.mutable_oom()->set_kills(1);
  EXPECT_EQ(ExitCodeOf(end), 2);
  EXPECT_EQ(*ReasonOf(end, std::nullopt),
            "out of memory: the kernel killed a process of the command; it exited with 2; give the "
            "sandbox more (--memory)");
  end.set_cause(v1::END_CAUSE_PIDS_LIMIT);
  end.mutable_pids_limit()->set_limit(64);
  end.mutable_pids_limit()->set_refused(3);
  EXPECT_EQ(ExitCodeOf(end), 2);
  EXPECT_EQ(*ReasonOf(end, std::nullopt),
            "the sandbox's limit of 64 processes refused 3; it exited with 2; start fewer at once, "
            "or give it more (--pids)");
  end.set_cause(v1::END_CAUSE_DISK_FULL);
  end.mutable_disk_full()->set_path("/");
  end.mutable_disk_full()->set_resource(v1::DISK_RESOURCE_BYTES);
  end.mutable_disk_full()->set_limit(1u << 30);
  EXPECT_EQ(ExitCodeOf(end), 2);
  EXPECT_EQ(*ReasonOf(end, std::nullopt),
            "the sandbox's disk is full, limit 1 GiB; it exited with 2; remove files, or give it "
            "more (--disk)");
}

TEST(EndReportTest, AFailureBesideASharedLimitIsExplainedAsASuspicion) {
  v1::End end = EndOf(v1::END_CAUSE_EXITED);
  end.set_exit_code(1);
  end.mutable_oom()->set_kills(1);
  end.mutable_oom()->set_shared(true);
  EXPECT_NE(ReasonOf(end, std::nullopt)->find("perhaps another command's"), std::string::npos);
  end.set_exit_code(0);
  EXPECT_FALSE(ReasonOf(end, std::nullopt).has_value()) << "it succeeded all the same";
}

TEST(EndReportTest, WhatCouldNotStartHasTheShellsCodes) {
  EXPECT_EQ(ExitCodeOf(SpawnFailed(v1::SPAWN_FAILURE_KIND_NOT_FOUND)), 127);
  EXPECT_EQ(ExitCodeOf(SpawnFailed(v1::SPAWN_FAILURE_KIND_NOT_EXECUTABLE)), 126);
  EXPECT_EQ(ExitCodeOf(SpawnFailed(v1::SPAWN_FAILURE_KIND_BAD_INTERPRETER)), 126);
  EXPECT_EQ(ExitCodeOf(SpawnFailed(v1::SPAWN_FAILURE_KIND_BAD_WORKING_DIRECTORY)), 125);
  EXPECT_EQ(ExitCodeOf(SpawnFailed(v1::SPAWN_FAILURE_KIND_BAD_USER)), 125);
  EXPECT_EQ(*ReasonOf(SpawnFailed(v1::SPAWN_FAILURE_KIND_NOT_FOUND, 2), std::nullopt),
            "command not found: No such file or directory");
}

TEST(EndReportTest, AnEndWithoutTheCommandsWordIsNeverSuccess) {
  EXPECT_EQ(ExitCodeOf(EndOf(v1::END_CAUSE_SANDBOX_GONE)), 125);
  EXPECT_EQ(ExitCodeOf(EndOf(v1::END_CAUSE_UNSPECIFIED)), 125);
  EXPECT_EQ(ExitCodeOf(EndOf(v1::END_CAUSE_EXITED)), 125) << "a code is missing";
  EXPECT_EQ(ExitCodeOf(EndOf(static_cast<v1::EndCause>(77))), 125);
  EXPECT_TRUE(ReasonOf(EndOf(static_cast<v1::EndCause>(77)), std::nullopt).has_value());
}

TEST(EndReportTest, DetailsFromInsideAreEscaped) {
  v1::End end = SpawnFailed(v1::SPAWN_FAILURE_KIND_NOT_FOUND);
  end.mutable_spawn_failure()->set_detail("\x1b[31mred\n");
  EXPECT_EQ(ReasonOf(end, std::nullopt)->find('\x1b'), std::string::npos);
  EXPECT_EQ(ReasonOf(end, std::nullopt)->find('\n'), std::string::npos);
}

}  // namespace
}  // namespace glovebox
