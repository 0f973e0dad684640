#include "tools/glovebox/completion.h"

#include <gtest/gtest.h>

#include <CLI/CLI.hpp>

#include "absl/strings/str_cat.h"
#include "tools/glovebox/invocation.h"

namespace glovebox {
namespace {

TEST(CompletionTest, EveryShellKnowsEveryVerbAndItsOptions) {
  Invocation invocation;
  CLI::App app("test", "glovebox");
  AddAllVerbs(Verb(&app), invocation);
  for (const char* shell : {"bash", "zsh", "fish"}) {
    const auto script = CompletionScript(shell, app);
    ASSERT_TRUE(script.ok()) << shell;
    for (const char* word :
         {"run",         "create",    "ls",      "inspect",    "exec",   "shell", "attach", "logs",
          "exec-status", "changes",   "diff",    "compare",    "push",   "cp",    "rm",     "image",
          "snapshot",    "preflight", "version", "completion", "egress", "net"}) {
      EXPECT_NE(script->find(word), std::string::npos) << shell << " " << word;
    }
    for (const char* option : {"timeout", "exec-id", "root-inside", "memory", "json", "socket",
                               "allow-preset", "refused"}) {
      EXPECT_NE(script->find(option), std::string::npos) << shell << " " << option;
    }
  }
  EXPECT_FALSE(CompletionScript("tcsh", app).ok());
}

// Runs the script in the real shell: what it offers, not what it says.
std::string Offered(const std::string& words, int index) {
  Invocation invocation;
  CLI::App app("test", "glovebox");
  AddAllVerbs(Verb(&app), invocation);
  const std::string program =
      absl::StrCat(*CompletionScript("bash", app), "COMP_WORDS=(", words, "); COMP_CWORD=", index,
                   "; _glovebox; echo \"${COMPREPLY[*]}\"");
  FILE* pipe =
      ::popen(absl::StrCat("bash -c \"$(cat <<'END'\n", program, "\nEND\n)\"").c_str(), "re");
  if (pipe == nullptr) return "no bash";
  std::string out;
  char buffer[4096];
  while (::fgets(buffer, sizeof(buffer), pipe) != nullptr) out += buffer;
  return ::pclose(pipe) == 0 ? out : "bash failed";
}

TEST(CompletionTest, BashOffersVerbsThenTheirOptions) {
  EXPECT_EQ(Offered("glovebox ex", 1), "exec exec-status export\n");
  EXPECT_EQ(Offered("glovebox create --me", 2), "--memory\n");
  EXPECT_EQ(Offered("glovebox image im", 2), "import\n");
  EXPECT_EQ(Offered("glovebox run -- --me", 3), "\n");
}

}  // namespace
}  // namespace glovebox
