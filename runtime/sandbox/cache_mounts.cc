#include "sandbox/cache_mounts.h"

#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/ids.h"
#include "base/status.h"
#include "policy/payload_profile.h"

namespace glovebox {
namespace {

constexpr size_t kComponentBytesMax = 255;  // NAME_MAX

absl::Status Wrong(size_t index, absl::string_view field, absl::string_view why) {
  const std::string name = absl::StrCat("caches[", index, "]", field.empty() ? "" : ".", field);
  return DetailedError(absl::StatusCode::kInvalidArgument, absl::StrCat(name, ": ", why),
                       {"INVALID_FIELD", {{"field", name}}});
}

bool IsAtOrBelow(absl::string_view path, absl::string_view directory) {
  return absl::ConsumePrefix(&path, directory) && (path.empty() || path[0] == '/');
}

// The length of the UTF-8 character that `text` begins with; 0 when it is none.
size_t CharacterBytes(absl::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  size_t size = 0;
  if (first < 0x80) size = 1;
  if (first >= 0xc2 && first <= 0xdf) size = 2;
  if (first >= 0xe0 && first <= 0xef) size = 3;
  if (first >= 0xf0 && first <= 0xf4) size = 4;
  if (size == 0 || size > text.size()) return 0;
  for (size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  // Longer than need be, half of a pair, beyond the last character.
  if (first == 0xe0 && byte(1) < 0xa0) return 0;
  if (first == 0xed && byte(1) > 0x9f) return 0;
  if (first == 0xf0 && byte(1) < 0x90) return 0;
  if (first == 0xf4 && byte(1) > 0x8f) return 0;
  return size;
}

// The records keep it as JSON, and people read it.
bool IsPlainText(absl::string_view text) {
  while (!text.empty()) {
    const auto first = static_cast<unsigned char>(text[0]);
    const size_t size = CharacterBytes(text);
    if (size == 0 || first < 0x20 || first == 0x7f) return false;
    text.remove_prefix(size);
  }
  return true;
}

bool IsInNormalForm(absl::string_view path) {
  if (path.empty() || path[0] != '/') return false;
  for (absl::string_view component : absl::StrSplit(path.substr(1), '/')) {
    if (component.empty() || component == "." || component == ".." ||
        component.size() > kComponentBytesMax) {
      return false;
    }
  }
  return true;
}

absl::Status CheckSource(size_t index, const CacheMount& cache) {
  if (cache.name.empty() && cache.snapshot.empty()) {
    return Wrong(index, "", "names nothing; set snapshot or name");
  }
  if (!cache.snapshot.empty()) {
    return ParseDigest(cache.snapshot).ok()
               ? absl::OkStatus()
               : Wrong(index, "snapshot", "must be \"sha256:\" and 64 hexadecimal digits");
  }
  return ParseClientName(cache.name, "name").ok()
             ? absl::OkStatus()
             : Wrong(index, "name",
                     "must be 1 to 63 of [a-z0-9._-], first and last a letter or digit");
}

}  // namespace

absl::string_view WrongTarget(absl::string_view path) {
  if (path.size() > kCacheTargetBytesMax) return "has more than 1,024 bytes";
  if (!IsPlainText(path)) return "must be UTF-8 without control characters";
  if (!IsInNormalForm(path)) {
    return "must be an absolute directory in normal form: no empty, \".\" or \"..\" component, "
           "none over 255 bytes, no / at the end";
  }
  for (const char* own : {"/proc", "/dev", "/sys", "/tmp", kWorkspace}) {
    if (IsAtOrBelow(path, own)) {
      return "must not be /proc, /dev, /sys, /tmp, /workspace or below";
    }
  }
  for (const char* needed : {"/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc"}) {
    if (path == needed) return "is a directory that the sandbox itself needs";
  }
  for (const char* needed : {"/usr/bin", "/usr/sbin", "/usr/lib", kCommandHome}) {
    // What is above hides it, too.
    if (IsAtOrBelow(needed, path)) return "would hide a directory that the sandbox itself needs";
  }
  return "";
}

absl::Status CheckCacheMounts(const std::vector<CacheMount>& caches) {
  if (caches.size() > kCacheMountsMax) {
    return DetailedError(absl::StatusCode::kInvalidArgument,
                         absl::StrCat("caches: at most ", kCacheMountsMax, " are allowed"),
                         {"INVALID_FIELD", {{"field", "caches"}}});
  }
  for (size_t i = 0; i < caches.size(); ++i) {
    RETURN_IF_ERROR(CheckSource(i, caches[i]));
    const std::string& target = caches[i].target;
    if (const absl::string_view wrong = WrongTarget(target); !wrong.empty()) {
      return Wrong(i, "target_path", wrong);
    }
    for (size_t other = 0; other < i; ++other) {
      if (IsAtOrBelow(target, caches[other].target) || IsAtOrBelow(caches[other].target, target)) {
        return Wrong(i, "target_path",
                     absl::StrCat("is that of caches[", other, "], or above or below it"));
      }
    }
  }
  return absl::OkStatus();
}

}  // namespace glovebox
