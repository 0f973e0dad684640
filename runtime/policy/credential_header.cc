#include "policy/credential_header.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/ids.h"
#include "policy/field_error.h"

namespace glovebox {
namespace {

constexpr size_t kHeaderBytesMax = 64;
constexpr size_t kPrefixBytesMax = 64;
constexpr size_t kUserBytesMax = 256;
constexpr char kShownInstead[] = "[secret]";

// Of HTTP itself, and of the way here: whoever sets them says where a message goes, or ends.
constexpr std::array<absl::string_view, 19> kNotForSecrets = {"connection",
                                                              "content-encoding",
                                                              "content-length",
                                                              "expect",
                                                              "host",
                                                              "http2-settings",
                                                              "keep-alive",
                                                              "proxy-authorization",
                                                              "proxy-connection",
                                                              "te",
                                                              "trailer",
                                                              "transfer-encoding",
                                                              "upgrade",
                                                              "via",
                                                              "x-http-method",
                                                              "x-http-method-override",
                                                              "x-method-override",
                                                              "x-original-url",
                                                              "x-rewrite-url"};

bool IsControl(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte < 0x20 || byte == 0x7f;
}

bool HasControl(absl::string_view text) { return std::any_of(text.begin(), text.end(), IsControl); }

// RFC 9110, 5.6.2, without what no header is named with; '_' is read as '-' by some programs.
bool IsHeaderName(absl::string_view name) {
  return !name.empty() && name.size() <= kHeaderBytesMax &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-';
         });
}

absl::Status CheckHeader(const EgressCredential& credential) {
  if (!IsHeaderName(credential.header)) {
    return WrongField("credential.header",
                      absl::StrCat("is letters, digits and \"-\", at most ", kHeaderBytesMax));
  }
  const std::string lower = absl::AsciiStrToLower(credential.header);
  if (std::find(kNotForSecrets.begin(), kNotForSecrets.end(), lower) != kNotForSecrets.end()) {
    return WrongField("credential.header",
                      absl::StrCat(credential.header, " is not for secrets; Authorization is"));
  }
  if (credential.prefix.size() > kPrefixBytesMax || HasControl(credential.prefix) ||
      absl::StartsWith(credential.prefix, " ")) {
    return WrongField("credential.prefix",
                      absl::StrCat("is at most ", kPrefixBytesMax,
                                   " bytes without control characters and no space before them, "
                                   "as in \"Bearer \""));
  }
  return absl::OkStatus();
}

// RFC 7617, 2: the first colon ends the user.
absl::Status CheckUser(const EgressCredential& credential) {
  const std::string& user = credential.basic_user;
  if (user.size() > kUserBytesMax || HasControl(user) || absl::StrContains(user, ":")) {
    return WrongField(
        "credential.basic_user",
        absl::StrCat("is at most ", kUserBytesMax, " bytes without control characters and colons"));
  }
  if (!credential.prefix.empty()) {
    return WrongField("credential.prefix", "goes with a header; basic authentication has its own");
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckCredentialForm(const EgressCredential& credential) {
  if (const auto name = ParseClientName(credential.secret_name, "a secret's name"); !name.ok()) {
    return WrongField("credential.secret_name", name.status().message());
  }
  if (credential.header.empty() == credential.basic_user.empty()) {
    return WrongField("credential", "has one of header and basic_user");
  }
  return credential.header.empty() ? CheckUser(credential) : CheckHeader(credential);
}

absl::Status CheckSecretBytes(absl::string_view bytes) {
  if (bytes.size() < kSecretBytesMin || bytes.size() > kSecretBytesMax) {
    return absl::InvalidArgumentError(absl::StrCat("has ", kSecretBytesMin, " to ", kSecretBytesMax,
                                                   " bytes; these are ", bytes.size()));
  }
  if (HasControl(bytes)) {
    return absl::InvalidArgumentError(
        "has a control character, perhaps a line end, which no header can have");
  }
  if (bytes.front() == ' ' || bytes.back() == ' ') {
    return absl::InvalidArgumentError("begins or ends with a space, which no header's value does");
  }
  return absl::OkStatus();
}

CredentialHeader::CredentialHeader(const EgressCredential& credential, const SecretValue& secret) {
  told_.reserve(2);  // moved strings may leave their bytes behind
  told_.emplace_back(secret.bytes());
  if (!credential.header.empty()) {
    name_ = credential.header;
    value_ = absl::StrCat(credential.prefix, secret.bytes());
    return;
  }
  std::string pair = absl::StrCat(credential.basic_user, ":", secret.bytes());
  std::string encoded = absl::Base64Escape(pair);
  Wipe(&pair);
  name_ = "Authorization";
  value_ = absl::StrCat("Basic ", encoded);
  told_.emplace_back(encoded);
  Wipe(&encoded);
  std::swap(told_.front(), told_.back());  // the longest first
}

CredentialHeader::~CredentialHeader() {
  Wipe(&value_);
  for (std::string& told : told_) Wipe(&told);
}

bool CredentialHeader::IsIn(absl::string_view text) const {
  return std::any_of(told_.begin(), told_.end(),
                     [text](const std::string& told) { return absl::StrContains(text, told); });
}

std::string CredentialHeader::WithoutIt(absl::string_view text) const {
  std::string left(text);
  for (const std::string& told : told_) absl::StrReplaceAll({{told, kShownInstead}}, &left);
  return left;
}

}  // namespace glovebox
