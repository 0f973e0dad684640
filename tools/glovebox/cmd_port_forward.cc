// glovebox port-forward: ports of this host that lead to what listens in a sandbox.
#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <memory>

#include "absl/strings/str_cat.h"
#include "base/escape.h"
#include "base/status.h"
#include "tools/glovebox/end_report.h"
#include "tools/glovebox/failure.h"
#include "tools/glovebox/invocation.h"
#include "tools/glovebox/json_shapes.h"
#include "tools/glovebox/local_ports.h"
#include "tools/glovebox/lookup.h"
#include "tools/glovebox/port_argument.h"
#include "tools/glovebox/print.h"
#include "tools/glovebox/sandbox_calls.h"
#include "tools/glovebox/signal_thread.h"

namespace glovebox {
namespace {

struct Options {
  std::string id;
  std::vector<std::string> pairs;
  bool stdio = false;
};

constexpr char kWord[] = "port-forward";

// The sandbox, and with it every connection, will not come back.
bool IsFinal(const absl::Status& why) {
  return HasReason(why, "SANDBOX_NOT_FOUND") || HasReason(why, "SANDBOX_STOPPED") ||
         HasReason(why, "CAPABILITY_MISSING");
}

bool IsEnd(int signal) {
  return signal == SIGINT || signal == SIGTERM || signal == SIGHUP || signal == SIGQUIT;
}

int Announce(const Invocation& invocation, uint16_t local, uint16_t remote) {
  if (invocation.json) {
    const Json line = {{"local_address", "127.0.0.1"}, {"local_port", local}, {"port", remote}};
    return Print(absl::StrCat(line.dump(), "\n"));
  }
  return Print(absl::StrCat("Forwarding from 127.0.0.1:", local, " -> ", remote, "\n"));
}

int ServePorts(const Invocation& invocation, Connection& connection, const std::string& sandbox,
               const std::vector<PortPair>& pairs) {
  std::atomic<bool> lost = false;
  const auto failed = [&lost](uint16_t port, const absl::Status& why) {
    Fail(absl::StrCat(kWord, ": port ", port), why, kExitFailure);
    if (IsFinal(why)) lost = true;
    return lost.load();
  };
  auto ports = LocalPorts::Make(connection, sandbox, failed);
  if (!ports.ok()) return Fail(kWord, ports.status(), kExitFailure);
  const SignalThread signals([&ports](int signal) {
    if (IsEnd(signal)) (*ports)->Stop();
  });
  std::vector<uint16_t> local;
  for (const PortPair& pair : pairs) {
    const auto port = (*ports)->Listen(pair);
    if (!port.ok()) return Fail(kWord, port.status(), kExitFailure);
    local.push_back(*port);
  }
  for (size_t i = 0; i < pairs.size(); ++i) {
    if (const int code = Announce(invocation, local[i], pairs[i].remote); code != 0) return code;
  }
  const absl::Status served = (*ports)->Serve();
  if (!served.ok()) return Fail(kWord, served, kExitFailure);
  return lost ? kExitFailure : 0;
}

// One connection over our stdin and stdout.
int CarryStdio(Connection& connection, const std::string& sandbox, uint16_t port) {
  auto tunnel = PortTunnel::Make(connection, sandbox, port);
  if (!tunnel.ok()) return Fail(kWord, tunnel.status(), kExitFailure);
  std::atomic<bool> stopped = false;
  const SignalThread signals([&](int signal) {
    if (!IsEnd(signal)) return;
    stopped = true;
    (*tunnel)->Cancel();
  });
  // Who reads our stdout learns of the end although we still read theirs.
  const absl::Status carried = (*tunnel)->Carry(STDIN_FILENO, STDOUT_FILENO, [] {
    const UniqueFd null(::open("/dev/null", O_WRONLY | O_CLOEXEC));
    (void)::dup3(null.get(), STDOUT_FILENO, O_CLOEXEC);  // without /dev/null: at our own end
  });
  if (carried.ok() || stopped) return 0;
  return Fail(kWord, carried, kExitFailure);
}

int PortForward(const Invocation& invocation, const Options& options) {
  std::vector<PortPair> pairs;
  for (const std::string& text : options.pairs) {
    const auto pair = ParsePortPair(text);
    if (!pair.ok()) return Fail(kWord, pair.status(), kExitUsage);
    pairs.push_back(*pair);
  }
  if (options.stdio && (pairs.size() != 1 || options.pairs[0].find(':') != std::string::npos)) {
    return Fail(kWord, absl::InvalidArgumentError("--stdio takes one port of the sandbox"),
                kExitUsage);
  }
  BlockSignals();
  auto connection = Connection::Open(invocation.socket);
  if (!connection.ok()) return Fail(kWord, connection.status(), kExitFailure);
  const auto id = ResolveSandbox(**connection, options.id);
  if (!id.ok()) return Fail(kWord, id.status(), kExitFailure);
  if (options.stdio) return CarryStdio(**connection, *id, pairs[0].remote);
  // Who mistyped it learns that now, and not with the first connection.
  const auto sandbox = GetSandbox(**connection, *id);
  if (!sandbox.ok()) return Fail(kWord, sandbox.status(), kExitFailure);
  return ServePorts(invocation, **connection, *id, pairs);
}

}  // namespace

void AddPortForward(Verb app, Invocation& invocation) {
  auto options = std::make_shared<Options>();
  Verb verb = AddVerb(
      app, invocation, kWord, "Reach ports that commands in a sandbox listen on",
      "  glovebox port-forward 3f2a 8080          # 127.0.0.1:8080 here, 8080 in the sandbox\n"
      "  glovebox port-forward 3f2a 9000:8080 :5432\n"
      "  ssh -o ProxyCommand='glovebox port-forward --stdio 3f2a 22' root@3f2a\n"
      "Until Ctrl-C. A new connection here is a new one there.",
      [&invocation, options] { return PortForward(invocation, *options); });
  verb.AddOption("ID", options->id, "Sandbox").Required();
  verb.AddOption("PORT", options->pairs,
                 "[LOCAL:]PORT; without LOCAL before the colon, or with 0, any free one")
      .Required();
  verb.AddFlag("--stdio", options->stdio, "One connection, over stdin and stdout");
}

}  // namespace glovebox
