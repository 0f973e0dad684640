// Programs of ours as bytes of another, which runs them from memory or writes them to a file:
// glovebox_embedded(... PROGRAMS name) of cmake/GloveboxTargets.cmake puts glovebox-name there.
#ifndef GLOVEBOX_BASE_EMBEDDED_PROGRAM_H_
#define GLOVEBOX_BASE_EMBEDDED_PROGRAM_H_

#include <cstddef>

#include "absl/strings/string_view.h"

// Defines `absl::string_view function()`: the bytes of glovebox-`name`. Immutable; any thread.
#define EMBEDDED_PROGRAM(function, name)                                                     \
  extern "C" const char glovebox_embedded_##name[];                                          \
  extern "C" const char glovebox_embedded_##name##_end[];                                    \
  inline absl::string_view function() {                                                      \
    return {glovebox_embedded_##name,                                                        \
            static_cast<size_t>(glovebox_embedded_##name##_end - glovebox_embedded_##name)}; \
  }                                                                                          \
  static_assert(true, "a semicolon follows")

#endif  // GLOVEBOX_BASE_EMBEDDED_PROGRAM_H_
