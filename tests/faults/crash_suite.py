#!/usr/bin/env python3
"""The daemon is killed by SIGKILL at the system calls of creating, running, ending and deleting, one after another.

strace tells which system calls an operation makes, by thread, and then kills the daemon at the n-th call of a kind
(-e inject=...:signal=SIGKILL:when=n). Nothing of the programs under test knows about it. Here a spread of all points is
taken; GLOVEBOX_CRASH_POINTS=all takes every one (tests/soak/crash_points).
"""

import collections
import json
import os
import unittest

import daemon
from tracer import LINE, POINTS, Tracer

# Calls that change nothing that outlives the process: a kill there is a kill at the next one that does.
IDLE = {"futex", "epoll_wait", "epoll_pwait", "poll", "ppoll", "clock_nanosleep", "restart_syscall", "gettid", "madvise",
        "sched_yield", "rt_sigprocmask", "brk", "mprotect", "munmap", "mmap", "getrandom", "lseek", "fstat", "newfstatat",
        "exit", "rseq", "set_robust_list", "getpid", "nanosleep", "rt_sigtimedwait", "prctl", "sched_getaffinity", "read", "pread64", "fcntl",
        "getsockopt", "access", "readlink", "statx", "getdents64", "epoll_ctl", "eventfd2", "recvfrom", "accept4", "accept",
        "getsockname", "getpeername", "setsockopt", "shutdown", "geteuid", "clone3", "clone"}

STOCK = 8  # disk_stock


