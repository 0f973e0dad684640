#!/usr/bin/env python3
"""A client outlives its connection: every byte once and in order, both ways, the true exit code, the terminal as it was.

The connection goes through a cutter, which breaks it in the middle of messages; kill_suite has the daemon that dies.
"""

import fcntl
import hashlib
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
import unittest

import daemon
from connection_cutter import ConnectionCutter

# Lines on both streams, numbered together, `heap` by `heap`, until a file says that it is enough, and `lines` are written.
# Between two heaps it rests, only so that its output is not more than what is kept by the time it is enough.
NUMBERED = """
import os, sys, time
lines, heap, code = map(int, sys.argv[1:])
i = 0
while i < lines or not os.path.exists("/tmp/enough"):
    for i in range(i, i + heap, 2):
        print("o", i)
        print("e", i + 1, file=sys.stderr)
    i += 2
    sys.stdout.flush()
    time.sleep(0.02)
sys.exit(code)
"""


def numbered(lines, heap, code):
    return ["--", "python3", "-c", NUMBERED, lines, heap, code]


CUTS = 6


def reading(pipe, until, seconds=30):
    """What comes from a descriptor until it has `until`."""
    text, end = b"", time.monotonic() + seconds
    while until not in text:
        if not select.select([pipe], [], [], max(0, end - time.monotonic()))[0]:
            raise AssertionError(f"no {until!r} within {seconds} s, but {text!r}")
        more = os.read(pipe, 65536)
        if not more:
            raise AssertionError(f"no {until!r} before the end of {text!r}")
        text += more
    return text


