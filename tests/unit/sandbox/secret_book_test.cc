#include "sandbox/secret_book.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "base/status.h"
#include "tests/support/temporary_directory.h"

namespace glovebox {
namespace {

constexpr char kAda[] = "uid:1000";
constexpr char kBob[] = "cert:bob \xff";  // any bytes

EgressPolicy Needs(const std::vector<std::string>& names) {
  EgressPolicy policy;
  for (const std::string& name : names) {
    EgressRule& rule = policy.rules.emplace_back();
    rule.host = "a.example";
    if (!name.empty()) rule.credential = EgressCredential{name, "Authorization", "", ""};
  }
  return policy;
}

class SecretBookTest : public ::testing::Test {
 protected:
  std::unique_ptr<SecretBook> Open() {
    problems_.clear();
    auto book = SecretBook::Open(path_, &clock_, &problems_);
    EXPECT_TRUE(book.ok()) << book.status();
    return *std::move(book);
  }
  std::vector<std::filesystem::path> Files() const {
    return {std::filesystem::directory_iterator(path_), std::filesystem::directory_iterator()};
  }
  static std::string ReasonOf(const absl::Status& status) {
    const auto detail = GetErrorDetail(status);
    return detail.has_value() ? detail->reason : status.ToString();
  }

  TemporaryDirectory directory_;
  const std::string path_ = directory_.Join("secrets");
  RealClock clock_;
  std::vector<std::string> problems_;
};

TEST_F(SecretBookTest, SecretsOutliveTheBookInFilesThatNobodyElseReads) {
  {
    const auto book = Open();
    ASSERT_TRUE(book->Create(kAda, "token", "value-of-ada").ok());
    ASSERT_TRUE(book->Create(kBob, "token", "value-of-bob").ok());
    ASSERT_TRUE(book->Create(kAda, "gone", "soon-forgotten").ok());
    ASSERT_TRUE(book->Delete(kAda, "gone").ok());
  }
  struct stat status {};
  ASSERT_EQ(::stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0700u);
  EXPECT_EQ(Files().size(), 2u);
  for (const auto& file : Files()) {
    ASSERT_EQ(::stat(file.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0600u);
  }
  const auto book = Open();
  EXPECT_TRUE(problems_.empty());
  EXPECT_TRUE(book->Find(kAda, Needs({"token"}))["token"].Is("value-of-ada"));
  EXPECT_TRUE(book->Find(kBob, Needs({"token"}))["token"].Is("value-of-bob"));
  EXPECT_TRUE(book->Find(kAda, Needs({"gone"})).empty());
}

TEST_F(SecretBookTest, AClientHasItsOwnNames) {
  const auto book = Open();
  ASSERT_TRUE(book->Create(kAda, "token", "value-of-ada").ok());
  EXPECT_TRUE(book->Find(kBob, Needs({"token"})).empty());
  EXPECT_EQ(ReasonOf(book->Delete(kBob, "token")), "SECRET_NOT_FOUND");
  EXPECT_TRUE(book->List(Viewer(kBob)).empty());
  EXPECT_EQ(book->List(Viewer(kAda)).size(), 1u);
  EXPECT_EQ(book->List(Viewer(EveryOwner{})).size(), 1u);
  const absl::Status missing = book->CheckThere(kBob, Needs({"", "token"}));
  EXPECT_EQ(ReasonOf(missing), "SECRET_NOT_FOUND");
  EXPECT_EQ(GetErrorDetail(missing)->metadata.at("field"), "rules[1].credential.secret_name");
  EXPECT_TRUE(book->CheckThere(kAda, Needs({"", "token"})).ok());
}

TEST_F(SecretBookTest, TheSameValueIsTheSameSecretAndAnotherOneIsRefused) {
  const auto book = Open();
  const auto made = book->Create(kAda, "token", "value-of-ada");
  ASSERT_TRUE(made.ok());
  const auto again = book->Create(kAda, "token", "value-of-ada");
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->created, made->created);
  const absl::Status other = book->Create(kAda, "token", "another-value").status();
  EXPECT_TRUE(absl::IsAlreadyExists(other));
  EXPECT_EQ(ReasonOf(other), "SECRET_EXISTS");
  EXPECT_FALSE(absl::StrContains(other.ToString(), "value-of")) << other;
  EXPECT_TRUE(book->Find(kAda, Needs({"token"}))["token"].Is("value-of-ada"));
}

TEST_F(SecretBookTest, WhatCanBeNoneIsRefusedAndNotTold) {
  const auto book = Open();
  for (const auto& [name, value] : std::vector<std::pair<std::string, std::string>>{
           {"../x", "value-of-ada"},
           {"", "value-of-ada"},
           {"token", "short"},
           {"token", "value\nof-ada"},
           {"token", std::string(kSecretBytesMax + 1, 'v')}}) {
    const absl::Status status = book->Create(kAda, name, value).status();
    EXPECT_EQ(ReasonOf(status), "INVALID_FIELD") << name;
    EXPECT_FALSE(absl::StrContains(status.ToString(), value)) << status;
  }
  EXPECT_TRUE(Files().empty());
}

TEST_F(SecretBookTest, EveryChangeIsTold) {
  const auto book = Open();
  std::vector<std::string> told;
  book->OnChange([&](const std::string& owner, const std::string& name) {
    const bool there = !book->Find(owner, Needs({name})).empty();
    told.push_back(absl::StrCat(owner, " ", name, there ? " is there" : " is gone"));
  });
  ASSERT_TRUE(book->Create(kAda, "token", "value-of-ada").ok());
  ASSERT_TRUE(book->Create(kAda, "token", "value-of-ada").ok());
  ASSERT_TRUE(book->Delete(kAda, "token").ok());
  EXPECT_FALSE(book->Delete(kAda, "token").ok());
  EXPECT_EQ(told, (std::vector<std::string>{"uid:1000 token is there", "uid:1000 token is gone"}));
}

// As while a proxy that hangs is told.
TEST_F(SecretBookTest, WhatIsToldOfOneHoldsUpItsNextChangeAndNobodyElse) {
  const auto book = Open();
  absl::Mutex mutex;
  std::vector<std::string> told;
  absl::Notification begun;
  absl::Notification released;
  book->OnChange([&](const std::string& owner, const std::string& name) {
    const bool there = !book->Find(owner, Needs({name})).empty();
    const std::string what = absl::StrCat(name, there ? " is there" : " is gone");
    {
      absl::MutexLock lock(&mutex);
      told.push_back(what);
    }
    if (what == "held is there") {
      begun.Notify();
      released.WaitForNotification();
    }
    absl::MutexLock lock(&mutex);
    told.push_back("all know that " + what);
  });
  std::thread creates([&] { EXPECT_TRUE(book->Create(kAda, "held", "value-of-ada").ok()); });
  begun.WaitForNotification();
  std::thread deletes([&] { EXPECT_TRUE(book->Delete(kAda, "held").ok()); });
  EXPECT_TRUE(book->Create(kBob, "other", "value-of-bob").ok());
  EXPECT_TRUE(book->Delete(kBob, "other").ok());
  released.Notify();
  creates.join();
  deletes.join();
  absl::MutexLock lock(&mutex);
  EXPECT_EQ(told, (std::vector<std::string>{
                      "held is there", "other is there", "all know that other is there",
                      "other is gone", "all know that other is gone", "all know that held is there",
                      "held is gone", "all know that held is gone"}));
}

TEST_F(SecretBookTest, ThereAreSoManyAndNoMore) {
  const auto book = Open();
  for (size_t i = 0; i < kSecretsOfOneOwner; ++i) {
    ASSERT_TRUE(book->Create(kAda, absl::StrCat("s", i), "value-of-ada").ok());
  }
  EXPECT_EQ(ReasonOf(book->Create(kAda, "more", "value-of-ada").status()), "CLIENT_QUOTA");
  EXPECT_TRUE(book->Create(kBob, "more", "value-of-bob").ok());
  ASSERT_TRUE(book->Delete(kAda, "s7").ok());
  EXPECT_TRUE(book->Create(kAda, "more", "value-of-ada").ok());
}

TEST_F(SecretBookTest, AFileThatIsNotWholeIsNoSecretAndIsNamed) {
  {
    const auto book = Open();
    for (const char* name : {"cut", "open", "moved", "whole"}) {
      ASSERT_TRUE(book->Create(kAda, name, absl::StrCat("value-of-", name)).ok());
    }
  }
  for (const auto& file : Files()) {
    std::ifstream in(file);
    const std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
    if (absl::StrContains(text, absl::Base64Escape("cut"))) {
      std::filesystem::resize_file(file, text.size() / 2);
    } else if (absl::StrContains(text, absl::Base64Escape("open"))) {
      ASSERT_EQ(::chmod(file.c_str(), 0640), 0);
    } else if (absl::StrContains(text, absl::Base64Escape("moved"))) {
      std::filesystem::rename(file, path_ + "/another");
    }
  }
  std::ofstream(path_ + "/new") << "begun";  // by a daemon that was killed
  const auto book = Open();
  EXPECT_EQ(problems_.size(), 3u);
  for (const std::string& problem : problems_) {
    EXPECT_FALSE(absl::StrContains(problem, "value-of")) << problem;
  }
  const auto left = book->List(Viewer(kAda));
  ASSERT_EQ(left.size(), 1u);
  EXPECT_EQ(left[0].name, "whole");
  EXPECT_FALSE(std::filesystem::exists(path_ + "/new"));
}

// As on a full disk.
TEST_F(SecretBookTest, WhatCouldNotBeWrittenLeavesNoBytesOfIt) {
  const auto book = Open();
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = ::signal(SIGXFSZ, SIG_IGN);
  // Into the value, which comes last.
  for (const rlim_t most : {rlim_t{0}, rlim_t{1}, rlim_t{90}}) {
    const rlimit few{most, before.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &few), 0);
    const absl::Status failed = book->Create(kAda, "token", std::string(200, 'v')).status();
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
    EXPECT_FALSE(failed.ok());
    EXPECT_TRUE(Files().empty()) << Files().front();
  }
  (void)::signal(SIGXFSZ, handler);
  EXPECT_TRUE(book->List(Viewer(kAda)).empty());
  EXPECT_TRUE(book->Create(kAda, "token", std::string(200, 'v')).ok());
  EXPECT_EQ(Files().size(), 1u);
}

TEST_F(SecretBookTest, AFileThatTheBookDoesNotKnowIsDeletedToo) {
  {
    const auto book = Open();
    ASSERT_TRUE(book->Create(kAda, "token", "value-of-ada").ok());
  }
  std::filesystem::resize_file(Files().front(), 7);
  const auto book = Open();
  EXPECT_EQ(problems_.size(), 1u);
  EXPECT_EQ(ReasonOf(book->Delete(kBob, "token")), "SECRET_NOT_FOUND");
  EXPECT_EQ(Files().size(), 1u);
  EXPECT_TRUE(book->Delete(kAda, "token").ok());
  EXPECT_TRUE(Files().empty());
  EXPECT_EQ(ReasonOf(book->Delete(kAda, "token")), "SECRET_NOT_FOUND");
}

}  // namespace
}  // namespace glovebox
