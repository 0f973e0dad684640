// glovebox preflight: what this host enforces, what it lacks, and what to do about it.
#include <unistd.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/escape.h"
#include "base/status.h"
#include "glovebox/v1/node.pb.h"
#include "linux/host_duties.h"
#include "linux/kernel_features.h"
#include "policy/requirements.h"
#include "tools/glovebox/calls.h"
#include "tools/glovebox/end_report.h"
#include "tools/glovebox/failure.h"
#include "tools/glovebox/invocation.h"
#include "tools/glovebox/json_shapes.h"
#include "tools/glovebox/print.h"
#include "tools/glovebox/repository_argument.h"
#include "tools/glovebox/terminal.h"

namespace glovebox {
namespace {

const char* Mark(v1::CapabilityState state, bool colour) {
  switch (static_cast<int>(state)) {
    case v1::CAPABILITY_STATE_AVAILABLE:
      return colour ? "\x1b[32mok\x1b[0m        " : "ok        ";
    case v1::CAPABILITY_STATE_DEGRADED:
      return colour ? "\x1b[33mdegraded\x1b[0m  " : "degraded  ";
    default:
      return colour ? "\x1b[31mmissing\x1b[0m   " : "missing   ";
  }
}

std::string ForPeople(const google::protobuf::RepeatedPtrField<v1::Capability>& capabilities) {
  const bool colour = ColourWanted(STDOUT_FILENO);
  std::string out;
  for (const v1::Capability& capability : capabilities) {
    absl::StrAppend(&out, Mark(capability.state(), colour), EscapeForPeople(capability.name(), 64));
    if (!capability.mechanism().empty()) {
      absl::StrAppend(&out, ": ", EscapeForPeople(capability.mechanism(), 300));
    }
    out += '\n';
    if (capability.state() == v1::CAPABILITY_STATE_AVAILABLE) continue;
    if (!capability.detail().empty()) {
      absl::StrAppend(&out, "            ", EscapeForPeople(capability.detail(), 1000), "\n");
    }
    if (!capability.remedy().empty()) {
      absl::StrAppend(&out, "            remedy: ", EscapeForPeople(capability.remedy(), 1000),
                      "\n");
    }
  }
  return out;
}

v1::CapabilityState StateOf(FeatureState state) {
  switch (state) {
    case FeatureState::kOk:
      return v1::CAPABILITY_STATE_AVAILABLE;
    case FeatureState::kDegraded:
      return v1::CAPABILITY_STATE_DEGRADED;
    case FeatureState::kMissing:
      break;
  }
  return v1::CAPABILITY_STATE_MISSING;
}

// What can be seen without a daemon and without its privileges. Before any thread is started.
v1::Node ProbeHere() {
  v1::Node node;
  std::vector<KernelFeature> features = ProbeKernelFeatures();
  for (KernelFeature& duty : ProbeHostDuties("")) features.push_back(std::move(duty));
  for (const KernelFeature& feature : features) {
    v1::Capability* capability = node.add_capabilities();
    capability->set_name(feature.name);
    capability->set_state(StateOf(feature.state));
    capability->set_mechanism(feature.found);
    capability->set_detail(feature.lost);
    capability->set_remedy(feature.remedy);
    capability->set_level(feature.level);
  }
  return node;
}

absl::StatusOr<v1::Node> AskDaemon(const Invocation& invocation) {
  ASSIGN_OR_RETURN(const auto connection, Connection::Open(invocation.socket));
  v1::GetNodeResponse response;
  RETURN_IF_ERROR(Call(*connection, v1::GetNodeRequest(), &response));
  return response.node();
}

absl::Status Check(const v1::Node& node, const std::vector<std::string>& required) {
  std::vector<HostCapability> host;
  for (const v1::Capability& c : node.capabilities()) {
    HostCapability::State state = HostCapability::State::kMissing;
    if (c.state() == v1::CAPABILITY_STATE_AVAILABLE) state = HostCapability::State::kAvailable;
    if (c.state() == v1::CAPABILITY_STATE_DEGRADED) state = HostCapability::State::kDegraded;
    host.push_back({c.name(), state, c.mechanism(), c.remedy(), c.level()});
  }
  return CheckRequirements(required, host);
}

bool AnyMissing(const v1::Node& node) {
  for (const v1::Capability& capability : node.capabilities()) {
    if (capability.state() == v1::CAPABILITY_STATE_MISSING) return true;
  }
  return false;
}

int Preflight(const Invocation& invocation, const std::vector<std::string>& required) {
  absl::StatusOr<v1::Node> node = AskDaemon(invocation);
  const bool asked = node.ok();
  if (!asked) {
    if (!absl::IsUnavailable(node.status())) return Fail("preflight", node.status(), kExitFailure);
    (void)Fail("preflight", node.status(), 0);
    Note("checking the kernel alone; what the daemon would enforce with it is not known");
    node = ProbeHere();
  }
  int code = 0;
  if (invocation.json) {
    Json out = NodeJson(*node);
    out["daemon_reached"] = asked;
    code = Print(Pretty(out));
  } else {
    code = Print(ForPeople(node->capabilities()));
  }
  if (code != 0) return code;
  if (required.empty()) return AnyMissing(*node) ? kExitFailure : 0;
  const absl::Status met = Check(*node, required);
  return met.ok() ? 0 : Fail("preflight", met, kExitFailure);
}

}  // namespace

void AddPreflight(Verb app, Invocation& invocation) {
  auto required = std::make_shared<std::vector<std::string>>();
  Verb verb = AddVerb(
      app, invocation, "preflight",
      "Show what this host enforces and lacks, with the remedy; exit code 1 when it lacks any",
      "  glovebox preflight\n"
      "  glovebox preflight --require 'landlock>=6' --require 'cgroup>=2'\n"
      "  glovebox preflight --json | jq '.capabilities[] | select(.state != \"available\")'",
      [&invocation, required] { return Preflight(invocation, *required); });
  verb.AddOption("--require", *required,
                 "Exit with 1 only unless the host enforces this; may be repeated")
      .TypeName("NAME[>=N]")
      .Repeated();
}

}  // namespace glovebox
