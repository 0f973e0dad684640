// Which processes have sockets.
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/unique_fd.h"
#include "base/wire_field.h"
#include "gtest/gtest.h"
#include "tests/unit/files/asked_program.h"

namespace glovebox {
namespace {

uint64_t InodeOf(const UniqueFd& fd) {
  struct stat status {};
  EXPECT_EQ(::fstat(fd.get(), &status), 0);
  return status.st_ino;
}

TEST(OwnerCallTest, TheProcessThatHasASocketIsFound) {
  const UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  WireWriter request;
  request.Number(1, InodeOf(fd));
  request.Number(1, 1);  // of no socket
  const auto answer = AskProgram(FindOwnersCall, request.message());
  ASSERT_TRUE(answer.ok()) << answer.status();
  WireReader reader(*answer);
  WireField field;
  ASSERT_TRUE(reader.Next(&field));
  WireReader owner(field.bytes);
  WireField part;
  ASSERT_TRUE(owner.Next(&part) && part.number == 1);
  EXPECT_EQ(part.value, InodeOf(fd));
  ASSERT_TRUE(owner.Next(&part) && part.number == 2);
  EXPECT_EQ(part.value, static_cast<uint64_t>(::getpid()));
  ASSERT_TRUE(owner.Next(&part) && part.number == 3);
  EXPECT_EQ(part.bytes, "files_test");
  EXPECT_FALSE(reader.Next(&field));
}

TEST(OwnerCallTest, WhatIsNoRequestIsRefused) {
  EXPECT_EQ(ReasonOf(AskProgram(FindOwnersCall, "\xff").status()), "INVALID_FIELD");
  WireWriter many;
  for (uint64_t inode = 1; inode <= kFilesOwnersMax + 1; ++inode) many.Number(1, inode);
  EXPECT_EQ(ReasonOf(AskProgram(FindOwnersCall, many.message()).status()), "INVALID_FIELD");
}

}  // namespace
}  // namespace glovebox
