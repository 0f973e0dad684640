// The parser of git's patches and of plain unified ones. What is between the files (a mail's text,
// a commit's message) is passed over, as git apply does.
#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/escape.h"
#include "base/status.h"
#include "patch/binary_patch.h"
#include "patch/git_names.h"
#include "patch/line_cursor.h"
#include "patch/patch.h"

namespace glovebox {
namespace {

constexpr uint32_t kRegularMode = 0100644, kExecutableMode = 0100755, kLinkMode = 0120000;
constexpr absl::string_view kNoName = "0000000000000000000000000000000000000000";

// What the lines of one file's header say.
struct Header {
  bool is_git = false;
  bool creates = false, deletes = false, renames = false, copies = false;
  // Of "diff --git", when it can be told; of "---" and "+++". With their prefixes.
  std::optional<std::pair<std::string, std::string>> pair;
  std::optional<std::string> old_name, new_name;
  bool old_is_epoch = false, new_is_epoch = false;  // the times of those
  std::optional<std::string> from, to;              // of a rename or copy; without
  std::optional<uint32_t> old_mode, new_mode, index_mode;
  std::string old_id, new_id;
  bool binary_without_data = false;
};

bool TakeRange(absl::string_view* text, uint64_t* line, uint64_t* count) {
  const auto digits = [text](uint64_t* value) {
    const size_t size = std::min(text->find_first_not_of("0123456789"), text->size());
    if (!absl::SimpleAtoi(text->substr(0, size), value) || *value > UINT32_MAX) return false;
    text->remove_prefix(size);
    return true;
  };
  *count = 1;
  if (!digits(line)) return false;
  return !absl::ConsumePrefix(text, ",") || digits(count);
}

bool OnlyAdds(const Hunk& hunk) {
  return std::all_of(hunk.lines.begin(), hunk.lines.end(),
                     [](const HunkLine& line) { return line.mark == '+'; });
}

class GitParser {
 public:
  explicit GitParser(absl::string_view patch) : lines_(patch) {}

  absl::StatusOr<std::vector<FilePatch>> Parse() {
    std::vector<FilePatch> files;
    while (!lines_.done()) {
      const bool is_git = absl::StartsWith(lines_.Peek(), "diff --git ");
      if (!is_git && !AtMarkedNames()) {
        if (absl::StartsWith(lines_.Peek(), "@@ -")) return Malformed("a hunk without a file");
        lines_.Skip();
        continue;
      }
      if (files.size() >= kPatchFilesMax) return PatchLimit("too many files", kPatchFilesMax);
      FilePatch file;
      file.patch_line = lines_.number();
      RETURN_IF_ERROR(ParseFile(is_git, &file));
      files.push_back(std::move(file));
    }
    if (files.empty()) return MalformedPatch(1, "there is no patch of git's or unified form in it");
    return files;
  }

 private:
  absl::Status Malformed(absl::string_view why) const {
    return MalformedPatch(lines_.number(), why);
  }

  // "--- a", "+++ b", and a hunk.
  bool AtMarkedNames() const {
    LineCursor ahead = lines_;
    if (!absl::StartsWith(ahead.Peek(), "--- ")) return false;
    ahead.Skip();
    if (!absl::StartsWith(ahead.Peek(), "+++ ")) return false;
    ahead.Skip();
    return absl::StartsWith(ahead.Peek(), "@@ -");
  }

