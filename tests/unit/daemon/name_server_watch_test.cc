#include "daemon/name_server_watch.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "tests/support/temporary_directory.h"

namespace glovebox {
namespace {

namespace fs = std::filesystem;

// Long before the file would be looked at without an event.
constexpr absl::Duration kSoon = absl::Milliseconds(NameServerWatch::kLookAgainMs * 4 / 5);

void Write(const std::string& path, const std::string& content) { std::ofstream(path) << content; }

void Rename(const std::string& over, const std::string& content) {
  Write(over + ".new", content);
  fs::rename(over + ".new", over);
}

std::string Naming(const std::string& server) { return absl::StrCat("nameserver ", server, "\n"); }

class NameServerWatchTest : public testing::Test {
 protected:
  void Start(const std::string& path, const std::vector<IpAddress>& known = {}) {
    auto watch = NameServerWatch::Start(path, known, &log_, [this](const auto& servers) {
      absl::MutexLock lock(&mutex_);
      heard_.push_back(absl::StrJoin(
          servers, " ", [](std::string* out, const IpAddress& one) { out->append(one.Text()); }));
    });
    ASSERT_TRUE(watch.ok()) << watch.status();
    watch_ = *std::move(watch);
  }
  // That the next change that was heard of is that one.
  testing::AssertionResult Hears(const std::string& servers) {
    absl::MutexLock lock(&mutex_);
    const auto more = [this] { return heard_.size() > seen_; };
    if (!mutex_.AwaitWithTimeout(absl::Condition(&more), kSoon)) {
      return testing::AssertionFailure() << "nothing was heard";
    }
    const std::string next = heard_[seen_++];
    if (next == servers) return testing::AssertionSuccess();
    return testing::AssertionFailure() << next;
  }

  TemporaryDirectory directory_;
  const std::string file_ = directory_.Join("resolv.conf");
  const Log log_{LogFormat::kText, LogLevel::kInfo};
  absl::Mutex mutex_;
  std::vector<std::string> heard_ ABSL_GUARDED_BY(mutex_);
  size_t seen_ ABSL_GUARDED_BY(mutex_) = 0;
  std::unique_ptr<NameServerWatch> watch_;
};

TEST_F(NameServerWatchTest, AFileThatIsWrittenAnewOrReplacedIsFollowed) {
  Write(file_, Naming("192.0.2.1"));
  Start(file_, {*IpAddress::Parse("192.0.2.1")});
  Write(file_, Naming("192.0.2.2"));
  EXPECT_TRUE(Hears("192.0.2.2")) << "and not of what it was";
  for (int i = 3; i < 9; ++i) {
    const std::string server = absl::StrCat("192.0.2.", i);
    if (i % 2 == 0) Write(file_, Naming(server));
    if (i % 2 == 1) Rename(file_, Naming(server));
    EXPECT_TRUE(Hears(server));
  }
  std::ofstream(file_, std::ios::app) << Naming("2001:db8::1");
  EXPECT_TRUE(Hears("192.0.2.8 2001:db8::1"));
}

TEST_F(NameServerWatchTest, ALinkIsFollowedWhereverItLeads) {
  fs::create_directories(directory_.Join("run/one"));
  fs::create_directory_symlink("run", directory_.Join("short"));
  const std::string one = directory_.Join("run/one/stub.conf");
  Write(one, Naming("192.0.2.1"));
  fs::create_symlink("short/one/stub.conf", file_);
  Start(file_);
  EXPECT_TRUE(Hears("192.0.2.1"));
  Rename(one, Naming("192.0.2.2"));
  EXPECT_TRUE(Hears("192.0.2.2")) << "the target, replaced";
  const std::string two = directory_.Join("run/two.conf");
  Write(two, Naming("192.0.2.3"));
  fs::create_symlink(two, file_ + ".new");
  fs::rename(file_ + ".new", file_);
  EXPECT_TRUE(Hears("192.0.2.3")) << "the link, replaced";
  Write(one, Naming("192.0.2.4"));  // nobody's any more
  Write(two, Naming("192.0.2.5"));
  EXPECT_TRUE(Hears("192.0.2.5"));
}

TEST_F(NameServerWatchTest, WhatIsAwayOrUselessChangesNothingAndIsMissedUntilItIsBack) {
  const std::string target = directory_.Join("run/resolve/stub.conf");
  fs::create_directories(fs::path(target).parent_path());
  Write(target, Naming("192.0.2.1"));
  fs::create_symlink(target, file_);
  Start(file_);
  EXPECT_TRUE(Hears("192.0.2.1"));
  fs::remove_all(directory_.Join("run"));
  fs::create_directories(fs::path(target).parent_path());
  Write(target, "# nothing yet\n");
  Write(target, "nameserver nonsense\n");
  Write(target, Naming("192.0.2.1"));  // as before: nothing to tell
  Write(target, Naming("192.0.2.2"));
  EXPECT_TRUE(Hears("192.0.2.2"));
  fs::remove(file_);
  Write(file_, "");
  fs::remove(file_);
  fs::create_directory(file_);
  fs::remove(file_);
  Write(file_, Naming("192.0.2.3"));
  EXPECT_TRUE(Hears("192.0.2.3"));
}

TEST_F(NameServerWatchTest, AFileThatIsNotThereIsWaitedFor) {
  const std::string file = directory_.Join("etc/of/host/resolv.conf");
  Start(file);
  fs::create_directories(fs::path(file).parent_path());
  Write(file, Naming("192.0.2.1"));
  EXPECT_TRUE(Hears("192.0.2.1"));
}

TEST_F(NameServerWatchTest, ItEndsAtOnce) {
  Start(file_);
  watch_.reset();
  Write(file_, Naming("192.0.2.1"));
  absl::MutexLock lock(&mutex_);
  EXPECT_TRUE(heard_.empty());
}

}  // namespace
}  // namespace glovebox
