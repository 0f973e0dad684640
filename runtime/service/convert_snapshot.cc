#include "service/convert_snapshot.h"

#include <algorithm>
#include <optional>

#include "absl/strings/str_cat.h"
#include "service/convert_time.h"
#include "service/request_error.h"

namespace glovebox {
namespace {

v1::ImportPhase ToProto(ImportPhase phase) {
  switch (phase) {
    case ImportPhase::kResolving:
    case ImportPhase::kCopying:
      return v1::IMPORT_PHASE_RECEIVING;
    case ImportPhase::kCheckingOut:
    case ImportPhase::kIndexing:
    case ImportPhase::kUnpacking:
      return v1::IMPORT_PHASE_UNPACKING;
    case ImportPhase::kSealing:
      return v1::IMPORT_PHASE_SEALING;
  }
  return v1::IMPORT_PHASE_UNSPECIFIED;
}

v1::RepositoryHistory ToProto(History history) {
  switch (history) {
    case History::kFull:
      return v1::REPOSITORY_HISTORY_FULL;
    case History::kShallow:
      return v1::REPOSITORY_HISTORY_SHALLOW;
    case History::kNone:
      return v1::REPOSITORY_HISTORY_NONE;
  }
  return v1::REPOSITORY_HISTORY_UNSPECIFIED;
}

template <typename Uses>
uint32_t Count(const std::vector<SandboxInfo>& sandboxes, Uses uses) {
  return static_cast<uint32_t>(std::count_if(sandboxes.begin(), sandboxes.end(), uses));
}

}  // namespace

bool UsesSnapshot(const SandboxInfo& sandbox, const std::string& digest) {
  return sandbox.snapshot == digest ||
         std::any_of(sandbox.caches.begin(), sandbox.caches.end(),
                     [&](const CacheMount& cache) { return cache.snapshot == digest; });
}

v1::Snapshot ToProto(const SnapshotInfo& info, const std::vector<SandboxInfo>& sandboxes) {
  v1::Snapshot proto;
  proto.set_digest(info.digest);
  *proto.mutable_create_time() = ToProtoTime(info.created);
  proto.set_commit(info.commit);
  proto.set_source(info.source);
  proto.set_disk_bytes(info.bytes_used);
  proto.set_file_count(info.inodes_used);
  proto.set_sandbox_count(
      Count(sandboxes, [&](const SandboxInfo& s) { return UsesSnapshot(s, info.digest); }));
  if (info.last_used > absl::UnixEpoch()) {
    *proto.mutable_last_use_time() = ToProtoTime(info.last_used);
  }
  proto.set_parent(info.parent);
  proto.set_layer_count(info.layers);
  proto.set_history(ToProto(info.history));
  return proto;
}

v1::Image ToProto(const ImageInfo& info, const std::vector<SandboxInfo>& sandboxes,
                  const ImageStore& images) {
  v1::Image proto;
  proto.set_name(info.name);
  proto.set_digest(info.digest);
  *proto.mutable_create_time() = ToProtoTime(info.created);
  proto.set_source(info.source);
  proto.set_disk_bytes(info.bytes_used);
  proto.set_file_count(info.inodes_used);
  proto.set_sandbox_count(
      Count(sandboxes, [&](const SandboxInfo& s) { return s.image == info.name; }));
  proto.set_built_in(info.built_in);
  for (const std::string& key : info.parts.layers) {
    v1::ImageLayer& layer = *proto.add_layers();
    layer.set_chain_id(absl::StrCat("sha256:", key));
    const std::optional<LayerInfo> kept = images.layers()->Find(key);
    if (kept.has_value()) layer.set_disk_bytes(kept->bytes_used);
    layer.set_image_count(images.CountImagesWith(key));
  }
  for (const std::string& variable : info.parts.config.environment) {
    proto.mutable_config()->add_environment(variable);
  }
  if (!info.parts.layers.empty()) {
    proto.mutable_config()->set_workdir(info.parts.config.workdir);
    proto.mutable_config()->set_user(info.parts.config.user);
  }
  for (const std::string& note : info.parts.notes) proto.add_notes(note);
  return proto;
}

v1::ImportProgress ToProto(const ImportProgress& progress) {
  v1::ImportProgress proto;
  proto.set_phase(ToProto(progress.phase));
  proto.set_bytes_done(progress.bytes);
  if (progress.bytes_total != 0) proto.set_bytes_total(progress.bytes_total);
  proto.set_items_done(std::max(progress.objects, progress.files));
  return proto;
}

v1::Digest ToProto(const BlobDigest& digest) {
  v1::Digest proto;
  proto.set_hash(digest.hash);
  proto.set_size_bytes(static_cast<int64_t>(digest.size_bytes));
  return proto;
}

absl::StatusOr<BlobDigest> FromProto(const v1::Digest& proto, absl::string_view field) {
  absl::StatusOr<BlobDigest> digest = MakeBlobDigest(proto.hash(), proto.size_bytes());
  return digest.ok() ? digest : FieldError(field, digest.status().message());
}

}  // namespace glovebox