  absl::Status ParseFile(bool is_git, FilePatch* file) {
    Header header;
    header.is_git = is_git;
    if (is_git) RETURN_IF_ERROR(ParseGitHeader(&header));
    if (AtMarkedNames()) RETURN_IF_ERROR(ParseMarkedNames(&header));
    RETURN_IF_ERROR(Name(header, file));
    while (absl::StartsWith(lines_.Peek(), "@@ -")) {
      Hunk hunk;
      hunk.number = static_cast<uint32_t>(file->hunks.size()) + 1;
      RETURN_IF_ERROR(ParseHunk(&hunk));
      file->hunks.push_back(std::move(hunk));
    }
    // Without times nothing else tells that there was no file.
    file->may_be_missing = !is_git && file->action == FileAction::kModify &&
                           file->hunks.size() == 1 && OnlyAdds(file->hunks.front());
    if (lines_.Peek() == "GIT binary patch") {
      if (!file->hunks.empty()) return Malformed("a file is text or binary");
      return ParseBinaryHunk(header, file);
    }
    if (header.binary_without_data) {
      return MalformedPatch(file->patch_line,
                            "the content of a binary file is not in it; make it with --binary");
    }
    const bool changes_mode = file->new_mode.has_value() && file->new_mode != file->old_mode;
    const bool says_something =
        !file->hunks.empty() || file->action != FileAction::kModify || changes_mode;
    if (!says_something) return MalformedPatch(file->patch_line, "the file has no change");
    return absl::OkStatus();
  }

  absl::Status ParseBinaryHunk(const Header& header, FilePatch* file) {
    const auto full = [](const std::string& id) { return id.size() == kNoName.size(); };
    if (!full(header.old_id) || !full(header.new_id)) {
      return Malformed("a binary change needs a full \"index\" line; make it with --full-index");
    }
    lines_.Skip();
    ASSIGN_OR_RETURN(BinaryHunk binary, ParseBinary(&lines_));
    binary.old_id = header.old_id;
    binary.new_id = header.new_id;
    file->binary = std::move(binary);
    return absl::OkStatus();
  }

  absl::Status ParseGitHeader(Header* header) {
    header->pair = PairOfNames(lines_.Peek().substr(sizeof("diff --git ") - 1));
    lines_.Skip();
    for (;; lines_.Skip()) {
      ASSIGN_OR_RETURN(const bool taken, TakeHeaderLine(lines_.Peek(), header));
      if (!taken) return absl::OkStatus();
    }
  }

  absl::StatusOr<bool> TakeHeaderLine(absl::string_view line, Header* header) {
    if (absl::ConsumePrefix(&line, "old mode ")) return TakeMode(line, &header->old_mode);
    if (absl::ConsumePrefix(&line, "new mode ")) return TakeMode(line, &header->new_mode);
    if (absl::ConsumePrefix(&line, "new file mode ")) {
      header->creates = true;
      return TakeMode(line, &header->new_mode);
    }
    if (absl::ConsumePrefix(&line, "deleted file mode ")) {
      header->deletes = true;
      return TakeMode(line, &header->old_mode);
    }
    if (absl::ConsumePrefix(&line, "rename from ") || absl::ConsumePrefix(&line, "rename old ")) {
      header->renames = true;
      return TakeName(line, &header->from);
    }
    if (absl::ConsumePrefix(&line, "rename to ") || absl::ConsumePrefix(&line, "rename new ")) {
      header->renames = true;
      return TakeName(line, &header->to);
    }
    if (absl::ConsumePrefix(&line, "copy from ")) {
      header->copies = true;
      return TakeName(line, &header->from);
    }
    if (absl::ConsumePrefix(&line, "copy to ")) {
      header->copies = true;
      return TakeName(line, &header->to);
    }
    if (absl::ConsumePrefix(&line, "index ")) return TakeIndex(line, header);
    if (absl::StartsWith(line, "Binary files ") && absl::EndsWith(line, " differ")) {
      header->binary_without_data = true;
      return true;
    }
    return absl::StartsWith(line, "similarity index ") ||
           absl::StartsWith(line, "dissimilarity index ");
  }

