#!/usr/bin/env python3
"""Ports of a sandbox from outside: connections that are carried in, whatever either side does with them."""

import contextlib
import hashlib
import json
import os
import queue
import signal
import socket
import subprocess
import threading
import unittest

import api_client
import daemon
import grpc
from google.rpc import error_details_pb2, status_pb2

PORT = 4444

# Servers, in Python, in the sandbox. Each says "up" when it listens.
COMMON = """
import socket, sys, threading, hashlib, os, time
def listener(port, address='127.0.0.1', family=socket.AF_INET, backlog=128):
    made = socket.socket(family)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    made.bind((address, port))
    made.listen(backlog)
    return made
def serve(made, act):
    print('up', flush=True)
    while True:
        one, _ = made.accept()
        threading.Thread(target=act, args=(one,), daemon=True).start()
def take_all(one):
    parts = []
    while part := one.recv(65536):
        parts.append(part)
    return b''.join(parts)
"""
ECHO = COMMON + """
def act(one):
    with one:
        while part := one.recv(65536):
            one.sendall(part)
serve(listener(int(sys.argv[1])), act)
"""
# Takes everything to its end, and only then answers: its digest, and as much as it was asked for.
DIGEST = COMMON + """
def act(one):
    with one:
        got = take_all(one)
        one.sendall(hashlib.sha256(got).hexdigest().encode() + got)
serve(listener(int(sys.argv[1])), act)
"""
# Says all that it has to say at once and ends that, then takes the rest.
SPEAKS_FIRST = COMMON + """
def act(one):
    with one:
        one.sendall(b'hello')
        one.shutdown(socket.SHUT_WR)
        print(take_all(one).decode(), flush=True)
serve(listener(int(sys.argv[1])), act)
"""
ONLY_IPV6 = COMMON + """
def act(one):
    with one:
        one.sendall(b'six:' + take_all(one))
serve(listener(int(sys.argv[1]), '::1', socket.AF_INET6), act)
"""
# Never accepts; the backlog is filled from inside.
FULL = COMMON + """
made = listener(int(sys.argv[1]), backlog=0)
kept = []
for _ in range(4):
    one = socket.socket()
    one.setblocking(False)
    one.connect_ex(('127.0.0.1', int(sys.argv[1])))
    kept.append(one)
time.sleep(0.3)
print('up', flush=True)
time.sleep(600)
"""
# Reads nothing until it is told to, by its stdin.
SLOW = COMMON + """
made = listener(int(sys.argv[1]))
print('up', flush=True)
one, _ = made.accept()
sys.stdin.readline()
got = take_all(one)
one.sendall(hashlib.sha256(got).hexdigest().encode())
one.close()
time.sleep(600)
"""
FLOODS = COMMON + """
def act(one):
    piece = b'x' * 65536
    sent = 0
    try:
        while sent < 256 << 20:
            one.sendall(piece)
            sent += len(piece)
    except OSError:
        pass
    print('over', flush=True)
serve(listener(int(sys.argv[1])), act)
"""
RESETS = COMMON + """
import struct
def act(one):
    one.recv(1)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
    one.close()
serve(listener(int(sys.argv[1])), act)
"""


class Outcome(Exception):
    """What a call failed with."""

    def __init__(self, error):
        raw = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin", b"")
        info = error_details_pb2.ErrorInfo()
        for detail in status_pb2.Status.FromString(raw).details:
            detail.Unpack(info) if detail.Is(info.DESCRIPTOR) else None
        self.code, self.reason, self.metadata = error.code().name, info.reason, dict(info.metadata)
        super().__init__(f"{self.code} {self.reason} {self.metadata} {error.details()}")


