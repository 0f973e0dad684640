#include "snapshot/image_record.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/escape.h"
#include "base/ids.h"
#include "base/status.h"
#include "snapshot/record_json.h"

namespace glovebox {
namespace {

constexpr char kFormat[] = "glovebox-image-1";

std::vector<std::string> Pieces(const RecordJson& record, const char* name, char separator) {
  if (!record.Has(name)) return {};
  return absl::StrSplit(record.String(name), separator);
}

absl::Status ParseParts(const RecordJson& record, ImageParts* parts) {
  parts->layers = Pieces(record, "layers", ' ');
  for (const std::string& key : parts->layers) {
    if (!IsLowerHex(key, 64)) return RecordError("names a layer that is none");
  }
  if (parts->layers.size() > kImageLayersMax) return RecordError("has too many layers");
  parts->config.environment = Pieces(record, "environment", '\n');
  if (record.Has("workdir")) parts->config.workdir = record.String("workdir");
  if (record.Has("user")) parts->config.user = record.String("user");
  parts->notes = Pieces(record, "notes", '\n');
  if (!CheckImageConfig(parts->config).ok() || !CheckImageNotes(parts->notes).ok()) {
    return RecordError("has a config that no image has");
  }
  return absl::OkStatus();
}

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
  const ImageParts& parts = info.parts;
  if (!parts.layers.empty()) record.SetString("layers", absl::StrJoin(parts.layers, " "));
  if (!parts.config.environment.empty()) {
    record.SetString("environment", absl::StrJoin(parts.config.environment, "\n"));
  }
  if (!parts.config.workdir.empty()) record.SetString("workdir", parts.config.workdir);
  if (!parts.config.user.empty()) record.SetString("user", parts.config.user);
  if (!parts.notes.empty()) record.SetString("notes", absl::StrJoin(parts.notes, "\n"));
  return record.Format();
}

absl::StatusOr<ImageInfo> ParseImageRecord(absl::string_view json) {
  ASSIGN_OR_RETURN(
      const RecordJson record,
      RecordJson::Parse(json, {"format", "name", "digest", "source"},
                        {"created_seconds", "bytes_used", "inodes_used", "image_bytes"},
                        {"layers", "environment", "workdir", "user", "notes"}));
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
  RETURN_IF_ERROR(ParseParts(record, &info.parts));
  return info;
}

std::vector<std::string> EnvironmentOf(const ImageConfig& config) {
  std::vector<std::string> environment = DefaultImageEnvironment();
  for (const std::string& variable : config.environment) {
    const std::string name = variable.substr(0, variable.find('=') + 1);
    const auto same =
        std::find_if(environment.begin(), environment.end(),
                     [&](const std::string& other) { return absl::StartsWith(other, name); });
    if (same != environment.end()) {
      *same = variable;
    } else {
      environment.push_back(variable);
    }
  }
  return environment;
}

std::vector<std::string> DefaultImageEnvironment() {
  return {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8"};
}

}  // namespace glovebox
