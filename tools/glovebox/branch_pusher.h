// From a bundle to a branch of somebody's repository, by the client's git.
//
// The bundle is bytes that a sandbox may have written. Its objects go into a repository of this
// run's own, each of them checked, beside the commits that the bundle is built on; those come from
// the target, one tree deep, since a bundle leaves out what its base has and the target has the
// base, or should. What is pushed is a commit by its name, to a branch that the caller names.
#ifndef GLOVEBOX_TOOLS_BRANCH_PUSHER_H_
#define GLOVEBOX_TOOLS_BRANCH_PUSHER_H_

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "tools/glovebox/bundle_header.h"
#include "tools/glovebox/client_git.h"
#include "tools/glovebox/push_report.h"
#include "tools/glovebox/push_target.h"

namespace glovebox {

struct PushOrder {
  std::string bundle_path;
  std::string commit;  // what has to be in the bundle: a full object name, or a branch
  std::string branch;  // of the target, as git check-ref-format takes it
  bool force = false;
};

struct PushedBranch {
  std::string commit;
  PushResult result = PushResult::kUnknown;
  std::string remote_words;  // "remote: ..." lines; any bytes
};

// For one push.
class BranchPusher {
 public:
  // `told` gets what is being done, escaped.
  BranchPusher(const ClientGit* git, PushTarget target, std::function<void(absl::string_view)> told)
      : git_(git), target_(std::move(target)), told_(std::move(told)) {}

  // FAILED_PRECONDITION: the target cannot be read, has not what the commits are built on, holds
  // other commits on the branch, or refuses it. INVALID_ARGUMENT: the bundle is not what was asked
  // for, or git refuses an object in it. Nothing is changed then.
  absl::StatusOr<PushedBranch> Push(const PushOrder& order);

 private:
  absl::StatusOr<BundleHeader> OpenBundle(const PushOrder& order) const;
  absl::Status FetchBase(const BundleHeader& header) const;
  absl::Status FetchAllBranches(const BundleHeader& header) const;
  absl::StatusOr<GitEnded> IndexObjects(const PushOrder& order, const BundleHeader& header) const;
  absl::Status TakeObjects(const PushOrder& order, const BundleHeader& header) const;
  absl::Status Deepen(const BundleHeader& header, const std::string& reference) const;
  absl::StatusOr<GitEnded> PushOnce(const std::string& commit, const std::string& reference,
                                    bool force) const;
  absl::StatusOr<GitEnded> ForUser(std::vector<std::string> arguments) const;
  absl::Status Failure(absl::string_view what, const GitEnded& ended) const;
  absl::Status BaseMissing(const BundleHeader& header) const;

  const ClientGit* const git_;
  const PushTarget target_;
  const std::function<void(absl::string_view)> told_;
};

// INVALID_ARGUMENT: the error names the branch.
absl::Status CheckPushedBranch(const ClientGit& git, const std::string& branch);

}  // namespace glovebox

#endif  // GLOVEBOX_TOOLS_BRANCH_PUSHER_H_
