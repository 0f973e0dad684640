#include "snapshot/import_progress.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace glovebox {
namespace {

std::vector<ImportProgress> Parse(const std::vector<std::string>& pieces) {
  std::vector<ImportProgress> seen;
  ImportProgressParser parser([&](const ImportProgress& progress) { seen.push_back(progress); });
  for (const std::string& piece : pieces) parser.Feed(piece);
  return seen;
}

TEST(ImportProgress, PhasesAndCountsAreReadFromPiecesCutAnywhere) {
  const auto seen =
      Parse({"glovebox-ph", "ase copying\nReceiving objects:  50% (10/20), 1.50 M",
             "iB | 3 MiB/s\rglovebox-phase checking-out\n", "Updating files:  10% (7/70)\r"});
  ASSERT_EQ(seen.size(), 4u);
  EXPECT_EQ(seen[0].phase, ImportPhase::kCopying);
  EXPECT_EQ(seen[1].objects, 10u);
  EXPECT_EQ(seen[1].bytes, 1'572'864u);
  EXPECT_EQ(seen[2].phase, ImportPhase::kCheckingOut);
  EXPECT_EQ(seen[3].files, 7u);
}

TEST(ImportProgress, CountsOfTheImporterAreRead) {
  const auto seen = Parse({"glovebox-progress 5 100 3\nglovebox-progress 5 100\n",
                           "glovebox-progress -1 2 3\nglovebox-progress 1 2 3 4\n"});
  ASSERT_EQ(seen.size(), 1u);
  EXPECT_EQ(seen[0].phase, ImportPhase::kUnpacking);
  EXPECT_EQ(seen[0].bytes, 5u);
  EXPECT_EQ(seen[0].bytes_total, 100u);
  EXPECT_EQ(seen[0].files, 3u);
}

TEST(ImportProgress, HostileLinesAreSkipped) {
  EXPECT_TRUE(Parse({"Updating files: (-1/3)\n", "Updating files: (99999999999999999999999/3)\n",
                     "Receiving objects: (\n", "Receiving objects: /\n", "glovebox-phase sealing\n",
                     "glovebox-phase \n", absl::StrCat(std::string(100'000, 'x'), "\n"),
                     std::string("\0\xff\x1b\n", 4)})
                  .empty());
}

TEST(ImportProgress, ImpossibleByteCountsAreZero) {
  for (const char* amount : {"nan MiB", "inf MiB", "1e300 GiB", "-5 KiB", "5", "5 XiB", ""}) {
    const auto seen = Parse({std::string("Receiving objects:  1% (1/2), ") + amount + "\n"});
    ASSERT_EQ(seen.size(), 1u);
    EXPECT_EQ(seen[0].bytes, 0u) << amount;
  }
}

TEST(LastWords, PrefersTheErrorAndEscapesIt) {
  EXPECT_EQ(LastWords("fatal: bad \x1b[31m\nhint: see\n"), "fatal: bad \\x1b[31m");
  EXPECT_EQ(LastWords("one\ntwo\nglovebox-phase copying\n"), "two");
  EXPECT_EQ(LastWords(""), "");
}

}  // namespace
}  // namespace glovebox
