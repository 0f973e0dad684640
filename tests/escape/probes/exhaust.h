// Takes of one thing until it is refused, and tells how much that was.
#ifndef GLOVEBOX_TESTS_ESCAPE_PROBES_EXHAUST_H_
#define GLOVEBOX_TESTS_ESCAPE_PROBES_EXHAUST_H_

struct Exhaustion {
  const char* name;
  long (*run)();  // how much was taken; errno says why no more
};
extern const Exhaustion kExhaustions[];

#endif  // GLOVEBOX_TESTS_ESCAPE_PROBES_EXHAUST_H_
