// The two formats by example, and where exactly a malformed one is refused.
#include <string>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "gtest/gtest.h"
#include "tests/unit/patch/map_tree.h"

namespace glovebox {
namespace {

std::string WhyNot(const absl::StatusOr<Files>& result) {
  if (result.ok()) return "applied";
  const std::optional<ErrorDetail> detail = GetErrorDetail(result.status());
  if (!detail.has_value()) return std::string(result.status().message());
  std::string why = detail->reason;
  for (const auto& [key, value] : detail->metadata) absl::StrAppend(&why, " ", key, "=", value);
  return why;
}

std::string Content(const absl::StatusOr<Files>& result, const std::string& path = "f") {
  if (!result.ok()) return std::string(result.status().message());
  const auto it = result->find(path);
  return it == result->end() ? "(none)" : it->second.content;
}

std::string Agent(absl::string_view body) {
  return absl::StrCat("*** Begin Patch\n", body, "*** End Patch\n");
}

TEST(AgentPatch, AddsDeletesUpdatesAndMoves) {
  const Files files{{"f", File("def f():\n    pass\nend\n")}, {"gone", File("x")}};
  const auto result = Patched(files, Agent("*** Add File: new/hello.txt\n+Hello\n+world\n"
                                           "*** Update File: f\n*** Move to: moved/g\n"
                                           "@@ def f():\n-    pass\n+    return 1\n"
                                           "*** Delete File: gone\n"));
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(Describe(*result), Describe({{"moved/g", File("def f():\n    return 1\nend\n")},
                                         {"new/hello.txt", File("Hello\nworld\n")}}));
}

TEST(AgentPatch, AnchorsChooseAmongEqualPlaces) {
  const Files files{{"f", File("class A\n  x\nclass B\n  x\n  def m\n  x\n")}};
  EXPECT_EQ(Content(Patched(files, Agent("*** Update File: f\n@@ class B\n-  x\n+  y\n"))),
            "class A\n  x\nclass B\n  y\n  def m\n  x\n");
  EXPECT_EQ(
      Content(Patched(files, Agent("*** Update File: f\n@@ class B\n@@   def m\n-  x\n+  y\n"))),
      "class A\n  x\nclass B\n  x\n  def m\n  y\n");
}

TEST(AgentPatch, EndOfFileFitsAtTheEndOnly) {
  const Files files{{"f", File("x\ny\nx\n")}};
  EXPECT_EQ(Content(Patched(files, Agent("*** Update File: f\n@@\n-x\n+z\n*** End of File\n"))),
            "x\ny\nz\n");
  EXPECT_EQ(WhyNot(Patched(files, Agent("*** Update File: f\n-y\n+z\n*** End of File\n"))),
            "PATCH_DOES_NOT_APPLY hunk=1 line=2 patch_line=3 path=f");
}

TEST(AgentPatch, LinesWithoutOldOnesGoBehindTheAnchorOrToTheEnd) {
  const Files files{{"f", File("a\nb")}};
  EXPECT_EQ(Content(Patched(files, Agent("*** Update File: f\n@@ a\n+new\n"))), "a\nnew\nb");
  EXPECT_EQ(Content(Patched(files, Agent("*** Update File: f\n@@\n+new\n"))), "a\nb\nnew\n");
}

TEST(AgentPatch, WhiteSpaceMayDifferAsFuzzAllowsAndIsReported) {
  const Files files{{"f", File("\tif x:   \n\t\tgo()\n")}};
  const std::string patch = Agent("*** Update File: f\n@@\n if x:\n-\t\tgo()\n+\t\tstop()\n");
  EXPECT_EQ(WhyNot(Patched(files, patch)),
            "PATCH_DOES_NOT_APPLY hunk=1 line=1 patch_line=3 path=f");
  std::vector<HunkReport> reports;
  EXPECT_EQ(Content(Patched(files, patch, 1, &reports)), "\tif x:   \n\t\tstop()\n");
  ASSERT_EQ(reports.size(), 1u);
  EXPECT_EQ(reports[0].fuzz_lines, 1u);
  EXPECT_EQ(reports[0].line, 1u);
}

TEST(AgentPatch, LinesEndAsThoseOfTheFile) {
  const Files files{{"f", File("a\r\nb\r\n")}};
  EXPECT_EQ(Content(Patched(files, Agent("*** Update File: f\n a\n-b\n+c\n+d\n"))),
            "a\r\nc\r\nd\r\n");
}

TEST(AgentPatch, MalformedOnesAreRefusedWithTheirLine) {
  const Files files{{"f", File("a\n")}};
  const auto why = [&](absl::string_view patch) {
    const auto parsed = ParsePatch(patch, PatchSyntax::kAgent);
    if (parsed.ok()) return std::string("parsed");
    return WhyNot(parsed.status());
  };
  EXPECT_EQ(why("hello\n"), "PATCH_MALFORMED line=1");
  EXPECT_EQ(why("*** Begin Patch\n"), "PATCH_MALFORMED line=2");
  EXPECT_EQ(why("*** Begin Patch\n*** End Patch\n"), "PATCH_MALFORMED line=2");
  EXPECT_EQ(why(Agent("*** Update File: f\n")), "PATCH_MALFORMED line=2");
  EXPECT_EQ(why(Agent("*** Update File: f\n@@\n")), "PATCH_MALFORMED line=4");
  EXPECT_EQ(why(Agent("*** Update File: f\n@@\n a\nno mark\n")), "PATCH_MALFORMED line=5");
  EXPECT_EQ(why(Agent("*** Frobnicate: f\n")), "PATCH_MALFORMED line=2");
  EXPECT_EQ(why(Agent("*** Add File: f\n+a\nb\n")), "PATCH_MALFORMED line=4");
  EXPECT_EQ(why(absl::StrCat(Agent("*** Delete File: f\n"), "more\n")), "PATCH_MALFORMED line=4");
  EXPECT_EQ(why("*** Begin Patch\n*** Update File: f\n-a\n+b\n"), "PATCH_MALFORMED line=5");
}

TEST(AgentPatch, WhatIsThereIsNotAddedAndWhatIsNotIsNotTouched) {
  const Files files{{"f", File("a\n")}};
  EXPECT_EQ(WhyNot(Patched(files, Agent("*** Add File: f\n+b\n"))), "PATCH_DOES_NOT_APPLY path=f");
  EXPECT_EQ(WhyNot(Patched(files, Agent("*** Delete File: g\n"))), "PATCH_DOES_NOT_APPLY path=g");
  EXPECT_EQ(WhyNot(Patched(files, Agent("*** Update File: g\n-a\n+b\n"))),
            "PATCH_DOES_NOT_APPLY path=g");
  EXPECT_EQ(WhyNot(Patched(files, Agent("*** Update File: f\n*** Move to: f/g\n-a\n+b\n"))),
            "applied");
}

constexpr char kUnified[] = "--- a/f\n+++ b/f\n@@ -2,3 +2,3 @@\n b\n-c\n+C\n d\n";

TEST(GitPatch, AHunkIsFoundAtAnOffset) {
  const Files files{{"f", File("0\n0\na\nb\nc\nd\ne\n")}};
  std::vector<HunkReport> reports;
  EXPECT_EQ(Content(Patched(files, kUnified, 0, &reports)), "0\n0\na\nb\nC\nd\ne\n");
  EXPECT_EQ(reports[0].line, 4u);
  EXPECT_EQ(reports[0].fuzz_lines, 0u);
}

TEST(GitPatch, ContextMayDifferAsFuzzAllowsAndTheFileKeepsItsOwn) {
  const Files files{{"f", File("a\nb\nc\nOTHER\n")}};
  EXPECT_EQ(WhyNot(Patched(files, kUnified)),
            "PATCH_DOES_NOT_APPLY hunk=1 line=2 patch_line=3 path=f");
  std::vector<HunkReport> reports;
  EXPECT_EQ(Content(Patched(files, kUnified, 1, &reports)), "a\nb\nC\nOTHER\n");
  EXPECT_EQ(reports[0].fuzz_lines, 1u);
  // A removed line never differs.
  EXPECT_EQ(WhyNot(Patched({{"f", File("a\nb\nX\nd\n")}}, kUnified, 3)),
            "PATCH_DOES_NOT_APPLY hunk=1 line=2 patch_line=3 path=f");
}

TEST(GitPatch, ADryRunReportsWhatIsExpectedAndWhatIsThere) {
  std::vector<HunkReport> reports;
  ASSERT_TRUE(Patched({{"f", File("a\nb\nX\nd\n")}}, kUnified, 0, &reports).ok());
  ASSERT_EQ(reports.size(), 1u);
  EXPECT_FALSE(reports[0].applied);
  EXPECT_EQ(reports[0].line, 2u);
  EXPECT_EQ(reports[0].expected, "b\nc\nd\n");
  EXPECT_EQ(reports[0].found, "b\nX\nd\n");
}

TEST(GitPatch, MalformedOnesAreRefusedWithTheirLine) {
  const auto why = [&](absl::string_view patch) {
    const auto parsed = ParsePatch(patch, PatchSyntax::kGit);
    return parsed.ok() ? std::string("parsed") : WhyNot(parsed.status());
  };
  EXPECT_EQ(why(""), "PATCH_MALFORMED line=1");
  EXPECT_EQ(why("nothing\nhere\n"), "PATCH_MALFORMED line=1");
  EXPECT_EQ(why("@@ -1 +1 @@\n-a\n+b\n"), "PATCH_MALFORMED line=1");
  EXPECT_EQ(why("--- a/f\n+++ b/f\n@@ -1,x +1 @@\n-a\n+b\n"), "PATCH_MALFORMED line=3");
  EXPECT_EQ(why("--- a/f\n+++ b/f\n@@ -1,2 +1 @@\n-a\n+b\n"), "PATCH_MALFORMED line=3");
  EXPECT_EQ(why("--- a/f\n+++ b/f\n@@ -1 +1,2 @@\n-a\n+b\nX\n"), "PATCH_MALFORMED line=6");
  EXPECT_EQ(why("diff --git a/f b/f\nold mode 100644\nnew mode 1006x4\n"),
            "PATCH_MALFORMED line=3");
  EXPECT_EQ(why("diff --git a/s b/s\nnew file mode 160000\n"), "PATCH_MALFORMED line=2");
  EXPECT_EQ(why("diff --git a/f b/f\nindex 1..2 100644\nBinary files a/f and b/f differ\n"),
            "PATCH_MALFORMED line=1");
  EXPECT_EQ(why("diff --git a/f b/f\nindex 1..2 100644\nGIT binary patch\nliteral 3\nKcmZ\n\n"),
            "PATCH_MALFORMED line=3");
  EXPECT_EQ(why("diff --git \"a/f\" \nnew file mode 100644\nindented\n"), "PATCH_MALFORMED line=1");
}

TEST(PatchPaths, ThatLeadOutOrAreGitsOwnAreRefused) {
  for (const std::string path :
       {"/etc/passwd", "../up", "a/../../b", ".git/config", "a/.GIT/hooks/x", "git~1/config",
        ".git. /config", "a//b", "./a"}) {
    const auto why = WhyNot(Patched({}, Agent(absl::StrCat("*** Add File: ", path, "\n+x\n"))));
    EXPECT_EQ(why, absl::StrCat("PATH_INVALID line=2 path=", path));
  }
}

TEST(PatchPaths, NoPatchGoesThroughASymbolicLink) {
  const Files files{{"link", Link("/etc")}};
  EXPECT_EQ(WhyNot(Patched(files, Agent("*** Add File: link/passwd\n+x\n"))),
            "PATH_INVALID path=link/passwd");
  EXPECT_EQ(WhyNot(Patched({},
                           "diff --git a/l b/l\nnew file mode 120000\n--- /dev/null\n+++ b/l\n"
                           "@@ -0,0 +1 @@\n+/etc\n\\ No newline at end of file\n"
                           "diff --git a/l/p b/l/p\nnew file mode 100644\n--- /dev/null\n"
                           "+++ b/l/p\n@@ -0,0 +1 @@\n+x\n")),
            "PATH_INVALID path=l/p");
}

TEST(GitPatch, TwoFilesCanChangeTheirNames) {
  const Files files{{"a", File("1\n")}, {"b", File("2\n")}};
  const auto result =
      Patched(files,
              "diff --git a/a b/b\nsimilarity index 100%\nrename from a\nrename to b\n"
              "diff --git a/b b/a\nsimilarity index 100%\nrename from b\nrename to a\n");
  EXPECT_EQ(Content(result, "a"), "2\n");
  EXPECT_EQ(Content(result, "b"), "1\n");
}

TEST(GitPatch, ABinaryPatchOfAnotherContentIsRefused) {
  // git diff --binary of "\0one" and "\0two".
  const std::string patch =
      "diff --git a/f b/f\nindex 0c98dbd7e0b66ba3e8d8fbd5bbf7bb8c2cd7fd8f.."
      "0c98dbd7e0b66ba3e8d8fbd5bbf7bb8c2cd7fd8f 100644\nGIT binary patch\nliteral "
      "0\nHcmV?d00001\n\n";
  EXPECT_EQ(WhyNot(Patched({{"f", File("other")}}, patch)), "PATCH_DOES_NOT_APPLY path=f");
}

TEST(GitPatch, ADeletionOfAnEmptyFileKeepsOneThatHasContent) {
  const std::string patch =
      "diff --git a/f b/f\ndeleted file mode 100644\nindex e69de29..0000000\n";
  EXPECT_EQ(Content(Patched({{"f", File("")}}, patch)), "(none)");
  EXPECT_EQ(WhyNot(Patched({{"f", File("work\n")}}, patch)), "PATCH_DOES_NOT_APPLY path=f");
}

TEST(GitPatch, AModeThatItDoesNotNameStaysAsItIs) {
  const std::string text = "--- a/f\n+++ b/f\n@@ -1 +1 @@\n-a\n+b\n";
  const std::string patch =
      absl::StrCat("diff --git a/f b/f\nindex 7898192..6178079 100644\n", text);
  for (const uint32_t mode : {0755u, 0644u, 0700u}) {
    const auto result = Patched({{"f", File("a\n", mode)}}, patch);
    ASSERT_TRUE(result.ok()) << result.status();
    EXPECT_EQ(result->at("f").mode, mode);
  }
  EXPECT_EQ(WhyNot(Patched({{"f", Link("a\n")}}, patch)), "PATCH_DOES_NOT_APPLY path=f");
}

TEST(GitPatch, NamesLoseOnlyWhatTheirFirstLineHasAsPrefixes) {
  // Of --no-prefix: without a second name the line of the pair tells.
  const Files files{{"x", File("1\n")}, {"a/x", File("1\n")}};
  EXPECT_EQ(Describe(*Patched(files,
                              "diff --git a/x a/x\ndeleted file mode 100644\n"
                              "--- a/x\n+++ /dev/null\n@@ -1 +0,0 @@\n-1\n")),
            Describe({{"x", File("1\n")}}));
  EXPECT_EQ(Describe(*Patched({},
                              "diff --git b/x b/x\nnew file mode 100644\n"
                              "--- /dev/null\n+++ b/x\n@@ -0,0 +1 @@\n+1\n")),
            Describe({{"b/x", File("1\n")}}));
  EXPECT_EQ(WhyNot(Patched(files,
                           "diff --git a/x b/x\ndeleted file mode 100644\n"
                           "--- a/y\n+++ /dev/null\n@@ -1 +0,0 @@\n-1\n")),
            "PATCH_MALFORMED line=1");
}

TEST(GitPatch, ATimeOfTheEpochIsThatOfNoFile) {
  const auto created = [](absl::string_view time) {
    return Content(
        Patched({}, absl::StrCat("--- a/f\t", time, "\n+++ b/f\n@@ -0,0 +1,2 @@\n", "+1\n+2\n")));
  };
  const auto deleted = [](absl::string_view time) {
    return Content(Patched({{"f", File("1\n")}},
                           absl::StrCat("--- a/f\n+++ b/f\t", time, "\n@@ -1 +0,0 @@\n-1\n")));
  };
  for (const char* time : {"1970-01-01 00:00:00.000000000 +0000", "1970-01-01 05:30:00 +0530",
                           "1969-12-31 19:00:00.0 -0500", "1969-12-31 19:00:00 -05:00"}) {
    EXPECT_EQ(created(time), "1\n2\n") << time;
    EXPECT_EQ(deleted(time), "(none)") << time;
  }
  for (const char* time : {"1970-01-01 00:00:00.5 +0000", "1970-01-01 00:00:01 +0000", "1970-01-01",
                           "1970-01-01 00:00:00", "1970-01-01 05:30:00 +0500",
                           "1970-01-01 00:00:00 +0000 x", "2026-01-01 00:00:00 +0000"}) {
    EXPECT_EQ(deleted(time), "") << time;
  }
}

TEST(PatchLimits, BytesAndHunksHaveTheirs) {
  EXPECT_EQ(WhyNot(Patched({}, std::string(kPatchBytesMax + 1, '\n'))),
            absl::StrCat("PATCH_LIMIT limit=", kPatchBytesMax));
  std::string many = "--- a/f\n+++ b/f\n";
  for (size_t i = 0; i <= kPatchHunksMax; ++i) absl::StrAppend(&many, "@@ -1 +1 @@\n-a\n+a\n");
  EXPECT_EQ(WhyNot(Patched({{"f", File("a\n")}}, many)),
            absl::StrCat("PATCH_LIMIT limit=", kPatchHunksMax));
}

}  // namespace
}  // namespace glovebox
