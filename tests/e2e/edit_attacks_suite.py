#!/usr/bin/env python3
"""Edits while commands of the same user stop the program for files, change its limits, take its directory away and put FIFOs in
the way: the tree is the old one or the new one or the error says that it is neither, and nothing outside of it is touched."""

import collections
import json
import os
import pathlib
import queue
import random
import select
import subprocess
import sys
import tempfile
import unittest

import daemon
import grpc
from edits_suite import FIND, EditsCase, Outcome, digest

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "faults"))
from tracer import Tracer  # noqa: E402

SEED = int(os.environ.get("GLOVEBOX_RACE_SEED", random.SystemRandom().randrange(1 << 32)))
FILES = 200
PATCHED = 2000  # of patches that are to be met amid their renames
PATCHED_NAMES = [f"f{number}" for number in range(PATCHED)]
DEADLINE_S = 5  # of clients whose call is stopped
THREADS = 16  # of the daemon, for calls like these

KILLED = (-9, "SIGNALED")

# Stops what it finds, one or all, until its input ends; then lets go of them.
STOPPER = FIND + """
import select
most, stopped = int(sys.argv[1]), {}
print('up', flush=True)
while not select.select([sys.stdin], [], [], 0.001)[0]:
    for pid in programs() if len(stopped) < most else ():
        if pid not in stopped:
            try:
                os.kill(pid, signal.SIGSTOP)
            except ProcessLookupError:
                continue
            stopped[pid] = True
            print('stopped', flush=True)
for pid in stopped:
    try:
        os.kill(pid, signal.SIGCONT)
    except ProcessLookupError:
        pass
"""

# Stops what is there and not to be seen, so is no program yet: what becomes of init's children. The latest pid is known.
STOP_BEGINNERS = """
import os, select, signal, sys
load = os.open('/proc/loadavg', os.O_RDONLY)
print('up', flush=True)
while not select.select([sys.stdin], [], [], 0)[0]:
    at = int(os.pread(load, 100, 0).split()[-1])
    for pid in range(at - 1, at + 3):
        try:
            os.kill(pid, 0)
            if os.path.exists(f'/proc/{pid}'):
                continue
            os.kill(pid, signal.SIGSTOP)
        except OSError:
            continue
        print('stopped', flush=True)
"""

# Whatever /proc has of a process, as oneself and of the program.
PROC = FIND + """
def readable(pid):
    found = set()
    for where in (f'/proc/{pid}', f'/proc/{pid}/task/{pid}'):
        for name in NAMES:
            try:
                os.readlink(f'{where}/{name}') if name in ('cwd', 'root', 'exe') else \\
                    os.listdir(f'{where}/{name}') if name in ('fd', 'fdinfo', 'map_files', 'ns', 'task') else \\
                    os.close(os.open(f'{where}/{name}', os.O_RDONLY | os.O_NONBLOCK))
                found.add(name)
            except OSError:
                pass
    return found
NAMES = os.listdir('/proc/self')
pid = wait_for_program()
print(sorted(readable(pid)))
print(sorted(readable(os.getpid()) & {'cwd', 'fd', 'maps', 'mem', 'root'}))
"""

# Each act is done and taken back, at random places of a patch; ends when its input does.
SWAPPER = """
import os, random, select, sys, time
top, canary, dice = sys.argv[1], sys.argv[2], random.Random(int(sys.argv[3]))
os.chdir(top)
done = 0

def rename(at):
    os.rename(at, at + '-away')
    yield
    os.rename(at + '-away', at)

def link(at):
    os.rename(at, at + '-away')
    os.symlink(canary, at)
    yield
    os.unlink(at)
    os.rename(at + '-away', at)

def mode(at):
    os.chmod(at, 0)
    yield
    os.chmod(at, 0o700)

def fill(at):
    made = 0
    for number in range(0, 200, 7):
        for end in ('new', 'old'):
            try:
                open(f'{at}/{number}.{end}', 'x').close()
                made += 1
            except OSError:  # it is there, or the directory is gone by now
                pass
    if made == 0:
        raise OSError('too late')
    yield

def take(at):
    os.unlink(f'{at}/{dice.randrange(200)}.{dice.choice(["new", "old"])}')
    yield

def journal(at):
    os.rename(f'{at}/journal', f'{at}/mine')
    os.mkfifo(f'{at}/journal')
    yield
    os.rename(f'{at}/mine', f'{at}/journal')

def hard_link(at):
    os.unlink(f'{at}/journal')
    os.link(f'{top}/bystander', f'{at}/journal')
    yield

def fifo(_):
    name = f'f{dice.randrange(0, 200, 10)}'
    os.rename(name, name + '-away')
    os.mkfifo(name)
    yield
    os.unlink(name)
    os.rename(name + '-away', name)

def pause():
    end = time.monotonic() + dice.uniform(0, 0.002)
    while time.monotonic() < end:
        pass

acts = [fifo, rename, link, mode, fill, take, journal, hard_link]
act = acts[int(sys.argv[4]) % len(acts)]
print('up', flush=True)
while not select.select([sys.stdin], [], [], 0)[0]:
    found = [name for name in os.listdir('.') if name.startswith('.glovebox-') and not name.endswith('-away')]
    if not found and act is not fifo:
        continue
    pause()
    try:
        for _ in act(found[0] if found else ''):
            pause()
        done += 1
    except OSError:
        pass
print(done)
"""

