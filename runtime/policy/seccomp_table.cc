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

}  // namespace

const char* SeccompTierName(SeccompTier tier) {
  return tier == SeccompTier::kStrict ? "strict" : "build";
}

const std::vector<SeccompRow>& SeccompTable() {
  static const auto* const rows = new std::vector<SeccompRow>(SortedRows());
  return *rows;
}

}  // namespace glovebox
