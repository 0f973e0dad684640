#include "daemon/audit_log.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/escape.h"
#include "base/status.h"
#include "linux/file_io.h"

namespace glovebox {
namespace {

constexpr size_t kTextBytesMax = 256;
constexpr size_t kArgumentsBytesMax = 4096;

// Read without changing anything. WatchX and the standard services are not among ours.
constexpr std::array<absl::string_view, 23> kReading = {"ChangeService/CompareSandboxes",
                                                        "ChangeService/DiffSandbox",
                                                        "ChangeService/ExportBundle",
                                                        "ChangeService/ListChanges",
                                                        "ChangeService/WatchChanges",
                                                        "ExecService/AttachExec",
                                                        "ExecService/GetExec",
                                                        "ExecService/ListExecs",
                                                        "ExecService/WaitExec",
                                                        "FileService/ListDirectory",
                                                        "FileService/ReadFile",
                                                        "FileService/StatFile",
                                                        "NetworkService/ListListeningPorts",
                                                        "NetworkService/WaitForPort",
                                                        "NetworkService/WatchConnections",
                                                        "NodeService/GetNode",
                                                        "SandboxService/GetSandbox",
                                                        "SandboxService/GetUsage",
                                                        "SandboxService/ListSandboxes",
                                                        "SandboxService/WatchSandboxes",
                                                        "SnapshotService/GetSnapshot",
                                                        "SnapshotService/ListImages",
                                                        "SnapshotService/ListSnapshots"};

std::string TimeText(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E6SZ", time, absl::UTCTimeZone());
}

absl::StatusOr<UniqueFd> OpenLog(const std::string& path) {
  ASSIGN_OR_RETURN(
      UniqueFd file,
      OpenAt(AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK, 0600));
  struct stat found {};
  if (::fstat(file.get(), &found) != 0) return ErrnoError(errno, absl::StrCat("fstat ", path));
  if (!S_ISREG(found.st_mode) || (found.st_mode & 0077) != 0) {
    return DetailedError(
        absl::StatusCode::kFailedPrecondition,
        absl::StrCat("audit.file ", path, " is no regular file, or open to others; chmod 0600"),
        {"CONFIG_INVALID", {{"path", path}}});
  }
  return file;
}

}  // namespace

bool ChangesState(absl::string_view method) {
  return std::find(kReading.begin(), kReading.end(), method) == kReading.end();
}

std::string FormatAuditLine(const RpcEnd& end, absl::Time time) {
  nlohmann::ordered_json line;
  line["time"] = TimeText(time);
  line["principal"] = EscapeForPeople(end.caller.principal, 2 * kTextBytesMax);
  line["admin"] = end.caller.admin;
  if (end.caller.pid != 0) line["pid"] = end.caller.pid;
  if (!end.caller.address.empty()) {
    line["address"] = EscapeForPeople(end.caller.address, kTextBytesMax);
  }
  line["method"] = EscapeForPeople(end.method, kTextBytesMax);
  if (!end.sandbox_id.empty()) line["sandbox"] = EscapeForPeople(end.sandbox_id, kTextBytesMax);
  if (!end.exec_id.empty()) line["exec"] = EscapeForPeople(end.exec_id, kTextBytesMax);
  if (!end.children.empty()) line["children"] = end.children;
  line["outcome"] = absl::StatusCodeToString(end.status.code());
  if (!end.reason.empty()) line["reason"] = end.reason;
  if (!end.arguments.empty()) {
    line["arguments"] = EscapeForPeople(end.arguments, kArgumentsBytesMax);
  }
  if (end.refused_before != 0) line["refused_before"] = end.refused_before;
  return line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

absl::StatusOr<std::unique_ptr<AuditLog>> AuditLog::Open(Options options) {
  ASSIGN_OR_RETURN(UniqueFd file, OpenLog(options.path));
  struct stat found {};
  if (::fstat(file.get(), &found) != 0) return ErrnoError(errno, "fstat of the audit log");
  return std::unique_ptr<AuditLog>(
      new AuditLog(std::move(options), std::move(file), static_cast<uint64_t>(found.st_size)));
}

absl::Status AuditLog::Rotate() {
  for (uint32_t n = options_.files_max - 1; n > 0; --n) {
    const std::string from = n == 1 ? options_.path : absl::StrCat(options_.path, ".", n - 1);
    if (::rename(from.c_str(), absl::StrCat(options_.path, ".", n).c_str()) != 0 &&
        errno != ENOENT) {
      return ErrnoError(errno, absl::StrCat("rename ", from));
    }
  }
  if (options_.files_max == 1) (void)::unlink(options_.path.c_str());  // OpenLog says what is wrong
  ASSIGN_OR_RETURN(file_, OpenLog(options_.path));
  bytes_ = 0;
  return absl::OkStatus();
}

void AuditLog::Write(const RpcEnd& end) {
  // Refused for its rate: one line of the next call of that client counts all of them.
  if (end.reason == "CLIENT_RATE" || !ChangesState(end.method)) return;
  Append(FormatAuditLine(end, absl::Now()));
}

void AuditLog::WriteStart(absl::string_view version,
                          const std::map<std::string, std::string>& policies) {
  nlohmann::ordered_json line;
  line["time"] = TimeText(absl::Now());
  line["event"] = "start";
  line["version"] = std::string(version);
  line["policies"] = policies;
  Append(line.dump());
}

void AuditLog::Append(std::string line) {
  absl::MutexLock lock(&mutex_);
  if (lost_ > 0) {
    line.pop_back();
    absl::StrAppend(&line, ",\"lost_before\":", lost_, "}");
  }
  line.push_back('\n');
  if (bytes_ + line.size() > options_.bytes_max && bytes_ > 0 && !Rotate().ok()) {
    ++lost_;
    return;
  }
  // One write for a line: O_APPEND keeps it whole, but for a full disk.
  const ssize_t written = ::write(file_.get(), line.data(), line.size());
  if (written == static_cast<ssize_t>(line.size())) {
    bytes_ += line.size();
    lost_ = 0;
    return;
  }
  ++lost_;
  // No half line, if that can be had: else the next line is on the same one.
  if (written > 0) (void)!::ftruncate(file_.get(), static_cast<off_t>(bytes_));
}

}  // namespace glovebox
