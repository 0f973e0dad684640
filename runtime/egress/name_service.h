// The name server of a sandbox: made-up addresses for permitted names, nothing for others. It asks
// nobody: a name is resolved when a permitted connection to it is made.
#ifndef GLOVEBOX_EGRESS_NAME_SERVICE_H_
#define GLOVEBOX_EGRESS_NAME_SERVICE_H_

#include <memory>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "egress/client_commands.h"
#include "egress/net_io.h"
#include "egress/sandbox_egress.h"

namespace glovebox {

// The answer to one packet; empty: none is given. Denied names become events of the command that
// `asker` says.
std::string AnswerQuestion(SandboxEgress* sandbox, absl::string_view packet,
                           absl::FunctionRef<ClientCommand()> asker);

// Answers what waits in the socket; whether there may be more.
bool AnswerTurn(SandboxEgress* sandbox, int fd);

// Until the sandbox is removed. Answers come from the address that was asked, whichever it was.
awaitable<void> ServeNamesOverUdp(std::shared_ptr<SandboxEgress> sandbox,
                                  std::shared_ptr<asio::posix::stream_descriptor> socket);

// One connection, of `command`, until it ends, is idle, or breaks the form. Counts as one of the
// sandbox's.
awaitable<void> ServeNamesOverTcp(std::shared_ptr<SandboxEgress> sandbox, tcp::socket* client,
                                  ClientCommand command);

}  // namespace glovebox

#endif  // GLOVEBOX_EGRESS_NAME_SERVICE_H_
