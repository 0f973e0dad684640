// A proxy that lies: nothing of another form is taken from it.
#include "daemon/egress_message.h"

#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <iterator>

#include "base/flat_bytes.h"

namespace glovebox {
namespace {

EgressMessage Message(EgressMessageKind kind) {
  EgressMessage message;
  message.kind = kind;
  return message;
}

EgressMessage Answer() {
  EgressMessage message = Message(EgressMessageKind::kAnswer);
  message.sequence = 7;
  message.sandbox = 3;
  message.connections_cut = 2;
  return message;
}

EgressMessage Event() {
  EgressMessage message = Message(EgressMessageKind::kEvent);
  message.event = EgressEventKind::kClosed;
  message.sandbox = 3;
  message.connection = 4;
  message.lost = 5;
  message.command_cgroup_id = 77;
  message.start_unix_ms = 1'700'000'000'000;
  message.duration_ms = 6;
  message.sent_bytes = 7;
  message.received_bytes = 8;
  message.port = 443;
  message.has_address = 1;
  message.address.address[0] = 93;
  message.address.address[3] = 34;
  message.address.port = 443;
  std::strcpy(message.host, "good.example");
  std::strcpy(message.rule, "web");
  std::strcpy(message.method, "GET");
  std::strcpy(message.path, "/a");
  return message;
}

TEST(EgressMessage, IsTakenAsAProxySaysIt) {
  EXPECT_TRUE(ParseEgressMessage(BytesOf(Message(EgressMessageKind::kReady)), 0).ok());
  EgressMessage failed = Message(EgressMessageKind::kFailed);
  std::strcpy(failed.text, "why");
  EXPECT_EQ(ParseEgressMessage(BytesOf(failed), 0)->text, "why");
  const auto answer = ParseEgressMessage(BytesOf(Answer()), 0);
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->sequence, 7u);
  EXPECT_EQ(answer->sandbox, 3u);
  EXPECT_EQ(answer->connections_cut, 2u);
  EXPECT_FALSE(answer->failed);
}

TEST(EgressMessage, AnEventIsARecord) {
  const auto event = ParseEgressMessage(BytesOf(Event()), 0);
  ASSERT_TRUE(event.ok()) << event.status();
  EXPECT_EQ(event->sandbox, 3u);
  const EgressRecord& record = event->record;
  EXPECT_EQ(record.outcome, EgressOutcome::kClosed);
  EXPECT_EQ(record.denial, EgressDenial::kNone);
  EXPECT_EQ(record.connection, 4u);
  EXPECT_EQ(record.lost, 5u);
  EXPECT_EQ(record.command, 0u);
  EXPECT_EQ(record.command_cgroup_id, 77u);
  EXPECT_EQ(record.host, "good.example");
  EXPECT_EQ(record.port, 443);
  ASSERT_TRUE(record.address.has_value());
  EXPECT_EQ(record.address->Text(), "93.0.0.34");
  EXPECT_EQ(record.rule + record.method + record.path, "webGET/a");
  EXPECT_EQ(record.start_unix_ms, 1'700'000'000'000);
  EXPECT_EQ(record.duration_ms, 6u);
  EXPECT_EQ(record.sent_bytes, 7u);
  EXPECT_EQ(record.received_bytes, 8u);
}

TEST(EgressMessage, ARefusalHasAReasonAndWhatWasOpenedHasNone) {
  EgressMessage message = Event();
  message.event = EgressEventKind::kRefused;
  EXPECT_TRUE(absl::IsDataLoss(ParseEgressMessage(BytesOf(message), 0).status()));
  message.denial = static_cast<uint32_t>(EgressDenial::kNoRule);
  EXPECT_EQ(ParseEgressMessage(BytesOf(message), 0)->record.denial, EgressDenial::kNoRule);
  message.event = EgressEventKind::kOpened;
  EXPECT_TRUE(absl::IsDataLoss(ParseEgressMessage(BytesOf(message), 0).status()));
  message.event = EgressEventKind::kClosed;
  EXPECT_TRUE(ParseEgressMessage(BytesOf(message), 0).ok()) << "it was cut";
}

TEST(EgressMessage, OfAnotherFormIsALoss) {
  const std::function<void(EgressMessage*)> wrongs[] = {
      [](EgressMessage* m) { m->magic = 0; },
      [](EgressMessage* m) { m->version = kEgressVersion + 1; },
      [](EgressMessage* m) { m->kind = static_cast<EgressMessageKind>(0); },
      [](EgressMessage* m) { m->kind = static_cast<EgressMessageKind>(5); },
      [](EgressMessage* m) { m->event = EgressEventKind::kNone; },
      [](EgressMessage* m) { m->event = static_cast<EgressEventKind>(4); },
      [](EgressMessage* m) { m->denial = 7; },
      [](EgressMessage* m) { m->port = 65536; },
      [](EgressMessage* m) { m->start_unix_ms = -1; },
      [](EgressMessage* m) { m->start_unix_ms = INT64_MAX; },
      [](EgressMessage* m) { m->duration_ms = UINT64_MAX; },
      [](EgressMessage* m) { m->lost = UINT64_MAX; },
      [](EgressMessage* m) { m->command = uint64_t{1} << 32; },
      [](EgressMessage* m) { m->command = m->command_cgroup_id = 1; },
      [](EgressMessage* m) { m->has_address = 2; },
      [](EgressMessage* m) { m->has_address = 0; },
      [](EgressMessage* m) { m->address.is_v6 = 2; },
      [](EgressMessage* m) { m->address.port = 80; },
      [](EgressMessage* m) { m->address.address[4] = 1; },
      [](EgressMessage* m) { std::memset(m->host, 'x', sizeof m->host); },
      [](EgressMessage* m) { m->host[3] = '\n'; },
      [](EgressMessage* m) { m->host[sizeof m->host - 1] = 'x'; },
      [](EgressMessage* m) { m->rule[0] = '\x1b'; },
      [](EgressMessage* m) { m->method[1] = '\x7f'; },
      [](EgressMessage* m) { m->path[0] = '\xff'; },
      [](EgressMessage* m) { m->text[0] = 'x'; },
  };
  for (size_t i = 0; i < std::size(wrongs); ++i) {
    EgressMessage message = Event();
    wrongs[i](&message);
    EXPECT_TRUE(absl::IsDataLoss(ParseEgressMessage(BytesOf(message), 0).status())) << i;
  }
  const EgressMessage good = Event();
  EXPECT_TRUE(absl::IsDataLoss(ParseEgressMessage(BytesOf(good), 1).status())) << "a descriptor";
  for (const size_t size : {size_t{0}, size_t{1}, sizeof good - 1}) {
    EXPECT_TRUE(absl::IsDataLoss(ParseEgressMessage(BytesOf(good).substr(0, size), 0).status()));
  }
  EgressMessage answer = Answer();
  answer.failed = 2;
  EXPECT_TRUE(absl::IsDataLoss(ParseEgressMessage(BytesOf(answer), 0).status()));
  EgressMessage ready = Message(EgressMessageKind::kReady);
  ready.text[0] = 'x';
  EXPECT_TRUE(absl::IsDataLoss(ParseEgressMessage(BytesOf(ready), 0).status()));
}

}  // namespace
}  // namespace glovebox
