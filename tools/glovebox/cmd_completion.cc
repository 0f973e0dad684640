// glovebox completion: the script that makes a shell complete our words.
#include <memory>

#include "tools/glovebox/completion.h"
#include "tools/glovebox/end_report.h"
#include "tools/glovebox/failure.h"
#include "tools/glovebox/invocation.h"
#include "tools/glovebox/print.h"

namespace glovebox {

void AddCompletion(Verb app, Invocation& invocation) {
  auto shell = std::make_shared<std::string>();
  Verb verb = AddVerb(app, invocation, "completion", "Print a completion script for a shell",
                      "  source <(glovebox completion bash)\n"
                      "  glovebox completion fish | source",
                      [app, shell] {
                        const auto script = CompletionScript(*shell, app.app());
                        if (!script.ok()) {
                          return Fail("completion", script.status(), kExitUsage);
                        }
                        return Print(*script);
                      });
  verb.AddOption("SHELL", *shell, "bash, zsh or fish").Required();
}

}  // namespace glovebox
