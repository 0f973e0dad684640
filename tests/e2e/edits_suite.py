#!/usr/bin/env python3
"""Edits that go in: files and patches, as the sandbox's user, as a whole or not at all, whatever runs inside meanwhile."""

import hashlib
import json
import os
import queue
import random
import select
import signal
import subprocess
import unittest

import api_client
import daemon
import grpc
from google.rpc import error_details_pb2, status_pb2

SMALL_DISK = ("--disk", "16M")
LEFT = "find /tmp /home /workspace -name '.glovebox-*' 2>/dev/null; true"

# In Python, in the sandbox: the program for files. /proc does not even show it; a signal finds it all the same.
FIND = """
import os, sys, time, random, signal, ctypes
def programs():
    for pid in range(2, 2000):
        try:
            os.kill(pid, 0)
        except OSError:
            continue
        if pid != os.getpid() and not os.path.exists(f'/proc/{pid}'):
            yield pid
def wait_for_program():
    while True:
        for found in programs():
            return found
"""

LOOK_INTO = FIND + """
libc = ctypes.CDLL(None, use_errno=True)
def tries(pid):
    def opens(path, flags=os.O_RDONLY):
        os.close(os.open(f'/proc/{pid}/{path}', flags))
    def call(number, *arguments):
        if libc.syscall(number, *arguments) < 0:
            raise OSError(ctypes.get_errno(), 'refused')
    class Part(ctypes.Structure):
        _fields_ = [('base', ctypes.c_void_p), ('size', ctypes.c_size_t)]
    there = ctypes.create_string_buffer(8)
    part = Part(ctypes.addressof(there), 8)
    pidfd = os.pidfd_open(pid)
    yield 'mem', lambda: opens('mem', os.O_RDWR)
    yield 'environ', lambda: opens('environ')
    yield 'maps', lambda: open(f'/proc/{pid}/maps').read(1) or opens('mem')
    yield 'fd', lambda: os.readlink(f'/proc/{pid}/fd/0')
    yield 'exe', lambda: os.readlink(f'/proc/{pid}/exe')
    yield 'ptrace', lambda: call(101, 16, pid, 0, 0)
    yield 'vm_writev', lambda: call(311, pid, ctypes.byref(part), 1, ctypes.byref(part), 1, 0)
    yield 'getfd', lambda: call(438, pidfd, 0, 0)
def allowed(pid):
    done = []
    for name, attempt in tries(pid):
        try:
            attempt()
            done.append(name)
        except OSError:
            pass
    return done
"""

KILL_ONCE = FIND + """
for line in sys.stdin:
    delay = float(line)
    pid = wait_for_program()
    end = time.monotonic() + delay
    while time.monotonic() < end:
        pass
    try:
        os.kill(pid, signal.SIGKILL)
        print('killed', flush=True)
    except ProcessLookupError:
        print('late', flush=True)
"""

# After so many seconds of its life.
STOP_ONCE = FIND + """
print('up', flush=True)
pid = wait_for_program()
end = time.monotonic() + float(sys.argv[1])
while time.monotonic() < end:
    pass
try:
    os.kill(pid, signal.SIGSTOP)
    print('stopped', flush=True)
except ProcessLookupError:
    print('late', flush=True)
"""
PATCHED = 300


def digest(content):
    return "sha256:" + hashlib.sha256(content).hexdigest()


class Outcome(Exception):
    """What a call failed with."""

    def __init__(self, error):
        raw = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin", b"")
        info = error_details_pb2.ErrorInfo()
        for detail in status_pb2.Status.FromString(raw).details:
            detail.Unpack(info) if detail.Is(info.DESCRIPTOR) else None
        self.code, self.reason, self.metadata = error.code().name, info.reason, dict(info.metadata)
        super().__init__(f"{self.code} {self.reason} {self.metadata} {error.details()}")


