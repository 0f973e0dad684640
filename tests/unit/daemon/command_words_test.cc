#include "daemon/command_words.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

namespace glovebox {
namespace {

TEST(CommandWordsTest, WhoHasTheDescriptorReadsThemAndWritesNone) {
  const auto words = *CommandWords::Make(4);
  EXPECT_EQ(::mmap(nullptr, 32, PROT_READ | PROT_WRITE, MAP_SHARED, words->fd(), 0), MAP_FAILED);
  const uint64_t nothing = 0;
  EXPECT_LT(::pwrite(words->fd(), &nothing, sizeof nothing, 0), 0);
  void* const mapped = ::mmap(nullptr, 32, PROT_READ, MAP_SHARED, words->fd(), 0);
  ASSERT_NE(mapped, MAP_FAILED);
  EXPECT_NE(::mprotect(mapped, 32, PROT_READ | PROT_WRITE), 0);
  const auto* const seen = static_cast<const std::atomic<uint64_t>*>(mapped);

  const uint32_t first = words->Take(10), second = words->Take(11);
  EXPECT_NE(first, second);
  EXPECT_EQ(words->Take(10), first);
  EXPECT_EQ(seen[first].load(), kEgressSeveralCommands) << "until somebody says otherwise";
  words->Set(10, 3);
  EXPECT_EQ(seen[first].load(), 3u);
  EXPECT_EQ(seen[second].load(), kEgressSeveralCommands);
  words->Set(99, 5);
  words->Leave(99);
  EXPECT_EQ(::munmap(mapped, 32), 0);
}

TEST(CommandWordsTest, OneThatIsLeftIsAnothersAndSaysNothingOfTheFormer) {
  const auto words = *CommandWords::Make(2);
  const void* const mapped = ::mmap(nullptr, 16, PROT_READ, MAP_SHARED, words->fd(), 0);
  ASSERT_NE(mapped, MAP_FAILED);
  const auto* const seen = static_cast<const std::atomic<uint64_t>*>(mapped);
  for (uint64_t sandbox = 1; sandbox < 100; ++sandbox) {
    (void)words->Take(sandbox);
    const uint32_t other = words->Take(sandbox + 1000);
    words->Set(sandbox + 1000, sandbox);
    words->Leave(sandbox);
    words->Leave(sandbox + 1000);
    words->Set(sandbox + 1000, 7777);  // it has none
    EXPECT_NE(seen[other].load(), 7777u);
  }
  EXPECT_EQ(seen[words->Take(5000)].load(), kEgressSeveralCommands);
}

}  // namespace
}  // namespace glovebox
