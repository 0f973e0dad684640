#include <csignal>
#include <vector>

#include "tools/glovebox/invocation.h"

int main(int argc, char** argv) {
  // A reader that went away is an error of write(2), which every writer here looks at.
  (void)std::signal(SIGPIPE, SIG_IGN);
  return glovebox::RunCli(std::vector<std::string>(argv + 1, argv + argc));
}
