#include "service/status.h"

#include <gtest/gtest.h>

#include "base/status.h"
#include "google/rpc/error_details.pb.h"
#include "service/request_error.h"

namespace glovebox {
namespace {

template <typename Detail>
std::optional<Detail> FindDetail(const google::rpc::Status& status) {
  for (const auto& any : status.details()) {
    Detail detail;
    if (any.UnpackTo(&detail)) return detail;
  }
  return std::nullopt;
}

TEST(ToRpcStatus, EveryErrorHasAnErrorInfoWithReasonAndDomain) {
  for (int code = 1; code <= 16; ++code) {
    const auto rpc = ToRpcStatus(absl::Status(static_cast<absl::StatusCode>(code), "plain"));
    const auto info = FindDetail<google::rpc::ErrorInfo>(rpc);
    ASSERT_TRUE(info.has_value()) << code;
    EXPECT_EQ(info->domain(), "glovebox.dev");
    EXPECT_FALSE(info->reason().empty()) << code;
    EXPECT_EQ(rpc.code(), code);
  }
}

TEST(ToRpcStatus, ReasonAndMetadataOfTheLibraryAreKept) {
  const auto rpc = ToRpcStatus(DetailedError(absl::StatusCode::kInternal, "step failed",
                                             {"SETUP_FAILED", {{"step", "mount_proc"}}}));
  const auto info = FindDetail<google::rpc::ErrorInfo>(rpc);
  ASSERT_TRUE(info.has_value());
  EXPECT_EQ(info->reason(), "SETUP_FAILED");
  EXPECT_EQ(info->metadata().at("step"), "mount_proc");
}

TEST(ToRpcStatus, WrongFieldIsNamedInBadRequest) {
  const auto rpc = ToRpcStatus(FieldError("limits.memory_bytes", "must not be 0"));
  const auto bad = FindDetail<google::rpc::BadRequest>(rpc);
  ASSERT_TRUE(bad.has_value());
  ASSERT_EQ(bad->field_violations_size(), 1);
  EXPECT_EQ(bad->field_violations(0).field(), "limits.memory_bytes");
}

TEST(ToRpcStatus, MissingThingIsNamedInResourceInfo) {
  const auto rpc = ToRpcStatus(
      DetailedError(absl::StatusCode::kNotFound, "no such image", {"IMAGE_NOT_FOUND", {}}));
  const auto resource = FindDetail<google::rpc::ResourceInfo>(rpc);
  ASSERT_TRUE(resource.has_value());
  EXPECT_EQ(resource->resource_type(), "glovebox.dev/image");
}

TEST(ToRpcStatus, WhatMayPassHasARetryDelayAndNothingElseHas) {
  EXPECT_TRUE(FindDetail<google::rpc::RetryInfo>(ToRpcStatus(TooManyCalls())).has_value());
  EXPECT_TRUE(FindDetail<google::rpc::RetryInfo>(ToRpcStatus(absl::UnavailableError("starting")))
                  .has_value());
  EXPECT_FALSE(
      FindDetail<google::rpc::RetryInfo>(ToRpcStatus(absl::InternalError("fault"))).has_value());
}

TEST(ToRpcStatus, MessageIsOneBoundedLineWithoutControlCharacters) {
  const std::string hostile = "a\nb\x1b[31m" + std::string(100'000, 'x');
  const auto rpc = ToRpcStatus(absl::InternalError(hostile));
  EXPECT_EQ(rpc.message().find('\n'), std::string::npos);
  EXPECT_EQ(rpc.message().find('\x1b'), std::string::npos);
  EXPECT_LT(rpc.message().size(), 2 * kErrorMessageBytesMax);
}

TEST(ToGrpcStatus, DetailsAreTheSerializedStatus) {
  const grpc::Status status = ToGrpcStatus(FieldNotServed("wait"));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNIMPLEMENTED);
  google::rpc::Status rpc;
  ASSERT_TRUE(rpc.ParseFromString(status.error_details()));
  EXPECT_EQ(rpc.code(), status.error_code());
  EXPECT_TRUE(ToGrpcStatus(absl::OkStatus()).ok());
}

}  // namespace
}  // namespace glovebox
