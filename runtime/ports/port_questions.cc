#include "ports/port_questions.h"

#include <algorithm>
#include <cerrno>
#include <map>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace glovebox {
namespace {

absl::Status Unknown(absl::string_view why) {
  return DetailedError(absl::StatusCode::kUnavailable,
                       absl::StrCat("what listens in the sandbox cannot be told now: ", why),
                       {"PORTS_UNKNOWN", {}});
}

// An init before this one knows no such socket, and a kernel may have none.
absl::Status OfInit(const absl::Status& why) {
  const std::optional<ErrorDetail> detail = GetErrorDetail(why);
  if (!detail.has_value()) return why;
  const auto error = detail->metadata.find("errno");
  if (error == detail->metadata.end()) return why;
  if (error->second == absl::StrCat(EINVAL)) {
    return DetailedError(absl::StatusCode::kFailedPrecondition,
                         "this sandbox was made by a release that could not tell what listens",
                         {"CAPABILITY_MISSING", {{"remedy", "make a new sandbox"}}});
  }
  if (error->second != absl::StrCat(EPROTONOSUPPORT)) return why;
  return DetailedError(absl::StatusCode::kFailedPrecondition,
                       "this host's kernel does not tell what listens: it has no sock_diag",
                       {"CAPABILITY_MISSING", {{"remedy", "a kernel with CONFIG_INET_DIAG"}}});
}

std::string ExecOf(const std::map<uint64_t, std::string>& execs, uint64_t cgroup_id) {
  const auto found = execs.find(cgroup_id);
  return found == execs.end() ? "" : found->second;
}

bool Before(const PortListener& a, const PortListener& b) {
  return std::tie(a.socket.port, a.socket.address, a.socket.inode) <
         std::tie(b.socket.port, b.socket.address, b.socket.inode);
}

}  // namespace

absl::StatusOr<std::shared_ptr<PortQuestions>> PortQuestions::Begin(
    std::shared_ptr<Sandbox> sandbox, std::function<void()> on_news) {
  std::shared_ptr<PortQuestions> questions(
      new PortQuestions(std::move(sandbox), std::move(on_news)));
  const std::weak_ptr<PortQuestions> weak = questions;
  ASSIGN_OR_RETURN(questions->place_,
                   questions->sandbox_->EnterSockets([weak](const absl::Status& why) {
                     if (const auto self = weak.lock()) self->OnEnded(why);
                   }));
  questions->place_->Open(SocketKind::kDiag, 0, [weak](absl::StatusOr<UniqueFd> made) {
    if (const auto self = weak.lock()) self->OnMade(std::move(made));
  });
  return questions;
}

void PortQuestions::OnMade(absl::StatusOr<UniqueFd> made) {
  absl::StatusOr<SocketDiag> diag = made.ok() ? SocketDiag::Adopt(*std::move(made))
                                              : absl::StatusOr<SocketDiag>(OfInit(made.status()));
  {
    absl::MutexLock lock(&mutex_);
    if (diag.ok()) {
      diag_.emplace(*std::move(diag));
    } else {
      failure_.Update(diag.status());
    }
  }
  on_news_();
}

void PortQuestions::OnEnded(const absl::Status& why) {
  {
    absl::MutexLock lock(&mutex_);
    failure_.Update(why);
  }
  on_news_();
}

absl::Status PortQuestions::AwaitReady(absl::Duration within) {
  absl::MutexLock lock(&mutex_);
  if (mutex_.AwaitWithTimeout(absl::Condition(this, &PortQuestions::IsReady), within)) {
    return absl::OkStatus();
  }
  return Unknown("its init does not answer; try again");
}

absl::StatusOr<SocketDiag*> PortQuestions::Diag() {
  absl::MutexLock lock(&mutex_);
  RETURN_IF_ERROR(failure_);
  if (!diag_.has_value()) return Unknown("its init has not answered yet");
  return &*diag_;
}

absl::StatusOr<std::optional<PortListener>> PortQuestions::Find(uint16_t port) {
  ASSIGN_OR_RETURN(SocketDiag * diag, Diag());
  absl::Mutex& asking = place_->asking();
  // A listing may take its time.
  if (!asking.TryLock()) return Unknown("somebody else asks");
  const absl::Status checked = checked_ ? absl::OkStatus() : diag->Check();
  checked_ = checked.ok();
  absl::StatusOr<std::optional<ListeningSocket>> found = std::nullopt;
  if (checked.ok()) found = diag->Find(port);
  asking.Unlock();
  RETURN_IF_ERROR(checked);
  RETURN_IF_ERROR(found.status());
  if (!found->has_value()) return std::nullopt;
  const std::string exec_id = ExecOf(sandbox_->ExecsByCgroup(), (**found).cgroup_id);
  return PortListener{**std::move(found), exec_id};
}

absl::StatusOr<PortListing> PortQuestions::List() {
  ASSIGN_OR_RETURN(SocketDiag * diag, Diag());
  absl::StatusOr<SocketListing> found;
  {
    absl::MutexLock lock(&place_->asking());
    found = diag->List(kPortListenersMax);
  }
  return Describe(std::move(found));
}

absl::StatusOr<PortListing> PortQuestions::TryList() {
  ASSIGN_OR_RETURN(SocketDiag * diag, Diag());
  absl::Mutex& asking = place_->asking();
  if (!asking.TryLock()) return Unknown("somebody else asks");
  absl::StatusOr<SocketListing> found = diag->List(kPortListenersMax);
  asking.Unlock();
  return Describe(std::move(found));
}

absl::StatusOr<PortListing> PortQuestions::Describe(absl::StatusOr<SocketListing> found) const {
  RETURN_IF_ERROR(found.status());
  const std::map<uint64_t, std::string> execs = sandbox_->ExecsByCgroup();
  PortListing listing;
  listing.omitted = found->omitted;
  for (ListeningSocket& socket : found->sockets) {
    std::string exec_id = ExecOf(execs, socket.cgroup_id);
    listing.listeners.push_back({std::move(socket), std::move(exec_id)});
  }
  std::sort(listing.listeners.begin(), listing.listeners.end(), Before);
  return listing;
}

}  // namespace glovebox
