// Follows the host's resolv.conf.
#ifndef GLOVEBOX_DAEMON_NAME_SERVER_WATCH_H_
#define GLOVEBOX_DAEMON_NAME_SERVER_WATCH_H_

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "base/unique_fd.h"
#include "daemon/logging.h"
#include "policy/ip_address.h"

namespace glovebox {

// However the file becomes another one: written in place, renamed over, by another target of a link
// on the way to it, or away for a while, its directory too. The kernel says when to look
// (inotify); where it cannot, the file is looked at every kLookAgainMs. A file that cannot be read,
// or names no server, changes nothing and is logged once.
class NameServerWatch {
 public:
  static constexpr int kLookAgainMs = 10'000;
  // On the watch's thread; may wait.
  using Take = std::function<void(const std::vector<IpAddress>& servers)>;

  // Looks at once: `take` hears of servers that are not `known`, then of each change. `path` is
  // absolute; `log` outlives it.
  static absl::StatusOr<std::unique_ptr<NameServerWatch>> Start(std::string path,
                                                                std::vector<IpAddress> known,
                                                                const Log* log, Take take);
  ~NameServerWatch();
  NameServerWatch(const NameServerWatch&) = delete;
  NameServerWatch& operator=(const NameServerWatch&) = delete;

 private:
  // All that the path goes through, as it was when it was looked at.
  struct Watched {
    UniqueFd inotify;
    // By watch: in a directory these names matter; none: every event does.
    std::map<int, std::set<std::string>> names;
    bool is_whole = true;
  };

  NameServerWatch(std::string path, std::vector<IpAddress> known, const Log* log, Take take,
                  UniqueFd wake)
      : path_(std::move(path)),
        log_(log),
        take_(std::move(take)),
        wake_(std::move(wake)),
        known_(std::move(known)) {}
  static bool WatchDirectory(std::string directory, std::string name, Watched* watched);
  static Watched WatchAll(const std::string& path);
  static bool Matters(const Watched& watched);
  void Run();
  void Look();

  const std::string path_;
  const Log* const log_;
  const Take take_;
  const UniqueFd wake_;  // eventfd: ending_ has changed
  std::atomic<bool> ending_ = false;
  // Of the thread.
  std::vector<IpAddress> known_;
  bool complained_ = false;
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace glovebox

#endif  // GLOVEBOX_DAEMON_NAME_SERVER_WATCH_H_
