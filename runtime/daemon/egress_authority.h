// The authority that sandboxes trust for hosts whose TLS is opened: one of the host, for as long as
// its state directory lives, since sandboxes outlive daemons and proxies.
#ifndef GLOVEBOX_DAEMON_EGRESS_AUTHORITY_H_
#define GLOVEBOX_DAEMON_EGRESS_AUTHORITY_H_

#include <string>

#include "absl/status/statusor.h"

namespace glovebox {

// The key is zeroed with it; a move leaves nothing behind.
struct EgressAuthority {
  std::string certificate_pem;  // what sandboxes get
  std::string certificate_der;
  std::string key_der;

  EgressAuthority() = default;
  EgressAuthority(EgressAuthority&& other) noexcept;
  EgressAuthority& operator=(EgressAuthority&&) = delete;
  ~EgressAuthority();
};

// The one in `state_dir`, in a file that root alone may read (egress-authority.pem: key and
// certificate); made when there is none. Valid for ten years; one with less than a month left is
// replaced, and sandboxes from before do not trust that one. FAILED_PRECONDITION, CONFIG_INVALID:
// the file is of another kind, or others may read it; errors of files.
absl::StatusOr<EgressAuthority> LoadEgressAuthority(const std::string& state_dir);

}  // namespace glovebox

#endif  // GLOVEBOX_DAEMON_EGRESS_AUTHORITY_H_
