#include "init/users.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/unique_fd.h"
#include "linux/bare_text.h"
#include "linux/raw_syscalls.h"

namespace glovebox {
namespace {

constexpr uint64_t kIdMax = 0xfffffffe;
constexpr size_t kLineMax = 4096;  // longer lines are passed over
constexpr uint32_t kFieldsMax = 7;

struct Field {
  const char* text;
  size_t size;
};

struct Line {
  Field fields[kFieldsMax];
  uint32_t count;
};

Line Split(const char* text, size_t size) {
  Line line{};
  size_t at = 0;
  while (line.count < kFieldsMax) {
    size_t length = FindChar(text + at, size - at, ':');
    line.fields[line.count++] = {text + at, length};
    at += length;
    if (at >= size) break;
    ++at;
  }
  return line;
}

// A regular file of the sandbox's root file system; a FIFO would stop init, a magic link lead it
// into its own /proc.
UniqueFd OpenAccountFile(const char* path) {
  open_how how{};
  how.flags = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
  how.resolve = RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV;
  UniqueFd fd(static_cast<int>(raw::OpenAt2(AT_FDCWD, path, how)));
  struct stat status;
  if (!fd.valid() || raw::Call(__NR_fstat, fd.get(), &status) < 0 || !S_ISREG(status.st_mode)) {
    fd.Reset();
  }
  return fd;
}

// Calls visit(line) for each line until it returns true.
template <typename Visitor>
void ForEachLine(const char* path, Visitor visit) {
  UniqueFd fd = OpenAccountFile(path);
  if (!fd.valid()) return;
  char line[kLineMax];
  size_t used = 0;
  bool skip = false;
  char chunk[1024];
  for (uint64_t total = 0; total < kAccountFileMax;) {
    long size = raw::Read(fd.get(), chunk, sizeof(chunk));
    if (size <= 0) break;
    total += static_cast<uint64_t>(size);
    for (long i = 0; i < size; ++i) {
      if (chunk[i] != '\n') {
        if (used < kLineMax) {
          line[used++] = chunk[i];
        } else {
          skip = true;
        }
        continue;
      }
      if (!skip && visit(Split(line, used))) return;
      used = 0;
      skip = false;
    }
  }
  if (used > 0 && !skip) (void)visit(Split(line, used));  // no line follows
}

bool FieldId(const Field& field, uint32_t* id) {
  uint64_t value;
  if (!ParseDecimal(field.text, field.size, kIdMax, &value)) return false;
  *id = static_cast<uint32_t>(value);
  return true;
}

template <size_t N>
void CopyField(char (&to)[N], const Field& field) {
  size_t size = field.size < N ? field.size : 0;  // too long: as if there were none
  for (size_t i = 0; i < size; ++i) to[i] = field.text[i];
  to[size] = 0;
}

// passwd: name:password:uid:gid:gecos:home:shell. By name, or by uid when `name` is null.
bool FindAccount(const char* name, uint32_t wanted_uid, UserAccount* account) {
  bool found = false;
  ForEachLine("/etc/passwd", [&](const Line& line) {
    uint32_t uid, gid;
    if (line.count < 6 || !FieldId(line.fields[2], &uid) || !FieldId(line.fields[3], &gid)) {
      return false;
    }
    bool match = name != nullptr
                     ? TextEqual(line.fields[0].text, line.fields[0].size, name, TextSize(name))
                     : uid == wanted_uid;
    if (!match) return false;
    account->uid = uid;
    account->gid = gid;
    CopyField(account->name, line.fields[0]);
    CopyField(account->home, line.fields[5]);
    found = true;
    return true;
  });
  return found;
}

// group: name:password:gid:member,member
void AddGroups(UserAccount* account) {
  size_t name_size = TextSize(account->name);
  if (name_size == 0) return;
  ForEachLine("/etc/group", [&](const Line& line) {
    uint32_t gid;
    if (line.count < 4 || !FieldId(line.fields[2], &gid) || gid == account->gid) return false;
    const Field& members = line.fields[3];
    for (size_t at = 0; at < members.size;) {
      size_t length = FindChar(members.text + at, members.size - at, ',');
      if (TextEqual(members.text + at, length, account->name, name_size)) {
        account->groups[account->group_count++] = gid;
        break;
      }
      at += length + 1;
    }
    return account->group_count == kGroupsMax;
  });
}

long ResolveNumbers(const char* text, size_t uid_size, UserAccount* account) {
  uint64_t uid;
  if (!ParseDecimal(text, uid_size, kIdMax, &uid)) return -EINVAL;
  account->gid = static_cast<uint32_t>(uid);                        // when no entry says another
  (void)FindAccount(nullptr, static_cast<uint32_t>(uid), account);  // a uid needs no entry
  account->uid = static_cast<uint32_t>(uid);
  if (text[uid_size] != ':') return 0;
  uint64_t gid;
  const char* gid_text = text + uid_size + 1;
  if (!ParseDecimal(gid_text, TextSize(gid_text), kIdMax, &gid)) return -EINVAL;
  account->gid = static_cast<uint32_t>(gid);
  return 0;
}

bool HasRootGroup(const UserAccount& account) {
  for (uint32_t i = 0; i < account.group_count; ++i) {
    if (account.groups[i] == 0) return true;
  }
  return account.gid == 0;
}

}  // namespace

long ResolveUser(const LaunchPlan& plan, const char* text, UserAccount* account) {
  *account = UserAccount();
  long result = 0;
  if (*text == 0) {
    (void)FindAccount(nullptr, plan.uid, account);  // a uid needs no entry
    account->uid = plan.uid;
    account->gid = plan.gid;
  } else if (*text >= '0' && *text <= '9') {
    result = ResolveNumbers(text, FindChar(text, TextSize(text), ':'), account);
  } else if (!FindAccount(text, 0, account)) {
    result = -ENOENT;
  }
  if (result < 0) return result;
  if (account->home[0] != '/') CopyText(account->home, "/");
  AddGroups(account);
  bool root = account->uid == 0 || HasRootGroup(*account);
  return root && plan.root_inside == 0 ? -EPERM : 0;
}

}  // namespace glovebox