class Stream:
    """A ForwardPort that is under way."""

    END = object()

    def __init__(self, api, sandbox, port, timeout=120, first=None):
        module = api.messages.network
        self.requests = queue.Queue()
        self.request = module.ForwardPortRequest
        stub = api.channel.stream_stream("/glovebox.v1.NetworkService/ForwardPort",
                                         request_serializer=self.request.SerializeToString,
                                         response_deserializer=module.ForwardPortResponse.FromString)
        self.requests.put(first or self.request(target={"sandbox_id": sandbox, "port": port}))
        self.call = stub(iter(self.requests.get, self.END), timeout=timeout)

    def send(self, data):
        self.requests.put(self.request(data=data))

    def end(self):
        self.requests.put(self.END)

    def next(self):
        """The next message; None at a good end."""
        try:
            return next(self.call, None)
        except grpc.RpcError as error:
            raise Outcome(error) from None

    def opened(self):
        first = self.next()
        assert first is not None and first.data == b"" and not first.end, first
        return self

    def rest(self):
        """All data up to the end of the call, and whether the payload said that it ends."""
        data, ended = [], False
        while (message := self.next()) is not None:
            assert not (ended and message.data), "data behind the end"
            data.append(message.data)
            ended = ended or message.end
        return b"".join(data), ended

    def exactly(self, size):
        data = b""
        while len(data) < size:
            data += self.next().data
        assert len(data) == size, (len(data), size)
        return data

    def close(self):
        self.call.cancel()
        self.end()


