// What stands in for the C library in glovebox-init and glovebox-spawner: program entry, the memory
// functions the compiler calls, and the stack protector's word. A static glibc's start-up costs
// 0.35 ms and about twenty touched pages per process (relocations, locale, stdio), which every
// sandbox would pay; these two programs need none of it.
#ifndef GLOVEBOX_LINUX_BARE_START_H_
#define GLOVEBOX_LINUX_BARE_START_H_

// The program; its result is the exit code. There are no arguments and no environment.
extern "C" int BareMain();

#endif  // GLOVEBOX_LINUX_BARE_START_H_
