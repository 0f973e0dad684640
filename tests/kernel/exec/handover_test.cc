// One init, many daemons: each adopts what the one before it left, whatever moment it died at.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <filesystem>
#include <map>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "exec/exec.h"
#include "exec/exec_archiver.h"
#include "linux/file_io.h"
#include "linux/raw_syscalls.h"
#include "linux/seqpacket.h"
#include "tests/kernel/init/init_rig.h"
#include "tests/support/temporary_directory.h"

namespace glovebox {
namespace {

constexpr int kPatienceMs = 60'000;

template <typename Value>
Value Take(absl::StatusOr<Value> value) {
  if (!value.ok()) throw std::runtime_error(value.status().ToString());
  return *std::move(value);
}

ExecSpec Shell(const std::string& script) {
  ExecSpec spec;
  spec.arguments = {"/bin/sh", "-c", script};
  return spec;
}

// What a daemon does with one sandbox, without anything that would outlive it.
class TestDaemon {
 public:
  explicit TestDaemon(TestSandbox* sandbox) : sandbox_(sandbox) {
    client_ = Take(InitClient::Connect(sandbox->socket_path));
    HeldExecs held = Take(client_->CollectHeld(kPatienceMs));
    for (auto& [number, memfd] : held.regions) {
      OutputRegion region = Take(OutputRegion::Adopt(std::move(memfd)));
      ExecRecord record = Take(DecodeExecRecord(region.record()));
      execs[number] = Take(Exec::Adopt(number, std::move(record), std::move(region), client_));
    }
    for (const InitFrame& frame : held.frames) {
      execs.at(frame.exec_no)->OnFrame(frame, {});
    }
  }

  std::shared_ptr<Exec> Start(const std::string& id, const ExecSpec& spec) {
    const std::unique_ptr<TestExec> cgroup = sandbox_->Prepare(Spec());
    return StartIn(id, spec, *cgroup, cgroup->exec_no);
  }
  std::shared_ptr<Exec> StartIn(const std::string& id, const ExecSpec& spec, const TestExec& cgroup,
                                uint32_t number) {
    OutputRegion region = Take(OutputRegion::Create(spec, EncodeExecRecord(id, spec)));
    const int fd = region.fd();
    latest_region.Reset(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
    auto exec = std::make_shared<Exec>(id, number, spec, std::move(region), client_);
    execs[number] = exec;
    EXPECT_TRUE(client_
                    ->Send(FrameKind::kStart, number, "",
                           {fd, cgroup.cgroup.get(), cgroup.cgroup_kill.get()})
                    .ok());
    return exec;
  }

  // Waits for a frame of init and gives it to its exec.
  void Pump() {
    pollfd item{client_->fd(), POLLIN, 0};
    if (::poll(&item, 1, kPatienceMs) != 1) throw std::runtime_error("no frame of init");
    while (auto frame = Take(client_->Receive())) {
      if (auto it = execs.find(frame->exec_no); it != execs.end()) {
        it->second->OnFrame(*frame, {});
      }
    }
  }
  // The same, if there is one within so long.
  void PumpFor(int timeout_ms) {
    pollfd item{client_->fd(), POLLIN, 0};
    if (::poll(&item, 1, timeout_ms) == 1) Pump();
  }
  void AwaitState(const Exec& exec, ExecSnapshot::State state) {
    while (exec.Snapshot().state < state) Pump();
  }
  void Acknowledge(uint32_t number) {
    EXPECT_TRUE(client_->Send(FrameKind::kAckEnd, number, "").ok());
    execs.erase(number);
  }

  std::map<uint32_t, std::shared_ptr<Exec>> execs;
  UniqueFd latest_region;  // of the latest command that was started

 private:
  TestSandbox* const sandbox_;
  std::shared_ptr<InitClient> client_;
};

// A client that remembers its cursor and what it saw, over all daemons.
struct Client {
  uint64_t cursor = 0;
  uint64_t gap_bytes = 0;
  std::string out, err;
  std::optional<ExecResult> result;

