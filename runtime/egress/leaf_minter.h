// Certificates for the hosts whose TLS is opened, signed by the authority that sandboxes trust.
#ifndef GLOVEBOX_EGRESS_LEAF_MINTER_H_
#define GLOVEBOX_EGRESS_LEAF_MINTER_H_

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/clock.h"
#include "egress/certificate.h"
#include "policy/host_name.h"

namespace glovebox {

// All leaves have one key, which is made with the minter and is nowhere else. Not thread-safe.
class LeafMinter {
 public:
  static constexpr size_t kLeavesMax = 256;  // kept; the one that was asked for longest ago goes
  static constexpr int64_t kValidSeconds = 24 * 3600;
  static constexpr int64_t kFreshSeconds = 12 * 3600;  // after which a kept one is made anew
  static constexpr int64_t kSkewSeconds = 3600;        // that clocks of clients may be behind

  // `clock` outlives it. INVALID_ARGUMENT for what is no authority or not its key.
  static absl::StatusOr<std::unique_ptr<LeafMinter>> Make(absl::string_view certificate_der,
                                                          absl::string_view key_der,
                                                          const Clock* clock);

  // Valid for exactly this name, kValidSeconds from when it was made. Lives until the next call.
  // Null: without memory.
  X509* LeafFor(const HostName& name);
  EVP_PKEY* key() const { return leaf_key_.get(); }
  X509* authority() const { return authority_.get(); }
  size_t kept() const { return leaves_.size(); }

 private:
  struct Leaf {
    OwnedX509 certificate;
    int64_t made_unix = 0;
    uint64_t used = 0;
  };

  LeafMinter(OwnedX509 authority, OwnedKey authority_key, OwnedKey leaf_key, const Clock* clock)
      : authority_(std::move(authority)),
        authority_key_(std::move(authority_key)),
        leaf_key_(std::move(leaf_key)),
        clock_(clock) {}
  OwnedX509 Mint(const std::string& name, int64_t now_unix) const;
  void MakeRoom();

  const OwnedX509 authority_;
  const OwnedKey authority_key_;
  const OwnedKey leaf_key_;
  const Clock* const clock_;
  std::map<std::string, Leaf> leaves_;
  uint64_t uses_ = 0;
};

}  // namespace glovebox

#endif  // GLOVEBOX_EGRESS_LEAF_MINTER_H_
