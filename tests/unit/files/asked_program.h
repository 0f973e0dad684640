// One call of the program, in the test's own process.
#ifndef GLOVEBOX_TESTS_UNIT_FILES_ASKED_PROGRAM_H_
#define GLOVEBOX_TESTS_UNIT_FILES_ASKED_PROGRAM_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "files/call.h"

namespace glovebox {

inline constexpr char kAskedToken[] = "00";

// The body of kDone, or the call's error. `content`: sent behind the request of a write.
absl::StatusOr<std::string> AskProgram(absl::Status (*operation)(FilesCall*),
                                       const std::string& request, const std::string& path = "",
                                       const std::string& content = "");

// The reason of an error; "OK", or its message when it has none.
std::string ReasonOf(const absl::Status& status);

}  // namespace glovebox

#endif  // GLOVEBOX_TESTS_UNIT_FILES_ASKED_PROGRAM_H_