  // False when there is nothing now.
  bool Read(OutputReader* reader) {
    auto frame = Take(reader->Next());
    if (!frame.has_value()) return false;
    if (frame->kind == OutputFrame::Kind::kData) {
      EXPECT_EQ(frame->sequence, std::max<uint64_t>(cursor, 1));
      (frame->stream == OutputStream::kStderr ? err : out) += frame->data;
      cursor = frame->sequence + 1;
    } else if (frame->kind == OutputFrame::Kind::kGap) {
      gap_bytes += frame->gap_bytes;
      cursor = frame->sequence_to + 1;
    } else if (frame->kind == OutputFrame::Kind::kEnd) {
      result = frame->result;
    }
    return true;
  }
};

class HandoverTest : public ::testing::Test {
 protected:
  HandoverTest() : sandbox_(rig_.Ready()) {
    sandbox_->Disconnect();
    daemon_ = std::make_unique<TestDaemon>(sandbox_.get());
  }
  void KillDaemon() { daemon_.reset(); }
  void StartDaemon() { daemon_ = std::make_unique<TestDaemon>(sandbox_.get()); }
  size_t DescriptorsOfInit() const {
    const auto path = "/proc/" + std::to_string(sandbox_->host_pid) + "/fd";
    return static_cast<size_t>(std::distance(std::filesystem::directory_iterator(path), {}));
  }
  void SignalInit(int signal) { ASSERT_GE(raw::PidfdSendSignal(sandbox_->pidfd.get(), signal), 0); }

