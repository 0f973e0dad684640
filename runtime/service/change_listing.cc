#include "service/change_listing.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "changes/base_side.h"
#include "changes/ignore_filter.h"
#include "changes/journal_record.h"
#include "service/request_error.h"

namespace glovebox {
namespace {

constexpr size_t kIgnorePatternsMax = 1'000;
constexpr size_t kKeyBytesMax = 8'192;
constexpr size_t kMovesDigestBytesMax = 64;

}  // namespace

absl::StatusOr<ChangeSource> ChangeSource::Open(std::shared_ptr<Sandbox> sandbox,
                                                const ChangeScope& scope) {
  ChangeSource source;
  source.sandbox = std::move(sandbox);
  ASSIGN_OR_RETURN(source.files, source.sandbox->OpenFiles());
  source.layers = source.files.View(scope.root);
  ASSIGN_OR_RETURN(const std::shared_ptr<SandboxChanges> changes, source.sandbox->Changes());
  ASSIGN_OR_RETURN(source.journal, changes->Of(scope.root));
  source.subject = changes->Subject(scope.root);
  return source;
}

absl::StatusOr<std::optional<JournalPoint>> ChangeSource::Point(
    const std::optional<std::string>& cursor) const {
  if (!cursor.has_value()) return std::nullopt;
  ASSIGN_OR_RETURN(const JournalPoint point, DecodeCursor(subject, *cursor));
  return std::optional(point);
}

absl::StatusOr<ChangeSelection> ChangeSelection::Make(ChangeScope scope,
                                                      std::vector<std::string> ignore,
                                                      bool respect_gitignore) {
  if (ignore.size() > kIgnorePatternsMax) {
    return FieldError("ignore", absl::StrCat("has more than ", kIgnorePatternsMax, " patterns"));
  }
  for (const std::string& pattern : ignore) {
    if (pattern.size() > kIgnorePatternBytesMax) {
      return FieldError(
          "ignore", absl::StrCat("has a pattern of more than ", kIgnorePatternBytesMax, " bytes"));
    }
  }
  return ChangeSelection{std::move(scope), std::move(ignore), respect_gitignore};
}

absl::Status ChangeSelection::Apply(const ChangeSource& source,
                                    std::vector<ListedChange>* changes) const {
  if (!scope.prefix.empty()) {
    std::erase_if(*changes,
                  [&](const ListedChange& listed) { return !scope.Contains(listed.change.path); });
  }
  const IgnoreLimits limits;
  const auto read = [&](const std::string& directory) {
    return ReadMergedGitignore(source.layers, directory, limits.file_bytes_max);
  };
  return LeaveOutIgnored(ignore, respect_gitignore, read, limits, changes);
}

absl::Status FillChange(const ChangeSource& source, const ListedChange& listed, bool digests,
                        v1::Change* change) {
  if (listed.change.new_mode == kModeAbsent) return absl::OkStatus();
  std::optional<Content> content = listed.content;
  if (listed.back_to_base) {
    ASSIGN_OR_RETURN(BaseSide side, ReadBaseSide(source.layers, listed, digests));
    if (listed.change.new_mode == kModeSymlink) change->set_symlink_target(side.symlink_target);
    content = side.content;
  }
  if (!digests || !content.has_value() || !content->hashed) return absl::OkStatus();
  change->set_digest(DigestText(content->sha256));
  change->set_binary(content->binary);
  return absl::OkStatus();
}

std::string KeyInListing(const Change& change) {
  std::string key = change.path;
  key.push_back('\0');
  key.push_back(change.letter == ChangeLetter::kDeleted ? '0' : '1');
  return key;
}

std::string ListingPlace::Encode() const {
  JournalWriter out;
  out.Number(to.generation);
  out.Number(to.sequence);
  out.Number(fresh ? 1 : 0);
  out.Bytes(after);
  out.Bytes(moves);
  return out.Take();
}

absl::StatusOr<ListingPlace> ListingPlace::Decode(absl::string_view bytes) {
  JournalReader in(bytes);
  ListingPlace place;
  place.to.generation = in.Number();
  place.to.sequence = in.Number();
  place.fresh = in.Number() != 0;
  place.after = in.Bytes(kKeyBytesMax);
  place.moves = in.Bytes(kMovesDigestBytesMax);
  // The token's checksum says that it is one of ours.
  if (!in.ok() || !in.AtEnd()) return absl::InternalError("a page token of ours cannot be read");
  return place;
}

}  // namespace glovebox
