// Steps that several services begin with.
#ifndef GLOVEBOX_SERVICE_FIND_SANDBOX_H_
#define GLOVEBOX_SERVICE_FIND_SANDBOX_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "base/ids.h"
#include "base/status.h"
#include "service/request_error.h"
#include "service/service_deps.h"

namespace glovebox {

// INVALID_ARGUMENT for what is no id, NOT_FOUND, SANDBOX_NOT_FOUND.
inline absl::StatusOr<std::shared_ptr<Sandbox>> FindSandbox(const ServiceDeps& deps,
                                                            const std::string& sandbox_id) {
  ASSIGN_OR_RETURN(const std::string id, ParseSandboxId(sandbox_id));
  return deps.sandboxes->Find(id);
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
