// glovebox secret create, ls, rm: what rules add to requests outside of sandboxes.
#include <unistd.h>

#include <memory>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/escape.h"
#include "base/status.h"
#include "policy/secret_value.h"
#include "tools/glovebox/calls.h"
#include "tools/glovebox/end_report.h"
#include "tools/glovebox/failure.h"
#include "tools/glovebox/input_file.h"
#include "tools/glovebox/invocation.h"
#include "tools/glovebox/json_shapes.h"
#include "tools/glovebox/lookup.h"
#include "tools/glovebox/print.h"
#include "tools/glovebox/table.h"
#include "tools/glovebox/terminal.h"

namespace glovebox {
namespace {

struct Options {
  std::string name, owner;
  std::string file = "-";
  std::vector<std::string> names;
};

int Ls(const Invocation& invocation) {
  auto connection = Connection::Open(invocation.socket);
  if (!connection.ok()) return Fail("secret ls", connection.status(), kExitFailure);
  const auto secrets = AllSecrets(**connection);
  if (!secrets.ok()) return Fail("secret ls", secrets.status(), kExitFailure);
  Json json = Json::array();
  std::vector<std::vector<std::string>> rows = {{"NAME", "OWNER", "AGE"}};
  for (const v1::Secret& secret : *secrets) {
    json.push_back(SecretJson(secret));
    rows.push_back({EscapeForPeople(secret.name(), 63), EscapeForPeople(secret.owner(), 40),
                    AgeText(TimeText(secret.create_time()))});
  }
  return Print(invocation.json ? Pretty(json) : FormatTable(rows, ColourWanted(STDOUT_FILENO)));
}

// Never from the command line, which every process of the host can read.
absl::StatusOr<std::string> ReadValue(const std::string& file) {
  if (file == "-" && ::isatty(STDIN_FILENO) == 1) {
    return absl::InvalidArgumentError(
        "give the secret on standard input, or with --file: a terminal would show it");
  }
  ASSIGN_OR_RETURN(std::string value, ReadInputFile(file, 2 * kSecretBytesMax));
  // Of echo and of editors.
  if (absl::EndsWith(value, "\n")) value.pop_back();
  if (absl::EndsWith(value, "\r")) value.pop_back();
  return value;
}

absl::StatusOr<v1::Secret> CreateOne(const Invocation& invocation, const std::string& name,
                                     std::string value) {
  ASSIGN_OR_RETURN(const auto connection, Connection::Open(invocation.socket));
  v1::CreateSecretRequest request;
  request.set_name(name);
  request.set_value(std::move(value));
  v1::CreateSecretResponse response;
  const absl::Status made = Call(*connection, request, &response);
  Wipe(request.mutable_value());
  RETURN_IF_ERROR(made);
  return response.secret();
}

int Create(const Invocation& invocation, const Options& options) {
  absl::StatusOr<std::string> value = ReadValue(options.file);
  if (!value.ok()) return Fail("secret create", value.status(), kExitUsage);
  const auto secret = CreateOne(invocation, options.name, *std::move(value));
  if (!secret.ok()) return Fail("secret create", secret.status(), kExitFailure);
  return Print(invocation.json ? Pretty(SecretJson(*secret)) : "");
}

int Rm(const Invocation& invocation, const Options& options) {
  auto connection = Connection::Open(invocation.socket);
  if (!connection.ok()) return Fail("secret rm", connection.status(), kExitFailure);
  int code = 0;
  Json removed = Json::array();
  for (const std::string& name : options.names) {
    v1::DeleteSecretRequest request;
    request.set_name(name);
    if (!options.owner.empty()) request.set_owner(options.owner);
    v1::DeleteSecretResponse response;
    const absl::Status status = Call(**connection, request, &response);
    if (status.ok()) {
      removed.push_back(name);
    } else {
      code = Fail(absl::StrCat("secret rm ", EscapeForPeople(name, 80)), status, kExitFailure);
    }
  }
  if (invocation.json) (void)Print(Pretty({{"removed", removed}}));  // `code` is what counts
  return code;
}

}  // namespace

void AddSecret(Verb app, Invocation& invocation) {
  Verb secret = app.AddGroup("secret", "Keep credentials that sandboxes use and never see");
  auto made = std::make_shared<Options>();
  Verb create = AddVerb(
      secret, invocation, "create", "Keep a secret; its value comes from standard input",
      "  gh auth token | glovebox secret create github\n"
      "  glovebox run --credential secret=github,url=https://github.com/me/**,user=x-access-token "
      "-- git clone https://github.com/me/private",
      [&invocation, made] { return Create(invocation, *made); });
  create.AddOption("NAME", made->name, "Name of the secret").Required();
  create.AddOption("--file", made->file, "File with the value; one line end behind it is left out")
      .TypeName("FILE");
  AddVerb(secret, invocation, "ls", "List names; nothing shows values", "  glovebox secret ls",
          [&invocation] { return Ls(invocation); });
  auto removed = std::make_shared<Options>();
  Verb rm = AddVerb(
      secret, invocation, "rm", "Forget secrets; requests that need them are refused from then on",
      "  glovebox secret rm github", [&invocation, removed] { return Rm(invocation, *removed); });
  rm.AddOption("NAME", removed->names, "Names").Required();
  rm.AddOption("--owner", removed->owner, "Of this client, not one's own; administrators may")
      .TypeName("CLIENT");
}

}  // namespace glovebox
