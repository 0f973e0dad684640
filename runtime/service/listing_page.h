// The list that a page of ListChanges is cut from: looked at for the first page, and found again,
// or refused, for the others.
#ifndef GLOVEBOX_SERVICE_LISTING_PAGE_H_
#define GLOVEBOX_SERVICE_LISTING_PAGE_H_

#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "service/change_listing.h"

namespace glovebox {

// What all pages of one listing ask for.
struct ListingRequest {
  std::optional<JournalPoint> from;  // nullopt: the base
  bool find_renames = false;
};

// The whole list. The first page, which has a default `place`, looks and sets in it what binds the
// others. When the look found too much to be kept, each page looks for itself, and the point of the
// listing stays unknown, so that what is listed since then is the whole.
// INVALID_ARGUMENT with reason PAGE_TOKEN_INVALID: it cannot be told any further.
absl::StatusOr<std::vector<ListedChange>> ListForPage(const ChangeSource& source,
                                                      const ChangeSelection& selection,
                                                      const ListingRequest& request, bool is_first,
                                                      const Clock& clock, ListingPlace* place);

}  // namespace glovebox

#endif  // GLOVEBOX_SERVICE_LISTING_PAGE_H_
