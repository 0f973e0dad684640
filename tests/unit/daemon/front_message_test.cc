// A front that lies: nothing of another form is taken from it.
#include "daemon/front_message.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <cstring>
#include <functional>

#include "absl/strings/str_cat.h"
#include "base/flat_bytes.h"
#include "base/unique_fd.h"

namespace glovebox {
namespace {

FrontMessage Message(FrontMessageKind kind, const std::string& text) {
  FrontMessage message;
  message.kind = kind;
  message.text_bytes = static_cast<uint32_t>(text.size());
  std::memcpy(message.text, text.data(), text.size());
  return message;
}

FrontMessage Connection(const std::string& name) {
  FrontMessage message = Message(FrontMessageKind::kConnection, name);
  message.address[15] = 1;
  message.port = 4711;
  return message;
}

FrontMessage Refused() {
  FrontMessage message = Message(FrontMessageKind::kRefused, "no h2");
  message.refusal = FrontRefusal::kHandshake;
  return message;
}

TEST(FrontMessage, IsTakenAsAFrontSaysIt) {
  EXPECT_TRUE(ParseFrontMessage(BytesOf(Message(FrontMessageKind::kReady, "")), 0).ok());
  EXPECT_EQ(ParseFrontMessage(BytesOf(Message(FrontMessageKind::kFailed, "why")), 0)->text, "why");
  EXPECT_EQ(ParseFrontMessage(BytesOf(Refused()), 0)->refusal, FrontRefusal::kHandshake);
  const auto connection = ParseFrontMessage(BytesOf(Connection("ci.example")), 1);
  ASSERT_TRUE(connection.ok()) << connection.status();
  EXPECT_EQ(connection->text, "ci.example");
  EXPECT_EQ(connection->peer.Uri(), "ipv6:[::1]:4711");
}

TEST(FrontMessage, ANameMayBeAnyBytesUpToItsLimit) {
  for (const std::string& name :
       {std::string(), std::string("a\0\n\"", 4), std::string(kFrontTextBytesMax, '\xff')}) {
    const auto connection = ParseFrontMessage(BytesOf(Connection(name)), 1);
    ASSERT_TRUE(connection.ok()) << connection.status();
    EXPECT_EQ(connection->text, name);
  }
}

TEST(FrontMessage, OfAnotherFormIsALoss) {
  const std::function<void(FrontMessage*)> wrongs[] = {
      [](FrontMessage* m) { m->magic = 0; },
      [](FrontMessage* m) { m->version = kFrontVersion + 1; },
      [](FrontMessage* m) { m->kind = static_cast<FrontMessageKind>(0); },
      [](FrontMessage* m) { m->kind = static_cast<FrontMessageKind>(5); },
      [](FrontMessage* m) { m->refusal = FrontRefusal::kSlow; },
      [](FrontMessage* m) { m->port = 0; },
      [](FrontMessage* m) { m->port = 65536; },
      [](FrontMessage* m) { m->text_bytes = kFrontTextBytesMax + 1; },
      [](FrontMessage* m) { m->text_bytes = UINT32_MAX; },
      [](FrontMessage* m) { m->text[kFrontTextBytesMax - 1] = 'x'; },
  };
  for (size_t i = 0; i < std::size(wrongs); ++i) {
    FrontMessage message = Connection("ci.example");
    wrongs[i](&message);
    EXPECT_TRUE(absl::IsDataLoss(ParseFrontMessage(BytesOf(message), 1).status())) << i;
  }
  const FrontMessage good = Connection("ci.example");
  const std::string longer = absl::StrCat(BytesOf(good), "x");
  EXPECT_TRUE(absl::IsDataLoss(ParseFrontMessage(longer, 1).status()));
  EXPECT_TRUE(absl::IsDataLoss(ParseFrontMessage(BytesOf(good).substr(1), 1).status()));
  EXPECT_TRUE(absl::IsDataLoss(ParseFrontMessage("", 0).status()));
}

TEST(FrontMessage, DescriptorsComeWithConnectionsAndWithNothingElse) {
  EXPECT_FALSE(ParseFrontMessage(BytesOf(Connection("a")), 0).ok());
  EXPECT_FALSE(ParseFrontMessage(BytesOf(Connection("a")), 2).ok());
  EXPECT_FALSE(ParseFrontMessage(BytesOf(Refused()), 1).ok());
  EXPECT_FALSE(ParseFrontMessage(BytesOf(Message(FrontMessageKind::kReady, "")), 1).ok());
}

TEST(FrontMessage, WordsForTheLogArePrintable) {
  for (const std::string& odd :
       {std::string("a\nb"), std::string("\x1b[2J"), std::string("\xc3\xa4")}) {
    FrontMessage refused = Refused();
    std::memset(refused.text, 0, sizeof refused.text);
    refused.text_bytes = static_cast<uint32_t>(odd.size());
    std::memcpy(refused.text, odd.data(), odd.size());
    EXPECT_FALSE(ParseFrontMessage(BytesOf(refused), 0).ok()) << odd;
    EXPECT_FALSE(ParseFrontMessage(BytesOf(Message(FrontMessageKind::kFailed, odd)), 0).ok());
  }
  FrontMessage unknown = Refused();
  unknown.refusal = static_cast<FrontRefusal>(kFrontRefusals);
  EXPECT_FALSE(ParseFrontMessage(BytesOf(unknown), 0).ok());
}

std::array<UniqueFd, 2> Pair(int type) {
  std::array<int, 2> fds = {-1, -1};
  EXPECT_EQ(::socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fds.data()), 0);
  return {UniqueFd(fds[0]), UniqueFd(fds[1])};
}

TEST(CheckHandedOver, TakesAConnectedUnixStreamAndMakesItNotBlock) {
  auto pair = Pair(SOCK_STREAM);
  EXPECT_TRUE(CheckHandedOver(pair[0].get()).ok());
  EXPECT_NE(::fcntl(pair[0].get(), F_GETFL) & O_NONBLOCK, 0);
  pair[1].Reset();
  EXPECT_TRUE(CheckHandedOver(pair[0].get()).ok()) << "its client has gone meanwhile";
}

TEST(CheckHandedOver, TakesNothingElse) {
  const auto packets = Pair(SOCK_SEQPACKET);
  const UniqueFd file(::open("/dev/null", O_RDWR | O_CLOEXEC));
  const UniqueFd lonely(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const UniqueFd tcp(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const UniqueFd listening(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un unnamed{};
  unnamed.sun_family = AF_UNIX;  // the kernel chooses an abstract name
  ASSERT_EQ(
      ::bind(listening.get(), reinterpret_cast<sockaddr*>(&unnamed), sizeof unnamed.sun_family), 0);
  ASSERT_EQ(::listen(listening.get(), 1), 0);
  for (const UniqueFd* wrong : {&packets[0], &file, &lonely, &tcp, &listening}) {
    EXPECT_TRUE(absl::IsDataLoss(CheckHandedOver(wrong->get())));
  }
}

}  // namespace
}  // namespace glovebox
