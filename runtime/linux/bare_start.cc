#include "linux/bare_start.h"

#include <asm/prctl.h>
#include <elf.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>

#include "linux/raw_syscalls.h"

namespace {

// x86-64 code reads its canary at %fs:0x28, which without a C library nobody sets up.
struct ThreadBlock {
  void* self;
  uint64_t unused[4];
  uint64_t canary;
};
static_assert(offsetof(ThreadBlock, canary) == 0x28);

constinit ThreadBlock thread_block{};

}  // namespace

extern "C" {

// `stack` is what the kernel left at %rsp: argc, argv, NULL, envp, NULL, auxv. Without a protector
// of its own, since the canary is not there yet.
__attribute__((noreturn, used, no_stack_protector)) void BareEntry(uint64_t* stack) {
  uint64_t* word = stack + 1 + stack[0] + 1;
  while (*word != 0) ++word;
  for (++word; word[0] != AT_NULL; word += 2) {
    if (word[0] == AT_RANDOM) thread_block.canary = *reinterpret_cast<uint64_t*>(word[1]);
  }
  thread_block.canary &= ~uint64_t{0xff};  // a NUL first, so that no text copy reveals it
  thread_block.self = &thread_block;
  // Going on without a canary would be a fault, which a traced PID 1 repeats for ever.
  if (glovebox::raw::Call(__NR_arch_prctl, ARCH_SET_FS, &thread_block) < 0) {
    glovebox::raw::ExitGroup(1);
  }
  glovebox::raw::ExitGroup(BareMain());
}

asm(".globl _start\n"
    ".type _start, @function\n"
    "_start:\n"
    "  endbr64\n"
    "  xor %ebp, %ebp\n"
    "  mov %rsp, %rdi\n"
    "  and $-16, %rsp\n"
    "  call BareEntry\n"
    "  ud2\n");

__attribute__((noreturn)) void __stack_chk_fail() { __builtin_trap(); }

// The string instructions are at full speed on every processor with ERMS and never become a call
// to themselves.
void* memcpy(void* to, const void* from, size_t size) {
  void* result = to;
  asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
  return result;
}

void* memset(void* to, int value, size_t size) {
  void* result = to;
  asm volatile("rep stosb" : "+D"(to), "+c"(size) : "a"(value) : "memory");
  return result;
}

void* memmove(void* to, const void* from, size_t size) {
  if (reinterpret_cast<uintptr_t>(to) - reinterpret_cast<uintptr_t>(from) >= size) {
    return memcpy(to, from, size);
  }
  auto* out = static_cast<volatile char*>(to);
  auto* in = static_cast<const volatile char*>(from);
  while (size-- > 0) out[size] = in[size];
  return to;
}

int memcmp(const void* a, const void* b, size_t size) {
  auto* left = static_cast<const volatile unsigned char*>(a);
  auto* right = static_cast<const volatile unsigned char*>(b);
  for (size_t i = 0; i < size; ++i) {
    unsigned char x = left[i];
    unsigned char y = right[i];
    if (x != y) return x < y ? -1 : 1;
  }
  return 0;
}

size_t strlen(const char* text) {
  auto* end = static_cast<const volatile char*>(text);
  size_t size = 0;
  while (end[size] != 0) ++size;
  return size;
}

int close(int fd) { return static_cast<int>(glovebox::raw::Close(fd)); }  // for UniqueFd

// Behind the macros of sys/socket.h and sys/sysmacros.h.
cmsghdr* __cmsg_nxthdr(msghdr* message, cmsghdr* header) noexcept {
  auto* end = static_cast<unsigned char*>(message->msg_control) + message->msg_controllen;
  auto* at = reinterpret_cast<unsigned char*>(header);
  if (header->cmsg_len < sizeof(cmsghdr)) return nullptr;
  size_t step = CMSG_ALIGN(header->cmsg_len);
  auto left = static_cast<size_t>(end - at);
  if (step > left || left - step < sizeof(cmsghdr)) return nullptr;
  return reinterpret_cast<cmsghdr*>(at + step);
}

dev_t gnu_dev_makedev(unsigned major_number, unsigned minor_number) noexcept {
  return dev_t{major_number & 0xfffu} << 8 | (minor_number & 0xffu) |
         dev_t{minor_number & ~0xffu} << 12 | dev_t{major_number & ~0xfffu} << 32;
}

// Static objects live as long as the process: nothing runs at exit.
void* __dso_handle = nullptr;
int __cxa_atexit(void (*)(void*), void*, void*) { return 0; }

}  // extern "C"