# Has as many processes as there may be, until its input ends.
FORKER = """
import os, signal, sys
children = []
def fill():
    try:
        while True:
            child = os.fork()
            if child == 0:
                signal.pause()
            children.append(child)
    except OSError:
        pass
fill()
print('up', flush=True)
for line in sys.stdin:
    fill()
    print(len(children), flush=True)
for child in children:
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
"""

# Stops it once, as soon as the first file has been replaced.
STOP_AMID = FIND + """
at = '/home/agent/t/f0'
before = os.stat(at).st_ino
print('up', flush=True)
while True:
    pid = wait_for_program()
    try:
        while os.stat(at).st_ino == before:
            os.kill(pid, 0)
        os.kill(pid, signal.SIGSTOP)
        break
    except ProcessLookupError:
        before = os.stat(at).st_ino
print('stopped', flush=True)
"""

# Lets all that is stopped go on.
CONTINUE = FIND + """
for pid in programs():
    os.kill(pid, signal.SIGCONT)
"""

# Takes what may be taken of the program by prlimit(2).
LIMITER = FIND + """
import resource
resource.prlimit(wait_for_program(), getattr(resource, sys.argv[1]), (0, 0))
"""

# Takes all of the disk, and gives it back.
FILLER = """
import os, random, select, sys, time
print('up', flush=True)
block, dice = bytes(1 << 16), random.Random(int(sys.argv[1]))
while not select.select([sys.stdin], [], [], dice.uniform(0, 0.1))[0]:
    file = os.open('/home/agent/fill', os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    try:
        while True:
            os.write(file, block)
    except OSError:
        time.sleep(dice.uniform(0, 0.1))
    os.ftruncate(file, 0)
    os.close(file)
os.unlink('/home/agent/fill')
"""

CONTENTS = """
import os, sys
for number in range(int(sys.argv[1])):
    try:
        with open(os.open(f'/home/agent/t/f{number}', os.O_RDONLY | os.O_NONBLOCK)) as file:
            print(file.read().strip())
    except OSError:
        print()
"""


def patch_of(names, old, new):
    updates = "".join(f"*** Update File: {name}\n-{old}\n+{new}\n" for name in names)
    return f"*** Begin Patch\n{updates}*** End Patch\n".encode()


