#include "changes/ignore_rules.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/status.h"

namespace glovebox {
namespace {

constexpr absl::string_view kByteOrderMark = "\xef\xbb\xbf";

// As git's trim_trailing_spaces: spaces only, and not one behind a backslash.
absl::string_view WithoutTrailingSpaces(absl::string_view line) {
  std::optional<size_t> cut;
  for (size_t i = 0; i < line.size(); ++i) {
    if (line[i] == ' ') {
      if (!cut.has_value()) cut = i;
      continue;
    }
    if (line[i] == '\\' && ++i == line.size()) return line;
    cut.reset();
  }
  return cut.has_value() ? line.substr(0, *cut) : line;
}

struct NamedClass {
  absl::string_view name;
  bool (*contains)(unsigned char);
};

constexpr NamedClass kNamedClasses[] = {
    {"alnum", absl::ascii_isalnum}, {"alpha", absl::ascii_isalpha},
    {"blank", absl::ascii_isblank}, {"cntrl", absl::ascii_iscntrl},
    {"digit", absl::ascii_isdigit}, {"graph", absl::ascii_isgraph},
    {"lower", absl::ascii_islower}, {"print", absl::ascii_isprint},
    {"punct", absl::ascii_ispunct}, {"space", absl::ascii_isspace},
    {"upper", absl::ascii_isupper}, {"xdigit", absl::ascii_isxdigit},
};

}  // namespace

// wildmatch.c as a list of tokens.
class IgnorePattern::Parser {
 public:
  Parser(absl::string_view text, IgnorePattern* out) : text_(text), out_(out) {}

  void Run() {
    while (at_ < text_.size()) {
      switch (text_[at_]) {
        case '*':
          Stars();
          break;
        case '?':
          ++at_;
          Push({Token::Kind::kAnyByte, 0, 0});
          break;
        case '[':
          if (!Class()) return Never();
          break;
        case '\\':
          if (++at_ == text_.size()) return Never();
          [[fallthrough]];
        default:
          Push({Token::Kind::kByte, static_cast<unsigned char>(text_[at_++]), 0});
      }
    }
  }

 private:
  void Push(const Token& token) { out_->tokens_.push_back(token); }
  void Never() { Push({Token::Kind::kNever, 0, 0}); }

  // Two stars are special only where they are a whole component.
  void Stars() {
    const size_t begin = at_;
    while (at_ < text_.size() && text_[at_] == '*') ++at_;
    const bool at_start = begin == 0 || text_[begin - 1] == '/';
    const absl::string_view rest = text_.substr(at_);
    const bool slash = absl::StartsWith(rest, "/");
    if (at_ - begin < 2 || !at_start || !(rest.empty() || slash || absl::StartsWith(rest, "\\/"))) {
      return Push({Token::Kind::kStar, 0, 0});
    }
    if (!slash) return Push({Token::Kind::kAllBytes, 0, 0});
    ++at_;
    Push({Token::Kind::kAnyLevels, 0, 0});
  }

  // The byte at `at_`, which a backslash may stand before; false at the end of the pattern.
  bool Escaped(unsigned char* byte) {
    if (at_ < text_.size() && text_[at_] == '\\') ++at_;
    if (at_ >= text_.size()) return false;
    *byte = static_cast<unsigned char>(text_[at_++]);
    return true;
  }

  // "[:name:]", behind its '['; false: the pattern is malformed.
  bool Named(std::bitset<256>* set, bool* literal) {
    const size_t end = text_.find(']', at_ + 1);
    if (end == absl::string_view::npos) return false;
    *literal = end < at_ + 2 || text_[end - 1] != ':';
    if (*literal) return true;  // "[" is one of the set, then
    const absl::string_view name = text_.substr(at_ + 1, end - at_ - 2);
    for (const NamedClass& named : kNamedClasses) {
      if (named.name != name) continue;
      for (int byte = 0; byte < 128; ++byte) {
        if (named.contains(static_cast<unsigned char>(byte))) set->set(static_cast<size_t>(byte));
      }
      at_ = end + 1;
      return true;
    }
    return false;
  }

  bool Class() {
    ++at_;
    std::bitset<256> set;
    const bool negated = at_ < text_.size() && (text_[at_] == '!' || text_[at_] == '^');
    if (negated) ++at_;
    unsigned char previous = 0;  // what a range may begin with; 0: nothing
    bool first = true;
    for (;; first = false) {
      if (at_ >= text_.size()) return false;
      const auto here = static_cast<unsigned char>(text_[at_]);
      if (here == ']' && !first) break;
      const bool range =
          here == '-' && previous != 0 && at_ + 1 < text_.size() && text_[at_ + 1] != ']';
      if (range) {
        ++at_;
        unsigned char last = 0;
        if (!Escaped(&last)) return false;
        for (unsigned byte = previous; byte <= last; ++byte) set.set(byte);
        previous = 0;
      } else if (here == '[' && at_ + 1 < text_.size() && text_[at_ + 1] == ':') {
        ++at_;
        bool literal = false;
        if (!Named(&set, &literal)) return false;
        if (literal) set.set('[');
        previous = literal ? '[' : 0;
      } else {
        if (!Escaped(&previous)) return false;
        set.set(previous);
      }
    }
    ++at_;
    if (negated) set.flip();
    set.reset('/');
    Push({Token::Kind::kClass, 0, out_->sets_.size()});
    out_->sets_.push_back(set);
    return true;
  }

