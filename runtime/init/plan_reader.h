// The sealed plan, mapped and checked as a whole before anything of it is used.
#ifndef GLOVEBOX_INIT_PLAN_READER_H_
#define GLOVEBOX_INIT_PLAN_READER_H_

#include "init/launch_plan.h"

namespace glovebox {

class PlanReader {
 public:
  // Step read_plan; ends the process on a plan that does not fit. The mapping lives as long as the
  // process, the descriptor is closed.
  void Read();

  const LaunchPlan& plan() const { return *plan_; }
  // NUL-terminated, inside the mapping.
  const char* Text(const PlanText& text) const { return base() + text.offset; }
  const void* Filter(const PlanFilter& filter) const { return base() + filter.offset; }
  const char* base() const { return reinterpret_cast<const char*>(plan_); }

 private:
  void CheckTexts() const;
  void CheckText(const PlanText& text, const char* what) const;
  void CheckPath(const PlanText& text, const char* what) const;
  void CheckNumbers() const;
  void CheckFilter(const PlanFilter& filter) const;

  const LaunchPlan* plan_ = nullptr;
};

}  // namespace glovebox

#endif  // GLOVEBOX_INIT_PLAN_READER_H_
