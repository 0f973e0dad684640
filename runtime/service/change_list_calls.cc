// ListChanges.
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "service/change_listing.h"
#include "service/change_service.h"
#include "service/convert_change.h"
#include "service/find_sandbox.h"
#include "service/listing_page.h"
#include "service/paging.h"
#include "service/request_error.h"
#include "service/unary_call.h"

namespace glovebox {

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
  ListingPlace place;
  if (!token.empty()) {
    ASSIGN_OR_RETURN(place, ListingPlace::Decode(token));
  }
  ListingRequest listing;
  listing.find_renames = request.find_renames();
  if (request.has_cursor()) {
    ASSIGN_OR_RETURN(listing.from, source.Point(request.cursor()));
  }
  ASSIGN_OR_RETURN(
      const std::vector<ListedChange> changes,
      ListForPage(source, selection, listing, /*is_first=*/token.empty(), *deps_.clock, &place));
  absl::Status filled;
  const std::string last = TakePage<ListedChange>(
      changes, place.after, size,
      [](const ListedChange& listed) { return KeyInListing(listed.change); },
      [&](const ListedChange& listed) {
        v1::Change* const change = response->add_changes();
        *change = ToProto(listed.change);
        const absl::Status one = FillChange(source, listed, request.digests(), change);
        if (filled.ok()) filled = one;
        return change->ByteSizeLong();
      });
  RETURN_IF_ERROR(filled);
  place.after = last;
  if (last.empty()) {
    response->set_cursor(EncodeCursor(source.subject, place.to));
  } else {
    response->set_next_page_token(deps_.page_tokens->Make(query, place.Encode()));
  }
  response->set_fresh_instance(!request.has_cursor() || place.fresh);
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
