// glovebox-init: PID 1 of a sandbox. Theory of operation: README.md in this folder.
#include "init/plan_reader.h"
#include "init/report.h"
#include "init/server.h"
#include "init/setup.h"
#include "linux/bare_start.h"

extern "C" int BareMain() {
  static constinit glovebox::PlanReader plan;
  static glovebox::ServerMemory memory;
  static constinit glovebox::Server server(&memory);
  plan.Read();
  server.KeepDiags(glovebox::RunSetup(plan));
  server.Listen();
  glovebox::ReportReady();
  server.Run(plan);
}
