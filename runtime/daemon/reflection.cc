#include "daemon/reflection.h"

#include <dlfcn.h>

#include "absl/strings/str_cat.h"

namespace glovebox {

absl::Status LoadReflection() {
  // Never closed: servers hold on to what it registered.
  if (::dlopen(GLOVEBOX_REFLECTION_LIBRARY, RTLD_NOW | RTLD_GLOBAL) != nullptr) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(
      absl::StrCat("reflection = true needs ", GLOVEBOX_REFLECTION_LIBRARY, ": ", ::dlerror()));
}

}  // namespace glovebox