  InitRig rig_;
  std::unique_ptr<TestSandbox> sandbox_;
  std::unique_ptr<TestDaemon> daemon_;
};

TEST_F(HandoverTest, EveryHeldExecComesBackWithItsMemoryAndState) {
  ExecSpec reads = Shell("read line; echo got $line; cat; exit 3");
  reads.stdin_open = true;
  const auto running = daemon_->Start("running", reads);
  const auto ended = daemon_->Start("ended", Shell("echo done; exit 7"));
  ExecSpec nowhere = Shell("true");
  nowhere.working_directory = "/nowhere";
  const auto failed = daemon_->Start("failed", nowhere);
  daemon_->AwaitState(*running, ExecSnapshot::State::kRunning);
  ASSERT_EQ(Take(running->WriteStdin(0, "abc\n", false)), 4u);
  daemon_->AwaitState(*ended, ExecSnapshot::State::kEnded);
  const ExecSnapshot before = ended->Snapshot();
  KillDaemon();
  StartDaemon();
  ASSERT_EQ(daemon_->execs.size(), 3u);
  const Exec& running_again = *daemon_->execs.at(running->number());
  EXPECT_EQ(running_again.id(), "running");
  EXPECT_EQ(running_again.spec(), reads);
  EXPECT_EQ(running_again.Snapshot().state, ExecSnapshot::State::kRunning);
  EXPECT_EQ(running_again.Snapshot().pid, running->Snapshot().pid);
  EXPECT_EQ(running_again.Snapshot().started_ns, running->Snapshot().started_ns);
  EXPECT_EQ(running_again.Snapshot().stdin_accepted, 4u);
  const ExecSnapshot after = daemon_->execs.at(ended->number())->Snapshot();
  EXPECT_EQ(after.result->exit_code, 7);
  EXPECT_EQ(after.started_ns, before.started_ns);
  EXPECT_EQ(after.result->wall_us, before.result->wall_us);
  const ExecSnapshot spawn = daemon_->execs.at(failed->number())->Snapshot();
  ASSERT_TRUE(spawn.result.has_value());
  EXPECT_EQ(spawn.result->cause, ExecResult::Cause::kSpawnFailed);
  EXPECT_EQ(spawn.result->failed_step, ExecStep::kWorkingDirectory);
  // Input goes on where it was.
  EXPECT_EQ(Take(daemon_->execs.at(running->number())->WriteStdin(0, "abc\nrest", true)), 8u);
  daemon_->AwaitState(running_again, ExecSnapshot::State::kEnded);
  OutputReader reader(daemon_->execs.at(running->number()), 0, OutputReader::NeverWaitedFor());
  Client client;
  while (client.Read(&reader)) {
  }
  EXPECT_EQ(client.out, "got abc\nrest");
  EXPECT_EQ(client.result->exit_code, 3);
}

TEST_F(HandoverTest, AnAcknowledgedEndIsForgottenWithItsDescriptors) {
  const size_t idle = DescriptorsOfInit();
  const auto exec = daemon_->Start("x", Shell("echo x"));
  daemon_->AwaitState(*exec, ExecSnapshot::State::kEnded);
  EXPECT_EQ(DescriptorsOfInit(), idle + 1) << "an ended exec holds its region and nothing else";
  const uint32_t number = exec->number();
  daemon_->Acknowledge(number);
  KillDaemon();
  StartDaemon();
  EXPECT_TRUE(daemon_->execs.empty());
  EXPECT_EQ(DescriptorsOfInit(), idle);
}

TEST_F(HandoverTest, WhatADeadDaemonHadSentIsCarriedOut) {
  // Init is stopped while the daemon sends and dies, so that all of it is still in the socket when
  // the next daemon has connected.
  ExecSpec spec = Shell("cat; exit 4");
  spec.stdin_open = true;
  SignalInit(SIGSTOP);
  const auto exec = daemon_->Start("late", spec);
  ASSERT_EQ(Take(exec->WriteStdin(0, "all of it", true)), 9u);
  const uint32_t number = exec->number();
  KillDaemon();
  UniqueFd connection = Take(ConnectSeqpacket(sandbox_->socket_path));
  SignalInit(SIGCONT);
  connection.Reset();
  StartDaemon();
  ASSERT_EQ(daemon_->execs.count(number), 1u);
  const std::shared_ptr<Exec> adopted = daemon_->execs.at(number);
  daemon_->AwaitState(*adopted, ExecSnapshot::State::kEnded);
  OutputReader reader(adopted, 0, OutputReader::NeverWaitedFor());
  Client client;
  while (client.Read(&reader)) {
  }
  EXPECT_EQ(client.out, "all of it");
  EXPECT_EQ(client.result->exit_code, 4);
}

// Kills the daemon at random moments of reading; at the end one more time between archive and
// acknowledgement, and once more after it.
class ReaderOverDaemonsTest : public HandoverTest,
                              public ::testing::WithParamInterface<OutputPolicy> {
 protected:
  std::shared_ptr<ExecArchiveStore> OpenStore() {
    return Take(ExecArchiveStore::Open(
        Take(OpenAt(AT_FDCWD, archives_.path(), O_RDONLY | O_DIRECTORY)), {}));
  }
  // Reads until `client` saw `bytes` more, or the end.
  void ReadSome(uint32_t number, Client* client, uint64_t bytes) {
    const std::shared_ptr<Exec> exec = daemon_->execs.at(number);
    OutputReader reader(exec, client->cursor, OutputReader::WaitedFor());
    const uint64_t enough = client->out.size() + client->err.size() + bytes;
    while (client->out.size() + client->err.size() < enough && !client->result.has_value()) {
      bool woken = false;
      auto frame = reader.NextOrWatch([&woken] { woken = true; });
      ASSERT_TRUE(frame.ok()) << frame.status();
      if (!frame->has_value()) {
        while (!woken) daemon_->Pump();
        continue;
      }
      OutputFrame& got = **frame;
      if (got.kind == OutputFrame::Kind::kData) {
        ASSERT_EQ(got.sequence, std::max<uint64_t>(client->cursor, 1));
        (got.stream == OutputStream::kStderr ? client->err : client->out) += got.data;
        client->cursor = got.sequence + 1;
      } else if (got.kind == OutputFrame::Kind::kGap) {
        FAIL() << "a gap of " << got.gap_bytes << " bytes";
      } else if (got.kind == OutputFrame::Kind::kEnd) {
        client->result = got.result;
      }
    }
  }
  TemporaryDirectory archives_;
};

// A client that acknowledges, and loses whatever was on its way to it with each daemon.
class AcknowledgingReaderTest : public HandoverTest {
 protected:
  struct Arriving {
    uint64_t sequence;
    std::string out, err;
  };
  // Everything that the command is let to write while nothing of it is acknowledged.
  void FillTheWay(OutputReader* reader, std::vector<Arriving>* way,
                  std::optional<ExecResult>* result) {
    for (;;) {
      const bool waits = header_->writer_waiting.load() != 0;  // before the look: then all is there
      auto frame = reader->Next();
      ASSERT_TRUE(frame.ok()) << frame.status();
      if (!frame->has_value()) {
        if (waits) return;
        daemon_->PumpFor(1);
        continue;
      }
      OutputFrame& got = **frame;
      ASSERT_NE(got.kind, OutputFrame::Kind::kGap) << got.gap_bytes << " bytes are missing";
      if (got.kind == OutputFrame::Kind::kEnd) *result = got.result;
      if (result->has_value()) return;
      if (got.kind != OutputFrame::Kind::kData) continue;
      Arriving& one = way->emplace_back(Arriving{got.sequence, "", ""});
      (got.stream == OutputStream::kStderr ? one.err : one.out) = got.data;
    }
  }
  // The command's memory is looked into past all daemons.
  void Watch(int region_fd) {
    void* const address = ::mmap(nullptr, kRegionHeaderBytes, PROT_READ, MAP_SHARED, region_fd, 0);
    ASSERT_NE(address, MAP_FAILED);
    header_ = static_cast<const RegionHeader*>(address);
  }
  ~AcknowledgingReaderTest() override {
    if (header_ != nullptr) (void)::munmap(const_cast<RegionHeader*>(header_), kRegionHeaderBytes);
  }
  const RegionHeader* header_ = nullptr;
};

TEST_F(AcknowledgingReaderTest, GetsWhatItDidNotAcknowledgeFromTheNextDaemon) {
  constexpr int kRounds = 3;  // of one daemon
  constexpr int kLines = 100'000;
  ExecSpec spec = Shell("i=0; while [ $i -lt " + std::to_string(kLines) +
                        " ]; do echo $i; echo $i >&2; i=$((i+1)); done; exit 42");
  spec.output_policy = OutputPolicy::kBackPressure;
  spec.head_bytes = 0;
  spec.ring_bytes = spec.stderr_ring_bytes = 64 * 1024;
  const uint32_t number = daemon_->Start("lines", spec)->number();
  Watch(daemon_->latest_region.get());
  std::mt19937 random(20261121);
  Client client;
  int daemons = 1;
  while (!client.result.has_value()) {
    {
      OutputReader reader(daemon_->execs.at(number), client.cursor,
                          OutputReader::WaitedFor("client"));
      for (int round = 0; round < kRounds && !client.result.has_value(); ++round) {
        std::vector<Arriving> way;
        std::optional<ExecResult> result;
        FillTheWay(&reader, &way, &result);
        if (HasFatalFailure()) return;
        // Of the last round only a part arrives, or nothing.
        const size_t arrived =
            round < kRounds - 1 || result.has_value() ? way.size() : random() % (way.size() + 1);
        for (size_t i = 0; i < arrived; ++i) {
          client.out += way[i].out;
          client.err += way[i].err;
          client.cursor = way[i].sequence + 1;
        }
        client.result = result;
        if (arrived > 0) {
          ASSERT_TRUE(reader.exec()->Acknowledge("client", client.cursor - 1).ok());
        }
      }
    }
    KillDaemon();
    StartDaemon();
    ++daemons;
  }
  EXPECT_GE(daemons, 4);
  std::string all;
  for (int i = 0; i < kLines; ++i) all += std::to_string(i) + "\n";
  EXPECT_TRUE(client.out == all) << client.out.size();
  EXPECT_TRUE(client.err == all) << client.err.size();
  EXPECT_EQ(client.result->exit_code, 42);
}

TEST_F(AcknowledgingReaderTest, AnAcknowledgementOfWhatWasNotWrittenIsRefused) {
  const std::shared_ptr<Exec> exec = daemon_->Start("one", Shell("echo one"));
  EXPECT_TRUE(absl::IsOutOfRange(exec->Acknowledge("client", 1'000'000)));
  EXPECT_TRUE(exec->Acknowledge("nobody", 0).ok());
}

TEST_P(ReaderOverDaemonsTest, SeesEveryByteOnceAndTheTrueEnd) {
  const bool paced = GetParam() == OutputPolicy::kBackPressure;
  const int lines = paced ? 20'000 : 4'000;
  ExecSpec spec = Shell("i=0; while [ $i -lt " + std::to_string(lines) +
                        " ]; do echo out $i; echo err $i >&2; i=$((i+1)); done; exit 42");
  spec.output_policy = GetParam();
  spec.head_bytes = 4096;
  spec.ring_bytes = paced ? 256 * 1024 : 4 * 1024 * 1024;
  spec.stderr_ring_bytes = spec.ring_bytes;
  const uint32_t number = daemon_->Start("lines", spec)->number();
  std::mt19937 random(20261121);
  Client client;
  int daemons = 1;
  while (!client.result.has_value()) {
    ReadSome(number, &client, random() % (static_cast<uint64_t>(lines) * 3));
    if (HasFatalFailure()) return;
    KillDaemon();
    StartDaemon();
    ++daemons;
  }
  EXPECT_GE(daemons, 4);
  std::string out, err;
  for (int i = 0; i < lines; ++i) {
    out += "out " + std::to_string(i) + "\n";
    err += "err " + std::to_string(i) + "\n";
  }
  EXPECT_TRUE(client.out == out) << client.out.size();
  EXPECT_TRUE(client.err == err) << client.err.size();
  EXPECT_EQ(client.result->exit_code, 42);

  // Killed after the archive, before the acknowledgement: init tells it all again.
  ASSERT_TRUE(daemon_->execs.at(number)->SaveOutput(OpenStore()).ok());
  KillDaemon();
  StartDaemon();
  const std::shared_ptr<Exec> again = daemon_->execs.at(number);
  ASSERT_TRUE(again->SaveOutput(OpenStore()).ok());
  const ExecOutcome outcome = Take(DecodeExecOutcome(EncodeExecOutcome(*again->outcome())));
  EXPECT_EQ(outcome.result.exit_code, 42);
  daemon_->Acknowledge(number);
  // And after it: from the archive and the record alone.
  KillDaemon();
  StartDaemon();
  EXPECT_TRUE(daemon_->execs.empty());
  OutputReader reader(Exec::Restore(number, {"lines", spec}, outcome, OpenStore()), 0,
                      OutputReader::NeverWaitedFor());
  Client late;
  while (late.Read(&reader)) {
  }
  if (!paced) {
    EXPECT_TRUE(late.out == out);
  }
  EXPECT_EQ(late.out.size() + late.err.size() + late.gap_bytes, out.size() + err.size());
  EXPECT_EQ(late.result->exit_code, 42);
}

INSTANTIATE_TEST_SUITE_P(Policies, ReaderOverDaemonsTest,
                         ::testing::Values(OutputPolicy::kDropOldest, OutputPolicy::kBackPressure));

TEST_F(HandoverTest, AFullTableRefusesStartsAndLosesNoEnd) {
  ExecSpec spec = Shell("true");
  spec.working_directory = "/nowhere";  // ends at once
  spec.head_bytes = 0;
  const std::unique_ptr<TestExec> cgroup = sandbox_->Prepare(Spec());
  for (uint32_t number = 1; number <= kExecsHeldMax; ++number) {
    const auto exec = daemon_->StartIn("e" + std::to_string(number), spec, *cgroup, number);
    daemon_->AwaitState(*exec, ExecSnapshot::State::kEnded);
  }
  const auto refused = daemon_->StartIn("one too many", spec, *cgroup, kExecsHeldMax + 1);
  daemon_->AwaitState(*refused, ExecSnapshot::State::kEnded);
  EXPECT_EQ(refused->Snapshot().result->error, EAGAIN);
  EXPECT_EQ(refused->Snapshot().result->failed_step, ExecStep::kReadSpec);
  KillDaemon();
  StartDaemon();
  ASSERT_EQ(daemon_->execs.size(), kExecsHeldMax);
  for (uint32_t number = 1; number <= kExecsHeldMax; ++number) {
    const ExecSnapshot snapshot = daemon_->execs.at(number)->Snapshot();
    ASSERT_TRUE(snapshot.result.has_value()) << number;
    EXPECT_EQ(daemon_->execs.at(number)->id(), "e" + std::to_string(number));
  }
  daemon_->Acknowledge(17);
  const auto fits = daemon_->StartIn("now it fits", spec, *cgroup, kExecsHeldMax + 2);
  daemon_->AwaitState(*fits, ExecSnapshot::State::kEnded);
  EXPECT_EQ(fits->Snapshot().result->failed_step, ExecStep::kWorkingDirectory);
}

TEST_F(HandoverTest, ALowDescriptorLimitOfCommandsDoesNotBindInit) {
  InitRig::Options options;
  options.plan = [](PlanBuilder* plan) {
    plan->plan.exec_max = 40;
    plan->AddRlimit(RLIMIT_NOFILE, 64, 64);
  };
  sandbox_ = rig_.Ready(options);
  StartDaemon();
  ExecSpec spec = Shell("ulimit -Hn; read line");
  spec.stdin_open = true;
  for (int i = 0; i < 40; ++i) daemon_->Start("e" + std::to_string(i), spec);
  for (const auto& [number, exec] : daemon_->execs) {
    daemon_->AwaitState(*exec, ExecSnapshot::State::kRunning);
    ASSERT_EQ(Take(exec->WriteStdin(0, "\n", true)), 1u);
    daemon_->AwaitState(*exec, ExecSnapshot::State::kEnded);
    OutputReader reader(exec, 0, OutputReader::NeverWaitedFor());
    Client client;
    while (client.Read(&reader)) {
    }
    EXPECT_EQ(client.out, "64\n");
    EXPECT_EQ(client.result->exit_code, 0);
  }
  EXPECT_GT(DescriptorsOfInit(), 40u);
}

TEST_F(HandoverTest, ANewerDaemonIsAnsweredInInitsVersionAndAnOlderOneDropped) {
  KillDaemon();
  sandbox_->connection = Take(ConnectSeqpacket(sandbox_->socket_path));
  sandbox_->Send(FrameKind::kHello, 0, HelloBody{kFramesVersion + 5, 0});
  EXPECT_EQ(sandbox_->NextOf(FrameKind::kHelloAck).As<HelloBody>().version, kFramesVersion);
  EXPECT_EQ(sandbox_->Next().header.kind, FrameKind::kHeldAll);
  sandbox_->connection = Take(ConnectSeqpacket(sandbox_->socket_path));
  sandbox_->Send(FrameKind::kHello, 0, HelloBody{kFramesVersionOldest - 1, 0});
  EXPECT_THROW(sandbox_->Next(), std::runtime_error);
}

}  // namespace
}  // namespace glovebox
