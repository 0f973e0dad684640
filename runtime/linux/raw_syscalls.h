// System calls without a C library between: a result below zero is -errno, nothing touches errno or
// thread-local memory, and a call acts on the calling thread alone (glibc's setresuid, for one,
// signals every thread). Meant for glovebox-init, glovebox-spawner and code after clone; async
// signal safe, no allocation. x86-64.
#ifndef GLOVEBOX_LINUX_RAW_SYSCALLS_H_
#define GLOVEBOX_LINUX_RAW_SYSCALLS_H_

#include <asm/unistd.h>
#include <linux/capability.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <stddef.h>
#include <stdint.h>

#include <type_traits>

#ifndef __x86_64__
#error "raw_syscalls.h knows the x86-64 calling convention only"
#endif

// From the kernel's headers, under the names of fcntl.h, which cannot be included beside
// linux/openat2.h everywhere.
#ifndef AT_RECURSIVE
#define AT_RECURSIVE 0x8000
#endif
#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC (1U << 2)
#endif

// Of <linux/mount.h>, which is not included here: where runtime/ is an include directory, that name
// is another file's.
struct mount_attr;

namespace glovebox::raw {

template <typename T>
inline long ToRegister(T value) {
  if constexpr (std::is_null_pointer_v<T>) {
    return 0;
  } else if constexpr (std::is_pointer_v<T>) {
    return reinterpret_cast<long>(value);
  } else {
    return static_cast<long>(value);
  }
}

inline long Call6(long number, long a, long b, long c, long d, long e, long f) {
  long result;
  register long r10 asm("r10") = d;
  register long r8 asm("r8") = e;
  register long r9 asm("r9") = f;
  asm volatile("syscall"
               : "=a"(result)
               : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
               : "rcx", "r11", "memory");
  return result;
}

inline long Call3(long number, long a, long b, long c) {
  long result;
  asm volatile("syscall"
               : "=a"(result)
               : "a"(number), "D"(a), "S"(b), "d"(c)
               : "rcx", "r11", "memory");
  return result;
}

// Any system call: Call(__NR_close, fd).
template <typename A = int, typename B = int, typename C = int>
inline long Call(long number, A a = 0, B b = 0, C c = 0) {
  return Call3(number, ToRegister(a), ToRegister(b), ToRegister(c));
}
template <typename A, typename B, typename C, typename D, typename E = int, typename F = int>
inline long Call(long number, A a, B b, C c, D d, E e = 0, F f = 0) {
  return Call6(number, ToRegister(a), ToRegister(b), ToRegister(c), ToRegister(d), ToRegister(e),
               ToRegister(f));
}

// ---- descriptors
inline long Close(int fd) { return Call(__NR_close, fd); }
inline long Read(int fd, void* data, size_t size) { return Call(__NR_read, fd, data, size); }
inline long Write(int fd, const void* data, size_t size) {
  return Call(__NR_write, fd, data, size);
}
inline long OpenAt(int dir_fd, const char* path, int flags, unsigned mode = 0) {
  return Call(__NR_openat, dir_fd, path, flags, mode);
}
inline long OpenAt2(int dir_fd, const char* path, const open_how& how) {
  return Call(__NR_openat2, dir_fd, path, &how, sizeof(how));
}
inline long Dup3(int from_fd, int to_fd, int flags) {
  return Call(__NR_dup3, from_fd, to_fd, flags);
}
inline long Fcntl(int fd, int command, long argument = 0) {
  return Call(__NR_fcntl, fd, command, argument);
}
template <typename T>
inline long Ioctl(int fd, unsigned long request, T argument) {
  return Call(__NR_ioctl, fd, request, argument);
}
inline long Pipe2(int* fds, int flags) { return Call(__NR_pipe2, fds, flags); }
inline long CloseRange(unsigned first, unsigned last, unsigned flags) {
  return Call(__NR_close_range, first, last, flags);
}

// ---- processes
inline long Clone3(const clone_args& args) { return Call(__NR_clone3, &args, sizeof(args)); }
inline long ExecveAt(int dir_fd, const char* path, const char* const* argv, const char* const* envp,
                     int flags) {
  return Call(__NR_execveat, dir_fd, path, argv, envp, flags);
}
inline long Execve(const char* path, const char* const* argv, const char* const* envp) {
  return Call(__NR_execve, path, argv, envp);
}
[[noreturn]] inline void ExitGroup(int code) {
  for (;;) (void)Call(__NR_exit_group, code);  // does not return
}
inline long PidfdSendSignal(int pidfd, int signal) {
  return Call(__NR_pidfd_send_signal, pidfd, signal, nullptr, 0);
}
template <typename A = int, typename B = int, typename C = int, typename D = int>
inline long Prctl(int option, A a = 0, B b = 0, C c = 0, D d = 0) {
  return Call(__NR_prctl, option, a, b, c, d);
}
inline long SetResUid(unsigned uid) { return Call(__NR_setresuid, uid, uid, uid); }
inline long SetResGid(unsigned gid) { return Call(__NR_setresgid, gid, gid, gid); }
inline long SetGroups(size_t count, const unsigned* groups) {
  return Call(__NR_setgroups, count, groups);
}

// The two halves of the 64-bit sets of one thread.
struct CapabilitySets {
  uint64_t effective = 0;
  uint64_t permitted = 0;
  uint64_t inheritable = 0;
  friend bool operator==(const CapabilitySets&, const CapabilitySets&) = default;
};
inline long CapSet(const CapabilitySets& sets) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2];
  for (unsigned i = 0; i < 2; ++i) {
    data[i].effective = static_cast<uint32_t>(sets.effective >> (32 * i));
    data[i].permitted = static_cast<uint32_t>(sets.permitted >> (32 * i));
    data[i].inheritable = static_cast<uint32_t>(sets.inheritable >> (32 * i));
  }
  return Call(__NR_capset, &header, &data[0]);
}
inline long CapGet(CapabilitySets* sets) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  long result = Call(__NR_capget, &header, &data[0]);
  *sets = CapabilitySets{data[0].effective | uint64_t{data[1].effective} << 32,
                         data[0].permitted | uint64_t{data[1].permitted} << 32,
                         data[0].inheritable | uint64_t{data[1].inheritable} << 32};
  return result;
}

