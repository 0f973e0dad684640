#include "linux/socket_lookup.h"

#include <linux/bpf.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace glovebox {
namespace {

// Places in the map.
constexpr uint32_t kNames = 0;
constexpr uint32_t kOthers = 1;
constexpr uint32_t kPlaces = 2;

constexpr int32_t kLoopbackNet = 127;
constexpr int32_t kDummyAddress = static_cast<int32_t>(0xc0000008);  // 192.0.0.8, RFC 7600
// ::1 ends in this word, as it lies in memory.
constexpr int32_t kLastOfLoopback = 0x01000000;
constexpr int16_t kKeyOnStack = -4;

long Bpf(bpf_cmd command, bpf_attr* attributes, size_t size) {
  return ::syscall(SYS_bpf, command, attributes, size);
}

constexpr bpf_insn Insn(int code, int to, int from, int offset, int32_t value) {
  return {static_cast<__u8>(code), static_cast<__u8>(to & 0xf), static_cast<__u8>(from & 0xf),
          static_cast<__s16>(offset), value};
}
constexpr bpf_insn Set(int to, int32_t value) {
  return Insn(BPF_ALU64 | BPF_MOV | BPF_K, to, 0, 0, value);
}
constexpr bpf_insn Copy(int to, int from) {
  return Insn(BPF_ALU64 | BPF_MOV | BPF_X, to, from, 0, 0);
}
constexpr bpf_insn LoadWord(int to, int from, size_t offset) {
  return Insn(BPF_LDX | BPF_MEM | BPF_W, to, from, static_cast<int>(offset), 0);
}
constexpr bpf_insn Call(int function) { return Insn(BPF_JMP | BPF_CALL, 0, 0, 0, function); }
constexpr bpf_insn Return() { return Insn(BPF_JMP | BPF_EXIT, 0, 0, 0, 0); }

// Instructions with jumps to names instead of distances.
class Assembly {
 public:
  enum Label { kPass, kDrop, kIpv6, kToOthers, kGive, kLabels };

  void Add(const bpf_insn& instruction) { program_.push_back(instruction); }
  void Place(Label label) { places_[label] = program_.size(); }
  void Jump(Label label) { AddJump(BPF_JMP | BPF_JA, 0, 0, label); }
  // 32 bits of the register, which has no more.
  void JumpIf(int reg, int32_t value, Label label) {
    AddJump(BPF_JMP32 | BPF_JEQ | BPF_K, reg, value, label);
  }
  void JumpIfNot(int reg, int32_t value, Label label) {
    AddJump(BPF_JMP32 | BPF_JNE | BPF_K, reg, value, label);
  }
  void JumpIfNull(int reg, Label label) { AddJump(BPF_JMP | BPF_JEQ | BPF_K, reg, 0, label); }

  std::vector<bpf_insn> Take() {
    for (const auto& [at, label] : jumps_) {
      program_[at].off = static_cast<__s16>(places_[label] - at - 1);
    }
    return std::move(program_);
  }

 private:
  void AddJump(int code, int reg, int32_t value, Label label) {
    jumps_.emplace_back(program_.size(), label);
    Add(Insn(code, reg, 0, 0, value));
  }

