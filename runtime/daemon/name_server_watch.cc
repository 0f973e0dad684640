#include "daemon/name_server_watch.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status.h"
#include "daemon/name_servers.h"
#include "linux/file_io.h"

namespace glovebox {
namespace {

constexpr int kLinksMax = 16;
constexpr uint32_t kOfDirectory = IN_ONLYDIR | IN_CREATE | IN_MOVED_TO | IN_DELETE | IN_MOVED_FROM |
                                  IN_DELETE_SELF | IN_MOVE_SELF;
// IN_ATTRIB: its mode, or its last name went. In place it is looked at when who writes is done.
constexpr uint32_t kOfFile =
    IN_DONT_FOLLOW | IN_CLOSE_WRITE | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF;

// {directory, name}; "" is the root.
std::pair<std::string, std::string> Split(const std::string& path) {
  const size_t slash = path.rfind('/');
  return {path.substr(0, slash), path.substr(slash + 1)};
}

// Where the link at `path` leads; "" when there is no link.
std::string TargetOf(const std::string& path) {
  std::string target(PATH_MAX, 0);
  const ssize_t size = ::readlink(path.c_str(), target.data(), target.size());
  if (size <= 0) return "";
  target.resize(static_cast<size_t>(size));
  return target[0] == '/' ? target : absl::StrCat(Split(path).first, "/", target);
}

}  // namespace

absl::StatusOr<std::unique_ptr<NameServerWatch>> NameServerWatch::Start(
    std::string path, std::vector<IpAddress> known, const Log* log, Take take) {
  UniqueFd wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake.valid()) return ErrnoError(errno, "eventfd");
  std::unique_ptr<NameServerWatch> watch(new NameServerWatch(std::move(path), std::move(known), log,
                                                             std::move(take), std::move(wake)));
  watch->thread_ = std::thread([raw = watch.get()] { raw->Run(); });
  return watch;
}

NameServerWatch::~NameServerWatch() {
  ending_.store(true);
  const uint64_t one = 1;
  (void)!::write(wake_.get(), &one, sizeof one);  // cannot fail: the counter is far from full
  thread_.join();
}

// Whether `name` can come and go in `directory` unseen no more. Where that is not there, the one
// that is and has to have the next of its names is watched: false when it came just then.
bool NameServerWatch::WatchDirectory(std::string directory, std::string name, Watched* watched) {
  for (bool is_there = true;; is_there = false) {
    const std::string place = directory.empty() ? "/" : directory;
    const int watch = ::inotify_add_watch(watched->inotify.get(), place.c_str(), kOfDirectory);
    if (watch >= 0) {
      watched->names[watch].insert(name);
      return is_there || ::access(absl::StrCat(directory, "/", name).c_str(), F_OK) != 0;
    }
    if ((errno != ENOENT && errno != ENOTDIR) || directory.empty()) return false;
    std::tie(directory, name) = Split(directory);
  }
}

// Watches first and looks then: what changes in between is an event.
NameServerWatch::Watched NameServerWatch::WatchAll(const std::string& path) {
  Watched watched;
  watched.inotify.Reset(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  watched.is_whole = watched.inotify.valid();
  std::string place = path;
  for (int links = 0; watched.is_whole && links < kLinksMax; ++links) {
    const auto [directory, name] = Split(place);
    watched.is_whole = WatchDirectory(directory, name, &watched);
    const std::string target = TargetOf(place);
    if (target.empty()) break;
    place = target;
  }
  // For one that is written in place, and one that is a mount: its directory tells of neither.
  const int watch = ::inotify_add_watch(watched.inotify.get(), place.c_str(), kOfFile);
  if (watch >= 0) watched.names[watch] = {};
  if (watch < 0 && errno != ENOENT && errno != ENOTDIR) watched.is_whole = false;
  return watched;
}

// Takes what waits.
bool NameServerWatch::Matters(const Watched& watched) {
  alignas(inotify_event) char buffer[4096];
  bool matters = false;
  for (;;) {
    const ssize_t size = ::read(watched.inotify.get(), buffer, sizeof buffer);
    if (size <= 0) return matters;
    for (ssize_t at = 0; at < size;) {
      inotify_event event;
      std::memcpy(&event, buffer + at, sizeof event);
      const char* const name = buffer + at + sizeof event;
      const auto found = watched.names.find(event.wd);
      // Of the watch itself, or that events were dropped.
      const bool of_all = event.len == 0 || found == watched.names.end();
      matters = matters || of_all || found->second.contains(name);
      at += static_cast<ssize_t>(sizeof event + event.len);
    }
  }
}

void NameServerWatch::Run() {
  Watched watched = WatchAll(path_);
  Look();
  while (!ending_.load()) {
    pollfd waiting[] = {{wake_.get(), POLLIN, 0}, {watched.inotify.get(), POLLIN, 0}};
    const int ready = ::poll(waiting, 2, watched.is_whole ? -1 : kLookAgainMs);
    if (ready < 0 || ending_.load()) continue;
    if (ready > 0 && !Matters(watched)) continue;
    watched = WatchAll(path_);
    Look();
  }
}

void NameServerWatch::Look() {
  const absl::StatusOr<std::string> text = ReadFileAt(AT_FDCWD, path_, kResolvConfBytesMax);
  std::vector<IpAddress> servers;
  if (text.ok()) servers = NamedServers(*text);
  if (servers.empty()) {
    if (std::exchange(complained_, true)) return;
    log_->Write(LogLevel::kWarn, "name servers stay as they were",
                {{"path", path_},
                 {"why", text.ok() ? "it names none" : std::string(text.status().message())}});
    return;
  }
  complained_ = false;
  if (servers == known_) return;
  known_ = std::move(servers);
  log_->Write(LogLevel::kInfo, "sandboxes' names are asked of other name servers",
              {{"path", path_},
               {"servers", absl::StrJoin(known_, " ", [](std::string* out, const IpAddress& one) {
                  out->append(one.Text());
                })}});
  take_(known_);
}

}  // namespace glovebox
