// The file of an ended exec's output. The first byte says whether the check sums are made right, so
// that what they protect is reached as well.
#include <fcntl.h>

#include "exec/archive_format.h"
#include "exec/exec_archive.h"
#include "linux/file_io.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/targets.h"
#include "tests/support/temporary_directory.h"

namespace glovebox {
namespace {

constexpr uint32_t kExecNo = 7;

// Header, records as the input has them but each with its check, trailer.
std::string WithChecks(FuzzInput input) {
  std::string file;
  AppendBytes(ArchiveHeader{kArchiveMagic, kArchiveVersion, kExecNo, 0}, &file);
  const uint32_t region_corrupt = input.Byte();
  while (!input.empty()) {
    const size_t start = file.size();
    auto record = input.Take<RecordHeader>();
    const std::string data(input.Bytes(std::min<uint32_t>(record.size, kRecordDataMax)));
    AppendBytes(record, &file);
    file.append(data);
    file.resize(start + (sizeof record + data.size() + 7) / 8 * 8);
    AppendBytes(CheckOf(absl::string_view(file).substr(start)), &file);
  }
  ArchiveTrailer trailer{kTrailerMagic, region_corrupt, 1, file.size() + sizeof trailer, 0};
  trailer.check = CheckOf(BytesOf(trailer));
  AppendBytes(trailer, &file);
  return file;
}

}  // namespace

void FuzzExecArchive(absl::string_view bytes) {
  static const TemporaryDirectory directory;
  FuzzInput input(bytes);
  const bool raw = input.Byte() % 2 == 0;
  const std::string file = raw ? std::string(input.Rest()) : WithChecks(input);
  auto fd =
      OpenAt(AT_FDCWD, directory.Join(std::to_string(kExecNo)), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  Demand(fd.ok() && WriteAll(fd->get(), file).ok(), "the test can write");
  const auto folder = OpenAt(AT_FDCWD, directory.path(), O_RDONLY | O_DIRECTORY);
  const auto archive = ExecArchive::Open(folder->get(), kExecNo);
  if (!archive.ok()) {
    Demand(absl::IsDataLoss(archive.status()), "a bad file is told as such");
    return;
  }
  ExecArchive::Cursor cursor;
  std::string data;
  uint64_t last = 0;
  for (;;) {
    data.clear();
    const OutputRecord record = (*archive)->Next(&cursor, &data);
    if (record.kind == OutputRecord::Kind::kNone || record.kind == OutputRecord::Kind::kCorrupt) {
      break;
    }
    Demand(data.size() <= kRecordDataMax, "records are bounded");
    Demand(record.sequence > last, "sequence numbers rise");
    last = std::max(record.sequence, record.sequence_to);
  }
}

}  // namespace glovebox
