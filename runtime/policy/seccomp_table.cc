#include "policy/seccomp_table.h"

#include <algorithm>

#include "policy/seccomp_rows.h"

namespace glovebox {
namespace {

std::vector<SeccompRow> SortedRows() {
  std::vector<SeccompRow> rows;
  for (std::span<const SeccompRow> part :
       {FileRows(), ProcessRows(), IpcAndMemoryRows(), RefusedRows(), AbsentRows()}) {
    rows.insert(rows.end(), part.begin(), part.end());
  }
  std::sort(rows.begin(), rows.end(),
            [](const SeccompRow& a, const SeccompRow& b) { return a.number < b.number; });
  return rows;
}

template <typename Row>
const Row* FindNumber(const std::vector<Row>& rows, uint32_t number) {
  auto row = std::lower_bound(rows.begin(), rows.end(), number,
                              [](const Row& a, uint32_t b) { return a.number < b; });
  return row == rows.end() || row->number != number ? nullptr : &*row;
}

}  // namespace

const char* SeccompTierName(SeccompTier tier) {
  switch (tier) {
    case SeccompTier::kStrict:
      return "strict";
    case SeccompTier::kBuild:
      return "build";
    case SeccompTier::kNested:
      return "nested";
    case SeccompTier::kI386:
      return "i386";
  }
  return "unknown";
}

std::optional<SeccompTier> FindSeccompTier(absl::string_view name) {
  for (SeccompTier tier : kSeccompTiers) {
    if (name == SeccompTierName(tier)) return tier;
  }
  return std::nullopt;
}

const char* SeccompTierSummary(SeccompTier tier) {
  switch (tier) {
    case SeccompTier::kStrict:
      return "tool commands: as build, without debuggers and what only they need";
    case SeccompTier::kBuild:
      return "untrusted builds and tests; debuggers reach the sandbox's own processes";
    case SeccompTier::kNested:
      return "weaker: also user namespaces and mounts, for container tools inside; a much larger "
             "part of the kernel can be reached, so use it only with a virtual machine around";
    case SeccompTier::kI386:
      return "weaker: also 32-bit programs; their calls enter the kernel by another door, which is "
             "less looked after";
  }
  return "";
}

SeccompAction SeccompRow::action(SeccompTier tier) const {
  if (tier == SeccompTier::kStrict) return strict;
  if (tier == SeccompTier::kNested && nested == InNested::kAllowed) return SeccompAction::kAllow;
  return build;
}

SeccompAction SeccompI386Row::action_in_tier() const {
  return like != nullptr ? like->action(SeccompTier::kI386) : action;
}

const std::vector<SeccompRow>& SeccompTable() {
  static const auto* const rows = new std::vector<SeccompRow>(SortedRows());
  return *rows;
}

const SeccompRow* FindSeccompRow(uint32_t number) { return FindNumber(SeccompTable(), number); }

const SeccompRow* FindSeccompRow(absl::string_view name) {
  for (const SeccompRow& row : SeccompTable()) {
    if (name == row.name) return &row;
  }
  return nullptr;
}

const SeccompI386Row* FindSeccompI386Row(uint32_t number) {
  return FindNumber(SeccompI386Table(), number);
}

}  // namespace glovebox
