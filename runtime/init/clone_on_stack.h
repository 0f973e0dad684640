// clone3 for a child that shares the caller's memory and runs on a stack of its own.
#ifndef GLOVEBOX_INIT_CLONE_ON_STACK_H_
#define GLOVEBOX_INIT_CLONE_ON_STACK_H_

#include "linux/raw_syscalls.h"

namespace glovebox {

// The child calls function(argument), which must not return. The parent gets the pid or -errno.
inline long CloneOnStack(const clone_args& args, void (*function)(void*), void* argument) {
  long result;
  register void (*child)(void*) asm("r8") = function;
  register void* child_argument asm("r9") = argument;
  asm volatile(
      "syscall\n\t"
      "test %%rax, %%rax\n\t"
      "jnz 1f\n\t"
      "xor %%ebp, %%ebp\n\t"
      "mov %%r9, %%rdi\n\t"
      "call *%%r8\n\t"
      "ud2\n"
      "1:"
      : "=a"(result)
      : "0"(long{__NR_clone3}), "D"(&args), "S"(sizeof(args)), "r"(child), "r"(child_argument)
      : "rcx", "r11", "memory");
  return result;
}

}  // namespace glovebox

#endif  // GLOVEBOX_INIT_CLONE_ON_STACK_H_
