// Where the bytes of an archive come from, piece by piece.
#ifndef GLOVEBOX_IMPORTER_BYTE_SOURCE_H_
#define GLOVEBOX_IMPORTER_BYTE_SOURCE_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/sha256.h"
#include "importer/progress_report.h"

struct archive;

namespace glovebox {

class ByteSource {
 public:
  virtual ~ByteSource() = default;
  // The next piece, valid until the next call; empty at the end.
  virtual absl::StatusOr<absl::string_view> Next() = 0;
  // Goes over as many bytes without reading them, or over none; returns how many.
  virtual uint64_t Skip(uint64_t /*bytes*/) { return 0; }
};

// A file from where it stands, or `size` bytes of it from `offset`.
class FileSource final : public ByteSource {
 public:
  FileSource(int fd, uint64_t offset, uint64_t size, ProgressReport* progress);
  absl::StatusOr<absl::string_view> Next() override;
  uint64_t Skip(uint64_t bytes) override;

 private:
  const int fd_;  // borrowed
  uint64_t offset_;
  uint64_t left_;
  ProgressReport* const progress_;  // may be null
  std::string buffer_;
};

// Passes on and digests.
class DigestedSource final : public ByteSource {
 public:
  explicit DigestedSource(ByteSource* from) : from_(from) {}
  absl::StatusOr<absl::string_view> Next() override;
  // Reads the rest, and gives the digest of all, as 64 hex digits.
  absl::StatusOr<std::string> Finish();

 private:
  ByteSource* const from_;
  Sha256 digest_;
};

struct ArchiveCloser {
  void operator()(archive* handle) const;
};
using ArchiveReader = std::unique_ptr<archive, ArchiveCloser>;

// libarchive, fed by a source. Its errors are INVALID_ARGUMENT, or those of the source.
class FedArchive {
 public:
  enum class Reads { kTar, kBytes };
  // kBytes: what gzip, xz or zstd has packed, or what is not packed, as one entry.
  FedArchive(ByteSource* from, Reads reads);
  absl::Status Open();
  archive* handle() const { return reader_.get(); }
  absl::Status Error() const;

 private:
  static long Read(archive* handle, void* data, const void** buffer);
  static int64_t Skip(archive* handle, void* data, int64_t bytes);
  ByteSource* const from_;
  const Reads reads_;
  absl::Status status_;
  ArchiveReader reader_;
};

// The bytes that gzip, xz or zstd has packed.
class UnpackedSource final : public ByteSource {
 public:
  // RESOURCE_EXHAUSTED beyond `bytes_max`.
  UnpackedSource(ByteSource* from, uint64_t bytes_max)
      : packed_(from, FedArchive::Reads::kBytes), bytes_left_(bytes_max) {}
  absl::StatusOr<absl::string_view> Next() override;

 private:
  FedArchive packed_;
  bool begun_ = false;
  bool ended_ = false;
  uint64_t bytes_left_;
};

}  // namespace glovebox

#endif  // GLOVEBOX_IMPORTER_BYTE_SOURCE_H_
