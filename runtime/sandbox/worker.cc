#include "sandbox/worker.h"

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/cleanup/cleanup.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "base/ids.h"
#include "base/status.h"
#include "policy/credential_header.h"
#include "sandbox/secret_book.h"

namespace glovebox {
namespace {

constexpr size_t kStdoutKept = 64 * 1024;
constexpr size_t kStderrKept = 4 * 1024;
constexpr uint64_t kWorkerPids = 256;
constexpr uint64_t kWorkerCpuMillis = 2000;

constexpr size_t kRefusalsKept = 16;
constexpr size_t kOpenKept = 1024;          // of a proxy that dies no end is told
constexpr uint32_t kReachConnections = 16;  // git needs one or two
constexpr absl::Duration kAskInterval = absl::Milliseconds(250);

// Of a connection that went nowhere.
WorkerRefusal RefusalOf(const EgressRecord& record) {
  using Why = WorkerRefusal::Why;
  const auto as = [&](Why why) { return WorkerRefusal{why, record.host}; };
  switch (record.denial) {
    case EgressDenial::kPrivateAddress:
      return as(Why::kPrivateAddress);
    case EgressDenial::kLimit:
      return as(Why::kTooMuch);
    case EgressDenial::kNoEgress:
    case EgressDenial::kNoRule:
    case EgressDenial::kRequestNotAllowed:
    case EgressDenial::kNameMismatch:
      return as(Why::kNotItsHost);
    case EgressDenial::kOriginNotTrusted:
      return as(Why::kNotTrusted);
    case EgressDenial::kSecretMissing:
      return as(Why::kNoSecret);
    case EgressDenial::kNone:
      break;
  }
  return as(record.address.has_value() ? Why::kNoAnswer : Why::kNoAddress);
}

// What became of a worker's connections. Thread-safe.
class RefusalBook {
 public:
  void Take(const EgressRecord& record) {
    absl::MutexLock lock(&mutex_);
    if (record.outcome == EgressOutcome::kOpened) {
      if (opened_.size() < kOpenKept) opened_.insert(record.connection);
      return;
    }
    const bool was_open = opened_.erase(record.connection) > 0;
    if (was_open && record.denial == EgressDenial::kNone) return;
    if (refusals_.size() < kRefusalsKept) refusals_.push_back(RefusalOf(record));
  }
  std::vector<WorkerRefusal> refusals() const {
    absl::MutexLock lock(&mutex_);
    return refusals_;
  }

