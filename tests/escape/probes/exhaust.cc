// SR-16, SR-17, SR-18: each loop ends at a limit of the sandbox, or at its own far larger bound.
#include "tests/escape/probes/exhaust.h"

#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

constexpr long kEnough = 200'000;
constexpr long kBlock = 1 << 20;
constexpr long kBytesEnough = 4L << 30;
char block[kBlock];

long Descriptors() {
  long count = 0;
  while (count < kEnough && fcntl(1, F_DUPFD_CLOEXEC, 3) >= 0) ++count;
  return count;
}

long Terminals() {
  long count = 0;
  while (count < kEnough && open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC) >= 0) ++count;
  return count;
}

long InotifyInstances() {
  long count = 0;
  while (count < kEnough && inotify_init1(IN_CLOEXEC) >= 0) ++count;
  return count;
}

long InotifyWatches() {
  const int fd = inotify_init1(IN_CLOEXEC);
  if (mkdir("/tmp/watched", 0755) != 0 || chdir("/tmp/watched") != 0) return -1;
  long count = 0;
  for (; count < kEnough; ++count) {
    char name[32];
    snprintf(name, sizeof(name), "%ld", count);
    const int file = open(name, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    if (file < 0) break;
    close(file);
    // The watch keeps the inode, so that files do not run out first.
    const bool added = inotify_add_watch(fd, name, IN_MODIFY) >= 0;
    const int error = errno;
    if (!added) {
      errno = error;
      break;
    }
  }
  return count;
}

long Files(const char* directory) {
  if (chdir(directory) != 0) return -1;
  long count = 0;
  for (; count < kEnough; ++count) {
    char name[32];
    snprintf(name, sizeof(name), "f%ld", count);
    const int fd = open(name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
    if (fd < 0) break;
    close(fd);
  }
  return count;
}
long TmpFiles() { return Files("/tmp"); }
long ShmFiles() { return Files("/dev/shm"); }
long DiskFiles() { return Files("/home/agent"); }

// Of a file that has no name any more.
long Bytes(const char* path) {
  const int fd = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
  if (fd < 0) return -1;
  unlink(path);
  long bytes = 0;
  while (bytes < kBytesEnough) {
    const ssize_t size = write(fd, block, sizeof(block));
    if (size <= 0) break;
    bytes += size;
  }
  return bytes;
}
long TmpBytes() { return Bytes("/tmp/deleted"); }
long ShmBytes() { return Bytes("/dev/shm/deleted"); }
long DiskBytes() { return Bytes("/home/agent/deleted"); }

long Sparse() {
  const int fd = open("/home/agent/sparse", O_CREAT | O_RDWR | O_CLOEXEC, 0600);
  signal(SIGXFSZ, SIG_IGN);
  long bytes = kBlock;
  while (bytes < (1L << 60) && ftruncate(fd, bytes) == 0) bytes *= 2;
  const int error = errno;
  unlink("/home/agent/sparse");
  errno = error;
  return bytes;
}

long QueueBytes() {
  long bytes = 0;
  for (int i = 0; i < 10'000; ++i) {
    char name[32];
    snprintf(name, sizeof(name), "/exhaust-%d", i);
    mq_attr attr{};
    attr.mq_maxmsg = 10;
    attr.mq_msgsize = 8192;
    if (mq_open(name, O_CREAT | O_RDWR | O_CLOEXEC, 0600, &attr) < 0) break;
    bytes += attr.mq_maxmsg * attr.mq_msgsize;
  }
  return bytes;
}

long PendingSignals() {
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_BLOCK, &all, nullptr);
  long count = 0;
  while (count < kEnough && sigqueue(getpid(), SIGRTMIN + 1, sigval{}) == 0) ++count;
  return count;
}

long LockedBytes() {
  long bytes = 0;
  while (bytes < (1L << 28)) {
    void* memory = mmap(nullptr, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED || mlock(memory, 65536) != 0) break;
    bytes += 65536;
  }
  return bytes;
}

long Processes() {
  signal(SIGCHLD, SIG_IGN);
  long count = 0;
  while (count < 20'000) {
    const pid_t pid = fork();
    if (pid < 0) break;
    if (pid == 0) {
      pause();
      _exit(0);
    }
    ++count;
  }
  return count;
}

// Bytes that wait in sockets of nobody but us.
long SocketBytes() {
  long bytes = 0;
  for (int i = 0; i < 10'000; ++i) {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) break;
    for (ssize_t size; (size = write(ends[0], block, 65536)) > 0;) bytes += size;
  }
  return bytes;
}

// What the kernel holds for sockets of `protocol`, in pages; of the whole host, where little else
// is under way.
long SocketPages(const char* protocol) {
  FILE* file = fopen("/proc/net/sockstat", "re");
  if (file == nullptr) return -1;
  char line[200];
  long pages = -1;
  while (fgets(line, sizeof(line), file) != nullptr) {
    const char* mem = strstr(line, " mem ");
    if (strncmp(line, protocol, strlen(protocol)) == 0 && mem != nullptr) pages = atol(mem + 5);
  }
  fclose(file);
  errno = 0;
  return pages;
}

// An own socket on the loopback that nobody reads from; its address in `to`.
int Bound(int type, sockaddr_in* to) {
  const int fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  socklen_t size = sizeof(*to);
  *to = {};
  to->sin_family = AF_INET;
  to->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (fd < 0 || bind(fd, reinterpret_cast<sockaddr*>(to), size) != 0) return -1;
  return getsockname(fd, reinterpret_cast<sockaddr*>(to), &size) == 0 ? fd : -1;
}

long UdpPages() {
  for (int i = 0; i < 600; ++i) {
    sockaddr_in to;
    const int fd = Bound(SOCK_DGRAM, &to);
    if (fd < 0) break;
    const int size = 1 << 20;
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size,
                     sizeof(size));  // the default will do as well
    for (int sent = 0; sent < 16; ++sent) {
      if (sendto(fd, block, 60'000, 0, reinterpret_cast<sockaddr*>(&to), sizeof(to)) < 0) break;
    }
  }
  return SocketPages("UDP:");
}

long TcpPages() {
  sockaddr_in to;
  const int listener = Bound(SOCK_STREAM, &to);
  if (listener < 0 || listen(listener, 16) != 0) return -1;
  for (int i = 0; i < 100; ++i) {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) break;
    (void)connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof(to));  // on its way: EINPROGRESS
    if (accept4(listener, nullptr, nullptr, SOCK_CLOEXEC) < 0) break;
    while (write(fd, block, sizeof(block)) > 0) {
    }
  }
  return SocketPages("TCP:");
}

