#include "snapshot/oci_import.h"

#include <sys/utsname.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/sha256.h"
#include "base/status.h"
#include "snapshot/import_progress.h"
#include "snapshot/layer_store.h"
#include "snapshot/single_flight.h"
#include "snapshot/worker_tree.h"

namespace glovebox {
namespace {

constexpr char kRoot[] = "/image-root";

// Of one layer, when it goes before it can be held: deletions and failed imports remove what nobody
// holds.
constexpr int kTakeTries = 5;

// The host's, in OCI's words.
absl::StatusOr<std::string> HostPlatform() {
  utsname name{};
  if (::uname(&name) != 0) return ErrnoError(errno, "uname");
  const absl::string_view machine = name.machine;
  if (machine == "x86_64") return std::string("linux/amd64");
  if (machine == "aarch64") return std::string("linux/arm64");
  return absl::StrCat("linux/", machine);
}

// OCI image specification, config.md: ChainID.
std::string ChainId(const std::string& below, const std::string& diff_id) {
  if (below.empty()) return diff_id;
  Sha256 digest;
  digest.Update(absl::StrCat("sha256:", below, " sha256:", diff_id));
  return digest.FinishHex();
}

absl::Status Exists(const std::string& name) {
  return DetailedError(
      absl::StatusCode::kAlreadyExists, absl::StrCat("image \"", name, "\" exists"),
      {"IMAGE_EXISTS", {{"image", name}, {"remedy", "delete it first, or choose another name"}}});
}

}  // namespace

std::vector<OciLayerGroup> GroupLayers(const std::vector<OciLayer>& layers) {
  std::vector<OciLayerGroup> groups;
  std::string chain;
  for (const OciLayer& layer : layers) {
    chain = ChainId(chain, layer.diff_id);
    if (groups.size() < kImageLayersMax) groups.emplace_back();
    groups.back().key = chain;
    groups.back().layers.push_back(layer);
  }
  if (!groups.empty() && groups.back().layers.size() > 1) {
    // Not the same disk as that of the uppermost of them alone.
    Sha256 digest;
    digest.UpdateField("glovebox layers as one");
    digest.UpdateField(groups.back().key);
    groups.back().key = digest.FinishHex();
  }
  return groups;
}

struct OciImporter::State {
  ImageStore* store = nullptr;
  ImporterDeps deps;
  // By source and key: a layer that is damaged in one source may be whole in another.
  SingleFlight<LayerInfo> flights;

  absl::StatusOr<WorkerResult> Work(const ImportSource& source, std::vector<std::string> arguments,
                                    std::vector<Layer> base,
                                    const ImportProgressCallback& progress) const {
    ImportProgressParser parser(progress);
    WorkerJob job = ImporterJob(deps, source, std::move(arguments));
    job.as_root_inside = true;
    job.base = std::move(base);
    job.on_stderr = [&](absl::string_view bytes) { parser.Feed(bytes); };
    ASSIGN_OR_RETURN(WorkerResult result, deps.runner->Run(job));
    RETURN_IF_ERROR(ImporterFailure(result, deps.limits, source.path));
    return result;
  }

  absl::StatusOr<OciImage> Resolve(const ImportSource& source,
                                   const ImportProgressCallback& progress) const {
    ASSIGN_OR_RETURN(const std::string platform, HostPlatform());
    ASSIGN_OR_RETURN(const WorkerResult result,
                     Work(source, {"oci-resolve", ImporterInput(source), platform}, {}, progress));
    absl::StatusOr<OciImage> image = ParseOciImage(result.stdout_bytes);
    if (image.ok()) return image;
    return DetailedError(absl::StatusCode::kFailedPrecondition,
                         absl::StrCat(source.path, ": the image's description is refused: ",
                                      image.status().message()),
                         {"ARCHIVE_INVALID", {{"path", source.path}}});
  }

