#include "tools/glovebox/bundle_header.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace glovebox {
namespace {

constexpr absl::string_view kSignature = "# v2 git bundle\n";
constexpr size_t kCommitDigits = 40;

absl::Status Refused(absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat("not a bundle of one commit: ", why));
}

bool IsCommit(absl::string_view text) {
  return text.size() == kCommitDigits && std::all_of(text.begin(), text.end(), [](char c) {
           return absl::ascii_isdigit(static_cast<unsigned char>(c)) || (c >= 'a' && c <= 'f');
         });
}

// "-COMMIT", or "-COMMIT subject".
absl::Status AddPrerequisite(absl::string_view line, BundleHeader* header) {
  const absl::string_view commit = line.substr(1, kCommitDigits);
  if (!IsCommit(commit) || (line.size() > kCommitDigits + 1 && line[kCommitDigits + 1] != ' ')) {
    return Refused("what it needs is no commit");
  }
  if (header->prerequisites.size() == kBundlePrerequisitesMax) {
    return Refused(absl::StrCat("it needs more than ", kBundlePrerequisitesMax, " commits"));
  }
  header->prerequisites.emplace_back(commit);
  return absl::OkStatus();
}

absl::Status SetReference(absl::string_view line, BundleHeader* header) {
  if (!header->commit.empty()) return Refused("it has several references");
  const absl::string_view commit = line.substr(0, kCommitDigits);
  if (!IsCommit(commit) || line.size() < kCommitDigits + 2 || line[kCommitDigits] != ' ') {
    return Refused("its reference is malformed");
  }
  header->commit = std::string(commit);
  header->reference = std::string(line.substr(kCommitDigits + 1));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<BundleHeader> ParseBundleHeader(absl::string_view text) {
  absl::string_view rest = text.substr(0, kBundleHeaderBytesMax);
  if (!absl::ConsumePrefix(&rest, kSignature)) return Refused("no version 2");
  BundleHeader header;
  for (;;) {
    const size_t end = rest.find('\n');
    if (end == absl::string_view::npos) return Refused("its header does not end");
    const absl::string_view line = rest.substr(0, end);
    rest.remove_prefix(end + 1);
    if (line.empty()) break;
    const bool needed = line[0] == '-';
    if (needed && !header.commit.empty()) return Refused("its header is out of order");
    const absl::Status status =
        needed ? AddPrerequisite(line, &header) : SetReference(line, &header);
    if (!status.ok()) return status;
  }
  if (header.commit.empty()) return Refused("it has no reference");
  header.bytes = std::min(text.size(), kBundleHeaderBytesMax) - rest.size();
  return header;
}

}  // namespace glovebox
