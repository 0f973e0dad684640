// Header fields that go no further than to this proxy, in every version of HTTP.
#ifndef GLOVEBOX_EGRESS_HTTP_FIELDS_H_
#define GLOVEBOX_EGRESS_HTTP_FIELDS_H_

#include "absl/strings/string_view.h"

namespace glovebox {

// Headers by which a request says that it is another one than its first line has: another method,
// or another path. In any case of letters; programs read '_' for '-', and some any other sign too.
bool NamesAnotherRequest(absl::string_view field);

// Likewise whether programs may take `field` for the one of that name.
bool IsNamedAs(absl::string_view field, absl::string_view name);

}  // namespace glovebox

#endif  // GLOVEBOX_EGRESS_HTTP_FIELDS_H_
