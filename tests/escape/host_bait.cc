#include "tests/escape/host_bait.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <mqueue.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "base/ids.h"
#include "linux/file_io.h"

namespace glovebox {
namespace {

UniqueFd Listen(const sockaddr* address, socklen_t size) {
  UniqueFd fd(::socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(::bind(fd.get(), address, size), 0) << std::strerror(errno);
  EXPECT_EQ(::listen(fd.get(), 16), 0);
  return fd;
}

UniqueFd ListenUnix(const std::string& name) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, name.data(), name.size());
  return Listen(reinterpret_cast<const sockaddr*>(&address),
                static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size()));
}

}  // namespace

HostBait::HostBait() : name_(absl::StrCat("glovebox-bait-", NewRandomId().substr(0, 12))) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  tcp_ = Listen(reinterpret_cast<const sockaddr*>(&address), sizeof(address));
  socklen_t size = sizeof(address);
  EXPECT_EQ(::getsockname(tcp_.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
  port_ = ntohs(address.sin_port);
  abstract_ = ListenUnix(absl::StrCat(absl::string_view("\0", 1), name_));
  directory_ = absl::StrCat("/var/tmp/", name_);
  EXPECT_EQ(::mkdir(directory_.c_str(), 0755), 0);
  path_ = ListenUnix(absl::StrCat(directory_, "/socket"));
  EXPECT_EQ(::chmod(absl::StrCat(directory_, "/socket").c_str(), 0777), 0);
  shm_key_ = static_cast<int>(std::hash<std::string>{}(name_)&0x7fffffff) | 1;
  shm_id_ = ::shmget(shm_key_, 4096, IPC_CREAT | IPC_EXCL | 0666);
  EXPECT_GE(shm_id_, 0);
  const UniqueFd file(::shm_open(absl::StrCat("/", name_).c_str(), O_CREAT | O_RDWR, 0666));
  EXPECT_TRUE(file.valid());
  const mqd_t queue =
      ::mq_open(absl::StrCat("/", name_).c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0666, nullptr);
  EXPECT_GE(queue, 0) << std::strerror(errno);
  (void)::mq_close(queue);  // fails only when it was not opened
  EXPECT_EQ(::setenv("GLOVEBOX_TEST_SECRET", "hunter2-do-not-leak", 1), 0);
}

HostBait::~HostBait() {
  EXPECT_EQ(::mq_unlink(absl::StrCat("/", name_).c_str()), 0);
  EXPECT_EQ(::shm_unlink(absl::StrCat("/", name_).c_str()), 0);
  EXPECT_EQ(::shmctl(shm_id_, IPC_RMID, nullptr), 0);
  EXPECT_TRUE(RemoveTreeAt(AT_FDCWD, directory_).ok());
}

std::vector<std::string> HostBait::Arguments() const {
  return {absl::StrCat("port=", port_),
          absl::StrCat("abstract=", name_),
          absl::StrCat("shm_key=", shm_key_),
          absl::StrCat("shm_file=/", name_),
          absl::StrCat("queue=/", name_),
          absl::StrCat("host_path=", directory_),
          absl::StrCat("socket=", directory_, "/socket"),
          "secret=hunter2-do-not-leak"};
}

}  // namespace glovebox
