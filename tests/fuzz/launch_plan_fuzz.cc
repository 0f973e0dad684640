// A plan as init reads it from its memfd, and as the daemon prints it.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/unique_fd.h"
#include "init/plan_reader.h"
#include "init/report.h"
#include "launcher/plan_builder.h"
#include "linux/file_io.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/targets.h"

namespace glovebox {
namespace {

struct PlanRefused {};

// Where init expects the plan; what this process has there is put aside meanwhile.
class PlanDescriptor {
 public:
  explicit PlanDescriptor(absl::string_view plan)
      : aside_(::fcntl(kInitPlanFd, F_DUPFD_CLOEXEC, kInitPlanFd + 1)) {
    const UniqueFd memfd(::memfd_create("plan", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    constexpr int kSeals = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK;
    Demand(WriteAll(memfd.get(), plan).ok() && ::fcntl(memfd.get(), F_ADD_SEALS, kSeals) == 0,
           "the test can write");
    Demand(::dup3(memfd.get(), kInitPlanFd, O_CLOEXEC) == kInitPlanFd, "dup3");
  }
  PlanDescriptor(const PlanDescriptor&) = delete;
  PlanDescriptor& operator=(const PlanDescriptor&) = delete;
  ~PlanDescriptor() {
    if (aside_.valid()) {
      (void)::dup3(aside_.get(), kInitPlanFd, O_CLOEXEC);  // both are valid numbers
    } else {
      (void)::close(kInitPlanFd);  // the reader may have closed it
    }
  }

 private:
  const UniqueFd aside_;
};

// Uses all that init uses of an accepted plan.
void UseTexts(const PlanReader& reader) {
  const LaunchPlan& plan = reader.plan();
  size_t bytes = std::strlen(reader.Text(plan.hostname)) + std::strlen(reader.Text(plan.workdir));
  for (uint32_t i = 0; i < plan.layer_count; ++i) {
    bytes += std::strlen(reader.Text(plan.layers[i].subdirectory));
  }
  for (uint32_t i = 0; i < plan.bind_count; ++i) {
    bytes += std::strlen(reader.Text(plan.binds[i].target));
  }
  for (uint32_t i = 0; i < plan.cache_count; ++i) {
    for (const PlanText& text :
         {plan.caches[i].target, plan.caches[i].subdirectory, plan.caches[i].shown}) {
      bytes += std::strlen(reader.Text(text));
    }
  }
  for (uint32_t i = 0; i < plan.mask_count; ++i) {
    bytes += std::strlen(reader.Text(plan.masks[i].path));
  }
  for (uint32_t i = 0; i < plan.landlock.rule_count; ++i) {
    bytes += std::strlen(reader.Text(plan.landlock.rules[i].path));
  }
  // Texts may overlap, but each is inside of the plan.
  constexpr uint64_t kTextsMax =
      2 + kLayersMax + kBindsMax + 3 * kCachesMax + kMasksMax + kPathRulesMax;
  Demand(bytes <= kTextsMax * kLaunchPlanBytesMax, "texts end inside of the plan");
  for (uint32_t i = 0; i < plan.filter_count; ++i) {
    const auto* filter = static_cast<const char*>(reader.Filter(plan.filters[i]));
    Demand(filter + uint64_t{plan.filters[i].count} * 8 <= reader.base() + plan.size,
           "filters end inside of the plan");
  }
}

}  // namespace

// In place of init's own, which ends the process.
void FailSetup(SetupStep, int, const char*) { throw PlanRefused(); }

void FuzzLaunchPlan(absl::string_view input) {
  // Cuts and insertions are not to fail at the size alone.
  std::string plan(input);
  const auto size = static_cast<uint32_t>(plan.size());
  if (plan.size() >= sizeof(LaunchPlan)) {
    std::memcpy(plan.data() + offsetof(LaunchPlan, size), &size, sizeof size);
  }
  const bool described = DescribePlan(plan).ok();
  const PlanDescriptor descriptor(plan);
  PlanReader reader;
  bool accepted = true;
  try {
    reader.Read();
    UseTexts(reader);
  } catch (const PlanRefused&) {
    accepted = false;
  }
  if (reader.base() != nullptr) (void)::munmap(const_cast<char*>(reader.base()), plan.size());
  Demand(described || !accepted, "what init carries out can be printed");
}

}  // namespace glovebox