class EditsAsking:
    """What tests ask of self.api."""

    def call(self, service, method, **fields):
        try:
            return self.api.call(service, method, **fields)
        except grpc.RpcError as error:
            raise Outcome(error) from None

    def refused(self, code, reason, ask, *arguments, **fields):
        with self.assertRaises(Outcome) as caught:
            ask(*arguments, **fields)
        self.assertEqual((caught.exception.code, caught.exception.reason), (code, reason), str(caught.exception))
        return caught.exception.metadata

    def writer(self, messages, timeout=60):
        """A WriteFile that is under way; `messages` gives its requests."""
        module = self.api.messages.file
        stub = self.api.channel.stream_unary("/glovebox.v1.FileService/WriteFile",
                                             request_serializer=module.WriteFileRequest.SerializeToString,
                                             response_deserializer=module.WriteFileResponse.FromString)
        return stub.future((module.WriteFileRequest(**one) for one in messages), timeout=timeout)

    def write(self, sandbox, path, *chunks, **target):
        future = self.writer([{"target": {"sandbox_id": sandbox, "path": path, **target}}, *({"chunk": one} for one in chunks)])
        try:
            return future.result()
        except grpc.RpcError as error:
            raise Outcome(error) from None

    def read(self, sandbox, path, **fields):
        try:
            items = list(self.api.stream("File", "ReadFile", sandbox_id=sandbox, path=path, **fields))
        except grpc.RpcError as error:
            raise Outcome(error) from None
        self.assertTrue(items[-1].HasField("summary"))
        return b"".join(item.chunk for item in items[:-1]), items[-1].summary

    def apply(self, sandbox, patch, **fields):
        return self.call("Change", "ApplyPatch", sandbox_id=sandbox, patch=patch, **fields)

    def sh(self, sandbox, script):
        return self.ok("exec", sandbox, "--", "bash", "-c", script).decode()

    def proves_clean(self, sandbox):
        daemon.wait_until(lambda: self.sh(sandbox, LEFT) == "", "nothing is left")


