// A directory below /tmp of a test's own, removed with what is in it.
#ifndef GLOVEBOX_TESTS_SUPPORT_TEMPORARY_DIRECTORY_H_
#define GLOVEBOX_TESTS_SUPPORT_TEMPORARY_DIRECTORY_H_

#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>

namespace glovebox {

class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string name = (std::filesystem::temp_directory_path() / "glovebox-test-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) std::abort();  // no test can go on without it
    path_ = name;
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  ~TemporaryDirectory() {
    std::error_code ignored;  // what a test left mounted or immutable stays visible in /tmp
    std::filesystem::remove_all(path_, ignored);
  }

  const std::string& path() const { return path_; }
  std::string Join(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace glovebox

#endif  // GLOVEBOX_TESTS_SUPPORT_TEMPORARY_DIRECTORY_H_
