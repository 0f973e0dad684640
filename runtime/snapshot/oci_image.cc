#include "snapshot/oci_image.h"

#include <algorithm>
#include <array>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/escape.h"
#include "base/status.h"
#include "nlohmann/json.hpp"
#include "snapshot/record_json.h"

namespace glovebox {
namespace {

using Json = nlohmann::json;

constexpr size_t kVariablesMax = 256;
constexpr size_t kNotesMax = 64;
constexpr size_t kPathBytesMax = 1024;

constexpr absl::string_view kNames[] = {
    "PATH",         "LANG",           "LANGUAGE",  "TZ",          "JAVA_HOME",     "GOPATH",
    "GOROOT",       "GOFLAGS",        "CC",        "CXX",         "CFLAGS",        "CPPFLAGS",
    "CXXFLAGS",     "LDFLAGS",        "M2_HOME",   "VIRTUAL_ENV", "SSL_CERT_FILE", "EDITOR",
    "PAGER",        "GPG_KEY",        "RUSTFLAGS", "CLASSPATH",   "SSL_CERT_DIR",  "MAKEFLAGS",
    "YARN_VERSION", "DEBIAN_FRONTEND"};
constexpr absl::string_view kPrefixes[] = {
    "LC_",   "JAVA_",  "JDK_",    "MAVEN_", "GRADLE_", "GOLANG_", "PYTHON",
    "PIP_",  "CONDA_", "NODE_",   "NPM_",   "RUBY_",   "GEM_",    "BUNDLE_",
    "RUST_", "CARGO_", "RUSTUP_", "PHP_",   "DOTNET_", "CMAKE_",  "PKG_CONFIG_"};

absl::Status Wrong(absl::string_view why) { return absl::InvalidArgumentError(why); }

bool IsPrintable(absl::string_view text) { return EscapeForPeople(text) == text; }

bool IsPlainPath(absl::string_view path) {
  if (path.size() > kPathBytesMax || !IsPrintable(path)) return false;
  const std::vector<absl::string_view> components = absl::StrSplit(path, '/');
  return std::none_of(components.begin(), components.end(), [](absl::string_view component) {
    return component.empty() || component == "." || component == "..";
  });
}

absl::Status CheckVariable(const std::string& variable, std::set<std::string>* names) {
  const size_t equals = variable.find('=');
  if (equals == std::string::npos || !ImageMaySet(variable.substr(0, equals))) {
    return Wrong("a variable that images may not set");
  }
  if (!names->insert(variable.substr(0, equals)).second) return Wrong("a variable twice");
  return IsPrintable(variable) ? absl::OkStatus() : Wrong("a variable is not printable");
}

absl::Status TakeText(const Json& object, const char* name, std::string* out) {
  const auto it = object.find(name);
  if (it == object.end() || !it->is_string()) return Wrong("a text is missing");
  *out = it->get<std::string>();
  return absl::OkStatus();
}

absl::Status TakeTexts(const Json& object, const char* name, std::vector<std::string>* out) {
  const auto it = object.find(name);
  if (it == object.end() || !it->is_array()) return Wrong("a list is missing");
  for (const Json& item : *it) {
    if (!item.is_string()) return Wrong("a list of other things than texts");
    out->push_back(item.get<std::string>());
  }
  return absl::OkStatus();
}

absl::StatusOr<OciLayer> TakeLayer(const Json& json) {
  OciLayer layer;
  if (!json.is_object()) return Wrong("a layer is no object");
  RETURN_IF_ERROR(TakeText(json, "blob", &layer.blob));
  RETURN_IF_ERROR(TakeText(json, "digest", &layer.digest));
  RETURN_IF_ERROR(TakeText(json, "diff_id", &layer.diff_id));
  if (!IsPlainPath(layer.blob)) return Wrong("the name of a blob is not plain");
  if (!layer.digest.empty() && !IsLowerHex(layer.digest, 64)) return Wrong("a digest is malformed");
  if (!IsLowerHex(layer.diff_id, 64)) return Wrong("a diff id is malformed");
  return layer;
}

}  // namespace

bool ImageMaySet(absl::string_view name) {
  const bool plain = !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  });
  if (!plain) return false;
  return std::find(std::begin(kNames), std::end(kNames), name) != std::end(kNames) ||
         std::any_of(std::begin(kPrefixes), std::end(kPrefixes),
                     [&](absl::string_view prefix) { return absl::StartsWith(name, prefix); });
}

absl::Status CheckImageConfig(const ImageConfig& config) {
  size_t bytes = 0;
  std::set<std::string> names;
  if (config.environment.size() > kVariablesMax) return Wrong("too many variables");
  for (const std::string& variable : config.environment) {
    bytes += variable.size();
    RETURN_IF_ERROR(CheckVariable(variable, &names));
  }
  if (bytes > OciImage::kTextBytesMax) return Wrong("the environment is too large");
  if (!config.workdir.empty() &&
      (config.workdir[0] != '/' || !IsPlainPath(absl::string_view(config.workdir).substr(1)))) {
    return Wrong("the working directory is not plain");
  }
  if (config.user.size() > 256 || !IsPrintable(config.user)) return Wrong("the user is malformed");
  return absl::OkStatus();
}

absl::Status CheckImageNotes(const std::vector<std::string>& notes) {
  size_t bytes = 0;
  for (const std::string& note : notes) {
    bytes += note.size();
    if (!IsPrintable(note)) return Wrong("a note is not printable");
  }
  if (notes.size() > kNotesMax || bytes > OciImage::kTextBytesMax) return Wrong("too many notes");
  return absl::OkStatus();
}

std::string FormatOciImage(const OciImage& image) {
  Json layers = Json::array();
  for (const OciLayer& layer : image.layers) {
    layers.push_back({{"blob", layer.blob}, {"digest", layer.digest}, {"diff_id", layer.diff_id}});
  }
  const Json json = {{"layers", layers},
                     {"environment", image.config.environment},
                     {"workdir", image.config.workdir},
                     {"user", image.config.user},
                     {"notes", image.notes}};
  return json.dump(-1, ' ', true, Json::error_handler_t::replace);
}

absl::StatusOr<OciImage> ParseOciImage(absl::string_view text) {
  if (text.size() > 64 * 1024) return Wrong("the answer is too long");
  // Its nesting is bounded by its length, and the parser does not recurse.
  const Json json = Json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return Wrong("the answer is no object");
  OciImage image;
  const auto layers = json.find("layers");
  if (layers == json.end() || !layers->is_array() || layers->size() > OciImage::kLayersMax) {
    return Wrong("the layers are missing or too many");
  }
  for (const Json& each : *layers) {
    ASSIGN_OR_RETURN(OciLayer layer, TakeLayer(each));
    image.layers.push_back(std::move(layer));
  }
  RETURN_IF_ERROR(TakeTexts(json, "environment", &image.config.environment));
  RETURN_IF_ERROR(TakeText(json, "workdir", &image.config.workdir));
  RETURN_IF_ERROR(TakeText(json, "user", &image.config.user));
  RETURN_IF_ERROR(TakeTexts(json, "notes", &image.notes));
  RETURN_IF_ERROR(CheckImageConfig(image.config));
  RETURN_IF_ERROR(CheckImageNotes(image.notes));
  return image;
}

}  // namespace glovebox