  std::vector<bpf_insn> program_;
  std::vector<std::pair<size_t, Label>> jumps_;
  std::array<size_t, kLabels> places_{};
};

// Decides by the destination, as far as the socket's place in the map: in register 7, or passes.
void AddChoice(Assembly* code) {
  constexpr int kContext = BPF_REG_6, kPlace = BPF_REG_7, kWord = BPF_REG_2;
  code->Add(Copy(kContext, BPF_REG_1));
  code->Add(LoadWord(kWord, kContext, offsetof(bpf_sk_lookup, protocol)));
  code->JumpIfNot(kWord, IPPROTO_TCP, Assembly::kPass);
  code->Add(Set(kPlace, kNames));
  code->Add(LoadWord(kWord, kContext, offsetof(bpf_sk_lookup, local_port)));  // in host order
  code->JumpIf(kWord, kLookupNamesPort, Assembly::kGive);
  code->Add(LoadWord(kWord, kContext, offsetof(bpf_sk_lookup, family)));
  code->JumpIf(kWord, AF_INET6, Assembly::kIpv6);
  code->Add(LoadWord(kWord, kContext, offsetof(bpf_sk_lookup, local_ip4)));  // in network order
  code->Add(Insn(BPF_ALU | BPF_END | BPF_TO_BE, kWord, 0, 0, 32));
  code->JumpIf(kWord, kDummyAddress, Assembly::kPass);
  code->Add(Insn(BPF_ALU | BPF_RSH | BPF_K, kWord, 0, 0, 24));
  code->JumpIf(kWord, kLoopbackNet, Assembly::kPass);
  code->Jump(Assembly::kToOthers);
  code->Place(Assembly::kIpv6);
  for (size_t i = 0; i < 3; ++i) {
    code->Add(LoadWord(kWord, kContext, offsetof(bpf_sk_lookup, local_ip6) + i * sizeof(uint32_t)));
    code->JumpIfNot(kWord, 0, Assembly::kToOthers);
  }
  code->Add(LoadWord(kWord, kContext, offsetof(bpf_sk_lookup, local_ip6) + 3 * sizeof(uint32_t)));
  code->JumpIf(kWord, kLastOfLoopback, Assembly::kPass);
  code->Place(Assembly::kToOthers);
  code->Add(Set(kPlace, kOthers));
}

// The socket at the place in register 7 gets the connection, and no other of its port's
// (SO_REUSEPORT), nor one that another program chose. Without one nobody does: it is not for
// whoever listens there besides.
void AddGift(Assembly* code, int map) {
  constexpr int kContext = BPF_REG_6, kPlace = BPF_REG_7, kSocket = BPF_REG_8, kGiven = BPF_REG_9;
  code->Place(Assembly::kGive);
  code->Add(Insn(BPF_STX | BPF_MEM | BPF_W, BPF_REG_10, kPlace, kKeyOnStack, 0));
  code->Add(Insn(BPF_LD | BPF_DW, BPF_REG_1, BPF_PSEUDO_MAP_FD, 0, map));
  code->Add({});  // the other half of it
  code->Add(Copy(BPF_REG_2, BPF_REG_10));
  code->Add(Insn(BPF_ALU64 | BPF_ADD, BPF_REG_2, 0, 0, kKeyOnStack));
  code->Add(Call(BPF_FUNC_map_lookup_elem));
  code->JumpIfNull(BPF_REG_0, Assembly::kDrop);
  code->Add(Copy(kSocket, BPF_REG_0));
  code->Add(Copy(BPF_REG_1, kContext));
  code->Add(Copy(BPF_REG_2, kSocket));
  code->Add(Set(BPF_REG_3, BPF_SK_LOOKUP_F_REPLACE | BPF_SK_LOOKUP_F_NO_REUSEPORT));
  code->Add(Call(BPF_FUNC_sk_assign));
  code->Add(Copy(kGiven, BPF_REG_0));
  code->Add(Copy(BPF_REG_1, kSocket));
  code->Add(Call(BPF_FUNC_sk_release));
  code->JumpIfNot(kGiven, 0, Assembly::kDrop);
  code->Place(Assembly::kPass);
  code->Add(Set(BPF_REG_0, SK_PASS));
  code->Add(Return());
  code->Place(Assembly::kDrop);
  code->Add(Set(BPF_REG_0, SK_DROP));
  code->Add(Return());
}

absl::StatusOr<UniqueFd> MakeSocketMap() {
  bpf_attr attributes{};
  attributes.map_type = BPF_MAP_TYPE_SOCKMAP;
  attributes.key_size = sizeof(uint32_t);
  attributes.value_size = sizeof(uint64_t);
  attributes.max_entries = kPlaces;
  UniqueFd map(static_cast<int>(Bpf(BPF_MAP_CREATE, &attributes, sizeof attributes)));
  if (!map.valid()) return ErrnoError(errno, "bpf BPF_MAP_CREATE SOCKMAP");
  return map;
}

absl::Status Put(int map, uint32_t place, int socket) {
  const uint64_t value = static_cast<uint64_t>(socket);
  bpf_attr attributes{};
  attributes.map_fd = static_cast<__u32>(map);
  attributes.key = reinterpret_cast<uintptr_t>(&place);
  attributes.value = reinterpret_cast<uintptr_t>(&value);
  if (Bpf(BPF_MAP_UPDATE_ELEM, &attributes, sizeof attributes) == 0) return absl::OkStatus();
  return ErrnoError(errno, absl::StrCat("bpf BPF_MAP_UPDATE_ELEM ", place));
}

// A descriptor of the network namespace that a socket is of. Its owner's CAP_NET_ADMIN is needed.
absl::StatusOr<UniqueFd> NamespaceOf(int socket) {
  UniqueFd fd(::ioctl(socket, SIOCGSKNS));
  if (!fd.valid()) return ErrnoError(errno, "ioctl SIOCGSKNS");
  return fd;
}

absl::StatusOr<UniqueFd> MakeLink(int program, int space) {
  bpf_attr attributes{};
  attributes.link_create.prog_fd = static_cast<__u32>(program);
  attributes.link_create.target_fd = static_cast<__u32>(space);
  attributes.link_create.attach_type = BPF_SK_LOOKUP;
  UniqueFd link(static_cast<int>(Bpf(BPF_LINK_CREATE, &attributes, sizeof attributes)));
  if (!link.valid()) return ErrnoError(errno, "bpf BPF_LINK_CREATE SK_LOOKUP");
  return link;
}

absl::StatusOr<uint64_t> InodeOf(int fd) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) return ErrnoError(errno, "fstat of a network namespace");
  return uint64_t{status.st_ino};
}

}  // namespace