class EditsCase(EditsAsking, daemon.DaemonCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.api = api_client.Api(cls.daemon.socket)

    @classmethod
    def tearDownClass(cls):
        cls.api.close()
        super().tearDownClass()


class Files(EditsCase):
    def test_a_file_is_written_and_read_as_the_user_would(self):
        sandbox = self.create()
        content = os.urandom(3_000_000)
        done = self.write(sandbox, b"/tmp/new/deep/\xff\n", content[:1_000_000], content[1_000_000:2_000_000],
                          content[2_000_000:], make_parents=True, mode=0o750)
        self.assertEqual(done.digest, digest(content))
        self.assertEqual((done.info.size_bytes, done.info.mode & 0o7777, done.info.uid), (len(content), 0o750, 1000))
        self.assertEqual(self.sh(sandbox, "stat -c '%u %a %s' /tmp/new/deep/*"), "1000 750 3000000\n")
        read, summary = self.read(sandbox, b"/tmp/new/deep/\xff\n")
        self.assertEqual((read == content, summary.digest, summary.changed_meanwhile), (True, digest(content), False))
        part, _ = self.read(sandbox, b"/tmp/new/deep/\xff\n", offset=100_000, size_bytes_max=70_000)
        self.assertEqual(part, content[100_000:170_000])
        self.assertEqual(self.write(sandbox, b"/tmp/empty").info.size_bytes, 0)

    def test_the_mode_stays_and_links_are_followed_inside_only(self):
        sandbox = self.create()
        self.sh(sandbox, "cd /tmp; echo old > file; chmod 741 file; ln -s file link; ln -s /etc/passwd out; ln -s loop loop")
        self.write(sandbox, b"/tmp/link", b"new\n")
        self.assertEqual(self.sh(sandbox, "cd /tmp; cat file; stat -c '%a' file; readlink link"), "new\n741\nfile\n")
        self.refused("PERMISSION_DENIED", "PATH_NOT_PERMITTED", self.write, sandbox, b"/tmp/out", b"x")
        self.refused("INVALID_ARGUMENT", "PATH_INVALID", self.read, sandbox, b"/tmp/loop")
        self.assertEqual(self.call("File", "StatFile", sandbox_id=sandbox, path=b"/tmp/out").info.symlink_target, b"/etc/passwd")

    def test_preconditions_hold(self):
        sandbox = self.create()
        self.write(sandbox, b"/tmp/f", b"one", must_be_new=True)
        self.refused("ALREADY_EXISTS", "PATH_EXISTS", self.write, sandbox, b"/tmp/f", b"two", must_be_new=True)
        told = self.refused("FAILED_PRECONDITION", "DIGEST_MISMATCH", self.write, sandbox, b"/tmp/f", b"two",
                            expected_digest=digest(b"other"))
        self.assertEqual(told["digest"], digest(b"one"))
        self.write(sandbox, b"/tmp/f", b"two", expected_digest=digest(b"one"))
        self.assertEqual(self.read(sandbox, b"/tmp/f")[0], b"two")
        self.refused("NOT_FOUND", "PATH_NOT_FOUND", self.write, sandbox, b"/tmp/none/f", b"x")
        self.refused("INVALID_ARGUMENT", "PATH_INVALID", self.write, sandbox, b"a" * 4096, b"x")
        self.refused("INVALID_ARGUMENT", "PATH_INVALID", self.write, sandbox, b"a" * 300, b"x")
        self.refused("INVALID_ARGUMENT", "PATH_INVALID", self.write, sandbox, b"a\0b", b"x")
        self.proves_clean(sandbox)

    def test_what_is_no_regular_file_is_never_opened(self):
        sandbox = self.create()
        self.sh(sandbox, "cd /tmp; mkfifo fifo; mkdir dir; python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"socket\")'")
        # A reader of the FIFO would let go of this writer.
        waits = self.daemon.popen("exec", sandbox, "--", "bash", "-c", "echo up; echo x > /tmp/fifo; echo opened")
        self.assertEqual(waits.stdout.readline(), b"up\n")
        for path in (b"/tmp/fifo", b"/tmp/dir", b"/tmp/socket", b"/dev/zero", b"/dev/tty"):
            self.refused("FAILED_PRECONDITION", "NOT_A_FILE", self.read, sandbox, path)
            self.refused("FAILED_PRECONDITION", "NOT_A_FILE", self.write, sandbox, path, b"x")
        self.refused("NOT_FOUND", "PATH_NOT_FOUND", self.read, sandbox, b"/proc/self/fd/0")
        self.assertIsNone(waits.poll())
        waits.kill()
        waits.communicate()

    def test_text_is_replaced_as_often_as_it_must_be_there_or_not_at_all(self):
        sandbox = self.create()
        self.write(sandbox, b"/tmp/f", b"alpha\nbeta\nbeta\ngamma delta\n", mode=0o600)

        def edit(*edits, **more):
            return self.call("File", "EditFile", sandbox_id=sandbox, path=b"/tmp/f", edits=list(edits), **more)

        done = edit({"find": b"alpha", "replace": b"ALPHA"}, {"find": b"beta", "replace": b"", "count": 2})
        self.assertEqual(done.digest, digest(b"ALPHA\n\n\ngamma delta\n"))
        self.assertEqual(self.sh(sandbox, "cat /tmp/f; stat -c %a /tmp/f"), "ALPHA\n\n\ngamma delta\n600\n")
        told = self.refused("FAILED_PRECONDITION", "TEXT_NOT_FOUND", edit, {"find": b"ALPHA", "replace": b"x"},
                            {"find": b"  gamma delta", "replace": b"y"})
        self.assertEqual((told["edit"], told["count"], told["line"]), ("2", "0", "4"))
        told = self.refused("FAILED_PRECONDITION", "TEXT_NOT_UNIQUE", edit, {"find": b"a", "replace": b"x"})
        self.assertEqual((told["edit"], told["count"]), ("1", "3"))
        self.assertEqual(self.read(sandbox, b"/tmp/f")[0], b"ALPHA\n\n\ngamma delta\n")
        self.refused("FAILED_PRECONDITION", "DIGEST_MISMATCH", edit, {"find": b"ALPHA"}, expected_digest=digest(b""))
        self.proves_clean(sandbox)

    def test_directories_are_listed_in_byte_order_page_by_page(self):
        sandbox = self.create()
        self.sh(sandbox, "mkdir /tmp/d; cd /tmp/d; touch {1..250}; ln -s to link; mkfifo fifo; touch $'\\xff'")
        names, token = [], ""
        while True:
            page = self.call("File", "ListDirectory", sandbox_id=sandbox, path=b"/tmp/d", page_size=60, page_token=token)
            names += [entry.path for entry in page.entries]
            token = page.next_page_token
            if not token:
                break
        expected = sorted([str(n).encode() for n in range(1, 251)] + [b"link", b"fifo", b"\xff"])
        self.assertEqual(names, expected)

    def test_paths_are_made_moved_and_removed(self):
        sandbox = self.create()
        ask = lambda method, **fields: self.call("File", method, sandbox_id=sandbox, **fields)
        ask("MakeDirectory", path=b"/tmp/a/b", parents=True, mode=0o700)
        ask("MakeDirectory", path=b"/tmp/a/b", parents=True)
        self.refused("ALREADY_EXISTS", "PATH_EXISTS", ask, "MakeDirectory", path=b"/tmp/a/b")
        self.write(sandbox, b"/tmp/a/b/f", b"1")
        self.write(sandbox, b"/tmp/g", b"2")
        self.refused("ALREADY_EXISTS", "PATH_EXISTS", ask, "Move", source_path=b"/tmp/g", target_path=b"/tmp/a/b/f")
        ask("Move", source_path=b"/tmp/g", target_path=b"/tmp/a/b/f", replace=True)
        self.assertEqual(self.read(sandbox, b"/tmp/a/b/f")[0], b"2")
        self.refused("FAILED_PRECONDITION", "DIRECTORY_NOT_EMPTY", ask, "Remove", path=b"/tmp/a")
        self.sh(sandbox, "cd /tmp/a; ln -s /etc to-etc; mkdir -p $(printf 'd/%.0s' {1..500})")
        ask("Remove", path=b"/tmp/a", recursive=True)
        self.refused("NOT_FOUND", "PATH_NOT_FOUND", ask, "Remove", path=b"/tmp/a")
        self.assertEqual(self.sh(sandbox, "ls /tmp; test -e /etc/passwd && echo there"), "there\n")
        self.refused("PERMISSION_DENIED", "PATH_NOT_PERMITTED", ask, "Remove", path=b"/etc/passwd")
        # A slash behind a link: not what it leads to either.
        self.sh(sandbox, "mkdir /tmp/d; echo 1 > /tmp/d/f; ln -s d /tmp/link")
        for fields in ({"path": b"/tmp/link/"}, {"path": b"/tmp/link/", "recursive": True}):
            self.refused("FAILED_PRECONDITION", "NOT_A_DIRECTORY", ask, "Remove", **fields)
        self.refused("FAILED_PRECONDITION", "NOT_A_DIRECTORY", ask, "Move", source_path=b"/tmp/link/", target_path=b"/tmp/e")
        self.refused("FAILED_PRECONDITION", "NOT_A_DIRECTORY", self.write, sandbox, b"/tmp/d/f/", b"x")
        self.assertEqual(self.sh(sandbox, "cd /tmp; readlink link; cat d/f; ls"), "d\n1\nd\nlink\n")

    def test_a_workdir_that_is_gone_is_named_and_keeps_nothing_else_away(self):
        sandbox = self.create("--root-inside")
        self.ok("exec", "--user", "root", sandbox, "--", "chmod", "777", "/home")
        ask = lambda method, **fields: self.call("File", method, sandbox_id=sandbox, **fields)  # noqa: E731
        self.write(sandbox, b"here", b"x")
        ask("Remove", path=b"/home/agent", recursive=True)
        told = self.refused("NOT_FOUND", "PATH_NOT_FOUND", ask, "StatFile", path=b"here")
        self.assertEqual(told["path"], "/home/agent")
        self.assertGreater(ask("StatFile", path=b"/etc/passwd").info.size_bytes, 0)
        self.write(sandbox, b"/tmp/f", b"x")
        ask("Move", source_path=b"/tmp/f", target_path=b"/tmp/g")
        self.refused("NOT_FOUND", "PATH_NOT_FOUND", ask, "Move", source_path=b"/tmp/g", target_path=b"g")
        ask("MakeDirectory", path=b"/home/agent")
        self.write(sandbox, b"here", b"x")
        self.assertEqual(self.read(sandbox, b"/home/agent/here")[0], b"x")

    def test_a_call_on_files_is_in_no_list_of_commands(self):
        sandbox = self.create()
        self.write(sandbox, b"/tmp/f", b"x")
        self.assertEqual(list(self.call("Exec", "ListExecs", sandbox_id=sandbox).execs), [])

    def test_the_audit_log_has_writes_with_their_sandbox_and_no_reads(self):
        sandbox = self.create()
        self.write(sandbox, b"/tmp/f", b"x")
        self.read(sandbox, b"/tmp/f")
        unknown = "0" * 32
        self.refused("NOT_FOUND", "SANDBOX_NOT_FOUND", self.write, unknown, b"/tmp/f", b"x")
        lines = [json.loads(line) for line in (self.daemon.state / "audit.log").read_text().splitlines()]
        told = [(line["sandbox"], line["outcome"]) for line in lines if line.get("method") == "FileService/WriteFile"]
        self.assertIn((sandbox, "OK"), told)
        self.assertIn((unknown, "NOT_FOUND"), told)
        self.assertNotIn("FileService/ReadFile", {line.get("method") for line in lines})

    def test_a_paused_a_stopped_and_a_full_sandbox_say_so(self):
        sandbox = self.create(*SMALL_DISK)
        self.write(sandbox, b"/home/agent/f", b"old")
        self.ok("pause", sandbox)
        self.refused("FAILED_PRECONDITION", "SANDBOX_PAUSED", self.write, sandbox, b"/home/agent/f", b"new")
        self.ok("resume", sandbox)
        self.refused("RESOURCE_EXHAUSTED", "DISK_FULL", self.write, sandbox, b"/home/agent/f", *[bytes(1 << 20)] * 20)
        self.sh(sandbox, "cat /dev/zero > ~/fill; true")
        patch = b"*** Begin Patch\n*** Add File: big\n" + b"+" + b"x" * 900_000 + b"\n*** Update File: f\n-old\n+new\n*** End Patch\n"
        self.refused("RESOURCE_EXHAUSTED", "DISK_FULL", self.apply, sandbox, patch, directory=b"/home/agent")
        self.assertEqual(self.read(sandbox, b"/home/agent/f")[0], b"old")
        self.proves_clean(sandbox)
        daemon.kill_and_wait(self.daemon.init_of(sandbox))
        daemon.wait_until(lambda: self.inspect(sandbox)["state"] == "stopped", "it is stopped")
        self.refused("FAILED_PRECONDITION", "SANDBOX_STOPPED", self.read, sandbox, b"/home/agent/f")


class Patches(EditsCase):
    def test_the_diff_of_one_fork_makes_the_same_tree_of_another(self):
        path, _ = daemon.repository(self.daemon.root, "patched")
        base = self.create("--repo", path)
        changed, fresh = self.ok("fork", "-n", "2", base).decode().split()
        for one in (changed, fresh):
            self.addCleanup(self.daemon.cli, "rm", "--force", one)
        self.sh(changed, r"""
            printf 'one\ntwo\nthree' > file; rm gone; mkdir -p deep/er; echo new > deep/er/new; chmod 755 deep/er/new
            head -c 5000 /dev/urandom > binary; ln -s deep link; echo q > $'na"me\n\xff'; echo s > 'with space'""")
        patch = self.ok("diff", changed)
        done = self.daemon.cli("apply", fresh, input=patch)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        self.assertIn(b"D\tgone\n", done.stdout)
        tree = "git add -A && git write-tree"
        self.assertEqual(self.sh(fresh, tree), self.sh(changed, tree))
        self.proves_clean(fresh)

    def test_the_agents_format_is_taken_and_errors_are_located(self):
        sandbox = self.create()
        self.write(sandbox, b"/tmp/w/f", b"a\nb\nc\n", make_parents=True)
        patch = b"*** Begin Patch\n*** Update File: f\n@@ a\n-b\n+B\n*** Add File: g/h\n+new\n*** End Patch\n"
        done = self.apply(sandbox, patch, directory=b"/tmp/w")
        self.assertEqual([(hunk.path, hunk.hunk, hunk.applied, hunk.line) for hunk in done.hunks],
                         [(b"f", 1, True, 2), (b"g/h", 1, True, 1)])
        self.assertEqual([(change.path, change.kind) for change in done.changes], [(b"f", 2), (b"g/h", 1)])
        self.assertEqual(self.sh(sandbox, "cd /tmp/w; cat f g/h"), "a\nB\nc\nnew\n")
        bad = b"*** Begin Patch\n*** Add File: i\n+x\n*** Update File: f\n a\n-B\n+C\n@@\n-nowhere\n+x\n*** End Patch\n"
        told = self.refused("FAILED_PRECONDITION", "PATCH_DOES_NOT_APPLY", self.apply, sandbox, bad, directory=b"/tmp/w")
        self.assertEqual((told["path"], told["hunk"], told["patch_line"]), ("f", "2", "8"))
        dry = self.apply(sandbox, bad, directory=b"/tmp/w", dry_run=True)
        self.assertEqual([(hunk.applied, hunk.expected) for hunk in dry.hunks],
                         [(True, b""), (True, b""), (False, b"nowhere\n")])
        self.assertEqual(self.refused("INVALID_ARGUMENT", "PATCH_MALFORMED", self.apply, sandbox,
                                      b"*** Begin Patch\n*** Update File: f\n@@\n?\n*** End Patch\n")["line"], "4")
        self.assertEqual(self.refused("INVALID_ARGUMENT", "PATH_INVALID", self.apply, sandbox,
                                      b"*** Begin Patch\n*** Add File: ../up\n+x\n*** End Patch\n")["path"], "../up")
        self.assertEqual(self.sh(sandbox, "cd /tmp/w; ls; cat f"), "f\ng\na\nB\nc\n")
        self.proves_clean(sandbox)

    def test_the_command_line_shows_what_does_not_fit(self):
        sandbox = self.create()
        self.assertEqual(self.daemon.cli("write", sandbox, "/tmp/f", input=b"a\nb\nc\n").returncode, 0)
        patch = b"--- a/f\n+++ b/f\n@@ -1,3 +1,3 @@\n a\n-b\n+B\n X\n"
        strict = self.daemon.cli("apply", "--check", "--directory", "/tmp", sandbox, input=patch)
        self.assertEqual(strict.returncode, 1)
        self.assertIn(b'nearest match, at line 1', strict.stderr)
        fuzzy = self.daemon.cli("apply", "--json", "--fuzz", "1", "--directory", "/tmp", sandbox, input=patch)
        self.assertEqual(json.loads(fuzzy.stdout)["hunks"][0]["fuzz_lines"], 1)
        self.assertEqual(self.ok("cat", sandbox, "/tmp/f"), b"a\nB\nc\n")
        self.assertEqual(self.ok("edit", sandbox, "/tmp/f", "--find", "B", "--replace", "b"), b"")
        self.assertEqual(json.loads(self.ok("cat", "--json", sandbox, "/tmp/f"))["content"], "a\nb\nc\n")
        self.assertIn("is there 0 times", self.fails(1, "edit", sandbox, "/tmp/f", "--find", "B"))


class Attacks(EditsCase):
    def held_writer(self, sandbox, path):
        """A WriteFile whose program waits for more; what is put into the queue goes on, None ends it."""
        messages = queue.Queue()
        messages.put({"target": {"sandbox_id": sandbox, "path": path}})
        messages.put({"chunk": b"first"})
        return messages, self.writer(iter(messages.get, None))

    def test_the_program_cannot_be_looked_into_by_what_runs_as_the_same_user(self):
        sandbox = self.create()
        messages, future = self.held_writer(sandbox, b"/tmp/f")
        script = LOOK_INTO + "\npid = wait_for_program()\nprint(allowed(pid))\nchild = os.fork()\n" \
            "if child == 0: time.sleep(600)\nprint(sorted(set(allowed(child)) & {'environ', 'fd'}))\nos.kill(child, 9)"
        denied, control = self.ok("exec", sandbox, "--", "python3", "-c", script).decode().splitlines()
        self.assertEqual(denied, "[]")
        self.assertEqual(control, "['environ', 'fd']")
        messages.put(None)
        self.assertEqual(future.result().digest, digest(b"first"))

    def test_a_killed_program_leaves_the_file_as_it_was(self):
        sandbox = self.create()
        self.write(sandbox, b"/tmp/f", b"old")
        messages, future = self.held_writer(sandbox, b"/tmp/f")
        self.ok("exec", sandbox, "--", "python3", "-c", FIND + "\nos.kill(wait_for_program(), 9)")
        messages.put(None)
        with self.assertRaises(grpc.RpcError) as caught:
            future.result()
        self.assertEqual(Outcome(caught.exception).reason, "FILES_INTERRUPTED")
        self.assertEqual(self.read(sandbox, b"/tmp/f")[0], b"old")
        self.proves_clean(sandbox)

    def test_a_client_that_goes_away_leaves_the_file_as_it_was(self):
        sandbox = self.create()
        self.write(sandbox, b"/tmp/f", b"old")
        messages, future = self.held_writer(sandbox, b"/tmp/f")
        self.ok("exec", sandbox, "--", "python3", "-c", FIND + "\nwait_for_program()")
        future.cancel()
        messages.put(None)
        gone = "import sys\nsys.exit(any(True for _ in programs()))"
        daemon.wait_until(lambda: self.daemon.cli("exec", sandbox, "--", "python3", "-c", FIND + gone).returncode == 0,
                          "the program is gone")
        self.assertEqual(self.read(sandbox, b"/tmp/f")[0], b"old")
        self.proves_clean(sandbox)

    def versions(self, sandbox):
        """What the files say. The killer may take the shell for a program before it is executed: then it is asked again."""
        while True:
            done = self.daemon.cli("exec", sandbox, "--", "bash", "-c", "cd /tmp/t; cat d*/*")
            if done.returncode != 128 + signal.SIGKILL:
                self.assertEqual(done.returncode, 0, done.stderr)
                return set(done.stdout.decode().split())

    def test_a_patch_whose_program_is_killed_is_applied_as_a_whole_or_not_at_all(self):
        sandbox = self.create()
        names = [f"d{i % 7}/f{i}" for i in range(60)]
        self.sh(sandbox, "mkdir /tmp/t && cd /tmp/t && mkdir d{0..6} && for i in {0..59}; do echo 0 > d$((i % 7))/f$i; done")
        killer = self.daemon.popen("exec", "-i", sandbox, "--", "python3", "-u", "-c", KILL_ONCE, stdin=subprocess.PIPE)
        dice, version, interrupted, rounds = random.Random(6), 0, 0, 0
        while rounds < 8 or (interrupted == 0 and rounds < 200):  # a kill may also come too late each time
            rounds += 1
            killer.stdin.write(f"{dice.uniform(0, 0.02)}\n".encode())
            killer.stdin.flush()
            while True:  # until it has met one
                patch = "*** Begin Patch\n" + "".join(f"*** Update File: {one}\n-{version}\n+{version + 1}\n" for one in names)
                try:
                    self.apply(sandbox, (patch + "*** End Patch\n").encode(), directory=b"/tmp/t")
                    version += 1
                except Outcome as outcome:
                    self.assertEqual(outcome.reason, "FILES_INTERRUPTED", str(outcome))
                    interrupted += 1
                self.assertEqual(self.versions(sandbox), {str(version)})
                if select.select([killer.stdout], [], [], 0)[0]:
                    killer.stdout.readline()
                    break
        killer.communicate()
        self.assertGreater(interrupted, 0)
        self.proves_clean(sandbox)

    def test_links_that_come_and_go_lead_no_write_to_another_place(self):
        sandbox = self.create()
        self.sh(sandbox, "mkdir -p /tmp/x/real /tmp/canary; echo safe > /tmp/canary/f; echo 1 > /tmp/x/real/f; cd /tmp/x; mv real dir")
        swapper = self.daemon.popen("exec", sandbox, "--", "python3", "-c", """
import os
print('up', flush=True)
while True:
    os.rename('/tmp/x/dir', '/tmp/x/aside'); os.symlink('/tmp/canary', '/tmp/x/dir')
    os.unlink('/tmp/x/dir'); os.rename('/tmp/x/aside', '/tmp/x/dir')
""")
        self.assertEqual(swapper.stdout.readline(), b"up\n")
        for i in range(40):
            patch = f"*** Begin Patch\n*** Update File: dir/f\n-{'1' if i == 0 else 'patched'}\n+patched\n*** End Patch\n"
            for attempt in (patch, patch.replace("-1", "-patched")):
                try:
                    self.apply(sandbox, attempt.encode(), directory=b"/tmp/x")
                except Outcome as outcome:
                    self.assertIn(outcome.code, ("FAILED_PRECONDITION", "INVALID_ARGUMENT", "NOT_FOUND", "ABORTED"), str(outcome))
        swapper.kill()
        swapper.communicate()
        self.assertEqual(self.sh(sandbox, "pkill -9 python3; cat /tmp/canary/f; ls /tmp/canary"), "safe\nf\n")


class Restarts(EditsAsking, daemon.FreshDaemonCase):
    """The daemon is killed while it has an edit under way; the next one takes the sandbox over."""

    def setUp(self):
        super().setUp()
        self.api = None
        self.connect()

    def connect(self):
        if self.api is not None:
            self.api.close()
        self.api = api_client.Api(self.daemon.socket)
        self.addCleanup(self.api.close)

    def version_of(self, sandbox):
        """Through the service: it waits for what is still to be undone."""
        content, _ = self.read(sandbox, b"/tmp/t/f0")
        everywhere = set(self.sh(sandbox, "cat /tmp/t/f*").split())
        self.assertEqual(everywhere, {content.decode().strip()})
        return content.decode().strip()

    @staticmethod
    def other(version):
        return "new" if version == "old" else "old"

    def begin_patch(self, sandbox, version, other):
        module = self.api.messages.change
        names = "".join(f"*** Update File: f{i}\n-{version}\n+{other}\n" for i in range(PATCHED))
        stub = self.api.channel.unary_unary("/glovebox.v1.ChangeService/ApplyPatch",
                                            request_serializer=module.ApplyPatchRequest.SerializeToString,
                                            response_deserializer=module.ApplyPatchResponse.FromString)
        patch = f"*** Begin Patch\n{names}*** End Patch\n".encode()
        return stub.future(module.ApplyPatchRequest(sandbox_id=sandbox, patch=patch, directory=b"/tmp/t"), timeout=60)

    def test_a_daemon_that_is_killed_while_it_applies_a_patch_leaves_all_of_it_or_nothing(self):
        sandbox = self.create()
        self.sh(sandbox, f"mkdir /tmp/t && cd /tmp/t && for i in {{1..{PATCHED}}}; do echo old > f$((i - 1)); done")
        seen, version = set(), "old"
        for delay_s in (0, 0.002, 0.004, 0.008, 0.016, 1):
            stopper = self.daemon.popen("exec", sandbox, "--", "python3", "-u", "-c", STOP_ONCE, str(delay_s))
            self.assertEqual(stopper.stdout.readline(), b"up\n")
            said, future = None, None
            while said is None:  # until it has met one
                if future is None or future.done():
                    if future is not None:
                        future.result()
                        version = self.other(version)
                    future = self.begin_patch(sandbox, version, self.other(version))
                if select.select([stopper.stdout], [], [], 0.01)[0]:
                    said = stopper.stdout.readline()
            self.daemon.kill()
            stopper.kill()
            stopper.communicate()
            answered = future.exception() is None
            self.daemon.start()
            self.connect()
            after = self.version_of(sandbox)
            self.assertTrue(after != version or not answered, "what was answered stays")
            self.proves_clean(sandbox)
            seen.add((said, after != version))
            version = after
        self.assertIn((b"stopped\n", False), seen, "one was undone")

    def test_a_daemon_that_is_killed_while_it_writes_leaves_the_file_as_it_was(self):
        sandbox = self.create()
        self.write(sandbox, b"/tmp/f", b"old")
        messages = queue.Queue()
        messages.put({"target": {"sandbox_id": sandbox, "path": b"/tmp/f"}})
        messages.put({"chunk": b"new"})
        future = self.writer(iter(messages.get, None))
        self.ok("exec", sandbox, "--", "python3", "-c", FIND + "\nwait_for_program()")
        self.daemon.kill()
        messages.put(None)
        self.assertIsNotNone(future.exception())
        self.daemon.start()
        self.connect()
        self.assertEqual(self.read(sandbox, b"/tmp/f")[0], b"old")
        self.proves_clean(sandbox)


if __name__ == "__main__":
    unittest.main()
