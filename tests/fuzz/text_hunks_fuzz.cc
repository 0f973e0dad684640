// A patch of any two contents, applied again: text by hunks, bytes as a binary literal, and names.
#include <zlib.h>

#include <vector>

#include "changes/binary_literal.h"
#include "changes/path_quote.h"
#include "changes/text_hunks.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/targets.h"

namespace glovebox {
namespace {

constexpr absl::string_view kBase85 =
    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~";

// Each with its newline; only the last may lack it.
std::vector<absl::string_view> Lines(absl::string_view text) {
  std::vector<absl::string_view> lines;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    const size_t size = end == text.npos ? text.size() : end + 1;
    lines.push_back(text.substr(0, size));
    text.remove_prefix(size);
  }
  return lines;
}

// What `patch` makes of `before`.
std::string Apply(absl::string_view before, absl::string_view patch) {
  const std::vector<absl::string_view> old_lines = Lines(before);
  const std::vector<absl::string_view> lines = Lines(patch);
  std::string after;
  size_t at = 0;
  for (size_t i = 0; i < lines.size(); ++i) {
    absl::string_view line = lines[i];
    if (line[0] == '\\') continue;
    if (line[0] == '@') {
      unsigned long start = 0;
      unsigned long count = 1;
      const std::string head(line);
      Demand(std::sscanf(head.c_str(), "@@ -%lu,%lu", &start, &count) >= 1, "a hunk's head");
      const size_t skip_to = count == 0 ? start : start - 1;
      Demand(skip_to >= at && skip_to <= old_lines.size(), "hunks are in order");
      for (; at < skip_to; ++at) after.append(old_lines[at].data(), old_lines[at].size());
      continue;
    }
    if (i + 1 < lines.size() && lines[i + 1][0] == '\\') line.remove_suffix(1);
    const absl::string_view content = line.substr(1);
    if (line[0] != '+') Demand(at < old_lines.size() && old_lines[at] == content, "context fits");
    if (line[0] != '+') ++at;
    if (line[0] != '-') after.append(content.data(), content.size());
  }
  for (; at < old_lines.size(); ++at) after.append(old_lines[at].data(), old_lines[at].size());
  return after;
}

// git's base 85: a letter for the number of bytes, then five characters for each four of them.
std::string DecodeLine(absl::string_view line) {
  const int size = line[0] <= 'Z' ? line[0] - 'A' + 1 : line[0] - 'a' + 27;
  std::string bytes;
  for (size_t i = 1; i + 5 <= line.size(); i += 5) {
    uint32_t word = 0;
    for (const char c : line.substr(i, 5)) {
      word = word * 85 + static_cast<uint32_t>(kBase85.find(c));
    }
    for (int shift = 24; shift >= 0; shift -= 8) bytes.push_back(static_cast<char>(word >> shift));
  }
  Demand(size <= 52 && bytes.size() >= static_cast<size_t>(size), "a line's length fits it");
  bytes.resize(static_cast<size_t>(size));
  return bytes;
}

void CheckLiteral(absl::string_view content) {
  std::string patch;
  const auto sink = [&patch](absl::string_view piece) {
    patch.append(piece.data(), piece.size());
    return absl::OkStatus();
  };
  BinaryLiteral literal(content.size(), sink);
  Demand(literal.Feed(content).ok() && literal.Finish().ok(), "any bytes are a literal");
  const std::vector<absl::string_view> lines = Lines(patch);
  Demand(!lines.empty() && lines[0] == "literal " + std::to_string(content.size()) + "\n",
         "a literal tells its size");
  std::string deflated;
  for (size_t i = 1; i < lines.size() && lines[i] != "\n"; ++i) {
    deflated += DecodeLine(lines[i].substr(0, lines[i].size() - 1));
  }
  std::string inflated(content.size() + 1, '\0');
  uLongf size = inflated.size();
  Demand(::uncompress(reinterpret_cast<Bytef*>(inflated.data()), &size,
                      reinterpret_cast<const Bytef*>(deflated.data()), deflated.size()) == Z_OK,
         "a literal inflates");
  Demand(absl::string_view(inflated).substr(0, size) == content, "a literal is the content");
}

void CheckName(absl::string_view path) {
  const std::string quoted = QuoteForGit("a/", path);
  const bool is_quoted = quoted[0] == '"';
  Demand(!is_quoted || (quoted.size() >= 2 && quoted.back() == '"'), "a quoted name ends");
  Demand(IsPrintable(quoted), "a name in a patch is printable ASCII");
  (void)RefusedByGit(path, true);  // must only not crash
}

}  // namespace

void FuzzTextHunks(absl::string_view bytes) {
  static const TextDiffer differ;
  FuzzInput input(bytes);
  const uint32_t context_lines = input.Take<uint8_t>() % 8u;
  const absl::string_view before = input.Bytes(input.Take<uint16_t>());
  const absl::string_view after = input.Rest();
  CheckLiteral(after);
  CheckName(before);
  std::string patch;
  const auto counts =
      differ.WriteHunks(before, after, context_lines, [&patch](absl::string_view piece) {
        patch.append(piece.data(), piece.size());
        return absl::OkStatus();
      });
  Demand(counts.ok(), "any two contents have a difference");
  Demand(Apply(before, patch) == after, "the hunks make the new content of the old");
}

}  // namespace glovebox