class AttackedCase(EditsCase):
    def inside(self, sandbox, program, *arguments):
        """A Python program that has said that it is up; end() ends it by its input."""
        process = self.daemon.popen("exec", "-i", sandbox, "--", "python3", "-u", "-c", program, *arguments, stdin=subprocess.PIPE)
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        self.assertEqual(process.stdout.readline(), b"up\n")
        return process

    def end(self, process):
        """What it still said."""
        said, error = process.communicate(timeout=daemon.DEADLINE_S)
        self.assertEqual((process.returncode, error), (0, b""))
        return said.decode()

    def future(self, sandbox, patch, directory, timeout=DEADLINE_S):
        module = self.api.messages.change
        stub = self.api.channel.unary_unary("/glovebox.v1.ChangeService/ApplyPatch",
                                            request_serializer=module.ApplyPatchRequest.SerializeToString,
                                            response_deserializer=module.ApplyPatchResponse.FromString)
        return stub.future(module.ApplyPatchRequest(sandbox_id=sandbox, patch=patch, directory=directory), timeout=timeout)

    def make_tree(self, sandbox, count=FILES, content="old"):
        self.sh(sandbox, f"rm -rf ~/t; mkdir ~/t; cd /home/agent/t; for i in $(seq 0 {count - 1}); do echo {content} > f$i; done")

    def contents(self, sandbox, count=FILES):
        """Of each file its word; "" for what cannot be read, or has no word."""
        return self.ok("exec", sandbox, "--", "python3", "-c", CONTENTS, count).decode().split("\n")[:count]

    def stopped_patch(self, sandbox, timeout=60):
        """An ApplyPatch whose program is stopped amid its renames, and what the files were before."""
        self.make_tree(sandbox, PATCHED)
        version, other = "old", "new"
        while True:
            stopper, future = self.inside(sandbox, STOP_AMID), None
            while not select.select([stopper.stdout], [], [], 0.01)[0]:  # until it has met one
                if future is not None and future.done():
                    future.result()
                    version, other, future = other, version, None
                if future is None:
                    future = self.future(sandbox, patch_of(PATCHED_NAMES, version, other), b"/home/agent/t", timeout)
            self.end(stopper)
            if len(set(self.contents(sandbox, PATCHED))) == 2:
                return future, version
            self.ok("exec", sandbox, "--", "python3", "-c", CONTINUE)
            future.result()
            version, other = other, version

    def audited(self, sandbox, method):
        """How many of these calls the daemon has done with."""
        lines = [json.loads(line) for line in (self.daemon.state / "audit.log").read_text().splitlines()]
        return sum((line.get("sandbox"), line.get("method")) == (sandbox, method) for line in lines)


