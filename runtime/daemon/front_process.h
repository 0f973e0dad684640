// One glovebox-front process.
#ifndef GLOVEBOX_DAEMON_FRONT_PROCESS_H_
#define GLOVEBOX_DAEMON_FRONT_PROCESS_H_

#include <sys/types.h>

#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/unique_fd.h"
#include "daemon/controlled_process.h"
#include "daemon/tls.h"
#include "front/front_wire.h"

namespace glovebox {

// What every front of a daemon is made from.
struct FrontParts {
  UniqueFd program;  // sealed memfds, all four
  UniqueFd certificate, key, client_ca;
  UniqueFd listener;
  FrontSetup setup;
};
absl::StatusOr<FrontParts> MakeFrontParts(const TlsPems& pems, UniqueFd listener,
                                          const FrontSetup& setup);

// One thread, which is the one that started it: the front is killed when that thread ends.
class FrontProcess {
 public:
  // Returns when the front is confined and accepts. INTERNAL.
  static absl::StatusOr<std::unique_ptr<FrontProcess>> Start(const FrontParts& parts);
  FrontProcess(const FrontProcess&) = delete;
  FrontProcess& operator=(const FrontProcess&) = delete;

  int control_fd() const { return process_.control_fd(); }
  pid_t pid() const { return process_.pid(); }
  // No new connections from now on; open ones go on.
  void StopAccepting();
  // Kills it if it lives, and says how it ended.
  std::string End() { return process_.End(); }

 private:
  explicit FrontProcess(ControlledProcess process) : process_(std::move(process)) {}
  absl::Status SetUp(const FrontParts& parts);

  ControlledProcess process_;
};

}  // namespace glovebox

#endif  // GLOVEBOX_DAEMON_FRONT_PROCESS_H_
