// Tar archives as bytes, for tests of what reads them.
#ifndef GLOVEBOX_TESTS_SUPPORT_TAR_TEXT_H_
#define GLOVEBOX_TESTS_SUPPORT_TAR_TEXT_H_

#include <archive.h>
#include <archive_entry.h>

#include <string>
#include <vector>

namespace glovebox {

struct TarMember {
  std::string name;
  mode_t type = AE_IFREG;
  std::string content{};
  std::string link{};      // of a symbolic link
  std::string hardlink{};  // instead of a content
  mode_t mode = 0644;
  uint32_t uid = 0;
};

inline la_ssize_t AppendTo(archive*, void* out, const void* bytes, size_t size) {
  static_cast<std::string*>(out)->append(static_cast<const char*>(bytes), size);
  return static_cast<la_ssize_t>(size);
}

inline std::string TarOf(const std::vector<TarMember>& members) {
  std::string out;
  archive* writer = ::archive_write_new();
  ::archive_write_set_format_pax_restricted(writer);
  ::archive_write_open(writer, &out, nullptr, AppendTo, nullptr);
  for (const TarMember& member : members) {
    archive_entry* entry = ::archive_entry_new();
    ::archive_entry_set_pathname(entry, member.name.c_str());
    ::archive_entry_set_filetype(entry, member.type);
    ::archive_entry_set_perm(entry, member.mode);
    ::archive_entry_set_uid(entry, member.uid);
    ::archive_entry_set_size(entry, static_cast<int64_t>(member.content.size()));
    if (!member.link.empty()) ::archive_entry_set_symlink(entry, member.link.c_str());
    if (!member.hardlink.empty()) ::archive_entry_set_hardlink(entry, member.hardlink.c_str());
    ::archive_write_header(writer, entry);
    ::archive_write_data(writer, member.content.data(), member.content.size());
    ::archive_entry_free(entry);
  }
  ::archive_write_close(writer);
  ::archive_write_free(writer);
  return out;
}

}  // namespace glovebox

#endif  // GLOVEBOX_TESTS_SUPPORT_TAR_TEXT_H_
