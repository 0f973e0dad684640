#include "tools/glovebox/lookup.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/escape.h"
#include "base/status.h"
#include "tools/glovebox/calls.h"

namespace glovebox {
namespace {

constexpr size_t kBeginningDigitsMin = 4;
constexpr size_t kSandboxIdDigits = 32;
constexpr size_t kDigestDigits = 64;
constexpr int kPageSize = 1000;
constexpr char kSha256[] = "sha256:";

bool IsHex(absl::string_view text) {
  return text.find_first_not_of("0123456789abcdef") == absl::string_view::npos;
}

// Every page of a list; `items` gives the response's field.
template <typename Request, typename Response, typename Items, typename Item>
absl::Status AllPages(Connection& connection, Request request, Items items,
                      std::vector<Item>* out) {
  request.set_page_size(kPageSize);
  do {
    Response response;
    RETURN_IF_ERROR(Call(connection, request, &response));
    for (auto& item : *items(response)) out->push_back(std::move(item));
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> FindByBeginning(absl::string_view what, absl::string_view beginning,
                                            const std::vector<std::string>& ids) {
  const std::string shown = absl::StrCat("\"", EscapeForPeople(beginning, 80), "\"");
  if (beginning.size() < kBeginningDigitsMin || !IsHex(beginning)) {
    return absl::InvalidArgumentError(absl::StrCat(
        shown, " is not a ", what, " or the beginning of one: at least 4 of 0-9 and a-f"));
  }
  const std::string* found = nullptr;
  for (const std::string& id : ids) {
    if (id.compare(0, beginning.size(), beginning.data(), beginning.size()) != 0) continue;
    if (found != nullptr) {
      return absl::InvalidArgumentError(
          absl::StrCat("several ", what, "s begin with ", shown, ": give more digits"));
    }
    found = &id;
  }
  if (found == nullptr) {
    return absl::NotFoundError(absl::StrCat("no ", what, " begins with ", shown));
  }
  return *found;
}

absl::StatusOr<std::string> ResolveSandbox(Connection& connection, absl::string_view text) {
  if (text.size() == kSandboxIdDigits && IsHex(text)) return std::string(text);
  // What cannot be an id is told apart without asking the daemon.
  if (text.size() < kBeginningDigitsMin || !IsHex(text) || text.size() > kSandboxIdDigits) {
    return FindByBeginning("sandbox id", text, {});
  }
  ASSIGN_OR_RETURN(const std::vector<v1::Sandbox> all, AllSandboxes(connection, {}));
  std::vector<std::string> ids;
  ids.reserve(all.size());
  for (const v1::Sandbox& sandbox : all) ids.push_back(sandbox.id());
  return FindByBeginning("sandbox id", text, ids);
}

absl::StatusOr<std::string> ResolveSnapshot(Connection& connection, absl::string_view text) {
  const absl::string_view digits = absl::StripPrefix(text, kSha256);
  if (digits.size() == kDigestDigits && IsHex(digits)) return absl::StrCat(kSha256, digits);
  ASSIGN_OR_RETURN(const std::vector<v1::Snapshot> all, AllSnapshots(connection));
  std::vector<std::string> ids;
  ids.reserve(all.size());
  for (const v1::Snapshot& snapshot : all) {
    ids.emplace_back(absl::StripPrefix(snapshot.digest(), kSha256));
  }
  ASSIGN_OR_RETURN(const std::string found, FindByBeginning("snapshot digest", digits, ids));
  return absl::StrCat(kSha256, found);
}

absl::StatusOr<std::vector<v1::Sandbox>> AllSandboxes(Connection& connection,
                                                      const v1::ListSandboxesRequest& filter) {
  std::vector<v1::Sandbox> out;
  RETURN_IF_ERROR((AllPages<v1::ListSandboxesRequest, v1::ListSandboxesResponse>(
      connection, filter, [](auto& response) { return response.mutable_sandboxes(); }, &out)));
  return out;
}

absl::StatusOr<std::vector<v1::Image>> AllImages(Connection& connection) {
  std::vector<v1::Image> out;
  RETURN_IF_ERROR((AllPages<v1::ListImagesRequest, v1::ListImagesResponse>(
      connection, {}, [](auto& response) { return response.mutable_images(); }, &out)));
  return out;
}

absl::StatusOr<std::vector<v1::Cache>> AllCaches(Connection& connection) {
  std::vector<v1::Cache> out;
  RETURN_IF_ERROR((AllPages<v1::ListCachesRequest, v1::ListCachesResponse>(
      connection, {}, [](auto& response) { return response.mutable_caches(); }, &out)));
  return out;
}

absl::StatusOr<std::vector<v1::Secret>> AllSecrets(Connection& connection) {
  std::vector<v1::Secret> out;
  RETURN_IF_ERROR((AllPages<v1::ListSecretsRequest, v1::ListSecretsResponse>(
      connection, {}, [](auto& response) { return response.mutable_secrets(); }, &out)));
  return out;
}

absl::StatusOr<std::vector<v1::Snapshot>> AllSnapshots(Connection& connection) {
  std::vector<v1::Snapshot> out;
  RETURN_IF_ERROR((AllPages<v1::ListSnapshotsRequest, v1::ListSnapshotsResponse>(
      connection, {}, [](auto& response) { return response.mutable_snapshots(); }, &out)));
  return out;
}

}  // namespace glovebox
