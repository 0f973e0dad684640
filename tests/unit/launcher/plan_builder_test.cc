#include "launcher/plan_builder.h"

#include <cstring>

#include "base/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "init/launch_plan.h"

namespace glovebox {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class PlanBuilder : public ::testing::Test {
 protected:
  PlanBuilder() {
    filters_.allow_list = {BPF_STMT(BPF_RET | BPF_K, 1), BPF_STMT(BPF_RET | BPF_K, 2)};
    filters_.argument_rules = {BPF_STMT(BPF_RET | BPF_K, 3)};
    input_.hostname = "sandbox-1";
    input_.workdir = "/workspace";
    input_.layers = {"upper", "root", ""};
    input_.binds = {{"/run/input/repo", true}, {"/etc/resolv.conf", false}};
    input_.filters = &filters_;
  }

  LaunchPlan Fixed() const {
    LaunchPlan plan;
    std::memcpy(&plan, bytes_.data(), sizeof(plan));
    return plan;
  }
  std::string Text(const PlanText& text) const { return bytes_.substr(text.offset, text.size); }
  void Build() {
    absl::StatusOr<std::string> bytes = BuildPlan(input_);
    ASSERT_TRUE(bytes.ok()) << bytes.status();
    bytes_ = *std::move(bytes);
  }
  std::string RefusedField() const {
    const absl::Status status = BuildPlan(input_).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
    const std::optional<ErrorDetail> detail = GetErrorDetail(status);
    return detail.has_value() ? detail->metadata.at("field") : "";
  }

