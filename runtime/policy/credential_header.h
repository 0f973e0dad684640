// How a secret goes into a request, and is kept out of answers.
#ifndef GLOVEBOX_POLICY_CREDENTIAL_HEADER_H_
#define GLOVEBOX_POLICY_CREDENTIAL_HEADER_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "policy/egress_policy.h"
#include "policy/secret_value.h"

namespace glovebox {

// INVALID_ARGUMENT, INVALID_FIELD, of a field below "credential": the name of a secret, one form,
// and a header that decides nothing about the message itself.
absl::Status CheckCredentialForm(const EgressCredential& credential);

// INVALID_ARGUMENT for bytes that cannot be in a header field: 8 to 8,192, no control character,
// and no space before or behind, which receivers of a header take away.
absl::Status CheckSecretBytes(absl::string_view bytes);

// The one header field that a request gets. Immutable; any thread.
class CredentialHeader {
 public:
  CredentialHeader(const EgressCredential& credential, const SecretValue& secret);
  ~CredentialHeader();
  CredentialHeader(const CredentialHeader&) = delete;
  CredentialHeader& operator=(const CredentialHeader&) = delete;

  // Whether a request that got `before` is what it would be with `now`; null: it gets none. What
  // it did not get is not missed.
  static bool Fits(const CredentialHeader* before, const CredentialHeader* now) {
    return before == nullptr ||
           (now != nullptr && before->name_ == now->name_ && before->value_ == now->value_);
  }

  const std::string& name() const { return name_; }
  const std::string& value() const { return value_; }

  // Whether the text of an answer has the secret, as it is or as basic authentication writes it.
  bool IsIn(absl::string_view text) const;
  // `text` with "[secret]" in place of it.
  std::string WithoutIt(absl::string_view text) const;

 private:
  std::string name_;
  std::string value_;
  std::vector<std::string> told_;  // what must not be in answers, the longest first
};

}  // namespace glovebox

#endif  // GLOVEBOX_POLICY_CREDENTIAL_HEADER_H_