  const absl::string_view text_;
  IgnorePattern* const out_;
  size_t at_ = 0;
};

absl::StatusOr<std::optional<IgnorePattern>> IgnorePattern::Parse(absl::string_view line) {
  absl::ConsumeSuffix(&line, "\r");
  line = line.substr(0, line.find('\0'));
  if (line.empty() || line[0] == '#') return std::nullopt;
  line = WithoutTrailingSpaces(line);
  if (line.size() > kIgnorePatternBytesMax) {
    return absl::ResourceExhaustedError(
        absl::StrCat("a pattern has more than ", kIgnorePatternBytesMax, " bytes"));
  }
  IgnorePattern pattern;
  pattern.negated_ = absl::ConsumePrefix(&line, "!");
  pattern.directories_only_ = absl::ConsumeSuffix(&line, "/");
  if (line.empty()) return std::nullopt;
  pattern.name_only_ = !absl::StrContains(line, '/');
  absl::ConsumePrefix(&line, "/");
  Parser(line, &pattern).Run();
  return std::optional(std::move(pattern));
}

bool IgnorePattern::MatchesByte(const Token& token, unsigned char byte) const {
  switch (token.kind) {
    case Token::Kind::kByte:
      return token.byte == byte;
    case Token::Kind::kAnyByte:
      return byte != '/';
    case Token::Kind::kClass:
      return sets_[token.set].test(byte);
    case Token::Kind::kStar:
    case Token::Kind::kAllBytes:
    case Token::Kind::kAnyLevels:
    case Token::Kind::kNever:
      break;
  }
  return false;
}

// Two places to go back to are enough: the last star, which may take one byte more as long as that
// is no slash, and the last of those that take slashes, too. What an earlier one could take more, a
// later one can take as well.
absl::StatusOr<bool> IgnorePattern::MatchesText(absl::string_view text, Allowance* steps) const {
  struct Place {
    size_t token = 0;  // to go on with
    size_t text = 0;   // where that was tried last
    bool set = false;
  };
  Place star;
  Place levels;
  bool by_level = false;  // kAnyLevels: goes on behind slashes only
  size_t token = 0;
  size_t at = 0;
  for (;;) {
    RETURN_IF_ERROR(steps->Take(1, text));
    if (token == tokens_.size() && at == text.size()) return true;
    if (token < tokens_.size()) {
      const Token::Kind kind = tokens_[token].kind;
      if (kind == Token::Kind::kStar) {
        star = {++token, at, true};
        continue;
      }
      if (kind == Token::Kind::kAllBytes || kind == Token::Kind::kAnyLevels) {
        by_level = kind == Token::Kind::kAnyLevels;
        levels = {++token, at, true};
        star.set = false;
        continue;
      }
      if (at < text.size() && MatchesByte(tokens_[token], static_cast<unsigned char>(text[at]))) {
        ++token;
        ++at;
        continue;
      }
    }
    if (star.set && star.text < text.size() && text[star.text] != '/') {
      at = ++star.text;
      token = star.token;
      continue;
    }
    star.set = false;
    if (!levels.set || levels.text >= text.size()) return false;
    if (by_level) {
      const size_t slash = text.find('/', levels.text);
      if (slash == absl::string_view::npos) return false;
      levels.text = slash;
    }
    at = ++levels.text;
    token = levels.token;
  }
}

absl::StatusOr<bool> IgnorePattern::Matches(absl::string_view path, bool is_directory,
                                            Allowance* steps) const {
  if (directories_only_ && !is_directory) return false;
  if (name_only_) path = path.substr(path.rfind('/') + 1);
  return MatchesText(path, steps);
}

absl::Status IgnoreList::Add(absl::string_view line, Allowance* patterns, absl::string_view where) {
  auto pattern = IgnorePattern::Parse(line);
  if (!pattern.ok()) {
    return LimitError("TOO_MANY_CHANGES", "ignore_pattern_bytes", kIgnorePatternBytesMax, where);
  }
  if (!pattern->has_value()) return absl::OkStatus();
  RETURN_IF_ERROR(patterns->Take(1, where));
  patterns_.push_back(**std::move(pattern));
  return absl::OkStatus();
}

absl::StatusOr<IgnoreList> IgnoreList::ParseFile(absl::string_view content, Allowance* patterns,
                                                 absl::string_view where) {
  absl::ConsumePrefix(&content, kByteOrderMark);
  IgnoreList list;
  while (!content.empty()) {
    const size_t end = content.find('\n');
    RETURN_IF_ERROR(list.Add(content.substr(0, end), patterns, where));
    if (end == absl::string_view::npos) break;
    content.remove_prefix(end + 1);
  }
  return list;
}

absl::StatusOr<IgnoreList::Verdict> IgnoreList::Decide(absl::string_view path, bool is_directory,
                                                       Allowance* steps) const {
  for (auto pattern = patterns_.rbegin(); pattern != patterns_.rend(); ++pattern) {
    ASSIGN_OR_RETURN(const bool matches, pattern->Matches(path, is_directory, steps));
    if (matches) return pattern->negated() ? Verdict::kKept : Verdict::kIgnored;
  }
  return Verdict::kUndecided;
}

}  // namespace glovebox
