// The sandbox's file tree, from detached mounts to a pivoted root. Each function is the step of its
// name, in the order of setup_step.h; nothing of the payload runs yet, so no name can be swapped
// between a check and its use. The image, though, is hostile: what it holds at a mount point is
// checked without following links.
#ifndef GLOVEBOX_INIT_ROOTFS_H_
#define GLOVEBOX_INIT_ROOTFS_H_

#include "base/unique_fd.h"
#include "init/plan_reader.h"

namespace glovebox {

class Rootfs {
 public:
  explicit Rootfs(const PlanReader& plan) : plan_(plan) {}

  void Stage();
  void AttachLayers();
  void MountOverlay();
  void MountBinds();
  void MountCaches();
  void MountProc();
  void MaskProc();
  void MountDev();
  void MountTmp();
  void MountResolver();
  void LimitNamespaces();
  void SetNetworkSysctls();
  void PivotRoot();
  void DetachOldRoot();
  void CheckRoot();

 private:
  const PlanReader& plan_;
  UniqueFd root_;  // of the new tree
  // /proc/sys/user and /proc/sys/net/ipv4, opened before they are masked read-only.
  UniqueFd user_sysctls_;
  UniqueFd network_sysctls_;
};

}  // namespace glovebox

#endif  // GLOVEBOX_INIT_ROOTFS_H_