class StoppedPrograms(AttackedCase):
    def test_programs_that_are_stopped_hold_up_their_own_sandbox_alone(self):
        victim, other = self.create(), self.create()
        self.write(victim, b"/tmp/f", b"old\n")
        stopper = self.inside(victim, STOPPER, "1000")
        futures, stopped = [], 0

        def ask():  # some come to their end before they are met
            futures[:] = [one for one in futures if not one.done()]
            while len(futures) < THREADS + 4:
                futures.append(self.future(victim, patch_of(["f"], "old", "old"), b"/tmp", timeout=60))

        while stopped < 4:
            ask()
            if select.select([stopper.stdout], [], [], 0.05)[0]:
                stopped += os.read(stopper.stdout.fileno(), 4096).count(b"stopped")
        ask()
        # Every kind of call that may take as long as it wants.
        self.write(other, b"/home/agent/f", b"old\n")
        self.assertEqual(self.read(other, b"/home/agent/f")[0], b"old\n")
        self.apply(other, patch_of(["f"], "old", "new"), directory=b"/home/agent")
        self.assertEqual(self.call("File", "StatFile", sandbox_id=other, path=b"/home/agent/f").info.size_bytes, 4)
        self.assertIn(b"home/agent/f", [one.path for one in self.call("Change", "ListChanges", sandbox_id=other, path=b"/").changes])
        self.ok("rm", self.told("fork", other).strip())
        self.assertGreaterEqual(sum(not one.done() for one in futures), 4, "they are stopped all the while")
        for one in futures:
            one.cancel()
        self.end(stopper)
        self.assertEqual(self.sh(victim, "echo works"), "works\n")
        self.proves_clean(victim)
        self.assertEqual(self.read(victim, b"/tmp/f")[0], b"old\n")

    def test_commands_that_are_stopped_before_they_begin_hold_up_nothing(self):
        sandbox = self.create()
        stopper = self.inside(sandbox, STOP_BEGINNERS)
        ends, rounds, cause = collections.Counter(), 0, self.api.messages.frame.EndCause
        while rounds < 50 or (rounds < 2000 and not ends[KILLED]):
            rounds += 1
            # One that is stopped as soon as it may be seen ends by its limit.
            for item in self.api.stream("Exec", "RunExec", timeout=30, sandbox_id=sandbox,
                                        spec={"arguments": [b"true"], "limits": {"wall_time": {"seconds": 1}}}):
                last = item.frame
            ends[-last.end.signal or last.end.exit_code, cause.Name(last.end.cause).removeprefix("END_CAUSE_")] += 1
        self.assertGreater(ends[KILLED], 0, "some were stopped, and are killed then")
        self.assertLessEqual(set(ends), {(0, "EXITED"), KILLED, (-15, "TIMED_OUT"), (-9, "TIMED_OUT")})
        self.end(stopper)
        self.assertEqual(self.sh(sandbox, "echo works"), "works\n")

    def test_a_stopped_program_ends_with_the_clients_deadline_and_is_undone_by_another(self):
        sandbox = self.create()
        names = [f"f{i}" for i in range(FILES)]
        self.make_tree(sandbox)
        stopper = self.inside(sandbox, STOPPER, "1")
        answered = self.future(sandbox, patch_of(names, "old", "new"), b"/home/agent/t").exception()
        self.assertEqual(stopper.stdout.readline(), b"stopped\n")
        if answered is not None:
            self.assertEqual(answered.code(), grpc.StatusCode.DEADLINE_EXCEEDED)
        daemon.wait_until(lambda: self.sh(sandbox, "ls -A /home/agent/t | grep glovebox; true") == "", "it is undone")
        self.assertEqual(set(self.contents(sandbox)), {"old" if answered is not None else "new"})
        self.end(stopper)
        self.proves_clean(sandbox)

    def test_a_patch_that_ends_in_a_paused_sandbox_is_undone_after_the_resume(self):
        sandbox = self.create()
        future, before = self.stopped_patch(sandbox)
        audited = self.audited(sandbox, "ChangeService/ApplyPatch")
        self.ok("pause", sandbox)
        future.cancel()
        daemon.wait_until(lambda: self.audited(sandbox, "ChangeService/ApplyPatch") > audited, "the call has ended")
        self.ok("resume", sandbox)
        self.proves_clean(sandbox)
        self.assertEqual(set(self.contents(sandbox, PATCHED)), {before})

    def test_runs_that_undo_and_are_stopped_end_with_the_budget_of_the_call(self):
        sandbox = self.create()
        future, before = self.stopped_patch(sandbox)
        audited = self.audited(sandbox, "ChangeService/ApplyPatch")
        stopper = self.inside(sandbox, STOPPER, "1000")
        future.cancel()
        daemon.wait_until(lambda: self.audited(sandbox, "ChangeService/ApplyPatch") > audited, "the call has ended")
        self.end(stopper)
        self.proves_clean(sandbox)
        self.assertEqual(set(self.contents(sandbox, PATCHED)), {before})

    def test_a_stopped_reader_and_a_stopped_writer_end_with_their_deadline(self):
        sandbox = self.create()
        self.write(sandbox, b"/tmp/f", b"old")
        for ask in (lambda: self.call("File", "StatFile", timeout=DEADLINE_S, sandbox_id=sandbox, path=b"/tmp/f"),
                    lambda: list(self.api.stream("File", "ReadFile", timeout=DEADLINE_S, sandbox_id=sandbox, path=b"/tmp/f")),
                    lambda: self.writer([{"target": {"sandbox_id": sandbox, "path": b"/tmp/f"}}, {"chunk": b"new"}],
                                        timeout=DEADLINE_S).result()):
            stopper, ends = self.inside(sandbox, STOPPER, "1"), []
            while not select.select([stopper.stdout], [], [], 0)[0]:  # until one is met
                try:
                    ask()
                except Outcome as outcome:
                    ends.append(outcome.code)
                except grpc.RpcError as error:
                    ends.append(error.code().name)
            # It may have answered before it was met, or was killed because it had not begun.
            self.assertIn(ends, ([], ["DEADLINE_EXCEEDED"], ["ABORTED"]))
            self.end(stopper)
        self.proves_clean(sandbox)
        self.assertIn(self.read(sandbox, b"/tmp/f")[0], (b"old", b"new"))


class SharedUser(AttackedCase):
    """What another process of the same user can reach of the program, and take from it."""

    def held_writer(self, sandbox, path):
        """A WriteFile whose program waits for more; None in the queue ends it."""
        messages = queue.Queue()
        messages.put({"target": {"sandbox_id": sandbox, "path": path}})
        messages.put({"chunk": b"first"})
        return messages, self.writer(iter(messages.get, None))

    def test_nothing_in_proc_shows_anything_of_the_program(self):
        sandbox = self.create()
        messages, future = self.held_writer(sandbox, b"/tmp/f")
        denied, control = self.ok("exec", sandbox, "--", "python3", "-c", PROC).decode().splitlines()
        self.assertEqual(denied, "[]")
        self.assertEqual(control, "['cwd', 'fd', 'maps', 'mem', 'root']")
        messages.put(None)
        self.assertEqual(future.result().digest, digest(b"first"))

    def test_limits_that_others_set_on_it_are_told_and_leave_nothing_half_done(self):
        sandbox = self.create()
        for limit, reason in (("RLIMIT_FSIZE", "FILE_TOO_LARGE"), ("RLIMIT_AS", None), ("RLIMIT_NOFILE", None)):
            with self.subTest(limit):
                self.write(sandbox, b"/tmp/f", b"old")
                messages, future = self.held_writer(sandbox, b"/tmp/f")
                self.ok("exec", sandbox, "--", "python3", "-c", LIMITER, limit)
                for _ in range(8):  # some work
                    messages.put({"chunk": bytes(1 << 20)})
                messages.put(None)
                if future.exception() is None:
                    self.assertIsNone(reason, "that limit leaves nothing to it")
                    self.assertEqual(len(self.read(sandbox, b"/tmp/f")[0]), (8 << 20) + 5)
                    continue
                outcome = Outcome(future.exception())
                self.assertEqual(outcome.reason, reason or outcome.reason, str(outcome))
                self.assertIn(outcome.code, ("RESOURCE_EXHAUSTED", "ABORTED"), str(outcome))
                self.assertEqual(self.read(sandbox, b"/tmp/f")[0], b"old")
                self.proves_clean(sandbox)


