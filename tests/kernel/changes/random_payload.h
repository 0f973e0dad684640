// A payload that does anything anywhere in a small space of names, so that it often meets what it
// did before.
#ifndef GLOVEBOX_TESTS_KERNEL_CHANGES_RANDOM_PAYLOAD_H_
#define GLOVEBOX_TESTS_KERNEL_CHANGES_RANDOM_PAYLOAD_H_

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"

namespace glovebox {

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
        std::filesystem::remove_all(path, ignored);
        return;
      case 5:
        std::filesystem::remove_all(path, ignored);
        std::filesystem::create_directories(path, ignored);
        return;
      case 6:
        std::filesystem::remove_all(path, ignored);
        std::filesystem::create_symlink(absl::StrCat("target", Pick(3)), path, ignored);
        return;
      case 7:
        if (std::filesystem::is_regular_file(std::filesystem::symlink_status(path, ignored))) {
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
    const std::filesystem::file_type type = std::filesystem::symlink_status(path, ignored).type();
    // Opening a FIFO would wait for its reader; links lead out of the tree or nowhere.
    if (type != std::filesystem::file_type::regular &&
        type != std::filesystem::file_type::not_found)
      return;
    std::filesystem::create_directories(std::filesystem::path(path).parent_path(), ignored);
    std::ofstream(path, std::ios::binary | mode) << content;
  }

  std::mt19937 random_;
  std::string root_;
};

// Of this run: GLOVEBOX_TEST_SEED, or a new one.
inline uint32_t TestSeed() {
  const char* given = std::getenv("GLOVEBOX_TEST_SEED");
  return given != nullptr ? static_cast<uint32_t>(std::strtoul(given, nullptr, 10))
                          : std::random_device()();
}

}  // namespace glovebox

#endif  // GLOVEBOX_TESTS_KERNEL_CHANGES_RANDOM_PAYLOAD_H_
