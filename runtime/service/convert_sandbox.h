// Sandboxes between proto and domain.
#ifndef GLOVEBOX_SERVICE_CONVERT_SANDBOX_H_
#define GLOVEBOX_SERVICE_CONVERT_SANDBOX_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "glovebox/v1/sandbox.pb.h"
#include "glovebox/v1/snapshot.pb.h"
#include "glovebox/v1/types.pb.h"
#include "policy/requirements.h"
#include "sandbox/sandbox_spec.h"

namespace glovebox {

// What a request may leave out and must not exceed.
struct LimitBounds {
  SandboxLimits defaults;
  SandboxLimits maximum;
};

// INVALID_ARGUMENT for a wrong field, UNIMPLEMENTED for one that is not served.
absl::StatusOr<CreateOptions> FromProto(const v1::CreateSandboxRequest& request,
                                        const LimitBounds& bounds);
absl::StatusOr<RemoteSource> FromProto(const v1::RemoteRepository& repository,
                                       absl::string_view field);
absl::StatusOr<RepositorySource> FromProto(const v1::Repository& repository,
                                           absl::string_view field);

absl::StatusOr<ForkOptions> FromProto(const v1::ForkSandboxRequest& request,
                                      const LimitBounds& bounds);

v1::SandboxLimits ToProto(const SandboxLimits& limits);
v1::SandboxState ToProto(SandboxState state);
// "seccomp", with the tier and the digest of its programs as its mechanism.
v1::Capability SeccompEnforcement(const SandboxInfo& info);
std::vector<HostCapability> ToHostCapabilities(const std::vector<v1::Capability>& capabilities);
v1::Sandbox ToProto(const SandboxInfo& info, const std::string& host_id);

// Whether `info` passes the filters of a listing.
bool Matches(const SandboxInfo& info, const v1::ListSandboxesRequest& request);

}  // namespace glovebox

#endif  // GLOVEBOX_SERVICE_CONVERT_SANDBOX_H_
