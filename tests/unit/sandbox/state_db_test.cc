#include "sandbox/state_db.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "base/status.h"
#include "tests/support/temporary_directory.h"

namespace glovebox {
namespace {

SandboxRow Row(const std::string& id) {
  SandboxRow row;
  row.id = id;
  row.boot_id = "boot";
  row.created = absl::FromUnixMicros(1'700'000'000'123'456);
  row.options.request_id = "request-" + id;
  row.workdir = "/workspace";
  row.image_digest = "sha256:image";
  row.snapshot_digest = "sha256:snapshot";
  row.host_id_first = 0x70010000;
  row.disk = "disk-" + id;
  return row;
}

ExecRow Command(const std::string& id, uint32_t number) {
  return {id, number, absl::StrCat("exec-", number), std::string("sp\0ec", 5), std::nullopt};
}

std::string ReasonOf(const absl::Status& status) {
  const auto detail = GetErrorDetail(status);
  return detail.has_value() ? detail->reason : "";
}

class StateDbTest : public testing::Test {
 protected:
  std::unique_ptr<StateDb> Open() {
    auto db = StateDb::Open(path_, nullptr);
    EXPECT_TRUE(db.ok()) << db.status();
    return db.ok() ? *std::move(db) : nullptr;
  }
  absl::Status Refusal() { return StateDb::Open(path_, nullptr).status(); }
  StateDb::Contents Load() {
    const auto db = Open();
    auto contents = db->Load();
    EXPECT_TRUE(contents.ok()) << contents.status();
    return contents.ok() ? *std::move(contents) : StateDb::Contents{};
  }
  void Sql(const char* sql) {
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open(path_.c_str(), &db), SQLITE_OK);
    const SqliteHandle handle(db);
    ASSERT_EQ(sqlite3_exec(db, sql, nullptr, nullptr, nullptr), SQLITE_OK) << sqlite3_errmsg(db);
  }

  TemporaryDirectory directory_;
  const std::string path_ = directory_.Join("state.db");
};

TEST_F(StateDbTest, APauseAndItsEndAreRecorded) {
  const auto paused = [this] { return Load().sandboxes.at(0).paused; };
  {
    const auto db = Open();
    ASSERT_EQ(db->PutSandbox(Row("a")), absl::OkStatus());
    EXPECT_EQ(db->NotePaused("a"), absl::OkStatus());
    EXPECT_EQ(db->NotePaused("of nothing"), absl::OkStatus());
  }
  EXPECT_TRUE(paused());
  Open()->NoteResumedBehind("a");
  EXPECT_FALSE(paused());
}

TEST_F(StateDbTest, ASandboxThatRunsAnewHasItsNewDiskIdsAndFilters) {
  {
    const auto db = Open();
    SandboxRow row = Row("a");
    row.options.seccomp_digest = "of then";
    row.options.labels = {{"kept", "as it was"}};
    ASSERT_EQ(db->PutSandbox(row), absl::OkStatus());
    db->NoteStopped("a", "init ended");
    ASSERT_EQ(db->NotePaused("a"), absl::OkStatus());
    ASSERT_EQ(db->NoteRestored("a", "another disk", 0x70020000, "of now"), absl::OkStatus());
  }
  const SandboxRow row = Load().sandboxes.at(0);
  EXPECT_EQ(row.disk, "another disk");
  EXPECT_EQ(row.host_id_first, 0x70020000u);
  EXPECT_FALSE(row.paused);
  EXPECT_FALSE(row.stop_reason.has_value());
  EXPECT_EQ(row.options.seccomp_digest, "of now");
  EXPECT_EQ(row.options.labels.at("kept"), "as it was");
}

TEST_F(StateDbTest, WhatWasWrittenIsThereAtTheNextOpen) {
  {
    const auto db = Open();
    SandboxRow stopped = Row("b");
    stopped.stop_reason = "its init process ended";
    EXPECT_EQ(db->PutSandbox(Row("a")), absl::OkStatus());
    EXPECT_EQ(db->PutSandbox(stopped), absl::OkStatus());
    db->PutExecBehind(Command("a", 1));
    ExecRow ended = Command("a", 2);
    ended.end = std::string("e\0d", 3);
    EXPECT_EQ(db->ArchiveExec(ended), absl::OkStatus());
  }
  const StateDb::Contents contents = Load();
  ASSERT_EQ(contents.sandboxes.size(), 2u);
  const SandboxRow& a = contents.sandboxes[0];
  EXPECT_EQ(a.id, "a");
  EXPECT_EQ(a.boot_id, "boot");
  EXPECT_EQ(a.created, Row("a").created);
  EXPECT_TRUE(a.options == Row("a").options);
  EXPECT_EQ(a.workdir, "/workspace");
  EXPECT_EQ(a.image_digest, "sha256:image");
  EXPECT_EQ(a.snapshot_digest, "sha256:snapshot");
  EXPECT_EQ(a.host_id_first, 0x70010000u);
  EXPECT_EQ(a.disk, "disk-a");
  EXPECT_FALSE(a.stop_reason.has_value());
  EXPECT_FALSE(a.paused);
  EXPECT_EQ(contents.sandboxes[1].stop_reason, "its init process ended");
  ASSERT_EQ(contents.execs.size(), 2u);
  EXPECT_EQ(contents.execs[0].spec, std::string("sp\0ec", 5));
  EXPECT_FALSE(contents.execs[0].end.has_value());
  EXPECT_EQ(contents.execs[1].exec_id, "exec-2");
  EXPECT_EQ(contents.execs[1].end, std::string("e\0d", 3));
}

TEST_F(StateDbTest, ErasingASandboxErasesItsExecs) {
  {
    const auto db = Open();
    ASSERT_EQ(db->PutSandbox(Row("a")), absl::OkStatus());
    ASSERT_EQ(db->PutSandbox(Row("b")), absl::OkStatus());
    db->PutExecBehind(Command("a", 1));
    db->PutExecBehind(Command("b", 1));
    EXPECT_EQ(db->EraseSandbox("a"), absl::OkStatus());
    EXPECT_EQ(db->EraseSandbox("a"), absl::OkStatus()) << "twice is fine";
    db->PutExecBehind(Command("a", 2));  // late: its sandbox is gone
  }
  const StateDb::Contents contents = Load();
  ASSERT_EQ(contents.execs.size(), 1u);
  EXPECT_EQ(contents.execs[0].sandbox_id, "b");
}

TEST_F(StateDbTest, AnArchivedEndIsNeverTakenBack) {
  {
    const auto db = Open();
    ASSERT_EQ(db->PutSandbox(Row("a")), absl::OkStatus());
    ExecRow ended = Command("a", 1);
    ended.end = "end";
    ASSERT_EQ(db->ArchiveExec(ended), absl::OkStatus());
    db->PutExecBehind(Command("a", 1));
  }
  EXPECT_EQ(Load().execs.at(0).end, "end");
}

TEST_F(StateDbTest, ADaemonKilledAtAnyMomentLosesNothingThatWasAnswered) {
  for (int round = 0; round < 5; ++round) {
    int answered[2];
    ASSERT_EQ(::pipe(answered), 0);
    const pid_t child = ::fork();
    if (child == 0) {
      auto db = StateDb::Open(path_, nullptr);
      for (int i = 0; db.ok(); ++i) {
        const std::string id = absl::StrCat(round, "-", i);
        if (!(*db)->PutSandbox(Row(id)).ok()) break;
        if (::write(answered[1], "x", 1) != 1) break;
      }
      ::_exit(1);
    }
    ::close(answered[1]);
    char byte = 0;
    int count = 0;
    for (; count < 20 + round * 37 && ::read(answered[0], &byte, 1) == 1; ++count) {
    }
    ASSERT_EQ(::kill(child, SIGKILL), 0);
    while (::read(answered[0], &byte, 1) == 1) ++count;
    ::close(answered[0]);
    ASSERT_EQ(::waitpid(child, nullptr, 0), child);
    int found = 0;
    for (const SandboxRow& row : Load().sandboxes) {
      found += row.id.substr(0, row.id.find('-')) == absl::StrCat(round) ? 1 : 0;
    }
    EXPECT_GE(found, count);
    EXPECT_LE(found, count + 1) << "at most the one that was committed and not yet answered";
  }
}

TEST_F(StateDbTest, AFullFileSystemIsATypedErrorAndHealsByItself) {
  absl::Notification failing;
  absl::Notification well;
  auto db = StateDb::Open(
      path_, [&](const absl::Status& status) { (status.ok() ? well : failing).Notify(); });
  ASSERT_TRUE(db.ok());
  ASSERT_EQ((*db)->PutSandbox(Row("a")), absl::OkStatus());
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  ASSERT_NE(::signal(SIGXFSZ, SIG_IGN), SIG_ERR);
  const rlimit none{4096, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &none), 0);
  const absl::Status refused = (*db)->PutSandbox(Row("b"));
  (*db)->PutExecBehind(Command("a", 1));
  failing.WaitForNotification();
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  EXPECT_EQ(ReasonOf(refused), "STATE_NOT_WRITABLE") << refused;
  well.WaitForNotification();  // what was written behind was tried again
  EXPECT_EQ((*db)->PutSandbox(Row("c")), absl::OkStatus());
  db->reset();
  const StateDb::Contents contents = Load();
  ASSERT_EQ(contents.sandboxes.size(), 2u) << "b was refused";
  EXPECT_EQ(contents.execs.size(), 1u);
}

TEST_F(StateDbTest, ADamagedFileIsRefusedAndKept) {
  ASSERT_EQ(Open()->PutSandbox(Row("a")), absl::OkStatus());
  std::string bytes;
  {
    std::ifstream file(path_, std::ios::binary);
    bytes.assign(std::istreambuf_iterator<char>(file), {});
  }
  ASSERT_GT(bytes.size(), 8192u);
  const auto refuse = [&](std::string damaged) {
    std::ofstream(path_, std::ios::binary | std::ios::trunc) << damaged;
    const absl::Status status = Refusal();
    EXPECT_EQ(ReasonOf(status), "STATE_DB_DAMAGED") << status;
    EXPECT_EQ(std::filesystem::file_size(path_), damaged.size()) << "nothing is made anew";
  };
  std::string garbled = bytes;
  std::fill(garbled.begin() + 4096, garbled.end(), '\x5a');
  refuse(garbled);
  refuse(bytes.substr(0, 5000));
  refuse("this is no database at all, but it is long enough to be looked at by SQLite");
  refuse("");
}

TEST_F(StateDbTest, AnotherProgramsDatabaseIsRefused) {
  Sql("CREATE TABLE sandboxes (a)");
  EXPECT_EQ(ReasonOf(Refusal()), "STATE_DB_DAMAGED");
}

TEST_F(StateDbTest, ANewerSchemaIsRefusedWithTheVersions) {
  Open();
  Sql("PRAGMA user_version = 99");
  const absl::Status status = Refusal();
  EXPECT_EQ(ReasonOf(status), "STATE_DB_NEWER");
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr("99"));
}

