// Which processes have sockets: those of this user that may be looked at, as any program here may.
#include <dirent.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <map>
#include <memory>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/status.h"
#include "base/unique_fd.h"
#include "base/wire_field.h"
#include "files/call.h"
#include "files/place.h"

namespace glovebox {
namespace {

constexpr int kProcessesMax = 8192;
constexpr int kDescriptorsMax = 262'144;  // of all processes
constexpr int kSecondsMax = 2;
constexpr size_t kNameBytesMax = 15;  // as the kernel keeps it

struct CloseDirectory {
  void operator()(DIR* directory) const { ::closedir(directory); }
};
using Directory = std::unique_ptr<DIR, CloseDirectory>;

Directory OpenDirectory(int parent_fd, const char* name) {
  UniqueFd fd(::openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  Directory directory(fd.valid() ? ::fdopendir(fd.get()) : nullptr);
  if (directory != nullptr) (void)fd.Release();
  return directory;
}

// nullptr at the end.
const char* NextName(const Directory& directory) {
  const dirent* entry = ::readdir(directory.get());
  return entry == nullptr ? nullptr : entry->d_name;
}

class OwnerSearch {
 public:
  absl::Status Read(const std::string& request) {
    WireReader reader(request);
    WireField field;
    while (reader.Next(&field)) {
      if (field.number == 1 && field.is_varint) wanted_[field.value] = "";
    }
    if (!reader.malformed() && wanted_.size() <= kFilesOwnersMax) return absl::OkStatus();
    return DetailedError(absl::StatusCode::kInvalidArgument, "the request is malformed",
                         {"INVALID_FIELD", {}});
  }

  void Run() {
    until_ = ::time(nullptr) + kSecondsMax;
    missing_ = wanted_.size();
    const Directory processes = OpenDirectory(AT_FDCWD, "/proc");
    int count = 0;
    while (processes != nullptr && missing_ > 0 && !cut_) {
      const char* name = NextName(processes);
      if (name == nullptr) return;
      uint32_t pid = 0;
      if (!absl::SimpleAtoi(name, &pid) || pid == 0) continue;
      cut_ = ++count > kProcessesMax || ::time(nullptr) > until_;
      // From here on it is this process, or none, whoever gets its number.
      const UniqueFd process(
          ::openat(::dirfd(processes.get()), name, O_PATH | O_DIRECTORY | O_CLOEXEC));
      if (process.valid() && !cut_) LookAt(process.get(), pid);
    }
  }

  std::string Answer() const {
    WireWriter answer;
    for (const auto& [inode, owner] : wanted_) {
      if (!owner.empty()) answer.Bytes(1, owner);
    }
    return answer.message();
  }

 private:
  void LookAt(int process_fd, uint32_t pid) {
    const Directory descriptors = OpenDirectory(process_fd, "fd");
    if (descriptors == nullptr) return;  // it has ended, or hides
    std::string name;
    while (const char* number = NextName(descriptors)) {
      cut_ = ++descriptors_ > kDescriptorsMax || ::time(nullptr) > until_;
      if (cut_) return;
      char target[64];
      const ssize_t size = ::readlinkat(::dirfd(descriptors.get()), number, target, sizeof target);
      absl::string_view text(target, size > 0 ? static_cast<size_t>(size) : 0);
      uint64_t inode = 0;
      if (!absl::ConsumePrefix(&text, "socket:[") || !absl::ConsumeSuffix(&text, "]") ||
          !absl::SimpleAtoi(text, &inode)) {
        continue;
      }
      const auto found = wanted_.find(inode);
      if (found == wanted_.end() || !found->second.empty()) continue;
      if (name.empty()) name = ReadName(process_fd);
      WireWriter owner;
      owner.Number(1, inode);
      owner.Number(2, pid);
      owner.Bytes(3, name);
      found->second = owner.Take();
      if (--missing_ == 0) return;
    }
  }

  // What the process calls itself.
  static std::string ReadName(int process_fd) {
    char name[kNameBytesMax + 1];
    const UniqueFd fd(::openat(process_fd, "comm", O_RDONLY | O_CLOEXEC));
    const ssize_t size = fd.valid() ? ::read(fd.get(), name, sizeof name) : 0;
    absl::string_view text(name, size > 0 ? static_cast<size_t>(size) : 0);
    (void)absl::ConsumeSuffix(&text, "\n");  // it is there, unless nothing is
    return std::string(text);
  }

  std::map<uint64_t, std::string> wanted_;  // inode: its owner as it is answered, "" until found
  size_t missing_ = 0;
  int descriptors_ = 0;
  bool cut_ = false;
  time_t until_ = 0;
};

}  // namespace

absl::Status FindOwnersCall(FilesCall* call) {
  ASSIGN_OR_RETURN(const std::string request, call->ReadRequest());
  OwnerSearch search;
  RETURN_IF_ERROR(search.Read(request));
  search.Run();
  return call->Write(FilesFrameKind::kDone, search.Answer());
}

}  // namespace glovebox
