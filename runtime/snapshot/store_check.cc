#include "snapshot/store_check.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/status.h"

namespace glovebox {
namespace {

// Children of a damaged parent are told about as well: they go first.
std::string RemedyFor(const SnapshotInfo& info, const std::vector<SnapshotInfo>& all) {
  for (const SnapshotInfo& other : all) {
    if (other.parent != info.digest) continue;
    return "delete the snapshots over it and then this one, and import them again";
  }
  return "delete it and import it again";
}

std::string ImagesWith(const ImageStore& store, const std::string& key) {
  std::vector<std::string> names;
  for (const ImageInfo& image : store.List()) {
    const std::vector<std::string>& layers = image.parts.layers;
    if (std::find(layers.begin(), layers.end(), key) != layers.end()) names.push_back(image.name);
  }
  return absl::StrJoin(names, ", ");
}

// "NAME: WHY", as stores keep it of what they refused at Open.
EntryCheck Refused(absl::string_view folder, absl::string_view refused) {
  const std::pair<absl::string_view, absl::string_view> parts =
      absl::StrSplit(refused, absl::MaxSplits(": ", 1));
  return {std::string(parts.first), std::string(parts.second),
          absl::StrCat("it is not served; remove it from the state directory's ", folder,
                       "/ while the daemon is stopped, and import it again")};
}

}  // namespace

absl::Status CheckSnapshots(SnapshotStore* store, bool read_content,
                            absl::FunctionRef<absl::Status(const EntryCheck&)> tell) {
  const std::vector<SnapshotInfo> all = store->List();
  for (auto info = all.rbegin(); info != all.rend(); ++info) {
    EntryCheck check{info->digest, "", ""};
    const absl::Status verified = store->VerifyEntry(info->digest, read_content);
    if (absl::IsNotFound(verified)) continue;
    if (!verified.ok()) {
      check.problem = std::string(verified.message());
      check.remedy = RemedyFor(*info, all);
    }
    RETURN_IF_ERROR(tell(check));
  }
  for (const std::string& refused : store->damaged()) {
    RETURN_IF_ERROR(tell(Refused("snapshots", refused)));
  }
  return absl::OkStatus();
}

absl::Status CheckImages(ImageStore* store, bool read_content,
                         absl::FunctionRef<absl::Status(const EntryCheck&)> tell) {
  const auto check = [&](const std::string& name, const absl::Status& verified,
                         absl::string_view remedy) {
    if (absl::IsNotFound(verified)) return absl::OkStatus();  // deleted meanwhile
    EntryCheck entry{name, std::string(verified.message()), ""};
    if (!verified.ok()) entry.remedy = std::string(remedy);
    return tell(entry);
  };
  for (const std::string& key : store->layers()->Keys()) {
    RETURN_IF_ERROR(
        check(absl::StrCat("image-layers/", key), store->layers()->Verify(key, read_content),
              absl::StrCat("delete what has it and import it again: ", ImagesWith(*store, key))));
  }
  for (const ImageInfo& image : store->List()) {
    if (image.built_in) continue;
    RETURN_IF_ERROR(check(absl::StrCat("images/", image.name),
                          store->Verify(image.name, read_content),
                          "delete it and import it again"));
  }
  for (const std::string& refused : store->damaged()) {
    RETURN_IF_ERROR(tell(Refused("images/ or image-layers", refused)));
  }
  return absl::OkStatus();
}

}  // namespace glovebox