  absl::StatusOr<bool> TakeMode(absl::string_view text, std::optional<uint32_t>* mode) {
    uint32_t value = 0;
    for (const char c : absl::StripTrailingAsciiWhitespace(text)) {
      if (c < '0' || c > '7' || value > 0777777) return Malformed("a mode is no octal number");
      value = value * 8 + static_cast<uint32_t>(c - '0');
    }
    if (value == 0160000) return Malformed("submodules are not taken");
    if ((value & 0170000) == 0100000) {
      value = (value & 0100) != 0 ? kExecutableMode : kRegularMode;
    } else if (value != kLinkMode) {
      return Malformed("a mode is that of no file and no symbolic link");
    }
    *mode = value;
    return true;
  }

  absl::StatusOr<bool> TakeName(absl::string_view text, std::optional<std::string>* name) {
    *name = WholeName(text);
    if (!name->has_value() || (*name)->empty()) return Malformed("a name is malformed");
    return true;
  }

  absl::StatusOr<bool> TakeIndex(absl::string_view text, Header* header) {
    const size_t dots = text.find(".."), space = text.find(' ');
    if (dots == absl::string_view::npos || dots > space) return Malformed("no \"index\" line");
    header->old_id = std::string(text.substr(0, dots));
    header->new_id = std::string(text.substr(dots + 2, space - dots - 2));
    if (space == absl::string_view::npos) return true;
    return TakeMode(text.substr(space + 1), &header->index_mode);
  }

  absl::Status ParseMarkedNames(Header* header) {
    header->old_name = MarkedName(lines_.Peek().substr(4));
    header->old_is_epoch = !header->is_git && HasTimeOfTheEpoch(lines_.Peek());
    if (!header->old_name.has_value()) return Malformed("a name is malformed");
    lines_.Skip();
    header->new_name = MarkedName(lines_.Peek().substr(4));
    header->new_is_epoch = !header->is_git && HasTimeOfTheEpoch(lines_.Peek());
    if (!header->new_name.has_value()) return Malformed("a name is malformed");
    lines_.Skip();
    return absl::OkStatus();
  }

  static FileAction ActionOf(const Header& header, const FilePatch& file) {
    const bool creates = header.creates || header.old_is_epoch;
    if (creates || file.old_path.empty()) return FileAction::kCreate;
    if (header.deletes || header.new_is_epoch || file.new_path.empty()) return FileAction::kDelete;
    if (header.copies) return FileAction::kCopy;
    return header.renames ? FileAction::kRename : FileAction::kModify;
  }

  // The line with both names tells their prefixes; one name alone may look as if it had one.
  static absl::Status NameByPair(const Header& header, FilePatch* file) {
    file->old_path = header.pair->first;
    file->new_path = header.pair->second;
    StripPrefixes(&file->old_path, &file->new_path);
    const auto agrees = [](const std::optional<std::string>& marked, const std::string& name,
                           std::string* path) {
      if (!marked.has_value() || *marked == name || *marked == *path) return true;
      if (*marked != "/dev/null") return false;
      path->clear();
      return true;
    };
    if (agrees(header.old_name, header.pair->first, &file->old_path) &&
        agrees(header.new_name, header.pair->second, &file->new_path)) {
      return absl::OkStatus();
    }
    return MalformedPatch(file->patch_line, "its names are not those of its \"diff --git\" line");
  }

