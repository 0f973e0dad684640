// Names, addresses, ranges, paths, patterns, URLs and presets: what is taken has one spelling and
// is what it says.
#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "policy/egress_presets.h"
#include "policy/egress_rules.h"
#include "policy/repository_url.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/targets.h"

namespace glovebox {
namespace {

void CheckName(absl::string_view text) {
  const auto name = HostName::Parse(text);
  if (!name.ok()) return;
  const std::string& value = name->value();
  Demand(!value.empty() && value.size() <= HostName::kBytesMax, "a name is bounded");
  Demand(std::all_of(value.begin(), value.end(),
                     [](char c) {
                       return absl::ascii_islower(static_cast<unsigned char>(c)) ||
                              absl::ascii_isdigit(static_cast<unsigned char>(c)) || c == '-' ||
                              c == '_' || c == '.';
                     }),
         "a name is plain");
  Demand(!absl::StrContains(value, "..") && value.front() != '.' && value.back() != '.',
         "a name has no empty label");
  Demand(HostName::Parse(value).value() == *name, "a canonical name stays as it is");
  Demand(!IpAddress::Parse(value).ok(), "a name is no address");
  EgressPolicy policy;
  policy.mode = EgressMode::kAllowList;
  Demand(!EgressRules::Compile(policy)->Judge(*name, 443).allowed(), "no rule, no grant");
}

void CheckAddress(absl::string_view text) {
  if (const auto address = IpAddress::Parse(text); address.ok()) {
    Demand(IpAddress::Parse(address->Text()).value() == *address, "an address is its text");
    Demand(MayDial(*address, {}) == (SpecialBlockOf(*address) == nullptr), "public ones alone");
    const IpAddress inner = address->Unmapped();
    Demand(inner == *address || !MayDial(*address, {}), "no mapped one is dialled");
  }
  if (const auto range = IpRange::Parse(text); range.ok()) {
    Demand(range->Has(range->first) && range->Has(*range), "a range has itself");
    Demand(IpRange::Parse(range->Text()).ok(), "a range is its text");
    if (CheckException(*range).ok()) {
      Demand(!MayDial(range->first, {}), "an exception is needed for what is private alone");
    }
  }
}

void CheckPath(absl::string_view text) {
  const auto path = NormalPath(text);
  if (!path.ok()) return;
  Demand(NormalPath(*path).value() == *path, "a normal path stays as it is");
  const std::string framed = *path + "/";
  Demand(!absl::StrContains(framed, "/../") && !absl::StrContains(framed, "/./"),
         "a normal path does not lead up");
  Demand(PathPattern::Parse("/**")->Matches(*path), "every path is below the root");
}

void CheckUrl(absl::string_view text) {
  const auto url = RepositoryUrl::Parse(text, "url");
  if (!url.ok()) return;
  const std::string& value = url->text;
  Demand(value.size() <= RepositoryUrl::kBytesMax, "a URL is bounded");
  Demand(std::all_of(value.begin(), value.end(),
                     [](char c) { return absl::ascii_isgraph(static_cast<unsigned char>(c)); }),
         "a URL is printable");
  const bool https = url->scheme == RepositoryUrl::Scheme::kHttps;
  const absl::string_view scheme = https ? "https://" : "git://";
  Demand(absl::StartsWith(value, absl::StrCat(scheme, url->host.value())), "a URL has its host");
  const size_t authority = value.find('/', scheme.size());
  Demand(!absl::StrContains(value.substr(0, authority), '@'), "a URL has no credentials");
  Demand(!absl::StrContains(value + "/", "/../"), "a URL does not lead up");
  Demand(RepositoryUrl::Parse(value, "url")->text == value, "a canonical URL stays as it is");
}

}  // namespace

void FuzzEgressText(absl::string_view input) {
  CheckName(input);
  CheckAddress(input);
  CheckPath(input);
  CheckUrl(input);
  (void)HostPattern::Parse(input);           // must only not crash
  (void)ParseEgressPreset("preset", input);  // likewise
  FuzzInput parts(input);
  const absl::string_view first = parts.Line();
  if (const auto pattern = PathPattern::Parse(first); pattern.ok()) {
    (void)pattern->Matches(parts.Rest());  // must end
    if (!absl::StrContains(first, '*')) Demand(pattern->Matches(first), "a plain one fits itself");
  }
}

}  // namespace glovebox
