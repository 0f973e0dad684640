#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/kernel/changes/round_trip.h"
#include "tests/support/must_run.h"

namespace glovebox {
namespace {

namespace fs = std::filesystem;

// A payload that does anything anywhere in a small space of names, so that it often meets what it
// did before.
class RandomPayload {
 public:
  RandomPayload(uint32_t seed, std::string root) : random_(seed), root_(std::move(root)) {}

  void Step() {
    const std::string path = RandomPath();
    std::error_code ignored;  // an operation that does not fit what is there is a valid no-op
    switch (Pick(12)) {
      case 0:
      case 1:
      case 2:
        return Write(path, RandomContent(), std::ios::trunc);
      case 3:
        return Write(path, RandomContent(), std::ios::app);
      case 4:
        fs::remove_all(path, ignored);
        return;
      case 5:
        fs::remove_all(path, ignored);
        fs::create_directories(path, ignored);
        return;
      case 6:
        fs::remove_all(path, ignored);
        fs::create_symlink(absl::StrCat("target", Pick(3)), path, ignored);
        return;
      case 7:
        if (fs::is_regular_file(fs::symlink_status(path, ignored))) {
          (void)::chmod(path.c_str(), Pick(2) == 0 ? 0755 : 0644);
        }
        return;
      case 8:
        (void)::rename(path.c_str(), RandomPath().c_str());
        return;
      case 9:
        (void)::mkfifo(path.c_str(), 0644);
        return;
      case 10:
        (void)::utimensat(AT_FDCWD, path.c_str(), nullptr, AT_SYMLINK_NOFOLLOW);
        return;
      default:
        (void)::link(path.c_str(), RandomPath().c_str());
        return;
    }
  }

 private:
  unsigned Pick(unsigned below) {
    return std::uniform_int_distribution<unsigned>(0, below - 1)(random_);
  }
  std::string RandomPath() {
    static const char* const kNames[] = {"a", "b c", "\xc3\xa9\"", "d\n", "e.txt"};
    std::string path = root_;
    for (unsigned depth = 1 + Pick(4); depth > 0; --depth) {
      absl::StrAppend(&path, "/", kNames[Pick(5)]);
    }
    return path;
  }
  std::string RandomContent() {
    std::string content;
    if (Pick(8) == 0) content.append(Pick(3000), '\0');
    for (unsigned lines = Pick(30); lines > 0; --lines) {
      absl::StrAppend(&content, "line ", Pick(5), Pick(6) == 0 ? "\r\n" : "\n");
    }
    if (Pick(3) == 0) content += "no newline";
    return content;
  }
  void Write(const std::string& path, const std::string& content, std::ios::openmode mode) {
    std::error_code ignored;
    const fs::file_type type = fs::symlink_status(path, ignored).type();
    // Opening a FIFO would wait for its reader; links lead out of the tree or nowhere.
    if (type != fs::file_type::regular && type != fs::file_type::not_found) return;
    fs::create_directories(fs::path(path).parent_path(), ignored);
    std::ofstream(path, std::ios::binary | mode) << content;
  }

  std::mt19937 random_;
  std::string root_;
};

uint32_t Seed() {
  const char* given = std::getenv("GLOVEBOX_TEST_SEED");
  return given != nullptr ? static_cast<uint32_t>(std::strtoul(given, nullptr, 10))
                          : std::random_device()();
}

TEST(RandomChangesTest, ListAndPatchAgreeWithGitOverThreeLayers) {
  SKIP_UNLESS(EnterPrivateMounts(), "needs CAP_SYS_ADMIN for mounts");
  const uint32_t seed = Seed();
  RecordProperty("seed", absl::StrCat(seed));
  for (uint32_t round = 0; round < 5; ++round) {
    SCOPED_TRACE(absl::StrCat("GLOVEBOX_TEST_SEED=", seed, " round ", round));
    OverlayTree overlay;
    GitStore git(overlay.Path("."));
    RandomPayload base(seed + round, overlay.Path("base/workspace"));
    for (int i = 0; i < 150; ++i) base.Step();
    std::string tree = git.TreeOf(overlay.Path("base/workspace"));
    RandomPayload payload(seed + 1000 + round, overlay.Work());
    for (int layer = 0; layer < 3; ++layer) {
      SCOPED_TRACE(absl::StrCat("layer ", layer));
      overlay.Mount();
      std::string before = tree;
      for (int part = 0; part < 2; ++part) {
        for (int i = 0; i < 40; ++i) payload.Step();
        tree = ExpectRoundTrip(overlay, &git, before);
      }
    }
    if (HasFailure()) {
      std::printf("seed %u\n", seed);
      return;
    }
  }
}

}  // namespace
}  // namespace glovebox
