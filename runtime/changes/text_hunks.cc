#include "changes/text_hunks.h"

#include <git2.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace glovebox {
namespace {

constexpr size_t kSniffBytes = 8000;
constexpr size_t kFlushBytes = 64 * 1024;
constexpr uint32_t kContextLinesMax = 1'000'000;  // no text has more (PatchLimits::text_lines_max)

struct HunkWriter {
  PatchSink sink;
  std::string buffer;
  LineCounts counts;
  absl::Status status;

  int Flush() {
    status = sink(buffer);
    buffer.clear();
    return status.ok() ? 0 : -1;
  }
  int FlushIfLarge() { return buffer.size() < kFlushBytes ? 0 : Flush(); }
};

int OnHunk(const git_diff_delta*, const git_diff_hunk* hunk, void* payload) {
  auto* writer = static_cast<HunkWriter*>(payload);
  writer->buffer.append(hunk->header, hunk->header_len);
  return writer->FlushIfLarge();
}

int OnLine(const git_diff_delta*, const git_diff_hunk*, const git_diff_line* line, void* payload) {
  auto* writer = static_cast<HunkWriter*>(payload);
  if (line->origin == GIT_DIFF_LINE_ADDITION) ++writer->counts.insertions;
  if (line->origin == GIT_DIFF_LINE_DELETION) ++writer->counts.deletions;
  // The other origins carry their own text ("\ No newline at end of file").
  if (line->origin == GIT_DIFF_LINE_CONTEXT || line->origin == GIT_DIFF_LINE_ADDITION ||
      line->origin == GIT_DIFF_LINE_DELETION) {
    writer->buffer.push_back(line->origin);
  }
  writer->buffer.append(line->content, line->content_len);
  return writer->FlushIfLarge();
}

}  // namespace

bool LooksBinary(absl::string_view content) {
  return std::memchr(content.data(), '\0', std::min(content.size(), kSniffBytes)) != nullptr;
}

TextDiffer::TextDiffer() : ready_(git_libgit2_init() > 0) {}

TextDiffer::~TextDiffer() {
  if (ready_) (void)git_libgit2_shutdown();  // returns the number of users left
}

absl::StatusOr<LineCounts> TextDiffer::WriteHunks(absl::string_view old_text,
                                                  absl::string_view new_text,
                                                  uint32_t context_lines, PatchSink sink) const {
  if (!ready_) return absl::InternalError("libgit2 does not start");
  git_diff_options options;
  if (git_diff_options_init(&options, GIT_DIFF_OPTIONS_VERSION) != 0) {
    return absl::InternalError("libgit2 does not know our version of its options");
  }
  options.flags = GIT_DIFF_FORCE_TEXT | GIT_DIFF_INDENT_HEURISTIC;
  options.max_size = -1;
  options.context_lines = std::min(context_lines, kContextLinesMax);
  HunkWriter writer{sink, {}, {}, absl::OkStatus()};
  // Without names: they would only serve attributes of a repository, and there is none.
  const int result =
      git_diff_buffers(old_text.data(), old_text.size(), nullptr, new_text.data(), new_text.size(),
                       nullptr, &options, nullptr, nullptr, OnHunk, OnLine, &writer);
  RETURN_IF_ERROR(writer.status);
  if (result != 0) {
    const git_error* error = git_error_last();
    return absl::InternalError(
        absl::StrCat("libgit2: ", error != nullptr ? error->message : "no message"));
  }
  if (writer.Flush() != 0) return writer.status;
  return writer.counts;
}

}  // namespace glovebox
