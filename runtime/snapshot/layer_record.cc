// What the store knows of a layer, and its form on disk (record.json).
#include <string>

#include "absl/strings/string_view.h"
#include "base/status.h"
#include "snapshot/layer_store.h"
#include "snapshot/record_json.h"

namespace glovebox {
namespace {

constexpr char kFormat[] = "glovebox-image-layer-1";

}  // namespace

std::string FormatLayerRecord(const LayerInfo& info) {
  RecordJson record;
  record.SetString("format", kFormat);
  record.SetString("key", info.key);
  record.SetString("content_digest", info.content_digest);
  record.SetNumber("bytes_used", info.bytes_used);
  record.SetNumber("inodes_used", info.inodes_used);
  record.SetNumber("image_bytes", info.image_bytes);
  return record.Format();
}

absl::StatusOr<LayerInfo> ParseLayerRecord(absl::string_view json) {
  ASSIGN_OR_RETURN(const RecordJson record,
                   RecordJson::Parse(json, {"format", "key", "content_digest"},
                                     {"bytes_used", "inodes_used", "image_bytes"}));
  if (record.String("format") != kFormat) return RecordError("is of another format");
  LayerInfo info{.key = record.String("key"),
                 .content_digest = record.String("content_digest"),
                 .bytes_used = record.Number("bytes_used"),
                 .inodes_used = record.Number("inodes_used"),
                 .image_bytes = record.Number("image_bytes")};
  if (!IsLowerHex(info.key, 64) || !IsLowerHex(info.content_digest, 64)) {
    return RecordError("has an id that is not hexadecimal or of the wrong length");
  }
  return info;
}

}  // namespace glovebox
