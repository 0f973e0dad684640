// A verb of the command line and its options. The parser behind it costs five seconds in each
// source file that includes its header, so only verb.cc and completion.cc do.
#ifndef GLOVEBOX_TOOLS_VERB_H_
#define GLOVEBOX_TOOLS_VERB_H_

#include <functional>
#include <string>
#include <vector>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace glovebox {

// A handle, as cheap to copy as a pointer; what it stands for belongs to the parser.
class Option {
 public:
  explicit Option(CLI::Option* option) : option_(option) {}
  Option& Required();
  // What the help shows in the value's place.
  Option& TypeName(const std::string& name);
  // May be given several times, one value each.
  Option& Repeated();
  Option& Excludes(const Option& other);

 private:
  CLI::Option* option_;
};

// As Option. The targets of options live until the command line has been parsed.
class Verb {
 public:
  explicit Verb(CLI::App* app) : app_(app) {}

  // "-f,--flag VALUE" or, without a dash, a word in its place.
  Option AddOption(const std::string& names, std::string& value, const std::string& help);
  Option AddOption(const std::string& names, std::vector<std::string>& values,
                   const std::string& help);
  void AddFlag(const std::string& names, bool& value, const std::string& help);
  // "--flag", which sets `value` to "true", or "--flag=VALUE".
  void AddFlagOrValue(const std::string& name, std::string& value, const std::string& help);

  // A word that other verbs come behind, as in "image ls".
  Verb AddGroup(const std::string& name, const std::string& summary);
  Verb AddVerb(const std::string& name, const std::string& summary, const std::string& footer,
               std::function<void()> chosen);

  CLI::App& app() const { return *app_; }

 private:
  CLI::App* app_;
};

}  // namespace glovebox

#endif  // GLOVEBOX_TOOLS_VERB_H_
