#include "importer/oci_resolve.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/sha256.h"
#include "base/status.h"
#include "importer/oci_manifest.h"
#include "importer/refusal.h"

namespace glovebox {
namespace {

// An index may name indexes; what is deeper than this goes round in a circle.
constexpr int kIndexDepthMax = 4;
constexpr size_t kIndexesMax = 64;

std::string BlobName(const std::string& digest) { return absl::StrCat("blobs/sha256/", digest); }

std::string DigestOf(absl::string_view bytes) {
  Sha256 digest;
  digest.Update(bytes);
  return digest.FinishHex();
}

absl::StatusOr<std::string> ReadBlob(const OciSource& source, const std::string& digest) {
  const std::string name = BlobName(digest);
  absl::StatusOr<std::string> bytes = source.Read(name, kDocumentBytesMax);
  if (absl::IsNotFound(bytes.status())) return RefuseEntry(name, "is missing");
  if (bytes.ok() && DigestOf(*bytes) != digest) {
    return RefuseEntry(name, "is not what its digest says");
  }
  return bytes;
}

class Resolver {
 public:
  Resolver(const OciSource& source, std::string platform)
      : source_(source), platform_(std::move(platform)) {}

  absl::StatusOr<OciImage> Run() {
    const absl::StatusOr<std::string> index = source_.Read("index.json", kDocumentBytesMax);
    if (absl::IsNotFound(index.status())) return Docker();
    RETURN_IF_ERROR(index.status());
    RETURN_IF_ERROR(Index(*index, 0));
    if (found_.empty()) {
      return absl::InvalidArgumentError(absl::StrCat("there is no image for ", platform_));
    }
    if (found_.size() > 1) {
      return absl::InvalidArgumentError(absl::StrCat("there are ", found_.size(), " images for ",
                                                     platform_, "; give a layout of one"));
    }
    return Manifest(found_[0].first, std::move(found_[0].second));
  }

 private:
  absl::Status Index(absl::string_view json, int depth) {
    if (depth > kIndexDepthMax || ++indexes_ > kIndexesMax) {
      return absl::ResourceExhaustedError("indexes name indexes without end");
    }
    ASSIGN_OR_RETURN(const std::vector<OciDescriptor> descriptors, ParseOciIndex(json));
    for (const OciDescriptor& each : descriptors) {
      if (!each.is_image) continue;
      if (each.kind == OciDescriptor::Kind::kIndex) {
        ASSIGN_OR_RETURN(const std::string below, ReadBlob(source_, each.digest));
        RETURN_IF_ERROR(Index(below, depth + 1));
      } else if (each.kind == OciDescriptor::Kind::kManifest &&
                 (each.platform.empty() || each.platform == platform_)) {
        RETURN_IF_ERROR(Candidate(each.digest));
      }
    }
    return absl::OkStatus();
  }

  // A manifest counts by the platform in its config, which an index need not repeat.
  absl::Status Candidate(const std::string& digest) {
    for (const auto& [manifest, config] : found_) {
      if (manifest.digest == digest) return absl::OkStatus();
    }
    ASSIGN_OR_RETURN(const std::string json, ReadBlob(source_, digest));
    ASSIGN_OR_RETURN(OciManifest manifest, ParseOciManifest(json));
    ASSIGN_OR_RETURN(const std::string text, ReadBlob(source_, manifest.config));
    ASSIGN_OR_RETURN(OciConfigFile config, ParseOciConfig(text));
    if (!config.platform.empty() && config.platform != platform_) return absl::OkStatus();
    found_.emplace_back(Blobs{digest, std::move(manifest.layers), /*digests=*/true},
                        std::move(config));
    return absl::OkStatus();
  }

  absl::StatusOr<OciImage> Docker() const {
    const absl::StatusOr<std::string> json = source_.Read("manifest.json", kDocumentBytesMax);
    if (absl::IsNotFound(json.status())) {
      return absl::InvalidArgumentError(
          "neither an OCI image layout (index.json) nor of `docker save` (manifest.json)");
    }
    RETURN_IF_ERROR(json.status());
    ASSIGN_OR_RETURN(OciManifest manifest, ParseDockerManifest(*json));
    const absl::StatusOr<std::string> text = source_.Read(manifest.config, kDocumentBytesMax);
    if (absl::IsNotFound(text.status())) return RefuseEntry(manifest.config, "is missing");
    RETURN_IF_ERROR(text.status());
    ASSIGN_OR_RETURN(OciConfigFile config, ParseOciConfig(*text));
    if (!config.platform.empty() && config.platform != platform_) {
      return absl::InvalidArgumentError(
          absl::StrCat("the image is for ", config.platform.substr(0, 60), ", not ", platform_));
    }
    return Manifest({"", std::move(manifest.layers), /*digests=*/false}, std::move(config));
  }

  struct Blobs {
    std::string digest;  // of the manifest
    std::vector<std::string> layers;
    bool digests = false;  // layers are digests, else names
  };

  static absl::StatusOr<OciImage> Manifest(const Blobs& blobs, OciConfigFile config) {
    if (blobs.layers.size() != config.diff_ids.size()) {
      return absl::InvalidArgumentError(absl::StrCat("the manifest has ", blobs.layers.size(),
                                                     " layers, the config ",
                                                     config.diff_ids.size()));
    }
    OciImage image;
    for (size_t i = 0; i < blobs.layers.size(); ++i) {
      const std::string& layer = blobs.layers[i];
      image.layers.push_back({blobs.digests ? BlobName(layer) : layer, blobs.digests ? layer : "",
                              config.diff_ids[i]});
    }
    image.config = std::move(config.config);
    image.notes = std::move(config.notes);
    return image;
  }

  const OciSource& source_;
  const std::string platform_;
  size_t indexes_ = 0;
  std::vector<std::pair<Blobs, OciConfigFile>> found_;
};

}  // namespace

absl::StatusOr<OciImage> ResolveOciImage(const OciSource& source, const std::string& platform) {
  return Resolver(source, platform).Run();
}

}  // namespace glovebox
