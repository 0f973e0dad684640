// What sandboxes may reach.
#include <algorithm>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "policy/egress_rules.h"
#include "sandbox/egress_json.h"
#include "sandbox/sandbox_errors.h"
#include "sandbox/sandbox_manager.h"
#include "sandbox/secret_book.h"

namespace glovebox {
namespace {

constexpr absl::Duration kTurnTimeout = absl::Seconds(20);

absl::Status TakesLong() {
  return DetailedError(
      absl::StatusCode::kDeadlineExceeded,
      "another change of this sandbox's policy, or a rollback, takes long; try again",
      {"FREEZE_TIMED_OUT", {}});
}

absl::Status EtagMismatch(const std::string& now) {
  return DetailedError(absl::StatusCode::kAborted,
                       "somebody else has changed the policy; read it again, and decide anew",
                       {"ETAG_MISMATCH", {{"etag", now}}});
}

}  // namespace

absl::Status SandboxManager::CheckEgress(const EgressPolicy& policy) const {
  RETURN_IF_ERROR(EgressRules::Compile(policy).status());
  const std::vector<IpRange>& may = limits_.egress_private_ranges;
  for (size_t i = 0; i < policy.private_ranges_allowed.size(); ++i) {
    ASSIGN_OR_RETURN(const IpRange range, IpRange::Parse(policy.private_ranges_allowed[i]));
    if (std::any_of(may.begin(), may.end(), [&](const IpRange& all) { return all.Has(range); })) {
      continue;
    }
    return DetailedError(
        absl::StatusCode::kPermissionDenied,
        absl::StrCat("this node does not let policies allow ", range.Text(),
                     " (egress.private_ranges in its configuration)"),
        {"PRIVATE_RANGE_NOT_ALLOWED",
         {{"field", absl::StrCat("private_ranges_allowed[", i, "]")}, {"range", range.Text()}}});
  }
  return absl::OkStatus();
}

absl::Status SandboxManager::CheckSecrets(const EgressPolicy& policy,
                                          const std::string& owner) const {
  return deps_.secrets == nullptr ? absl::OkStatus() : deps_.secrets->CheckThere(owner, policy);
}

void SandboxManager::OpenLog(const std::string& id, const CreateOptions& options) const {
  const bool way_out = options.egress.mode != EgressMode::kNone;
  if (way_out && deps_.connections != nullptr) deps_.connections->Open(id, options.owner);
}

absl::StatusOr<EgressUpdate> SandboxManager::UpdateEgress(absl::string_view id,
                                                          const EgressPolicy& policy,
                                                          const std::optional<std::string>& etag,
                                                          const Viewer& viewer) {
  ASSIGN_OR_RETURN(const Entry before, CopyEntry(id, viewer));
  RETURN_IF_ERROR(CheckEgress(policy));
  RETURN_IF_ERROR(CheckSecrets(policy, before.options.owner));
  if (!before.egress_turn->Take(kTurnTimeout)) return TakesLong();
  const absl::Cleanup given = [&] { before.egress_turn->Give(); };
  ASSIGN_OR_RETURN(const Entry entry, CopyEntry(id, viewer));
  const EgressPolicy& old = EgressInForce(entry.options);
  if (etag.has_value() && *etag != entry.egress_etag) return EtagMismatch(entry.egress_etag);
  EgressUpdate update{policy, EgressEtag(policy)};
  ASSIGN_OR_RETURN(update.connections_cut, entry.sandbox->ReplaceEgress(policy));
  if (deps_.state != nullptr) {
    const absl::Status noted = deps_.state->NoteEgress(entry.sandbox->id(), policy);
    if (!noted.ok()) {
      (void)entry.sandbox->ReplaceEgress(old);  // it held before; if it does not now, nothing does
      return noted;
    }
  }
  absl::MutexLock lock(&mutex_);
  const auto it = entries_.find(id);
  if (it == entries_.end()) return Missing(id);  // deleted meanwhile
  it->second.options.egress_now = policy;
  it->second.egress_etag = update.etag;
  return update;
}

}  // namespace glovebox
