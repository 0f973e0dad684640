#include "launcher/bpf_tree.h"

#include <cstring>
#include <utility>

namespace glovebox {
namespace {

constexpr size_t kNearMax = 255;  // a conditional jump's distance is a byte

bool Same(const BpfBlock& a, const BpfBlock& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(a[0])) == 0;
}

// [comparison][when false][when true]; by a second, long jump where the distance asks for it.
BpfBlock Fork(uint16_t comparison, uint32_t value, const BpfBlock& when_false,
              const BpfBlock& when_true) {
  const auto distance = static_cast<uint32_t>(when_false.size());
  const auto code = static_cast<uint16_t>(BPF_JMP | comparison | BPF_K);
  BpfBlock block;
  if (distance <= kNearMax) {
    block.push_back(BPF_JUMP(code, value, static_cast<uint8_t>(distance), 0));
  } else {
    block.push_back(BPF_JUMP(code, value, 0, 1));
    block.push_back(BPF_STMT(BPF_JMP | BPF_JA, distance));
  }
  Append(&block, when_false);
  Append(&block, when_true);
  return block;
}

BpfBlock Search(const std::vector<BpfRange>& ranges, size_t from, size_t to) {
  if (to - from == 1) return ranges[from].leaf;
  const size_t middle = from + (to - from) / 2;
  return Fork(BPF_JGE, ranges[middle].first, Search(ranges, from, middle),
              Search(ranges, middle, to));
}

}  // namespace

BpfBlock BpfTree(std::vector<BpfRange> ranges) {
  std::vector<BpfRange> merged;
  for (BpfRange& range : ranges) {
    if (merged.empty() || !Same(merged.back().leaf, range.leaf)) merged.push_back(std::move(range));
  }
  return Search(merged, 0, merged.size());
}

BpfBlock BpfIfEqual(uint32_t value, const BpfBlock& then, const BpfBlock& otherwise) {
  return Fork(BPF_JEQ, value, otherwise, then);
}

}  // namespace glovebox
