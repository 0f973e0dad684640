// Seccomp programs put together from ranges of call numbers.
#ifndef GLOVEBOX_LAUNCHER_BPF_TREE_H_
#define GLOVEBOX_LAUNCHER_BPF_TREE_H_

#include <linux/filter.h>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace glovebox {

// Instructions that run from the first one and return, or fall off the end.
using BpfBlock = std::vector<sock_filter>;

inline sock_filter BpfReturn(uint32_t value) { return BPF_STMT(BPF_RET | BPF_K, value); }
inline sock_filter BpfLoad(size_t offset) {
  return BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<uint32_t>(offset));
}
inline void Append(BpfBlock* to, const BpfBlock& block) {
  to->insert(to->end(), block.begin(), block.end());
}

// What is done with the numbers from `first` on, up to the next range's first.
struct BpfRange {
  uint32_t first;
  BpfBlock leaf;  // returns on every path
};

// A binary search for the accumulator's value among `ranges`, which start at 0 and ascend. Each
// number costs log2 of the ranges in comparisons; neighbours with the same leaf become one range.
BpfBlock BpfTree(std::vector<BpfRange> ranges);

// `then` when the accumulator equals `value`, else on to `otherwise`; both return.
BpfBlock BpfIfEqual(uint32_t value, const BpfBlock& then, const BpfBlock& otherwise);

}  // namespace glovebox

#endif  // GLOVEBOX_LAUNCHER_BPF_TREE_H_
