#include "tools/glovebox/import_argument.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace glovebox {
namespace {

TEST(ImportArgument, AUrlGoesToTheDaemonAsItIs) {
  for (const char* url :
       {"https://git.example/a@b.git", "ssh://a:b@git.example/c", "x://", "-x://a"}) {
    ImportArgument argument;
    argument.source = url;
    argument.commit = "v1";
    argument.history = "shallow";
    const auto request = ParseImportArgument(argument);
    ASSERT_TRUE(request.ok()) << request.status();
    EXPECT_EQ(request->remote_repository().url(), url);
    EXPECT_EQ(request->remote_repository().commit(), "v1");
    EXPECT_EQ(request->remote_repository().history(), v1::REPOSITORY_HISTORY_SHALLOW);
  }
}

TEST(ImportArgument, ACommitMakesItARepositoryWhereverItIsSaid) {
  ImportArgument split;
  split.source = "/nowhere/a@v1";
  ImportArgument option;
  option.source = "/nowhere/a@v1";
  option.commit = "v2";
  const auto first = ParseImportArgument(split);
  const auto second = ParseImportArgument(option);
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_EQ(first->repository().path(), "/nowhere/a");
  EXPECT_EQ(first->repository().commit(), "v1");
  EXPECT_EQ(second->repository().path(), "/nowhere/a@v1");
  EXPECT_EQ(second->repository().commit(), "v2");
}

TEST(ImportArgument, CommitAndHistoryAreForRepositoriesAlone) {
  for (const bool history : {false, true}) {
    ImportArgument argument;
    argument.upload = "/nowhere";
    (history ? argument.history : argument.commit) = history ? "full" : "main";
    EXPECT_TRUE(absl::IsInvalidArgument(ParseImportArgument(argument).status()));
  }
  ImportArgument two;
  two.source = "https://git.example/a";
  two.upload = "/nowhere";
  EXPECT_TRUE(absl::IsInvalidArgument(ParseImportArgument(two).status()));
}

TEST(ImportArgument, ASecretHasANameAndGoesWithAUrl) {
  ImportArgument argument;
  argument.source = "https://git.example/a";
  EXPECT_FALSE(ParseImportArgument(argument)->remote_repository().has_secret_name());
  argument.secrets = {"token"};
  argument.user = "me";
  const auto request = ParseImportArgument(argument);
  ASSERT_TRUE(request.ok()) << request.status();
  EXPECT_EQ(request->remote_repository().secret_name(), "token");
  EXPECT_EQ(request->remote_repository().user(), "me");
  for (const std::vector<std::string>& wrong :
       {std::vector<std::string>{""}, {"token", "other"}, {"token", ""}}) {
    argument.secrets = wrong;
    EXPECT_TRUE(absl::IsInvalidArgument(ParseImportArgument(argument).status()));
  }
  argument.secrets = {"token"};
  argument.source = "/nowhere/a";
  EXPECT_TRUE(absl::IsInvalidArgument(ParseImportArgument(argument).status()));
}

}  // namespace
}  // namespace glovebox
