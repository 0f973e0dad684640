#include "tests/unit/patch/map_tree.h"

#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/escape.h"
#include "base/status.h"
#include "gtest/gtest.h"

namespace glovebox {

namespace fs = std::filesystem;

absl::StatusOr<std::optional<PatchedEntry>> MapTree::Read(const std::string& path) {
  for (size_t slash = path.find('/'); slash != std::string::npos;
       slash = path.find('/', slash + 1)) {
    const auto above = files_.find(path.substr(0, slash));
    if (above == files_.end() || above->second.kind != PatchedEntry::Kind::kLink) continue;
    return DetailedError(absl::StatusCode::kFailedPrecondition, "a link is above",
                         {"PATH_NOT_BENEATH", {{"link", above->first}}});
  }
  if (auto it = files_.find(path); it != files_.end())
    return std::optional<PatchedEntry>(it->second);
  const auto below = files_.lower_bound(path + "/");
  if (below != files_.end() && absl::StartsWith(below->first, path + "/")) {
    PatchedEntry directory;
    directory.kind = PatchedEntry::Kind::kDirectory;
    return std::optional<PatchedEntry>(directory);
  }
  return std::optional<PatchedEntry>();
}

void MapTree::Apply(const std::vector<PlannedChange>& changes) {
  for (const PlannedChange& change : changes) files_.erase(change.path);
  for (const PlannedChange& change : changes) {
    if (change.after.has_value()) files_[change.path] = *change.after;
  }
}

PatchedEntry File(std::string content, uint32_t mode) {
  PatchedEntry entry;
  entry.mode = mode;
  entry.content = std::move(content);
  return entry;
}

PatchedEntry Link(std::string target) {
  PatchedEntry entry;
  entry.kind = PatchedEntry::Kind::kLink;
  entry.mode = 0777;
  entry.content = std::move(target);
  return entry;
}

void WriteFiles(const std::string& directory, const Files& files) {
  fs::create_directories(directory);
  for (const auto& [path, entry] : files) {
    const fs::path place = fs::path(directory) / path;
    fs::create_directories(place.parent_path());
    if (entry.kind == PatchedEntry::Kind::kLink) {
      fs::create_symlink(entry.content, place);
      continue;
    }
    std::ofstream(place, std::ios::binary) << entry.content;
    ASSERT_EQ(::chmod(place.c_str(), entry.mode), 0);
  }
}

Files ReadFiles(const std::string& directory) {
  Files files;
  for (auto it = fs::recursive_directory_iterator(directory);
       it != fs::recursive_directory_iterator(); ++it) {
    const std::string path = it->path().lexically_relative(directory).string();
    if (it->is_symlink()) {
      files[path] = Link(fs::read_symlink(it->path()).string());
    } else if (it->is_regular_file()) {
      std::ifstream in(it->path(), std::ios::binary);
      std::ostringstream content;
      content << in.rdbuf();
      struct stat stat {};
      EXPECT_EQ(::stat(it->path().c_str(), &stat), 0);
      files[path] = File(content.str(), (stat.st_mode & 0100) != 0 ? 0755 : 0644);
    }
  }
  return files;
}

absl::StatusOr<Files> Patched(const Files& files, absl::string_view patch, uint32_t fuzz,
                              std::vector<HunkReport>* reports) {
  ASSIGN_OR_RETURN(const std::vector<FilePatch> parsed, ParsePatch(patch, PatchSyntax::kEither));
  MapTree tree(files);
  ASSIGN_OR_RETURN(PatchPlan plan, PlanPatch(parsed, &tree, {fuzz, reports != nullptr}));
  tree.Apply(plan.changes);
  if (reports != nullptr) *reports = std::move(plan.hunks);
  return tree.files();
}

std::string Describe(const Files& files) {
  std::string text;
  for (const auto& [path, entry] : files) {
    absl::StrAppend(&text, EscapeForPeople(path),
                    entry.kind == PatchedEntry::Kind::kLink ? " -> " : " ", entry.mode & 0100, " ",
                    EscapeForPeople(entry.content, 200), "\n");
  }
  return text;
}

}  // namespace glovebox
