#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "base/ids.h"
#include "base/status.h"
#include "linux/file_io.h"
#include "linux/mount.h"
#include "snapshot/directory_list.h"
#include "snapshot/disk.h"
#include "snapshot/disk_attach.h"
#include "snapshot/disk_copy.h"
#include "snapshot/disk_remover.h"
#include "snapshot/disk_stock.h"
#include "snapshot/disk_template.h"
#include "snapshot/sparse_copy.h"

namespace glovebox {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr uint64_t kBytesPerInodeMin = 4096;
constexpr uint64_t kInodesMin = 64;
constexpr uint64_t kInodesMax = 200'000'000;
constexpr size_t kLeftoversMax = 1'000'000;

absl::Status SizeError(const std::string& message) {
  return DetailedError(absl::StatusCode::kInvalidArgument, message, {"DISK_SIZE_INVALID", {}});
}

// A copy takes as much room as the original has data.
absl::Status NoRoom(const absl::Status& copied) {
  if (!absl::IsResourceExhausted(copied)) return copied;
  return DetailedError(absl::StatusCode::kResourceExhausted,
                       "the file system of the state directory has no room for a copy of the "
                       "sandbox's disk; delete sandboxes or snapshots, or use another host",
                       {"HOST_FULL", {}});
}

// What templates are made for: whole MiB, and a number of inodes.
absl::StatusOr<DiskSize> Normalize(uint64_t bytes, uint64_t inodes) {
  if (bytes < DiskFactory::kBytesMin || bytes > DiskFactory::kBytesMax) {
    return SizeError(absl::StrCat("a disk of ", bytes, " bytes: must be ", DiskFactory::kBytesMin,
                                  " to ", DiskFactory::kBytesMax));
  }
  const DiskSize size{(bytes + kMiB - 1) / kMiB * kMiB, inodes};
  const uint64_t inodes_max = std::min(size.bytes / kBytesPerInodeMin, kInodesMax);
  if (inodes == 0) {
    const uint64_t usual = std::max<uint64_t>(size.bytes / 16384, 16384);
    return DiskSize{size.bytes, std::min(usual, inodes_max)};
  }
  if (inodes < kInodesMin || inodes > inodes_max) {
    return SizeError(absl::StrCat(inodes, " inodes on a disk of ", size.bytes, " bytes: must be ",
                                  kInodesMin, " to ", inodes_max));
  }
  return size;
}

// Mounts of a dead process went with its namespace; those of this one (a factory opened again) are
// detached.
absl::Status RemoveLeftovers(const std::string& directory, const std::set<std::string>& kept) {
  const std::string mounts = absl::StrCat(directory, "/mounts");
  ASSIGN_OR_RETURN(const std::vector<std::string> names,
                   ListDirectoryAt(AT_FDCWD, mounts, kLeftoversMax));
  for (const std::string& name : names) {
    RETURN_IF_ERROR(DetachMount(absl::StrCat(mounts, "/", name)));
  }
  for (const char* name : {"templates", "mounts"}) {
    const std::string path = absl::StrCat(directory, "/", name);
    RETURN_IF_ERROR(RemoveTreeAt(AT_FDCWD, path));
    RETURN_IF_ERROR(MakeDirectoryAt(AT_FDCWD, path, 0700));
  }
  const std::string images = absl::StrCat(directory, "/images");
  RETURN_IF_ERROR(MakeDirectoryAt(AT_FDCWD, images, 0700));
  ASSIGN_OR_RETURN(const std::vector<std::string> files,
                   ListDirectoryAt(AT_FDCWD, images, kLeftoversMax));
  for (const std::string& file : files) {
    if (kept.contains(file.substr(0, file.find('.')))) continue;
    RETURN_IF_ERROR(RemoveTreeAt(AT_FDCWD, absl::StrCat(images, "/", file)));
  }
  return absl::OkStatus();
}

}  // namespace

struct DiskFactory::State {
  explicit State(const std::string& directory_path)
      : directory(directory_path),
        remover(std::make_shared<DiskRemover>()),
        templates(absl::StrCat(directory_path, "/templates"),
                  absl::StrCat(directory_path, "/mounts")),
        stock([this](const DiskSize& size) { return Make(size); }) {}

  std::string NewMountPath(const std::string& id) const {
    return absl::StrCat(directory, "/mounts/", id);
  }

  std::string ImagePath(const std::string& id) const {
    return absl::StrCat(directory, "/images/", id, ".img");
  }

  absl::StatusOr<std::unique_ptr<Disk>> Make(const DiskSize& size) {
    const std::string id = NewRandomId();
    const std::string image_path = ImagePath(id);
    absl::Cleanup remove = [&] { (void)::unlink(image_path.c_str()); };  // or the next Open does
    {
      ASSIGN_OR_RETURN(const UniqueFd blank, templates.Open(size.bytes, size.inodes));
      ASSIGN_OR_RETURN(const UniqueFd image,
                       OpenAt(AT_FDCWD, image_path, O_RDWR | O_CREAT | O_EXCL, 0600));
      RETURN_IF_ERROR(CopySparse(blank.get(), image.get()));
    }
    ASSIGN_OR_RETURN(std::unique_ptr<Disk> disk,
                     DiskAttacher::Attach(image_path, NewMountPath(id),
                                          /*read_only=*/false, remover));
    std::move(remove).Cancel();
    return disk;
  }