// ---- mounts
inline long Mount(const char* source, const char* target, const char* type, unsigned long flags,
                  const char* options) {
  return Call(__NR_mount, source, target, type, flags, options);
}
inline long OpenTree(int dir_fd, const char* path, unsigned flags) {
  return Call(__NR_open_tree, dir_fd, path, flags);
}
inline long MoveMount(int from_fd, const char* from, int to_fd, const char* to, unsigned flags) {
  return Call(__NR_move_mount, from_fd, from, to_fd, to, flags);
}
inline long MountSetAttr(int dir_fd, const char* path, unsigned flags, const mount_attr& attr) {
  constexpr size_t kAttrSize = 32;  // MOUNT_ATTR_SIZE_VER0
  return Call(__NR_mount_setattr, dir_fd, path, flags, &attr, kAttrSize);
}
inline long FsOpen(const char* type, unsigned flags) { return Call(__NR_fsopen, type, flags); }
inline long FsConfig(int fd, unsigned command, const char* key, const char* value, int extra) {
  return Call(__NR_fsconfig, fd, command, key, value, extra);
}
inline long FsMount(int fd, unsigned flags, unsigned attributes) {
  return Call(__NR_fsmount, fd, flags, attributes);
}
inline long PivotRoot(const char* new_root, const char* put_old) {
  return Call(__NR_pivot_root, new_root, put_old);
}

}  // namespace glovebox::raw

#endif  // GLOVEBOX_LINUX_RAW_SYSCALLS_H_
