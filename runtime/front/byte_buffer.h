// What one side has said and the other has not taken yet: bounded, and without memory while it is
// empty.
#ifndef GLOVEBOX_FRONT_BYTE_BUFFER_H_
#define GLOVEBOX_FRONT_BYTE_BUFFER_H_

#include <cstddef>
#include <memory>

namespace glovebox {

class ByteBuffer {
 public:
  static constexpr size_t kBytesMax = size_t{64} << 10;  // four TLS records

  bool empty() const { return begin_ == end_; }
  size_t size() const { return end_ - begin_; }
  const char* data() const { return bytes_.get() + begin_; }
  // Room at the end. The buffer is filled anew once it was emptied, so no byte moves.
  size_t room() const { return kBytesMax - end_; }
  char* Room() {
    if (bytes_ == nullptr) bytes_ = std::make_unique_for_overwrite<char[]>(kBytesMax);
    return bytes_.get() + end_;
  }
  void Added(size_t count) { end_ += count; }
  void Taken(size_t count) {
    begin_ += count;
    if (begin_ == end_) begin_ = end_ = 0;
  }
  void Release() {
    if (empty()) bytes_.reset();
  }

 private:
  std::unique_ptr<char[]> bytes_;
  size_t begin_ = 0;
  size_t end_ = 0;
};

}  // namespace glovebox

#endif  // GLOVEBOX_FRONT_BYTE_BUFFER_H_
