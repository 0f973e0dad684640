// Header fields that go no further than to this proxy, in every version of HTTP.
#ifndef GLOVEBOX_EGRESS_HTTP_FIELDS_H_
#define GLOVEBOX_EGRESS_HTTP_FIELDS_H_

#include "absl/strings/string_view.h"

namespace glovebox {

// Headers by which a request says that it is another one than its first line has. Programs read '_'
// for '-'. In any case of letters.
bool NamesAnotherMethod(absl::string_view field);

// Likewise whether programs may take `field` for the one of that name.
bool IsNamedAs(absl::string_view field, absl::string_view name);

}  // namespace glovebox

#endif  // GLOVEBOX_EGRESS_HTTP_FIELDS_H_