  static absl::Status Name(Header& header, FilePatch* file) {
    if (header.renames || header.copies) {
      if (!header.from.has_value() || !header.to.has_value() || header.renames == header.copies) {
        return MalformedPatch(file->patch_line, "a rename or copy needs \"from\" and \"to\"");
      }
      file->old_path = *header.from;
      file->new_path = *header.to;
    } else if (header.pair.has_value()) {
      RETURN_IF_ERROR(NameByPair(header, file));
    } else {
      if (!header.old_name.has_value() || !header.new_name.has_value()) {
        return MalformedPatch(file->patch_line, "the names of the file cannot be told");
      }
      file->old_path = *std::move(header.old_name);
      file->new_path = *std::move(header.new_name);
      StripPrefixes(&file->old_path, &file->new_path);
    }
    if (file->old_path.empty() && file->new_path.empty()) {
      return MalformedPatch(file->patch_line, "the file has no name");
    }
    file->action = ActionOf(header, *file);
    if (file->action == FileAction::kCreate && file->new_path.empty()) {
      return MalformedPatch(file->patch_line, "the file that it makes has no name");
    }
    const bool both = !file->old_path.empty() && !file->new_path.empty();
    const bool moves = header.renames || header.copies;
    if (both && !moves && file->old_path != file->new_path) {
      // `diff -u` of two places: what is there now is what is meant, which is the new one's name
      // but for backups, whose name is longer.
      if (header.is_git) return MalformedPatch(file->patch_line, "its two names differ");
      if (file->old_path.size() < file->new_path.size()) file->new_path = file->old_path;
      file->old_path = file->new_path;
    }
    if (file->action == FileAction::kCreate) file->old_path.clear();
    if (file->action == FileAction::kDelete) file->new_path.clear();
    file->old_mode = header.old_mode.has_value() ? header.old_mode : header.index_mode;
    // An "index" line tells what the mode was, not what it is to be.
    file->new_mode = header.new_mode;
    return absl::OkStatus();
  }

  absl::Status ParseHunk(Hunk* hunk) {
    hunk->patch_line = lines_.number();
    absl::string_view head = lines_.Peek();
    uint64_t old_left = 0, new_left = 0;
    if (!absl::ConsumePrefix(&head, "@@ -") || !TakeRange(&head, &hunk->old_line, &old_left) ||
        !absl::ConsumePrefix(&head, " +") || !TakeRange(&head, &hunk->new_line, &new_left) ||
        !absl::StartsWith(head, " @@")) {
      return Malformed("\"@@ -LINE,COUNT +LINE,COUNT @@\" is expected");
    }
    lines_.Skip();
    while (old_left > 0 || new_left > 0) {
      if (lines_.done()) {
        return MalformedPatch(hunk->patch_line,
                              absl::StrCat("the hunk ends early: ", old_left, " old and ", new_left,
                                           " new lines are missing"));
      }
      RETURN_IF_ERROR(ParseHunkLine(hunk, &old_left, &new_left));
    }
    if (absl::StartsWith(lines_.Peek(), "\\")) RETURN_IF_ERROR(TakeNoNewline(hunk));
    if (hunk->lines.empty()) return MalformedPatch(hunk->patch_line, "the hunk has no line");
    return absl::OkStatus();
  }

  absl::Status ParseHunkLine(Hunk* hunk, uint64_t* old_left, uint64_t* new_left) {
    const absl::string_view raw = lines_.PeekRaw();
    const char mark = raw.front() == '\n' ? ' ' : raw.front();
    if (mark == '\\') return TakeNoNewline(hunk);
    if (mark != ' ' && mark != '-' && mark != '+') {
      return Malformed(absl::StrCat("a line of a hunk begins with \" \", \"-\" or \"+\", not \"",
                                    EscapeForPeople(lines_.Peek(), 80), "\""));
    }
    uint64_t* const counts[] = {mark == '+' ? nullptr : old_left, mark == '-' ? nullptr : new_left};
    for (uint64_t* count : counts) {
      if (count == nullptr) continue;
      if (*count == 0) return Malformed("the hunk has more lines than its head says");
      --*count;
    }
    hunk->lines.push_back({mark, raw.front() == '\n' ? raw : raw.substr(1)});
    lines_.Skip();
    return absl::OkStatus();
  }

  absl::Status TakeNoNewline(Hunk* hunk) {
    if (hunk->lines.empty()) return Malformed("\"\\ No newline\" follows no line");
    absl::ConsumeSuffix(&hunk->lines.back().text, "\n");
    lines_.Skip();
    return absl::OkStatus();
  }

  LineCursor lines_;
};

}  // namespace

absl::StatusOr<std::vector<FilePatch>> ParseGitPatch(absl::string_view patch) {
  return GitParser(patch).Parse();
}

}  // namespace glovebox