class Exhausted(AttackedCase):
    def test_a_call_at_the_limit_of_processes_says_so_and_works_below_it(self):
        sandbox = self.create("--pids", "30")
        self.write(sandbox, b"/tmp/f", b"old")
        forker = self.inside(sandbox, FORKER)
        forker.stdin.write(b"again\n")
        forker.stdin.flush()
        self.assertGreater(int(forker.stdout.readline()), 20)
        for ask in (lambda: self.write(sandbox, b"/tmp/f", b"new"), lambda: self.read(sandbox, b"/tmp/f"),
                    lambda: self.apply(sandbox, patch_of(["f"], "old", "new"), directory=b"/tmp")):
            with self.assertRaises(Outcome) as caught:
                ask()
            self.assertEqual((caught.exception.code, caught.exception.reason), ("RESOURCE_EXHAUSTED", "EXEC_LIMIT"))
            self.assertIn("limit of processes", str(caught.exception))
        self.end(forker)
        self.assertEqual(self.read(sandbox, b"/tmp/f")[0], b"old")
        self.proves_clean(sandbox)

    def test_a_disk_that_is_full_at_times_leaves_a_patch_whole_or_undone(self):
        sandbox = self.create("--disk", "16M")
        count, line = 24, "x" * 60_000
        names = [f"f{i}" for i in range(count)]
        self.sh(sandbox, "mkdir /home/agent/t")
        for name in names:
            self.write(sandbox, f"/home/agent/t/{name}".encode(), f"0{line}\n".encode())
        filler, ends, version, rounds = self.inside(sandbox, FILLER, SEED), collections.Counter(), 0, 0
        while rounds < 12 or (rounds < 400 and len(ends) < 2):
            rounds += 1
            try:
                self.apply(sandbox, patch_of(names, f"{version}{line}", f"{version + 1}{line}"), directory=b"/home/agent/t")
                version += 1
                ends["applied"] += 1
            except Outcome as outcome:
                self.assertEqual((outcome.code, outcome.reason), ("RESOURCE_EXHAUSTED", "DISK_FULL"), str(outcome))
                ends["full"] += 1
            self.assertEqual({one.removesuffix(line) for one in self.contents(sandbox, count)}, {str(version)})
        print(dict(ends))
        self.assertEqual(len(ends), 2, "some found room and some did not")
        self.end(filler)
        self.proves_clean(sandbox)


