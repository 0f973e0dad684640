// escape_probe list | all [name=value ...] | NAME [name=value ...] | exhaust NAME
//
// One line per probe: name, requirement, verdict, what was tried and how it was refused. Exit
// status 0: no probe ESCAPED and none is BROKEN.
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/escape/probes/exhaust.h"
#include "tests/escape/probes/probe.h"

namespace {

constexpr unsigned kSecondsMax = 60;

struct Verdict {
  bool escaped;
  bool broken;
  char detail[900];
};

Verdict* verdict;  // shared with the process that runs the probe
char** arguments;

void Note(const char* what, const char* result) {
  size_t used = strlen(verdict->detail);
  snprintf(verdict->detail + used, sizeof(verdict->detail) - used, " %s=%s", what, result);
}

const Probe* const kGroups[] = {kNamespaceProbes, kPrivilegeProbes, kFileProbes,
                                kKernelProbes,    kProcessProbes,   kNetworkProbes};

template <typename Visitor>
void ForEachProbe(Visitor visit) {
  for (const Probe* group : kGroups) {
    for (const Probe* probe = group; probe->name != nullptr; ++probe) visit(*probe);
  }
}

const char* Run(const Probe& probe) {
  memset(verdict, 0, sizeof(*verdict));
  fflush(stdout);
  const pid_t pid = fork();
  if (pid == 0) {
    setsid();
    alarm(kSecondsMax);
    probe.run();
    _exit(0);
  }
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  kill(-pid, SIGKILL);  // what the probe left behind
  if (verdict->escaped) return "ESCAPED";
  // SIGSYS is how the filter answers a foreign architecture.
  if (WIFSIGNALED(status) && WTERMSIG(status) != SIGSYS) {
    Note("signal", strsignal(WTERMSIG(status)));
    return "BROKEN";
  }
  return verdict->broken ? "BROKEN" : "CONFINED";
}

int Exhaust(const char* name) {
  for (const Exhaustion* each = kExhaustions; each->name != nullptr; ++each) {
    if (strcmp(name, each->name) != 0) continue;
    errno = 0;
    const long taken = each->run();
    const char* why = strerrorname_np(errno);
    // Descriptors may be used up.
    char line[100];
    const int size = snprintf(line, sizeof(line), "%ld %s\n", taken, why);
    return write(1, line, static_cast<size_t>(size)) == size ? 0 : 1;
  }
  return 2;
}

}  // namespace

void Attempt(const char* what, long result) {
  if (result >= 0) return Escaped(what);
  Note(what, strerrorname_np(errno));
}

void AttemptOpen(const char* path, int flags) {
  const int fd = open(path, flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  Attempt(path, fd);
  if (fd >= 0) close(fd);
}

void AttemptWrite(const char* path, const char* text) {
  const int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return Attempt(path, fd);
  Attempt(path, write(fd, text, strlen(text)));
  close(fd);
}

void Escaped(const char* what) {
  verdict->escaped = true;
  Note(what, "GOT THROUGH");
}

void Control(bool works, const char* what) {
  if (works) return;
  verdict->broken = true;
  Note(what, "CONTROL FAILED");
}

const char* Argument(const char* name) {
  const size_t size = strlen(name);
  for (char** argument = arguments; *argument != nullptr; ++argument) {
    if (strncmp(*argument, name, size) == 0 && (*argument)[size] == '=')
      return *argument + size + 1;
  }
  return nullptr;
}

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  if (argc == 3 && strcmp(argv[1], "exhaust") == 0) return Exhaust(argv[2]);
  arguments = argv + 2;
  void* memory =
      mmap(nullptr, sizeof(Verdict), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return 2;
  verdict = static_cast<Verdict*>(memory);
  int bad = 0;
  ForEachProbe([&](const Probe& probe) {
    if (strcmp(argv[1], "list") == 0) {
      printf("%s %s %s\n", probe.name, probe.requirement, probe.expected);
    } else if (strcmp(argv[1], "all") == 0 || strcmp(argv[1], probe.name) == 0) {
      const char* word = Run(probe);
      bad += strcmp(word, "CONFINED") != 0;
      printf("%s %s %s%s\n", probe.name, probe.requirement, word, verdict->detail);
    }
  });
  return bad == 0 ? 0 : 1;
}
