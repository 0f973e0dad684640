#include "sandbox/secret_book.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/escape.h"
#include "base/ids.h"
#include "base/sha256.h"
#include "base/status.h"
#include "linux/file_io.h"
#include "policy/credential_header.h"
#include "policy/field_error.h"
#include "snapshot/directory_list.h"

namespace glovebox {
namespace {

using Json = nlohmann::json;

constexpr char kFresh[] = "new";  // a file that is being written
constexpr size_t kFileBytesMax = size_t{64} << 10;
constexpr size_t kFilesListMax = 2 * kSecretsMax;

absl::Status NotFound(const std::string& name, absl::string_view field = "") {
  const std::string shown = EscapeForPeople(name, 80);
  ErrorDetail detail{"SECRET_NOT_FOUND", {{"name", shown}}};
  if (!field.empty()) detail.metadata["field"] = std::string(field);
  return DetailedError(
      absl::StatusCode::kNotFound,
      absl::StrCat("no secret of this client is named \"", shown, "\" (glovebox secret create)"),
      detail);
}

// An owner may be any bytes.
std::string FileNameOf(const std::string& name, const std::string& owner) {
  Sha256 digest;
  digest.UpdateField(name);
  digest.UpdateField(owner);
  return digest.FinishHex();
}

struct Parsed {
  std::string name, owner, value;
  int64_t created_ns = 0;
};

bool TakeText(const Json& json, const char* key, std::string* text) {
  const auto found = json.find(key);
  if (found == json.end() || !found->is_string()) return false;
  return absl::Base64Unescape(found->get_ref<const std::string&>(), text);
}

std::optional<Parsed> Parse(absl::string_view text) {
  Json json = Json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  Parsed parsed;
  const auto created = json.is_object() ? json.find("created_unix_ns") : json.end();
  const bool whole = created != json.end() && created->is_number_integer() &&
                     TakeText(json, "name", &parsed.name) &&
                     TakeText(json, "owner", &parsed.owner) &&
                     TakeText(json, "value", &parsed.value);
  if (json.is_object() && json.contains("value") && json["value"].is_string()) {
    Wipe(&json["value"].get_ref<std::string&>());
  }
  if (!whole || !CheckSecretBytes(parsed.value).ok()) return std::nullopt;
  parsed.created_ns = created->get<int64_t>();
  return parsed;
}

absl::StatusOr<std::string> ReadPrivate(int directory_fd, const std::string& file) {
  ASSIGN_OR_RETURN(const UniqueFd fd, OpenAt(directory_fd, file, O_RDONLY | O_NOFOLLOW));
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) return ErrnoError(errno, "fstat");
  if (!S_ISREG(status.st_mode) || (status.st_mode & 0077) != 0) {
    return absl::PermissionDeniedError("others may read it");
  }
  return ReadFileAt(directory_fd, file, kFileBytesMax);
}

}  // namespace

