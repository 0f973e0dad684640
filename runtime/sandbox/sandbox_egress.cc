// The way out of a sandbox, and what becomes known of its connections.
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "sandbox/egress_bytes.h"
#include "sandbox/resources.h"
#include "sandbox/sandbox.h"
#include "sandbox/sandbox_errors.h"
#include "sandbox/sandbox_way_out.h"

namespace glovebox {

absl::Status Sandbox::OpenWayOut() {
  if (!blueprint_.way_out) return absl::OkStatus();
  if (deps_.egress == nullptr) {
    return DetailedError(absl::StatusCode::kFailedPrecondition,
                         "this node lets no sandbox reach anything; create it without egress",
                         {"CAPABILITY_MISSING", {{"capability", "egress"}}});
  }
  ASSIGN_OR_RETURN(UniqueFd bytes, OpenEgressBytes(resources_->egress_bytes_path));
  ASSIGN_OR_RETURN(auto way_out, SandboxWayOut::Open(deps_.egress, deps_.egress_ports, sockets_,
                                                     blueprint_.egress, blueprint_.owner,
                                                     std::move(bytes), RecordTaker()));
  absl::MutexLock lock(&mutex_);
  if (resources_ != nullptr) resources_->way_out = std::move(way_out);
  return absl::OkStatus();
}

// Its commands run, so it goes on with what can be had.
void Sandbox::OpenWayOutAgain() {
  if (!blueprint_.way_out) return;
  if (deps_.egress == nullptr) {
    egress_problem_ = "this node lets no sandbox reach anything";
    return;
  }
  absl::StatusOr<UniqueFd> bytes = OpenEgressBytes(resources_->egress_bytes_path);
  if (!bytes.ok()) {
    egress_problem_ = std::string(bytes.status().message());  // without it no limit would hold
    return;
  }
  auto way_out = SandboxWayOut::OpenAgain(deps_.egress, deps_.egress_ports, sockets_,
                                          blueprint_.egress, blueprint_.owner, *std::move(bytes),
                                          RecordTaker(), &egress_problem_);
  if (!way_out.ok()) {
    egress_problem_ = std::string(way_out.status().message());
    return;
  }
  FindCgroupsOfExecs();
  absl::MutexLock lock(&mutex_);
  if (resources_ != nullptr) resources_->way_out = *std::move(way_out);
  TellCommands();
}

ExecSpec Sandbox::WithRoots(const ExecSpec& spec) const {
  const bool opened = resources_->way_out != nullptr && resources_->way_out->opens_tls();
  if (!opened || spec.replace_environment || deps_.egress_roots.pem.empty()) return spec;
  ExecSpec given = spec;
  given.environment = EgressRootsVariables();
  given.environment.insert(given.environment.end(), spec.environment.begin(),
                           spec.environment.end());
  return ValidateExecSpec(given).ok() ? given : spec;  // it may have as much as there is room for
}

EgressGateway::TakeRecord Sandbox::RecordTaker() {
  return [weak = weak_from_this()](const EgressRecord& record) {
    if (const auto self = weak.lock()) self->TakeConnection(record);
  };
}

// Nothing else is there that could make a connection.
std::shared_ptr<Exec> Sandbox::OnlyCommand() const {
  if (by_number_.size() + looked_after_.size() != 1 || had_survivors_ || HasSurvivors()) {
    return nullptr;
  }
  return by_number_.empty() ? looked_after_.begin()->second : by_number_.begin()->second;
}

// While one is looked after, what it had begun may still wait to be accepted.
void Sandbox::TellCommands() const {
  if (resources_ == nullptr || resources_->way_out == nullptr) return;
  const std::shared_ptr<Exec> only = OnlyCommand();
  const bool nothing =
      by_number_.empty() && looked_after_.empty() && !had_survivors_ && !HasSurvivors();
  EgressCommandWord word = nothing ? kEgressNoCommand : kEgressSeveralCommands;
  if (only != nullptr) word = only->spec().files_program ? kEgressNoCommand : only->number();
  resources_->way_out->NoteCommands(word);
}

// Null: not known, or one that is forgotten.
std::shared_ptr<Exec> Sandbox::CommandOf(const EgressRecord& record) const {
  if (record.command == 0 && record.command_cgroup_id == 0) return nullptr;
  const auto is_it = [&](const Exec& exec) {
    if (exec.spec().files_program) return false;
    return record.command != 0 ? exec.number() == record.command
                               : exec.cgroup_id() == record.command_cgroup_id;
  };
  for (const auto* execs : {&by_number_, &looked_after_}) {
    for (const auto& [number, exec] : *execs) {
      if (is_it(*exec)) return exec;
    }
  }
  for (const auto& [exec_id, exec] : execs_) {
    if (is_it(*exec)) return exec;
  }
  return nullptr;
}

// Of an adopted one: of those that run, and of those that left something behind.
void Sandbox::FindCgroupsOfExecs() {
  std::shared_ptr<SandboxCgroup> cgroup;
  {
    absl::MutexLock lock(&mutex_);
    if (resources_ != nullptr) cgroup = resources_->cgroup;
  }
  if (cgroup == nullptr) return;
  const auto leaves = cgroup->ExecLeafIds();
  if (!leaves.ok()) return;  // theirs are not known, then
  std::map<uint32_t, uint64_t> ids;
  for (const auto& [cgroup_id, number] : *leaves) ids[number] = cgroup_id;
  absl::MutexLock lock(&mutex_);
  for (const auto& [exec_id, exec] : execs_) {
    if (const auto found = ids.find(exec->number()); found != ids.end()) {
      exec->SetCgroupId(found->second);
    }
  }
}

void Sandbox::TakeConnection(const EgressRecord& record) {
  if (blueprint_.on_connection) blueprint_.on_connection(record);
  std::shared_ptr<Exec> exec;
  {
    absl::MutexLock lock(&mutex_);
    exec = CommandOf(record);
  }
  if (exec != nullptr && record.denial != EgressDenial::kNone) {
    exec->NoteRefused({record.host, record.port, record.denial, 1}, record.lost);
  }
  if (deps_.connections == nullptr) return;
  deps_.connections->Add(id(), exec == nullptr ? "" : exec->id(), record);
}

absl::StatusOr<uint32_t> Sandbox::ReplaceEgress(const EgressPolicy& policy) {
  std::shared_ptr<SandboxWayOut> way_out;
  {
    absl::MutexLock lock(&mutex_);
    RETURN_IF_ERROR(CheckAlive());
    way_out = resources_->way_out;
  }
  if (way_out == nullptr) {
    return DetailedError(
        absl::StatusCode::kFailedPrecondition,
        blueprint_.way_out
            ? absl::StrCat("the sandbox has no way out any more: ", egress_problem_)
            : "the sandbox was made without a way out, and cannot be given one; create it with an "
              "allow list, which may be empty",
        {"EGRESS_NOT_SET_UP", {}});
  }
  return way_out->Replace(policy);
}

}  // namespace glovebox
