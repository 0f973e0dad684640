#include "snapshot/import_progress.h"

#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/escape.h"

namespace glovebox {
namespace {

constexpr absl::string_view kPhaseMark = "glovebox-phase ";
constexpr absl::string_view kCountsMark = "glovebox-progress ";

// The n of "... 23% (n/m)...".
bool ParseCount(absl::string_view line, uint64_t* count) {
  const size_t begin = line.find('(');
  const size_t end = line.find('/', begin == line.npos ? 0 : begin);
  if (begin == line.npos || end == line.npos) return false;
  return absl::SimpleAtoi(line.substr(begin + 1, end - begin - 1), count);
}

// The bytes of "..., 12.34 MiB | ...".
uint64_t ParseBytes(absl::string_view line) {
  const size_t comma = line.find("), ");
  if (comma == line.npos) return 0;
  const std::vector<absl::string_view> words =
      absl::StrSplit(line.substr(comma + 3), absl::MaxSplits(' ', 2));
  double value = 0;
  if (words.size() < 2 || !absl::SimpleAtod(words[0], &value) || !(value >= 0 && value < 1e9)) {
    return 0;
  }
  if (words[1] == "KiB") return static_cast<uint64_t>(value * 1024);
  if (words[1] == "MiB") return static_cast<uint64_t>(value * 1024 * 1024);
  if (words[1] == "GiB") return static_cast<uint64_t>(value * 1024 * 1024 * 1024);
  return 0;
}

bool ParsePhase(absl::string_view line, ImportPhase* phase) {
  if (!absl::ConsumePrefix(&line, kPhaseMark)) return false;
  for (ImportPhase each :
       {ImportPhase::kCopying, ImportPhase::kCheckingOut, ImportPhase::kIndexing}) {
    if (line != ImportPhaseName(each)) continue;
    *phase = each;
    return true;
  }
  return false;
}

// "glovebox-progress DONE TOTAL ITEMS", of glovebox-importer.
bool ParseCounts(absl::string_view line, ImportProgress* progress) {
  if (!absl::ConsumePrefix(&line, kCountsMark)) return false;
  const std::vector<absl::string_view> words = absl::StrSplit(line, ' ');
  ImportProgress told{.phase = ImportPhase::kUnpacking};
  if (words.size() != 3 || !absl::SimpleAtoi(words[0], &told.bytes) ||
      !absl::SimpleAtoi(words[1], &told.bytes_total) || !absl::SimpleAtoi(words[2], &told.files)) {
    return false;
  }
  *progress = told;
  return true;
}

}  // namespace

absl::string_view ImportPhaseName(ImportPhase phase) {
  switch (phase) {
    case ImportPhase::kResolving:
      return "resolving";
    case ImportPhase::kCopying:
      return "copying";
    case ImportPhase::kCheckingOut:
      return "checking-out";
    case ImportPhase::kIndexing:
      return "indexing";
    case ImportPhase::kUnpacking:
      return "unpacking";
    case ImportPhase::kSealing:
      return "sealing";
  }
  return "unknown";
}

ImportProgressParser::ImportProgressParser(ImportProgressCallback callback)
    : callback_(std::move(callback)) {}

void ImportProgressParser::Feed(absl::string_view bytes) {
  for (const char c : bytes) {
    if (c == '\n' || c == '\r') {
      Line();
      line_.clear();
    } else if (line_.size() < kLineBytesMax) {
      line_.push_back(c);
    }
  }
}

void ImportProgressParser::Line() {
  uint64_t count = 0;
  if (ParsePhase(line_, &progress_.phase) || ParseCounts(line_, &progress_)) {
    callback_(progress_);
  } else if (absl::StartsWith(line_, "Receiving objects:") && ParseCount(line_, &count)) {
    progress_.objects = count;
    progress_.bytes = ParseBytes(line_);
    callback_(progress_);
  } else if (absl::StartsWith(line_, "Updating files:") && ParseCount(line_, &count)) {
    progress_.files = count;
    callback_(progress_);
  }
}

std::string LastWords(absl::string_view stderr_tail) {
  absl::string_view last;
  absl::string_view last_error;
  for (absl::string_view line :
       absl::StrSplit(stderr_tail, absl::ByAnyChar("\r\n"), absl::SkipWhitespace())) {
    if (absl::StartsWith(line, kPhaseMark) || absl::StartsWith(line, kCountsMark)) continue;
    last = line;
    if (absl::StartsWith(line, "fatal:") || absl::StartsWith(line, "error:") ||
        absl::StartsWith(line, "tar:")) {
      last_error = line;
    }
  }
  return EscapeForPeople(last_error.empty() ? last : last_error, 300);
}

}  // namespace glovebox
