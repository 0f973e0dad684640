// What git and tar in a worker say: progress and errors on stderr, the answer on stdout. They have
// read a hostile repository.
#include "base/escape.h"
#include "snapshot/branch_shelf.h"
#include "snapshot/git_answer.h"
#include "snapshot/git_work.h"
#include "snapshot/import_progress.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/targets.h"

namespace glovebox {

void FuzzImportOutput(absl::string_view bytes) {
  FuzzInput input(bytes);
  const size_t piece = input.Byte();
  const absl::string_view text = input.Rest();
  std::vector<ImportProgress> whole;
  ImportProgressParser parser([&](const ImportProgress& progress) { whole.push_back(progress); });
  parser.Feed(text);
  size_t calls = 0;
  ImportProgressParser pieces([&](const ImportProgress& progress) {
    Demand(calls < whole.size() && whole[calls].phase == progress.phase &&
               whole[calls].objects == progress.objects && whole[calls].bytes == progress.bytes &&
               whole[calls].files == progress.files,
           "progress does not depend on where the bytes are cut");
    ++calls;
  });
  for (size_t i = 0; i < text.size(); i += piece + 1) pieces.Feed(text.substr(i, piece + 1));
  Demand(calls == whole.size(), "no progress is lost where the bytes are cut");

  const std::string words = LastWords(text);
  Demand(EscapeForPeople(words).size() >= words.size() && words.find('\n') == std::string::npos,
         "last words are one line");
  if (const auto answer = ParseGitAnswer(text); answer.ok()) {
    Demand(answer->source.commit.size() == 40 && answer->source.tree.size() == 40 &&
               EscapeForPeople(answer->source.branch) == answer->source.branch,
           "an answer has ids and a printable branch");
  }
  CommitMade made;
  if (ParseCommitAnswer(text, &made).ok()) {
    Demand(made.commit.size() == 40, "a commit's answer has its id");
  }
  uint64_t head_bytes = 0;
  if (const auto kept = ParseKeptBranch(text, &head_bytes); kept.ok()) {
    Demand(FormatKeptBranch(*kept) == text.substr(0, head_bytes), "a kept branch has one form");
    Demand(CheckBranchName(kept->branch).ok() && !kept->commits.empty(),
           "a kept branch has a name and a tip");
  }
}

}  // namespace glovebox