class Swapped(AttackedCase):
    """Its directory is renamed, replaced, closed, filled, robbed, its journal exchanged, and FIFOs come and go among the files."""

    def setUp(self):
        print(f"seed {SEED}")
        self.sandbox = self.create()
        self.host = self.daemon.root / f"canary-{self.id().rsplit('.', 1)[1]}"
        self.host.mkdir()
        (self.host / "f0").write_text("safe\n")
        self.sh(self.sandbox, "mkdir /dev/shm/canary; echo safe > /dev/shm/canary/f0")
        self.before = self.canaries()

    def canaries(self):
        """On the host, and in another mount inside: everything but when it was read."""
        inside = self.sh(self.sandbox, "cd /dev/shm/canary; ls -A; stat -c '%n %s %Y %Z %a' . *; cat *; stat -c %d . ~")
        mounts = inside.split()[-2:]
        self.assertNotEqual(mounts[0], mounts[1], "that is another mount")
        return inside, [(path.name, os.stat(path).st_mtime_ns, os.stat(path).st_ctime_ns) for path in [self.host, *self.host.iterdir()]]

    def swap(self, number):
        """One patch with one kind of act beside it; how it ended."""
        self.make_tree(self.sandbox)
        self.sh(self.sandbox, "echo by > /home/agent/t/bystander")
        canary = ("/dev/shm/canary", str(self.host))[number // 8 % 2]
        swapper = self.inside(self.sandbox, SWAPPER, "/home/agent/t", canary, SEED + number, number)
        allowed, reason = {"new"}, ""
        try:
            self.apply(self.sandbox, patch_of([f"f{i}" for i in range(FILES)], "old", "new"), directory=b"/home/agent/t")
        except Outcome as outcome:
            reason = outcome.reason
            self.assertNotIn(outcome.code, ("INTERNAL", "UNKNOWN", "UNAVAILABLE", "DEADLINE_EXCEEDED"), str(outcome))
            self.assertNotEqual(reason, "")
            allowed = {"old", "new", ""} if reason == "FILES_NOT_UNDONE" else {"old"}
        acts = int(self.end(swapper))
        contents = self.contents(self.sandbox)
        steady = {contents[i] for i in range(FILES) if i % 10}  # FIFOs come and go in place of the others
        self.assertLessEqual(steady, allowed, f"round {number}: {reason}: {contents}")
        self.assertTrue(reason == "FILES_NOT_UNDONE" or len(steady) == 1)
        self.assertLessEqual(set(contents), {"old", "new", ""})
        self.assertEqual(self.sh(self.sandbox, "cat /home/agent/t/bystander"), "by\n")
        return reason, acts

    @staticmethod
    def upper_of(process, mark):
        """Where what the sandbox wrote lies: the daemon has a descriptor of it; `mark` is a file that only this one has."""
        found = {os.readlink(path) for path in pathlib.Path(f"/proc/{process}/fd").iterdir()
                 if os.path.exists(os.path.join(path, "upper", mark))}
        if len(found) != 1:
            raise AssertionError(found)
        return found.pop()

    @staticmethod
    def lines_in(disk, trace):
        """Calls that had a path in it, or one relative to a descriptor in it."""
        trace.seek(0)
        return [line for line in trace if f"<{disk}/upper" in line or f'"{disk}/upper' in line or f'<{disk}>, "upper' in line]

    def test_a_patch_is_whole_or_not_there_or_said_to_be_neither(self):
        ends, number = collections.Counter(), 0
        acts = collections.Counter()
        while number < 24 or (number < 400 and (len(acts) < 8 or not ends[""] or len(ends) < 2)):
            reason, done = self.swap(number)
            ends[reason] += 1
            if done:
                acts[number % 8] += 1
            number += 1
        print(f"{number} patches: {dict(ends)}; {dict(acts)}")
        self.assertEqual(len(acts), 8, "each act met a patch")
        self.assertGreater(ends[""], 0, "some are applied")
        self.assertGreater(len(ends), 1, "some are not")
        self.assertEqual(self.canaries(), self.before)

    def test_the_daemon_itself_opens_nothing_that_the_sandbox_wrote(self):
        mark = f"mark{random.getrandbits(64)}"
        self.sh(self.sandbox, f"touch /home/agent/{mark}")
        disk = self.upper_of(self.daemon.process.pid, f"home/agent/{mark}")
        with tempfile.NamedTemporaryFile("r", dir=self.daemon.root) as trace:
            with Tracer(self.daemon.process.pid, "-y", "-e", "trace=%file,openat2", "-o", trace.name):
                for number in range(8):
                    self.swap(number)
                self.write(self.sandbox, b"/home/agent/t/f0", b"old\n")
                self.call("File", "EditFile", sandbox_id=self.sandbox, path=b"/home/agent/t/f0", edits=[{"find": b"old", "replace": b"new"}])
                self.assertEqual(self.read(self.sandbox, b"/home/agent/t/f0")[0], b"new\n")
                self.call("File", "ListDirectory", sandbox_id=self.sandbox, path=b"/home/agent/t")
                self.call("File", "Move", sandbox_id=self.sandbox, source_path=b"/home/agent/t/f0", target_path=b"/home/agent/t/g")
                self.call("File", "Remove", sandbox_id=self.sandbox, path=b"/home/agent/t", recursive=True)
                edits = self.lines_in(disk, trace)
                self.call("Change", "ListChanges", sandbox_id=self.sandbox, path=b"/")
            control = self.lines_in(disk, trace)
        self.assertEqual(edits, [])
        self.assertNotEqual(control, [], "a list of changes does open it, and the trace shows that")


if __name__ == "__main__":
    unittest.main()
