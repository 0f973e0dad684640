// What must go on working in the default posture: a wall that ordinary tools run into is taken down
// by the first user who is in a hurry.
#include <gtest/gtest.h>

#include <cstdlib>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/support/must_run.h"
#include "tests/support/suite_world.h"

namespace glovebox {
namespace {

struct Tool {
  const char* name;
  const char* needs;   // a program below /usr
  const char* script;  // its last line of output has to be "ok"
};

constexpr Tool kTools[] = {
    {"gcc_and_make", "gcc", R"sh(
printf 'int main(void){return 0;}\n' >a.c
printf 'a: a.c\n\tgcc -g -o a a.c\n' >Makefile
make -s && ./a && echo ok)sh"},
    {"python_venv", "python3", R"sh(
/usr/bin/python3 -c 'import sys, json, sqlite3, ssl, subprocess, ctypes
subprocess.run(["true"], check=True)
sqlite3.connect("/home/agent/k.db").execute("create table t(a)")
print("ok")')sh"},
    {"python_multiprocessing", "python3", R"sh(
cat >mp.py <<'E'
import multiprocessing as m
from multiprocessing import shared_memory
def f(x): return x * x
if __name__ == "__main__":
    with m.Pool(2) as p: assert p.map(f, [1, 2, 3]) == [1, 4, 9]
    s = shared_memory.SharedMemory(create=True, size=4096); s.buf[0] = 7; s.close(); s.unlink()
    q = m.Queue(); q.put(1); assert q.get() == 1
    with m.Lock(): print("ok")
E
/usr/bin/python3 mp.py)sh"},
    {"node", "node", R"sh(
node -e 'const w=require("worker_threads");const fs=require("fs");
if(w.isMainThread){const t=new w.Worker(process.argv[1]||"console.log(1)",{eval:true});
t.on("exit",()=>{fs.writeFileSync("n","x");
const s=require("net").createServer(c=>c.end("hi"));s.listen(0,"127.0.0.1",()=>{
require("net").connect(s.address().port,"127.0.0.1").on("data",d=>{console.log(d=="hi"?"ok":d);process.exit(0)})})})}')sh"},
    {"git", "git", R"sh(
git init -q r && cd r && echo a >f && git add f && git commit -qm one && git mv f g && git commit -qm two &&
git clone -q . ../r2 && git -C ../r2 log --oneline | wc -l | grep -qx 2 && git gc -q && echo ok)sh"},
    {"perl", "perl", "perl -e 'pipe(R,W); if(fork){close W; print <R>}else{print W \"ok\\n\"}'"},
    {"java", "java", "java -Xmx64m -version 2>&1 | grep -q -i version && echo ok"},
    {"gdb_on_a_child", "gdb", R"sh(
printf 'int x=1;int main(void){x=2;return x-2;}\n' >d.c && gcc -g -o d d.c &&
gdb -q -batch -ex 'break main' -ex run -ex 'set var x=40' -ex 'print x+2' -ex kill ./d 2>&1 |
  grep -q '= 42' && echo ok)sh"},
    {"strace", "strace", "strace -f -o t sh -c 'true; echo x >y' && grep -q execve t && echo ok"},
    {"sort_with_files", "sort",
     "seq 300000 | shuf | sort -S 1M -n | tail -n 1 | grep -qx 300000 && echo ok"},
    {"tar", "tar", R"sh(
mkdir -p t/u && echo a >t/u/f && ln -s u t/l && ln t/u/f t/h && mkfifo t/p && tar czf t.tgz t && rm -rf t &&
tar xzf t.tgz && [ -p t/p ] && [ t/h -ef t/u/f ] && cat t/l/f | grep -qx a && echo ok)sh"},
    {"unix_sockets", "python3", R"sh(
/usr/bin/python3 -c 'import socket, os
for name in ("/home/agent/s", "\0abstract"):
    l = socket.socket(socket.AF_UNIX); l.bind(name); l.listen()
    c = socket.socket(socket.AF_UNIX); c.connect(name); c.send(b"x"); a, _ = l.accept(); assert a.recv(1) == b"x"
    a.send(b"y")
print("ok")')sh"},
    {"inotify", "python3", R"sh(
/usr/bin/python3 -c 'import ctypes, os
c = ctypes.CDLL(None); f = c.inotify_init(); assert c.inotify_add_watch(f, b"/home/agent", 256) >= 0
open("/home/agent/new", "w").close(); assert os.read(f, 100); print("ok")')sh"},
    {"terminals", "script",
     "script -qec 'tty; stty rows 5; echo inner' log </dev/null | grep -q inner && echo ok"},
    {"loopback", "python3", R"sh(
/usr/bin/python3 -c 'import socket
for f, a in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
    l = socket.socket(f); l.bind((a, 0)); l.listen(); c = socket.create_connection((a, l.getsockname()[1]))
    u = socket.socket(f, socket.SOCK_DGRAM); u.bind((a, 0)); u.sendto(b"x", u.getsockname()); assert u.recv(9) == b"x"
print("ok")')sh"},
    {"threads", "python3", R"sh(
/usr/bin/python3 -c 'import threading
t = [threading.Thread(target=lambda: None) for _ in range(50)]
[x.start() for x in t]; [x.join() for x in t]; print("ok")')sh"},
    {"signals_and_jobs", "sh", R"sh(
sleep 100 & p=$!; kill -STOP $p; kill -CONT $p; kill $p; wait $p; [ $? = 143 ] &&
trap 'echo ok' USR1 && kill -USR1 $$)sh"},
    {"renames_between_directories", "mv", R"sh(
mkdir a b && echo 1 >a/f && mv a/f b/g && ln b/g a/h && mv b c && [ a/h -ef c/g ] && mv c/g /var/tmp/k &&
mv /var/tmp/k /tmp/k && echo ok)sh"},
    {"temporary_files", "mktemp", R"sh(
d=$(mktemp -d) && echo x >$d/f && rm -r $d && echo 1 >/dev/shm/x && rm /dev/shm/x && echo ok)sh"},
    {"standard_streams_by_name", "sh",
     "echo ok >/dev/stdout; echo no >/dev/null; cat </dev/null; : >/dev/stderr"},
    {"process_list", "ps",
     "sleep 30 & until pgrep sleep >k; do :; done; ps -e | grep -q sleep && kill $! && echo ok"},
    {"memory_maps", "python3", R"sh(
/usr/bin/python3 -c 'import mmap, os
m = mmap.mmap(-1, 1 << 20); m[0] = 1; f = os.memfd_create("x"); os.ftruncate(f, 4096); mmap.mmap(f, 4096)[1:2] = b"z"
open("m", "wb").write(b"a" * 4096); g = os.open("m", os.O_RDWR); mmap.mmap(g, 4096)[0:1] = b"b"
assert os.pread(g, 1, 0) == b"b"; print("ok")')sh"},
    {"extended_attributes_and_times", "touch", R"sh(
touch -d 2001-01-01 f && [ "$(stat -c %Y f)" -lt 1000000000 ] && chmod 700 f && truncate -s 1M f && fallocate -l 4096 g &&
cp --reflink=auto --sparse=always f h && echo ok)sh"},
};

class KeepWorkingTest : public SuiteWorld<KeepWorkingTest> {
 protected:
  static std::shared_ptr<Sandbox> Make(bool root_inside) {
    CreateOptions options;
    options.root_inside = root_inside;
    return Create(options);
  }
  static void ExpectOk(Sandbox& sandbox, const ExecSpec& spec, const std::string& name) {
    auto outcome = RunIn(sandbox, spec);
    ASSERT_TRUE(outcome.ok()) << name << ": " << outcome.status();
    EXPECT_TRUE(absl::EndsWith(outcome->out, "ok\n"))
        << name << ": " << outcome->out << outcome->err;
  }
};

TEST_F(KeepWorkingTest, OrdinaryToolsDoTheirWork) {
  const auto sandbox = Make(false);
  int there = 0;
  for (const Tool& tool : kTools) {
    const std::string asked = absl::StrCat("command -v ", tool.needs);
    if (RunIn(*sandbox, Shell(asked))->result.exit_code != 0) continue;  // nothing to break
    ++there;
    ExecSpec spec = Shell(absl::StrCat("mkdir -p /home/agent/", tool.name, " && cd /home/agent/",
                                       tool.name, " && ", tool.script));
    spec.wall_limit_ms = 60'000;
    ExpectOk(*sandbox, spec, tool.name);
  }
  SKIP_UNLESS(there >= 18, "at least 18 of the tools");
}

// Agents start a server with one command and end it with the next.
TEST_F(KeepWorkingTest, CommandsOfOneSandboxSeeSignalAndTraceEachOther) {
  const auto sandbox = Make(false);
  ExecSpec server = Shell("sleep 1000 & echo $! >/tmp/pid; mkfifo /tmp/go; echo >/tmp/go; wait");
  auto running = sandbox->StartExec("server", server);
  ASSERT_TRUE(running.ok());
  ExpectOk(*sandbox,
           Shell("until [ -p /tmp/go ]; do :; done; cat /tmp/go; p=$(cat /tmp/pid); "
                 "grep -q sleep /proc/$p/comm && kill -0 $p && "
                 "(! command -v gdb >/tmp/x || gdb -q -batch -p $p -ex detach >/tmp/y) && "
                 "kill $p && echo ok"),
           "kill and trace across commands");
  auto ended = Collect(*running);
  ASSERT_TRUE(ended.ok());
  EXPECT_EQ(ended->result.exit_code, 0);
}

TEST_F(KeepWorkingTest, RootInsideInstallsAPackage) {
  const auto sandbox = Make(true);
  if (RunIn(*sandbox, Shell("command -v dpkg-deb"))->result.exit_code != 0) return;
  ExecSpec spec = Shell(R"sh(
set -e
mkdir -p /var/lib/dpkg/info /var/lib/dpkg/updates /var/lib/dpkg/triggers /var/lib/apt/lists/partial \
  /var/cache/apt/archives/partial /var/log/apt /etc/apt/apt.conf.d /etc/apt/preferences.d
touch /var/lib/dpkg/status /var/lib/dpkg/available
mkdir -p /tmp/p/DEBIAN /tmp/p/opt/probe /tmp/p/etc/probe.d
printf 'Package: probe\nVersion: 1\nArchitecture: all\nMaintainer: x <x@y>\nDescription: z\n' >/tmp/p/DEBIAN/control
printf '#!/bin/sh\nchown agent /opt/probe/file\n' >/tmp/p/DEBIAN/postinst
chmod 755 /tmp/p/DEBIAN/postinst
echo hello >/tmp/p/opt/probe/file
dpkg-deb --root-owner-group -b /tmp/p /tmp/probe.deb >/tmp/log
if command -v apt-get >/tmp/x; then
  apt-get -o APT::Sandbox::User=root -y install /tmp/probe.deb >>/tmp/log 2>&1 || { cat /tmp/log; exit 1; }
else
  dpkg -i /tmp/probe.deb >>/tmp/log
fi
[ "$(stat -c %U /opt/probe/file)" = agent ]
mkdir /newtop && echo x >/newtop/f && mv /newtop/f /srv/f
echo ok)sh");
  spec.user = "root";
  spec.wall_limit_ms = 60'000;
  ExpectOk(*sandbox, spec, "apt-get install");
}

TEST_F(KeepWorkingTest, SudoAndSuGiveNothing) {
  const auto sandbox = Make(false);
  auto outcome = RunIn(*sandbox, Shell("for p in sudo su pkexec newgrp; do "
                                       "command -v $p && echo x | $p -c id 2>&1; done; id -u"));
  ASSERT_TRUE(outcome.ok());
  EXPECT_EQ(outcome->out.find("uid=0"), std::string::npos) << outcome->out;
  EXPECT_TRUE(absl::EndsWith(outcome->out, "1000\n")) << outcome->out;
}

}  // namespace
}  // namespace glovebox