  // A new, empty image file; what becomes of it is `image`'s to decide.
  absl::StatusOr<UniqueFd> NewImage(DiskImage* image) const {
    *image = DiskImage(ImagePath(NewRandomId()), remover);
    return OpenAt(AT_FDCWD, image->path(), O_RDWR | O_CREAT | O_EXCL, 0600);
  }

  const std::string directory;
  const std::shared_ptr<DiskRemover> remover;
  DiskTemplates templates;
  DiskStock stock;  // last: its thread uses all of the above
};

DiskFactory::DiskFactory(std::unique_ptr<State> state) : state_(std::move(state)) {}

DiskFactory::~DiskFactory() {
  const std::shared_ptr<DiskRemover> remover = state_->remover;
  state_.reset();
  remover->Drain();
}

absl::StatusOr<std::unique_ptr<DiskFactory>> DiskFactory::Open(const std::string& directory,
                                                               const std::set<std::string>& kept) {
  RETURN_IF_ERROR(MakeDirectoryAt(AT_FDCWD, directory, 0700));
  RETURN_IF_ERROR(MakeDirectoryAt(AT_FDCWD, absl::StrCat(directory, "/mounts"), 0700));
  RETURN_IF_ERROR(RemoveLeftovers(directory, kept));
  return std::unique_ptr<DiskFactory>(new DiskFactory(std::make_unique<State>(directory)));
}

absl::StatusOr<std::unique_ptr<Disk>> DiskFactory::Create(uint64_t bytes, uint64_t inodes) {
  ASSIGN_OR_RETURN(const DiskSize size, Normalize(bytes, inodes));
  std::unique_ptr<Disk> disk = state_->stock.Take(size);
  if (disk != nullptr) return disk;
  return state_->Make(size);
}

absl::StatusOr<std::unique_ptr<Disk>> DiskFactory::Adopt(const std::string& name,
                                                         const LoopDevices& devices) {
  // A name from a record: it must not lead anywhere else.
  RETURN_IF_ERROR(ParseSandboxId(name).status());
  return DiskAttacher::Attach(state_->ImagePath(name), state_->NewMountPath(NewRandomId()),
                              /*read_only=*/false, state_->remover, &devices);
}

absl::StatusOr<DiskSnapshot> DiskFactory::CopyNow(const Disk& disk, const StandStill& still) {
  ASSIGN_OR_RETURN(const UniqueFd from, OpenAt(AT_FDCWD, disk.image_path(), O_RDONLY | O_NOFOLLOW));
  DiskSnapshot snapshot{DiskImage("", state_->remover), absl::ZeroDuration()};
  const absl::StatusOr<UniqueFd> to = state_->NewImage(&snapshot.image);
  RETURN_IF_ERROR(NoRoom(to.status()));
  absl::StatusOr<absl::Duration> frozen = CopyDiskNow(disk.root_fd(), from.get(), to->get(), still);
  RETURN_IF_ERROR(NoRoom(frozen.status()));
  snapshot.frozen = *frozen;
  return snapshot;
}

absl::StatusOr<DiskImage> DiskFactory::Duplicate(const DiskImage& image, const GivenUp& given_up) {
  ASSIGN_OR_RETURN(const UniqueFd from, OpenAt(AT_FDCWD, image.path(), O_RDONLY | O_NOFOLLOW));
  DiskImage copy("", state_->remover);
  const absl::StatusOr<UniqueFd> to = state_->NewImage(&copy);
  RETURN_IF_ERROR(NoRoom(to.status()));
  RETURN_IF_ERROR(NoRoom(CopySparse(from.get(), to->get(), given_up)));
  return copy;
}

absl::StatusOr<DiskImage> DiskFactory::FindImage(const std::string& name) const {
  RETURN_IF_ERROR(ParseSandboxId(name).status());  // as in Adopt
  const std::string path = state_->ImagePath(name);
  RETURN_IF_ERROR(OpenAt(AT_FDCWD, path, O_RDONLY | O_NOFOLLOW).status());
  return DiskImage(path, state_->remover);
}

absl::StatusOr<std::unique_ptr<Disk>> DiskFactory::Attach(DiskImage image) {
  ASSIGN_OR_RETURN(std::unique_ptr<Disk> disk,
                   DiskAttacher::Attach(image.path(), state_->NewMountPath(NewRandomId()),
                                        /*read_only=*/false, state_->remover));
  image.Leave();  // the disk has it now
  RETURN_IF_ERROR(KeepOnlyUpper(disk->root_fd()));
  return disk;
}

void DiskFactory::WaitForRemovals() { state_->remover->Drain(); }

absl::StatusOr<std::unique_ptr<Disk>> DiskFactory::OpenSealed(const std::string& image_path) {
  return DiskAttacher::Attach(image_path, state_->NewMountPath(NewRandomId()), /*read_only=*/true,
                              state_->remover);
}

void DiskFactory::KeepInStock(uint64_t bytes, uint64_t inodes, int count) {
  const absl::StatusOr<DiskSize> size = Normalize(bytes, inodes);
  if (!size.ok()) return;  // nothing can be made of this size: Create says why
  state_->stock.Keep(*size, static_cast<size_t>(std::clamp(count, 0, kStockMax)));
}

int DiskFactory::in_stock() const { return static_cast<int>(state_->stock.size()); }

}  // namespace glovebox
