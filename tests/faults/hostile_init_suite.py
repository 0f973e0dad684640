#!/usr/bin/env python3
"""An init that was taken over by a payload says what it likes: that ends its sandbox and nothing else.

What it says is sent from its own socket: root may take a copy of another process's descriptor (pidfd_getfd). While the
daemon runs that is the end of the connection that init has; for a daemon that takes over, the listening socket, with init
stopped, so that the test answers in its place.
"""

import contextlib
import ctypes
import errno
import fcntl
import json
import os
import pathlib
import select
import signal
import socket
import struct
import threading
import unittest

import daemon

MAGIC = 0x67624652
HELLO_ACK, STARTED, OUTPUT, STDIN_ACK, END, REFUSED, HELD, HELD_ALL, PAUSED, SOCKET = range(64, 74)
OPEN_SOCKET = 12
VERSION = 2
PIDFD_GETFD = 438  # of every architecture
LIBC = ctypes.CDLL(None, use_errno=True)


def frame(kind, exec_no=0, body=b"", magic=MAGIC, flags=0, size=None):
    return struct.pack("<IHHII", magic, kind, flags, exec_no, len(body) if size is None else size) + body


def hello_ack(version=VERSION):
    return frame(HELLO_ACK, body=struct.pack("<II", version, 0))


# What a running init says, and what is then found in the sandbox's stop reason.
SAYINGS = {
    "an empty message": (b"", None),  # as if it had closed
    "half a header": (frame(OUTPUT, 1)[:9], "frame without a header"),
    "no magic": (frame(OUTPUT, 1, magic=0), "malformed frame"),
    "unknown flags": (frame(OUTPUT, 1, flags=1), "malformed frame"),
    "an unknown kind": (frame(999, 1), "malformed frame"),
    "a kind that only daemons send": (frame(2, 1), "malformed frame"),
    "a length that is not there": (frame(END, 1, b"\0" * 64, size=0xFFFFFFFF), "malformed frame"),
    "half an end": (frame(END, 1, b"\0" * 64), "malformed frame"),
    "more than the longest frame": (frame(OUTPUT, 1, b"x" * 65536), "longer|malformed|truncated|too long"),
    "a second greeting": (hello_ack(), "out of turn"),
    "a held exec out of turn": (frame(HELD, 1), "out of turn|malformed"),
    "the start of an exec that never was": (frame(STARTED, 77, b"\0" * 16), "exec 77, which was never started"),
    "output of an exec that never was": (frame(OUTPUT, 0xFFFFFFFF), "never started"),
}


def sealed_memfd(size, seals=0x1 | 0x2 | 0x4):
    fd = os.memfd_create("region", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(fd, size)
    fcntl.fcntl(fd, 1033, seals)  # F_ADD_SEALS
    return fd


def pipe_end():
    reading, writing = os.pipe()
    os.close(writing)
    return reading


# What an init that is taken over answers to a new daemon, piece by piece: bytes, and a descriptor with it.
ANSWERS = {
    "another version": ([(hello_ack(version=99), None)], "speaks version 99"),
    "no greeting": ([(frame(HELD_ALL), None)], "out of turn"),
    "a frame without a header": ([(b"x", None)], "frame without a header"),
    "an exec without its memory": ([(hello_ack(), None), (frame(HELD, 1), None)], "malformed"),
    "memory that may shrink": ([(hello_ack(), None), (frame(HELD, 1), lambda: sealed_memfd(1 << 20, seals=1)),
                                (frame(HELD_ALL), None)], "seal|memory"),
    "memory of zeroes": ([(hello_ack(), None), (frame(HELD, 1), lambda: sealed_memfd(1 << 20)),
                          (frame(HELD_ALL), None)], "memory"),
    "a huge memory": ([(hello_ack(), None), (frame(HELD, 1), lambda: sealed_memfd(1 << 40)),
                       (frame(HELD_ALL), None)], "memory"),
    "a pipe for a memory": ([(hello_ack(), None), (frame(HELD, 1), pipe_end), (frame(HELD_ALL), None)], "memory|memfd|regular"),
    "one exec twice": ([(hello_ack(), None)] + [(frame(HELD, 5), lambda: sealed_memfd(4096))] * 2, "one twice"),
    "an end of what it does not hold": ([(hello_ack(), None), (frame(STARTED, 9, b"\0" * 16), None)], "does not hold"),
    "it closes": ([(hello_ack(), None)], "closed|took it over|take it over"),
}


def descriptor_of(make):
    """Of what a function makes, which is then nobody else's."""
    return lambda: make().detach()


NETLINK_SOCK_DIAG = 4
# What stands for a socket that was asked for.
NO_SOCKETS = {
    "a socket of AF_UNIX": descriptor_of(lambda: socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)),
    "a socket of UDP": descriptor_of(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)),
    "netlink for interfaces": descriptor_of(lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)),
    "a pipe": pipe_end,
    "memory": lambda: sealed_memfd(4096),
}
# What the one that asks for a TCP socket does not take, and the one that asks what listens.
FOR_TCP = {**NO_SOCKETS, "netlink for sockets": descriptor_of(lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG))}
FOR_DIAG = {**NO_SOCKETS, "a socket of TCP": descriptor_of(socket.socket)}

