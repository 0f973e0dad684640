// What the kernel and the program for files say of the sockets that listen in a sandbox.
#include <sys/socket.h>

#include <cstring>

#include "linux/socket_diag.h"
#include "service/port_owner_answer.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/targets.h"

namespace glovebox {

void FuzzListeningSockets(absl::string_view bytes) {
  FuzzInput input(bytes);
  const uint32_t sequence = input.Byte();
  const absl::string_view rest = bytes.substr(bytes.empty() ? 0 : 1);
  if (const auto answer = ParseDiagAnswer(rest, sequence); answer.ok()) {
    Demand(answer->sockets.size() <= rest.size() / 88, "a socket is 16 and 72 bytes at least");
    for (const ListeningSocket& socket : answer->sockets) {
      Demand(!socket.address.empty() && socket.address.size() < 46, "addresses are addresses");
    }
  }
  if (const auto answer = ParseClientAnswer(rest, sequence); answer.ok() && answer->has_value()) {
    Demand(!(*answer)->found || (*answer)->error == 0, "what is found is no error");
    Demand((*answer)->own.is_v6 || (*answer)->own.address[4] == 0, "IPv4 has four bytes");
  }
  for (const auto& [inode, owner] : ParsePortOwners(rest, {1, 2, sequence})) {
    Demand(inode == 1 || inode == 2 || inode == sequence, "owners are of what was asked for");
    Demand(owner.pid != 0 && owner.program.size() <= 15 * 4, "owners are bounded");
    Demand(IsPlain(owner.program), "names are escaped");
  }
}

}  // namespace glovebox