class Reconnect(daemon.DaemonCase):
    def setUp(self):
        self.sandbox = self.create()

    def cutter(self, **options):
        path = self.daemon.root / f"cut-{self.id().rsplit('.', 1)[-1][:40]}"
        cutter = ConnectionCutter(self.daemon.socket, path, **options)
        self.addCleanup(cutter.close)
        return cutter

    def client(self, cutter, *arguments, **options):
        options.setdefault("stdin", subprocess.DEVNULL)
        options.setdefault("stdout", subprocess.PIPE)
        options.setdefault("stderr", subprocess.PIPE)
        environment = {**self.daemon.environment(), "GLOVEBOX_SOCKET": cutter.path}
        client = subprocess.Popen(self.daemon.command(*arguments), env=environment, **options)
        self.addCleanup(self.end, client)
        return client

    @staticmethod
    def end(client):
        if client.poll() is None:
            client.kill()
            client.wait()
        for pipe in (client.stdin, client.stdout, client.stderr):
            if pipe is not None:
                pipe.close()

    def check_numbered(self, stdout, stderr, least):
        out, err = stdout.decode().split("\n")[:-1], stderr.decode().split("\n")[:-1]
        self.assertGreaterEqual(len(out) + len(err), least)
        self.assertEqual(out, [f"o {i}" for i in range(0, 2 * len(out), 2)])
        self.assertEqual(err, [f"e {i}" for i in range(1, 2 * len(out) + 1, 2)])

    def cut_until_the_end(self, cutter, client, sandbox):
        """Breaks the connection whenever something has come over it, some times; then the command may end. The pipes have
        room for all output."""
        for _ in range(CUTS):
            before = cutter.bytes
            daemon.wait_until(lambda seen=before: cutter.bytes > seen + 1000, "output comes over the connection")
            cutter.cut()
        self.ok("exec", sandbox, "--", "touch", "/tmp/enough")
        out, err = client.communicate(timeout=daemon.DEADLINE_S)
        self.assertGreaterEqual(cutter.cuts, CUTS)
        return out, self.without_notes(err)

    def without_notes(self, err):
        """What the client says of breaks that a busy machine made longer than a second."""
        return re.sub(rb"glovebox: the connection to the daemon is (lost; trying again for [0-9a-z]+|back)\n", b"", err)

    def test_exec_has_each_line_once_although_each_connection_breaks(self):
        # More than the largest message, so that each connection brings something.
        cutter = self.cutter(cut_every=300_000)
        client = self.client(cutter, "exec", self.sandbox, *numbered(200_000, 10_000, 7))
        self.ok("exec", self.sandbox, "--", "touch", "/tmp/enough")
        out, err = client.communicate(timeout=120)
        self.check_numbered(out, self.without_notes(err), 200_000)
        self.assertEqual(client.returncode, 7)
        self.assertGreaterEqual(cutter.cuts, 3)

    def test_logs_and_attach_have_each_line_once_although_each_connection_breaks(self):
        for verb, code in ((["logs", "-f"], 0), (["attach"], 5)):
            name = verb[0]
            self.ok("exec", self.sandbox, "--", "rm", "-f", "/tmp/enough")
            self.ok("exec", "--detach", "--exec-id", name, self.sandbox, *numbered(1_000, 60, 5))
            cutter = self.cutter()
            client = self.client(cutter, *verb, self.sandbox, name)
            out, err = self.cut_until_the_end(cutter, client, self.sandbox)
            self.check_numbered(out, err, 1_000)
            self.assertEqual(client.returncode, code)
            cutter.close()

    def test_input_arrives_once_although_the_connection_breaks(self):
        cutter = self.cutter()
        data, begin = hashlib.shake_256(b"input").digest(8 << 20), time.monotonic()
        client = self.client(cutter, "exec", "-i", self.sandbox, "--", "sha256sum", stdin=subprocess.PIPE)
        for begin in range(0, len(data), 1 << 20):
            client.stdin.write(data[begin : begin + (1 << 20)])
            client.stdin.flush()
            cutter.cut()
        out, err = client.communicate(timeout=90)
        self.assertEqual(out.split()[0].decode(), hashlib.sha256(data).hexdigest(), err)
        self.assertEqual((client.returncode, self.without_notes(err)), (0, b""))
        if time.monotonic() - begin < 1:
            self.assertEqual(err, b"", "a short break makes no noise")

    def test_run_goes_on_and_removes_its_sandbox(self):
        cutter = self.cutter()
        client = self.client(cutter, "run", *numbered(1_000, 60, 3))
        its = daemon.wait_until(lambda: [one for one in self.known() if one != self.sandbox], "its sandbox is there")
        out, err = self.cut_until_the_end(cutter, client, its[0])
        self.check_numbered(out, err, 1_000)
        self.assertEqual(client.returncode, 3)
        self.assertEqual(self.ok("ls", "-q").decode().split(), [self.sandbox])

    def test_a_longer_break_is_told_and_a_signal_sent_meanwhile_arrives(self):
        cutter = self.cutter()
        script = "trap 'echo got usr1' USR1; trap 'echo got term; exit 9' TERM; echo ready; while :; do sleep 0.02; done"
        client = self.client(cutter, "exec", self.sandbox, "--", "sh", "-c", script)
        reading(client.stdout.fileno(), b"ready\n")
        client.send_signal(signal.SIGUSR1)
        reading(client.stdout.fileno(), b"got usr1\n")
        cutter.down()
        client.send_signal(signal.SIGTERM)
        reading(client.stderr.fileno(), b"glovebox: the connection to the daemon is lost; trying again for ")
        cutter.up()
        self.assertEqual(client.wait(timeout=30), 9)
        self.assertEqual(client.stdout.read(), b"got term\n")
        self.assertIn(b"glovebox: the connection to the daemon is back\n", client.stderr.read())

    def test_patience_has_an_end_and_the_message_says_how_to_go_on(self):
        cutter = self.cutter()
        client = self.client(cutter, "exec", "--exec-id", "p", "--reconnect-for", "1500ms", self.sandbox, "--", "sh", "-c",
                             "echo ready; sleep 600")
        reading(client.stdout.fileno(), b"ready\n")
        cutter.down()
        self.assertEqual(client.wait(timeout=30), 125)
        self.assertIn(f"(glovebox attach {self.sandbox} p)".encode(), client.stderr.read())
        self.assertEqual(self.status(self.sandbox, "p")["state"], "running", "the command is none the worse")

    def test_no_reconnect_fails_at_once(self):
        cutter = self.cutter()
        client = self.client(cutter, "exec", "--no-reconnect", self.sandbox, "--", "sh", "-c", "echo ready; sleep 600")
        reading(client.stdout.fileno(), b"ready\n")
        cutter.cut()
        self.assertEqual(client.wait(timeout=30), 125)
        self.assertIn(b"glovebox: ", client.stderr.read())

    def test_attach_without_i_leaves_the_command_alone(self):
        self.ok("exec", "--detach", "--exec-id", "l", self.sandbox, "--", "sh", "-c", "echo here; sleep 600")
        client = self.client(self.cutter(), "attach", self.sandbox, "l")
        reading(client.stdout.fileno(), b"here\n")
        client.send_signal(signal.SIGINT)
        self.assertEqual(client.wait(timeout=30), 130)
        self.assertEqual(self.status(self.sandbox, "l")["state"], "running")

    def test_attach_goes_on_with_input_where_another_client_left_it(self):
        cutter = self.cutter()
        first = self.client(cutter, "exec", "-i", "--exec-id", "a", self.sandbox, "--", "cat", stdin=subprocess.PIPE)
        first.stdin.write(b"one\n")
        first.stdin.flush()
        reading(first.stdout.fileno(), b"one\n")
        first.kill()
        first.wait()
        second = self.client(cutter, "attach", "-i", self.sandbox, "a", stdin=subprocess.PIPE)
        out, err = second.communicate(b"two\n", timeout=30)
        self.assertEqual((second.returncode, out, err), (0, b"one\ntwo\n", b""))