# All sockets of TCP over IPv4, as a dump: nlmsghdr, inet_diag_req_v2.
DUMP = (struct.pack("<IHHII", 72, 20, 0x301, 1, 0) +
        struct.pack("<BBBBI", socket.AF_INET, socket.IPPROTO_TCP, 0, 0, 0xFFFFFFFF) + bytes(48))
SO_ATTACH_FILTER, SO_DETACH_FILTER = 26, 27


def asks_without_end(shared, begun, ended):
    while not ended.is_set():
        with contextlib.suppress(OSError):  # it is full of answers
            shared.sendto(DUMP, socket.MSG_DONTWAIT, (0, 0))
        begun.set()


def reads_what_is_for_others(shared, begun, ended):
    begun.set()
    while not ended.is_set():
        with contextlib.suppress(OSError):  # nothing is there
            shared.recv(65536, socket.MSG_DONTWAIT)


def does_both(shared, begun, ended):
    other = threading.Thread(target=reads_what_is_for_others, args=(shared, begun, ended))
    other.start()
    asks_without_end(shared, begun, ended)
    other.join()


def drops_every_answer(shared, begun, ended):
    nothing = ctypes.create_string_buffer(struct.pack("<HBBI", 6, 0, 0, 0), 8)  # BPF_RET | BPF_K
    shared.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("<HxxxxxxQ", 1, ctypes.addressof(nothing)))
    begun.set()
    ended.wait()
    shared.setsockopt(socket.SOL_SOCKET, SO_DETACH_FILTER, 0)


# What an init may do with the socket that the daemon asks the kernel on.
SPOILERS = (asks_without_end, reads_what_is_for_others, does_both, drops_every_answer)


