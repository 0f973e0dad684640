#!/usr/bin/env python3
"""What people complain about in exec, a row each: the one typed end, the code or signal, the survivors, that nothing of
the tree lives, and that every reader gets exactly one end frame, the same."""

import dataclasses
import glob
import pathlib
import queue
import signal
import subprocess
import sys
import threading
import time
import typing
import unittest

import grpc

import api_client
import daemon

MIB = 1 << 20
TRAPS_SET_MS = 1500  # a limit that must not come before the command has set its trap: no event could start it later
PERL_FORK = """
$SIG{TERM} = 'IGNORE' if $ARGV[1];
for (1 .. $ARGV[0]) {
  my $pid = fork;
  die 'fork' unless defined $pid;
  if (!$pid) { setpgrp(0, 0) if $_ % 2; sleep 1000 while 1 }
}
$| = 1; print 'up';
sleep 1000 while 1;
"""

# Shows what it gets, acknowledges nothing, so the command waits for it; for whoever comes after it, a second.
FOLLOWER = """
import sys, api_client
for item in api_client.Api(sys.argv[1]).stream("Exec", "RunExec", sandbox_id=sys.argv[2], exec_id="flood", reader="me", spec={
        "arguments": [b"sh", b"-c", b"head -c 50000000 /dev/zero; exit 7"], "hold_time": {"seconds": 1},
        "output_policy": "OUTPUT_POLICY_BACK_PRESSURE"}):
    if item.frame.stdout:
        print("output", flush=True)
"""


def sh(script):
    return ["sh", "-c", script]


@dataclasses.dataclass
class Row:
    argv: list
    cause: str
    code: typing.Optional[int] = None  # the exit code; None: there must be none
    signal: typing.Optional[int] = None
    survivors: typing.Callable = lambda count: count == 0
    spec: dict = dataclasses.field(default_factory=dict)
    limits: dict = dataclasses.field(default_factory=dict)  # of a sandbox of its own; else one for all
    act: typing.Optional[typing.Callable] = None  # (run): once the exec has started
    check: typing.Optional[typing.Callable] = None  # (run, end): what else must be true
    says: str = ""  # a part of the reason that the CLI shows
    readers: int = 2
    lives: bool = False  # survivors are to live on


