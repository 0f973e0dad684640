#include "policy/repository_url.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/status.h"

namespace glovebox {
namespace {

using Scheme = RepositoryUrl::Scheme;

constexpr uint16_t kHttpsPort = 443;
constexpr uint16_t kGitPort = 9418;
constexpr absl::string_view kMarks = "-._~";  // that no URL has to encode
constexpr absl::string_view kPathMarks = "!$&'()*+,;=:@";

absl::Status Wrong(absl::string_view field, absl::string_view why) {
  return DetailedError(absl::StatusCode::kInvalidArgument, absl::StrCat(field, ": ", why),
                       {"INVALID_FIELD", {{"field", std::string(field)}}});
}

absl::Status NeedsAKey(absl::string_view field) {
  return DetailedError(absl::StatusCode::kUnimplemented,
                       absl::StrCat(field,
                                    ": ssh needs a key, and this release has none to give; served "
                                    "are https:// and git://"),
                       {"FIELD_NOT_SERVED", {{"field", std::string(field)}}});
}

bool IsPlain(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) || absl::StrContains(kMarks, c);
}

// What "%41" stands for.
std::optional<unsigned char> Decoded(absl::string_view text) {
  if (text.size() < 3 || !absl::ascii_isxdigit(static_cast<unsigned char>(text[1])) ||
      !absl::ascii_isxdigit(static_cast<unsigned char>(text[2]))) {
    return std::nullopt;
  }
  unsigned value = 0;
  if (!absl::SimpleHexAtoi(text.substr(1, 2), &value)) return std::nullopt;
  return static_cast<unsigned char>(value);
}

// One part of a path in its one spelling; nullopt for what has none.
std::optional<std::string> NormalPart(absl::string_view part) {
  if (part.empty() || part == "." || part == "..") return std::nullopt;
  std::string normal;
  while (!part.empty()) {
    const char c = part[0];
    if (c == '%') {
      const std::optional<unsigned char> byte = Decoded(part);
      if (!byte.has_value() || absl::ascii_iscntrl(*byte) || *byte == '/' || *byte == '\\' ||
          IsPlain(static_cast<char>(*byte))) {
        return std::nullopt;
      }
      absl::StrAppend(&normal, "%", absl::AsciiStrToUpper(part.substr(1, 2)));
      part.remove_prefix(3);
      continue;
    }
    if (!IsPlain(c) && !absl::StrContains(kPathMarks, c)) return std::nullopt;
    normal.push_back(c);
    part.remove_prefix(1);
  }
  return normal;
}

absl::StatusOr<std::string> NormalPathOf(absl::string_view path, absl::string_view field) {
  (void)absl::ConsumeSuffix(&path, "/");
  std::string normal;
  if (!absl::ConsumePrefix(&path, "/")) return Wrong(field, "has no path behind the host");
  for (const absl::string_view part : absl::StrSplit(path, '/')) {
    const std::optional<std::string> spelled = NormalPart(part);
    if (!spelled.has_value()) {
      return Wrong(field,
                   "its path has an empty part, \".\", \"..\", a query, a fragment, or a byte that "
                   "is not spelled as URLs do");
    }
    absl::StrAppend(&normal, "/", *spelled);
  }
  return normal;
}

absl::StatusOr<uint16_t> ParsePort(absl::string_view text, absl::string_view field) {
  uint32_t port = 0;
  const bool digits = !text.empty() && text.size() <= 5 && text[0] != '0' &&
                      std::all_of(text.begin(), text.end(), [](char c) {
                        return absl::ascii_isdigit(static_cast<unsigned char>(c));
                      });
  if (!digits || !absl::SimpleAtoi(text, &port) || port > UINT16_MAX) {
    return Wrong(field, "its port must be 1 to 65535");
  }
  return static_cast<uint16_t>(port);
}

// Takes "https://" and the like from the front.
absl::StatusOr<Scheme> TakeScheme(absl::string_view* text, absl::string_view field) {
  constexpr char kServed[] = "must be https://HOST/PATH or git://HOST/PATH";
  const size_t end = text->find("://");
  if (end == absl::string_view::npos) {
    // git's short form of ssh: USER@HOST:PATH, or a host with dots.
    const absl::string_view host = text->substr(0, text->find(':'));
    const bool ssh = host.size() < text->size() && host.find_first_of("@.") != host.npos &&
                     host.front() != '-' && !absl::StrContains(host, '/');
    return ssh ? NeedsAKey(field) : Wrong(field, kServed);
  }
  const std::string scheme = absl::AsciiStrToLower(text->substr(0, end));
  text->remove_prefix(end + 3);
  if (scheme == "https") return Scheme::kHttps;
  if (scheme == "git") return Scheme::kGit;
  if (scheme == "ssh" || scheme == "git+ssh" || scheme == "ssh+git") return NeedsAKey(field);
  if (scheme == "http") {
    return Wrong(field,
                 "http:// is not taken: whoever is on the way can put in what he likes; use "
                 "https://");
  }
  return Wrong(field, kServed);
}

}  // namespace

absl::StatusOr<RepositoryUrl> RepositoryUrl::Parse(absl::string_view text,
                                                   absl::string_view field) {
  if (text.empty()) return Wrong(field, "is missing");
  if (text.size() > kBytesMax) {
    return Wrong(field, absl::StrCat("has at most ", kBytesMax, " bytes"));
  }
  const bool printable = std::all_of(text.begin(), text.end(), [](char c) {
    return absl::ascii_isgraph(static_cast<unsigned char>(c));
  });
  if (!printable) {
    return Wrong(field, "has printable ASCII alone (other names as xn--..., other bytes as %E2)");
  }
  ASSIGN_OR_RETURN(const Scheme scheme, TakeScheme(&text, field));
  const size_t authority_end = std::min(text.size(), text.find_first_of("/?#"));
  absl::string_view host = text.substr(0, authority_end);
  if (absl::StrContains(host, '@')) {
    return Wrong(field,
                 "has a user or a password in it, which do not belong there; this release fetches "
                 "what needs none");
  }
  const bool https = scheme == Scheme::kHttps;
  const uint16_t own_port = https ? kHttpsPort : kGitPort;
  uint16_t port = own_port;
  if (absl::StartsWith(host, "[")) return Wrong(field, "has an address; give the host's name");
  if (const size_t colon = host.find(':'); colon != absl::string_view::npos) {
    ASSIGN_OR_RETURN(port, ParsePort(host.substr(colon + 1), field));
    host = host.substr(0, colon);
  }
  absl::StatusOr<HostName> name = HostName::Parse(host);
  if (!name.ok()) return Wrong(field, name.status().message());
  ASSIGN_OR_RETURN(const std::string path, NormalPathOf(text.substr(authority_end), field));
  std::string normal = absl::StrCat(https ? "https://" : "git://", name->value(),
                                    port == own_port ? "" : absl::StrCat(":", port), path);
  return RepositoryUrl{std::move(normal), scheme, *std::move(name), port};
}

}  // namespace glovebox
