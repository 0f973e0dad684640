// UniqueFd: the owner of one file descriptor. Header-only and free of allocation, so that the
// static binaries (glovebox-init, glovebox-spawner) use the same type as the daemon.
#ifndef GLOVEBOX_BASE_UNIQUE_FD_H_
#define GLOVEBOX_BASE_UNIQUE_FD_H_

#include <unistd.h>

namespace glovebox {

class [[nodiscard]] UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(other.Release()) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    if (this != &other) Reset(other.Release());
    return *this;
  }
  UniqueFd(const UniqueFd&) = delete;
  UniqueFd& operator=(const UniqueFd&) = delete;
  ~UniqueFd() { Reset(); }

  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  int Release() {
    int fd = fd_;
    fd_ = -1;
    return fd;
  }
  void Reset(int fd = -1) {
    if (fd_ >= 0) (void)::close(fd_);  // Linux frees the number even when close fails
    fd_ = fd;
  }

 private:
  int fd_ = -1;
};

}  // namespace glovebox

#endif  // GLOVEBOX_BASE_UNIQUE_FD_H_
