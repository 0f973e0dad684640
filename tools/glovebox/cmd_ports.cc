// glovebox ports, wait-port: what commands in a sandbox listen on.
#include <unistd.h>

#include <algorithm>
#include <memory>

#include "absl/strings/str_cat.h"
#include "base/escape.h"
#include "base/status.h"
#include "glovebox/v1/network.pb.h"
#include "tools/glovebox/calls.h"
#include "tools/glovebox/end_report.h"
#include "tools/glovebox/failure.h"
#include "tools/glovebox/invocation.h"
#include "tools/glovebox/json_shapes.h"
#include "tools/glovebox/lookup.h"
#include "tools/glovebox/port_argument.h"
#include "tools/glovebox/print.h"
#include "tools/glovebox/sizes.h"
#include "tools/glovebox/table.h"
#include "tools/glovebox/terminal.h"

namespace glovebox {
namespace {

struct Options {
  std::string id, port, timeout;
};

constexpr char kPorts[] = "ports";
constexpr char kWaitPort[] = "wait-port";
constexpr int32_t kPageSize = 1000;

Json TextOrNull(const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); }

Json PortJson(const v1::ListeningPort& port) {
  return {{"port", port.port()},
          {"address", port.address()},
          {"exec_id", TextOrNull(port.exec_id())},
          {"pid", port.pid() == 0 ? Json(nullptr) : Json(port.pid())},
          {"program", TextOrNull(port.program())}};
}

// All pages as one.
absl::StatusOr<v1::ListListeningPortsResponse> AllPorts(Connection& connection,
                                                        const std::string& sandbox) {
  v1::ListListeningPortsRequest request;
  request.set_sandbox_id(sandbox);
  request.set_page_size(kPageSize);
  v1::ListListeningPortsResponse all;
  do {
    v1::ListListeningPortsResponse page;
    RETURN_IF_ERROR(Call(connection, request, &page));
    request.set_page_token(page.next_page_token());
    all.set_owners_incomplete(all.owners_incomplete() || page.owners_incomplete());
    all.set_omitted_count(std::max(all.omitted_count(), page.omitted_count()));
    all.mutable_ports()->MergeFrom(page.ports());
  } while (!request.page_token().empty());
  return all;
}

int Ports(const Invocation& invocation, const Options& options) {
  auto connection = Connection::Open(invocation.socket);
  if (!connection.ok()) return Fail(kPorts, connection.status(), kExitFailure);
  const auto id = ResolveSandbox(**connection, options.id);
  if (!id.ok()) return Fail(kPorts, id.status(), kExitFailure);
  const auto all = AllPorts(**connection, *id);
  if (!all.ok()) return Fail(kPorts, all.status(), kExitFailure);
  Json json = Json::array();
  std::vector<std::vector<std::string>> rows = {{"PORT", "ADDRESS", "EXEC", "PID", "PROGRAM"}};
  for (const v1::ListeningPort& port : all->ports()) {
    json.push_back(PortJson(port));
    rows.push_back({absl::StrCat(port.port()), EscapeForPeople(port.address(), 63),
                    port.exec_id().empty() ? "-" : EscapeForPeople(port.exec_id(), 63),
                    port.pid() == 0 ? "-" : absl::StrCat(port.pid()),
                    port.program().empty() ? "-" : port.program()});  // escaped by the daemon
  }
  if (invocation.json) {
    return Print(Pretty({{"ports", json},
                         {"omitted_count", all->omitted_count()},
                         {"owners_incomplete", all->owners_incomplete()}}));
  }
  std::string text = FormatTable(rows, ColourWanted(STDOUT_FILENO));
  if (all->omitted_count() > 0) absl::StrAppend(&text, all->omitted_count(), " more listen\n");
  return Print(text);
}

absl::StatusOr<v1::ListeningPort> Await(const Invocation& invocation, const Options& options) {
  v1::WaitForPortRequest request;
  ASSIGN_OR_RETURN(const uint16_t port, ParsePort(options.port));
  request.set_port(port);
  if (!options.timeout.empty()) {
    ASSIGN_OR_RETURN(const absl::Duration timeout, ParseTimeout(options.timeout));
    request.mutable_timeout()->set_seconds(absl::ToInt64Seconds(timeout));
    const absl::Duration rest = timeout - absl::Floor(timeout, absl::Seconds(1));
    request.mutable_timeout()->set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(rest)));
  }
  ASSIGN_OR_RETURN(const auto connection, Connection::Open(invocation.socket));
  ASSIGN_OR_RETURN(const std::string id, ResolveSandbox(*connection, options.id));
  request.set_sandbox_id(id);
  v1::WaitForPortResponse response;
  RETURN_IF_ERROR(Call(*connection, request, &response));
  return response.port();
}

int WaitPort(const Invocation& invocation, const Options& options) {
  const auto port = Await(invocation, options);
  if (!port.ok()) {
    return Fail(kWaitPort, port.status(),
                absl::IsInvalidArgument(port.status()) ? kExitUsage : kExitFailure);
  }
  return Print(invocation.json ? Pretty(PortJson(*port)) : "");
}

}  // namespace

void AddPorts(Verb app, Invocation& invocation) {
  auto listed = std::make_shared<Options>();
  Verb ports = AddVerb(app, invocation, kPorts, "List what commands in a sandbox listen on",
                       "  glovebox ports 3f2a",
                       [&invocation, listed] { return Ports(invocation, *listed); });
  ports.AddOption("ID", listed->id, "Sandbox").Required();
  auto awaited = std::make_shared<Options>();
  Verb wait = AddVerb(app, invocation, kWaitPort, "Wait until a command listens on a port",
                      "  glovebox exec --detach 3f2a -- npm start\n"
                      "  glovebox wait-port 3f2a 3000 && glovebox port-forward 3f2a 3000",
                      [&invocation, awaited] { return WaitPort(invocation, *awaited); });
  wait.AddOption("ID", awaited->id, "Sandbox").Required();
  wait.AddOption("PORT", awaited->port, "Of the sandbox's 127.0.0.1 or ::1").Required();
  wait.AddOption("--timeout", awaited->timeout, "Fail after this time (60s; at most 1h)")
      .TypeName("TIME");
}

}  // namespace glovebox
