#include "patch/binary_patch.h"

// The plain functions need none of the library's set-up, which would cost every start a file.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/status.h"

namespace glovebox {
namespace {

constexpr absl::string_view kAlphabet =
    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~";
constexpr size_t kLineBytesMax = 52;

constexpr std::array<int8_t, 256> MakeDigits() {
  std::array<int8_t, 256> digits{};
  for (int8_t& digit : digits) digit = -1;
  for (size_t i = 0; i < kAlphabet.size(); ++i) {
    digits[static_cast<unsigned char>(kAlphabet[i])] = static_cast<int8_t>(i);
  }
  return digits;
}
constexpr std::array<int8_t, 256> kDigits = MakeDigits();

// How many bytes a line says that it has; 0: none.
size_t LineBytes(char mark) {
  if (mark >= 'A' && mark <= 'Z') return static_cast<size_t>(mark - 'A') + 1;
  if (mark >= 'a' && mark <= 'z') return static_cast<size_t>(mark - 'a') + 27;
  return 0;
}

bool DecodeLine(absl::string_view line, std::string* out) {
  size_t left = line.empty() ? 0 : LineBytes(line.front());
  const absl::string_view text = line.substr(line.empty() ? 0 : 1);
  if (left == 0 || left > kLineBytesMax || text.size() != (left + 3) / 4 * 5) return false;
  for (size_t at = 0; at < text.size(); at += 5) {
    uint64_t value = 0;
    for (size_t i = 0; i < 5; ++i) {
      const int digit = kDigits[static_cast<unsigned char>(text[at + i])];
      if (digit < 0) return false;
      value = value * 85 + static_cast<uint64_t>(digit);
    }
    if (value > UINT32_MAX) return false;
    for (int shift = 24; shift >= 0 && left > 0; shift -= 8, --left) {
      out->push_back(static_cast<char>((value >> shift) & 0xff));
    }
  }
  return true;
}

// Exactly `size` bytes, or nothing.
bool Inflate(absl::string_view packed, uint64_t size, std::string* out) {
  out->resize(size + 1);  // one more, so that a longer stream shows
  z_stream stream{};
  if (::inflateInit(&stream) != Z_OK) return false;
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  stream.avail_in = static_cast<uInt>(packed.size());
  stream.next_out = reinterpret_cast<Bytef*>(out->data());
  stream.avail_out = static_cast<uInt>(out->size());
  const int result = ::inflate(&stream, Z_FINISH);
  const bool whole = result == Z_STREAM_END && stream.total_out == size && stream.avail_in == 0;
  ::inflateEnd(&stream);
  out->resize(size);
  return whole;
}

struct Half {
  bool is_delta = false;
  std::string bytes;
};

absl::StatusOr<Half> ParseHalf(LineCursor* lines, bool inflates) {
  Half half;
  const uint64_t first = lines->number();
  absl::string_view head = lines->Peek();
  if (absl::ConsumePrefix(&head, "delta ")) {
    half.is_delta = true;
  } else if (!absl::ConsumePrefix(&head, "literal ")) {
    return MalformedPatch(first, "\"literal\" or \"delta\" is expected");
  }
  uint64_t size = 0;
  if (!absl::SimpleAtoi(head, &size)) return MalformedPatch(first, "the size is no number");
  if (size > kPatchedFileBytesMax) return PatchLimit("a binary file", kPatchedFileBytesMax);
  lines->Skip();
  std::string packed;
  while (!lines->done() && !lines->Peek().empty()) {
    if (!DecodeLine(lines->Peek(), &packed)) {
      return MalformedPatch(lines->number(), "no line of base 85");
    }
    lines->Skip();
  }
  if (!lines->done()) lines->Skip();
  if (inflates && !Inflate(packed, size, &half.bytes)) {
    return MalformedPatch(first, absl::StrCat("the data do not inflate to ", size, " bytes"));
  }
  return half;
}

class DeltaReader {
 public:
  explicit DeltaReader(absl::string_view delta) : rest_(delta) {}
  bool done() const { return rest_.empty(); }
  bool Byte(uint8_t* byte) {
    if (rest_.empty()) return false;
    *byte = static_cast<uint8_t>(rest_.front());
    rest_.remove_prefix(1);
    return true;
  }
  bool Size(uint64_t* size) {
    *size = 0;
    uint8_t byte = 0x80;
    for (int shift = 0; (byte & 0x80) != 0; shift += 7) {
      if (shift > 56 || !Byte(&byte)) return false;
      *size |= uint64_t{byte & 0x7fU} << shift;
    }
    return true;
  }
  // `count` little-endian bytes, those whose bits are set in `present`.
  bool Number(unsigned present, int count, uint64_t* value) {
    *value = 0;
    for (int i = 0; i < count; ++i) {
      uint8_t byte = 0;
      if ((present >> i & 1U) == 0) continue;
      if (!Byte(&byte)) return false;
      *value |= uint64_t{byte} << (8 * i);
    }
    return true;
  }
  bool Literal(size_t size, std::string* out) {
    if (size > rest_.size()) return false;
    out->append(rest_.data(), size);
    rest_.remove_prefix(size);
    return true;
  }

 private:
  absl::string_view rest_;
};

}  // namespace

absl::StatusOr<BinaryHunk> ParseBinary(LineCursor* lines) {
  ASSIGN_OR_RETURN(Half forward, ParseHalf(lines, /*inflates=*/true));
  const absl::string_view next = lines->Peek();
  if (absl::StartsWith(next, "literal ") || absl::StartsWith(next, "delta ")) {
    RETURN_IF_ERROR(ParseHalf(lines, /*inflates=*/false).status());
  }
  BinaryHunk binary;
  binary.is_delta = forward.is_delta;
  binary.bytes = std::move(forward.bytes);
  return binary;
}

absl::StatusOr<std::string> ApplyDelta(absl::string_view base, absl::string_view delta) {
  const auto malformed = [] { return absl::InvalidArgumentError("no delta of git's"); };
  DeltaReader reader(delta);
  uint64_t base_size = 0, size = 0;
  if (!reader.Size(&base_size) || !reader.Size(&size)) return malformed();
  if (base_size != base.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("it is for a file of ", base_size, " bytes, not ", base.size()));
  }
  if (size > kPatchedFileBytesMax) return PatchLimit("a binary file", kPatchedFileBytesMax);
  std::string out;
  while (!reader.done()) {
    uint8_t command = 0;
    (void)reader.Byte(&command);  // there is one
    if ((command & 0x80) != 0) {
      uint64_t offset = 0, count = 0;
      if (!reader.Number(command, 4, &offset) || !reader.Number(command >> 4 & 7U, 3, &count)) {
        return malformed();
      }
      if (count == 0) count = 0x10000;
      if (offset > base.size() || count > base.size() - offset || count > size - out.size()) {
        return malformed();
      }
      out.append(base.data() + offset, count);
    } else if (command == 0 || command > size - out.size() || !reader.Literal(command, &out)) {
      return malformed();
    }
  }
  if (out.size() != size) return malformed();
  return out;
}

std::string BlobNameOf(absl::string_view content) {
  const std::string head = absl::StrCat("blob ", content.size(), absl::string_view("\0", 1));
  SHA_CTX context;
  unsigned char digest[SHA_DIGEST_LENGTH];
  ::SHA1_Init(&context);
  ::SHA1_Update(&context, head.data(), head.size());
  ::SHA1_Update(&context, content.data(), content.size());
  ::SHA1_Final(digest, &context);
  return absl::BytesToHexString(
      absl::string_view(reinterpret_cast<const char*>(digest), sizeof(digest)));
}

}  // namespace glovebox