long PipeBytes() {
  long bytes = 0;
  for (int i = 0; i < 10'000; ++i) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) break;
    (void)fcntl(ends[1], F_SETPIPE_SZ, kBlock);  // the default will do as well
    for (ssize_t size; (size = write(ends[1], block, sizeof(block))) > 0;) bytes += size;
  }
  return bytes;
}

long MemfdBytes() {
  const int fd = memfd_create("hidden", MFD_CLOEXEC);
  long bytes = 0;
  for (ssize_t size; bytes < kBytesEnough && (size = write(fd, block, sizeof(block))) > 0;) {
    bytes += size;
  }
  return bytes;
}

}  // namespace

const Exhaustion kExhaustions[] = {
    {"descriptors", Descriptors},
    {"terminals", Terminals},
    {"inotify_instances", InotifyInstances},
    {"inotify_watches", InotifyWatches},
    {"tmp_files", TmpFiles},
    {"shm_files", ShmFiles},
    {"disk_files", DiskFiles},
    {"tmp_bytes", TmpBytes},
    {"shm_bytes", ShmBytes},
    {"disk_bytes", DiskBytes},
    {"sparse_file", Sparse},
    {"queue_bytes", QueueBytes},
    {"pending_signals", PendingSignals},
    {"locked_bytes", LockedBytes},
    {"processes", Processes},
    {"socket_bytes", SocketBytes},
    {"udp_pages", UdpPages},
    {"tcp_pages", TcpPages},
    {"pipe_bytes", PipeBytes},
    {"memfd_bytes", MemfdBytes},
    {},
};
