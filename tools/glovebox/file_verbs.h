// The verbs about what goes into and comes out of single files. Internal to invocation.cc.
#ifndef GLOVEBOX_TOOLS_FILE_VERBS_H_
#define GLOVEBOX_TOOLS_FILE_VERBS_H_

#include "tools/glovebox/invocation.h"

namespace glovebox {

void AddApply(Verb app, Invocation& invocation);
void AddCat(Verb app, Invocation& invocation);
void AddWrite(Verb app, Invocation& invocation);
void AddEdit(Verb app, Invocation& invocation);

}  // namespace glovebox

#endif  // GLOVEBOX_TOOLS_FILE_VERBS_H_
