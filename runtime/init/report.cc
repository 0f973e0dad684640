#include "init/report.h"

#include <sys/socket.h>

#include "init/launch_plan.h"
#include "linux/bare_text.h"
#include "linux/raw_syscalls.h"

namespace glovebox {
namespace {

void Send(SetupStep step, int error, const char* detail) {
  SetupReport report{};
  report.magic = kSetupReportMagic;
  report.step = step;
  report.error = error;
  CopyText(report.detail, detail);
  // A daemon that is gone reads nothing; the sandbox lives on, or dies, all the same.
  (void)raw::Call(__NR_sendto, kInitStatusFd, &report, sizeof(report), MSG_NOSIGNAL | MSG_DONTWAIT,
                  nullptr, 0);
}

}  // namespace

void FailSetup(SetupStep step, int error, const char* detail) {
  Send(step, error, detail);
  raw::ExitGroup(1);
}

void ReportReady() {
  Send(SetupStep::kReady, 0, "");
  (void)raw::Close(kInitStatusFd);  // frees the number anyhow
}

}  // namespace glovebox