  // `below`: uppermost first.
  absl::StatusOr<LayerInfo> Unpack(const ImportSource& source, const OciLayerGroup& group,
                                   const std::vector<Layer>& below,
                                   const ImportProgressCallback& progress) const {
    if (const std::optional<LayerInfo> there = store->layers()->Find(group.key)) return *there;
    std::vector<std::string> arguments = {"oci-layers", ImporterInput(source), kRoot,
                                          absl::StrCat(deps.limits.disk_bytes)};
    for (const OciLayer& layer : group.layers) {
      arguments.push_back(layer.blob);
      arguments.push_back(layer.digest.empty() ? "-" : layer.digest);
      arguments.push_back(layer.diff_id);
    }
    std::vector<Layer> base = below;
    for (Layer& layer : base) layer.subdirectory = SealedStore::kRoot;
    ASSIGN_OR_RETURN(WorkerResult result,
                     Work(source, std::move(arguments), std::move(base), progress));
    progress({.phase = ImportPhase::kSealing});
    RETURN_IF_ERROR(KeepWorkerTree(*result.disk, LayerStore::kTree, LayerStore::kTree));
    return store->layers()->Commit(std::move(result.disk), group.key);
  }

  // The layer in the store, held from here on.
  absl::StatusOr<Layer> Take(const ImportSource& source, const OciLayerGroup& group,
                             const std::vector<Layer>& below,
                             const ImportProgressCallback& progress) {
    for (int left = kTakeTries;; --left) {
      RETURN_IF_ERROR(flights
                          .Do(absl::StrCat(source.key, " ", group.key),
                              [&] { return Unpack(source, group, below, progress); })
                          .status());
      absl::StatusOr<Layer> layer = store->layers()->Lease(group.key);
      if (!absl::IsNotFound(layer.status()) || left <= 1) return layer;
    }
  }

  absl::StatusOr<ImageInfo> Finish(const ImportSource& source, const ImageImportRequest& request,
                                   std::vector<Layer> below, ImageParts parts,
                                   const ImportProgressCallback& progress) const {
    for (Layer& layer : below) layer.subdirectory = SealedStore::kRoot;
    std::string& workdir = parts.config.workdir;
    ASSIGN_OR_RETURN(WorkerResult result,
                     Work(source, {"oci-finish", kRoot, workdir}, std::move(below), progress));
    if (!workdir.empty() && result.stdout_bytes != "workdir\n") {
      parts.notes.push_back(absl::StrCat("the working directory is not in the image: ", workdir));
      workdir.clear();
    }
    progress({.phase = ImportPhase::kSealing});
    RETURN_IF_ERROR(KeepWorkerTree(*result.disk, LayerStore::kTree, LayerStore::kTree));
    return store->Commit(std::move(result.disk), request.name, request.path, parts);
  }
};

OciImporter::OciImporter(ImageStore* store, ImporterDeps deps) : state_(std::make_unique<State>()) {
  state_->store = store;
  state_->deps = std::move(deps);
}

OciImporter::~OciImporter() = default;

absl::StatusOr<ImageInfo> OciImporter::Import(const ImageImportRequest& request,
                                              const ImportProgressCallback& progress) {
  absl::StatusOr<ImageInfo> image = ImportAll(request, progress);
  // Its layers are held no more, and may be nobody's: no quota counts those, so they do not stay.
  if (!image.ok()) state_->store->RemoveUnusedLayers();
  return image;
}

absl::StatusOr<ImageInfo> OciImporter::ImportAll(const ImageImportRequest& request,
                                                 const ImportProgressCallback& progress) {
  ASSIGN_OR_RETURN(const std::string name, ParseImageName(request.name));
  // Known early: unpacking takes seconds. Commit decides.
  if (state_->store->Find(name).ok()) return Exists(name);
  ASSIGN_OR_RETURN(const ImportSource source,
                   IdentifySource(request.path, "ARCHIVE_NOT_FOUND", request.allowed));
  const ImportProgressCallback report = progress ? progress : [](const ImportProgress&) {};
  report({.phase = ImportPhase::kResolving});
  ASSIGN_OR_RETURN(OciImage image, state_->Resolve(source, report));
  std::vector<Layer> layers;  // uppermost first
  ImageParts parts;
  parts.config = std::move(image.config);
  parts.notes = std::move(image.notes);
  for (const OciLayerGroup& group : GroupLayers(image.layers)) {
    ASSIGN_OR_RETURN(Layer layer, state_->Take(source, group, layers, report));
    layers.insert(layers.begin(), std::move(layer));
    parts.layers.push_back(group.key);
  }
  const size_t flattened = image.layers.size() - parts.layers.size();
  if (flattened > 0) {
    parts.notes.push_back(absl::StrCat("the uppermost ", flattened + 1,
                                       " layers are kept as one: at most ", kImageLayersMax,
                                       " are kept"));
  }
  return state_->Finish(source, request, layers, std::move(parts), report);
}

}  // namespace glovebox
