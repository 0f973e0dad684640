// What the two processes of glovebox-lookup do (daemon/lookup_process.h), and what is said between
// them and the daemon, in packets.
#ifndef GLOVEBOX_DAEMON_LOOKUP_SERVER_H_
#define GLOVEBOX_DAEMON_LOOKUP_SERVER_H_

#include <sys/types.h>

#include <cstdint>

namespace glovebox {

// To it.
inline constexpr char kLookupGive[] = "?";     // with two sockets: answered with the link
inline constexpr char kLookupAnother[] = "*";  // with a socket: the other of the two serves it
// From it: first of all, with a pidfd of its own, when it serves; then for each question. Else "-"
// and why not.
inline constexpr char kLookupDone[] = "+";

// Of a child that was just forked by a process with one thread: confines it, and is the one in
// reserve from then on, until nobody has the other end of `control`.
[[noreturn]] void RunLookup(int control, pid_t parent, uint64_t hosts_namespace);

}  // namespace glovebox

#endif  // GLOVEBOX_DAEMON_LOOKUP_SERVER_H_
