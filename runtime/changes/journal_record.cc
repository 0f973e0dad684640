#include "changes/journal_record.h"

#include <zlib.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <utility>

namespace glovebox {
namespace {

constexpr absl::string_view kMagic = "glovebox changes 1";
constexpr size_t kFrameBytes = 16;
constexpr size_t kPathBytesMax = 8'192;
constexpr size_t kTargetBytesMax = 8'192;
constexpr size_t kDiskBytesMax = 512;

constexpr uint64_t kAsBase = 1;
constexpr uint64_t kHasContent = 2;
constexpr uint64_t kSettled = 4;
constexpr uint64_t kHashed = 8;
constexpr uint64_t kBinary = 16;
constexpr uint64_t kDiffersFromBase = 32;

uint64_t Checksum(absl::string_view record) {
  return crc32(0, reinterpret_cast<const Bytef*>(record.data()), static_cast<uInt>(record.size()));
}

uint64_t FlagsOf(const PathVersion& version) {
  if (version.as_base) return kAsBase;
  if (!version.side.content.has_value()) return 0;
  const Content& content = *version.side.content;
  return kHasContent | (content.settled ? kSettled : 0) | (content.hashed ? kHashed : 0) |
         (content.binary ? kBinary : 0) |
         (content.same_as_base == std::optional(false) ? kDiffersFromBase : 0);
}

void WriteItem(JournalWriter* out, const std::string& path,
               const JournalHistory::PathRecord& record, const PathVersion& version) {
  out->Bytes(path);
  out->Number(record.base.mode);
  out->Number(record.base.size_bytes);
  out->Number(record.base_layer);
  out->Number(FlagsOf(version));
  if (version.as_base) return;
  out->Number(version.side.mode);
  out->Number(version.side.size_bytes);
  out->Bytes(version.side.symlink_target);
  if (!version.side.content.has_value()) return;
  const Content& content = *version.side.content;
  out->Number(content.fingerprint.inode);
  out->Number(static_cast<uint64_t>(content.fingerprint.ctime_ns));
  out->Number(static_cast<uint64_t>(content.fingerprint.mtime_ns));
  out->Number(content.fingerprint.size_bytes);
  out->Bytes({reinterpret_cast<const char*>(content.sha256.data()), content.sha256.size()});
}

Content ReadContent(JournalReader* in, uint64_t flags) {
  Content content;
  content.settled = (flags & kSettled) != 0;
  content.hashed = (flags & kHashed) != 0;
  content.binary = (flags & kBinary) != 0;
  if ((flags & kDiffersFromBase) != 0) content.same_as_base = false;
  content.fingerprint.inode = in->Number();
  content.fingerprint.ctime_ns = static_cast<int64_t>(in->Number());
  content.fingerprint.mtime_ns = static_cast<int64_t>(in->Number());
  content.fingerprint.size_bytes = in->Number();
  const std::string digest = in->Bytes(content.sha256.size());
  std::copy_n(digest.begin(), std::min(digest.size(), content.sha256.size()),
              content.sha256.begin());
  return content;
}

JournalBatch::Item ReadItem(JournalReader* in) {
  JournalBatch::Item item;
  item.path.path = in->Bytes(kPathBytesMax);
  item.path.base.mode = static_cast<uint32_t>(in->Number());
  item.path.base.size_bytes = in->Number();
  item.path.base_layer = static_cast<uint32_t>(in->Number());
  const uint64_t flags = in->Number();
  item.as_base = (flags & kAsBase) != 0;
  if (item.as_base) return item;
  item.path.side.mode = static_cast<uint32_t>(in->Number());
  item.path.side.size_bytes = in->Number();
  item.path.side.symlink_target = in->Bytes(kTargetBytesMax);
  if ((flags & kHasContent) != 0) item.path.side.content = ReadContent(in, flags);
  return item;
}

using Versions =
    std::vector<std::pair<const JournalHistory::Paths::value_type*, const PathVersion*>>;

void EncodeVersions(uint64_t sequence, const Versions& versions, std::vector<std::string>* out) {
  size_t next = 0;
  do {
    JournalWriter items;
    uint64_t count = 0;
    while (next < versions.size() && items.size() < kJournalRecordBytesMax / 2) {
      WriteItem(&items, versions[next].first->first, versions[next].first->second,
                *versions[next].second);
      ++count;
      ++next;
    }
    JournalWriter record;
    record.Number(sequence);
    record.Number(next == versions.size() ? 1 : 0);
    record.Number(count);
    record.Bytes(items.Take());
    out->push_back(record.Take());
  } while (next < versions.size());
}

}  // namespace

void JournalWriter::Number(uint64_t number) {
  for (int shift = 0; shift < 64; shift += 8) out_.push_back(static_cast<char>(number >> shift));
}

void JournalWriter::Bytes(absl::string_view bytes) {
  Number(bytes.size());
  out_.append(bytes.data(), bytes.size());
}

uint64_t JournalReader::Number() {
  ok_ = ok_ && left_.size() >= 8;
  if (!ok_) return 0;
  uint64_t number = 0;
  for (size_t i = 0; i < 8; ++i) number |= uint64_t{static_cast<uint8_t>(left_[i])} << (8 * i);
  left_.remove_prefix(8);
  return number;
}

std::string JournalReader::Bytes(size_t size_max) {
  const uint64_t size = Number();
  ok_ = ok_ && size <= size_max && size <= left_.size();
  if (!ok_) return "";
  std::string bytes(left_.substr(0, size));
  left_.remove_prefix(size);
  return bytes;
}

std::string EncodeHead(const JournalHead& head) {
  JournalWriter out;
  out.Bytes(kMagic);
  out.Number(head.generation);
  out.Number(head.horizon);
  out.Bytes(head.disk);
  out.Bytes(head.boot_id);
  return out.Take();
}

std::optional<JournalHead> DecodeHead(absl::string_view bytes) {
  JournalReader in(bytes);
  if (in.Bytes(kMagic.size()) != kMagic) return std::nullopt;
  JournalHead head;
  head.generation = in.Number();
  head.horizon = in.Number();
  head.disk = in.Bytes(kDiskBytesMax);
  head.boot_id = in.Bytes(kDiskBytesMax);
  if (!in.ok() || !in.AtEnd()) return std::nullopt;
  return head;
}

std::vector<std::string> EncodePoint(const JournalHistory& history, uint64_t sequence) {
  Versions versions;
  for (const auto& path : history.paths()) {
    const PathVersion& newest = path.second.versions.back();
    if (newest.sequence == sequence) versions.emplace_back(&path, &newest);
  }
  std::vector<std::string> records;
  EncodeVersions(sequence, versions, &records);
  return records;
}

std::vector<std::string> EncodeHistory(const JournalHistory& history) {
  std::map<uint64_t, Versions> points;
  if (history.latest() > 0) points[history.latest()];  // also when nothing is left of it
  for (const auto& path : history.paths()) {
    for (const PathVersion& version : path.second.versions) {
      points[std::max(version.sequence, history.horizon())].emplace_back(&path, &version);
    }
  }
  std::vector<std::string> records;
  for (const auto& [sequence, versions] : points) EncodeVersions(sequence, versions, &records);
  return records;
}

std::optional<JournalBatch> DecodeBatch(absl::string_view bytes) {
  JournalReader head(bytes);
  JournalBatch batch;
  batch.sequence = head.Number();
  batch.is_last = head.Number() != 0;
  const uint64_t count = head.Number();
  const std::string items = head.Bytes(bytes.size());
  if (!head.ok() || !head.AtEnd()) return std::nullopt;
  JournalReader in(items);
  for (uint64_t i = 0; i < count && in.ok(); ++i) batch.items.push_back(ReadItem(&in));
  if (!in.ok() || !in.AtEnd()) return std::nullopt;
  return batch;
}

std::string FrameRecord(absl::string_view record) {
  JournalWriter head;
  head.Number(record.size());
  head.Number(Checksum(record));
  std::string framed = head.Take();
  framed.append(record.data(), record.size());
  return framed;
}

std::optional<absl::string_view> TakeRecord(absl::string_view* bytes) {
  if (bytes->size() < kFrameBytes) return std::nullopt;
  JournalReader head(bytes->substr(0, kFrameBytes));
  const uint64_t size = head.Number();
  const uint64_t checksum = head.Number();
  if (size > kJournalRecordBytesMax || size > bytes->size() - kFrameBytes) return std::nullopt;
  const absl::string_view record = bytes->substr(kFrameBytes, size);
  if (Checksum(record) != checksum) return std::nullopt;
  bytes->remove_prefix(kFrameBytes + size);
  return record;
}

}  // namespace glovebox