absl::StatusOr<std::unique_ptr<SecretBook>> SecretBook::Open(const std::string& directory,
                                                             const Clock* clock,
                                                             std::vector<std::string>* problems) {
  RETURN_IF_ERROR(MakeDirectoryAt(AT_FDCWD, directory, 0700));
  ASSIGN_OR_RETURN(UniqueFd fd, OpenAt(AT_FDCWD, directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  if (::fchmod(fd.get(), 0700) != 0) return ErrnoError(errno, absl::StrCat("chmod ", directory));
  std::unique_ptr<SecretBook> book(new SecretBook(std::move(fd), clock));
  RETURN_IF_ERROR(book->Load(problems));
  return book;
}

absl::Status SecretBook::Load(std::vector<std::string>* problems) {
  (void)::unlinkat(directory_.get(), kFresh, 0);  // of a daemon that was killed there
  ASSIGN_OR_RETURN(const auto files, ListDirectoryAt(directory_.get(), ".", kFilesListMax));
  absl::MutexLock lock(&mutex_);
  for (const std::string& file : files) {
    absl::StatusOr<std::string> text = ReadPrivate(directory_.get(), file);
    std::optional<Parsed> parsed = text.ok() ? Parse(*text) : std::nullopt;
    if (text.ok()) Wipe(&*text);
    if (!parsed.has_value() || FileNameOf(parsed->name, parsed->owner) != file) {
      problems->push_back(absl::StrCat(
          "secrets/", EscapeForPeople(file, 80), " is no secret: ",
          text.ok() ? "damaged; remove it, and create the secret anew" : text.status().message()));
      continue;
    }
    entries_[{parsed->name, parsed->owner}] = {SecretValue(std::move(parsed->value)),
                                               absl::FromUnixNanos(parsed->created_ns)};
  }
  return absl::OkStatus();
}

absl::Status SecretBook::CheckRoom(const std::string& owner) const {
  const auto own = std::count_if(entries_.begin(), entries_.end(),
                                 [&](const auto& entry) { return entry.first.second == owner; });
  if (own >= static_cast<std::ptrdiff_t>(kSecretsOfOneOwner)) {
    return DetailedError(
        absl::StatusCode::kResourceExhausted,
        absl::StrCat("this client has ", own, " secrets and may have no more; delete some"),
        {"CLIENT_QUOTA", {{"quota", "secrets"}, {"limit", absl::StrCat(kSecretsOfOneOwner)}}});
  }
  if (entries_.size() < kSecretsMax) return absl::OkStatus();
  return DetailedError(absl::StatusCode::kResourceExhausted,
                       absl::StrCat("this host keeps ", kSecretsMax, " secrets and no more"),
                       {"HOST_FULL", {{"limit", absl::StrCat(kSecretsMax)}}});
}

absl::Status SecretBook::Flush() const {
  return ::fsync(directory_.get()) == 0 ? absl::OkStatus() : ErrnoError(errno, "fsync of secrets");
}

// Made beside its place and renamed when it is whole. What fails leaves no file.
absl::Status SecretBook::Write(const Key& key, const Entry& entry) const {
  std::string encoded = absl::Base64Escape(entry.value.bytes());
  // Base64 has nothing that JSON would write otherwise.
  std::string text =
      absl::StrCat(R"({"name":")", absl::Base64Escape(key.first), R"(","owner":")",
                   absl::Base64Escape(key.second), R"(","created_unix_ns":)",
                   absl::ToUnixNanos(entry.created), R"(,"value":")", encoded, "\"}\n");
  Wipe(&encoded);
  const auto file =
      OpenAt(directory_.get(), kFresh, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600);
  absl::Cleanup unlink_begun = [&] { (void)::unlinkat(directory_.get(), kFresh, 0); };
  const absl::Status written = file.ok() ? WriteAll(file->get(), text) : file.status();
  Wipe(&text);
  RETURN_IF_ERROR(written);
  if (::fsync(file->get()) != 0) return ErrnoError(errno, "fsync of a secret");
  const std::string name = FileNameOf(key.first, key.second);
  if (::renameat(directory_.get(), kFresh, directory_.get(), name.c_str()) != 0) {
    return ErrnoError(errno, "rename of a secret");
  }
  std::move(unlink_begun).Cancel();
  absl::Status flushed = Flush();
  if (!flushed.ok()) (void)::unlinkat(directory_.get(), name.c_str(), 0);  // nobody was told of it
  return flushed;
}

// One change of a secret at a time, with what is told of it: who finds it made or gone can rely on
// that. Those of others do not wait for that, only for the disk.
void SecretBook::BeginChange(const Key& key) {
  absl::MutexLock lock(&mutex_);
  const auto free = [&]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return !changing_.contains(key); };
  mutex_.Await(absl::Condition(&free));
  changing_.insert(key);
}

void SecretBook::EndChange(const Key& key) {
  absl::MutexLock lock(&mutex_);
  changing_.erase(key);
}

