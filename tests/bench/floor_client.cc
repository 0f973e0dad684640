#include "tests/bench/floor_client.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/status.h"

namespace glovebox::bench {

absl::StatusOr<FloorClient> FloorClient::Start(const std::string& program,
                                               const std::string& root) {
  int requests[2];
  int answers[2];
  if (pipe2(requests, O_CLOEXEC) != 0) return ErrnoError(errno, "pipe2");
  UniqueFd request_reader(requests[0]);
  UniqueFd request_writer(requests[1]);
  if (pipe2(answers, O_CLOEXEC) != 0) return ErrnoError(errno, "pipe2");
  UniqueFd answer_reader(answers[0]);
  UniqueFd answer_writer(answers[1]);
  ASSIGN_OR_RETURN(Companion process,
                   Companion::Start({{program, "--serve", root},
                                     {{request_reader.get(), 0}, {answer_writer.get(), 1}}},
                                    1000));
  return FloorClient(std::move(process), std::move(request_writer), std::move(answer_reader));
}

absl::StatusOr<Measurement> FloorClient::Ask(char request) {
  if (write(requests_.get(), &request, 1) != 1) return ErrnoError(errno, "write to bench_floor");
  std::string line;
  char byte = 0;
  while (byte != '\n') {
    ssize_t size = read(answers_.get(), &byte, 1);
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return absl::UnavailableError("bench_floor has ended");
    line.push_back(byte);
  }
  std::vector<std::string> words = absl::StrSplit(line.substr(0, line.size() - 1), ' ');
  double first_byte = 0;
  double end = 0;
  if (words.size() != 2 || !absl::SimpleAtod(words[0], &first_byte) ||
      !absl::SimpleAtod(words[1], &end)) {
    return absl::FailedPreconditionError(absl::StrCat("bench_floor: ", line));
  }
  Measurement times{{"end", end}};
  if (first_byte > 0) times["first_byte"] = first_byte;
  return times;
}

}  // namespace glovebox::bench
