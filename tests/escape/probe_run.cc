#include "tests/escape/probe_run.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/status.h"
#include "linux/file_io.h"

namespace glovebox {
namespace {

constexpr char kInside[] = "/tmp/escape_probe";
constexpr size_t kProgramBytesMax = 8 << 20;
constexpr size_t kArgumentBytes = 96 * 1024;     // of base64: below execve's 128 KiB
constexpr size_t kBytesPerCommand = 768 * 1024;  // of base64: below the 2 MiB of a spec

std::map<std::string, ProbeVerdict> Parse(const std::string& text) {
  std::map<std::string, ProbeVerdict> verdicts;
  for (absl::string_view line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    const std::vector<std::string> fields = absl::StrSplit(line, absl::MaxSplits(' ', 3));
    if (fields.size() < 3) continue;
    verdicts[fields[0]] = {fields[2], fields.size() > 3 ? fields[3] : ""};
  }
  return verdicts;
}

// `prefix`: a program that runs the rest of its command line.
std::string RunOutside(const std::string& prefix, const std::vector<std::string>& arguments) {
  std::string command = absl::StrCat(prefix, " ", GLOVEBOX_ESCAPE_PROBE);
  for (const std::string& argument : arguments) absl::StrAppend(&command, " '", argument, "'");
  FILE* pipe = ::popen(absl::StrCat(command, " 2>&1 </dev/null 7</dev/null").c_str(), "re");
  EXPECT_NE(pipe, nullptr);
  std::string output;
  char buffer[4096];
  for (size_t size; (size = ::fread(buffer, 1, sizeof(buffer), pipe)) > 0;) {
    output.append(buffer, size);
  }
  (void)::pclose(pipe);  // the verdict is in the output
  return output;
}

}  // namespace

std::map<std::string, std::string> ListProbes() {
  std::map<std::string, std::string> probes;
  for (const auto& [name, verdict] : Parse(RunOutside("", {"list"}))) probes[name] = verdict.word;
  return probes;
}

std::string ExpectedWord(const std::string& expected, ProbePlace place) {
  switch (expected.at(static_cast<size_t>(place))) {
    case 'C':
      return "CONFINED";
    case 'E':
      return "ESCAPED";
    default:
      return "";
  }
}

absl::Status CopyProbeInto(Sandbox& sandbox) {
  ASSIGN_OR_RETURN(const std::string program,
                   ReadFileAt(AT_FDCWD, GLOVEBOX_ESCAPE_PROBE, kProgramBytesMax));
  const std::string text = absl::Base64Escape(program);
  for (size_t at = 0; at < text.size(); at += kBytesPerCommand) {
    const std::string part = text.substr(at, kBytesPerCommand);
    ExecSpec spec =
        Shell(absl::StrCat("printf %s \"$@\" | base64 -d >> ", kInside, " && chmod 755 ", kInside));
    spec.arguments.push_back("sh");
    for (size_t i = 0; i < part.size(); i += kArgumentBytes) {
      spec.arguments.push_back(part.substr(i, kArgumentBytes));
    }
    ASSIGN_OR_RETURN(const Outcome outcome, RunIn(sandbox, spec));
    if (outcome.result.exit_code != 0) {
      return absl::InternalError(absl::StrCat("copying the probe: ", outcome.err));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::map<std::string, ProbeVerdict>> RunProbesIn(
    Sandbox& sandbox, const std::vector<std::string>& arguments, const std::string& user) {
  ExecSpec spec;
  spec.arguments = {kInside, "all"};
  spec.arguments.insert(spec.arguments.end(), arguments.begin(), arguments.end());
  spec.user = user;
  ASSIGN_OR_RETURN(const Outcome outcome, RunIn(sandbox, spec));
  return Parse(outcome.out);
}

ProbeVerdict RunProbeOutside(const std::string& name, const std::vector<std::string>& arguments) {
  std::vector<std::string> all = {name};
  all.insert(all.end(), arguments.begin(), arguments.end());
  // What gets through there must not change the host: names, mounts, interfaces are of its own.
  const bool interfaces = absl::StrContains(name, "interface");
  const std::string prefix =
      absl::StrCat("unshare --mount --uts", interfaces ? " --net" : "", " --propagation private");
  // A parent that does not mind to be traced or looked at stands for init.
  all.push_back(absl::StrCat("init=", ::getpid()));
  return Parse(RunOutside(prefix, all))[name];
}

}  // namespace glovebox
