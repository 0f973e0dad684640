#include "snapshot/manifest.h"

#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/sha256.h"
#include "snapshot/record_json.h"

namespace glovebox {
namespace {

constexpr absl::string_view kHeader = "glovebox-manifest-1\n";
constexpr size_t kTargetBytesMax = 4096;
constexpr absl::string_view kMarks = "-wo";  // by TreeEntry::Mark

bool IsBelow(absl::string_view path, absl::string_view directory) {
  return path.size() > directory.size() && path[directory.size()] == '/' &&
         absl::StartsWith(path, directory);
}

absl::Status Malformed() { return RecordError("the manifest is damaged"); }

// The part of `text` before the first `end`, which is taken off it.
bool TakeUntil(absl::string_view* text, char end, absl::string_view* part) {
  const size_t at = text->find(end);
  if (at == absl::string_view::npos) return false;
  *part = text->substr(0, at);
  text->remove_prefix(at + 1);
  return true;
}

bool TakeNumber(absl::string_view* text, int base, uint32_t* value) {
  absl::string_view part;
  if (!TakeUntil(text, ' ', &part) || part.empty() || part.size() > 10) return false;
  uint64_t wide = 0;
  for (const char c : part) {
    const char* const digits = "0123456789abcdef";
    const char* const at = std::find(digits, digits + base, c);
    if (at == digits + base) return false;
    wide = wide * static_cast<uint64_t>(base) + static_cast<uint64_t>(at - digits);
  }
  *value = static_cast<uint32_t>(wide);
  return wide <= UINT32_MAX && (part.size() == 1 || part[0] != '0');
}

bool IsPath(absl::string_view path) {
  if (path.empty()) return false;
  for (const absl::string_view name : absl::StrSplit(path, '/')) {
    if (name.empty() || name == "." || name == "..") return false;
  }
  return true;
}

bool DataFits(const TreeEntry& entry) {
  if (entry.mark == TreeEntry::Mark::kWhiteout) {
    return entry.mode == 0 && entry.uid == 0 && entry.gid == 0 && entry.data.empty();
  }
  switch (entry.mode & S_IFMT) {
    case S_IFREG:
      return entry.mark == TreeEntry::Mark::kNone && IsLowerHex(entry.data, 64);
    case S_IFLNK:
      return entry.mark == TreeEntry::Mark::kNone && entry.data.size() <= kTargetBytesMax;
    case S_IFDIR:
      return entry.data.empty();
    case S_IFIFO:
    case S_IFSOCK:
      return entry.mark == TreeEntry::Mark::kNone && entry.data.empty();
    default:
      return false;
  }
}

bool TakeEntry(absl::string_view* text, TreeEntry* entry) {
  absl::string_view mark;
  absl::string_view path;
  absl::string_view data;
  if (!TakeUntil(text, ' ', &mark) || mark.size() != 1) return false;
  const size_t which = kMarks.find(mark[0]);
  if (which == absl::string_view::npos) return false;
  entry->mark = static_cast<TreeEntry::Mark>(which);
  if (!TakeNumber(text, 16, &entry->mode) || !TakeNumber(text, 10, &entry->uid) ||
      !TakeNumber(text, 10, &entry->gid) || !TakeUntil(text, '\0', &path) ||
      !TakeUntil(text, '\0', &data)) {
    return false;
  }
  entry->path = std::string(path);
  entry->data = std::string(data);
  return IsPath(path) && DataFits(*entry);
}

}  // namespace

bool WalksBefore(absl::string_view a, absl::string_view b) {
  const auto [at, bt] = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  if (bt == b.end()) return false;
  if (at == a.end()) return true;
  if (*at == '/' || *bt == '/') return *at == '/';
  return static_cast<unsigned char>(*at) < static_cast<unsigned char>(*bt);
}

void LayerMerge::Add(TreeEntry entry) {
  while (old_ != below_.end() && WalksBefore(old_->path, entry.path)) emit_(std::move(*old_++));
  if (old_ != below_.end() && old_->path == entry.path) {
    const bool merges = S_ISDIR(entry.mode) && entry.mark == TreeEntry::Mark::kNone;
    ++old_;
    while (!merges && old_ != below_.end() && IsBelow(old_->path, entry.path)) ++old_;
    // What is no directory has nothing below it that would have to be hidden.
  }
  if (entry.mark == TreeEntry::Mark::kWhiteout) return;
  entry.mark = TreeEntry::Mark::kNone;
  emit_(std::move(entry));
}

void LayerMerge::Finish() {
  while (old_ != below_.end()) emit_(std::move(*old_++));
}

Manifest MergeLayer(Manifest below, Manifest layer) {
  Manifest merged;
  merged.reserve(below.size() + layer.size());
  const auto keep = [&merged](TreeEntry entry) { merged.push_back(std::move(entry)); };
  LayerMerge merge(std::move(below), keep);
  for (TreeEntry& entry : layer) merge.Add(std::move(entry));
  merge.Finish();
  return merged;
}

std::string DigestOf(const Manifest& tree) {
  Sha256 digest;
  for (const TreeEntry& entry : tree) AddToDigest(entry, &digest);
  return digest.FinishHex();
}

std::string ManifestHeader() { return std::string(kHeader); }

void AppendToManifest(const TreeEntry& entry, std::string* text) {
  absl::StrAppend(text, kMarks.substr(static_cast<size_t>(entry.mark), 1), " ",
                  absl::Hex(entry.mode), " ", entry.uid, " ");
  absl::StrAppend(text, entry.gid, " ", entry.path, absl::string_view("\0", 1), entry.data);
  text->push_back('\0');
}

std::string FormatManifest(const Manifest& manifest) {
  std::string text = ManifestHeader();
  for (const TreeEntry& entry : manifest) AppendToManifest(entry, &text);
  return text;
}

absl::StatusOr<Manifest> ParseManifest(absl::string_view bytes) {
  if (bytes.size() > kManifestBytesMax || !absl::StartsWith(bytes, kHeader)) return Malformed();
  bytes.remove_prefix(kHeader.size());
  Manifest manifest;
  std::vector<std::string> directories;  // those that the last entry is or lies in
  while (!bytes.empty()) {
    TreeEntry entry;
    if (!TakeEntry(&bytes, &entry)) return Malformed();
    if (!manifest.empty() && !WalksBefore(manifest.back().path, entry.path)) return Malformed();
    while (!directories.empty() && !IsBelow(entry.path, directories.back())) directories.pop_back();
    const size_t slash = entry.path.rfind('/');
    const absl::string_view parent =
        absl::string_view(entry.path).substr(0, slash == entry.path.npos ? 0 : slash);
    if (parent != (directories.empty() ? "" : directories.back())) return Malformed();
    if (S_ISDIR(entry.mode)) directories.push_back(entry.path);
    manifest.push_back(std::move(entry));
  }
  return manifest;
}

}  // namespace glovebox
