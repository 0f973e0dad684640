#include "importer/refusal.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "snapshot/importer_exit.h"

namespace glovebox {
namespace {

constexpr size_t kNameShown = 160;

// One line. The daemon escapes it for people: what is done here must not be done twice.
std::string Shown(absl::string_view name) {
  std::string shown(name.substr(0, kNameShown));
  std::replace_if(
      shown.begin(), shown.end(), [](char c) { return c == '\n' || c == '\r' || c == '\0'; }, '?');
  if (name.size() > kNameShown) shown += "...";
  return shown;
}

}  // namespace

absl::Status RefuseEntry(absl::string_view name, absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat("\"", Shown(name), "\": ", why));
}

absl::Status EntryTooLarge(absl::string_view name, absl::string_view why) {
  return absl::ResourceExhaustedError(absl::StrCat("\"", Shown(name), "\": ", why));
}

absl::Status RefuseMissingBlob(const BlobDigest& digest, absl::string_view name) {
  return absl::AbortedError(
      absl::StrCat("blob ", BlobFileName(digest), " is not there, for \"", Shown(name), "\""));
}

absl::Status RefuseDamagedBlob(const BlobDigest& digest, absl::string_view name) {
  return absl::DataLossError(
      absl::StrCat("blob ", BlobFileName(digest), " is damaged, for \"", Shown(name), "\""));
}

int ExitCodeOf(const absl::Status& status) {
  if (status.ok()) return kImporterDone;
  if (absl::IsInvalidArgument(status)) return kImporterRefused;
  if (absl::IsAborted(status)) return kImporterMissing;
  if (absl::IsDataLoss(status)) return kImporterDamaged;
  return absl::IsResourceExhausted(status) ? kImporterTooLarge : kImporterFailed;
}

}  // namespace glovebox
