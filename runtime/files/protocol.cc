#include "files/protocol.h"

#include <algorithm>
#include <iterator>

#include "absl/strings/ascii.h"
#include "base/escape.h"
#include "base/status.h"
#include "base/wire_field.h"

namespace glovebox {
namespace {

constexpr size_t kHeadBytes = 8;
constexpr size_t kMessageBytesMax = 8192;
constexpr size_t kValueBytesMax = 8192;
constexpr size_t kMetadataMax = 16;

constexpr uint32_t kCodeField = 1, kReasonField = 2, kMessageField = 3, kMetadataField = 4;
constexpr uint32_t kKeyField = 1, kValueField = 2;

void AppendNumber(uint32_t value, std::string* out) {
  for (int shift = 0; shift < 32; shift += 8) {
    out->push_back(static_cast<char>((value >> shift) & 0xff));
  }
}

uint32_t NumberAt(absl::string_view bytes) {
  uint32_t value = 0;
  for (size_t i = 0; i < 4; ++i) value |= uint32_t{static_cast<uint8_t>(bytes[i])} << (8 * i);
  return value;
}

absl::Status Nonsense(absl::string_view what) {
  return DetailedError(absl::StatusCode::kDataLoss, what, {"FILES_INTERRUPTED", {}});
}

bool IsName(absl::string_view text, bool upper) {
  if (text.empty() || text.size() > 63) return false;
  for (const char c : text) {
    const bool letter = upper ? absl::ascii_isupper(static_cast<unsigned char>(c))
                              : absl::ascii_islower(static_cast<unsigned char>(c));
    if (!letter && c != '_' && !absl::ascii_isdigit(static_cast<unsigned char>(c))) return false;
  }
  return true;
}

constexpr absl::StatusCode kAnswerCodes[] = {
    absl::StatusCode::kInvalidArgument,   absl::StatusCode::kNotFound,
    absl::StatusCode::kAlreadyExists,     absl::StatusCode::kPermissionDenied,
    absl::StatusCode::kResourceExhausted, absl::StatusCode::kFailedPrecondition,
    absl::StatusCode::kAborted,           absl::StatusCode::kInternal};

bool IsAnswerCode(uint64_t code) {
  return std::any_of(std::begin(kAnswerCodes), std::end(kAnswerCodes),
                     [code](auto each) { return static_cast<uint64_t>(each) == code; });
}

bool DecodeMetadata(absl::string_view bytes, ErrorDetail* detail) {
  WireReader reader(bytes);
  WireField field;
  std::string key, value;
  while (reader.Next(&field)) {
    if (!field.is_bytes || field.bytes.size() > kValueBytesMax) return false;
    if (field.number == kKeyField) key = std::string(field.bytes);
    if (field.number == kValueField) value = EscapeForPeople(field.bytes);
  }
  if (reader.malformed() || !IsName(key, /*upper=*/false)) return false;
  detail->metadata[key] = value;
  return detail->metadata.size() <= kMetadataMax;
}

}  // namespace

std::string FormatFrame(FilesFrameKind kind, absl::string_view body) {
  std::string frame;
  frame.reserve(kHeadBytes + body.size());
  AppendNumber(static_cast<uint32_t>(kind), &frame);
  AppendNumber(static_cast<uint32_t>(body.size()), &frame);
  frame.append(body.data(), body.size());
  return frame;
}

absl::StatusOr<std::optional<FilesFrame>> FilesFrameParser::Next() {
  const absl::string_view rest = absl::string_view(pending_).substr(at_);
  if (rest.size() < kHeadBytes) {
    pending_.erase(0, at_);
    at_ = 0;
    return std::optional<FilesFrame>();
  }
  const uint32_t kind = NumberAt(rest), size = NumberAt(rest.substr(4));
  if (kind < static_cast<uint32_t>(FilesFrameKind::kRequest) ||
      kind > static_cast<uint32_t>(FilesFrameKind::kFailed) || size > body_bytes_max_) {
    return Nonsense("no frame of the program for files");
  }
  if (rest.size() - kHeadBytes < size) {
    pending_.erase(0, at_);
    at_ = 0;
    return std::optional<FilesFrame>();
  }
  FilesFrame frame{static_cast<FilesFrameKind>(kind), std::string(rest.substr(kHeadBytes, size))};
  at_ += kHeadBytes + size;
  return std::optional<FilesFrame>(std::move(frame));
}

std::string EncodeFailure(const absl::Status& status) {
  const ErrorDetail detail = GetErrorDetail(status).value_or(ErrorDetail{"INTERNAL", {}});
  WireWriter out;
  out.Number(kCodeField, static_cast<uint64_t>(status.code()));
  out.Bytes(kReasonField, detail.reason);
  out.Bytes(kMessageField, absl::string_view(status.message()).substr(0, kMessageBytesMax));
  for (const auto& [key, value] : detail.metadata) {
    WireWriter entry;
    entry.Bytes(kKeyField, key);
    entry.Bytes(kValueField, absl::string_view(value).substr(0, kValueBytesMax));
    out.Bytes(kMetadataField, entry.message());
  }
  return out.Take();
}

absl::Status DecodeFailure(absl::string_view body) {
  WireReader reader(body);
  WireField field;
  uint64_t code = 0;
  ErrorDetail detail;
  std::string message;
  while (reader.Next(&field)) {
    if (field.number == kCodeField && field.is_varint) code = field.value;
    if (field.number == kReasonField && field.is_bytes) detail.reason = std::string(field.bytes);
    if (field.number == kMessageField && field.is_bytes) {
      if (field.bytes.size() > kMessageBytesMax) return Nonsense("a failure with a long message");
      message = EscapeForPeople(field.bytes);
    }
    if (field.number == kMetadataField &&
        (!field.is_bytes || !DecodeMetadata(field.bytes, &detail))) {
      return Nonsense("a failure with malformed metadata");
    }
  }
  if (reader.malformed() || !IsAnswerCode(code) || !IsName(detail.reason, /*upper=*/true)) {
    return Nonsense("a failure that is none");
  }
  return DetailedError(static_cast<absl::StatusCode>(code), message, detail);
}

}  // namespace glovebox
