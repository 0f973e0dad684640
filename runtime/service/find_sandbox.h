// Steps that several services begin with.
#ifndef GLOVEBOX_SERVICE_FIND_SANDBOX_H_
#define GLOVEBOX_SERVICE_FIND_SANDBOX_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "service/service_deps.h"

namespace glovebox {

// INVALID_ARGUMENT for what is no id, NOT_FOUND, SANDBOX_NOT_FOUND for one that is not there or not
// the caller's.
inline absl::StatusOr<std::shared_ptr<Sandbox>> FindSandbox(const ServiceDeps& deps,
                                                            const Caller& caller,
                                                            const std::string& sandbox_id) {
  return deps.sandboxes->Find(caller, sandbox_id);
}

// What a page token is bound to: the request but for the fields that differ from page to page.
template <typename Request>
Request WithoutPage(Request request) {
  request.clear_page_size();
  request.clear_page_token();
  return request;
}

}  // namespace glovebox

#endif  // GLOVEBOX_SERVICE_FIND_SANDBOX_H_
