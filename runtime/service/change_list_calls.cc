// ListChanges.
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "changes/renames.h"
#include "service/change_listing.h"
#include "service/change_service.h"
#include "service/convert_change.h"
#include "service/find_sandbox.h"
#include "service/paging.h"
#include "service/request_error.h"
#include "service/unary_call.h"

namespace glovebox {
absl::StatusOr<ChangeService::Page> ChangeService::FindPage(const v1::ListChangesRequest& request,
                                                            const ChangeSource& source,
                                                            absl::string_view token) {
  Page page;
  ASSIGN_OR_RETURN(page.from,
                   source.Point(request.has_cursor() ? std::optional<std::string>(request.cursor())
                                                     : std::nullopt));
  ChangeJournal::Listing listing;
  if (!token.empty()) {
    ASSIGN_OR_RETURN(page.place, ListingPlace::Decode(token));
  }
  if (token.empty() || page.place.to.sequence == kUnknownSequence) {
    ASSIGN_OR_RETURN(listing, source.journal->ListNow(source.layers, source.files.disk, page.from));
    page.place.to = listing.to;
    page.place.fresh = listing.fresh;
  } else {
    absl::StatusOr<ChangeJournal::Listing> same = source.journal->Between(page.from, page.place.to);
    const bool gone = absl::IsOutOfRange(same.status());
    if (gone || (same.ok() && same->fresh != page.place.fresh)) {
      return DetailedError(absl::StatusCode::kInvalidArgument,
                           "page_token: too much has changed since its listing; start over "
                           "without one",
                           {"PAGE_TOKEN_INVALID", {{"field", "page_token"}}});
    }
    if (!same.ok()) return same.status();
    listing = *std::move(same);
  }
  page.changes = std::move(listing.changes);
  return page;
}

absl::Status ChangeService::TellMoves(const ChangeSource& source,
                                      std::vector<ListedChange>* changes) const {
  std::map<std::string, ListedChange> by_path;
  std::vector<Change> plain;
  plain.reserve(changes->size());
  for (ListedChange& listed : *changes) {
    plain.push_back(listed.change);
    if (listed.change.new_mode != kModeAbsent) by_path[listed.change.path] = std::move(listed);
  }
  ASSIGN_OR_RETURN(RenameResult renames,
                   FindRenames(source.layers, std::move(plain), {}, *deps_.clock));
  changes->clear();
  for (Change& change : renames.changes) {
    ListedChange listed;
    const auto known = by_path.find(change.path);
    if (change.new_mode != kModeAbsent && known != by_path.end()) listed = known->second;
    listed.change = std::move(change);
    changes->push_back(std::move(listed));
  }
  return absl::OkStatus();
}

absl::Status ChangeService::List(const Caller& caller, const v1::ListChangesRequest& request,
                                 v1::ListChangesResponse* response) const {
  if (request.has_cursor() && request.find_renames()) {
    return FieldError("find_renames", "goes with the whole list only; leave out the cursor");
  }
  ASSIGN_OR_RETURN(const int32_t size, PageSize(request.page_size()));
  const std::string query = absl::StrCat("ListChanges\n", WithoutPage(request).SerializeAsString());
  ASSIGN_OR_RETURN(const std::string token, deps_.page_tokens->Read(query, request.page_token()));
  ASSIGN_OR_RETURN(const auto sandbox, FindSandbox(deps_, caller, request.sandbox_id()));
  ASSIGN_OR_RETURN(ChangeScope scope, ScopeFromProto(request.path(), sandbox->workdir()));
  ASSIGN_OR_RETURN(const ChangeSource source, ChangeSource::Open(sandbox, scope));
  ASSIGN_OR_RETURN(
      const ChangeSelection selection,
      ChangeSelection::Make(std::move(scope), {request.ignore().begin(), request.ignore().end()},
                            request.respect_gitignore()));
  ASSIGN_OR_RETURN(Page page, FindPage(request, source, token));
  RETURN_IF_ERROR(selection.Apply(source, &page.changes));
  if (request.find_renames()) RETURN_IF_ERROR(TellMoves(source, &page.changes));
  absl::Status filled;
  const std::string last = TakePage<ListedChange>(
      page.changes, page.place.after, size,
      [](const ListedChange& listed) { return KeyInListing(listed.change); },
      [&](const ListedChange& listed) {
        v1::Change* const change = response->add_changes();
        *change = ToProto(listed.change);
        const absl::Status one = FillChange(source, listed, request.digests(), change);
        if (filled.ok()) filled = one;
        return change->ByteSizeLong();
      });
  RETURN_IF_ERROR(filled);
  page.place.after = last;
  if (last.empty()) {
    response->set_cursor(EncodeCursor(source.subject, page.place.to));
  } else {
    response->set_next_page_token(deps_.page_tokens->Make(query, page.place.Encode()));
  }
  response->set_fresh_instance(!request.has_cursor() || page.place.fresh);
  return absl::OkStatus();
}

grpc::ServerUnaryReactor* ChangeService::ListChanges(grpc::CallbackServerContext* context,
                                                     const v1::ListChangesRequest* request,
                                                     v1::ListChangesResponse* response) {
  return UnaryCall::Run(deps_, *context, {"ChangeService/ListChanges", request->sandbox_id()},
                        deps_.transfers, [this, request, response](const UnaryCall& call) {
                          return List(call.caller(), *request, response);
                        });
}

}  // namespace glovebox
