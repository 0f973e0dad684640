// The meaning of the two filters together, written from the table and not from the compiler.
#include <algorithm>
#include <cerrno>

#include "policy/seccomp_table.h"

namespace glovebox {
namespace {

bool Holds(const ArgumentTest& test, const uint64_t (&arguments)[6]) {
  const uint32_t value = static_cast<uint32_t>(arguments[test.argument]);
  switch (test.kind) {
    case ArgumentTest::Kind::kMaskedEqual:
      return (value & test.mask) == test.value;
    case ArgumentTest::Kind::kEqual:
      return value == test.value;
    case ArgumentTest::Kind::kNotEqual:
      return value != test.value;
  }
  return true;
}

int ErrorOf(SeccompAction action) {
  switch (action) {
    case SeccompAction::kAllow:
      return 0;
    case SeccompAction::kRefuse:
      return EPERM;
    case SeccompAction::kAbsent:
      return ENOSYS;
  }
  return ENOSYS;
}

}  // namespace

int SeccompAnswer(SeccompTier tier, uint32_t number, const uint64_t (&arguments)[6]) {
  const std::vector<SeccompRow>& rows = SeccompTable();
  auto row = std::lower_bound(rows.begin(), rows.end(), number,
                              [](const SeccompRow& a, uint32_t b) { return a.number < b; });
  if (row == rows.end() || row->number != number) return ENOSYS;
  if (const int error = ErrorOf(row->action(tier)); error != 0) return error;
  for (const ArgumentRule& rule : SeccompArgumentRules()) {
    if (rule.number != number || !rule.applies(tier)) continue;
    if (std::all_of(rule.tests.begin(), rule.tests.end(),
                    [&](const ArgumentTest& test) { return Holds(test, arguments); })) {
      return rule.error;
    }
  }
  return 0;
}

}  // namespace glovebox
