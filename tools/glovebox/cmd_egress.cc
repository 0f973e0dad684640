// glovebox egress: what a sandbox may reach, shown or replaced.
#include <algorithm>
#include <memory>
#include <string>

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
    ASSIGN_OR_RETURN(auto policy, BuildEgress(options.egress, options.add ? EgressUse::kAddition
                                                                          : EgressUse::kWhole));
    if (options.add && (!policy.has_value() || !options.egress.mode.empty())) {
      return absl::InvalidArgumentError(
          "--add goes with --allow, --preset, --allow-private and --limit alone");
    }
    return policy;
  }
  EgressOptions none = options.egress;
  const bool alone = none.mode.empty() || none.mode == "none";
  if (!alone || options.add) return absl::InvalidArgumentError("--none goes with no other option");
  none.mode = "none";
  return BuildEgress(none, EgressUse::kWhole);
}

// What is there already is not added again.
template <typename Item, typename Text>
void AddMissing(const google::protobuf::RepeatedPtrField<Item>& more, Text text,
                google::protobuf::RepeatedPtrField<Item>* all) {
  for (const Item& item : more) {
    const bool there = std::any_of(all->begin(), all->end(),
                                   [&](const Item& one) { return text(one) == text(item); });
    if (!there) *all->Add() = item;
  }
}

// The policy that there is, with what `more` has.
absl::Status AddTo(const v1::Sandbox& sandbox, const v1::EgressPolicy& more,
                   v1::UpdateEgressRequest* request) {
  const bool list = more.rules_size() + more.presets_size() > 0;
  if (list && sandbox.egress().mode() == v1::EGRESS_MODE_FULL) {
    return absl::InvalidArgumentError(
        "--add: the mode is full, in which every public host is allowed; leave --add out for an "
        "allow list instead");
  }
  v1::EgressPolicy& policy = *request->mutable_policy();
  policy = sandbox.egress();
  if (list) policy.set_mode(v1::EGRESS_MODE_ALLOW_LIST);
  const auto same = [](const std::string& text) { return text; };
  AddMissing(
      more.rules(), [](const v1::EgressRule& rule) { return rule.SerializeAsString(); },
      policy.mutable_rules());
  AddMissing(more.presets(), same, policy.mutable_presets());
  AddMissing(more.private_ranges_allowed(), same, policy.mutable_private_ranges_allowed());
  policy.mutable_limits()->MergeFrom(more.limits());  // those that are named
  request->set_etag(sandbox.egress_etag());
  return absl::OkStatus();
}

absl::StatusOr<v1::UpdateEgressResponse> Update(Connection& connection, const Options& options,
                                                const v1::EgressPolicy& policy) {
  v1::UpdateEgressRequest request;
  ASSIGN_OR_RETURN(*request.mutable_sandbox_id(), ResolveSandbox(connection, options.id));
  if (options.add) {
    ASSIGN_OR_RETURN(const v1::Sandbox sandbox, GetSandbox(connection, request.sandbox_id()));
    RETURN_IF_ERROR(AddTo(sandbox, policy, &request));
  } else {
    *request.mutable_policy() = policy;
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
  const auto asked = Asked(options);
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
  const auto updated = Update(**connection, options, **asked);
  if (!updated.ok()) {
    return Fail(kEgress, updated.status(),
                absl::IsInvalidArgument(updated.status()) ? kExitUsage : kExitFailure);
  }
  if (invocation.json) {
    return Print(Pretty({{"policy", EgressJson(updated->policy())},
                         {"etag", updated->etag()},
                         {"connections_cut", updated->connections_cut()}}));
  }
  const uint32_t cut = updated->connections_cut();
  return Print(absl::StrCat(cut, cut == 1 ? " connection cut\n" : " connections cut\n"));
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
  AddEgressOptions(verb, {"--mode,--egress", "--preset,--allow-preset", "--limit,--egress-limit"},
                   options->egress);
  verb.AddFlag("--none", options->none, "As --mode none: nothing any more");
  verb.AddFlag("--add", options->add, "Besides what is allowed already, instead of it");
}

}  // namespace glovebox
