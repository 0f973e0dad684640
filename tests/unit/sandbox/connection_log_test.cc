#include "sandbox/connection_log.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace glovebox {
namespace {

constexpr char kInstance[] = "cafe";

EgressRecord Opened(uint64_t connection) {
  EgressRecord record;
  record.connection = connection;
  record.host = "pypi.org";
  record.port = 443;
  record.rule = "pypi:pypi.org";
  return record;
}

EgressRecord Refused(const std::string& host, uint64_t lost = 0) {
  EgressRecord record;
  record.outcome = EgressOutcome::kRefused;
  record.denial = EgressDenial::kNoRule;
  record.host = host;
  record.lost = lost;
  return record;
}

// What a reader is told until it has to wait: "a:pypi.org", "lost 3", "fresh", "end".
std::vector<std::string> Drain(ConnectionLog::Reader& reader) {
  std::vector<std::string> told;
  while (true) {
    const auto item = reader.Next();
    if (!item.ok()) {
      told.push_back(absl::IsOutOfRange(item.status()) ? "end" : item.status().ToString());
      return told;
    }
    if (!item->has_value()) return told;
    if ((*item)->fresh_instance) told.push_back("fresh");
    if ((*item)->lost > 0) told.push_back(absl::StrCat("lost ", (*item)->lost));
    if ((*item)->connection != nullptr) {
      told.push_back(
          absl::StrCat((*item)->connection->sandbox_id, ":", (*item)->connection->record.host));
    }
  }
}

// The cursor of the last record that there is.
std::string LastCursor(ConnectionLog::Reader& reader) {
  std::string cursor;
  while (true) {
    const auto item = reader.Next();
    if (!item.ok() || !item->has_value()) return cursor;
    if ((*item)->connection != nullptr) cursor = (*item)->connection->cursor;
  }
}

using Texts = std::vector<std::string>;

class ConnectionLogTest : public ::testing::Test {
 protected:
  static std::unique_ptr<ConnectionLog::Reader> Follow(
      ConnectionLog& log, const std::string& sandbox,
      const std::optional<std::string>& cursor = std::nullopt, bool refused_only = false,
      const Viewer& viewer = Viewer(EveryOwner{}), std::function<void()> on_news = [] {}) {
    auto reader = log.Follow({sandbox, viewer, refused_only}, cursor, std::move(on_news));
    EXPECT_TRUE(reader.ok()) << reader.status();
    return *std::move(reader);
  }
  static std::string Start() { return ""; }
};

TEST_F(ConnectionLogTest, ReadersAreToldWhatComesAfterThem) {
  ConnectionLog log(kInstance);
  log.Open("a", "uid:1");
  log.Add("a", "build", Opened(1));
  int news = 0;
  auto reader = Follow(log, "a", std::nullopt, false, Viewer(EveryOwner{}), [&] { ++news; });
  EXPECT_EQ(Drain(*reader), Texts());
  log.Add("a", "build", Refused("evil.example"));
  log.Add("a", "", Refused("worse.example"));
  EXPECT_EQ(news, 1) << "once after each wait";
  EXPECT_EQ(Drain(*reader), Texts({"a:evil.example", "a:worse.example"}));
  EXPECT_EQ(Drain(*Follow(log, "a", Start())),
            Texts({"a:pypi.org", "a:evil.example", "a:worse.example"}));
}

TEST_F(ConnectionLogTest, ACursorGoesOnAfterItsRecordWhateverIsWatched) {
  ConnectionLog log(kInstance);
  log.Open("a", "uid:1");
  log.Open("b", "uid:1");
  for (int i = 0; i < 3; ++i) {
    log.Add("b", "", Refused(absl::StrCat("b", i)));
    log.Add("a", "", Refused(absl::StrCat("a", i)));
  }
  auto all = Follow(log, "", Start());
  ASSERT_TRUE(all->Next().ok());
  ASSERT_TRUE(all->Next().ok());
  const auto third = all->Next();
  ASSERT_TRUE(third.ok() && third->has_value());
  const std::string cursor = (*third)->connection->cursor;
  EXPECT_EQ(Drain(*Follow(log, "", cursor)), Texts({"a:a1", "b:b2", "a:a2"}));
  EXPECT_EQ(Drain(*Follow(log, "a", cursor)), Texts({"a:a1", "a:a2"}));
  EXPECT_EQ(Drain(*all), Texts({"a:a1", "b:b2", "a:a2"}));
}

TEST_F(ConnectionLogTest, OverflowIsToldInItsPlaceAndHitsTheSandboxThatCausedIt) {
  ConnectionLog log(kInstance, {.records_per_sandbox = 4});
  log.Open("quiet", "uid:1");
  log.Open("noisy", "uid:2");
  log.Add("quiet", "", Refused("first"));
  auto reader = Follow(log, "", Start());
  for (int i = 0; i < 10; ++i) log.Add("noisy", "", Refused(absl::StrCat(i)));
  log.Add("quiet", "", Refused("last"));
  const Texts expected = {"quiet:first", "lost 6",  "noisy:6",   "noisy:7",
                          "noisy:8",     "noisy:9", "quiet:last"};
  EXPECT_EQ(Drain(*reader), expected);
  const Texts later = Drain(*Follow(log, "noisy", Start()));
  EXPECT_EQ(later, Texts({"lost 6", "noisy:6", "noisy:7", "noisy:8", "noisy:9"}));
}

TEST_F(ConnectionLogTest, WhatTheProxyDroppedIsToldBeforeTheRecordThatSaysSo) {
  ConnectionLog log(kInstance, {.records_per_sandbox = 2});
  log.Open("a", "uid:1");
  auto reader = Follow(log, "a");
  auto refusals = Follow(log, "a", std::nullopt, /*refused_only=*/true);
  EgressRecord opened = Opened(1);
  opened.lost = 5;
  log.Add("a", "", Refused("x"));
  log.Add("a", "", opened);
  EXPECT_EQ(Drain(*reader), Texts({"a:x", "lost 5", "a:pypi.org"}));
  EXPECT_EQ(Drain(*refusals), Texts({"a:x", "lost 5"}));
  log.Add("a", "", Refused("y"));
  log.Add("a", "", Refused("z", 7));
  log.Add("a", "", Refused("last"));
  EXPECT_EQ(Drain(*reader), Texts({"lost 8", "a:z", "a:last"}));
  EXPECT_EQ(Drain(*Follow(log, "a", Start())), Texts({"lost 15", "a:z", "a:last"}));
}

TEST_F(ConnectionLogTest, RefusalsAloneAreRefusalsAndWhatWasCut) {
  ConnectionLog log(kInstance);
  log.Open("a", "uid:1");
  auto reader = Follow(log, "a", Start(), /*refused_only=*/true);
  for (int i = 0; i < 600; ++i) log.Add("a", "", Opened(1));
  EgressRecord cut = Opened(1);
  cut.outcome = EgressOutcome::kClosed;
  cut.denial = EgressDenial::kNoRule;
  cut.host = "cut";
  log.Add("a", "", cut);
  cut.denial = EgressDenial::kNone;
  log.Add("a", "", cut);
  log.Add("a", "", Refused("refused"));
  EXPECT_EQ(Drain(*reader), Texts({"a:cut", "a:refused"}));
}

TEST_F(ConnectionLogTest, ACursorOfAnEarlierDaemonIsToldSoAndGoesOnWithAllThereIs) {
  ConnectionLog earlier("beef");
  earlier.Open("a", "uid:1");
  auto before = Follow(earlier, "a");
  earlier.Add("a", "", Refused("x"));
  const std::string cursor = LastCursor(*before);
  ConnectionLog log(kInstance, {.records_per_sandbox = 2});
  log.Open("a", "uid:1");
  for (int i = 0; i < 3; ++i) log.Add("a", "", Refused(absl::StrCat(i)));
  EXPECT_EQ(Drain(*Follow(log, "a", cursor)), Texts({"fresh", "lost 1", "a:1", "a:2"}));
  EXPECT_EQ(Drain(*Follow(log, "", cursor)), Texts({"fresh", "lost 1", "a:1", "a:2"}));
}

TEST_F(ConnectionLogTest, WhatIsNoCursorIsRefused) {
  ConnectionLog log(kInstance);
  log.Open("a", "uid:1");
  log.Add("a", "", Refused("x"));
  const Texts cursors = {"1",         "n1.cafe",  "n1.cafe.2",   "n1.cafe.-1",
                         "n2.cafe.1", "n1..1",    "n1.cafe.1.1", "n1.cafe.",
                         "n1.cafe.x", "n1.beef.", "n1.beef.9x",  std::string(200, 'n')};
  for (const std::string& cursor : cursors) {
    const auto reader = log.Follow({"a", Viewer(EveryOwner{})}, cursor, [] {});
    EXPECT_EQ(reader.status().code(), absl::StatusCode::kInvalidArgument) << cursor;
    const auto detail = GetErrorDetail(reader.status());
    EXPECT_TRUE(detail.has_value() && detail->reason == "CURSOR_INVALID") << cursor;
  }
  EXPECT_EQ(Drain(*Follow(log, "a", "n1.cafe.1")), Texts());
}

TEST_F(ConnectionLogTest, NobodySeesSandboxesOfOthers) {
  ConnectionLog log(kInstance);
  log.Open("mine", "uid:1");
  log.Open("theirs", "uid:2");
  const Viewer viewer("uid:1");
  int news = 0;
  auto reader = Follow(log, "", Start(), false, viewer, [&] { ++news; });
  EXPECT_EQ(Drain(*reader), Texts());
  log.Open("later", "uid:2");
  log.Add("theirs", "", Refused("x", 3));
  log.Add("later", "", Refused("x"));
  EXPECT_EQ(news, 0);
  EXPECT_EQ(Drain(*reader), Texts());
  EXPECT_TRUE(absl::IsNotFound(log.Follow({"theirs", viewer}, std::nullopt, [] {}).status()));
  log.Open("my-next", "uid:1");
  log.Add("my-next", "", Refused("y"));
  EXPECT_EQ(news, 1);
  EXPECT_EQ(Drain(*reader), Texts({"my-next:y"}));
}

TEST_F(ConnectionLogTest, AReaderOfADeletedSandboxHasItsLastRecordAndEnds) {
  ConnectionLog log(kInstance);
  log.Open("a", "uid:1");
  int news = 0;
  auto reader = Follow(log, "a", std::nullopt, false, Viewer(EveryOwner{}), [&] { ++news; });
  auto waiting = Follow(log, "a", std::nullopt, false, Viewer(EveryOwner{}), [&] { ++news; });
  log.Add("a", "", Refused("last"));
  EXPECT_EQ(Drain(*waiting), Texts({"a:last"}));
  log.Close("a");
  EXPECT_EQ(news, 1) << "who waits is told, who does not wait asks anyway";
  EXPECT_EQ(Drain(*reader), Texts({"a:last", "end"}));
  EXPECT_EQ(Drain(*waiting), Texts({"end"}));
  log.Add("a", "", Refused("after"));
  EXPECT_TRUE(
      absl::IsNotFound(log.Follow({"a", Viewer(EveryOwner{})}, std::nullopt, [] {}).status()));
}

TEST_F(ConnectionLogTest, RecordsOfDeletedSandboxesAreKeptForAWhileThenTheyAreCounted) {
  ConnectionLog log(kInstance, {.deleted_sandboxes = 1});
  for (const char* id : {"a", "b"}) {
    log.Open(id, "uid:1");
    log.Add(id, "", Refused("x"));
    log.Add(id, "", Refused("y"));
  }
  auto reader = Follow(log, "", Start());
  auto one = Follow(log, "a", Start());
  const auto first = one->Next();
  ASSERT_TRUE(first.ok() && first->has_value());
  const std::string cursor = (*first)->connection->cursor;
  log.Close("a");
  EXPECT_EQ(Drain(*Follow(log, "", Start())), Texts({"a:x", "a:y", "b:x", "b:y"}));
  log.Close("b");
  EXPECT_EQ(Drain(*reader), Texts({"lost 2", "b:x", "b:y"}));
  EXPECT_EQ(Drain(*one), Texts({"lost 1", "end"}));
  EXPECT_EQ(Drain(*Follow(log, "", cursor)), Texts({"lost 1", "b:x", "b:y"}));
  EXPECT_EQ(Drain(*Follow(log, "", cursor, false, Viewer("uid:2"))), Texts());
}

TEST_F(ConnectionLogTest, MemoryIsBoundedAndTakenFromWhoHasMost) {
  ConnectionLog log(kInstance, {.bytes = 60'000});
  log.Open("quiet", "uid:1");
  log.Add("quiet", "", Refused("kept"));
  log.Open("gone", "uid:1");
  log.Add("gone", "", Refused("gone"));
  log.Close("gone");
  for (const char* id : {"noisy1", "noisy2"}) log.Open(id, "uid:2");
  for (int i = 0; i < 500; ++i) {
    for (const char* id : {"noisy1", "noisy2"}) log.Add(id, "", Refused(std::string(200, 'x')));
  }
  EXPECT_EQ(Drain(*Follow(log, "quiet", Start())), Texts({"quiet:kept"}));
  const Texts mine = Drain(*Follow(log, "", Start(), false, Viewer("uid:1")));
  EXPECT_EQ(mine, Texts({"lost 1", "quiet:kept"}));
  for (const char* id : {"noisy1", "noisy2"}) {
    const size_t kept = Drain(*Follow(log, id, Start())).size();
    EXPECT_GT(kept, 10) << id;
    EXPECT_LT(kept, 100) << id;
  }
}

TEST_F(ConnectionLogTest, ReadersAreLimitedAndGiveTheirPlaceBack) {
  ConnectionLog log(kInstance, {.readers_per_sandbox = 2, .readers = 3});
  log.Open("a", "uid:1");
  const auto reason = [&](const std::string& sandbox) {
    const auto reader = log.Follow({sandbox, Viewer(EveryOwner{})}, std::nullopt, [] {});
    if (reader.ok()) return std::string();
    const auto detail = GetErrorDetail(reader.status());
    return detail.has_value() ? detail->reason : std::string(reader.status().message());
  };
  auto first = Follow(log, "a");
  auto second = Follow(log, "a");
  EXPECT_EQ(reason("a"), "WATCH_LIMIT");
  auto all = Follow(log, "");
  EXPECT_EQ(reason(""), "WATCH_LIMIT");
  all.reset();
  EXPECT_EQ(reason(""), "");
  first.reset();
  EXPECT_EQ(reason("a"), "");
  log.Add("a", "", Refused("x"));
  EXPECT_EQ(Drain(*second), Texts({"a:x"}));
}

TEST_F(ConnectionLogTest, EveryReaderEndsWithTheDaemon) {
  ConnectionLog log(kInstance);
  log.Open("a", "uid:1");
  int news = 0;
  auto reader = Follow(log, "", std::nullopt, false, Viewer(EveryOwner{}), [&] { ++news; });
  EXPECT_EQ(Drain(*reader), Texts());
  log.End(absl::UnavailableError("the daemon ends"));
  log.Close("a");
  EXPECT_EQ(news, 1);
  EXPECT_TRUE(absl::IsUnavailable(reader->Next().status()));
  EXPECT_TRUE(
      absl::IsUnavailable(log.Follow({"", Viewer(EveryOwner{})}, std::nullopt, [] {}).status()));
}

TEST_F(ConnectionLogTest, WhatBecameOfThemIsCountedOverAllSandboxesAlsoThoseThatAreGone) {
  ConnectionLog log(kInstance);
  log.Open("a", "uid:1");
  log.Open("b", "uid:2");
  log.Add("a", "", Opened(1));
  log.Add("b", "", Opened(2));
  log.Add("b", "", Refused("x", 7));
  log.Add("nobody", "", Refused("x", 100));
  EgressRecord closed = Opened(1);
  closed.outcome = EgressOutcome::kClosed;
  closed.sent_bytes = 10;
  closed.received_bytes = 3;
  log.Add("a", "", closed);
  closed.denial = EgressDenial::kLimit;  // cut
  log.Add("b", "", closed);
  log.Close("b");
  const ConnectionCounts counts = log.Counts();
  EXPECT_EQ(counts.opened, 2u);
  const std::map<EgressDenial, uint64_t> refused = {{EgressDenial::kNoRule, 1},
                                                    {EgressDenial::kLimit, 1}};
  EXPECT_EQ(counts.refused, refused);
  EXPECT_EQ(counts.sent_bytes, 20u);
  EXPECT_EQ(counts.received_bytes, 6u);
  EXPECT_EQ(counts.untold, 7u);
}

TEST_F(ConnectionLogTest, AReaderThatGoesWhileItsSandboxHasNewsLeavesNothingBehind) {
  ConnectionLog log(kInstance, {.deleted_sandboxes = 1});
  log.Open("a", "uid:1");
  log.Open("b", "uid:1");
  auto reader = Follow(log, "");
  log.Add("a", "", Refused("x"));
  log.Close("a");
  reader.reset();
  log.Close("b");
  log.Open("c", "uid:1");
  log.Add("c", "", Refused("y"));
  EXPECT_EQ(Drain(*Follow(log, "c", Start())), Texts({"c:y"}));
}

}  // namespace
}  // namespace glovebox
