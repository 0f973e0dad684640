// Runs escape_probe in a sandbox and, as a control, outside of any.
#ifndef GLOVEBOX_TESTS_ESCAPE_PROBE_RUN_H_
#define GLOVEBOX_TESTS_ESCAPE_PROBE_RUN_H_

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "tests/support/sandbox_world.h"

namespace glovebox {

// The columns of Probe::expected.
enum class ProbePlace { kSandbox, kNoFilters, kNoLandlock, kHost, kRootInside };

struct ProbeVerdict {
  std::string word;    // CONFINED, ESCAPED, BROKEN
  std::string detail;  // what was tried, and how each was answered
};

// Name -> expected verdicts.
std::map<std::string, std::string> ListProbes();
// "C", "E" or "-" as the word that the probe has to say, "" for "-".
std::string ExpectedWord(const std::string& expected, ProbePlace place);

// Puts the program into the sandbox's /tmp.
absl::Status CopyProbeInto(Sandbox& sandbox);
// Name -> verdict. `user` as in ExecSpec.
absl::StatusOr<std::map<std::string, ProbeVerdict>> RunProbesIn(
    Sandbox& sandbox, const std::vector<std::string>& arguments, const std::string& user);
// As the user of the test: root, with nothing to hold it.
ProbeVerdict RunProbeOutside(const std::string& name, const std::vector<std::string>& arguments);

}  // namespace glovebox

#endif  // GLOVEBOX_TESTS_ESCAPE_PROBE_RUN_H_
