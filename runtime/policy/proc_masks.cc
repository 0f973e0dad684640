#include "policy/proc_masks.h"

namespace glovebox {

const std::vector<ProcMask>& ProcMasks() {
  using enum ProcMask::Kind;
  constexpr const char* kHardware = "describes the host's hardware";
  constexpr const char* kMemory = "physical memory of the host, its layout or state";
  constexpr const char* kSchedule = "timers and tasks of the whole host";
  constexpr const char* kModules = "code in the host's kernel";
  static const auto* const masks = new std::vector<ProcMask>{
      {"/proc/sys/fs/binfmt_misc", kHide, "registers interpreters for the whole host"},
      {"/proc/acpi", kHide, kHardware},
      {"/proc/asound", kHide, kHardware},
      {"/proc/bus", kHide, kHardware},
      {"/proc/cmdline", kHide, "boot parameters may hold secrets"},
      {"/proc/config.gz", kHide, "tells an attacker which kernel code is there"},
      {"/proc/driver", kHide, kHardware},
      {"/proc/fs", kHide, "state and controls of the host's file systems"},
      {"/proc/interrupts", kHide, "timing side channel on the host and its other sandboxes"},
      {"/proc/iomem", kHide, kMemory},
      {"/proc/ioports", kHide, kHardware},
      {"/proc/irq", kHide, kHardware},
      {"/proc/kallsyms", kHide, "kernel addresses defeat its randomization"},
      {"/proc/kcore", kHide, kMemory},
      {"/proc/key-users", kHide, "counts keys of the host's users"},
      {"/proc/keys", kHide, "lists keys of the host"},
      {"/proc/kmsg", kHide, "the host's kernel log"},
      {"/proc/kpagecgroup", kHide, kMemory},
      {"/proc/kpagecount", kHide, kMemory},
      {"/proc/kpageflags", kHide, kMemory},
      {"/proc/latency_stats", kHide, kSchedule},
      {"/proc/modules", kHide, kModules},
      {"/proc/pagetypeinfo", kHide, kMemory},
      {"/proc/partitions", kHide, kHardware},
      {"/proc/pressure", kHide, "load of the whole host; writable to arm triggers"},
      {"/proc/sched_debug", kHide, kSchedule},
      {"/proc/scsi", kHide, kHardware},
      {"/proc/slabinfo", kHide, kMemory},
      {"/proc/swaps", kHide, "paths of the host"},
      {"/proc/sysrq-trigger", kHide, "reboots and crashes the host"},
      {"/proc/timer_list", kHide, kSchedule},
      {"/proc/timer_stats", kHide, kSchedule},
      {"/proc/tty/driver", kHide, kHardware},
      {"/proc/vmallocinfo", kHide, kMemory},
      {"/proc/sys", kReadOnly, "the kernel's knobs; programs read many of them"},
  };
  return *masks;
}

}  // namespace glovebox
