#include "egress/leaf_minter.h"

#include <openssl/ec.h>
#include <openssl/x509v3.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"

namespace glovebox {

absl::StatusOr<std::unique_ptr<LeafMinter>> LeafMinter::Make(absl::string_view certificate_der,
                                                             absl::string_view key_der,
                                                             const Clock* clock) {
  const auto* at = reinterpret_cast<const unsigned char*>(certificate_der.data());
  OwnedX509 authority(::d2i_X509(nullptr, &at, static_cast<long>(certificate_der.size())));
  at = reinterpret_cast<const unsigned char*>(key_der.data());
  OwnedKey key(::d2i_AutoPrivateKey(nullptr, &at, static_cast<long>(key_der.size())));
  if (authority == nullptr || key == nullptr ||
      ::X509_check_private_key(authority.get(), key.get()) != 1 ||
      ::X509_check_ca(authority.get()) != 1) {
    return absl::InvalidArgumentError("an authority that is none, or not its key");
  }
  OwnedKey leaf_key(EVP_EC_gen("P-256"));
  if (leaf_key == nullptr) return absl::ResourceExhaustedError("no key for certificates");
  return std::unique_ptr<LeafMinter>(
      new LeafMinter(std::move(authority), std::move(key), std::move(leaf_key), clock));
}

X509* LeafMinter::LeafFor(const HostName& name) {
  const int64_t now = absl::ToUnixSeconds(clock_->Now());
  const auto found = leaves_.find(name.value());
  // Also one from the future: the clock may have been set back.
  if (found != leaves_.end() && now >= found->second.made_unix &&
      now - found->second.made_unix < kFreshSeconds) {
    found->second.used = ++uses_;
    return found->second.certificate.get();
  }
  OwnedX509 made = Mint(name.value(), now);
  if (made == nullptr) return nullptr;
  if (found == leaves_.end()) MakeRoom();
  Leaf& leaf = leaves_[name.value()];
  leaf = {std::move(made), now, ++uses_};
  return leaf.certificate.get();
}

void LeafMinter::MakeRoom() {
  if (leaves_.size() < kLeavesMax) return;
  leaves_.erase(std::min_element(leaves_.begin(), leaves_.end(), [](const auto& a, const auto& b) {
    return a.second.used < b.second.used;
  }));
}

OwnedX509 LeafMinter::Mint(const std::string& name, int64_t now_unix) const {
  CertificateWish wish;
  wish.common_name = "glovebox";  // a host's name may be longer than a common name can be
  wish.from_unix = now_unix - kSkewSeconds;
  wish.until_unix = now_unix + kValidSeconds;
  wish.key = leaf_key_.get();
  wish.issuer = authority_.get();
  wish.issuer_key = authority_key_.get();
  // A HostName has letters, digits, '-', '_' and '.' alone: nothing that this syntax reads.
  wish.extensions = {{NID_subject_alt_name, absl::StrCat("DNS:", name)},
                     {NID_basic_constraints, "critical,CA:FALSE"},
                     {NID_key_usage, "critical,digitalSignature"},
                     {NID_ext_key_usage, "serverAuth"},
                     {NID_subject_key_identifier, "hash"},
                     {NID_authority_key_identifier, "keyid"}};
  return MakeCertificate(wish);
}

}  // namespace glovebox
