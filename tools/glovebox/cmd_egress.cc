// glovebox egress: what a sandbox may reach, shown or replaced.
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "glovebox/v1/network.pb.h"
#include "tools/glovebox/calls.h"
#include "tools/glovebox/egress_options.h"
#include "tools/glovebox/end_report.h"
#include "tools/glovebox/failure.h"
#include "tools/glovebox/invocation.h"
#include "tools/glovebox/json_shapes.h"
#include "tools/glovebox/lookup.h"
#include "tools/glovebox/net_line.h"
#include "tools/glovebox/print.h"
#include "tools/glovebox/sandbox_calls.h"

namespace glovebox {
namespace {

struct Options {
  std::string id;
  EgressOptions egress;
  bool none = false;
  bool add = false;
};

constexpr char kEgress[] = "egress";

absl::StatusOr<std::optional<v1::EgressPolicy>> Asked(const Options& options) {
  if (!options.none) {
    ASSIGN_OR_RETURN(auto policy, BuildEgress(options.egress));
    if (options.add && (!policy.has_value() || !options.egress.mode.empty())) {
      return absl::InvalidArgumentError(
          "--add goes with --allow, --preset and --allow-private alone");
    }
    return policy;
  }
  EgressOptions none = options.egress;
  const bool alone = none.mode.empty() || none.mode == "none";
  if (!alone || options.add) return absl::InvalidArgumentError("--none goes with no other option");
  none.mode = "none";
  return BuildEgress(none);
}

// The policy that there is, with what `more` has.
absl::Status AddTo(const v1::Sandbox& sandbox, v1::EgressPolicy more,
                   v1::UpdateEgressRequest* request) {
  if (sandbox.egress().mode() == v1::EGRESS_MODE_FULL &&
      more.rules_size() + more.presets_size() > 0) {
    return absl::InvalidArgumentError(
        "--add: the mode is full, in which every public host is allowed; leave --add out for an "
        "allow list instead");
  }
  v1::EgressPolicy policy = sandbox.egress();
  if (more.rules_size() + more.presets_size() > 0) policy.set_mode(v1::EGRESS_MODE_ALLOW_LIST);
  policy.MergeFrom([&] {
    more.clear_mode();
    return more;
  }());
  *request->mutable_policy() = std::move(policy);
  request->set_etag(sandbox.egress_etag());
  return absl::OkStatus();
}

absl::StatusOr<v1::UpdateEgressResponse> Update(Connection& connection, const Options& options,
                                                v1::EgressPolicy policy) {
  v1::UpdateEgressRequest request;
  ASSIGN_OR_RETURN(*request.mutable_sandbox_id(), ResolveSandbox(connection, options.id));
  if (options.add) {
    ASSIGN_OR_RETURN(const v1::Sandbox sandbox, GetSandbox(connection, request.sandbox_id()));
    RETURN_IF_ERROR(AddTo(sandbox, std::move(policy), &request));
  } else {
    *request.mutable_policy() = std::move(policy);
  }
  v1::UpdateEgressResponse response;
  RETURN_IF_ERROR(Call(connection, request, &response));
  return response;
}

absl::StatusOr<v1::Sandbox> Find(Connection& connection, const std::string& text) {
  ASSIGN_OR_RETURN(const std::string id, ResolveSandbox(connection, text));
  return GetSandbox(connection, id);
}

int Egress(const Invocation& invocation, const Options& options) {
  auto asked = Asked(options);
  if (!asked.ok()) return Fail(kEgress, asked.status(), kExitUsage);
  auto connection = Connection::Open(invocation.socket);
  if (!connection.ok()) return Fail(kEgress, connection.status(), kExitFailure);
  if (!asked->has_value()) {
    const auto sandbox = Find(**connection, options.id);
    if (!sandbox.ok()) return Fail(kEgress, sandbox.status(), kExitFailure);
    return Print(invocation.json ? Pretty({{"policy", EgressJson(sandbox->egress())},
                                           {"etag", sandbox->egress_etag()}})
                                 : PolicyText(sandbox->egress()));
  }
  const auto updated = Update(**connection, options, **std::move(asked));
  if (!updated.ok()) {
    return Fail(kEgress, updated.status(),
                absl::IsInvalidArgument(updated.status()) ? kExitUsage : kExitFailure);
  }
  if (invocation.json) {
    return Print(Pretty({{"policy", EgressJson(updated->policy())},
                         {"etag", updated->etag()},
                         {"connections_cut", updated->connections_cut()}}));
  }
  return Print(absl::StrCat(updated->connections_cut(), " connections cut\n"));
}

}  // namespace

void AddEgress(Verb app, Invocation& invocation) {
  auto options = std::make_shared<Options>();
  Verb verb = AddVerb(app, invocation, kEgress, "Show or replace what a sandbox may reach",
                      "  glovebox egress 3f2a\n"
                      "  glovebox egress 3f2a --allow pypi.org --allow db.example.com:5432\n"
                      "  glovebox egress 3f2a --add --preset npm",
                      [&invocation, options] { return Egress(invocation, *options); });
  verb.AddOption("ID", options->id, "Sandbox").Required();
  AddEgressOptions(verb, "--mode,--egress", "--preset,--allow-preset", options->egress);
  verb.AddFlag("--none", options->none, "As --mode none: nothing any more");
  verb.AddFlag("--add", options->add, "Besides what is allowed already, instead of it");
}

}  // namespace glovebox
