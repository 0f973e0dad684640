#include "snapshot/image_record.h"

#include "base/escape.h"
#include "base/ids.h"
#include "base/status.h"
#include "snapshot/record_json.h"

namespace glovebox {
namespace {

constexpr char kFormat[] = "glovebox-image-1";

}  // namespace

absl::StatusOr<std::string> ParseImageName(absl::string_view name) {
  return ParseClientName(name, "image name");
}

std::string FormatImageRecord(const ImageInfo& info) {
  RecordJson record;
  record.SetString("format", kFormat);
  record.SetString("name", info.name);
  record.SetString("digest", info.digest);
  record.SetString("source", info.source);
  record.SetNumber("created_seconds", static_cast<uint64_t>(absl::ToUnixSeconds(info.created)));
  record.SetNumber("bytes_used", info.bytes_used);
  record.SetNumber("inodes_used", info.inodes_used);
  record.SetNumber("image_bytes", info.image_bytes);
  return record.Format();
}

absl::StatusOr<ImageInfo> ParseImageRecord(absl::string_view json) {
  ASSIGN_OR_RETURN(
      const RecordJson record,
      RecordJson::Parse(json, {"format", "name", "digest", "source"},
                        {"created_seconds", "bytes_used", "inodes_used", "image_bytes"}));
  if (record.String("format") != kFormat) return RecordError("is of another format");
  const uint64_t seconds = record.Number("created_seconds");
  if (seconds > RecordJson::kSecondsMax) return RecordError("has an impossible time");
  ImageInfo info{.name = record.String("name"),
                 .digest = record.String("digest"),
                 .source = record.String("source"),
                 .created = absl::FromUnixSeconds(static_cast<int64_t>(seconds)),
                 .bytes_used = record.Number("bytes_used"),
                 .inodes_used = record.Number("inodes_used"),
                 .image_bytes = record.Number("image_bytes")};
  if (!ParseImageName(info.name).ok()) return RecordError("has a malformed name");
  if (!ParseDigest(info.digest).ok()) return RecordError("has a malformed digest");
  if (EscapeForPeople(info.source) != info.source) {
    return RecordError("has text that is not printable");
  }
  return info;
}

std::vector<std::string> DefaultImageEnvironment() {
  return {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8"};
}

}  // namespace glovebox
