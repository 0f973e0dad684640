#include "service/port_owner_answer.h"

#include <set>
#include <utility>

#include "base/escape.h"
#include "base/wire_field.h"

namespace glovebox {
namespace {

constexpr size_t kNameBytesMax = 15;
constexpr uint32_t kPidMax = 1u << 22;  // the kernel's

struct Entry {
  uint64_t inode = 0;
  PortOwner owner;
};

Entry ParseEntry(absl::string_view message) {
  Entry entry;
  WireReader reader(message);
  WireField field;
  while (reader.Next(&field)) {
    if (field.number == 1 && field.is_varint) entry.inode = field.value;
    if (field.number == 2 && field.is_varint && field.value <= kPidMax) {
      entry.owner.pid = static_cast<uint32_t>(field.value);
    }
    if (field.number == 3 && field.is_bytes) {
      const absl::string_view name = field.bytes.substr(0, kNameBytesMax);
      entry.owner.program = EscapeForPeople(name);
    }
  }
  return entry;
}

}  // namespace

std::map<uint64_t, PortOwner> ParsePortOwners(absl::string_view answer,
                                              const std::vector<uint64_t>& inodes) {
  const std::set<uint64_t> asked(inodes.begin(), inodes.end());
  std::map<uint64_t, PortOwner> owners;
  WireReader reader(answer);
  WireField field;
  while (reader.Next(&field)) {
    if (field.number != 1 || !field.is_bytes) continue;
    Entry entry = ParseEntry(field.bytes);
    if (asked.contains(entry.inode) && entry.owner.pid != 0) {
      owners.emplace(entry.inode, std::move(entry.owner));
    }
  }
  return owners;
}

}  // namespace glovebox