TEST_F(StateDbTest, NamesOfCachesAreKeptEachInItsScope) {
  const CacheRow own{"tools", "uid:1", "uid:1", "sha256:a", absl::FromUnixMicros(5)};
  {
    const auto db = Open();
    ASSERT_EQ(db->PutCache(own), absl::OkStatus());
    ASSERT_EQ(db->PutCache({"tools", "uid:2", "uid:2", "sha256:b", own.set}), absl::OkStatus());
    ASSERT_EQ(db->PutCache({"all", "", "uid:0", "sha256:c", own.set}), absl::OkStatus());
    ASSERT_EQ(db->PutCache({"all", "", "uid:9", "sha256:d", absl::FromUnixMicros(6)}),
              absl::OkStatus());
    EXPECT_EQ(db->EraseCache("tools", "uid:2"), absl::OkStatus());
    EXPECT_EQ(db->EraseCache("of nothing", ""), absl::OkStatus());
  }
  const std::vector<CacheRow> found = Load().caches;
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].name, "all");
  EXPECT_EQ(found[0].scope, "");
  EXPECT_EQ(found[0].owner, "uid:9");
  EXPECT_EQ(found[0].snapshot, "sha256:d");
  EXPECT_EQ(found[0].set, absl::FromUnixMicros(6));
  EXPECT_EQ(found[1].scope, "uid:1");
  EXPECT_EQ(found[1].snapshot, "sha256:a");
}