 private:
  mutable absl::Mutex mutex_;
  std::set<uint64_t> opened_ ABSL_GUARDED_BY(mutex_);  // and not closed yet
  std::vector<WorkerRefusal> refusals_ ABSL_GUARDED_BY(mutex_);
};

// One host, one port, one way to speak, and no more bytes than fit on the disk.
EgressPolicy PolicyOf(const WorkerReach& reach, uint64_t bytes_max,
                      const std::vector<std::string>& private_ranges) {
  EgressRule rule;
  rule.host = reach.host;
  rule.ports = {reach.port};
  rule.scheme = reach.tls ? EgressScheme::kTls : EgressScheme::kTcp;
  if (!reach.secret_name.empty()) {
    rule.scheme = EgressScheme::kHttps;
    rule.credential = EgressCredential{reach.secret_name, "", reach.user, ""};
  }
  EgressPolicy policy;
  policy.mode = EgressMode::kAllowList;
  policy.rules = {rule};
  policy.private_ranges_allowed = private_ranges;
  policy.limits.connections_max = kReachConnections;
  policy.limits.received_bytes_max = bytes_max;
  return policy;
}

SandboxBlueprint WorkerBlueprint(const WorkerJob& job) {
  SandboxBlueprint blueprint;
  blueprint.id = NewRandomId();
  blueprint.limits.memory_bytes = job.memory_bytes;
  blueprint.limits.disk_bytes = job.disk_bytes;
  blueprint.limits.disk_inodes = job.disk_inodes;
  blueprint.limits.pids_max = kWorkerPids;
  blueprint.limits.cpu_millis = kWorkerCpuMillis;
  blueprint.snapshot = job.base;
  blueprint.root_inside = job.as_root_inside;
  blueprint.commands_as_root = job.as_root_inside;
  for (const WorkerBind& bind : job.binds) {
    blueprint.owned_binds.push_back({bind.host_path, bind.target, bind.pinned});
  }
  return blueprint;
}

ExecSpec WorkerSpec(const WorkerJob& job) {
  ExecSpec spec;
  spec.arguments = job.arguments;
  spec.environment = job.environment;
  spec.wall_limit_ms = static_cast<uint32_t>(absl::ToInt64Milliseconds(job.wall_limit));
  return spec;
}

absl::Status NoWayOut() {
  return DetailedError(absl::StatusCode::kFailedPrecondition,
                       "this node lets nothing out to the network, so no repository can be fetched "
                       "over it; import a copy that is on the host",
                       {"CAPABILITY_MISSING", {{"capability", "egress"}}});
}

absl::Status Unwanted() {
  return DetailedError(absl::StatusCode::kCancelled, "nobody wants the result any more",
                       {"CALL_CANCELLED", {}});
}

absl::Status Stopping() {
  return DetailedError(absl::StatusCode::kUnavailable,
                       "the daemon is shutting down, and the import has ended; start it again",
                       {"SHUTTING_DOWN", {}});
}

// What the proxy adds to the worker's requests; null: nothing. The worker does not have it, but its
// host may say it back.
std::unique_ptr<const CredentialHeader> SecretOf(const SecretBook* secrets,
                                                 const std::string& owner,
                                                 const EgressPolicy& policy) {
  if (secrets == nullptr || policy.rules.empty()) return nullptr;
  const EgressSecrets found = secrets->Find(owner, policy);
  if (found.empty()) return nullptr;
  return std::make_unique<CredentialHeader>(*policy.rules[0].credential, found.begin()->second);
}

// Takes output as it comes until the end.
class OutputCollector {
 public:
  // `secret`: what is kept out of what is said; may be null.
  OutputCollector(const WorkerJob& job, const CredentialHeader* secret, WorkerResult* result)
      : job_(job), secret_(secret), result_(result) {}

  absl::StatusOr<ExecResult> Collect(const std::shared_ptr<Exec>& exec) {
    OutputReader reader(exec, 0, OutputReader::NeverWaitedFor());
    for (;;) {
      // Also where there is always more to read.
      if (job_.unwanted && job_.unwanted()) return Unwanted();
      auto wake = std::make_shared<absl::Notification>();
      auto once = std::make_shared<absl::Mutex>();
      ASSIGN_OR_RETURN(const std::optional<OutputFrame> frame, reader.NextOrWatch([wake, once] {
        absl::MutexLock lock(once.get());
        if (!wake->HasBeenNotified()) wake->Notify();
      }));
      if (!frame.has_value()) {
        RETURN_IF_ERROR(WaitFor(*wake));
        continue;
      }
      if (frame->kind == OutputFrame::Kind::kEnd) {
        KeepTail(kStderrKept);
        return *frame->result;
      }
      if (frame->kind == OutputFrame::Kind::kData) Take(*frame);
    }
  }

 private:
  absl::Status WaitFor(const absl::Notification& wake) const {
    if (!job_.unwanted) wake.WaitForNotification();
    while (!wake.WaitForNotificationWithTimeout(kAskInterval)) {
      if (job_.unwanted()) return Unwanted();
    }
    return absl::OkStatus();
  }

  void Take(const OutputFrame& frame) {
    if (frame.stream == OutputStream::kStdout) {
      const size_t room = kStdoutKept - result_->stdout_bytes.size();
      result_->stdout_bytes.append(frame.data, 0, room);
      return;
    }
    if (job_.on_stderr) job_.on_stderr(frame.data);
    std::string& tail = result_->stderr_tail;
    tail.append(frame.data);
    if (secret_ == nullptr) return KeepTail(kStderrKept);
    // What is cut off has no beginning of one whose end comes later: none is longer than the field.
    if (secret_->IsIn(tail)) tail = secret_->WithoutIt(tail);
    KeepTail(kStderrKept + secret_->value().size());
  }

