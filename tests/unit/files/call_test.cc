// What the operations answer, on a tree that is the test's own.
#include "files/call.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "base/wire_field.h"
#include "gtest/gtest.h"
#include "tests/unit/files/asked_program.h"
#include "tests/unit/patch/map_tree.h"

namespace glovebox {
namespace {

namespace fs = std::filesystem;

class CallTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = ::testing::TempDir() + "glovebox-call-XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    root_ = name;
  }
  void TearDown() override { fs::remove_all(root_); }

  std::string At(const std::string& path) const { return absl::StrCat(root_, "/", path); }
  // A request with the path, in field 2.
  WireWriter Request(const std::string& path) const {
    WireWriter request;
    request.Bytes(2, At(path));
    return request;
  }
  std::string Remove(const std::string& path, bool recursive = false) const {
    WireWriter request = Request(path);
    if (recursive) request.Number(3, 1);
    return ReasonOf(AskProgram(RemoveCall, request.message()).status());
  }
  std::string Move(const std::string& from, const std::string& to) const {
    WireWriter request = Request(from);
    request.Bytes(3, At(to));
    return ReasonOf(AskProgram(MoveCall, request.message()).status());
  }
  std::string Write(const std::string& path, const std::string& content) const {
    const std::string request = Request(path).message();
    return ReasonOf(AskProgram(WriteFileCall, request, At(path), content).status());
  }

  std::string root_;
};

TEST_F(CallTest, ASlashBehindALinkOrAFileIsNoWayToChangeIt) {
  const Files files{{"dir/f", File("f\n")},
                    {"file", File("old\n")},
                    {"link", Link("dir")},
                    {"to-file", Link("file/")}};
  WriteFiles(root_, files);
  for (const char* path : {"link/", "link//", "file/"}) {
    SCOPED_TRACE(path);
    EXPECT_EQ(Remove(path), "NOT_A_DIRECTORY");
    EXPECT_EQ(Remove(path, /*recursive=*/true), "NOT_A_DIRECTORY");
    EXPECT_EQ(Move(path, "moved"), "NOT_A_DIRECTORY");
    EXPECT_EQ(Move("dir/f", path), "NOT_A_DIRECTORY");
  }
  EXPECT_EQ(Move("file", "new/"), "NOT_A_DIRECTORY");
  EXPECT_EQ(Write("file/", "new\n"), "NOT_A_DIRECTORY");
  EXPECT_EQ(Write("to-file", "new\n"), "NOT_A_DIRECTORY");
  EXPECT_EQ(Write("new/", "new\n"), "NOT_A_FILE");
  EXPECT_EQ(ReasonOf(AskProgram(ReadFileCall, Request("file/").message()).status()),
            "NOT_A_DIRECTORY");
  EXPECT_EQ(Describe(ReadFiles(root_)), Describe(files));
  // Of directories it says nothing new; and one may be looked at through a link.
  EXPECT_EQ(ReasonOf(AskProgram(StatFileCall, Request("link/").message()).status()), "OK");
  EXPECT_EQ(ReasonOf(AskProgram(MakeDirectoryCall, Request("made/").message()).status()), "OK");
  EXPECT_EQ(ReasonOf(AskProgram(MakeDirectoryCall, Request("link/").message()).status()),
            "PATH_EXISTS");
  EXPECT_EQ(Move("made/", "moved/"), "OK");
  EXPECT_EQ(Remove("moved/"), "OK");
  EXPECT_EQ(Remove("link"), "OK");
  EXPECT_TRUE(fs::exists(At("dir/f")));
}

TEST_F(CallTest, AnEditThatWouldBeTooLargeMakesNoReplacement) {
  WriteFiles(root_, {{"f", File(std::string(22, 'X'))}});
  // The last replacement is the first that is beyond the limit.
  WireWriter edit, request = Request("f");
  edit.Bytes(1, "X");
  edit.Bytes(2, std::string(3'100'000, 'y'));
  edit.Number(3, 22);
  request.Bytes(3, edit.message());
  EXPECT_EQ(ReasonOf(AskProgram(EditFileCall, request.message(), At("f")).status()),
            "FILE_TOO_LARGE");
  EXPECT_EQ(Describe(ReadFiles(root_)), Describe({{"f", File(std::string(22, 'X'))}}));
}

TEST_F(CallTest, ADirectoryThatMayNotBeSearchedIsNotListedAsEmpty) {
  WriteFiles(At("d"), {{"f", File("f\n")}});
  ASSERT_EQ(::chmod(root_.c_str(), 0755), 0);
  ASSERT_EQ(::chmod(At("d").c_str(), 0744), 0);
  // As somebody else than the owner, who need not be root.
  if (::geteuid() == 0) {
    ASSERT_EQ(::seteuid(65534), 0);
  } else {
    ASSERT_EQ(::chmod(At("d").c_str(), 0444), 0);
  }
  const std::string reason =
      ReasonOf(AskProgram(ListDirectoryCall, Request("d").message()).status());
  if (::getuid() == 0) {
    ASSERT_EQ(::seteuid(0), 0);
  }
  ASSERT_EQ(::chmod(At("d").c_str(), 0755), 0);
  EXPECT_EQ(reason, "PATH_NOT_PERMITTED");
}

TEST_F(CallTest, AnUndoingThatMayNotLookSaysSo) {
  WriteFiles(At("d"), {{"below/f", File("f\n")}});
  ASSERT_EQ(::chmod(root_.c_str(), 0755), 0);
  ASSERT_EQ(::chmod(At("d").c_str(), ::geteuid() == 0 ? 0700 : 0), 0);
  if (::geteuid() == 0) {
    ASSERT_EQ(::seteuid(65534), 0);
  }
  const std::string reason = ReasonOf(AskProgram(UndoCall, "", At("d/below")).status());
  if (::getuid() == 0) {
    ASSERT_EQ(::seteuid(0), 0);
  }
  ASSERT_EQ(::chmod(At("d").c_str(), 0755), 0);
  EXPECT_EQ(reason, "PATH_NOT_PERMITTED");
  EXPECT_EQ(ReasonOf(AskProgram(UndoCall, "", At("d/none")).status()), "OK");
  EXPECT_EQ(ReasonOf(AskProgram(UndoCall, "", At("d/below/f")).status()), "OK");
}

TEST_F(CallTest, FinishingRemovesWhatAWriteLeftBesideTheFile) {
  const std::string left = absl::StrCat(".glovebox-", kAskedToken);
  WriteFiles(root_, {{"f", File("new\n")}, {left, File("old\n")}});
  EXPECT_EQ(ReasonOf(AskProgram(FinishCall, "", At("f")).status()), "OK");
  EXPECT_EQ(Describe(ReadFiles(root_)), Describe({{"f", File("new\n")}}));
}

}  // namespace
}  // namespace glovebox