def limits(**milliseconds):
    out = {}
    for name, value in milliseconds.items():
        if name == "output_bytes":
            out[name] = value
        else:
            out[name] = {"seconds": value // 1000, "nanos": value % 1000 * 1_000_000}
    return {"limits": out}


def send(number, scope, after=b""):
    """Sends a signal once the output has started with `after`."""

    def act(run):
        run.await_output(after)
        run.sent = time.monotonic()
        run.signal(number, scope)

    return act


def spawn_failure(kind, step, error):
    def check(run, end):
        failure = end.spawn_failure
        kinds = run.case.api.messages.frame.SpawnFailureKind
        run.case.assertEqual((kinds.Name(failure.kind), failure.step, failure.error_number),
                             (f"SPAWN_FAILURE_KIND_{kind}", step, error))
        run.case.assertFalse(end.HasField("usage"), "nothing ran")

    return check


def oom(victim):
    def check(run, end):
        run.case.assertEqual(run.case.api.messages.frame.OomVictim.Name(end.oom.victim_kind), f"OOM_VICTIM_{victim}")
        run.case.assertEqual((end.oom.limit_bytes, end.oom.shared), (96 * MIB, False))
        run.case.assertGreaterEqual(end.oom.kills, 1)
        run.case.assertGreater(end.oom.peak_bytes, 48 * MIB)
        run.case.assertEqual(end.oom.victim, "python3" if victim == "LEADER" else "")

    return check


def disk_full(path):
    def check(run, end):
        run.case.assertEqual((end.disk_full.path, end.disk_full.at_start, end.disk_full.shared), (path, False, False))
        # The disk stays full: what fails from now on for its own reasons does not get its cause.
        again = Run(run.case, run.sandbox, "again", Row(sh("exit 1"), "EXITED", 1))
        end = again.finish()
        run.case.assertEqual((end.cause, end.disk_full.at_start), (again.cause("EXITED"), True))

    return check


def total(count):
    def check(run, end):
        run.case.assertEqual((end.stdout_bytes.total, end.stderr_bytes.total), (count, 0))
        run.case.assertEqual(end.stdout_bytes.retained + end.stdout_bytes.dropped, count)

    return check


def output(expected):
    def check(run, end):
        run.case.assertEqual(run.output(), expected)

    return check


def never_reads(run):
    """A client that attaches, takes nothing and stays until the end."""
    run.stuck = run.attach()


def closes_its_input(run):
    run.await_output(b"closed")
    for _ in range(2):
        try:
            run.case.api.call("Exec", "WriteStdin", sandbox_id=run.sandbox, exec_id=run.id, data=b"late" * 20000)
        except grpc.RpcError as error:
            run.case.assertIn(error.code(), (grpc.StatusCode.FAILED_PRECONDITION,))
            break
    run.signal(signal.SIGTERM, "LEADER")


def is_reaped(run, end):
    def zombies():
        init = pathlib.Path(run.case.cgroup(run.sandbox), "cgroup.procs").read_text().split()[0]
        return pathlib.Path(f"/proc/{init}/task/{init}/children").read_text().split()

    daemon.wait_until(lambda: not zombies(), "init has no children left")


def kills_init(run):
    run.await_output(b"up")
    pid = int(pathlib.Path(run.case.cgroup(run.sandbox), "cgroup.procs").read_text().split()[0])
    descriptor = daemon.os.pidfd_open(pid)
    signal.pidfd_send_signal(descriptor, signal.SIGKILL)
    daemon.os.close(descriptor)


def deletes_sandbox(run):
    run.await_readers()
    run.case.api.call("Sandbox", "DeleteSandbox", sandbox_id=run.sandbox)


def tree_was_killed(count):
    def check(run, end):
        took = time.monotonic() - run.sent
        if end.usage.HasField("processes_max"):  # since Linux 6.11
            run.case.assertEqual(end.usage.processes_max, count + 1)
        print(f"\n    {count} processes, from the signal to the end of all: {took:.2f} s", flush=True)

    return check


def can_still_be_killed(run, end):
    run.signal(signal.SIGKILL, "TREE")
    daemon.wait_until(lambda: not run.case.living(run.sandbox), "the survivors are gone")


def no_usage(run, end):
    run.case.assertFalse(end.HasField("usage"), "nobody saw it")


SLEEP = sh("echo up; sleep 1000")
ROWS = {
    # Who holds the pipe, who hides.
    "a_background_child_holds_stdout": Row(
        sh("sleep 1000 & echo up; exit 3"), "EXITED", 3, survivors=lambda n: n == 1,
        check=lambda run, end: run.case.assertTrue(end.output_cut)),
    "setsid_sleep": Row(sh("setsid sleep 1000 & exit 0"), "EXITED", 0, survivors=lambda n: n == 1),
    "a_double_fork": Row(
        sh("(setsid sh -c 'sleep 1000 & exit 0' >/dev/null 2>&1 &); until pgrep sleep >/dev/null; do :; done; exit 0"),
        "EXITED", 0, survivors=lambda n: n >= 1, check=lambda run, end: run.case.assertFalse(end.output_cut)),
    "survivors_are_kept_when_asked_for": Row(
        sh("sleep 1000 >/dev/null 2>&1 & exit 0"), "EXITED", 0, survivors=lambda n: n == 1,
        spec={"on_leader_exit": "ON_LEADER_EXIT_KEEP"}, limits={"pids_max": 64}, lives=True,
        check=can_still_be_killed),
    # Deadlines.
    "a_timeout_with_term_ignored": Row(
        sh("trap '' TERM; setsid sh -c \"trap '' TERM; sleep 1000\" & while :; do sleep 1; done"), "TIMED_OUT", None,
        signal.SIGKILL, survivors=lambda n: n >= 0, spec=limits(wall_time=TRAPS_SET_MS, term_grace=100), says="timed out"),
    "a_timeout_that_is_heeded": Row(sh("trap 'exit 9' TERM; while :; do sleep 0.01; done"), "TIMED_OUT", 9,
                                    survivors=lambda n: n <= 1, spec=limits(wall_time=TRAPS_SET_MS, term_grace=30000)),
    "silence": Row(SLEEP, "IDLE_TIMED_OUT", None, signal.SIGTERM, survivors=lambda n: n <= 1,
                   spec=limits(idle_time=300), says="without output"),
    "a_timeout_of_what_is_stopped": Row(sh("trap 'exit 9' TERM; kill -STOP $$; exit 1"), "TIMED_OUT", 9,
                                        spec=limits(wall_time=TRAPS_SET_MS, term_grace=30000)),
    "a_stopped_tree_is_killed": Row(
        sh("setsid sh -c 'kill -STOP $$' & echo up; kill -STOP $$"), "KILLED_BY_CLIENT", None, signal.SIGKILL,
        survivors=lambda n: n <= 1, act=send(signal.SIGKILL, "TREE", b"up")),
    # Signals.
    "sigpipe_to_the_tree_of_yes": Row(["yes"], "KILLED_BY_CLIENT", None, signal.SIGPIPE,
                                      act=send(signal.SIGPIPE, "TREE", b"y")),
    "term_to_a_tree_that_left_the_group": Row(
        ["perl", "-e", PERL_FORK, "300", ""], "KILLED_BY_CLIENT", None, signal.SIGTERM, survivors=lambda n: n <= 300,
        act=send(signal.SIGTERM, "TREE", b"up"), says="a client's SIGTERM"),
    "a_crash": Row(sh("kill -SEGV $$"), "SIGNALED", None, signal.SIGSEGV, says="SIGSEGV"),
    "a_file_size_limit": Row(sh("ulimit -f 8; exec head -c 1M /dev/zero > ~/f"), "SIGNALED", None, signal.SIGXFSZ,
                             says="SIGXFSZ"),
    # Processes.
    "a_flood_of_zombies": Row(
        ["perl", "-e", "for (1..200) { my $p = fork; die unless defined $p; if (!$p) { fork; exit 0 } }"], "EXITED", 0,
        survivors=lambda n: n >= 0, check=is_reaped),
    "a_fork_bomb_that_fails": Row(sh("while :; do sleep 1000 & done"), "PIDS_LIMIT", 2, survivors=lambda n: n >= 30,
                                  limits={"pids_max": 64}, says="limit of 64 processes"),
    "a_fork_bomb_in_progress": Row(
        ["perl", "-e", "$SIG{TERM} = 'IGNORE'; fork while 1"], "TIMED_OUT", None, signal.SIGKILL,
        survivors=lambda n: n >= 0, limits={"pids_max": 64}, spec=limits(wall_time=TRAPS_SET_MS, term_grace=100),
        check=lambda run, end: run.case.assertGreater(end.pids_limit.refused, 0)),
    "ten_thousand_processes": Row(
        ["perl", "-e", PERL_FORK, "10000", "1"], "KILLED_BY_CLIENT", None, signal.SIGKILL,
        survivors=lambda n: n <= 10000, limits={"pids_max": 10100, "memory_bytes": 8192 * MIB},
        act=send(signal.SIGKILL, "TREE", b"up"), check=tree_was_killed(10000)),
    # Input and output.
    "a_closed_stdin": Row(sh("cat; exec 0<&-; exit 4"), "EXITED", 4),
    "an_input_that_the_command_closed": Row(
        sh("exec 0<&-; echo closed; while :; do sleep 0.05; done"), "KILLED_BY_CLIENT", None, signal.SIGTERM,
        survivors=lambda n: n <= 1, spec={"stdin_mode": "STDIN_MODE_PIPE"}, act=closes_its_input),
    "a_gigabyte_without_a_newline": Row(["head", "-c", "1000000000", "/dev/zero"], "EXITED", 0,
                                        check=total(1_000_000_000)),
    "binary_output": Row(["perl", "-e", "print pack('C*', 0..255) x 100"], "EXITED", 0,
                         check=output(bytes(range(256)) * 100)),
    "a_reader_that_never_reads": Row(["head", "-c", "50000000", "/dev/zero"], "EXITED", 0, act=never_reads,
                                     check=total(50_000_000)),
    "too_much_output": Row(["yes"], "OUTPUT_LIMIT", None, signal.SIGKILL, spec=limits(output_bytes=1_000_000),
                           says="more output than its limit"),
    # Limits.
    "the_leader_is_killed_for_memory": Row(
        ["python3", "-c", "bytearray(512 << 20)"], "OOM_KILLED", None, signal.SIGKILL,
        limits={"memory_bytes": 96 * MIB}, check=oom("LEADER"),
        says="the kernel killed the command, python3, limit 96 MiB"),
    "a_child_is_killed_for_memory": Row(sh("python3 -c 'bytearray(512 << 20)' || exit 3"), "OOM_KILLED", 3,
                                        limits={"memory_bytes": 96 * MIB}, check=oom("DESCENDANT"),
                                        says="a process of the command"),
    "a_child_is_killed_for_memory_and_it_does_not_matter": Row(
        sh("python3 -c 'bytearray(512 << 20)'; exit 0"), "EXITED", 0, limits={"memory_bytes": 96 * MIB},
        check=oom("DESCENDANT")),
    "the_disk_is_full": Row(sh("head -c 100M /dev/zero > ~/big || exit 6"), "DISK_FULL", 6,
                            limits={"disk_bytes": 16 * MIB}, check=disk_full("/"), says="disk is full, limit 16 MiB"),
    "tmp_is_full": Row(sh("head -c 4G /dev/zero > /tmp/big || exit 6"), "DISK_FULL", 6,
                       limits={"memory_bytes": 2048 * MIB}, check=disk_full("/tmp"), says="/tmp is full"),
    # Cannot start.
    "a_missing_program": Row(["no-such-program"], "SPAWN_FAILED", check=spawn_failure("NOT_FOUND", "execve", 2),
                             says="command not found"),
    "a_bad_directory": Row(["true"], "SPAWN_FAILED", spec={"working_directory": b"/nowhere"},
                           check=spawn_failure("BAD_WORKING_DIRECTORY", "working_directory", 2)),
    "not_executable": Row(["/etc/passwd"], "SPAWN_FAILED", check=spawn_failure("NOT_EXECUTABLE", "execve", 13),
                          says="not executable"),
    "a_bad_interpreter": Row(["/home/agent/script"], "SPAWN_FAILED",
                             check=spawn_failure("BAD_INTERPRETER", "interpreter", 2), says="interpreter"),
    "too_many_arguments": Row(["true", *["a"] * 300_000], "SPAWN_FAILED",
                              check=spawn_failure("ARGUMENTS_TOO_LONG", "execve", 7), says="too long"),
    "an_unknown_user": Row(["true"], "SPAWN_FAILED", spec={"user": "nobody-of-that-name"},
                           check=spawn_failure("BAD_USER", "user", 2), says="no such user"),
    # The sandbox goes.
    "init_is_killed": Row(SLEEP, "SANDBOX_GONE", limits={"pids_max": 64}, act=kills_init, check=no_usage),
    "the_sandbox_is_deleted_while_ten_follow": Row(SLEEP, "SANDBOX_GONE", limits={"pids_max": 64}, act=deletes_sandbox,
                                                   check=no_usage, readers=10),
}
GONE = "SANDBOX_GONE"


class Reading:
    """What one reader got: how much and in which order, and the start of stdout; floods are not kept."""

    KEPT = 64 << 10

    def __init__(self):
        self.kinds, self.sequences, self.start, self.size, self.end = [], [], b"", 0, None

    def take(self, frame):
        kind = frame.WhichOneof("item")
        self.kinds.append(kind)
        if kind not in ("started", "notice"):
            self.sequences.append(frame.sequence)
        if kind == "end":
            self.end = frame.end
        self.start += frame.stdout[: max(0, self.KEPT - len(self.start))]
        self.size += len(frame.stdout) + len(frame.stderr) + frame.gap.bytes
        return self


class Run:
    """One exec of a row, with its readers."""

    def __init__(self, case, sandbox, name, row):
        self.case, self.sandbox, self.id, self.row = case, sandbox, name, row
        self.streams = queue.Queue()
        self.readings = [Reading() for _ in range(row.readers)]
        self.first = self.readings[0] if self.readings else Reading()
        self.progress = threading.Condition()
        arguments = [argument.encode() for argument in row.argv]
        case.api.call("Exec", "StartExec", sandbox_id=sandbox, exec_id=name, spec={"arguments": arguments, **row.spec})
        self.threads = [threading.Thread(target=self._read, args=(index,)) for index in range(row.readers)]
        for thread in self.threads:
            thread.start()

    def cause(self, name):
        return self.case.api.messages.frame.EndCause.Value(f"END_CAUSE_{name}")

    def attach(self, from_sequence=0):
        return self.case.api.stream("Exec", "AttachExec", sandbox_id=self.sandbox, exec_id=self.id,
                                    from_sequence=from_sequence)

    def _read(self, index):
        reading = self.readings[index]
        try:
            for item in self.attach():
                with self.progress:
                    reading.take(item.frame)
                    self.progress.notify_all()
            self.streams.put(reading)
        except grpc.RpcError as error:
            self.streams.put(error)
        with self.progress:
            self.progress.notify_all()

    def await_output(self, start):
        with self.progress:
            seen = self.progress.wait_for(lambda: self.first.start.startswith(start), 120)
        self.case.assertTrue(seen, "its output starts as it should")

    def await_readers(self):
        with self.progress:
            seen = self.progress.wait_for(lambda: all(reading.start.startswith(b"up") for reading in self.readings), 120)
        self.case.assertTrue(seen, "every reader has its first output")

    def signal(self, number, scope):
        self.case.api.call("Exec", "SignalExec", sandbox_id=self.sandbox, exec_id=self.id, signal=int(number),
                           scope=f"SIGNAL_SCOPE_{scope}")

    def output(self):
        return self.first.start

    def finish(self):
        """The one end that all readers saw."""
        if self.row.act:
            self.row.act(self)
        for thread in self.threads:
            thread.join()
        streams = [self.streams.get() for _ in self.threads]
        if self.row.cause != GONE or self.case.exists(self.sandbox):
            late = Reading()  # one that comes after the end
            for item in self.attach():
                late.take(item.frame)
            streams.append(late)
            waited = self.case.api.call("Exec", "WaitExec", sandbox_id=self.sandbox, exec_id=self.id).exec.end
            self.case.assertEqual(waited, late.end)
        for reading in streams:
            self._check_reading(reading)
        self.case.assertEqual(len({reading.end.SerializeToString() for reading in streams}), 1, "one end for all")
        return streams[0].end

    def _check_reading(self, reading):
        if isinstance(reading, grpc.RpcError):
            raise AssertionError(f"a reader has no end: {reading}")
        self.case.assertEqual((reading.kinds.count("end"), reading.kinds[-1]), (1, "end"), "exactly one end, and last")
        self.case.assertEqual(reading.sequences, sorted(set(reading.sequences)), "in order, nothing twice")
        end = reading.end
        if end.cause != self.cause(GONE):
            self.case.assertEqual(reading.size, end.stdout_bytes.total + end.stderr_bytes.total,
                                  "every byte, or a gap for it")


class Complaints(daemon.DaemonCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.addClassCleanup(super().tearDownClass)  # also when the rest of this fails
        cls.api = api_client.Api(cls.daemon.socket)
        cls.addClassCleanup(cls.api.close)
        cls.shared = cls._create({})
        done = cls.daemon.cli("exec", cls.shared, "--", "sh", "-c",
                              "printf '#!/nowhere/sh\\n' > ~/script && chmod +x ~/script")
        assert done.returncode == 0, done.stderr

    @classmethod
    def tearDownClass(cls):
        pass  # a clean-up, see above

    @classmethod
    def _create(cls, limits):
        return cls.api.call("Sandbox", "CreateSandbox", limits=limits).sandbox.id

    def exists(self, sandbox):
        try:
            self.api.call("Sandbox", "GetSandbox", sandbox_id=sandbox)
            return True
        except grpc.RpcError as error:
            self.assertEqual(error.code(), grpc.StatusCode.NOT_FOUND)
            return False

    def cgroup(self, sandbox):
        found = glob.glob(f"/sys/fs/cgroup/**/glovebox-{self.daemon.instance()}/{sandbox}/cgroup.kill", recursive=True)
        self.assertEqual(len(found), 1)
        return found[0].rsplit("/", 1)[0]

    def living(self, sandbox):
        """Processes in the leaves of its execs."""
        pattern = f"/sys/fs/cgroup/**/glovebox-{self.daemon.instance()}/{sandbox}/exec-*/cgroup.procs"
        pids = []
        for path in glob.glob(pattern, recursive=True):
            try:
                pids += pathlib.Path(path).read_text().split()
            except OSError:
                continue  # the leaf went meanwhile
        return pids

    def check(self, name):
        row = ROWS[name]
        sandbox = self._create(row.limits) if row.limits else self.shared
        run = Run(self, sandbox, name, row)
        end = run.finish()
        living = self.living(sandbox)
        causes = self.api.messages.frame.EndCause
        self.assertEqual(causes.Name(end.cause), f"END_CAUSE_{row.cause}", end)
        self.assertEqual(end.exit_code if end.HasField("exit_code") else None, row.code, end)
        self.assertEqual(end.signal if end.HasField("signal") else None, row.signal, end)
        self.assertTrue(row.survivors(end.survivors), f"{end.survivors} survivors")
        self.assertEqual(len(living) > 0, row.lives, f"alive after the end: {living[:20]}")
        if row.says:
            text = self.ok("exec-status", sandbox, name).decode()
            self.assertIn(row.says, text)
        if row.check:
            row.check(run, end)
        if row.limits and self.exists(sandbox):
            self.api.call("Sandbox", "DeleteSandbox", sandbox_id=sandbox)

    def test_a_client_killed_in_mid_stream_leaves_the_command_alone(self):
        sandbox = self._create({})
        client = subprocess.Popen([sys.executable, "-B", "-c", FOLLOWER, self.daemon.socket, sandbox],
                                  cwd=pathlib.Path(__file__).parent, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        self.assertEqual(client.stdout.readline(), b"output\n")
        self.assertEqual(self.status(sandbox, "flood")["state"], "running")
        client.kill()
        client.wait()
        client.stdout.close()
        status = daemon.wait_until(lambda: (s := self.status(sandbox, "flood"))["state"] == "ended" and s, "it ends")
        self.assertEqual((status["cause"], status["exit_code"]), ("exited", 7))
        self.assertEqual(status["stdout_bytes"]["total"], 50_000_000)
        self.api.call("Sandbox", "DeleteSandbox", sandbox_id=sandbox)


for row_name in ROWS:
    setattr(Complaints, f"test_{row_name}", lambda self, row_name=row_name: self.check(row_name))


if __name__ == "__main__":
    unittest.main()
