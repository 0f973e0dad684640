#include "files/protocol.h"

#include <random>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/wire_field.h"
#include "gtest/gtest.h"

namespace glovebox {
namespace {

TEST(FilesFrames, ComeInPiecesOfAnySize) {
  const std::string bytes = FormatFrame(FilesFrameKind::kContent, "content") +
                            FormatFrame(FilesFrameKind::kDone, std::string(5000, 'x'));
  for (size_t piece : {size_t{1}, size_t{3}, size_t{4096}, bytes.size()}) {
    FilesFrameParser parser(8192);
    std::vector<FilesFrame> frames;
    for (size_t at = 0; at < bytes.size(); at += piece) {
      parser.Feed(absl::string_view(bytes).substr(at, piece));
      for (;;) {
        const auto frame = parser.Next();
        ASSERT_TRUE(frame.ok()) << frame.status();
        if (!frame->has_value()) break;
        frames.push_back(**frame);
      }
    }
    ASSERT_EQ(frames.size(), 2u);
    EXPECT_EQ(frames[0].body, "content");
    EXPECT_EQ(frames[1].body.size(), 5000u);
    EXPECT_TRUE(parser.empty());
  }
}

TEST(FilesFrames, ThatAreTooLongOrOfNoKindAreRefusedBeforeTheyCome) {
  FilesFrameParser longer(10);
  longer.Feed(FormatFrame(FilesFrameKind::kDone, "12345678901").substr(0, 8));
  EXPECT_EQ(longer.Next().status().code(), absl::StatusCode::kDataLoss);
  FilesFrameParser other(10);
  other.Feed(std::string("\x09\0\0\0\0\0\0\0", 8));
  EXPECT_EQ(other.Next().status().code(), absl::StatusCode::kDataLoss);
}

TEST(FilesFailures, KeepCodeReasonAndMetadata) {
  const absl::Status status =
      DetailedError(absl::StatusCode::kNotFound, "gone", {"PATH_NOT_FOUND", {{"path", "a"}}});
  const absl::Status decoded = DecodeFailure(EncodeFailure(status));
  EXPECT_EQ(decoded.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(decoded.message(), "gone");
  EXPECT_EQ(GetErrorDetail(decoded)->reason, "PATH_NOT_FOUND");
  EXPECT_EQ(GetErrorDetail(decoded)->metadata.at("path"), "a");
}

TEST(FilesFailures, OfAHostileAnswerAreEscapedOrRefused) {
  const absl::Status shouts = DetailedError(absl::StatusCode::kNotFound, "\x1b[31mred", {"A", {}});
  EXPECT_EQ(DecodeFailure(EncodeFailure(shouts)).message().find('\x1b'), absl::string_view::npos);
  // Codes by which clients would retry or ask for credentials are not the program's to give.
  for (const auto code : {absl::StatusCode::kOk, absl::StatusCode::kUnavailable,
                          absl::StatusCode::kUnauthenticated, static_cast<absl::StatusCode>(99)}) {
    WireWriter out;
    out.Number(1, static_cast<uint64_t>(code));
    out.Bytes(2, "REASON");
    EXPECT_TRUE(absl::IsDataLoss(DecodeFailure(out.message()))) << static_cast<int>(code);
  }
  for (const absl::string_view reason : {"", "lower", "SPACE D", "\x1b"}) {
    WireWriter out;
    out.Number(1, static_cast<uint64_t>(absl::StatusCode::kNotFound));
    out.Bytes(2, reason);
    EXPECT_TRUE(absl::IsDataLoss(DecodeFailure(out.message()))) << reason;
  }
  EXPECT_TRUE(absl::IsDataLoss(DecodeFailure("\xff\xff\xff")));
}

}  // namespace
}  // namespace glovebox
