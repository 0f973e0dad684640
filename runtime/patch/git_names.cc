#include "patch/git_names.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/strip.h"

namespace glovebox {
namespace {

constexpr absl::string_view kNowhere = "/dev/null";

bool IsOctal(char c) { return c >= '0' && c <= '7'; }

std::optional<char> Escaped(absl::string_view* text) {
  if (text->empty()) return std::nullopt;
  const char c = text->front();
  if (c >= '0' && c <= '3' && text->size() >= 3 && IsOctal((*text)[1]) && IsOctal((*text)[2])) {
    const int value = (c - '0') * 64 + ((*text)[1] - '0') * 8 + ((*text)[2] - '0');
    text->remove_prefix(3);
    return static_cast<char>(value);
  }
  constexpr absl::string_view kNames = "abfnrtv\\\"", kValues = "\a\b\f\n\r\t\v\\\"";
  const size_t at = kNames.find(c);
  if (at == absl::string_view::npos) return std::nullopt;
  text->remove_prefix(1);
  return kValues[at];
}

bool HasPrefix(absl::string_view name, char c) {
  return name.size() > 2 && name[0] == c && name[1] == '/';
}

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

std::optional<int> TakeTwoDigits(absl::string_view* text, int max) {
  if (text->size() < 2 || !IsDigit((*text)[0]) || !IsDigit((*text)[1])) return std::nullopt;
  const int value = ((*text)[0] - '0') * 10 + ((*text)[1] - '0');
  if (value > max) return std::nullopt;
  text->remove_prefix(2);
  return value;
}

constexpr absl::string_view kPairs[] = {"ab", "iw", "ci", "cw", "ow", "wi", "ba"};

}  // namespace

std::optional<std::string> TakeQuoted(absl::string_view* text) {
  if (text->empty() || text->front() != '"') return std::nullopt;
  text->remove_prefix(1);
  std::string name;
  while (!text->empty()) {
    const char c = text->front();
    text->remove_prefix(1);
    if (c == '"') return name;
    if (c != '\\') {
      name.push_back(c);
      continue;
    }
    const std::optional<char> escaped = Escaped(text);
    if (!escaped.has_value()) return std::nullopt;
    name.push_back(*escaped);
  }
  return std::nullopt;
}

std::optional<std::string> WholeName(absl::string_view text) {
  if (text.empty() || text.front() != '"') return std::string(text);
  std::optional<std::string> name = TakeQuoted(&text);
  return text.empty() ? name : std::nullopt;
}

std::optional<std::string> MarkedName(absl::string_view text) {
  if (!text.empty() && text.front() == '"') return TakeQuoted(&text);
  text = text.substr(0, text.find('\t'));
  if (absl::EndsWith(text, "\r")) text.remove_suffix(1);
  return std::string(text);
}

bool HasTimeOfTheEpoch(absl::string_view text) {
  const size_t tab = text.rfind('\t');
  if (tab == absl::string_view::npos) return false;
  text.remove_prefix(tab + 1);
  // The day before it, west of Greenwich.
  const bool day_before = absl::ConsumePrefix(&text, "1969-12-31 ");
  if (!day_before && !absl::ConsumePrefix(&text, "1970-01-01 ")) return false;
  const std::optional<int> hour = TakeTwoDigits(&text, 29);
  if (!hour.has_value() || !absl::ConsumePrefix(&text, ":")) return false;
  const std::optional<int> minute = TakeTwoDigits(&text, 59);
  if (!minute.has_value() || !absl::ConsumePrefix(&text, ":00")) return false;
  if (absl::ConsumePrefix(&text, ".")) {
    const size_t zeros = std::min(text.find_first_not_of('0'), text.size());
    if (zeros == 0) return false;
    text.remove_prefix(zeros);
  }
  const bool west = absl::ConsumePrefix(&text, " -");
  if (!west && !absl::ConsumePrefix(&text, " +")) return false;
  const std::optional<int> zone_hours = TakeTwoDigits(&text, 29);
  (void)absl::ConsumePrefix(&text, ":");  // may be left out
  const std::optional<int> zone_minutes = TakeTwoDigits(&text, 59);
  if (!zone_hours.has_value() || !zone_minutes.has_value() || !text.empty()) return false;
  const int zone = *zone_hours * 60 + *zone_minutes;
  return *hour * 60 + *minute - (west ? -zone : zone) == (day_before ? 24 * 60 : 0);
}

std::optional<std::pair<std::string, std::string>> PairOfNames(absl::string_view text) {
  if (absl::StartsWith(text, "\"")) {
    std::optional<std::string> first = TakeQuoted(&text);
    if (!first.has_value() || !absl::StartsWith(text, " ")) return std::nullopt;
    std::optional<std::string> second = WholeName(text.substr(1));
    if (!second.has_value()) return std::nullopt;
    return std::make_pair(*std::move(first), *std::move(second));
  }
  if (absl::EndsWith(text, "\"")) {
    const size_t quote = text.find(" \"");
    if (quote == absl::string_view::npos) return std::nullopt;
    std::optional<std::string> second = WholeName(text.substr(quote + 1));
    if (!second.has_value()) return std::nullopt;
    return std::make_pair(std::string(text.substr(0, quote)), *std::move(second));
  }
  // Of names with spaces only two equal halves can be told apart.
  const size_t half = text.size() / 2;
  if (text.size() % 2 == 0 || text.empty() || text[half] != ' ') return std::nullopt;
  std::string first(text.substr(0, half)), second(text.substr(half + 1));
  std::string bare_first = first, bare_second = second;
  StripPrefixes(&bare_first, &bare_second);
  if (bare_first != bare_second) return std::nullopt;
  return std::make_pair(std::move(first), std::move(second));
}

void StripPrefixes(std::string* old_name, std::string* new_name) {
  const bool no_old = *old_name == kNowhere, no_new = *new_name == kNowhere;
  for (const absl::string_view pair : kPairs) {
    const bool old_fits = HasPrefix(*old_name, pair[0]), new_fits = HasPrefix(*new_name, pair[1]);
    if (!(old_fits || no_old) || !(new_fits || no_new)) continue;
    if (old_fits) old_name->erase(0, 2);
    if (new_fits) new_name->erase(0, 2);
    break;
  }
  if (no_old) old_name->clear();
  if (no_new) new_name->clear();
}

}  // namespace glovebox
