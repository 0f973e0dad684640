// One page of ListChanges: from a cursor's point, or the base, to a point that all pages of one
// listing share.
#ifndef GLOVEBOX_SERVICE_CHANGE_LISTING_H_
#define GLOVEBOX_SERVICE_CHANGE_LISTING_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/clock.h"
#include "changes/change_journal.h"
#include "glovebox/v1/change.pb.h"
#include "sandbox/sandbox.h"
#include "service/convert_change.h"

namespace glovebox {

// A sandbox's files and journal; the descriptors are open for as long as it lives.
struct ChangeSource {
  std::shared_ptr<Sandbox> sandbox;
  SandboxFiles files;
  Layers layers;
  std::shared_ptr<ChangeJournal> journal;
  std::string subject;  // of cursors

  static absl::StatusOr<ChangeSource> Open(std::shared_ptr<Sandbox> sandbox,
                                           const ChangeScope& scope);
  // INVALID_ARGUMENT with reason CURSOR_INVALID.
  absl::StatusOr<std::optional<JournalPoint>> Point(const std::optional<std::string>& cursor) const;
};

// What is left out of a listing.
struct ChangeSelection {
  ChangeScope scope;
  std::vector<std::string> ignore;
  bool respect_gitignore = false;

  // INVALID_ARGUMENT for too many or too long patterns.
  static absl::StatusOr<ChangeSelection> Make(ChangeScope scope, std::vector<std::string> ignore,
                                              bool respect_gitignore);
  absl::Status Apply(const ChangeSource& source, std::vector<ListedChange>* changes) const;
};

// Fills what the journal does not keep of a path that is back as in the base, and the digest.
absl::Status FillChange(const ChangeSource& source, const ListedChange& listed, bool digests,
                        v1::Change* change);

// Keys are in the order of a listing: bytewise by path, what was deleted before anything else of
// the same path.
std::string KeyInListing(const Change& change);

// Where a listing is: what a page token holds.
struct ListingPlace {
  JournalPoint to;
  bool fresh = false;  // the cursor's point was not known any more when the listing began
  std::string after;   // key of the last change that was told
  std::string moves;   // a digest of which files are told as moved to which; "": of none

  std::string Encode() const;
  static absl::StatusOr<ListingPlace> Decode(absl::string_view bytes);
};

}  // namespace glovebox

#endif  // GLOVEBOX_SERVICE_CHANGE_LISTING_H_
