#include "importer/oci_manifest.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/escape.h"
#include "base/status.h"
#include "importer/entry_name.h"
#include "nlohmann/json.hpp"
#include "snapshot/record_json.h"

namespace glovebox {
namespace {

using Json = nlohmann::json;

constexpr size_t kNamesShown = 20;

absl::Status Wrong(absl::string_view what) { return absl::InvalidArgumentError(what); }

// Of brackets outside of texts; the parser itself would take any.
bool IsTooDeep(absl::string_view json) {
  int depth = 0;
  bool in_text = false;
  for (size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    if (in_text) {
      if (c == '\\') ++i;
      if (c == '"') in_text = false;
    } else if (c == '"') {
      in_text = true;
    } else if (c == '{' || c == '[') {
      if (++depth > kDocumentDepthMax) return true;
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  return false;
}

// For people and in one line, whatever it was. The daemon takes no bytes that it would have to
// escape.
std::string Plain(absl::string_view text, size_t bytes_max) {
  std::string plain(text.substr(0, bytes_max));
  if (EscapeForPeople(plain) == plain) return plain;
  std::replace_if(
      plain.begin(), plain.end(), [](char c) { return c < ' ' || c > '~' || c == '\\'; }, '?');
  return plain;
}

absl::StatusOr<Json> ParseDocument(absl::string_view json, const char* what) {
  if (json.size() > kDocumentBytesMax) {
    return absl::ResourceExhaustedError(
        absl::StrCat(what, " has more than ", kDocumentBytesMax, " bytes"));
  }
  if (IsTooDeep(json)) {
    return absl::ResourceExhaustedError(absl::StrCat(what, " is nested too deep"));
  }
  Json parsed = Json::parse(json.begin(), json.end(), nullptr, /*allow_exceptions=*/false);
  if (parsed.is_discarded()) return Wrong(absl::StrCat(what, " is not JSON"));
  return parsed;
}

std::string Text(const Json& object, const char* name) {
  if (!object.is_object()) return "";
  const auto it = object.find(name);
  return it != object.end() && it->is_string() ? it->get<std::string>() : "";
}

const Json& Member(const Json& object, const char* name) {
  static const Json kNothing;
  if (!object.is_object()) return kNothing;
  const auto it = object.find(name);
  return it != object.end() ? *it : kNothing;
}

absl::StatusOr<std::string> Digest(const std::string& text, const char* what) {
  const absl::string_view digits = absl::StripPrefix(text, "sha256:");
  if (digits.size() == text.size() || !IsLowerHex(digits, 64)) {
    return Wrong(absl::StrCat(what, " has no SHA-256 digest"));
  }
  return std::string(digits);
}

std::string Platform(const Json& object) {
  const std::string os = Text(object, "os");
  const std::string architecture = Text(object, "architecture");
  return os.empty() && architecture.empty() ? "" : absl::StrCat(os, "/", architecture);
}

OciDescriptor::Kind KindOf(const std::string& media_type) {
  using Kind = OciDescriptor::Kind;
  if (media_type == "application/vnd.oci.image.index.v1+json" ||
      media_type == "application/vnd.docker.distribution.manifest.list.v2+json") {
    return Kind::kIndex;
  }
  if (media_type == "application/vnd.oci.image.manifest.v1+json" ||
      media_type == "application/vnd.docker.distribution.manifest.v2+json") {
    return Kind::kManifest;
  }
  for (const char* layer :
       {"application/vnd.oci.image.layer.v1.tar", "application/vnd.oci.image.layer.v1.tar+gzip",
        "application/vnd.oci.image.layer.v1.tar+zstd",
        "application/vnd.oci.image.layer.nondistributable.v1.tar",
        "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
        "application/vnd.docker.image.rootfs.diff.tar",
        "application/vnd.docker.image.rootfs.diff.tar.gzip"}) {
    if (media_type == layer) return Kind::kLayer;
  }
  return Kind::kOther;
}

absl::Status CheckLayerCount(size_t count) {
  if (count == 0) return Wrong("the image has no layers");
  if (count <= OciImage::kLayersMax) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      absl::StrCat("the image has ", count, " layers, more than ", OciImage::kLayersMax));
}

void TakeEnvironment(const Json& list, OciConfigFile* file) {
  if (!list.is_array()) return;
  std::map<std::string, std::string> values;
  std::vector<std::string> dropped;
  size_t bytes = 0;
  for (const Json& item : list) {
    const std::string text = item.is_string() ? item.get<std::string>() : "";
    const size_t equals = std::min(text.find('='), text.size());
    const std::string name = text.substr(0, equals);
    bytes += text.size();
    if (equals < text.size() && ImageMaySet(name) && EscapeForPeople(text) == text &&
        bytes <= OciImage::kTextBytesMax && values.size() < 256) {
      values[name] = text.substr(equals + 1);
    } else {
      dropped.push_back(Plain(name, 60));
    }
  }
  for (auto& [name, value] : values) {
    file->config.environment.push_back(absl::StrCat(name, "=", value));
  }
  if (dropped.empty()) return;
  const size_t more = dropped.size() > kNamesShown ? dropped.size() - kNamesShown : 0;
  dropped.resize(dropped.size() - more);
  file->notes.push_back(absl::StrCat(
      "variables that images may not set were left out: ", absl::StrJoin(dropped, ", "),
      more != 0 ? absl::StrCat(" and ", more, " more") : ""));
}

void TakeWorkdir(const std::string& text, OciConfigFile* file) {
  if (text.empty() || text == "/") return;
  const absl::StatusOr<std::string> name =
      text[0] == '/' ? NormalizeName(text, AbsoluteNames::kRelativeToRoot) : Wrong("relative");
  ImageConfig config;
  if (name.ok() && !name->empty()) config.workdir = absl::StrCat("/", *name);
  if (!config.workdir.empty() && CheckImageConfig(config).ok()) {
    file->config.workdir = config.workdir;
  } else {
    file->notes.push_back(absl::StrCat("the working directory is none: ", Plain(text, 200)));
  }
}

}  // namespace

absl::StatusOr<std::vector<OciDescriptor>> ParseOciIndex(absl::string_view json) {
  ASSIGN_OR_RETURN(const Json index, ParseDocument(json, "an index"));
  const Json& manifests = Member(index, "manifests");
  if (!manifests.is_array()) return Wrong("an index has no list of manifests");
  if (manifests.size() > kDescriptorsMax) {
    return absl::ResourceExhaustedError("an index names too many manifests");
  }
  std::vector<OciDescriptor> out;
  for (const Json& each : manifests) {
    OciDescriptor descriptor;
    descriptor.kind = KindOf(Text(each, "mediaType"));
    ASSIGN_OR_RETURN(descriptor.digest, Digest(Text(each, "digest"), "a manifest in an index"));
    descriptor.platform = Platform(Member(each, "platform"));
    descriptor.is_image = descriptor.platform != "unknown/unknown";
    out.push_back(std::move(descriptor));
  }
  return out;
}

absl::StatusOr<OciManifest> ParseOciManifest(absl::string_view json) {
  ASSIGN_OR_RETURN(const Json manifest, ParseDocument(json, "the manifest"));
  OciManifest out;
  ASSIGN_OR_RETURN(out.config, Digest(Text(Member(manifest, "config"), "digest"), "the config"));
  const Json& layers = Member(manifest, "layers");
  if (!layers.is_array()) return Wrong("the manifest has no list of layers");
  RETURN_IF_ERROR(CheckLayerCount(layers.size()));
  for (const Json& each : layers) {
    const std::string type = Text(each, "mediaType");
    if (KindOf(type) != OciDescriptor::Kind::kLayer) {
      return Wrong(absl::StrCat("a layer is of the media type \"", type.substr(0, 100),
                                "\", which is not one of tar, tar+gzip and tar+zstd"));
    }
    ASSIGN_OR_RETURN(std::string digest, Digest(Text(each, "digest"), "a layer"));
    out.layers.push_back(std::move(digest));
  }
  return out;
}

absl::StatusOr<OciManifest> ParseDockerManifest(absl::string_view json) {
  ASSIGN_OR_RETURN(const Json images, ParseDocument(json, "manifest.json"));
  if (!images.is_array() || images.empty()) return Wrong("manifest.json names no image");
  if (images.size() != 1) {
    return Wrong(
        absl::StrCat("the archive has ", images.size(), " images; save one of them alone"));
  }
  OciManifest out;
  const auto take = [](const Json& name) -> absl::StatusOr<std::string> {
    if (!name.is_string()) return Wrong("manifest.json names what is no file");
    ASSIGN_OR_RETURN(std::string normalized,
                     NormalizeName(name.get<std::string>(), AbsoluteNames::kRefused));
    return normalized.empty() ? Wrong("manifest.json names what is no file")
                              : absl::StatusOr<std::string>(std::move(normalized));
  };
  ASSIGN_OR_RETURN(out.config, take(Member(images[0], "Config")));
  const Json& layers = Member(images[0], "Layers");
  if (!layers.is_array()) return Wrong("manifest.json has no list of layers");
  RETURN_IF_ERROR(CheckLayerCount(layers.size()));
  for (const Json& each : layers) {
    ASSIGN_OR_RETURN(std::string name, take(each));
    out.layers.push_back(std::move(name));
  }
  return out;
}

absl::StatusOr<OciConfigFile> ParseOciConfig(absl::string_view json) {
  ASSIGN_OR_RETURN(const Json document, ParseDocument(json, "the config"));
  OciConfigFile out;
  out.platform = Platform(document);
  const Json& diff_ids = Member(Member(document, "rootfs"), "diff_ids");
  if (!diff_ids.is_array()) return Wrong("the config has no list of diff ids");
  RETURN_IF_ERROR(CheckLayerCount(diff_ids.size()));
  for (const Json& each : diff_ids) {
    ASSIGN_OR_RETURN(std::string digest,
                     Digest(each.is_string() ? each.get<std::string>() : "", "a diff id"));
    out.diff_ids.push_back(std::move(digest));
  }
  const Json& config = Member(document, "config");
  TakeEnvironment(Member(config, "Env"), &out);
  TakeWorkdir(Text(config, "WorkingDir"), &out);
  out.config.user = Plain(Text(config, "User"), 100);
  return out;
}

}  // namespace glovebox
