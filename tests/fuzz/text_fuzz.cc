// Names and bytes of others on their way to a person, a path or a log.
#include <string>

#include "base/escape.h"
#include "base/ids.h"
#include "base/relative_path.h"
#include "snapshot/host_etc.h"
#include "snapshot/image_record.h"
#include "snapshot/import_source.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/targets.h"

namespace glovebox {
void FuzzText(absl::string_view text) {
  Demand(IsPlain(EscapeForPeople(text)), "people see no control character");
  Demand(IsPlain(EscapeForPeople(text, 40)), "nor in what is cut");
  if (auto path = RelativePath::Parse(text); path.ok()) {
    const std::string framed = "/" + path->value() + "/";
    Demand(framed.find("/../") == std::string::npos, "a relative path does not lead up");
    Demand(framed.find("//") == std::string::npos, "a relative path has no empty component");
  }
  if (auto name = ParseClientName(text, "name"); name.ok()) {
    Demand(name->size() <= 63 && IsPlain(*name), "a name is short and printable");
  }
  if (auto name = ParseImageName(text); name.ok()) {
    Demand(name->find('/') == std::string::npos && IsPlain(*name), "an image's name is no path");
  }
  if (auto revision = ParseRevision(text); revision.ok()) {
    Demand((*revision)[0] != '-' && revision->find("..") == std::string::npos,
           "a revision is neither an option nor a range");
  }
  (void)ParseDigest(text);     // must only not crash
  (void)ParseSandboxId(text);  // likewise
  (void)HostEtcAllows(text);   // likewise
  const size_t half = text.size() / 2;
  (void)HostEtcLinkStaysIn(text.substr(0, half), text.substr(half));  // likewise
}

}  // namespace glovebox
