#include "daemon/egress_setup.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/unique_fd.h"
#include "daemon/java_key_store.h"
#include "daemon/name_servers.h"
#include "daemon/state_directory.h"
#include "linux/file_io.h"
#include "linux/mount.h"
#include "policy/ip_address.h"

namespace glovebox {
namespace {

constexpr uint32_t kNobody = 65534;
// Generous to slow hosts; a client gives up earlier.
constexpr uint32_t kOpeningMs = 30'000;
constexpr uint32_t kConnectMs = 20'000;
constexpr uint32_t kIdleMs = 3'600'000;  // a long poll says nothing for long
constexpr char kRootsFile[] = "roots.pem";
constexpr char kJavaRootsFile[] = "roots.jks";
// Of Debian and Alpine, of Fedora, of SUSE.
constexpr const char* kRootsPaths[] = {"/etc/ssl/certs/ca-certificates.crt",
                                       "/etc/pki/tls/certs/ca-bundle.crt",
                                       "/etc/ssl/ca-bundle.pem"};

absl::StatusOr<std::vector<IpAddress>> NameServers(const Config& config) {
  std::vector<IpAddress> servers;
  for (const std::string& text : config.egress_name_servers) {
    ASSIGN_OR_RETURN(const IpAddress server, IpAddress::Parse(text));
    servers.push_back(server);
  }
  if (!servers.empty()) return servers;
  const absl::StatusOr<std::string> text = ReadFileAt(AT_FDCWD, kResolvConf, kResolvConfBytesMax);
  if (!text.ok() && !absl::IsNotFound(text.status())) return text.status();
  return ParseNameServers(text.ok() ? *text : "");
}

absl::Status WriteShown(int directory, const char* name, absl::string_view bytes) {
  ASSIGN_OR_RETURN(const UniqueFd file, OpenAt(directory, name, O_WRONLY | O_CREAT | O_EXCL, 0444));
  if (::fchmod(file.get(), 0444) != 0) return ErrnoError(errno, "fchmod of the roots");
  return WriteAll(file.get(), bytes);
}

}  // namespace

absl::StatusOr<EgressSetup> MakeEgressSetup(const Config& config, uint64_t files) {
  EgressSetup setup;
  setup.uid = kNobody;
  setup.sandboxes_max = static_cast<uint32_t>(std::clamp<uint64_t>(
      files / 4 / kEgressSocketsOnAverage, 1, std::max<uint32_t>(config.sandboxes_max, 1)));
  // Each has two descriptors.
  setup.connections_max = static_cast<uint32_t>(
      std::clamp<uint64_t>(files / 8, 1, std::max<uint32_t>(config.egress_connections_max, 1)));
  setup.opening_ms = kOpeningMs;
  setup.connect_ms = kConnectMs;
  setup.idle_ms = kIdleMs;
  ASSIGN_OR_RETURN(const std::vector<IpAddress> servers, NameServers(config));
  PutNameServers(servers, &setup);
  return setup;
}

absl::StatusOr<std::string> ReadOriginRoots(const Config& config) {
  const std::string& named = config.egress_origin_roots;
  if (!named.empty()) {
    absl::StatusOr<std::string> roots = ReadFileAt(AT_FDCWD, named, kEgressRootsBytesMax);
    if (roots.ok()) return roots;
    return DetailedError(
        absl::StatusCode::kFailedPrecondition,
        absl::StrCat("egress.origin_roots ", named, ": ", roots.status().message()),
        {"CONFIG_INVALID", {{"path", named}}});
  }
  for (const char* path : kRootsPaths) {
    absl::StatusOr<std::string> roots = ReadFileAt(AT_FDCWD, path, kEgressRootsBytesMax);
    if (roots.ok()) return roots;
  }
  return std::string();
}

absl::StatusOr<EgressRoots> ShowSandboxRoots(const std::string& directory, absl::string_view roots,
                                             absl::string_view authority_pem) {
  RETURN_IF_ERROR(MakeDirectories(directory, 0700));
  RETURN_IF_ERROR(DetachMount(directory));
  ASSIGN_OR_RETURN(
      const UniqueFd mount,
      MakeMount(
          "tmpfs", "roots",
          {{"mode", "0755"}, {"nr_inodes", "4"}, {"size", absl::StrCat(3 * kEgressRootsBytesMax)}},
          MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC));
  const bool ends_line = roots.empty() || roots.back() == '\n';
  const std::string all = absl::StrCat(roots, ends_line ? "" : "\n", authority_pem);
  RETURN_IF_ERROR(WriteShown(mount.get(), kRootsFile, all));
  RETURN_IF_ERROR(WriteShown(mount.get(), kJavaRootsFile, JavaKeyStore(all)));
  RETURN_IF_ERROR(AttachMount(mount.get(), directory));
  return EgressRoots{absl::StrCat(directory, "/", kRootsFile),
                     absl::StrCat(directory, "/", kJavaRootsFile)};
}

}  // namespace glovebox