class Crash(daemon.FreshDaemonCase):
    def points(self, operation):
        """(system call, which one of that kind in its thread), spread over the operation."""
        trace = self.daemon.root / "trace"
        with Tracer(self.daemon.process.pid, "-o", str(trace)):
            operation()
            self.settle()
        seen, points = collections.Counter(), []
        for line in trace.read_text(errors="replace").splitlines():
            match = LINE.match(line)
            if match and match.group(2) not in IDLE:
                seen[match.groups()] += 1
                point = (match.group(2), seen[match.groups()])
                if point not in points:
                    points.append(point)
        self.assertGreater(len(points), 3, "the operation was traced")
        if POINTS == "all":
            return points
        # strace counts in each thread, and which thread does what is another matter each time: only the first call of
        # a kind is sure to come again.
        first = [point for point in points if point[1] == 1]
        return first[:: max(1, len(first) // int(POINTS))]

    def settle(self):
        """The daemon has answered another call since."""
        self.ok("version")

    def crash_at(self, point, operation):
        """Whether the daemon died at the point (and not after the operation)."""
        name, number = point
        tracer = Tracer(self.daemon.process.pid, "-o", "/dev/null", "-e", f"trace={name}", "-e",
                        f"inject={name}:signal=SIGKILL:when={number}")
        try:
            operation()
        except AssertionError:
            pass  # the answer may be lost with the daemon
        # A killed process can be waited for only when its tracer has seen it die; but it answers nothing any more.
        struck = self.daemon.cli("ls", "-q").returncode != 0
        if not struck:
            self.daemon.kill()
        self.daemon.process.wait(timeout=daemon.DEADLINE_S)
        tracer.stop()
        self.daemon.start()
        return struck

    def each_point(self, prepare, operation, check):
        """Runs `operation(subject)` with a crash at each point; `check(subject)` is asked of the next daemon."""
        first = prepare()
        points = self.points(lambda: operation(first))
        check(first)
        struck = 0
        for point in points:
            with self.subTest(point=point):
                subject = prepare()
                struck += self.crash_at(point, lambda one=subject: operation(one))
                check(subject)
        self.assertGreater(struck, 0, "the daemon was hit while it worked")
        print(f"{self.id()}: {len(points)} points, {struck} during the operation")

    def test_create(self):
        def check(_):
            # Made and whole, or not there at all.
            for sandbox, state in self.known().items():
                self.assertEqual(state, "running")
                self.assertEqual(self.ok("exec", sandbox, "--", "echo", "works"), b"works\n")
                self.ok("rm", sandbox)
            self.nothing_of_sandboxes()

        self.each_point(lambda: None, lambda _: self.create(), check)

    def test_exec_from_start_to_archive(self):
        sandbox = self.create()
        numbers = iter(range(1_000_000))

        def run(name):
            self.ok("exec", "--no-reconnect", "--exec-id", name, sandbox, "--", "sh", "-c", "echo out; echo err >&2; exit 3")

        def operation(name):
            try:
                run(name)
            except AssertionError:
                pass  # exit code 3 is the command's

        def check(name):
            done = self.daemon.cli("logs", "-f", sandbox, name)
            if b"no exec" in done.stderr:
                # Never reached init, so it never ran, and the same id starts it now.
                operation(name)
                done = self.daemon.cli("logs", "-f", sandbox, name)
            end = self.status(sandbox, name)
            if end["cause"] == "spawn_failed":
                return  # its start died with the daemon, and says so
            self.assertEqual((end["cause"], end["exit_code"]), ("exited", 3), end)
            self.assertEqual((done.stdout, done.stderr.splitlines()[:1]), (b"out\n", [b"err"]))

        self.each_point(lambda: f"e{next(numbers)}", operation, check)

    def test_delete(self):
        def check(sandbox):
            state = self.known().get(sandbox)
            if state is not None:
                # Not begun: then it is as it was.
                self.assertEqual(state, "running")
                self.assertEqual(self.ok("exec", sandbox, "--", "echo", "works"), b"works\n")
                self.ok("rm", sandbox)
            self.nothing_of_sandboxes()

        self.each_point(self.create, lambda sandbox: self.ok("rm", sandbox), check)

    def test_fork(self):
        """The parent goes on, stopped or not when the daemon died; a child is whole or not there."""
        parent = self.create()
        self.ok("exec", parent, "--", "sh", "-c", "head -c 2000000 /dev/urandom > ~/big; echo kept > ~/file")

        def check(_):
            known = self.known()
            self.assertEqual(known.pop(parent, None), "running")
            self.assertEqual(self.ok("exec", parent, "--", "cat", "file"), b"kept\n")
            whole = self.ok("exec", parent, "--", "sha256sum", "big")
            for child, state in known.items():
                self.assertEqual(state, "running")
                self.assertEqual(self.ok("exec", child, "--", "sha256sum", "big"), whole)
                self.ok("rm", child)

        self.each_point(lambda: None, lambda _: self.ok("fork", "-n", "2", parent), check)
        self.ok("rm", parent)
        self.nothing_of_sandboxes()

    def test_checkpoint(self):
        """The sandbox goes on; a checkpoint is there and whole, or not there, and then nothing of it is."""
        sandbox = self.create()
        self.ok("exec", sandbox, "--", "sh", "-c", "head -c 2000000 /dev/urandom > ~/big")
        whole = self.ok("exec", sandbox, "--", "sha256sum", "big")

        def check(_):
            self.assertEqual(self.known()[sandbox], "running")
            kept = json.loads(self.ok("checkpoint", "ls", "--json", sandbox))
            self.await_images(1 + len(kept))
            for one in kept:
                self.ok("exec", sandbox, "--", "rm", "big")
                self.ok("rollback", sandbox, one["checkpoint_id"])
                self.assertEqual(self.ok("exec", sandbox, "--", "sha256sum", "big"), whole)
                self.ok("checkpoint", "rm", sandbox, one["checkpoint_id"])

        self.each_point(lambda: None, lambda _: self.ok("checkpoint", "create", sandbox), check)

    def test_rollback(self):
        """The files are those of before or those of the checkpoint; where it does not run, a second try makes it."""
        sandbox = self.create()
        self.ok("exec", sandbox, "--", "sh", "-c", "head -c 2000000 /dev/urandom > ~/big")
        old = self.ok("exec", sandbox, "--", "sha256sum", "big")
        self.ok("checkpoint", "create", sandbox, "c")

        def prepare():
            self.ok("exec", sandbox, "--", "sh", "-c", "head -c 2000000 /dev/urandom > ~/big")
            return self.ok("exec", sandbox, "--", "sha256sum", "big")

        def check(new):
            state = self.known()[sandbox]
            if state == "running":
                self.assertIn(self.ok("exec", sandbox, "--", "sha256sum", "big"), (old, new))
            else:
                self.assertEqual(state, "stopped")
            self.ok("rollback", sandbox, "c")
            self.assertEqual(self.ok("exec", sandbox, "--", "sha256sum", "big"), old)
            self.await_images(2)

        self.each_point(prepare, lambda _: self.ok("rollback", sandbox, "c"), check)

    def await_images(self, count):
        """Of sandboxes and checkpoints; all others are blank ones in stock, as many as by default."""
        images = self.daemon.state / "disks" / "images"
        daemon.wait_until(lambda: len(list(images.iterdir())) == count + STOCK, f"{count} images are left")

    def whole_store(self):
        """Every snapshot is whole, down to its last byte; nothing is half there."""
        checked = json.loads(self.ok("snapshot", "fsck", "--content", "--json"))
        self.assertFalse([one for one in checked if one["damaged"]], checked)
        names = {one["name"].removeprefix("sha256:") for one in checked if not one["name"].startswith("blobs/")}
        self.assertEqual(set(os.listdir(self.daemon.state / "store" / "snapshots")), names)
        return names

    def test_import_over_a_snapshot(self):
        path, commits = daemon.repository(self.daemon.root, "imported")
        self.ok("snapshot", "import", f"{path}@{commits[0]}")

        def check(_):
            self.whole_store()
            second = json.loads(self.ok("snapshot", "import", "--json", f"{path}@{commits[1]}"))
            self.assertEqual(second["layer_count"], 2)
            self.assertEqual(len(self.whole_store()), 2)
            self.ok("snapshot", "rm", second["digest"])
            self.nothing_of_sandboxes()

        self.each_point(lambda: None, lambda _: self.ok("snapshot", "import", f"{path}@{commits[1]}"), check)

    def test_upload_and_import(self):
        """What was acknowledged is there after the crash, and the same command succeeds then, whatever came before."""
        tree = self.daemon.root / "uploaded"
        tree.mkdir()
        for number in range(20):
            (tree / f"f{number}").write_bytes(b"%d" % number * 1000)
        numbers = iter(range(1_000_000))

        def prepare():
            number = next(numbers)
            (tree / "large").write_bytes(b"%09d" % number * 300_000)
            (tree / "small").write_bytes(b"%09d" % number)
            return number

        def check(_):
            self.whole_store()
            self.assertEqual(self.ok("snapshot", "import", "--upload", tree), self.ok("snapshot", "import", "--directory", tree))
            self.assertEqual(len(self.whole_store()), 1)
            self.ok("snapshot", "gc", "--max-bytes", "0")
            left = [path.name for path in self.daemon.state.glob("blobs/*/.*")]
            self.assertEqual(left, [], "unfinished uploads were gone on with, and nothing else is left")
            self.nothing_of_sandboxes()

        self.each_point(prepare, lambda _: self.ok("snapshot", "import", "--no-reconnect", "--upload", tree), check)

    def test_capture(self):
        path, _ = daemon.repository(self.daemon.root, "captured")
        sandbox = self.create("--repo", path)
        self.ok("exec", sandbox, "--", "sh", "-c", "echo captured > file; head -c 1000000 /dev/zero > ~/outside")

        def check(_):
            self.assertEqual(self.known(), {sandbox: "running"})
            self.assertEqual(self.ok("exec", sandbox, "--", "cat", "file"), b"captured\n")
            names = self.whole_store() - {self.inspect(sandbox)["snapshot"].removeprefix("sha256:")}
            for name in names:
                child = self.create("--snapshot", f"sha256:{name}")
                self.assertEqual(self.ok("exec", child, "--", "cat", "file"), b"captured\n")
                self.ok("rm", child)
                self.ok("snapshot", "rm", name)

        self.each_point(lambda: None, lambda _: self.ok("snapshot", "capture", sandbox), check)
        self.ok("rm", sandbox)
        self.nothing_of_sandboxes()

    def test_gc(self):
        path, commits = daemon.repository(self.daemon.root, "collected")
        used, _ = daemon.repository(self.daemon.root, "used")
        sandbox = self.create("--repo", used)

        def prepare():
            for commit in commits:
                self.ok("snapshot", "import", f"{path}@{commit}")

        def check(_):
            self.assertIn(self.inspect(sandbox)["snapshot"].removeprefix("sha256:"), self.whole_store())
            self.ok("snapshot", "gc", "--max-bytes", "0")
            self.assertEqual(len(self.whole_store()), 1)
            self.assertEqual(self.ok("exec", sandbox, "--", "cat", "file"), b"two\n")

        self.each_point(prepare, lambda _: self.ok("snapshot", "gc", "--max-bytes", "0"), check)
        self.ok("rm", sandbox)
        self.nothing_of_sandboxes()

    def test_pause_and_resume(self):
        sandbox = self.create()
        self.ok("exec", "--detach", sandbox, "--", "sleep", "1000")

        def operation(_):
            self.ok("pause", sandbox)
            self.ok("resume", sandbox)

        def check(_):
            self.assertIn(self.known()[sandbox], ("running", "paused"))
            self.ok("resume", sandbox)
            self.assertEqual(self.ok("exec", sandbox, "--", "echo", "works"), b"works\n")

        self.each_point(lambda: None, operation, check)


if __name__ == "__main__":
    unittest.main()
