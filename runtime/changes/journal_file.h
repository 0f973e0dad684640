// A journal's history in a file of the state directory: appended to before a point is told to
// anybody, so that it is known to the next daemon however this one ends. A crash of the host may
// cut the file; it is read up to there.
#ifndef GLOVEBOX_CHANGES_JOURNAL_FILE_H_
#define GLOVEBOX_CHANGES_JOURNAL_FILE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/unique_fd.h"
#include "changes/journal_history.h"
#include "changes/journal_record.h"

namespace glovebox {

// One thread.
class JournalFile {
 public:
  // `name` in `directory`, which is duplicated; nothing is opened yet.
  static absl::StatusOr<JournalFile> In(int directory_fd, std::string name);

  struct Stored {
    JournalHead head;
    JournalHistory history;
  };
  // What is stored, cut behind the last whole point; nullopt when there is nothing that can be
  // read. Files over `bytes_max` are not read.
  absl::StatusOr<std::optional<Stored>> Load(uint64_t bytes_max);

  // Replaces what is stored.
  absl::Status Rewrite(const JournalHead& head, const JournalHistory& history);
  // Adds the latest point. After an error nothing is stored any more.
  absl::Status AppendLatest(const JournalHistory& history);
  void Remove();

  bool is_open() const { return file_.valid(); }
  uint64_t bytes() const { return bytes_; }

 private:
  JournalFile(UniqueFd directory, std::string name)
      : directory_(std::move(directory)), name_(std::move(name)) {}

  UniqueFd directory_;
  std::string name_;
  UniqueFd file_;  // at its end; not valid when nothing is stored
  uint64_t bytes_ = 0;
};

}  // namespace glovebox

#endif  // GLOVEBOX_CHANGES_JOURNAL_FILE_H_
