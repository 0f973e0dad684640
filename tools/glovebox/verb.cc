#include "tools/glovebox/verb.h"

#include <CLI/CLI.hpp>
#include <utility>

namespace glovebox {

Option& Option::Required() {
  option_->required();
  return *this;
}

Option& Option::TypeName(const std::string& name) {
  option_->type_name(name);
  return *this;
}

Option& Option::Repeated() {
  option_->expected(1)->take_all();
  return *this;
}

Option& Option::Excludes(const Option& other) {
  option_->excludes(other.option_);
  return *this;
}

Option Verb::AddOption(const std::string& names, std::string& value, const std::string& help) {
  return Option(app_->add_option(names, value, help));
}

Option Verb::AddOption(const std::string& names, std::vector<std::string>& values,
                       const std::string& help) {
  return Option(app_->add_option(names, values, help));
}

void Verb::AddFlag(const std::string& names, bool& value, const std::string& help) {
  app_->add_flag(names, value, help);
}

void Verb::AddFlagOrValue(const std::string& name, std::string& value, const std::string& help) {
  app_->add_flag(name, value, help);
}

Verb Verb::AddGroup(const std::string& name, const std::string& summary) {
  CLI::App* group = app_->add_subcommand(name, summary);
  group->require_subcommand(1);
  return Verb(group);
}

Verb Verb::AddVerb(const std::string& name, const std::string& summary, const std::string& footer,
                   std::function<void()> chosen) {
  CLI::App* verb = app_->add_subcommand(name, summary);
  verb->footer(footer);
  verb->callback(std::move(chosen));
  return Verb(verb);
}

}  // namespace glovebox
