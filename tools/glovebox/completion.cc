#include "tools/glovebox/completion.h"

#include <CLI/CLI.hpp>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"

namespace glovebox {
namespace {

// One place in the tree: "", "exec", "image import".
struct Place {
  std::string path;
  std::vector<std::string> words;    // verbs below
  std::vector<std::string> options;  // "--json", "-i"
  bool wants_id = false;
};

void Collect(const CLI::App& app, const std::string& path, std::vector<Place>* out) {
  Place place;
  place.path = path;
  const auto verbs = app.get_subcommands([](const CLI::App*) { return true; });
  for (const CLI::App* verb : verbs) place.words.push_back(verb->get_name());
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) place.options.push_back("--" + name);
    for (const std::string& name : option->get_snames()) place.options.push_back("-" + name);
    if (option->get_positional() && option->get_name() == "ID") place.wants_id = true;
  }
  out->push_back(std::move(place));
  for (const CLI::App* verb : verbs) {
    Collect(*verb, absl::StrCat(path, path.empty() ? "" : " ", verb->get_name()), out);
  }
}

std::string Quoted(const std::string& text) {
  return absl::StrCat("'", absl::StrReplaceAll(text, {{"'", "'\\''"}}), "'");
}

// The cases of a shell's `case "$path" in`, for bash and zsh alike.
std::string Cases(const std::vector<Place>& places) {
  std::string out;
  for (const Place& place : places) {
    absl::StrAppend(
        &out, "    ", Quoted(place.path), ") words=",
        Quoted(absl::StrCat(absl::StrJoin(place.words, " "), place.words.empty() ? "" : " ",
                            absl::StrJoin(place.options, " "))),
        place.wants_id ? "; ids=1" : "", " ;;\n");
  }
  return out;
}

// Follows the words before the cursor as far as they name verbs.
std::string PathLoop(const std::vector<Place>& places, const char* words, const char* first,
                     const char* last) {
  std::vector<std::string> paths;
  for (const Place& place : places) {
    if (!place.path.empty()) paths.push_back(absl::StrReplaceAll(place.path, {{" ", "\\ "}}));
  }
  return absl::StrCat("  for ((i = ", first, "; i < ", last, "; i++)); do\n    word=\"${", words,
                      "[i]}\"\n    [[ \"$word\" == -- ]] && return 0\n",
                      "    case \"${path:+$path }$word\" in\n      ", absl::StrJoin(paths, "|"),
                      ") path=\"${path:+$path }$word\" ;;\n    esac\n  done\n");
}

std::string Bash(const std::vector<Place>& places) {
  return absl::StrCat(
      "# bash completion of glovebox; load with: source <(glovebox completion bash)\n"
      "_glovebox() {\n  local path='' words='' ids='' word i "
      "current=\"${COMP_WORDS[COMP_CWORD]}\"\n",
      PathLoop(places, "COMP_WORDS", "1", "COMP_CWORD"), "  case \"$path\" in\n", Cases(places),
      "  esac\n  [[ -n \"$ids\" ]] && words+=\" $(glovebox ls -q 2>/dev/null)\"\n"
      "  COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n}\n"
      "complete -o default -F _glovebox glovebox\n");
}

std::string Zsh(const std::vector<Place>& places) {
  return absl::StrCat(
      "#compdef glovebox\n# load with: source <(glovebox completion zsh)\n"
      "_glovebox() {\n  local path_ words_='' ids='' word i\n  path_=''\n",
      absl::StrReplaceAll(PathLoop(places, "words", "2", "CURRENT"),
                          {{"${path", "${path_"}, {"$path ", "$path_ "}, {"path=", "path_="}}),
      "  case \"$path_\" in\n", absl::StrReplaceAll(Cases(places), {{") words=", ") words_="}}),
      "  esac\n  [[ -n \"$ids\" ]] && words_+=\" $(glovebox ls -q 2>/dev/null)\"\n"
      "  compadd -- ${=words_}\n  _files\n}\ncompdef _glovebox glovebox\n");
}

std::string Fish(const std::vector<Place>& places) {
  std::string out = "# fish completion of glovebox; load with: glovebox completion fish | source\n";
  for (const Place& place : places) {
    std::string condition = "__fish_use_subcommand";
    if (!place.path.empty()) {
      condition = absl::StrCat(
          "__fish_seen_subcommand_from ",
          absl::StrReplaceAll(place.path, {{" ", "; and __fish_seen_subcommand_from "}}));
    }
    const std::string head = absl::StrCat("complete -c glovebox -n ", Quoted(condition), " ");
    if (!place.words.empty()) {
      absl::StrAppend(&out, head, "-f -a ", Quoted(absl::StrJoin(place.words, " ")), "\n");
    }
    for (const std::string& option : place.options) {
      const bool is_long = option.rfind("--", 0) == 0;
      absl::StrAppend(&out, head, is_long ? "-l " : "-s ", option.substr(is_long ? 2 : 1), "\n");
    }
    if (place.wants_id) {
      absl::StrAppend(&out, head, "-f -a '(glovebox ls -q 2>/dev/null)'\n");
    }
  }
  return out;
}

}  // namespace

absl::StatusOr<std::string> CompletionScript(const std::string& shell, const CLI::App& app) {
  std::vector<Place> places;
  Collect(app, "", &places);
  if (shell == "bash") return Bash(places);
  if (shell == "zsh") return Zsh(places);
  if (shell == "fish") return Fish(places);
  return absl::InvalidArgumentError("no completion for this shell: choose bash, zsh or fish");
}

}  // namespace glovebox
