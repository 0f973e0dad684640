// Text in fixed memory, for programs without a C library: building paths and options, reading
// numbers. Nothing allocates; what does not fit is cut and remembered.
#ifndef GLOVEBOX_LINUX_BARE_TEXT_H_
#define GLOVEBOX_LINUX_BARE_TEXT_H_

#include <stddef.h>
#include <stdint.h>

namespace glovebox {

inline size_t TextSize(const char* text) { return __builtin_strlen(text); }

inline bool TextEqual(const char* a, size_t a_size, const char* b, size_t b_size) {
  return a_size == b_size && __builtin_memcmp(a, b, a_size) == 0;
}

inline bool StartsWith(const char* text, const char* prefix) {
  while (*prefix != 0 && *text == *prefix) ++text, ++prefix;
  return *prefix == 0;
}

// First position of `wanted` in text[0..size), or `size`.
inline size_t FindChar(const char* text, size_t size, char wanted) {
  size_t i = 0;
  while (i < size && text[i] != wanted) ++i;
  return i;
}

// Decimal digits only, at most `max`. False for anything else, the empty text too.
inline bool ParseDecimal(const char* text, size_t size, uint64_t max, uint64_t* value) {
  if (size == 0 || size > 19) return false;
  uint64_t sum = 0;
  for (size_t i = 0; i < size; ++i) {
    if (text[i] < '0' || text[i] > '9') return false;
    sum = sum * 10 + static_cast<uint64_t>(text[i] - '0');
  }
  *value = sum;
  return sum <= max;
}

// A NUL-terminated text being built in `N` bytes.
template <size_t N>
class TextBuffer {
 public:
  TextBuffer& Add(const char* text) { return Add(text, TextSize(text)); }
  TextBuffer& Add(const char* text, size_t size) {
    size_t room = N - 1 - size_;
    if (size > room) {
      size = room;
      cut_ = true;
    }
    for (size_t i = 0; i < size; ++i) data_[size_ + i] = text[i];
    size_ += size;
    data_[size_] = 0;
    return *this;
  }
  TextBuffer& AddNumber(uint64_t value) {
    char digits[20];
    size_t at = sizeof(digits);
    do {
      digits[--at] = static_cast<char>('0' + value % 10);
      value /= 10;
    } while (value != 0);
    return Add(digits + at, sizeof(digits) - at);
  }
  const char* text() const { return data_; }
  size_t size() const { return size_; }
  bool cut() const { return cut_; }

 private:
  char data_[N] = {};
  size_t size_ = 0;
  bool cut_ = false;
};

// Copies `text` into the fixed array `to`, NUL-terminated, cut to fit.
template <size_t N>
void CopyText(char (&to)[N], const char* text) {
  size_t i = 0;
  for (; i + 1 < N && text[i] != 0; ++i) to[i] = text[i];
  for (; i < N; ++i) to[i] = 0;
}

}  // namespace glovebox

#endif  // GLOVEBOX_LINUX_BARE_TEXT_H_
