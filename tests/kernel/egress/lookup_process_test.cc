// The process that gives sandboxes' ports to their way out: what it does for the daemon, and what
// not.
#include "daemon/lookup_process.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <memory>
#include <string>
#include <utility>

#include "tests/kernel/egress/gate_world.h"
#include "tests/support/must_run.h"

namespace glovebox {
namespace {

constexpr uint16_t kNames = 53;
constexpr uint16_t kOthers = 1053;
constexpr uint16_t kPort = 4443;

struct TwoListeners {
  NetworkSpace space;
  UniqueFd names, others;
  TwoListeners() {
    space.MakeAllAddressesLocal();
    names = space.Listen(kNames);
    others = space.Listen(kOthers);
  }
  bool HasEveryPort() const { return space.Connect("93.184.216.34", kPort).valid(); }
};

TEST(LookupProcessTest, OfWhatItIsAskedItDoesThatAlone) {
  auto process = LookupProcess::Start();
  SKIP_UNLESS(process.ok(), process.status().ToString());
  const TwoListeners one, two;
  const UniqueFd hosts(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const UniqueFd file(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  const auto why = [&](const UniqueFd& names, const UniqueFd& others) {
    return std::string((*process)->GiveEveryPort(names.get(), others.get()).status().message());
  };
  EXPECT_NE(why(hosts, hosts).find("not a sandbox's"), std::string::npos) << why(hosts, hosts);
  EXPECT_NE(why(one.names, two.others).find("different"), std::string::npos);
  EXPECT_NE(why(one.names, file).find("SIOCGSKNS"), std::string::npos) << why(one.names, file);
  for (const TwoListeners* sandbox : {&one, &two}) {
    EXPECT_FALSE(sandbox->HasEveryPort());
    auto link = (*process)->GiveEveryPort(sandbox->names.get(), sandbox->others.get());
    ASSERT_TRUE(link.ok()) << link.status();
    EXPECT_TRUE(sandbox->HasEveryPort());
    link->Reset();
    EXPECT_NE(why(hosts, hosts), "") << "it has let go of what it gave before";
    EXPECT_FALSE(sandbox->HasEveryPort());
  }
}

TEST(LookupProcessTest, WhatItGaveOutlivesIt) {
  auto process = LookupProcess::Start();
  SKIP_UNLESS(process.ok(), process.status().ToString());
  const TwoListeners sandbox;
  auto link = (*process)->GiveEveryPort(sandbox.names.get(), sandbox.others.get());
  ASSERT_TRUE(link.ok()) << link.status();
  process->reset();
  EXPECT_TRUE(sandbox.HasEveryPort());
}

}  // namespace
}  // namespace glovebox
