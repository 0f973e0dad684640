// Reading and writing what is in files.
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <optional>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/wire_field.h"
#include "files/call.h"
#include "files/new_content.h"
#include "files/place.h"
#include "patch/hunk_match.h"

namespace glovebox {
namespace {

constexpr size_t kEditsMax = 1000;
constexpr uint64_t kEditedBytesMax = uint64_t{64} << 20;

absl::Status Malformed() {
  return DetailedError(absl::StatusCode::kInvalidArgument, "the request is malformed",
                       {"INVALID_FIELD", {}});
}

std::string EncodeSummary(absl::string_view info, bool changed) {
  WireWriter summary, response;
  summary.Bytes(1, info);
  if (changed) summary.Number(3, 1);
  response.Bytes(2, summary.message());
  return response.Take();
}

struct WriteTarget {
  std::string path;
  std::optional<uint32_t> mode;
  bool make_parents = false;
  std::optional<std::string> expected_digest;
  bool must_be_new = false;
};

absl::StatusOr<WriteTarget> DecodeTarget(absl::string_view message) {
  WriteTarget target;
  WireReader reader(message);
  WireField field;
  while (reader.Next(&field)) {
    if (field.number == 2) target.path = std::string(field.bytes);
    if (field.number == 3) target.mode = static_cast<uint32_t>(field.value);
    if (field.number == 4) target.make_parents = field.value != 0;
    if (field.number == 5) target.expected_digest = std::string(field.bytes);
    if (field.number == 6) target.must_be_new = field.value != 0;
  }
  if (reader.malformed()) return Malformed();
  return target;
}

absl::Status AnswerWritten(FilesCall* call, const std::string& path, NewContent* content) {
  ASSIGN_OR_RETURN(const struct stat stat, content->stat());
  WireWriter response;
  response.Bytes(1, EncodeInfo(path, stat, std::nullopt));
  response.Bytes(2, content->digest());
  return call->Write(FilesFrameKind::kDone, response.message());
}

struct Edit {
  std::string find, replace;
  uint64_t count = 1;
};

struct EditRequest {
  std::string path;
  std::vector<Edit> edits;
  std::optional<std::string> expected_digest;
};

bool DecodeEdit(absl::string_view message, Edit* edit) {
  WireReader reader(message);
  WireField field;
  while (reader.Next(&field)) {
    if (field.number == 1) edit->find = std::string(field.bytes);
    if (field.number == 2) edit->replace = std::string(field.bytes);
    if (field.number == 3) edit->count = field.value;
  }
  return !reader.malformed();
}

absl::StatusOr<EditRequest> DecodeEdits(absl::string_view message) {
  EditRequest request;
  WireReader reader(message);
  WireField field;
  while (reader.Next(&field)) {
    if (field.number == 2) request.path = std::string(field.bytes);
    if (field.number == 4) request.expected_digest = std::string(field.bytes);
    if (field.number != 3) continue;
    if (request.edits.size() >= kEditsMax ||
        !DecodeEdit(field.bytes, &request.edits.emplace_back())) {
      return Malformed();
    }
  }
  if (reader.malformed()) return Malformed();
  return request;
}

absl::Status EditFails(size_t edit, uint64_t count, uint64_t wanted, const std::string& text,
                       const std::string& find) {
  ErrorDetail detail{count == 0 ? "TEXT_NOT_FOUND" : "TEXT_NOT_UNIQUE",
                     {{"edit", absl::StrCat(edit)}, {"count", absl::StrCat(count)}}};
  std::string message =
      absl::StrCat("the text of edit ", edit, " is there ", count, " times, not ", wanted);
  if (count == 0) {
    const uint64_t line = NearestLine(SplitLines(text), SplitLines(find), 0);
    if (line > 0) {
      detail.metadata["line"] = absl::StrCat(line);
      absl::StrAppend(&message, "; what is most like it begins at line ", line);
    }
  }
  return DetailedError(absl::StatusCode::kFailedPrecondition, message, detail);
}

absl::Status TooLarge() {
  return DetailedError(absl::StatusCode::kResourceExhausted,
                       absl::StrCat("the file would have more than ", kEditedBytesMax, " bytes"),
                       {"FILE_TOO_LARGE", {{"limit", absl::StrCat(kEditedBytesMax)}}});
}

absl::StatusOr<std::string> Edited(std::string text, const std::vector<Edit>& edits) {
  for (size_t i = 0; i < edits.size(); ++i) {
    const Edit& edit = edits[i];
    std::string out;
    uint64_t count = 0;
    size_t from = 0;
    for (size_t at = text.find(edit.find); at != std::string::npos;
         at = text.find(edit.find, from)) {
      ++count;
      if (out.size() + edit.replace.size() > kEditedBytesMax) return TooLarge();
      out.append(text, from, at - from);
      out.append(edit.replace);
      from = at + edit.find.size();
    }
    if (count != edit.count) return EditFails(i + 1, count, edit.count, text, edit.find);
    out.append(text, from);
    if (out.size() > kEditedBytesMax) return TooLarge();
    text = std::move(out);
  }
  return text;
}

absl::StatusOr<std::string> ReadForEdit(const Place& place) {
  ASSIGN_OR_RETURN(const OpenFile file, OpenForReading(place));
  std::string text;
  std::string piece(kFilesContentBytesMax, '\0');
  for (;;) {
    const ssize_t size = ::read(file.fd.get(), piece.data(), piece.size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return PathError(errno, "read", place.path);
    if (size == 0) return text;
    text.append(piece, 0, static_cast<size_t>(size));
    if (text.size() > kEditedBytesMax) return PathError(EFBIG, "edit", place.path);
  }
}

}  // namespace

absl::Status ReadFileCall(FilesCall* call) {
  ASSIGN_OR_RETURN(const std::string message, call->ReadRequest());
  std::string path;
  uint64_t offset = 0, left = std::numeric_limits<uint64_t>::max();
  WireReader reader(message);
  WireField field;
  while (reader.Next(&field)) {
    if (field.number == 2) path = std::string(field.bytes);
    if (field.number == 3) offset = field.value;
    if (field.number == 4) left = field.value;
  }
  if (reader.malformed()) return Malformed();
  ASSIGN_OR_RETURN(const Place place, FindPlace(path, /*follow=*/true));
  ASSIGN_OR_RETURN(const OpenFile file, OpenForReading(place));
  std::string piece(kFilesContentBytesMax, '\0');
  while (left > 0 && offset <= static_cast<uint64_t>(std::numeric_limits<off_t>::max())) {
    const ssize_t size =
        ::pread(file.fd.get(), piece.data(), std::min<uint64_t>(left, piece.size()),
                static_cast<off_t>(offset));
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return PathError(errno, "read", path);
    if (size == 0) break;
    const auto bytes = static_cast<size_t>(size);
    RETURN_IF_ERROR(
        call->Write(FilesFrameKind::kContent, absl::string_view(piece).substr(0, bytes)));
    offset += bytes;
    left -= bytes;
  }
  struct stat after {};
  if (::fstat(file.fd.get(), &after) != 0) return PathError(errno, "look at", path);
  return call->Write(FilesFrameKind::kDone, EncodeSummary(EncodeInfo(path, after, std::nullopt),
                                                          !SameContent(file.stat, after)));
}

absl::Status WriteFileCall(FilesCall* call) {
  ASSIGN_OR_RETURN(const std::string message, call->ReadRequest());
  ASSIGN_OR_RETURN(const WriteTarget target, DecodeTarget(message));
  ASSIGN_OR_RETURN(const Place place, FindPlace(target.path, /*follow=*/true, target.make_parents));
  ASSIGN_OR_RETURN(NewContent content, NewContent::Begin(&place, call->TemporaryName()));
  if (target.must_be_new && content.before().has_value()) {
    return PathError(EEXIST, "make", target.path);
  }
  if (target.mode.has_value()) content.set_mode(*target.mode & 0777);
  if (target.expected_digest.has_value()) {
    RETURN_IF_ERROR(CheckDigest(place, *target.expected_digest));
  }
  for (;;) {
    ASSIGN_OR_RETURN(const FilesFrame frame, call->Read());
    if (frame.kind == FilesFrameKind::kCommit) break;
    if (frame.kind != FilesFrameKind::kContent) return Malformed();
    RETURN_IF_ERROR(content.Write(frame.body));
  }
  RETURN_IF_ERROR(target.must_be_new                   ? content.PlaceNew()
                  : target.expected_digest.has_value() ? content.ReplaceUnchanged()
                                                       : content.Replace());
  return AnswerWritten(call, target.path, &content);
}

absl::Status EditFileCall(FilesCall* call) {
  ASSIGN_OR_RETURN(const std::string message, call->ReadRequest());
  ASSIGN_OR_RETURN(const EditRequest request, DecodeEdits(message));
  for (const Edit& edit : request.edits) {
    if (edit.find.empty() || edit.count == 0) return Malformed();
  }
  ASSIGN_OR_RETURN(const Place place, FindPlace(request.path, /*follow=*/true));
  RETURN_IF_ERROR(MustLook(place).status());
  ASSIGN_OR_RETURN(NewContent content, NewContent::Begin(&place, call->TemporaryName()));
  ASSIGN_OR_RETURN(std::string text, ReadForEdit(place));
  if (request.expected_digest.has_value()) {
    Sha256Stream digest;
    digest.Update(text);
    const std::string actual = digest.Digest();
    if (actual != *request.expected_digest) return CheckDigest(place, *request.expected_digest);
  }
  ASSIGN_OR_RETURN(text, Edited(std::move(text), request.edits));
  RETURN_IF_ERROR(content.Write(text));
  RETURN_IF_ERROR(content.ReplaceUnchanged());
  WireWriter response;
  response.Bytes(1, content.digest());
  return call->Write(FilesFrameKind::kDone, response.message());
}

}  // namespace glovebox