class Terminal(Reconnect):
    def open(self, *arguments):
        self.leader, follower = pty.openpty()
        self.addCleanup(os.close, self.leader)
        self.addCleanup(os.close, follower)
        self.follower = follower
        self.resize(31, 97)
        self.before = termios.tcgetattr(follower)
        client = self.client(self.cut, *arguments, stdin=follower, stdout=follower, stderr=follower,
                             preexec_fn=self.take_terminal)
        return client

    def take_terminal(self):
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    def resize(self, rows, columns):
        fcntl.ioctl(self.leader, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def setUp(self):
        super().setUp()
        self.cut = self.cutter()

    def assert_as_before(self):
        self.assertEqual(termios.tcgetattr(self.follower), self.before)

    def ready(self):
        client = self.open("exec", "-i", "-t", "--exec-id", "t", self.sandbox, "--", "sh", "-c",
                           "trap 'echo size $(stty size)' WINCH; echo ready; while :; do read x && echo got $x; done")
        reading(self.leader, b"ready\r\n")
        daemon.wait_until(lambda: termios.tcgetattr(self.follower) != self.before, "the terminal is raw")
        return client

    def test_window_size_and_keys_reach_the_command_also_after_a_break(self):
        self.ready()
        os.write(self.leader, b"key1\r")
        reading(self.leader, b"got key1\r\n")
        self.cut.down()
        self.resize(17, 42)
        os.write(self.leader, b"key2\r")
        self.cut.up()
        seen = reading(self.leader, b"got key2\r\n")
        if b"size 17 42\r\n" not in seen:
            reading(self.leader, b"size 17 42\r\n")

    def test_terminal_is_as_before_when_the_client_crashes(self):
        for number in (signal.SIGSEGV, signal.SIGABRT):
            client = self.ready()
            client.send_signal(number)
            self.assertEqual(client.wait(timeout=30), -number)
            self.assert_as_before()
            self.ok("rm", self.sandbox)
            self.sandbox = self.create()

    def test_terminal_is_as_before_while_the_client_is_stopped(self):
        client = self.ready()
        raw = termios.tcgetattr(self.follower)
        client.send_signal(signal.SIGTSTP)
        os.waitid(os.P_PID, client.pid, os.WSTOPPED | os.WNOWAIT)
        self.assert_as_before()
        client.send_signal(signal.SIGCONT)
        daemon.wait_until(lambda: termios.tcgetattr(self.follower) == raw, "the terminal is raw again")

    def test_terminal_is_as_before_when_the_connection_stays_lost(self):
        os.environ["GLOVEBOX_RECONNECT_FOR"] = "1200ms"
        self.addCleanup(os.environ.pop, "GLOVEBOX_RECONNECT_FOR")
        client = self.ready()
        self.cut.down()
        self.assertEqual(client.wait(timeout=30), 125)
        self.assert_as_before()

    def test_terminal_is_as_before_when_the_client_gives_up(self):
        client = self.ready()
        self.cut.down()
        for _ in range(3):
            client.send_signal(signal.SIGTERM)
            daemon.wait_until(lambda: client.poll() is not None or not daemon.is_pending(client.pid, signal.SIGTERM),
                              "it is taken")
        self.assertEqual(client.wait(timeout=30), 143)
        self.assert_as_before()


def load_tests(loader, tests, pattern):
    """Terminal inherits what it needs, not the tests."""
    suite = unittest.TestSuite(loader.loadTestsFromTestCase(Reconnect))
    names = [name for name in loader.getTestCaseNames(Terminal) if name not in loader.getTestCaseNames(Reconnect)]
    suite.addTests(Terminal(name) for name in names)
    return suite


if __name__ == "__main__":
    unittest.main()
