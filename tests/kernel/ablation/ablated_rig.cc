#include "tests/kernel/ablation/ablated_rig.h"

#include <grp.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <stdexcept>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "policy/payload_profile.h"
#include "policy/proc_masks.h"

namespace glovebox {
namespace {

// So that groups that are not dropped can be told from groups that never were.
constexpr gid_t kGroupOfTheHost = 54321;

}  // namespace

AblatedRig::AblatedRig(std::vector<uint32_t> numbers, CallJudge judge, From from)
    : armed_(from == From::kSpawner),
      calls_(std::move(numbers),
             [this, judge](const TakenCall& call) -> std::optional<int64_t> {
               return armed_ ? judge(call) : std::nullopt;
             }),
      rig_({[this]() noexcept {
              if (::setgroups(1, &kGroupOfTheHost) != 0) std::abort();
              calls_.InstallInChild();
            },
            [this] { calls_.Serve(); }}) {
  std::filesystem::create_directory(rig_.base() + "/probe");
  std::filesystem::copy_file(GLOVEBOX_ESCAPE_PROBE, rig_.base() + "/probe/escape_probe");
  armed_ = true;
}

InitRig::Options AblatedRig::Options(const PlanChange& change) const {
  InitRig::Options options;
  options.binds = {rig_.base() + "/probe"};
  options.request = [](SpawnRequest* request) {
    request->binds[0] = {IdMapKind::kNone, 1, 0, 0, 0, 0};
  };
  options.plan = [change](PlanBuilder* builder) {
    MasksWithout("")(builder);
    builder->AddBind("/probe", true);
    if (change) change(builder);
  };
  return options;
}

SetupReport AblatedRig::Report(const PlanChange& change) {
  SpawnReply reply{};
  const std::unique_ptr<TestSandbox> sandbox = rig_.Create(Options(change), &reply);
  if (sandbox != nullptr) return sandbox->AwaitReport();
  SetupReport report{};  // the spawner's own word
  report.step = reply.step;
  report.error = reply.error;
  std::memcpy(report.detail, reply.detail, std::min(sizeof report.detail, sizeof reply.detail) - 1);
  return report;
}

std::unique_ptr<TestSandbox> AblatedRig::Ready(const PlanChange& change) {
  return rig_.Ready(Options(change));
}

AblatedRig::PlanChange MasksWithout(const std::string& path) {
  return [path](PlanBuilder* builder) {
    builder->plan.mask_count = 0;
    for (const ProcMask& mask : ProcMasks()) {
      if (mask.path == path) continue;
      builder->AddMask(mask.path, mask.kind == ProcMask::Kind::kHide ? kMaskHide : kMaskReadOnly);
    }
  };
}

void RootInside(PlanBuilder* builder) {
  builder->plan.root_inside = 1;
  builder->plan.payload_capabilities = RootInsideCapabilityMask();
}

ProbeAnswer Probe(TestSandbox* sandbox, const std::string& name, const std::string& user) {
  Spec spec;
  spec.argv = {"/probe/escape_probe", name};
  spec.user = user;
  std::string output;
  (void)sandbox->Run(spec, &output);  // the verdict is in the output
  const std::vector<std::string> fields = absl::StrSplit(output, absl::MaxSplits(' ', 3));
  if (fields.size() < 3) throw std::runtime_error(absl::StrCat(name, " said: ", output));
  return {std::string(absl::StripAsciiWhitespace(fields[2])), fields.size() > 3 ? fields[3] : ""};
}

std::string StatusOf(TestSandbox* sandbox, const std::string& field, const std::string& user) {
  Spec spec;
  spec.argv = {"cat", "/proc/self/status"};
  spec.user = user;
  std::string output;
  (void)sandbox->Run(spec, &output);  // an end without the line fails below
  for (absl::string_view line : absl::StrSplit(output, '\n')) {
    if (absl::ConsumePrefix(&line, field + ":")) {
      return std::string(absl::StripAsciiWhitespace(line));
    }
  }
  throw std::runtime_error(absl::StrCat("no ", field, " in: ", output));
}

}  // namespace glovebox
