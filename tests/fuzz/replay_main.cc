// Runs every target on its seeds, and on whatever a fuzzer once found, which is kept beside them.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "tests/fuzz/targets.h"

namespace {

// How many there were.
int Replay(const glovebox::FuzzTarget& target, const std::filesystem::path& folder) {
  int count = 0;
  std::error_code none;  // no folder: no seeds
  for (const auto& entry : std::filesystem::directory_iterator(folder, none)) {
    std::ifstream file(entry.path(), std::ios::binary);
    const std::vector<char> bytes((std::istreambuf_iterator<char>(file)),
                                  std::istreambuf_iterator<char>());
    std::printf("%s %s\n", target.name, entry.path().filename().c_str());
    (void)std::fflush(stdout);  // the last line names the culprit
    target.run({bytes.data(), bytes.size()});
    ++count;
  }
  return count;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: %s SEEDS-FOLDER\n", argv[0]);
    return 2;
  }
  int status = 0;
  for (const glovebox::FuzzTarget& target : glovebox::FuzzTargets()) {
    if (Replay(target, std::filesystem::path(argv[1]) / target.name) > 0) continue;
    std::fprintf(stderr, "%s has no seed\n", target.name);
    status = 1;
  }
  return status;
}
