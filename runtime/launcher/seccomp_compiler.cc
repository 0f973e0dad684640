// Filter A goes through libseccomp, which makes a binary tree of it. Filter B is put together here:
// libseccomp 2.5 takes one comparison of an argument per rule and compares 64 bits with all
// operators but one, so "none of these four families" would take 37 rules instead of four
// comparisons, in a program that is loaded for every command.
#include "launcher/seccomp_compiler.h"

#include <linux/audit.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/unique_fd.h"

namespace glovebox {
namespace {

constexpr uint32_t kX32Bit = 0x40000000;
constexpr uint32_t kNoNumber = 0xffffffff;  // a tracer's "skip this call"; filter A answers it

absl::Status CompileError(absl::string_view what, int error) {
  return DetailedError(absl::StatusCode::kInternal,
                       absl::StrCat("seccomp filter: ", what, ": ", std::strerror(error)),
                       {"SECCOMP_COMPILE_FAILED", {{"errno", absl::StrCat(error)}}});
}

struct ReleaseContext {
  void operator()(void* context) const { seccomp_release(context); }
};
using Context = std::unique_ptr<void, ReleaseContext>;

absl::Status AddRows(SeccompTier tier, scmp_filter_ctx context) {
  for (const SeccompRow& row : SeccompTable()) {
    int result = 0;
    switch (row.action(tier)) {
      case SeccompAction::kAllow:
        result = seccomp_rule_add_exact(context, SCMP_ACT_ALLOW, static_cast<int>(row.number), 0);
        break;
      case SeccompAction::kRefuse:
        result =
            seccomp_rule_add_exact(context, SCMP_ACT_ERRNO(EPERM), static_cast<int>(row.number), 0);
        break;
      case SeccompAction::kAbsent:
        break;  // the default
    }
    if (result < 0) return CompileError(row.name, -result);
  }
  return absl::OkStatus();
}

// libseccomp 2.5 can export BPF to a descriptor only.
absl::StatusOr<std::vector<sock_filter>> Export(scmp_filter_ctx context) {
  UniqueFd fd(memfd_create("seccomp", MFD_CLOEXEC));
  if (!fd.valid()) return ErrnoError(errno, "memfd_create(seccomp)");
  if (int result = seccomp_export_bpf(context, fd.get()); result < 0) {
    return CompileError("seccomp_export_bpf", -result);
  }
  struct stat status;
  if (fstat(fd.get(), &status) < 0) return ErrnoError(errno, "fstat(seccomp)");
  const size_t size = static_cast<size_t>(status.st_size);
  if (size == 0 || size % sizeof(sock_filter) != 0 || size / sizeof(sock_filter) > BPF_MAXINSNS) {
    return CompileError("size of the exported program", EINVAL);
  }
  std::vector<sock_filter> program(size / sizeof(sock_filter));
  if (pread(fd.get(), program.data(), size, 0) != status.st_size) {
    return ErrnoError(errno == 0 ? EIO : errno, "pread(seccomp)");
  }
  return program;
}

absl::StatusOr<std::vector<sock_filter>> CompileAllowList(SeccompTier tier) {
  Context context(seccomp_init(SCMP_ACT_ERRNO(ENOSYS)));
  if (context == nullptr) return CompileError("seccomp_init", ENOMEM);
  for (const auto& [attribute, value] :
       {std::pair<scmp_filter_attr, uint32_t>{SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS},
        {SCMP_FLTATR_CTL_OPTIMIZE, 2}}) {
    if (int result = seccomp_attr_set(context.get(), attribute, value); result < 0) {
      return CompileError("seccomp_attr_set", -result);
    }
  }
  RETURN_IF_ERROR(AddRows(tier, context.get()));
  return Export(context.get());
}

// A block of instructions that returns before its end, or falls off it.
using Block = std::vector<sock_filter>;

void Append(Block* to, const Block& block) { to->insert(to->end(), block.begin(), block.end()); }

sock_filter Load(uint32_t offset) { return BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset); }
sock_filter Return(uint32_t action) { return BPF_STMT(BPF_RET | BPF_K, action); }

// Lower half of an argument; x86-64 is little-endian.
uint32_t ArgumentOffset(uint32_t argument) {
  return static_cast<uint32_t>(offsetof(seccomp_data, args) + argument * sizeof(uint64_t));
}

// The rule's instructions: each test that does not hold jumps to the end of the block.
absl::StatusOr<Block> CompileRule(const ArgumentRule& rule) {
  Block block;
  std::vector<size_t> jumps;
  std::optional<uint32_t> loaded;  // the argument that the accumulator holds
  for (const ArgumentTest& test : rule.tests) {
    if (loaded != test.argument) block.push_back(Load(ArgumentOffset(test.argument)));
    loaded = test.argument;
    if (test.kind == ArgumentTest::Kind::kMaskedEqual) {
      block.push_back(BPF_STMT(BPF_ALU | BPF_AND | BPF_K, test.mask));
      loaded.reset();
    }
    jumps.push_back(block.size());
    block.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, test.value, 0, 0));
  }
  block.push_back(Return(SECCOMP_RET_ERRNO | static_cast<uint32_t>(rule.error)));
  for (size_t i = 0; i < jumps.size(); ++i) {
    const size_t distance = block.size() - jumps[i] - 1;
    if (distance > 255) return CompileError(rule.why, E2BIG);
    const bool negated = rule.tests[i].kind == ArgumentTest::Kind::kNotEqual;
    (negated ? block[jumps[i]].jt : block[jumps[i]].jf) = static_cast<uint8_t>(distance);
  }
  return block;
}

absl::StatusOr<Block> CompileCall(SeccompTier tier, uint32_t number) {
  Block body;
  for (const ArgumentRule& rule : SeccompArgumentRules()) {
    if (rule.number != number || !rule.applies(tier)) continue;
    ASSIGN_OR_RETURN(const Block block, CompileRule(rule));
    Append(&body, block);
  }
  body.push_back(Return(SECCOMP_RET_ALLOW));
  if (body.size() > 255) return CompileError("rules of one call", E2BIG);
  Block call = {BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, static_cast<uint8_t>(body.size()))};
  Append(&call, body);
  return call;
}

absl::StatusOr<std::vector<sock_filter>> CompileArgumentRules(SeccompTier tier) {
  Block program = {
      Load(offsetof(seccomp_data, arch)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0),
      Return(SECCOMP_RET_KILL_PROCESS),
      Load(offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, kX32Bit, 0, 3),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kNoNumber, 1, 0),
      Return(SECCOMP_RET_KILL_PROCESS),
      Return(SECCOMP_RET_ALLOW),
  };
  std::set<uint32_t> numbers;
  for (const ArgumentRule& rule : SeccompArgumentRules()) {
    if (rule.applies(tier)) numbers.insert(rule.number);
  }
  for (uint32_t number : numbers) {
    ASSIGN_OR_RETURN(const Block call, CompileCall(tier, number));
    Append(&program, call);
  }
  program.push_back(Return(SECCOMP_RET_ALLOW));
  return program;
}

}  // namespace

absl::StatusOr<SeccompPrograms> CompileSeccomp(SeccompTier tier) {
  SeccompPrograms programs;
  ASSIGN_OR_RETURN(programs.allow_list, CompileAllowList(tier));
  ASSIGN_OR_RETURN(programs.argument_rules, CompileArgumentRules(tier));
  return programs;
}

}  // namespace glovebox
