#include "changes/binary_literal.h"

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace glovebox {
namespace {

constexpr size_t kLineBytes = 52;
constexpr size_t kOutputBytes = 64 * 1024;

void AppendBase85(std::string* out, absl::string_view bytes) {
  static constexpr absl::string_view kDigits =
      "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~";
  for (size_t at = 0; at < bytes.size(); at += 4) {
    uint32_t word = 0;
    for (size_t i = 0; i < 4; ++i) {
      const uint32_t byte = at + i < bytes.size() ? static_cast<uint8_t>(bytes[at + i]) : 0;
      word = (word << 8) | byte;
    }
    char group[5];
    for (int i = 4; i >= 0; --i) {
      group[i] = kDigits[word % 85];
      word /= 85;
    }
    out->append(group, 5);
  }
}

}  // namespace

BinaryLiteral::BinaryLiteral(uint64_t size_bytes, PatchSink sink)
    : sink_(sink), head_(absl::StrCat("literal ", size_bytes, "\n")) {
  ready_ = deflateInit(&stream_, Z_BEST_SPEED) == Z_OK;
}

BinaryLiteral::~BinaryLiteral() {
  if (ready_) (void)deflateEnd(&stream_);  // reports only that data was left, which may be
}

absl::Status BinaryLiteral::WriteLines(bool last) {
  std::string out;
  std::swap(out, head_);
  size_t at = 0;
  while (pending_.size() - at >= kLineBytes || (last && at < pending_.size())) {
    const absl::string_view line = absl::string_view(pending_).substr(at, kLineBytes);
    const size_t size = line.size();
    out.push_back(static_cast<char>(size <= 26 ? 'A' + size - 1 : 'a' + size - 27));
    AppendBase85(&out, line);
    out.push_back('\n');
    at += size;
  }
  pending_.erase(0, at);
  if (last) out.push_back('\n');
  return out.empty() ? absl::OkStatus() : sink_(out);
}

absl::Status BinaryLiteral::Deflate(absl::string_view bytes, int flush) {
  if (!ready_) return absl::ResourceExhaustedError("zlib: no memory to deflate a binary file");
  stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream_.avail_in = static_cast<uInt>(bytes.size());
  std::string output(kOutputBytes, '\0');
  do {
    stream_.next_out = reinterpret_cast<Bytef*>(output.data());
    stream_.avail_out = static_cast<uInt>(output.size());
    if (deflate(&stream_, flush) == Z_STREAM_ERROR) return absl::InternalError("zlib: deflate");
    absl::StrAppend(&pending_,
                    absl::string_view(output).substr(0, kOutputBytes - stream_.avail_out));
    RETURN_IF_ERROR(WriteLines(false));
  } while (stream_.avail_out == 0);
  return absl::OkStatus();
}

absl::Status BinaryLiteral::Feed(absl::string_view bytes) {
  constexpr size_t kStep = 1 << 20;  // keeps sizes within zlib's 32 bits
  for (size_t at = 0; at < bytes.size(); at += kStep) {
    RETURN_IF_ERROR(Deflate(bytes.substr(at, kStep), Z_NO_FLUSH));
  }
  return absl::OkStatus();
}

absl::Status BinaryLiteral::Finish() {
  RETURN_IF_ERROR(Deflate({}, Z_FINISH));
  return WriteLines(true);
}

}  // namespace glovebox
