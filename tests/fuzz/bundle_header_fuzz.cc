// The head of a git bundle that a sandbox's own git may have had a hand in.
#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/targets.h"
#include "tools/glovebox/bundle_header.h"

namespace glovebox {
namespace {

bool IsCommit(const std::string& name) {
  return name.size() == 40 && name.find_first_not_of("0123456789abcdef") == std::string::npos;
}

// As git writes it.
std::string Written(const BundleHeader& header) {
  std::string text = "# v2 git bundle\n";
  for (const std::string& commit : header.prerequisites) absl::StrAppend(&text, "-", commit, "\n");
  return absl::StrCat(text, header.commit, " ", header.reference, "\n\n");
}

}  // namespace

void FuzzBundleHeader(absl::string_view text) {
  const auto header = ParseBundleHeader(text);
  if (!header.ok()) return;
  Demand(header->bytes <= std::min(text.size(), kBundleHeaderBytesMax),
         "the header is in the text");
  Demand(text.substr(header->bytes - 2, 2) == "\n\n", "it ends with an empty line");
  Demand(header->prerequisites.size() <= kBundlePrerequisitesMax, "what it needs is limited");
  for (const std::string& commit : header->prerequisites) {
    Demand(IsCommit(commit), "what it needs are commits");
  }
  Demand(IsCommit(header->commit), "it has a commit");
  Demand(!header->reference.empty() && header->reference.find('\n') == std::string::npos,
         "its reference is one line");
  const auto alone = ParseBundleHeader(text.substr(0, header->bytes));
  Demand(alone.ok() && alone->bytes == header->bytes, "nothing behind it is looked at");
  const std::string written = Written(*header);
  const auto again = ParseBundleHeader(written);
  Demand(again.ok() && again->bytes == written.size() && again->commit == header->commit &&
             again->reference == header->reference && again->prerequisites == header->prerequisites,
         "what is written again says the same");
}

}  // namespace glovebox