class PortsCase(daemon.DaemonCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.api = api_client.Api(cls.daemon.socket)
        cls.api.call("Node", "GetNode")  # now its connection is there, and in the daemon's descriptors

    @classmethod
    def tearDownClass(cls):
        cls.api.close()
        super().tearDownClass()

    def serve(self, sandbox, program, *arguments, port=PORT):
        """A server that listens when this returns; its process, with what it prints on stdout."""
        server = self.daemon.popen("exec", "-i", sandbox, "--", "python3", "-c", program, port, *arguments, stdin=subprocess.PIPE)
        self.addCleanup(server.wait)
        self.addCleanup(server.kill)
        for pipe in (server.stdin, server.stdout, server.stderr):
            self.addCleanup(pipe.close)
        self.assertEqual(server.stdout.readline(), b"up\n")
        return server

    def stream(self, sandbox, port=PORT, **options):
        made = Stream(self.api, sandbox, port, **options)
        self.addCleanup(made.close)
        return made

    def refused(self, code, reason, act):
        with self.assertRaises(Outcome) as caught:
            act()
        self.assertEqual((caught.exception.code, caught.exception.reason), (code, reason), str(caught.exception))
        return caught.exception

    def idle(self, descriptors):
        daemon.wait_until(lambda: self.daemon.descriptors() <= descriptors, "the daemon has given its descriptors back")


class Connections(PortsCase):
    def test_bytes_go_both_ways_and_an_end_goes_on(self):
        sandbox = self.create()
        self.serve(sandbox, DIGEST)
        content = os.urandom(5_000_000)
        stream = self.stream(sandbox).opened()
        for at in range(0, len(content), 65536):
            stream.send(content[at:at + 65536])
        stream.end()
        data, ended = stream.rest()
        self.assertTrue(ended)
        self.assertEqual(data[:64].decode(), hashlib.sha256(content).hexdigest())
        self.assertEqual(hashlib.sha256(data[64:]).digest(), hashlib.sha256(content).digest())

    def test_a_payload_that_speaks_first_and_ends_first_still_reads(self):
        sandbox = self.create()
        server = self.serve(sandbox, SPEAKS_FIRST)
        stream = self.stream(sandbox).opened()
        data, ended = b"", False
        while not ended:
            message = stream.next()
            data, ended = data + message.data, message.end
        self.assertEqual(data, b"hello")
        stream.send(b"late word")
        stream.end()
        self.assertEqual(stream.rest(), (b"", False))
        self.assertEqual(server.stdout.readline(), b"late word\n")

    def test_a_server_on_ipv6_alone_is_reached(self):
        sandbox = self.create()
        self.serve(sandbox, ONLY_IPV6)
        stream = self.stream(sandbox).opened()
        stream.send(b"hello")
        stream.end()
        self.assertEqual(stream.rest(), (b"six:hello", True))

    def test_refused_where_nothing_listens_and_the_next_try_may_do(self):
        sandbox = self.create()
        self.refused("UNAVAILABLE", "CONNECTION_REFUSED", self.stream(sandbox).opened)
        self.serve(sandbox, ECHO)
        stream = self.stream(sandbox).opened()
        stream.send(b"x")
        self.assertEqual(stream.exactly(1), b"x")

    def test_a_payload_that_does_not_accept_is_given_up(self):
        sandbox = self.create()
        self.serve(sandbox, FULL)
        self.refused("DEADLINE_EXCEEDED", "CONNECTION_TIMED_OUT", self.stream(sandbox).opened)

    def test_requests_that_are_wrong_are_refused(self):
        sandbox = self.create()
        self.serve(sandbox, ECHO)
        for port in (0, 65536, 1 << 31):
            self.refused("INVALID_ARGUMENT", "INVALID_FIELD", self.stream(sandbox, port).opened)
        request = self.api.messages.network.ForwardPortRequest
        for first in (request(), request(data=b"x")):
            self.refused("INVALID_ARGUMENT", "INVALID_FIELD", self.stream(sandbox, first=first).opened)
        stream = self.stream(sandbox).opened()
        stream.send(b"x" * 65537)
        self.refused("INVALID_ARGUMENT", "INVALID_FIELD", stream.rest)
        stream = self.stream(sandbox).opened()
        stream.requests.put(request(target={"sandbox_id": sandbox, "port": PORT}))
        self.refused("INVALID_ARGUMENT", "INVALID_FIELD", stream.rest)

    def test_a_reset_is_told_as_one(self):
        sandbox = self.create()
        self.serve(sandbox, RESETS)
        stream = self.stream(sandbox).opened()
        stream.send(b"x")
        self.refused("UNAVAILABLE", "CONNECTION_RESET", stream.rest)

    def test_a_payload_that_does_not_read_holds_up_its_client_alone(self):
        sandbox = self.create()
        server = self.serve(sandbox, SLOW)
        self.serve(sandbox, ECHO, port=PORT + 1)
        before = self.daemon.resident_kib()
        stream = self.stream(sandbox).opened()
        piece, digest, count = os.urandom(65536), hashlib.sha256(), 512
        for _ in range(count):  # 32 MiB: more than kernel and daemon may hold
            stream.send(piece)
            digest.update(piece)
        stream.end()
        other = self.stream(sandbox, PORT + 1).opened()
        for _ in range(20):
            other.send(b"ping")
            self.assertEqual(other.exactly(4), b"ping")
        # The queue of requests is this client's; the daemon has a piece of it.
        self.assertLess(self.daemon.resident_kib() - before, 12 << 10)
        self.assertGreater(stream.requests.qsize(), count // 2)
        server.stdin.write(b"\n")
        server.stdin.flush()
        self.assertEqual(stream.rest(), (digest.hexdigest().encode(), True))

    def test_a_client_that_does_not_read_holds_up_its_payload_alone(self):
        sandbox = self.create()
        server = self.serve(sandbox, FLOODS)
        self.serve(sandbox, ECHO, port=PORT + 1)
        before = self.daemon.resident_kib()
        descriptors = self.daemon.descriptors()
        # A client whose window is as gRPC makes it, and which reads nothing.
        held = self.stream(sandbox).opened()
        other = self.stream(sandbox, PORT + 1).opened()
        for _ in range(200):
            other.send(b"ping")
            self.assertEqual(other.exactly(4), b"ping")
        self.assertLess(self.daemon.resident_kib() - before, 24 << 10)
        held.close()
        other.close()
        self.assertEqual(server.stdout.readline(), b"over\n")
        self.idle(descriptors)

    def test_a_client_that_goes_away_is_no_end_of_its_data(self):
        sandbox = self.create()
        server = self.serve(sandbox, COMMON + """
def act(one):
    try:
        print('ended after', len(take_all(one)), flush=True)
    except ConnectionResetError:
        print('reset', flush=True)
serve(listener(int(sys.argv[1])), act)
""")
        for _ in range(20):
            stream = self.stream(sandbox).opened()
            stream.send(b"half of")
            stream.call.cancel()
            self.assertEqual(server.stdout.readline(), b"reset\n")

    def test_more_than_the_limit_are_refused_and_those_that_are_open_go_on(self):
        sandbox = self.create()
        self.serve(sandbox, ECHO)
        descriptors = self.daemon.descriptors()
        streams = [self.stream(sandbox) for _ in range(128)]
        for stream in streams:
            stream.opened()
        error = self.refused("RESOURCE_EXHAUSTED", "FORWARD_LIMIT", self.stream(sandbox).opened)
        self.assertEqual(error.metadata["limit"], "128")
        for stream in streams:
            stream.send(b"x")
            self.assertEqual(stream.exactly(1), b"x")
        streams.pop().close()
        self.assertTrue(daemon.wait_until(lambda: self.opens(sandbox), "there is room again"))
        for stream in streams:
            stream.close()
        self.idle(descriptors)

    def opens(self, sandbox):
        stream = self.stream(sandbox)
        try:
            return stream.opened()
        except Outcome as outcome:
            self.assertEqual(outcome.reason, "FORWARD_LIMIT")
            return None
        finally:
            stream.close()


class Lives(PortsCase):
    def open_echo(self, sandbox):
        self.serve(sandbox, ECHO)
        stream = self.stream(sandbox).opened()
        stream.send(b"x")
        self.assertEqual(stream.exactly(1), b"x")
        return stream

    def test_connections_end_with_their_sandbox(self):
        sandbox = self.create()
        descriptors = self.daemon.descriptors()
        stream = self.open_echo(sandbox)
        self.ok("rm", sandbox)
        self.refused("FAILED_PRECONDITION", "SANDBOX_STOPPED", stream.rest)
        self.refused("NOT_FOUND", "SANDBOX_NOT_FOUND", self.stream(sandbox).opened)
        self.idle(descriptors)

    def test_connections_end_when_the_sandbox_stops(self):
        sandbox = self.create()
        stream = self.open_echo(sandbox)
        daemon.kill_and_wait(self.daemon.init_of(sandbox))
        # Whichever is noticed first: its sockets, or itself.
        with self.assertRaises(Outcome) as caught:
            stream.rest()
        self.assertIn(caught.exception.reason, ("SANDBOX_STOPPED", "CONNECTION_RESET"))
        daemon.wait_until(lambda: self.known()[sandbox] == "stopped", "it has stopped")
        self.refused("FAILED_PRECONDITION", "SANDBOX_STOPPED", self.stream(sandbox).opened)

    def test_connections_end_with_a_rollback_and_can_be_made_again(self):
        sandbox = self.create()
        self.ok("checkpoint", "create", sandbox, "c")
        stream = self.open_echo(sandbox)
        self.ok("rollback", sandbox, "c")
        with self.assertRaises(Outcome) as caught:
            stream.rest()
        self.assertIn(caught.exception.reason, ("SANDBOX_STOPPED", "CONNECTION_RESET"))
        self.open_echo(sandbox)

    def test_a_pause_holds_connections_and_takes_no_new_ones(self):
        sandbox = self.create()
        stream = self.open_echo(sandbox)
        self.ok("pause", sandbox)
        self.refused("FAILED_PRECONDITION", "SANDBOX_PAUSED", self.stream(sandbox).opened)
        stream.send(b"while it stands still")
        self.ok("resume", sandbox)
        self.assertEqual(stream.exactly(21), b"while it stands still")


class Restarts(daemon.LeavingDaemonCase):
    def open(self, sandbox):
        api = api_client.Api(self.daemon.socket)
        self.addCleanup(api.close)
        stream = Stream(api, sandbox, PORT)
        self.addCleanup(stream.close)
        stream.opened()
        stream.send(b"x")
        self.assertEqual(stream.exactly(1), b"x")
        return stream

    def test_the_next_daemon_reaches_the_same_server(self):
        sandbox = self.create()
        self.ok("exec", "--detach", sandbox, "--", "python3", "-c", ECHO, PORT)
        daemon.wait_until(lambda: self.is_up(sandbox), "it listens")
        stream = self.open(sandbox)
        self.restart(on_shutdown="leave")
        with self.assertRaises(Outcome) as caught:
            stream.rest()
        self.assertEqual(caught.exception.code, "UNAVAILABLE")
        stream = self.open(sandbox)
        self.daemon.process.terminate()
        self.daemon.process.wait(timeout=daemon.DEADLINE_S)
        with self.assertRaises(Outcome) as caught:
            stream.rest()
        self.assertEqual((caught.exception.code, caught.exception.reason), ("UNAVAILABLE", "SHUTTING_DOWN"))
        self.start_daemon()
        self.open(sandbox)

    def is_up(self, sandbox):
        try:
            return self.open(sandbox)
        except Outcome as outcome:
            self.assertEqual(outcome.reason, "CONNECTION_REFUSED")
            return None


class CommandLine(PortsCase):
    @contextlib.contextmanager
    def forwarding(self, *arguments, lines=1):
        """The CLI at work, and what it says, a line each."""
        cli = self.daemon.popen("port-forward", *arguments)
        try:
            yield cli, [cli.stdout.readline().decode() for _ in range(lines)]
        finally:
            cli.kill()
            cli.wait()
            cli.stdout.close()
            cli.stderr.close()

    def local_port(self, line, remote):
        self.assertRegex(line, rf"\AForwarding from 127\.0\.0\.1:[0-9]+ -> {remote}\n\Z")
        return int(line.split(":")[1].split()[0])

    def ask(self, port, content):
        """All that comes back for it."""
        with socket.create_connection(("127.0.0.1", port), timeout=daemon.DEADLINE_S) as one:
            sender = threading.Thread(target=lambda: (one.sendall(content), one.shutdown(socket.SHUT_WR)))
            sender.start()
            got = b""
            while part := one.recv(1 << 20):
                got += part
            sender.join()
            return got

    def test_many_connections_at_once_keep_every_byte(self):
        sandbox = self.create()
        self.serve(sandbox, DIGEST)
        self.serve(sandbox, ONLY_IPV6, port=PORT + 1)
        with self.forwarding(sandbox, f":{PORT}", f"0:{PORT + 1}", lines=2) as (cli, lines):
            port, other = self.local_port(lines[0], PORT), self.local_port(lines[1], PORT + 1)
            contents = [os.urandom(2_000_000 + i) for i in range(20)]
            answers = [None] * len(contents)

            def one(i):
                answers[i] = self.ask(port, contents[i])

            threads = [threading.Thread(target=one, args=(i,)) for i in range(len(contents))]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            for content, answer in zip(contents, answers):
                self.assertEqual(answer[:64].decode(), hashlib.sha256(content).hexdigest())
                self.assertEqual(hashlib.sha256(answer[64:]).digest(), hashlib.sha256(content).digest())
            self.assertEqual(self.ask(other, b"x"), b"six:x")
            cli.send_signal(signal.SIGINT)
            self.assertEqual((cli.wait(timeout=daemon.DEADLINE_S), cli.stderr.read()), (0, b""))

    def test_http_is_served_to_a_client_of_this_host(self):
        sandbox = self.create()
        self.ok("exec", sandbox, "--", "sh", "-c", "mkdir /tmp/site; echo found > /tmp/site/page")
        self.ok("exec", "--detach", sandbox, "--", "python3", "-m", "http.server", "-d", "/tmp/site", "--bind", "127.0.0.1", PORT)
        with self.forwarding("--json", sandbox, f":{PORT}") as (_, lines):
            port = json.loads(lines[0])["local_port"]
            self.assertEqual(json.loads(lines[0]), {"local_address": "127.0.0.1", "local_port": port, "port": PORT})

            def page():
                try:
                    return self.ask(port, b"GET /page HTTP/1.0\r\n\r\n")
                except ConnectionResetError:
                    return None  # it does not listen yet

            answer = daemon.wait_until(page, "the page is served")
            self.assertTrue(answer.startswith(b"HTTP/1.0 200 "), answer)
            self.assertTrue(answer.endswith(b"\r\n\r\nfound\n"), answer)

    def test_a_refused_connection_is_reset_and_said_and_others_go_on(self):
        sandbox = self.create()
        with self.forwarding(sandbox, f":{PORT}") as (cli, lines):
            port = self.local_port(lines[0], PORT)
            with self.assertRaises(ConnectionResetError):
                self.ask(port, b"")
            self.assertIn(b"nothing in the sandbox listens on port 4444", cli.stderr.readline())
            self.serve(sandbox, ECHO)
            self.assertEqual(self.ask(port, b"x"), b"x")
            # The end of the sandbox is the end of this.
            self.ok("rm", sandbox)
            with contextlib.suppress(ConnectionResetError):
                self.ask(port, b"")
            self.assertEqual(cli.wait(timeout=daemon.DEADLINE_S), 1)

    def test_open_connections_end_with_the_command(self):
        sandbox = self.create()
        self.serve(sandbox, ECHO)
        descriptors = self.daemon.descriptors()
        with self.forwarding(sandbox, f":{PORT}") as (cli, lines):
            with socket.create_connection(("127.0.0.1", self.local_port(lines[0], PORT)), timeout=daemon.DEADLINE_S) as one:
                one.sendall(b"x")
                self.assertEqual(one.recv(1), b"x")
                cli.send_signal(signal.SIGTERM)
                self.assertEqual(cli.wait(timeout=daemon.DEADLINE_S), 0)
                with contextlib.suppress(ConnectionResetError):
                    self.assertEqual(one.recv(1), b"")
        self.idle(descriptors)

    def test_one_connection_over_stdin_and_stdout(self):
        sandbox = self.create()
        self.serve(sandbox, DIGEST)
        content = os.urandom(1_000_000)
        answer = self.ok("port-forward", "--stdio", sandbox, PORT, input=content)
        self.assertEqual(answer, hashlib.sha256(content).hexdigest().encode() + content)
        # The reader of stdout learns of the payload's end although our stdin stays open.
        server = self.serve(sandbox, SPEAKS_FIRST, port=PORT + 1)
        with self.forwarding("--stdio", sandbox, PORT + 1, lines=0) as (cli, _):
            self.assertEqual(cli.stdout.read(), b"hello")
            self.assertEqual(cli.wait(timeout=daemon.DEADLINE_S), 0)
        self.assertEqual(server.stdout.readline(), b"\n")
        self.assertIn("nothing in the sandbox listens", self.fails(1, "port-forward", "--stdio", sandbox, 1))

    def test_what_is_mistyped_is_said(self):
        sandbox = self.create()
        for wrong in ("0", "65536", "x", "1:x", "1:2:3", "-1", "99999:1", ":", "+1"):
            self.assertIn("no port", self.fails(2, "port-forward", sandbox, "--", wrong) if wrong != "-1" else "no port")
        self.fails(2, "port-forward", "--stdio", sandbox, "1:2")
        self.fails(1, "port-forward", "0" * 32, "80")
        taken = socket.create_server(("127.0.0.1", 0))
        with taken:
            port = taken.getsockname()[1]
            self.assertIn(f"cannot listen on 127.0.0.1:{port}", self.fails(1, "port-forward", sandbox, f"{port}:80"))


if __name__ == "__main__":
    unittest.main()
