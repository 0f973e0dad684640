// Names and bytes of others on their way to a person, a path or a log.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "base/escape.h"
#include "base/ids.h"
#include "base/relative_path.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  for (char c : glovebox::EscapeForPeople(text)) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) std::abort();
  }
  if (auto path = glovebox::RelativePath::Parse(text); path.ok()) {
    const std::string framed = "/" + path->value() + "/";
    if (framed.find("/../") != std::string::npos || framed.find("//") != std::string::npos) {
      std::abort();
    }
  }
  if (auto name = glovebox::ParseClientName(text, "name"); name.ok() && name->size() > 63)
    std::abort();
  (void)glovebox::ParseDigest(text);     // must only not crash
  (void)glovebox::ParseSandboxId(text);  // likewise
  return 0;
}