absl::StatusOr<SecretInfo> SecretBook::Create(const std::string& owner, const std::string& asked,
                                              std::string value) {
  SecretValue kept(std::move(value));  // zeroed whatever becomes of it
  ASSIGN_OR_RETURN(const std::string name, ParseClientName(asked, "name"));
  if (const absl::Status fits = CheckSecretBytes(kept.bytes()); !fits.ok()) {
    return WrongField("value", fits.message());
  }
  const Key key{name, owner};
  BeginChange(key);
  const absl::Cleanup ended = [&] { EndChange(key); };
  const Entry made{std::move(kept), clock_->Now()};
  {
    absl::MutexLock disk(&disk_mutex_);
    {
      absl::MutexLock lock(&mutex_);
      if (const auto found = entries_.find(key); found != entries_.end()) {
        if (found->second.value.Is(made.value.bytes())) {
          return SecretInfo{name, owner, found->second.created};
        }
        return DetailedError(
            absl::StatusCode::kAlreadyExists,
            absl::StrCat("the secret ", name,
                         " has another value; delete it first, or take another name"),
            {"SECRET_EXISTS", {{"name", name}}});
      }
      RETURN_IF_ERROR(CheckRoom(owner));
    }
    RETURN_IF_ERROR(Write(key, made));
    absl::MutexLock lock(&mutex_);
    entries_[key] = made;
  }
  if (changed_) changed_(owner, name);
  return SecretInfo{name, owner, made.created};
}

// Also of what this book does not know: a call before may have failed between disk and book, and a
// damaged file is nobody's secret.
absl::Status SecretBook::Delete(const std::string& owner, const std::string& name) {
  const Key key{name, owner};
  BeginChange(key);
  const absl::Cleanup ended = [&] { EndChange(key); };
  bool unlinked = false;
  bool known = false;
  {
    absl::MutexLock disk(&disk_mutex_);
    unlinked = ::unlinkat(directory_.get(), FileNameOf(name, owner).c_str(), 0) == 0;
    if (!unlinked && errno != ENOENT) return ErrnoError(errno, "unlink of a secret");
    absl::MutexLock lock(&mutex_);
    known = entries_.erase(key) > 0;
  }
  if (known && changed_) changed_(owner, name);
  RETURN_IF_ERROR(Flush());
  return known || unlinked ? absl::OkStatus() : NotFound(name);
}

std::vector<SecretInfo> SecretBook::List(const Viewer& viewer) const {
  std::vector<SecretInfo> infos;
  absl::MutexLock lock(&mutex_);
  for (const auto& [key, entry] : entries_) {
    if (viewer.Sees(key.second)) infos.push_back({key.first, key.second, entry.created});
  }
  return infos;
}

absl::Status SecretBook::CheckThere(const std::string& owner, const EgressPolicy& policy) const {
  absl::MutexLock lock(&mutex_);
  for (size_t i = 0; i < policy.rules.size(); ++i) {
    const auto& use = policy.rules[i].credential;
    if (!use.has_value() || entries_.contains({use->secret_name, owner})) continue;
    return NotFound(use->secret_name, absl::StrCat("rules[", i, "].credential.secret_name"));
  }
  return absl::OkStatus();
}

absl::Status SecretBook::CheckThere(const std::string& owner, const std::string& name) const {
  absl::MutexLock lock(&mutex_);
  return entries_.contains({name, owner}) ? absl::OkStatus() : NotFound(name);
}

EgressSecrets SecretBook::Find(const std::string& owner, const EgressPolicy& policy) const {
  EgressSecrets secrets;
  absl::MutexLock lock(&mutex_);
  for (const EgressRule& rule : policy.rules) {
    if (!rule.credential.has_value()) continue;
    const auto found = entries_.find({rule.credential->secret_name, owner});
    if (found != entries_.end()) secrets[found->first.first] = found->second.value;
  }
  return secrets;
}

}  // namespace glovebox
