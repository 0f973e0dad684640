// The least a program can do: what exec itself costs, without any start-up.
#include "linux/bare_start.h"

int BareMain() { return 0; }
