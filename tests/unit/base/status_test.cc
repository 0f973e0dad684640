#include "base/status.h"

#include <cerrno>
#include <map>
#include <memory>
#include <string>

#include "gtest/gtest.h"

namespace glovebox {
namespace {

TEST(StatusTest, DetailSurvivesCopiesAndAnnotation) {
  const absl::Status status = DetailedError(absl::StatusCode::kFailedPrecondition, "no room",
                                            {"DISK_FULL", {{"limit", "1024"}, {"path", "/x y"}}});
  const absl::Status copy = status;
  const absl::Status annotated = Annotate(copy, "create");
  EXPECT_EQ(annotated.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(annotated.message(), "create: no room");
  const auto detail = GetErrorDetail(annotated);
  ASSERT_TRUE(detail.has_value());
  EXPECT_EQ(detail->reason, "DISK_FULL");
  EXPECT_EQ(detail->metadata,
            (std::map<std::string, std::string>{{"limit", "1024"}, {"path", "/x y"}}));
}

TEST(StatusTest, EmptyMetadataValuesSurvive) {
  const auto detail = GetErrorDetail(
      DetailedError(absl::StatusCode::kInternal, "x", {"R", {{"a", ""}, {"b", "2"}, {"c", ""}}}));
  ASSERT_TRUE(detail.has_value());
  EXPECT_EQ(detail->metadata,
            (std::map<std::string, std::string>{{"a", ""}, {"b", "2"}, {"c", ""}}));
}

TEST(StatusTest, NulBytesInAFieldCannotShiftTheOthers) {
  const std::string hostile("v\0remedy\0none", 13);
  const auto detail = GetErrorDetail(
      DetailedError(absl::StatusCode::kInternal, "x", {"R", {{"path", hostile}, {"z", "1"}}}));
  ASSERT_TRUE(detail.has_value());
  EXPECT_EQ(detail->metadata,
            (std::map<std::string, std::string>{{"path", "vremedynone"}, {"z", "1"}}));
}

TEST(StatusTest, PlainStatusHasNoDetail) {
  EXPECT_FALSE(GetErrorDetail(absl::InternalError("x")).has_value());
  EXPECT_FALSE(GetErrorDetail(absl::OkStatus()).has_value());
}

TEST(StatusTest, ErrnoErrorNamesCallAndErrno) {
  const absl::Status status = ErrnoError(ENOENT, "open /a");
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(status.message(), "open /a: No such file or directory");
  const auto detail = GetErrorDetail(status);
  ASSERT_TRUE(detail.has_value());
  EXPECT_EQ(detail->reason, "SYSTEM_CALL_FAILED");
  EXPECT_EQ(detail->metadata.at("errno"), std::to_string(ENOENT));
}

TEST(StatusTest, AnnotatingSuccessStaysSuccess) {
  EXPECT_TRUE(Annotate(absl::OkStatus(), "create").ok());
}

absl::StatusOr<std::unique_ptr<int>> Half(int number) {
  if (number % 2 != 0) return absl::InvalidArgumentError("odd");
  return std::make_unique<int>(number / 2);
}

absl::StatusOr<int> Quarter(int number) {
  ASSIGN_OR_RETURN(const std::unique_ptr<int> half, Half(number));
  std::unique_ptr<int> quarter;
  ASSIGN_OR_RETURN(quarter, Half(*half));
  RETURN_IF_ERROR(*quarter == 0 ? absl::OutOfRangeError("zero") : absl::OkStatus());
  return *quarter;
}

TEST(StatusTest, MacrosReturnTheFirstErrorAndMoveTheValue) {
  EXPECT_EQ(Quarter(12).value_or(-1), 3);
  EXPECT_EQ(Quarter(3).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Quarter(6).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Quarter(0).status().code(), absl::StatusCode::kOutOfRange);
}

}  // namespace
}  // namespace glovebox
