#include "daemon/logging.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace glovebox {
namespace {

const LogFields kHostile = {{"path", "a\nERROR forged\x1b[2J\"x\" \xff"}, {"id", "abc"}};

TEST(FormatLogLine, TextStaysOneLineWithoutControlCharacters) {
  const std::string line =
      FormatLogLine(LogFormat::kText, LogLevel::kWarn, absl::UnixEpoch(), "call failed", kHostile);
  for (char c : line) EXPECT_GE(static_cast<unsigned char>(c), 0x20) << line;
  EXPECT_EQ(line.find("1970-01-01T00:00:00.000Z WARN call failed path=\"a\\n"), 0u) << line;
  EXPECT_NE(line.find(" id=abc"), std::string::npos);
}

TEST(FormatLogLine, JsonIsOneValidObjectPerLine) {
  const std::string line =
      FormatLogLine(LogFormat::kJson, LogLevel::kInfo, absl::UnixEpoch(), "e", kHostile);
  EXPECT_EQ(line.find('\n'), std::string::npos);
  const auto parsed = nlohmann::json::parse(line);
  EXPECT_EQ(parsed["level"], "info");
  EXPECT_EQ(parsed["id"], "abc");
  EXPECT_EQ(parsed["path"].get<std::string>().find('\x1b'), std::string::npos);
}

TEST(FormatLogLine, LongValuesAreCut) {
  const std::string line = FormatLogLine(LogFormat::kText, LogLevel::kInfo, absl::UnixEpoch(), "e",
                                         {{"k", std::string(1 << 20, 'x')}});
  EXPECT_LT(line.size(), 2000u);
}

}  // namespace
}  // namespace glovebox