absl::StatusOr<uint64_t> OwnNetworkNamespace() {
  struct stat status {};
  if (::stat("/proc/self/ns/net", &status) != 0) return ErrnoError(errno, "stat own namespace");
  return uint64_t{status.st_ino};
}

absl::StatusOr<SocketLookup> SocketLookup::Load() {
  ASSIGN_OR_RETURN(UniqueFd sockets, MakeSocketMap());
  Assembly code;
  AddChoice(&code);
  AddGift(&code, sockets.get());
  const std::vector<bpf_insn> program = code.Take();
  bpf_attr attributes{};
  attributes.prog_type = BPF_PROG_TYPE_SK_LOOKUP;
  attributes.expected_attach_type = BPF_SK_LOOKUP;
  attributes.insns = reinterpret_cast<uintptr_t>(program.data());
  attributes.insn_cnt = static_cast<__u32>(program.size());
  attributes.license = reinterpret_cast<uintptr_t>("");  // it calls nothing that wants the GPL
  constexpr char kName[] = "glovebox";
  static_assert(sizeof kName <= BPF_OBJ_NAME_LEN);
  __builtin_memcpy(attributes.prog_name, kName, sizeof kName);
  UniqueFd loaded(static_cast<int>(Bpf(BPF_PROG_LOAD, &attributes, sizeof attributes)));
  if (!loaded.valid()) return ErrnoError(errno, "bpf BPF_PROG_LOAD SK_LOOKUP");
  return SocketLookup(std::move(sockets), std::move(loaded));
}

absl::StatusOr<UniqueFd> SocketLookup::Attach(int names, int others,
                                              uint64_t foreign_namespace) const {
  ASSIGN_OR_RETURN(const UniqueFd space, NamespaceOf(others));
  ASSIGN_OR_RETURN(const uint64_t inode, InodeOf(space.get()));
  ASSIGN_OR_RETURN(const UniqueFd other_space, NamespaceOf(names));
  ASSIGN_OR_RETURN(const uint64_t other_inode, InodeOf(other_space.get()));
  if (inode == foreign_namespace) {
    return absl::PermissionDeniedError("a socket of a network namespace that is not a sandbox's");
  }
  if (inode != other_inode) {
    return absl::InvalidArgumentError("two sockets of different network namespaces");
  }
  // What it accepts holds its own port, and inherits this: else no server could have that port
  // beside it.
  const int on = 1;
  if (::setsockopt(others, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0) {
    return ErrnoError(errno, "setsockopt SO_REUSEADDR");
  }
  RETURN_IF_ERROR(Put(sockets_.get(), kNames, names));
  RETURN_IF_ERROR(Put(sockets_.get(), kOthers, others));
  return MakeLink(program_.get(), space.get());
}

absl::StatusOr<UniqueFd> SocketLookup::AttachToNobody(int socket) const {
  ASSIGN_OR_RETURN(const UniqueFd space, NamespaceOf(socket));
  return MakeLink(program_.get(), space.get());
}

}  // namespace glovebox