  SeccompPrograms filters_;
  PlanInput input_;
  std::string bytes_;
};

TEST_F(PlanBuilder, EveryTextIsWhereThePlanSaysAndEndsInNul) {
  Build();
  const LaunchPlan plan = Fixed();
  EXPECT_EQ(plan.size, bytes_.size());
  EXPECT_EQ(Text(plan.hostname), std::string("sandbox-1\0", 10));
  EXPECT_EQ(Text(plan.workdir), std::string("/workspace\0", 11));
  ASSERT_EQ(plan.layer_count, 3u);
  EXPECT_EQ(Text(plan.layers[0].subdirectory), std::string("upper\0", 6));
  EXPECT_EQ(Text(plan.layers[2].subdirectory), std::string(1, '\0'));
  ASSERT_EQ(plan.bind_count, 2u);
  EXPECT_EQ(Text(plan.binds[1].target), std::string("/etc/resolv.conf\0", 17));
  EXPECT_EQ(plan.binds[0].is_directory, 1u);
  EXPECT_EQ(plan.binds[1].is_directory, 0u);
}

TEST_F(PlanBuilder, BothFiltersAreCopiedInOrderAndAligned) {
  Build();
  const LaunchPlan plan = Fixed();
  ASSERT_EQ(plan.filter_count, 2u);
  EXPECT_EQ(plan.filters[0].offset % alignof(sock_filter), 0u);
  EXPECT_EQ(plan.filters[0].count, 2u);
  sock_filter first;
  std::memcpy(&first, bytes_.data() + plan.filters[1].offset, sizeof(first));
  EXPECT_EQ(first.k, 3u);
}

TEST_F(PlanBuilder, CommandsAreAnUnprivilegedUserUnlessAskedOtherwise) {
  Build();
  EXPECT_EQ(Fixed().uid, 1000u);
  EXPECT_EQ(Fixed().root_inside, 0u);
  EXPECT_EQ(Fixed().payload_capabilities, 0u);
  input_.root_inside = input_.commands_as_root = true;
  Build();
  EXPECT_EQ(Fixed().uid, 0u);
  EXPECT_NE(Fixed().payload_capabilities, 0u);
  input_.root_inside = false;
  EXPECT_EQ(RefusedField(), "commands_as_root");
}

TEST_F(PlanBuilder, AVariableOfTheInputReplacesTheDefault) {
  input_.environment = {"HOME=/elsewhere", "EXTRA=1"};
  Build();
  const std::string block = Text(Fixed().environment);
  EXPECT_THAT(block, HasSubstr(std::string("HOME=/elsewhere\0", 16)));
  EXPECT_THAT(block, Not(HasSubstr("HOME=/home/agent")));
  EXPECT_THAT(block, HasSubstr(std::string("EXTRA=1\0", 8)));
  EXPECT_EQ(block.back(), '\0');
}

TEST_F(PlanBuilder, DescriptionShowsWhatWasAskedFor) {
  input_.hostname = "h";
  Build();
  const absl::StatusOr<std::string> text = DescribePlan(bytes_);
  ASSERT_TRUE(text.ok()) << text.status();
  EXPECT_THAT(*text, HasSubstr("hostname: h\n"));
  EXPECT_THAT(*text, HasSubstr("user: 1000:1000\n"));
  EXPECT_THAT(*text, HasSubstr("bind directory: /run/input/repo\n"));
  EXPECT_THAT(*text, HasSubstr("environment: LANG=C.UTF-8\n"));
  EXPECT_THAT(*text, HasSubstr("hide: /proc/kcore\n"));
  EXPECT_THAT(*text, HasSubstr("read-only: /proc/sys\n"));
  EXPECT_THAT(*text, HasSubstr("filter: 2 instructions\n"));
}

TEST_F(PlanBuilder, DescriptionOfADamagedPlanIsRefusedAndStaysInside) {
  Build();
  for (size_t size : {size_t{0}, size_t{3}, sizeof(LaunchPlan), bytes_.size() - 1}) {
    EXPECT_TRUE(absl::IsDataLoss(DescribePlan(bytes_.substr(0, size)).status())) << size;
  }
  // Each 32-bit word of the fixed part set to a wild value: no answer may read outside (ASan).
  for (size_t at = 0; at + 4 <= sizeof(LaunchPlan); at += 4) {
    std::string damaged = bytes_;
    std::memset(damaged.data() + at, 0xf1, 4);
    (void)DescribePlan(damaged);  // either answer will do
  }
  LaunchPlan plan = Fixed();
  plan.hostname.offset = static_cast<uint32_t>(bytes_.size() - 2);
  std::memcpy(bytes_.data(), &plan, sizeof(plan));
  EXPECT_TRUE(absl::IsDataLoss(DescribePlan(bytes_).status()));
}

TEST_F(PlanBuilder, RefusesWhatInitWouldRefuse) {
  const PlanInput good = input_;
  const auto refused = [&](auto change) {
    input_ = good;
    change(&input_);
    return RefusedField();
  };
  EXPECT_EQ(refused([](PlanInput* in) { in->hostname = ""; }), "hostname");
  EXPECT_EQ(refused([](PlanInput* in) { in->hostname = std::string(65, 'a'); }), "hostname");
  EXPECT_EQ(refused([](PlanInput* in) { in->hostname = "a b"; }), "hostname");
  EXPECT_EQ(refused([](PlanInput* in) { in->workdir = "relative"; }), "workdir");
  EXPECT_EQ(refused([](PlanInput* in) { in->workdir = "/a/../b"; }), "workdir");
  EXPECT_EQ(refused([](PlanInput* in) { in->layers.clear(); }), "layers");
  EXPECT_EQ(refused([](PlanInput* in) { in->layers.resize(kLayersMax + 1); }), "layers");
  for (const char* name : {"a:b", "a,b", "a\\b", "../x", "/abs", "a//b", "."}) {
    EXPECT_EQ(refused([&](PlanInput* in) { in->layers[0] = name; }), "layers") << name;
  }
  EXPECT_EQ(refused([](PlanInput* in) { in->binds[0].target = "/"; }), "binds");
  EXPECT_EQ(refused([](PlanInput* in) { in->binds[0].target = "/a/./b"; }), "binds");
  EXPECT_EQ(refused([](PlanInput* in) { in->binds[0].target = "/" + std::string(256, 'x'); }),
            "binds");
  EXPECT_EQ(refused([](PlanInput* in) { in->binds.resize(kBindsMax + 1, {"/a", true}); }), "binds");
  const PlanCacheInput cache{"/c", "root", "workspace", 8};
  EXPECT_EQ(refused([&](PlanInput* in) { in->caches.resize(kCachesMax + 1, cache); }), "caches");
  for (const PlanCacheInput& wrong :
       {PlanCacheInput{"c", "root", "workspace", 1}, PlanCacheInput{"/c", "a:b", "workspace", 1},
        PlanCacheInput{"/c", "root", "../x", 1}, PlanCacheInput{"/c", "root", "workspace", 0},
        PlanCacheInput{"/c", "root", "workspace", kLayersMax + 1}}) {
    EXPECT_EQ(refused([&](PlanInput* in) { in->caches.push_back(wrong); }), "caches");
  }
  EXPECT_EQ(refused([](PlanInput* in) {
              in->caches.resize(kCachesMax, {"/c", "root", "workspace", 9});
            }),
            "caches");
  EXPECT_EQ(refused([](PlanInput* in) { in->environment = {"NOVALUE"}; }), "environment");
  EXPECT_EQ(refused([](PlanInput* in) { in->environment = {"=x"}; }), "environment");
  EXPECT_EQ(refused([](PlanInput* in) { in->environment = {std::string("A=\0", 3)}; }),
            "environment");
  EXPECT_EQ(refused([](PlanInput* in) {
              in->environment = {"A=" + std::string(130000, 'x'), "B=" + std::string(130000, 'x')};
            }),
            "size");
  EXPECT_EQ(refused([](PlanInput* in) { in->exec_max = 0; }), "exec_max");
  EXPECT_EQ(refused([](PlanInput* in) { in->filters = nullptr; }), "filters");
  const SeccompPrograms none;
  EXPECT_EQ(refused([&](PlanInput* in) { in->filters = &none; }), "filters");
}

TEST_F(PlanBuilder, LimitsOutsideOfTheirRangeAreRefusedByName) {
  input_.limits.pids_max = 1;
  const absl::Status status = BuildPlan(input_).status();
  EXPECT_TRUE(absl::IsOutOfRange(status));
  EXPECT_EQ(GetErrorDetail(status)->metadata.at("field"), "limits.pids_max");
}

}  // namespace
}  // namespace glovebox
