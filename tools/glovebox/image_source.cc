#include "tools/glovebox/image_source.h"

#include <archive.h>
#include <archive_entry.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/escape.h"
#include "base/status.h"
#include "tools/glovebox/repository_argument.h"

namespace glovebox {
namespace {

constexpr size_t kDigits = 64;
constexpr size_t kBlockBytes = 64 * 1024;

struct ReadCloser {
  void operator()(archive* handle) const { (void)::archive_read_free(handle); }
};

// The first that is not the root itself; "" when the file is none that tar reads.
std::string FirstMember(const std::string& path) {
  const std::unique_ptr<archive, ReadCloser> reader(::archive_read_new());
  (void)::archive_read_support_format_tar(reader.get());
  (void)::archive_read_support_filter_gzip(reader.get());
  (void)::archive_read_support_filter_xz(reader.get());
  (void)::archive_read_support_filter_zstd(reader.get());
  if (::archive_read_open_filename(reader.get(), path.c_str(), kBlockBytes) != ARCHIVE_OK) {
    return "";
  }
  archive_entry* entry = nullptr;
  while (::archive_read_next_header(reader.get(), &entry) == ARCHIVE_OK) {
    const char* raw = ::archive_entry_pathname(entry);
    absl::string_view name = raw != nullptr ? raw : "";
    while (absl::ConsumePrefix(&name, "./")) {
    }
    if (!name.empty() && name != ".") return std::string(name);
  }
  return "";
}

}  // namespace

bool IsRegistryReference(absl::string_view source) { return absl::StartsWith(source, "docker://"); }

bool BeginsAnImageArchive(absl::string_view first_member) {
  for (const char* name :
       {"oci-layout", "index.json", "manifest.json", "repositories", "blobs", "blobs/"}) {
    if (first_member == name) return true;
  }
  if (absl::StartsWith(first_member, "blobs/sha256")) return true;
  if (first_member.size() < kDigits) return false;
  const absl::string_view digits = first_member.substr(0, kDigits);
  const absl::string_view rest = first_member.substr(kDigits);
  return digits.find_first_not_of("0123456789abcdef") == absl::string_view::npos &&
         (rest.empty() || rest[0] == '/' || rest == ".json" || rest == ".tar");
}

absl::StatusOr<v1::ImportImageRequest> ImageRequestFor(const std::string& source, bool oci) {
  v1::ImportImageRequest request;
  ASSIGN_OR_RETURN(std::string path, AbsolutePath(source));
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) {
    return ErrnoError(errno, absl::StrCat("stat ", EscapeForPeople(path)));
  }
  const auto has = [&](const char* name) {
    return ::access(absl::StrCat(path, "/", name).c_str(), F_OK) == 0;
  };
  if (S_ISDIR(info.st_mode) && !oci && !has("index.json")) {
    if (!has("usr") || !has("etc")) {
      return absl::InvalidArgumentError(
          absl::StrCat(EscapeForPeople(path),
                       " is no OCI image layout (no index.json) and no root (no usr and etc)"));
    }
    request.set_directory_path(std::move(path));
    return request;
  }
  if (oci || S_ISDIR(info.st_mode) ||
      (S_ISREG(info.st_mode) && BeginsAnImageArchive(FirstMember(path)))) {
    request.set_oci_path(std::move(path));
  } else {
    request.set_archive_path(std::move(path));
  }
  return request;
}

}  // namespace glovebox