  void KeepTail(size_t most) {
    std::string& tail = result_->stderr_tail;
    if (tail.size() > most) tail.erase(0, tail.size() - most);
  }

  const WorkerJob& job_;
  const CredentialHeader* const secret_;
  WorkerResult* const result_;
};

}  // namespace

SandboxWorkerRunner::SandboxWorkerRunner(SandboxDeps deps, ImageStore* images,
                                         std::vector<std::string> private_ranges)
    : deps_(std::move(deps)), images_(images), private_ranges_(std::move(private_ranges)) {}

bool SandboxWorkerRunner::Register(const std::shared_ptr<Sandbox>& sandbox) {
  absl::MutexLock lock(&mutex_);
  if (!stopped_) running_.insert(sandbox);
  return !stopped_;
}

bool SandboxWorkerRunner::IsStopped() const {
  absl::MutexLock lock(&mutex_);
  return stopped_;
}

void SandboxWorkerRunner::Unregister(const std::shared_ptr<Sandbox>& sandbox) {
  absl::MutexLock lock(&mutex_);
  running_.erase(sandbox);
}

void SandboxWorkerRunner::Stop() {
  std::set<std::shared_ptr<Sandbox>> ending;
  {
    absl::MutexLock lock(&mutex_);
    stopped_ = true;
    ending.swap(running_);
  }
  for (const auto& sandbox : ending) {
    (void)sandbox->End(Sandbox::CleanUp::kQueue);  // its Run reports the end
  }
}

absl::StatusOr<WorkerResult> SandboxWorkerRunner::Run(const WorkerJob& job) {
  if (IsStopped()) return Stopping();
  absl::StatusOr<WorkerResult> result = RunToTheEnd(job);
  // How it ended then says nothing of the job.
  if (IsStopped()) return Stopping();
  return result;
}

absl::StatusOr<WorkerResult> SandboxWorkerRunner::RunToTheEnd(const WorkerJob& job) {
  SandboxBlueprint blueprint = WorkerBlueprint(job);
  RETURN_IF_ERROR(Validate(blueprint.limits));
  const auto refusals = std::make_shared<RefusalBook>();
  std::unique_ptr<const CredentialHeader> secret;
  if (job.reach.has_value()) {
    if (deps_.egress == nullptr) return NoWayOut();
    blueprint.way_out = true;
    blueprint.owner = job.reach->owner;
    blueprint.egress = PolicyOf(*job.reach, job.disk_bytes, private_ranges_);
    secret = SecretOf(deps_.secrets, blueprint.owner, blueprint.egress);
    blueprint.on_connection = [refusals](const EgressRecord& record) { refusals->Take(record); };
  }
  ASSIGN_OR_RETURN(blueprint.image, images_->Lease(ImageStore::kHostName));
  ASSIGN_OR_RETURN(std::shared_ptr<Sandbox> sandbox, Sandbox::Start(deps_, std::move(blueprint)));
  if (!Register(sandbox)) return Stopping();  // it ends with the last that holds it
  const absl::Cleanup unregister = [&] { Unregister(sandbox); };
  ASSIGN_OR_RETURN(const std::shared_ptr<Exec> exec, sandbox->StartExec("worker", WorkerSpec(job)));
  WorkerResult result;
  const absl::StatusOr<ExecResult> ended =
      OutputCollector(job, secret.get(), &result).Collect(exec);
  if (!ended.ok()) {
    (void)sandbox->End(Sandbox::CleanUp::kQueue);  // the error says more
    return ended.status();
  }
  const ExecResult& end = *ended;
  result.refusals = refusals->refusals();
  for (WorkerRefusal& refusal : result.refusals) {
    if (secret != nullptr) refusal.host = secret->WithoutIt(refusal.host);
  }
  if (end.cause == ExecResult::Cause::kExited) result.exit_code = end.exit_code.value_or(-1);
  result.end = DescribeResult(end);
  ASSIGN_OR_RETURN(result.disk, sandbox->EndAndTakeDisk());
  return result;
}

}  // namespace glovebox
