#include "service/convert_sandbox.h"

#include <gtest/gtest.h>

#include "base/status.h"

namespace glovebox {
namespace {

LimitBounds Bounds() {
  LimitBounds bounds;
  for (const LimitRange& range : SandboxLimitRanges()) bounds.maximum.*range.member = range.max;
  return bounds;
}

ErrorDetail RefusalOf(const v1::CreateSandboxRequest& request) {
  const auto options = FromProto(request, Bounds());
  return options.ok() ? ErrorDetail{} : *GetErrorDetail(options.status());
}

TEST(CreateOptionsFromProto, EmptyRequestIsTheHostImageWithTheDaemonsDefaults) {
  const auto options = FromProto(v1::CreateSandboxRequest(), Bounds());
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_EQ(*options, CreateOptions{});
}

TEST(CreateOptionsFromProto, FieldsAreTakenOver) {
  v1::CreateSandboxRequest request;
  request.set_request_id("r1");
  request.mutable_repository()->set_path("/srv/repo");
  request.mutable_repository()->set_commit("main");
  request.mutable_limits()->set_pids_max(64);
  (*request.mutable_labels())["a/b"] = "c";
  request.mutable_profile()->set_root_inside(true);
  request.mutable_profile()->set_seccomp_tier(v1::SECCOMP_TIER_STRICT);
  const auto options = FromProto(request, Bounds());
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_EQ(options->repository->revision, "main");
  EXPECT_EQ(options->limits.pids_max, 64u);
  EXPECT_EQ(options->labels.at("a/b"), "c");
  EXPECT_TRUE(options->root_inside);
  EXPECT_EQ(options->seccomp, SeccompTier::kStrict);
}

TEST(CreateOptionsFromProto, TheWayOutIsTakenOverAndShown) {
  v1::CreateSandboxRequest request;
  EXPECT_EQ(FromProto(request, Bounds())->egress.mode, EgressMode::kNone);
  request.mutable_egress()->set_mode(v1::EGRESS_MODE_ALLOW_LIST);
  request.mutable_egress()->add_presets("pypi");
  const auto options = FromProto(request, Bounds());
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_EQ(options->egress.presets, std::vector<std::string>{"pypi"});
  request.mutable_egress()->mutable_limits()->set_connections_max(0);
  EXPECT_EQ(RefusalOf(request).metadata["field"], "egress.limits.connections_max");
  SandboxInfo info;
  info.egress = options->egress;
  info.egress_etag = "tag";
  const v1::Sandbox shown = ToProto(info, "host");
  EXPECT_EQ(shown.egress().mode(), v1::EGRESS_MODE_ALLOW_LIST);
  EXPECT_EQ(shown.egress().presets(0), "pypi");
  EXPECT_EQ(shown.egress_etag(), "tag");
}

TEST(CreateOptionsFromProto, CachesNameASnapshotInOneWayAndTheirPlace) {
  v1::CreateSandboxRequest request;
  v1::CacheMount& cache = *request.add_caches();
  EXPECT_EQ(RefusalOf(request).metadata["field"], "caches[0]");
  cache.set_name("tools");
  EXPECT_EQ(RefusalOf(request).metadata["field"], "caches[0].target_path");
  cache.set_target_path("/opt/tools");
  cache.set_snapshot("sha256:" + std::string(64, 'a'));
  EXPECT_EQ(RefusalOf(request).metadata["field"], "caches[0]");
  cache.clear_name();
  const auto options = FromProto(request, Bounds());
  ASSERT_TRUE(options.ok()) << options.status();
  ASSERT_EQ(options->caches.size(), 1u);
  EXPECT_EQ(options->caches[0], (CacheMount{"", cache.snapshot(), "/opt/tools"}));
}

TEST(CreateOptionsFromProto, HistoryIsFullUnlessAnotherIsNamed) {
  v1::CreateSandboxRequest request;
  request.mutable_repository()->set_path("/r");
  const std::pair<v1::RepositoryHistory, History> kinds[] = {
      {v1::REPOSITORY_HISTORY_UNSPECIFIED, History::kFull},
      {v1::REPOSITORY_HISTORY_FULL, History::kFull},
      {v1::REPOSITORY_HISTORY_SHALLOW, History::kShallow},
      {v1::REPOSITORY_HISTORY_NONE, History::kNone}};
  for (const auto& [named, meant] : kinds) {
    request.mutable_repository()->set_history(named);
    const auto options = FromProto(request, Bounds());
    ASSERT_TRUE(options.ok()) << options.status();
    EXPECT_EQ(options->repository->history, meant);
  }
  request.mutable_repository()->set_history(static_cast<v1::RepositoryHistory>(77));
  EXPECT_EQ(RefusalOf(request).metadata["field"], "repository.history");
}

TEST(CreateOptionsFromProto, LimitsOutsideTheRangeNameTheField) {
  v1::CreateSandboxRequest zero;
  zero.mutable_limits()->set_memory_bytes(0);
  EXPECT_EQ(RefusalOf(zero).metadata["field"], "limits.memory_bytes");
  v1::CreateSandboxRequest huge;
  huge.mutable_limits()->set_disk_bytes(UINT64_MAX);
  EXPECT_EQ(RefusalOf(huge).metadata["field"], "limits.disk_bytes");
  v1::CreateSandboxRequest tiny;
  tiny.mutable_limits()->set_memory_bytes(1);
  EXPECT_EQ(RefusalOf(tiny).reason, "INVALID_FIELD");
}

TEST(CreateOptionsFromProto, NamesAndPathsAreChecked) {
  v1::CreateSandboxRequest image;
  image.set_image("../x");
  EXPECT_NE(RefusalOf(image).reason, "");
  v1::CreateSandboxRequest digest;
  digest.set_snapshot("sha256:short");
  EXPECT_NE(RefusalOf(digest).reason, "");
  v1::CreateSandboxRequest path;
  path.mutable_repository()->set_path("relative");
  EXPECT_EQ(RefusalOf(path).metadata["field"], "repository.path");
  v1::CreateSandboxRequest id;
  id.set_request_id("with space");
  EXPECT_EQ(RefusalOf(id).metadata["field"], "request_id");
  v1::CreateSandboxRequest label;
  (*label.mutable_labels())["new\nline"] = "";
  EXPECT_EQ(RefusalOf(label).metadata["field"], "labels");
}

TEST(Matches, NeedsEveryLabelAndOneOfTheStates) {
  SandboxInfo info;
  info.state = SandboxState::kRunning;
  info.labels = {{"a", "1"}, {"b", "2"}};
  v1::ListSandboxesRequest request;
  EXPECT_TRUE(Matches(info, request));
  (*request.mutable_label_filter())["a"] = "1";
  EXPECT_TRUE(Matches(info, request));
  (*request.mutable_label_filter())["b"] = "3";
  EXPECT_FALSE(Matches(info, request));
  request.clear_label_filter();
  request.add_states(v1::SANDBOX_STATE_STOPPED);
  EXPECT_FALSE(Matches(info, request));
}

TEST(RemoteSourceFromProto, ARefusalNamesTheFieldThatIsWrong) {
  v1::RemoteRepository right;
  right.set_url("https://git.example/a");
  right.set_secret_name("token");
  right.set_user("me");
  ASSERT_TRUE(FromProto(right, "remote").ok());
  const auto refused = [&](auto change) {
    v1::RemoteRepository wrong = right;
    change(&wrong);
    const auto source = FromProto(wrong, "remote");
    return source.ok() ? "" : GetErrorDetail(source.status())->metadata["field"];
  };
  EXPECT_EQ(refused([](auto* r) { r->set_user("a:b"); }), "remote.user");
  EXPECT_EQ(refused([](auto* r) { r->set_user("a\nb"); }), "remote.user");
  EXPECT_EQ(refused([](auto* r) { r->set_user(std::string(300, 'u')); }), "remote.user");
  EXPECT_EQ(refused([](auto* r) { r->clear_secret_name(); }), "remote.user");
  EXPECT_EQ(refused([](auto* r) { r->set_secret_name("../token"); }), "remote.secret_name");
  EXPECT_EQ(refused([](auto* r) { r->set_secret_name(""); }), "remote.secret_name");
  EXPECT_EQ(refused([](auto* r) { r->set_url("git://git.example/a"); }), "remote.secret_name");
  EXPECT_EQ(refused([](auto* r) { r->set_url("/a"); }), "remote.url");
}

}  // namespace
}  // namespace glovebox
