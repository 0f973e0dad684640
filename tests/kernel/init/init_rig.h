// Plays the daemon for the two static binaries: starts a spawner, builds a plan by hand, asks for a
// sandbox, talks frames to its init and reads exec regions.
#ifndef GLOVEBOX_TESTS_KERNEL_INIT_INIT_RIG_H_
#define GLOVEBOX_TESTS_KERNEL_INIT_INIT_RIG_H_

#include <linux/filter.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "init/exec_region.h"
#include "init/frames.h"
#include "init/launch_plan.h"
#include "init/setup_step.h"
#include "spawner/spawn_wire.h"

namespace glovebox {

inline constexpr uint32_t kHostIdFirst = 0x40000000;

// A plan in the making: fields are set directly, texts and filters by the functions.
struct PlanBuilder {
  LaunchPlan plan{};
  std::string tail;

  PlanBuilder();
  PlanText Text(const std::string& text);
  void AddMask(const std::string& path, PlanMaskKind kind);
  void AddBind(const std::string& target, bool directory);
  void AddFilter(const std::vector<sock_filter>& code);
  void AddRlimit(uint32_t resource, uint64_t soft, uint64_t hard);
  UniqueFd Seal();
};

struct Spec {
  std::vector<std::string> argv;
  std::vector<std::string> env;
  std::string user, cwd;
  ExecSpecWire wire = DefaultWire();
  uint64_t head_size = 64 * 1024;
  uint64_t ring_size = 1024 * 1024;
  uint64_t stderr_ring_size = 64 * 1024;
  bool arm_gate = false;
  static ExecSpecWire DefaultWire();
};

struct Record {
  OutputStream stream;
  uint64_t sequence;
  uint64_t bytes_before;
  std::string data;
};

// The daemon's side of one exec.
class TestExec {
 public:
  explicit TestExec(const Spec& spec);
  ~TestExec();
  RegionHeader& header() { return *header_; }
  std::vector<Record> HeadRecords();
  std::vector<Record> RingRecords(uint64_t from, uint32_t ring = 0);
  std::vector<Record> Records();  // by sequence
  std::string Output(OutputStream stream);

  // What the full log has; `log` is passed along with the start when it is open.
  std::vector<Record> LogRecords();

  UniqueFd region, cgroup, cgroup_kill, log;
  std::string cgroup_path;
  uint32_t exec_no = 0;

 private:
  RegionHeader* header_ = nullptr;
  uint64_t size_ = 0;
};

struct Frame {
  FrameHeader header{};
  std::string body;
  template <typename T>
  T As() const {
    T value{};
    if (body.size() == sizeof(T)) __builtin_memcpy(&value, body.data(), sizeof(T));
    return value;
  }
};

class TestSandbox {
 public:
  ~TestSandbox();
  SetupReport AwaitReport();
  // Says hello, with these counters (CounterFd), awaits the answer.
  void Connect(const std::vector<int>& counters = {});
  void Disconnect() { connection.Reset(); }
  std::unique_ptr<TestExec> Start(const Spec& spec);  // sends kStart only
  std::unique_ptr<TestExec> Prepare(const Spec& spec);
  void SendStart(const TestExec& exec);
  void Send(FrameKind kind, uint32_t exec_no, const void* body, size_t size,
            const std::vector<int>& fds = {});
  template <typename T>
  void Send(FrameKind kind, uint32_t exec_no, const T& body) {
    Send(kind, exec_no, &body, sizeof(body));
  }
  // The next frame; fails the test after ten seconds.
  Frame Next();
  Frame NextOf(FrameKind kind);
  void SendInput(const TestExec& exec, uint64_t offset, const std::string& bytes, bool eof);
  // Until the stdout of `exec` so far is `text`. The command must still run then: of an exec that
  // has ended only the end is told, not its last output.
  void AwaitOutput(TestExec* exec, const std::string& text);
  // Runs to the end, acknowledges it.
  ExecEnd AwaitEnd(TestExec* exec);
  ExecEnd Run(const Spec& spec, std::string* output = nullptr, std::string* error = nullptr);
  void Kill();  // init, and waits until it is gone

  std::string directory, cgroup_path, socket_path;
  UniqueFd status, connection, pidfd;
  int host_pid = 0;
  uint32_t next_exec = 1;
};

// A spawner and a file tree with busybox; everything goes with the object.
class InitRig {
 public:
  InitRig();
  // With these bytes in place of glovebox-init.
  explicit InitRig(const std::string& init_bytes);
  // `in_spawner` is run by the process that becomes the spawner, `beside` here once it was started.
  struct Hooks {
    std::function<void()> in_spawner, beside;
  };
  explicit InitRig(Hooks hooks);
  ~InitRig();

  struct Options {
    std::function<void(PlanBuilder*)> plan;
    std::function<void(SpawnRequest*)> request;
    std::function<void(const std::string& directory)> disk;  // after upper/ and work/ are made
    std::vector<std::string> binds;  // host paths, in the order of the plan's and request's binds
    std::vector<std::string> tasks;  // cgroup v1 tasks files to join
    bool drop_last_fd = false;
  };
  // `reply` is always filled; null when it has an error.
  std::unique_ptr<TestSandbox> Create(const Options& options, SpawnReply* reply);
  // Created, ready and connected.
  std::unique_ptr<TestSandbox> Ready(const Options& options);
  std::unique_ptr<TestSandbox> Ready() { return Ready(Options()); }

  const std::string& base() const { return base_; }
  UniqueFd socket;

 private:
  void MakeLower();
  InitRig(const std::string& init_bytes, Hooks hooks);
  void StartSpawner(const std::string& init_bytes, const Hooks& hooks);
  std::string base_, cgroup_base_;
  int spawner_pid_ = 0;
  uint32_t next_ = 1;
};

std::string ReadWholeFile(const std::string& path);

}  // namespace glovebox

#endif  // GLOVEBOX_TESTS_KERNEL_INIT_INIT_RIG_H_
