// JSON of changes, of the store and of the host.
#include "tools/glovebox/json_shapes.h"

namespace glovebox {
namespace {

Json TimeOrNull(const google::protobuf::Timestamp& time) {
  std::string text = TimeText(time);
  return text.empty() ? Json(nullptr) : Json(std::move(text));
}

template <typename T>
void PutIf(Json& out, const char* name, bool set, T value) {
  if (set) out[name] = value;
}

Json VersionJson(const v1::Version& version) {
  return {{"glovebox", version.glovebox()}, {"commit", version.commit()},
          {"kernel", version.kernel()},     {"machine", version.machine()},
          {"cgroup", version.cgroup()},     {"operating_system", version.operating_system()}};
}

Json CapacityJson(const v1::Capacity& capacity) {
  return {{"cpus", capacity.cpus()},
          {"memory_bytes", capacity.memory_bytes()},
          {"memory_available_bytes", capacity.memory_available_bytes()},
          {"disk_bytes", capacity.disk_bytes()},
          {"disk_available_bytes", capacity.disk_available_bytes()},
          {"sandboxes", capacity.sandboxes()},
          {"sandboxes_max", capacity.sandboxes_max()},
          {"open_execs", capacity.open_execs()},
          {"memory_promised_bytes", capacity.memory_promised_bytes()}};
}

}  // namespace

char ChangeLetter(v1::ChangeKind kind) {
  switch (static_cast<int>(kind)) {
    case v1::CHANGE_KIND_ADDED:
      return 'A';
    case v1::CHANGE_KIND_MODIFIED:
      return 'M';
    case v1::CHANGE_KIND_DELETED:
      return 'D';
    case v1::CHANGE_KIND_RENAMED:
      return 'R';
    case v1::CHANGE_KIND_TYPE_CHANGED:
      return 'T';
    default:
      return '?';
  }
}

Json ChangeJson(const v1::Change& change) {
  Json out;
  PutBytes(out, "path", change.path());
  out["kind"] = std::string(1, ChangeLetter(change.kind()));
  if (!change.old_path().empty()) PutBytes(out, "old_path", change.old_path());
  out["type"] = EnumWord(v1::FileType_Name(change.type()), "FILE_TYPE_");
  PutIf(out, "old_mode", change.has_old_mode(), change.old_mode());
  PutIf(out, "new_mode", change.has_new_mode(), change.new_mode());
  PutIf(out, "old_size_bytes", change.has_old_size_bytes(), change.old_size_bytes());
  PutIf(out, "new_size_bytes", change.has_new_size_bytes(), change.new_size_bytes());
  PutIf(out, "digest", change.has_digest(), change.digest());
  if (change.has_symlink_target()) PutBytes(out, "symlink_target", change.symlink_target());
  PutIf(out, "binary", change.has_binary(), change.binary());
  return out;
}

Json DiffSummaryJson(const v1::DiffSummary& summary) {
  Json skipped = Json::array();
  for (const v1::SkippedFile& file : summary.skipped()) {
    Json item;
    PutBytes(item, "path", file.path());
    item["reason"] = EnumWord(v1::SkipReason_Name(file.reason()), "SKIP_REASON_");
    skipped.push_back(std::move(item));
  }
  Json out;
  out["files_changed"] = summary.files_changed();
  out["lines_added"] = summary.lines_added();
  out["lines_removed"] = summary.lines_removed();
  out["patch_bytes"] = summary.patch_bytes();
  out["skipped_count"] = summary.skipped_count();
  out["skipped"] = std::move(skipped);
  out["digest"] = summary.digest();
  return out;
}

Json CheckpointJson(const v1::Checkpoint& checkpoint) {
  return {{"checkpoint_id", checkpoint.checkpoint_id()},
          {"create_time", TimeOrNull(checkpoint.create_time())},
          {"disk_bytes", checkpoint.disk_bytes()}};
}

Json ImageJson(const v1::Image& image) {
  Json layers = Json::array();
  for (const v1::ImageLayer& layer : image.layers()) {
    layers.push_back({{"chain_id", layer.chain_id()},
                      {"disk_bytes", layer.disk_bytes()},
                      {"image_count", layer.image_count()}});
  }
  return {{"name", image.name()},
          {"digest", image.digest()},
          {"create_time", TimeOrNull(image.create_time())},
          {"source", image.source()},
          {"disk_bytes", image.disk_bytes()},
          {"file_count", image.file_count()},
          {"sandbox_count", image.sandbox_count()},
          {"built_in", image.built_in()},
          {"layers", std::move(layers)},
          {"environment", image.config().environment()},
          {"workdir", image.config().workdir()},
          {"user", image.config().user()},
          {"notes", image.notes()}};
}

Json CacheJson(const v1::Cache& cache) {
  return {{"name", cache.name()},     {"snapshot", cache.snapshot()},
          {"shared", cache.shared()}, {"owner", cache.owner()},
          {"broken", cache.broken()}, {"set_time", TimeOrNull(cache.set_time())}};
}

Json SnapshotJson(const v1::Snapshot& snapshot) {
  return {
      {"digest", snapshot.digest()},
      {"create_time", TimeOrNull(snapshot.create_time())},
      {"commit", snapshot.commit()},
      {"source", snapshot.source()},
      {"disk_bytes", snapshot.disk_bytes()},
      {"file_count", snapshot.file_count()},
      {"sandbox_count", snapshot.sandbox_count()},
      {"last_use_time", TimeOrNull(snapshot.last_use_time())},
      {"parent", snapshot.parent().empty() ? Json() : Json(snapshot.parent())},
      {"layer_count", snapshot.layer_count()},
      {"history", EnumWord(v1::RepositoryHistory_Name(snapshot.history()), "REPOSITORY_HISTORY_")}};
}

Json CapabilityJson(const v1::Capability& capability) {
  return {{"name", capability.name()},
          {"state", EnumWord(v1::CapabilityState_Name(capability.state()), "CAPABILITY_STATE_")},
          {"mechanism", capability.mechanism()},
          {"detail", capability.detail()},
          {"remedy", capability.remedy()},
          {"level", capability.level()}};
}

Json NodeJson(const v1::Node& node) {
  Json capabilities = Json::array();
  for (const v1::Capability& capability : node.capabilities()) {
    capabilities.push_back(CapabilityJson(capability));
  }
  Json labels = Json::object();
  for (const auto& [key, value] :
       std::map<std::string, std::string>(node.labels().begin(), node.labels().end())) {
    labels[key] = value;
  }
  Json out;
  out["host_id"] = node.host_id();
  out["hostname"] = node.hostname();
  out["version"] = VersionJson(node.version());
  out["capabilities"] = std::move(capabilities);
  out["capacity"] = CapacityJson(node.capacity());
  out["labels"] = std::move(labels);
  out["draining"] = node.draining();
  out["start_time"] = TimeOrNull(node.start_time());
  out["default_limits"] = LimitsJson(node.default_limits());
  out["maximum_limits"] = LimitsJson(node.maximum_limits());
  return out;
}

}  // namespace glovebox