class HostileInit(daemon.FreshDaemonCase):
    def setUp(self):
        super().setUp()
        self.neighbour = self.create()
        # Follows through everything that happens next door; ends when it is told to.
        self.follower = self.daemon.popen("exec", "-i", "--exec-id", "through", self.neighbour, "--", "cat",
                                          stdin=-1)
        self.addCleanup(self.end_follower)
        self.say_to_neighbour("before")

    def end_follower(self):
        self.follower.kill()
        self.follower.communicate()

    def say_to_neighbour(self, text):
        line = text.encode() + b"\n"
        self.follower.stdin.write(line)
        self.follower.stdin.flush()
        self.assertEqual(self.follower.stdout.readline(), line)

    def init_pid(self, sandbox):
        for entry in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                if sandbox in (entry / "cgroup").read_text() and \
                        "\t1\n" in (entry / "status").read_text().split("NSpid:")[1].split("NSpgid")[0]:
                    return int(entry.name)
            except OSError:
                continue
        raise AssertionError("process 1 of the sandbox is there")

    def socket_of(self, pid, listening):
        """A copy of init's socket."""
        return self.copy_of(pid, lambda one: one.family == socket.AF_UNIX and one.type & 0xF == socket.SOCK_SEQPACKET and
                            bool(one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)) == listening)

    def copy_of(self, pid, is_wanted):
        """A copy of the first of its sockets that is."""
        pidfd = os.pidfd_open(pid)
        try:
            for number in map(int, os.listdir(f"/proc/{pid}/fd")):
                fd = LIBC.syscall(PIDFD_GETFD, pidfd, number, 0)
                if fd < 0:
                    continue
                try:
                    one = socket.socket(fileno=fd)
                except OSError:
                    os.close(fd)
                    continue
                if is_wanted(one):
                    return one
                one.close()
        finally:
            os.close(pidfd)
        raise AssertionError("init has such a socket")

    def state(self, sandbox):
        one = self.inspect(sandbox)
        return one["state"], one["stop_reason"]

    def is_ended_for(self, sandbox, why):
        daemon.wait_until(lambda: self.state(sandbox)[0] == "stopped", "the sandbox is stopped")
        if why is not None:
            self.assertRegex(self.state(sandbox)[1], why)
        done = self.daemon.cli("exec", sandbox, "--", "true")
        self.assertEqual(done.returncode, 125)
        self.assertIn(b"stopped", done.stderr)
        end = self.status(sandbox, "victim")
        self.assertEqual((end["state"], end["cause"]), ("ended", "sandbox_gone"), end)
        return end

    def victim(self):
        """A sandbox with a command that has written 600,006 bytes and stays."""
        sandbox = self.create()
        client = self.daemon.popen("exec", "--exec-id", "victim", sandbox, "--", "sh", "-c",
                                   "head -c 600000 /dev/zero; echo err >&2; echo ready; exec sleep 1000", stdout=-1, stderr=-3)
        seen = b""
        while not seen.endswith(b"ready\n"):
            piece = client.stdout.read1(65536)
            self.assertNotEqual(piece, b"", "it says that it is ready")
            seen += piece
        return sandbox, client

    def test_whatever_it_says_ends_its_sandbox_and_nothing_else(self):
        for name, (message, why) in SAYINGS.items():
            with self.subTest(name):
                sandbox, client = self.victim()
                with self.socket_of(self.init_pid(sandbox), listening=False) as connection:
                    connection.send(message)
                end = self.is_ended_for(sandbox, why)
                # What it had written is told although nobody said an end.
                self.assertEqual(end["stdout_bytes"]["total"], 600_006, end)
                self.assertEqual(end["stderr_bytes"]["total"], 4, end)
                client.communicate(timeout=daemon.DEADLINE_S)
                self.assertEqual(client.returncode, 125)
                self.say_to_neighbour(name)
                self.ok("rm", sandbox)

    def answer(self, listener, pieces):
        """Plays init on the daemon's new connection."""
        connection, _ = listener.accept()
        with connection:
            greeting = connection.recv(4096)
            assert struct.unpack_from("<IH", greeting) == (MAGIC, 1), greeting
            for message, make in pieces:
                fds = [make()] if make is not None else []
                try:
                    socket.send_fds(connection, [message], fds)
                except BrokenPipeError:
                    break  # it has heard enough
                for fd in fds:
                    os.close(fd)

    def test_whatever_it_answers_to_a_new_daemon_ends_its_sandbox_and_nothing_else(self):
        victims, threads = {}, []
        for name in ANSWERS:
            victims[name] = self.victim()
        for name, (sandbox, _) in victims.items():
            pid = self.init_pid(sandbox)
            listener = self.socket_of(pid, listening=True)
            os.kill(pid, signal.SIGSTOP)
            listener.setblocking(True)
            threads.append(threading.Thread(target=self.answer, args=(listener, ANSWERS[name][0])))
        self.daemon.kill()
        for thread in threads:
            thread.start()
        self.daemon.start()
        for thread in threads:
            thread.join(timeout=daemon.DEADLINE_S)
            self.assertFalse(thread.is_alive())
        for name, (sandbox, client) in victims.items():
            with self.subTest(name):
                self.is_ended_for(sandbox, ANSWERS[name][1])
                client.communicate(timeout=daemon.DEADLINE_S)
                self.assertEqual(client.returncode, 125)
                self.ok("rm", sandbox)
        self.say_to_neighbour("after")
        self.assertEqual(self.state(self.neighbour)[0], "running")

    def answer_socket(self, connection, fds, error=0):
        """Answers the daemon's next request for a socket, in the place of init, which stands still."""
        self.assertEqual(select.select([connection], [], [], daemon.DEADLINE_S)[0], [connection])
        asked = connection.recv(4096)
        self.assertEqual(struct.unpack_from("<IH", asked), (MAGIC, OPEN_SOCKET))
        body = struct.pack("<QiI", struct.unpack_from("<Q", asked, 16)[0], error, 0)
        socket.send_fds(connection, [frame(SOCKET, body=body)], fds)
        for fd in fds:
            os.close(fd)

    def test_a_socket_that_is_none_fails_the_call_alone(self):
        sandbox = self.create()
        pid = self.init_pid(sandbox)
        with self.socket_of(pid, listening=False) as connection:
            for call, answers, said in ((("ports", sandbox), FOR_DIAG, b"is no socket for questions"),
                                        (("port-forward", "--stdio", sandbox, "80"), FOR_TCP, b"is no TCP socket")):
                for name, make in answers.items():
                    with self.subTest(call[0], answer=name):
                        os.kill(pid, signal.SIGSTOP)
                        client = self.daemon.popen(*call)
                        self.answer_socket(connection, [make()])
                        _, err = client.communicate(timeout=daemon.DEADLINE_S)
                        os.kill(pid, signal.SIGCONT)
                        self.assertEqual(client.returncode, 1)
                        self.assertIn(said, err)
                        self.assertEqual(self.state(sandbox)[0], "running")
        self.assertEqual(self.ok("exec", sandbox, "--", "echo", "well"), b"well\n")
        self.ok("ports", sandbox)
        self.say_to_neighbour("sockets")

    def test_a_socket_without_a_descriptor_or_with_two_ends_its_sandbox(self):
        for count in (0, 2):
            with self.subTest(descriptors=count):
                sandbox = self.create()
                pid = self.init_pid(sandbox)
                with self.socket_of(pid, listening=False) as connection:
                    os.kill(pid, signal.SIGSTOP)
                    client = self.daemon.popen("ports", sandbox)
                    self.answer_socket(connection, [FOR_DIAG["a pipe"]() for _ in range(count)])
                    _, err = client.communicate(timeout=daemon.DEADLINE_S)
                self.assertEqual(client.returncode, 1)
                daemon.wait_until(lambda: self.state(sandbox)[0] == "stopped", "the sandbox is stopped")
                self.assertRegex(self.state(sandbox)[1], "malformed frame")
                self.say_to_neighbour(str(count))
                self.ok("rm", sandbox)

    def test_an_init_that_knows_no_such_socket_is_said_to_be_older(self):
        sandbox = self.create()
        pid = self.init_pid(sandbox)
        for error, said in ((errno.EINVAL, b"made by a release that could not"), (errno.EPROTONOSUPPORT, b"no sock_diag")):
            with self.subTest(error), self.socket_of(pid, listening=False) as connection:
                os.kill(pid, signal.SIGSTOP)
                client = self.daemon.popen("wait-port", sandbox, "80")
                self.answer_socket(connection, [], error)
                _, err = client.communicate(timeout=daemon.DEADLINE_S)
                os.kill(pid, signal.SIGCONT)
                self.assertEqual(client.returncode, 1)
                self.assertIn(said, err)

    def test_an_init_that_does_not_answer_costs_the_wait_its_time(self):
        sandbox = self.create()
        pid = self.init_pid(sandbox)
        os.kill(pid, signal.SIGSTOP)
        done = self.daemon.cli("wait-port", "--timeout", "100ms", sandbox, "80")
        os.kill(pid, signal.SIGCONT)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"its init has not answered yet", done.stderr)
        self.say_to_neighbour("slow")

    def listed(self, sandbox):
        """The ports that are told; None when it is said that they cannot be."""
        done = self.daemon.cli("ports", "--json", sandbox)
        if done.returncode == 0:
            return [one["port"] for one in json.loads(done.stdout)["ports"]]
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"cannot be told now", done.stderr)
        return None

    def test_an_init_that_spoils_the_answers_of_the_kernel_spoils_its_own_alone(self):
        sandbox = self.create()
        for one in (sandbox, self.neighbour):
            self.ok("exec", "--detach", one, "--", "python3", "-m", "http.server", "--bind", "127.0.0.1", "8000")
            self.ok("wait-port", one, "8000")

        def is_shared(one):  # with the daemon, whose every question goes through it
            return (one.family, one.proto) == (socket.AF_NETLINK, NETLINK_SOCK_DIAG)

        with self.copy_of(self.init_pid(sandbox), is_shared) as shared:
            for spoil in SPOILERS:
                with self.subTest(spoil.__name__):
                    begun, ended = threading.Event(), threading.Event()
                    thread = threading.Thread(target=spoil, args=(shared, begun, ended))
                    thread.start()
                    try:
                        self.assertTrue(begun.wait(daemon.DEADLINE_S))
                        for _ in range(3):
                            # An answer that was stolen is missing; none is made up.
                            told = self.listed(sandbox)
                            self.assertIn(told, (None,) if spoil == drops_every_answer else (None, [], [8000]))
                            self.fails(1, "wait-port", "--timeout", "50ms", sandbox, "8001")
                            self.assertEqual(self.listed(self.neighbour), [8000])
                            self.ok("wait-port", "--timeout", "5s", self.neighbour, "8000")
                    finally:
                        ended.set()
                        thread.join()
                    # What is still in the queue is not taken for an answer.
                    daemon.wait_until(lambda: self.listed(sandbox) == [8000], "it is told again")
        self.assertEqual(self.state(sandbox)[0], "running")
        self.say_to_neighbour("spoiled")

    def test_those_who_wait_for_a_stopped_init_hold_up_nobody_else(self):
        sandbox, client = self.victim()
        pid = self.init_pid(sandbox)
        os.kill(pid, signal.SIGSTOP)
        waiting = [self.daemon.popen("pause", sandbox) for _ in range(24)]
        for _ in range(20):
            self.ok("inspect", self.neighbour)
        self.assertEqual([one.poll() for one in waiting], [None] * len(waiting), "they still wait")
        os.kill(pid, signal.SIGCONT)
        for one in waiting:
            one.communicate(timeout=daemon.DEADLINE_S)
        self.assertEqual(self.state(sandbox)[0], "paused")
        self.ok("rm", sandbox)
        client.communicate(timeout=daemon.DEADLINE_S)


if __name__ == "__main__":
    unittest.main()
