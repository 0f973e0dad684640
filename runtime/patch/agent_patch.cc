// The parser of the `*** Begin Patch` format.
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/escape.h"
#include "base/status.h"
#include "patch/line_cursor.h"
#include "patch/patch.h"

namespace glovebox {
namespace {

constexpr absl::string_view kBegin = "*** Begin Patch";
constexpr absl::string_view kEnd = "*** End Patch";
constexpr absl::string_view kAdd = "*** Add File: ";
constexpr absl::string_view kDelete = "*** Delete File: ";
constexpr absl::string_view kUpdate = "*** Update File: ";
constexpr absl::string_view kMove = "*** Move to: ";
constexpr absl::string_view kEndOfFile = "*** End of File";
constexpr size_t kShownBytesMax = 80;

class AgentParser {
 public:
  explicit AgentParser(absl::string_view patch) : lines_(patch) {}

  absl::StatusOr<std::vector<FilePatch>> Parse() {
    SkipBlank();
    if (Line() != kBegin) return Malformed("\"*** Begin Patch\" is expected");
    lines_.Skip();
    std::vector<FilePatch> files;
    while (Line() != kEnd) {
      if (lines_.done()) return Malformed("\"*** End Patch\" is missing");
      if (files.size() >= kPatchFilesMax) return PatchLimit("too many files", kPatchFilesMax);
      FilePatch file;
      RETURN_IF_ERROR(ParseFile(&file));
      files.push_back(std::move(file));
    }
    if (files.empty()) return Malformed("the patch changes no file");
    lines_.Skip();
    SkipBlank();
    if (!lines_.done()) return Malformed("nothing may follow \"*** End Patch\"");
    return files;
  }

 private:
  absl::string_view Line() const { return absl::StripTrailingAsciiWhitespace(lines_.Peek()); }
  absl::Status Malformed(absl::string_view why) const {
    return MalformedPatch(lines_.number(), why);
  }
  void SkipBlank() {
    while (!lines_.done() && Line().empty()) lines_.Skip();
  }

  absl::Status ParseFile(FilePatch* file) {
    file->agent = true;
    file->patch_line = lines_.number();
    absl::string_view path = Line();
    if (absl::ConsumePrefix(&path, kAdd)) {
      file->action = FileAction::kCreate;
      file->new_path = std::string(path);
      lines_.Skip();
      return ParseAdded(file);
    }
    if (absl::ConsumePrefix(&path, kDelete)) {
      file->action = FileAction::kDelete;
      file->old_path = std::string(path);
      lines_.Skip();
      return absl::OkStatus();
    }
    if (!absl::ConsumePrefix(&path, kUpdate)) {
      return Malformed(absl::StrCat(
          "\"*** Add File: \", \"*** Delete File: \", \"*** Update File: \" or \"*** End Patch\" "
          "is expected, not \"",
          EscapeForPeople(Line(), kShownBytesMax), "\""));
    }
    file->old_path = file->new_path = std::string(path);
    lines_.Skip();
    absl::string_view target = Line();
    if (absl::ConsumePrefix(&target, kMove)) {
      file->action = FileAction::kRename;
      file->new_path = std::string(target);
      lines_.Skip();
    }
    return ParseHunks(file);
  }

  absl::Status ParseAdded(FilePatch* file) {
    Hunk hunk;
    hunk.number = 1;
    hunk.patch_line = lines_.number();
    while (!lines_.done() && lines_.PeekRaw().front() == '+') {
      hunk.lines.push_back({'+', lines_.TakeRaw().substr(1)});
    }
    if (!hunk.lines.empty()) file->hunks.push_back(std::move(hunk));
    return absl::OkStatus();
  }

  bool AtFileEnd() const { return lines_.done() || absl::StartsWith(lines_.Peek(), "*** "); }

  absl::Status ParseHunks(FilePatch* file) {
    while (!AtFileEnd() || Line() == kEndOfFile) {
      Hunk hunk;
      hunk.number = static_cast<uint32_t>(file->hunks.size()) + 1;
      hunk.patch_line = lines_.number();
      RETURN_IF_ERROR(ParseHunk(&hunk));
      file->hunks.push_back(std::move(hunk));
    }
    if (file->hunks.empty() && file->action == FileAction::kModify) {
      return MalformedPatch(file->patch_line, "the update has no hunk");
    }
    return absl::OkStatus();
  }

  absl::Status ParseHunk(Hunk* hunk) {
    while (absl::StartsWith(lines_.Peek(), "@@")) {
      absl::string_view anchor = lines_.Peek().substr(2);
      absl::ConsumePrefix(&anchor, " ");
      absl::ConsumeSuffix(&anchor, "\r");
      if (!absl::StripAsciiWhitespace(anchor).empty()) hunk->anchors.push_back(anchor);
      lines_.Skip();
    }
    while (!AtFileEnd() && !absl::StartsWith(lines_.Peek(), "@@")) {
      const absl::string_view raw = lines_.PeekRaw();
      if (lines_.Peek().empty() || lines_.Peek() == "\r") {
        hunk->lines.push_back({' ', raw});
      } else if (raw.front() == ' ' || raw.front() == '-' || raw.front() == '+') {
        hunk->lines.push_back({raw.front(), raw.substr(1)});
      } else {
        return Malformed(absl::StrCat("a line of a hunk begins with \" \", \"-\" or \"+\", not \"",
                                      EscapeForPeople(lines_.Peek(), kShownBytesMax), "\""));
      }
      lines_.Skip();
    }
    if (hunk->lines.empty()) return Malformed("the hunk has no line");
    if (Line() == kEndOfFile) {
      hunk->at_end = true;
      lines_.Skip();
    }
    return absl::OkStatus();
  }

  LineCursor lines_;
};

}  // namespace

absl::StatusOr<std::vector<FilePatch>> ParseAgentPatch(absl::string_view patch) {
  return AgentParser(patch).Parse();
}

}  // namespace glovebox
