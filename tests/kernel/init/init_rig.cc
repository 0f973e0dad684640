#include "tests/kernel/init/init_rig.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include "absl/strings/str_cat.h"
#include "base/flat_bytes.h"
#include "linux/raw_syscalls.h"
#include "spawner/embedded/embedded_binaries.h"

namespace glovebox {
namespace {

constexpr unsigned kOpenTreeClone = 1;
constexpr int kPatienceMs = 60'000;

// The rig cannot go on without its own pieces; a throw ends the one test.
long Must(long result, const std::string& what) {
  if (result < 0) throw std::runtime_error(what + ": " + strerror(errno));
  return result;
}
long MustRaw(long result, const std::string& what) {
  if (result < 0) throw std::runtime_error(what + ": " + strerror(static_cast<int>(-result)));
  return result;
}

UniqueFd SealedMemfd(const std::string& bytes, int seals) {
  UniqueFd fd(memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  Must(fd.get(), "memfd_create");
  if (write(fd.get(), bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) {
    throw std::runtime_error("memfd write");
  }
  Must(fcntl(fd.get(), F_ADD_SEALS, seals), "seals");
  return fd;
}

void SendWithFds(int socket_fd, const std::string& bytes, const std::vector<int>& fds) {
  std::vector<char> control(CMSG_SPACE(sizeof(int) * std::max<size_t>(fds.size(), 1)));
  iovec part{const_cast<char*>(bytes.data()), bytes.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (!fds.empty()) {
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int) * fds.size());
    memcpy(CMSG_DATA(header), fds.data(), sizeof(int) * fds.size());
  }
  Must(sendmsg(socket_fd, &message, MSG_NOSIGNAL), "sendmsg");
}

bool Await(int fd, int timeout_ms) {
  pollfd item{fd, POLLIN, 0};
  return poll(&item, 1, timeout_ms) == 1;
}

SpawnReply ReceiveReply(int socket_fd, UniqueFd* pidfd) {
  if (!Await(socket_fd, kPatienceMs)) throw std::runtime_error("no reply of the spawner");
  SpawnReply reply{};
  char control[CMSG_SPACE(sizeof(int))] = {};
  iovec part{&reply, sizeof(reply)};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  ssize_t size = recvmsg(socket_fd, &message, MSG_CMSG_CLOEXEC);
  if (size != sizeof(reply)) throw std::runtime_error("short reply of the spawner");
  for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
    int fd;
    memcpy(&fd, CMSG_DATA(c), sizeof(fd));
    pidfd->Reset(fd);
  }
  return reply;
}

UniqueFd CloneMount(const std::string& path) {
  return UniqueFd(static_cast<int>(
      MustRaw(raw::OpenTree(AT_FDCWD, path.c_str(), kOpenTreeClone | O_CLOEXEC), path)));
}

void RemoveCgroups(const std::string& path) {
  std::error_code ignored;
  for (auto& entry : std::filesystem::directory_iterator(path, ignored)) {
    if (entry.is_directory()) RemoveCgroups(entry.path());
  }
  // A killed tree leaves its cgroup a moment after its last process was reaped.
  for (int i = 0; i < 100'000 && rmdir(path.c_str()) < 0 && errno == EBUSY; ++i) sched_yield();
}

}  // namespace

std::string ReadWholeFile(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

PlanBuilder::PlanBuilder() {
  plan.magic = kLaunchPlanMagic;
  plan.version = kLaunchPlanVersion;
  plan.hostname = Text("sandbox");
  plan.workdir = Text("");
  std::string environment("PATH=/bin\0LANG=C\0", 17);
  plan.environment = Text(environment.substr(0, environment.size() - 1));
  plan.layer_count = 1;
  plan.layers[0].subdirectory = Text("root");
  plan.uid = plan.gid = 1000;
  plan.exec_max = 16;
  plan.tmp_bytes = plan.shm_bytes = 1 << 20;
  plan.tmp_inodes = plan.shm_inodes = 100;
  for (const char* path : {"/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/fs", "/proc/irq",
                           "/proc/bus", "/proc/no_such_file"}) {
    AddMask(path, kMaskHide);
  }
  AddMask("/proc/sys", kMaskReadOnly);
}

PlanText PlanBuilder::Text(const std::string& text) {
  PlanText result{static_cast<uint32_t>(sizeof(LaunchPlan) + tail.size()),
                  static_cast<uint32_t>(text.size() + 1)};
  tail += text;
  tail += '\0';
  return result;
}

void PlanBuilder::AddMask(const std::string& path, PlanMaskKind kind) {
  plan.masks[plan.mask_count++] = PlanMask{Text(path), kind, 0};
}

void PlanBuilder::AddBind(const std::string& target, bool directory) {
  plan.binds[plan.bind_count++] = PlanBind{Text(target), directory ? 1u : 0u, 0};
}

void PlanBuilder::AddFilter(const std::vector<sock_filter>& code) {
  while (tail.size() % 8 != 0) tail += '\0';
  plan.filters[plan.filter_count++] = PlanFilter{
      static_cast<uint32_t>(sizeof(LaunchPlan) + tail.size()), static_cast<uint32_t>(code.size())};
  tail.append(reinterpret_cast<const char*>(code.data()), code.size() * sizeof(sock_filter));
}

void PlanBuilder::AddRlimit(uint32_t resource, uint64_t soft, uint64_t hard) {
  plan.rlimits[plan.rlimit_count++] = PlanRlimit{resource, 0, soft, hard};
}

UniqueFd PlanBuilder::Seal() {
  plan.size = static_cast<uint32_t>(sizeof(plan) + tail.size());
  return SealedMemfd(absl::StrCat(BytesOf(plan), tail),
                     F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL);
}

ExecSpecWire Spec::DefaultWire() {
  ExecSpecWire wire{};
  wire.term_grace_ms = 100;
  wire.drain_limit_ms = 200;
  return wire;
}

TestExec::TestExec(const Spec& spec) {
  std::string texts;
  auto add = [&texts](const std::string& text) { texts += text + '\0'; };
  add(spec.user);
  add(spec.cwd);
  for (const std::string& text : spec.argv) add(text);
  for (const std::string& text : spec.env) add(text);
  ExecSpecWire wire = spec.wire;
  wire.size = static_cast<uint32_t>(sizeof(wire) + texts.size());
  wire.argument_count = static_cast<uint32_t>(spec.argv.size());
  wire.variable_count = static_cast<uint32_t>(spec.env.size());
  uint64_t head = (kRegionHeaderBytes + wire.size + 7) & ~uint64_t{7};
  uint64_t out = head + spec.head_size;
  size_ = out + spec.ring_size + spec.stderr_ring_size;
  region.Reset(memfd_create("region", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  Must(ftruncate(region.get(), static_cast<off_t>(size_)), "ftruncate");
  Must(fcntl(region.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW), "seals");
  void* memory = mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_SHARED, region.get(), 0);
  if (memory == MAP_FAILED) throw std::runtime_error("mmap");
  header_ = static_cast<RegionHeader*>(memory);
  header_->magic = kRegionMagic;
  header_->version = kRegionVersion;
  header_->region_size = size_;
  header_->spec_offset = kRegionHeaderBytes;
  header_->spec_size = wire.size;
  header_->head_offset = head;
  header_->head_size = spec.head_size;
  header_->rings[0] = {out, spec.ring_size};
  header_->rings[1] = {out + spec.ring_size, spec.stderr_ring_size};
  header_->gate_armed.store(spec.arm_gate ? 1 : 0);
  char* to = static_cast<char*>(memory) + kRegionHeaderBytes;
  memcpy(to, &wire, sizeof(wire));
  memcpy(to + sizeof(wire), texts.data(), texts.size());
}

TestExec::~TestExec() { munmap(header_, size_); }

std::vector<Record> TestExec::HeadRecords() {
  std::vector<Record> records;
  uint64_t used = header_->head_used.load(std::memory_order_acquire);
  const char* base = reinterpret_cast<char*>(header_) + header_->head_offset;
  for (uint64_t at = 0; at < used;) {
    RecordHeader record;
    memcpy(&record, base + at, sizeof(record));
    records.push_back({record.stream, record.sequence, record.bytes_before,
                       std::string(base + at + sizeof(record), record.size)});
    at += sizeof(record) + ((record.size + 7) & ~7u);
  }
  return records;
}

std::vector<Record> TestExec::RingRecords(uint64_t from, uint32_t ring) {
  std::vector<Record> records;
  const RingPlace place = header_->rings[ring];
  const char* base = reinterpret_cast<char*>(header_) + place.offset;
  uint64_t head = header_->ring[ring].head.load(std::memory_order_acquire);
  for (uint64_t at = std::max(from, header_->ring[ring].tail.load()); at < head;) {
    uint64_t to_end = place.size - at % place.size;
    if (to_end < sizeof(RecordHeader)) {
      at += to_end;
      continue;
    }
    RecordHeader record;
    memcpy(&record, base + at % place.size, sizeof(record));
    if (record.stream != OutputStream::kPad) {
      records.push_back({record.stream, record.sequence, record.bytes_before,
                         std::string(base + at % place.size + sizeof(record), record.size)});
    }
    at += sizeof(record) + ((record.size + 7) & ~7u);
  }
  return records;
}

std::vector<Record> TestExec::Records() {
  std::vector<Record> records = HeadRecords();
  for (uint32_t ring = 0; ring < kRings; ++ring) {
    for (Record& record : RingRecords(0, ring)) records.push_back(std::move(record));
  }
  std::sort(records.begin(), records.end(),
            [](const Record& a, const Record& b) { return a.sequence < b.sequence; });
  return records;
}

std::vector<Record> TestExec::LogRecords() {
  std::string bytes(1 << 16, '\0');
  std::string all;
  for (ssize_t size = 1; size > 0; all.append(bytes, 0, static_cast<size_t>(size))) {
    size = pread(log.get(), bytes.data(), bytes.size(), static_cast<off_t>(all.size()));
    Must(size, "pread");
  }
  std::vector<Record> records;
  for (size_t at = 0; at < all.size();) {
    RecordHeader record;
    if (all.size() - at < sizeof(record)) throw std::runtime_error("half a record in the log");
    memcpy(&record, all.data() + at, sizeof(record));
    if (all.size() - at - sizeof(record) < record.size) {
      throw std::runtime_error("half a record in the log");
    }
    records.push_back({record.stream, record.sequence, record.bytes_before,
                       all.substr(at + sizeof(record), record.size)});
    at += sizeof(record) + record.size;
  }
  return records;
}

std::string TestExec::Output(OutputStream stream) {
  std::string text;
  for (const Record& record : Records()) {
    if (record.stream == stream) text += record.data;
  }
  return text;
}

TestSandbox::~TestSandbox() {
  Kill();
  RemoveCgroups(cgroup_path);
}

void TestSandbox::Kill() {
  if (!pidfd.valid()) return;
  (void)raw::PidfdSendSignal(pidfd.get(), SIGKILL);  // ESRCH: gone by itself
  EXPECT_TRUE(Await(pidfd.get(), kPatienceMs)) << "init does not die";
  pidfd.Reset();
}

SetupReport TestSandbox::AwaitReport() {
  SetupReport report{};
  if (!Await(status.get(), kPatienceMs)) throw std::runtime_error("no setup report");
  if (recv(status.get(), &report, sizeof(report), 0) != sizeof(report)) {
    throw std::runtime_error("init died without a report");
  }
  return report;
}

void TestSandbox::Connect(const std::vector<int>& counters) {
  connection.Reset(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  strncpy(address.sun_path, socket_path.c_str(), sizeof(address.sun_path) - 1);
  Must(connect(connection.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)),
       socket_path);
  const HelloBody hello{kFramesVersion, 0};
  Send(FrameKind::kHello, 0, &hello, sizeof(hello), counters);
  EXPECT_EQ(NextOf(FrameKind::kHelloAck).As<HelloBody>().version, kFramesVersion);
}

std::unique_ptr<TestExec> TestSandbox::Start(const Spec& spec) {
  std::unique_ptr<TestExec> exec = Prepare(spec);
  SendStart(*exec);
  return exec;
}

void TestSandbox::SendStart(const TestExec& exec) {
  std::vector<int> fds = {exec.region.get(), exec.cgroup.get(), exec.cgroup_kill.get()};
  if (exec.log.valid()) fds.push_back(exec.log.get());
  Send(FrameKind::kStart, exec.exec_no, nullptr, 0, fds);
}

std::unique_ptr<TestExec> TestSandbox::Prepare(const Spec& spec) {
  auto exec = std::make_unique<TestExec>(spec);
  exec->exec_no = next_exec++;
  exec->cgroup_path = cgroup_path + "/exec-" + std::to_string(exec->exec_no);
  Must(mkdir(exec->cgroup_path.c_str(), 0755), exec->cgroup_path);
  Must(chown((exec->cgroup_path + "/cgroup.procs").c_str(), kHostIdFirst, kHostIdFirst), "chown");
  exec->cgroup.Reset(open(exec->cgroup_path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  exec->cgroup_kill.Reset(open((exec->cgroup_path + "/cgroup.kill").c_str(), O_WRONLY | O_CLOEXEC));
  return exec;
}

void TestSandbox::Send(FrameKind kind, uint32_t exec_no, const void* body, size_t size,
                       const std::vector<int>& fds) {
  FrameHeader header{kFrameMagic, kind, 0, exec_no, static_cast<uint32_t>(size)};
  std::string bytes(reinterpret_cast<char*>(&header), sizeof(header));
  if (size > 0) bytes.append(static_cast<const char*>(body), size);
  SendWithFds(connection.get(), bytes, fds);
}

Frame TestSandbox::Next() {
  if (!Await(connection.get(), kPatienceMs)) throw std::runtime_error("no frame");
  std::string bytes(sizeof(FrameHeader) + kFrameBodyMax, 0);
  ssize_t size = recv(connection.get(), bytes.data(), bytes.size(), 0);
  if (size < static_cast<ssize_t>(sizeof(FrameHeader))) {
    throw std::runtime_error("init closed the connection");
  }
  Frame frame;
  memcpy(&frame.header, bytes.data(), sizeof(frame.header));
  frame.body = bytes.substr(sizeof(frame.header), frame.header.body_size);
  return frame;
}

Frame TestSandbox::NextOf(FrameKind kind) {
  for (;;) {
    Frame frame = Next();
    if (frame.header.kind == kind) return frame;
  }
}

void TestSandbox::SendInput(const TestExec& exec, uint64_t offset, const std::string& bytes,
                            bool eof) {
  StdinBody body{offset, eof ? 1u : 0u, 0};
  std::string message(reinterpret_cast<char*>(&body), sizeof(body));
  message += bytes;
  Send(FrameKind::kStdin, exec.exec_no, message.data(), message.size());
}

void TestSandbox::AwaitOutput(TestExec* exec, const std::string& text) {
  exec->header().reader_waiting.store(1);
  for (int i = 0; i < 100 && exec->Output(OutputStream::kStdout) != text; ++i) {
    Frame frame = Next();
    if (frame.header.kind == FrameKind::kEnd && frame.header.exec_no == exec->exec_no) break;
    exec->header().reader_waiting.store(1);
  }
  ASSERT_EQ(exec->Output(OutputStream::kStdout), text);
}

ExecEnd TestSandbox::AwaitEnd(TestExec* exec) {
  for (;;) {
    Frame frame = NextOf(FrameKind::kEnd);
    if (frame.header.exec_no != exec->exec_no) continue;
    EXPECT_EQ(exec->header().ended.load(), 1u);
    EXPECT_EQ(memcmp(&exec->header().end, frame.body.data(), sizeof(ExecEnd)), 0);
    Send(FrameKind::kAckEnd, exec->exec_no, nullptr, 0);
    return frame.As<ExecEnd>();
  }
}

ExecEnd TestSandbox::Run(const Spec& spec, std::string* output, std::string* error) {
  std::unique_ptr<TestExec> exec = Start(spec);
  ExecEnd end = AwaitEnd(exec.get());
  if (output != nullptr) {
    *output =
        exec->Output(spec.wire.terminal != 0 ? OutputStream::kTerminal : OutputStream::kStdout);
  }
  if (error != nullptr) *error = exec->Output(OutputStream::kStderr);
  return end;
}

InitRig::InitRig() : InitRig(Hooks()) {}

InitRig::InitRig(const std::string& init_bytes) : InitRig(init_bytes, Hooks()) {}

InitRig::InitRig(Hooks hooks) : InitRig(std::string(EmbeddedInit()), std::move(hooks)) {}

InitRig::InitRig(const std::string& init_bytes, Hooks hooks) {
  // As the daemon does; the spawner and init inherit it.
  rlimit files{};
  Must(getrlimit(RLIMIT_NOFILE, &files), "getrlimit");
  files.rlim_cur = files.rlim_max;
  Must(setrlimit(RLIMIT_NOFILE, &files), "setrlimit");
  // A namespace of the test's own: whatever it mounts goes with the process.
  Must(unshare(CLONE_NEWNS), "unshare");
  constexpr unsigned long kRecursivePrivate = (1UL << 14) | (1UL << 18);
  MustRaw(raw::Mount(nullptr, "/", nullptr, kRecursivePrivate, nullptr), "private");
  char base[] = "/tmp/glovebox-init-test-XXXXXX";
  if (mkdtemp(base) == nullptr) throw std::runtime_error("mkdtemp");
  base_ = base;
  Must(chmod(base, 0755), base);
  // A mount, so that whatever a test mounts below it goes with it. No tmpfs: Linux maps ids on one
  // since 6.3.
  constexpr unsigned long kBind = 1UL << 12;
  MustRaw(raw::Mount(base, base, nullptr, kBind, nullptr), "bind");
  const std::string hybrid = "/sys/fs/cgroup/unified";  // beside the controllers of version 1
  cgroup_base_ = (std::filesystem::exists(hybrid) ? hybrid : "/sys/fs/cgroup") +
                 std::string(base + strlen("/tmp"));
  Must(mkdir(cgroup_base_.c_str(), 0755), cgroup_base_);
  MakeLower();
  StartSpawner(init_bytes, hooks);
}

InitRig::~InitRig() {
  socket.Reset();
  int status = -1;
  EXPECT_EQ(waitpid(spawner_pid_, &status, 0), spawner_pid_);
  EXPECT_EQ(status, 0) << "the spawner ends with its socket";
  MustRaw(raw::Call(__NR_umount2, base_.c_str(), 2 /* MNT_DETACH */), "umount");
  std::error_code ignored;  // what a test left immutable stays visible in /tmp
  std::filesystem::remove_all(base_, ignored);
  RemoveCgroups(cgroup_base_);
}

void InitRig::MakeLower() {
  std::filesystem::path root = base_ + "/lower/root";
  for (const char* name : {"bin", "etc", "proc", "dev", "tmp", "home/agent"}) {
    std::filesystem::create_directories(root / name);
  }
  std::filesystem::copy_file("/bin/busybox", root / "bin/busybox");
  for (const char* name :
       {"sh",    "true",    "false",    "cat",  "echo",     "sleep",  "id",   "ls",
        "stty",  "env",     "dd",       "grep", "readlink", "setsid", "head", "touch",
        "mknod", "unshare", "hostname", "wc",   "seq",      "yes",    "mkdir"}) {
    std::filesystem::create_symlink("busybox", root / "bin" / name);
  }
  std::ofstream(root / "etc/passwd") << "root:x:0:0:root:/root:/bin/sh\n"
                                        "agent:x:1000:1000::/home/agent:/bin/sh\n"
                                        "other:x:1001:1002::/home/other:/bin/sh\n";
  std::ofstream(root / "etc/group") << "root:x:0:\nextra:x:2000:agent,other\n";
  std::ofstream(root / "bin/not_executable") << "text\n";
  std::ofstream(root / "bin/no_format") << "text\n";
  chmod((root / "bin/no_format").c_str(), 0755);
  std::ofstream(root / "bin/no_interpreter") << "#!/nowhere/sh\n";
  chmod((root / "bin/no_interpreter").c_str(), 0755);
  std::ofstream(root / "bin/bad_interpreter") << "#!/bin/not_executable\n";
  chmod((root / "bin/bad_interpreter").c_str(), 0755);
  Must(chown((root / "home/agent").c_str(), 1000, 1000), "chown");
}

void InitRig::StartSpawner(const std::string& init_bytes, const Hooks& hooks) {
  constexpr int kSeals = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL;
  UniqueFd init_fd = SealedMemfd(init_bytes, kSeals);
  UniqueFd spawner_fd = SealedMemfd(std::string(EmbeddedSpawner()), kSeals);
  int ends[2];
  Must(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), "socketpair");
  socket.Reset(ends[0]);
  UniqueFd theirs(ends[1]);
  spawner_pid_ = static_cast<int>(Must(fork(), "fork"));
  if (spawner_pid_ == 0) {
    int socket_copy = fcntl(theirs.get(), F_DUPFD_CLOEXEC, 100);
    int init_copy = fcntl(init_fd.get(), F_DUPFD_CLOEXEC, 100);
    int program = fcntl(spawner_fd.get(), F_DUPFD_CLOEXEC, 100);
    dup2(socket_copy, kSpawnerSocketFd);
    dup2(init_copy, kSpawnerInitFd);
    if (hooks.in_spawner) hooks.in_spawner();
    const char* argv[] = {"glovebox-spawner", nullptr};
    const char* envp[] = {nullptr};
    (void)raw::ExecveAt(program, "", argv, envp, AT_EMPTY_PATH);
    _exit(126);
  }
  theirs.Reset();
  if (hooks.beside) hooks.beside();
  UniqueFd none;
  SpawnReply reply = ReceiveReply(socket.get(), &none);
  if (reply.error != 0) {
    throw std::runtime_error(std::string("spawner: ") + reply.detail + ": " +
                             strerror(reply.error));
  }
}

std::unique_ptr<TestSandbox> InitRig::Create(const Options& options, SpawnReply* reply) {
  auto sandbox = std::make_unique<TestSandbox>();
  uint32_t number = next_++;
  sandbox->directory = base_ + "/" + std::to_string(number);
  sandbox->cgroup_path = cgroup_base_ + "/" + std::to_string(number);
  std::filesystem::create_directories(sandbox->directory + "/disk/upper");
  std::filesystem::create_directories(sandbox->directory + "/disk/work");
  if (options.disk) options.disk(sandbox->directory);
  Must(mkdir(sandbox->cgroup_path.c_str(), 0755), "cgroup");
  Must(chown((sandbox->cgroup_path + "/cgroup.procs").c_str(), kHostIdFirst, kHostIdFirst),
       "chown");
  sandbox->socket_path = sandbox->directory + "/socket";
  UniqueFd listener(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  strncpy(address.sun_path, sandbox->socket_path.c_str(), sizeof(address.sun_path) - 1);
  Must(bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), "bind");
  Must(listen(listener.get(), 4), "listen");
  int status[2];
  Must(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, status), "socketpair");
  sandbox->status.Reset(status[0]);
  UniqueFd theirs(status[1]);
  PlanBuilder plan;
  if (options.plan) options.plan(&plan);
  UniqueFd plan_fd = plan.Seal();
  UniqueFd disk = CloneMount(sandbox->directory + "/disk");
  std::vector<UniqueFd> layers;
  for (uint32_t i = 0; i < plan.plan.layer_count; ++i)
    layers.push_back(CloneMount(base_ + "/lower"));
  for (const std::string& path : options.binds) layers.push_back(CloneMount(path));
  for (const std::string& path : options.tasks) {
    layers.push_back(UniqueFd(open(path.c_str(), O_WRONLY | O_CLOEXEC)));
  }
  UniqueFd cgroup(open(sandbox->cgroup_path.c_str(), O_RDONLY | O_CLOEXEC));
  SpawnRequest request{};
  request.magic = kSpawnMagic;
  request.request_id = number;
  request.host_id_first = kHostIdFirst;
  request.id_count = 65536;
  request.layer_count = plan.plan.layer_count;
  request.bind_count = static_cast<uint32_t>(options.binds.size());
  request.tasks_count = static_cast<uint32_t>(options.tasks.size());
  request.has_cgroup2 = 1;
  if (options.request) options.request(&request);
  std::vector<int> fds{plan_fd.get(), listener.get(), theirs.get(), disk.get()};
  for (UniqueFd& layer : layers) fds.push_back(layer.get());
  fds.push_back(cgroup.get());
  if (options.drop_last_fd) fds.pop_back();
  SendWithFds(socket.get(), std::string(reinterpret_cast<char*>(&request), sizeof(request)), fds);
  theirs.Reset();
  *reply = ReceiveReply(socket.get(), &sandbox->pidfd);
  if (reply->error != 0) {
    EXPECT_FALSE(sandbox->pidfd.valid());
    return nullptr;
  }
  EXPECT_EQ(reply->request_id, number);
  sandbox->host_pid = reply->host_pid;
  return sandbox;
}

std::unique_ptr<TestSandbox> InitRig::Ready(const Options& options) {
  SpawnReply reply;
  std::unique_ptr<TestSandbox> sandbox = Create(options, &reply);
  if (sandbox == nullptr) {
    throw std::runtime_error(std::string(SetupStepName(reply.step)) + ": " + reply.detail + ": " +
                             strerror(reply.error));
  }
  SetupReport report = sandbox->AwaitReport();
  if (report.step != SetupStep::kReady || report.error != 0) {
    throw std::runtime_error(std::string(SetupStepName(report.step)) + ": " + report.detail + ": " +
                             strerror(report.error));
  }
  sandbox->Connect();
  return sandbox;
}

}  // namespace glovebox
