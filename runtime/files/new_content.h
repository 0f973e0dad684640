// A file's new content, under a temporary name beside it until it takes its place.
#ifndef GLOVEBOX_FILES_NEW_CONTENT_H_
#define GLOVEBOX_FILES_NEW_CONTENT_H_

#include <functional>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/unique_fd.h"
#include "files/place.h"
#include "files/sha256_stream.h"

namespace glovebox {

// Whatever goes wrong, the temporary file is removed with the object. Not thread-safe.
class NewContent {
 public:
  // `place` outlives this. NOT_A_FILE when something else than a regular file is there,
  // PATH_NOT_PERMITTED when the user may not write it.
  static absl::StatusOr<NewContent> Begin(const Place* place, const std::string& temporary_name);
  NewContent(NewContent&& other) noexcept;
  NewContent& operator=(NewContent&&) = delete;
  ~NewContent();

  // What is to be replaced.
  const std::optional<struct stat>& before() const { return before_; }

  absl::Status Write(absl::string_view bytes);
  // Permission bits; without it those of the file that is replaced, else 0644.
  void set_mode(uint32_t mode) { mode_ = mode; }

  // Takes the place of whatever file is there.
  absl::Status Replace();
  // PATH_EXISTS when anything is there.
  absl::Status PlaceNew();
  // Takes the place of the file that was there at Begin and has not changed since: else that stays,
  // and this is DIGEST_MISMATCH. `at_step` is called before each system call that changes the
  // directory, for tests.
  absl::Status ReplaceUnchanged(const std::function<void()>& at_step = nullptr);

  // Of a run that was killed: takes its temporary names away; what ReplaceUnchanged had exchanged
  // and not looked at yet comes back first. `place`: the file; may be run any number of times.
  static void TakeBack(const Place& place, const std::string& temporary_name);
  // Of a run that had answered: the temporary names alone.
  static void Discard(const Place& place, const std::string& temporary_name);

  // After that: of the file.
  std::string digest() { return digest_.Digest(); }
  absl::StatusOr<struct stat> stat() const;

 private:
  NewContent(const Place* place, std::string temporary_name)
      : place_(place), temporary_name_(std::move(temporary_name)) {}
  absl::Status SetMode();
  absl::Status Rename(unsigned flags);
  absl::Status ExchangeUnchanged(const std::function<void()>& at_step);

  const Place* place_;
  std::string temporary_name_;  // "": there is none any more
  std::optional<struct stat> before_;
  UniqueFd fd_;
  std::optional<uint32_t> mode_;
  Sha256Stream digest_;
};

// Compares the file's content with `expected` ("sha256:..."): DIGEST_MISMATCH with metadata
// `digest`. PATH_NOT_FOUND when there is none.
absl::Status CheckDigest(const Place& place, const std::string& expected);

}  // namespace glovebox

#endif  // GLOVEBOX_FILES_NEW_CONTENT_H_
