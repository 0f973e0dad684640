#include "service/listing_page.h"

#include <map>
#include <string>
#include <utility>

#include "base/sha256.h"
#include "base/status.h"
#include "changes/renames.h"

namespace glovebox {
namespace {

absl::Status TooMuchHasChanged() {
  return DetailedError(absl::StatusCode::kInvalidArgument,
                       "page_token: too much has changed since its listing; start over without one",
                       {"PAGE_TOKEN_INVALID", {{"field", "page_token"}}});
}

absl::StatusOr<std::vector<ListedChange>> FindListing(const ChangeSource& source,
                                                      const std::optional<JournalPoint>& from,
                                                      bool is_first, ListingPlace* place) {
  if (is_first || place->to.sequence == kUnknownSequence) {
    ASSIGN_OR_RETURN(ChangeJournal::Listing listing,
                     source.journal->ListNow(source.layers, source.files.disk, from));
    // What earlier pages told is of other looks, even when this one can be kept again.
    if (is_first) {
      place->to = listing.to;
      place->fresh = listing.fresh;
    } else if (listing.fresh != place->fresh) {
      return TooMuchHasChanged();
    }
    return std::move(listing.changes);
  }
  absl::StatusOr<ChangeJournal::Listing> same = source.journal->Between(from, place->to);
  const bool gone = absl::IsOutOfRange(same.status());
  if (gone || (same.ok() && same->fresh != place->fresh)) return TooMuchHasChanged();
  if (!same.ok()) return same.status();
  return std::move(same->changes);
}

// Which files are told as moved to which; "": none.
std::string DigestMoves(const std::vector<Change>& changes) {
  Sha256 digest;
  bool any = false;
  for (const Change& change : changes) {
    if (change.letter != ChangeLetter::kRenamed) continue;
    any = true;
    digest.UpdateField(change.old_path);
    digest.UpdateField(change.path);
  }
  return any ? digest.FinishHex() : "";
}

// Returns DigestMoves of it.
absl::StatusOr<std::string> TellMoves(const ChangeSource& source, const Clock& clock,
                                      std::vector<ListedChange>* changes) {
  std::map<std::string, ListedChange> by_path;
  std::vector<Change> plain;
  plain.reserve(changes->size());
  for (ListedChange& listed : *changes) {
    plain.push_back(listed.change);
    if (listed.change.new_mode != kModeAbsent) by_path[listed.change.path] = std::move(listed);
  }
  ASSIGN_OR_RETURN(RenameResult renames, FindRenames(source.layers, std::move(plain), {}, clock));
  std::string digest = DigestMoves(renames.changes);
  changes->clear();
  for (Change& change : renames.changes) {
    ListedChange listed;
    const auto known = by_path.find(change.path);
    if (change.new_mode != kModeAbsent && known != by_path.end()) listed = known->second;
    listed.change = std::move(change);
    changes->push_back(std::move(listed));
  }
  return digest;
}

}  // namespace

absl::StatusOr<std::vector<ListedChange>> ListForPage(const ChangeSource& source,
                                                      const ChangeSelection& selection,
                                                      const ListingRequest& request, bool is_first,
                                                      const Clock& clock, ListingPlace* place) {
  ASSIGN_OR_RETURN(std::vector<ListedChange> changes,
                   FindListing(source, request.from, is_first, place));
  RETURN_IF_ERROR(selection.Apply(source, &changes));
  if (!request.find_renames) return changes;
  ASSIGN_OR_RETURN(std::string moves, TellMoves(source, clock, &changes));
  // Moves are found in the files as they are now. One that is none any more is a deletion, whose
  // place may be on a page that was told already.
  if (!is_first && moves != place->moves) return TooMuchHasChanged();
  place->moves = std::move(moves);
  return changes;
}

}  // namespace glovebox
