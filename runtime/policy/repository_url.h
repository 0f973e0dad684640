// Where a repository is that is fetched over the network, in one spelling. Pure values.
#ifndef GLOVEBOX_POLICY_REPOSITORY_URL_H_
#define GLOVEBOX_POLICY_REPOSITORY_URL_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "policy/host_name.h"

namespace glovebox {

// "https://HOST[:PORT]/PATH" or "git://HOST[:PORT]/PATH": printable ASCII, at most 2,048 bytes. The
// host is a name: an address has no certificate that is worth anything, and a rule of an egress
// policy has names alone. The path has no empty part, "." or "..", no query and no fragment, and
// encodes (%20) only bytes that have to be, so that no two programs read it differently.
struct RepositoryUrl {
  static constexpr size_t kBytesMax = 2048;
  enum class Scheme { kHttps, kGit };

  // What git is given, and what the source is known by: scheme and host in lower case, no port that
  // is the scheme's own, no slash at the end.
  std::string text;
  Scheme scheme;
  HostName host;
  uint16_t port;

  // INVALID_ARGUMENT, INVALID_FIELD; UNIMPLEMENTED, FIELD_NOT_SERVED, for ssh. No message has a
  // byte of the text: there may be a password in it.
  static absl::StatusOr<RepositoryUrl> Parse(absl::string_view text, absl::string_view field);
};

}  // namespace glovebox

#endif  // GLOVEBOX_POLICY_REPOSITORY_URL_H_