TEST_F(StateDbTest, AFileOfTheReleaseBeforeCachesIsBroughtUpToDate) {
  {
    const auto db = Open();
    ASSERT_EQ(db->PutSandbox(Row("a")), absl::OkStatus());
  }
  Sql("DROP TABLE caches; PRAGMA user_version = 3");
  EXPECT_EQ(Load().sandboxes.size(), 1u);
  ASSERT_EQ(Open()->PutCache({"all", "", "uid:0", "sha256:c", absl::FromUnixMicros(1)}),
            absl::OkStatus());
  EXPECT_EQ(Load().caches.size(), 1u);
}

TEST_F(StateDbTest, OneUnreadableRowDoesNotKeepTheOthers) {
  {
    const auto db = Open();
    ASSERT_EQ(db->PutSandbox(Row("a")), absl::OkStatus());
    ASSERT_EQ(db->PutSandbox(Row("b")), absl::OkStatus());
  }
  Sql("UPDATE sandboxes SET options = 'x' WHERE id = 'a'");
  const StateDb::Contents contents = Load();
  ASSERT_EQ(contents.sandboxes.size(), 1u);
  EXPECT_EQ(contents.sandboxes[0].id, "b");
  EXPECT_THAT(contents.unusable, testing::ElementsAre(testing::StartsWith("a: ")));
}

}  // namespace
}  // namespace glovebox
