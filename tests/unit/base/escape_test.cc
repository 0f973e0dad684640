#include "base/escape.h"

#include <string>

#include "gtest/gtest.h"

namespace glovebox {
namespace {

TEST(EscapeTest, PrintableUtf8Stays) {
  const std::string text = "plain \"quoted\" 'text' \xc3\xa9 \xe6\xbc\xa2 \xf0\x9f\xa7\xa4";
  EXPECT_EQ(EscapeForPeople(text), text);
}

TEST(EscapeTest, ControlBytesAndBackslashesAreEscaped) {
  EXPECT_EQ(EscapeForPeople("a\nb\tc\\d"), "a\\nb\\tc\\\\d");
  EXPECT_EQ(EscapeForPeople("\x1b[31m\r\x7f"), "\\x1b[31m\\x0d\\x7f");
  EXPECT_EQ(EscapeForPeople(absl::string_view("\0", 1)), "\\x00");
}

TEST(EscapeTest, EveryByteAloneBecomesOneLineOfValidText) {
  for (int value = 0; value < 256; ++value) {
    const std::string escaped = EscapeForPeople(std::string(1, static_cast<char>(value)));
    ASSERT_FALSE(escaped.empty());
    for (const char c : escaped) EXPECT_TRUE(c >= 0x20 && c < 0x7f) << value;
  }
}

TEST(EscapeTest, C1ControlsAreEscapedThoughValidUtf8) {
  EXPECT_EQ(EscapeForPeople("\xc2\x9b"), "\\xc2\\x9b");  // CSI: a terminal may obey it
  EXPECT_EQ(EscapeForPeople("\xc2\xa9"), "\xc2\xa9");    // the copyright sign beside it
}

TEST(EscapeTest, TextDirectionCannotBeTurned) {
  EXPECT_EQ(EscapeForPeople("\xe2\x80\xae"), "\\xe2\\x80\\xae");  // U+202E, right-to-left override
  EXPECT_EQ(EscapeForPeople("\xe2\x81\xa6"), "\\xe2\\x81\\xa6");  // U+2066, isolate
  EXPECT_EQ(EscapeForPeople("\xe2\x80\x8f"), "\\xe2\\x80\\x8f");  // U+200F, mark
  EXPECT_EQ(EscapeForPeople("\xd8\x9c"), "\\xd8\\x9c");           // U+061C, Arabic letter mark
  EXPECT_EQ(EscapeForPeople("\xd7\x90"), "\xd7\x90");             // a Hebrew letter itself
}

TEST(EscapeTest, InvisibleAndLineEndingCharactersShow) {
  EXPECT_EQ(EscapeForPeople("\xe2\x80\xa8"), "\\xe2\\x80\\xa8");           // U+2028
  EXPECT_EQ(EscapeForPeople("\xe2\x80\x8b"), "\\xe2\\x80\\x8b");           // U+200B
  EXPECT_EQ(EscapeForPeople("\xef\xbb\xbf"), "\\xef\\xbb\\xbf");           // U+FEFF
  EXPECT_EQ(EscapeForPeople("\xf3\xa0\x80\xa1"), "\\xf3\\xa0\\x80\\xa1");  // U+E0021, a tag
}

TEST(EscapeTest, InvalidUtf8IsEscapedByteByByte) {
  EXPECT_EQ(EscapeForPeople("\xff\xfe"), "\\xff\\xfe");
  EXPECT_EQ(EscapeForPeople("\xc0\xaf"), "\\xc0\\xaf");                    // overlong '/'
  EXPECT_EQ(EscapeForPeople("\xe0\x80\xaf"), "\\xe0\\x80\\xaf");           // overlong '/'
  EXPECT_EQ(EscapeForPeople("\xed\xa0\x80"), "\\xed\\xa0\\x80");           // a surrogate
  EXPECT_EQ(EscapeForPeople("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80");  // above U+10FFFF
  EXPECT_EQ(EscapeForPeople("\x80"), "\\x80");                             // a lone continuation
}

TEST(EscapeTest, TruncatedSequencesDoNotSwallowWhatFollows) {
  EXPECT_EQ(EscapeForPeople("\xe6\xbc"), "\\xe6\\xbc");
  EXPECT_EQ(EscapeForPeople("\xe6\x1b[0m"), "\\xe6\\x1b[0m");
  EXPECT_EQ(EscapeForPeople("\xf0\x9f\xa7z"), "\\xf0\\x9f\\xa7z");
}

TEST(EscapeTest, LongTextIsCutWithItsSizeTold) {
  EXPECT_EQ(EscapeForPeople("abcdef", 6), "abcdef");
  EXPECT_EQ(EscapeForPeople("abcdef", 4), "abcd... (2 bytes more)");
  // A character that the cut splits must not come out as an invalid sequence.
  EXPECT_EQ(EscapeForPeople("ab\xc3\xa9", 3), "ab\\xc3... (1 bytes more)");
}

}  // namespace
}  // namespace glovebox
