// Attacks that a payload would try, each a function in a process of its own. A probe is CONFINED
// when every attempt was refused, ESCAPED when one got through, BROKEN when its own control (what
// must work for the refusals to mean anything) failed.
#ifndef GLOVEBOX_TESTS_ESCAPE_PROBES_PROBE_H_
#define GLOVEBOX_TESTS_ESCAPE_PROBES_PROBE_H_

// What the probe has to say in five places; C: CONFINED, E: ESCAPED, -: depends on the host.
struct Probe {
  const char* name;
  const char* requirement;  // "SR-4"
  void (*run)();
  // [0] in a sandbox; [1] in one without the system call filters; [2] in one without Landlock;
  // [3] outside of any sandbox, as root: an E there shows that the probe can fail; [4] as uid 0 of
  // a sandbox with root_inside.
  const char* expected;
};

// Each attempt of a probe. A result that is not an error (-1 with errno, as libc gives it) is an
// escape.
void Attempt(const char* what, long result);
// Opens and closes.
void AttemptOpen(const char* path, int flags);
// Opens and writes `text`; only a write that was taken counts.
void AttemptWrite(const char* path, const char* text);
void Escaped(const char* what);
void Control(bool works, const char* what);

// "name=value" of the command line, or null.
const char* Argument(const char* name);

extern const Probe kNamespaceProbes[];
extern const Probe kPrivilegeProbes[];
extern const Probe kFileProbes[];
extern const Probe kKernelProbes[];
extern const Probe kProcessProbes[];
extern const Probe kNetworkProbes[];

#endif  // GLOVEBOX_TESTS_ESCAPE_PROBES_PROBE_H_
