"""Clients that connect and say nothing, half a preface, half a handshake, or never read what they asked for, on both
doors: each holds what its limit allows, and everybody else is answered meanwhile."""

import grp
import os
import re
import socket
import struct
import subprocess
import unittest

import api_client  # noqa: F401  (makes google.rpc)
import grpc
from clients import OTHER, OWNER, ClientsCase, acting_as
from daemon import DEADLINE_S, wait_until
from quota_suite import details
from tls_suite import TcpApi, documented_commands

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS = b"\0\0\0\4\0\0\0\0\0"
HEADERS_TO_COME = struct.pack(">I", 1000)[1:] + b"\1\4\0\0\0\1"  # of a thousand bytes, of which none is sent
CONTINUATION_TO_COME = b"\0\0\0\1\0\0\0\0\1"  # headers without an end
TLS_HELLO_BEGUN = b"\x16\3\1\2\0\1\0\1\xfc\3\3"
# What HTTP/2 and TLS wait for the rest of (for 80 s and 10 s), and what is neither.
HALF_HTTP2 = (b"", PREFACE[:10], PREFACE, PREFACE + SETTINGS, PREFACE + SETTINGS + HEADERS_TO_COME,
              PREFACE + SETTINGS + CONTINUATION_TO_COME)
HALF_TLS = (b"", TLS_HELLO_BEGUN)
WRONG = (b"GET / HTTP/1.1\r\n\r\n" + bytes(64), TLS_HELLO_BEGUN + bytes(64))
CONFIG = "[client_quota]\nconnections_max = {of_client}\n[limits]\nconnections_max = {all}\n"
ROUNDS = 20
SLACK = 3  # sockets of a client that has just gone, of one that is just being refused
KIB_OF_A_CONNECTION = 256  # what a silent one may cost; measured: 30


def is_closed(connection):
    """Whether the daemon has closed it, which it does at once or not at all; what it says before is read."""
    connection.setblocking(False)
    try:
        while True:
            if not connection.recv(65536):
                return True
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True


class SilentClients:
    """Connections that say one of `words` and stay as they are."""

    def __init__(self):
        self.open = []

    def connect(self, family, to, words, source=None):
        connection = socket.socket(family)
        self.open.append(connection)
        if source:
            connection.bind((source, 0))
        connection.connect(to)
        try:
            connection.sendall(words[len(self.open) % len(words)])
        except (BrokenPipeError, ConnectionResetError):
            pass  # refused already
        return connection

    def close(self):
        for connection in self.open:
            connection.close()
        self.open = []


class ConnectionsSuite(ClientsCase):
    def setUp(self):
        super().setUp()
        self.silent = SilentClients()
        self.addCleanup(self.silent.close)

    def start_daemon(self):
        self.group = grp.getgrgid(os.getgid())  # each test starts it, with limits of its own

    def start(self, of_client, all_clients, *options):
        config = self.daemon.root / "gloveboxd.toml"
        config.write_text(CONFIG.format(of_client=of_client, all=all_clients))
        self.daemon.start("--config", config, "--socket-group", self.group.gr_name, *options)
        self.daemon.root.chmod(0o711)

    def start_tcp(self, of_client, all_clients):
        keys = self.daemon.root / "keys"
        keys.mkdir()
        subprocess.run(["sh", "-e", "-c", documented_commands()], cwd=keys, check=True, capture_output=True,
                       timeout=DEADLINE_S)
        self.start(of_client, all_clients, "--tcp-listen", "127.0.0.1:0", "--tls-certificate", keys / "server.pem",
                   "--tls-key", keys / "server.key", "--tls-client-ca", keys / "ca.pem")
        said = wait_until(lambda: re.search(r"tcp=127\.0\.0\.1:([1-9][0-9]*)", self.daemon.read_log()), "the port")
        return int(said.group(1))

    def tcp(self, port):
        client = TcpApi(port, self.daemon.root / "keys", "client.pem", "client.key")
        self.addCleanup(client.close)
        return client

    def sockets(self):
        folder, found = f"/proc/{self.daemon.process.pid}/fd", 0
        for name in os.listdir(folder):
            try:
                found += os.readlink(f"{folder}/{name}").startswith("socket:")
            except FileNotFoundError:
                continue
        return found

    def silent_unix(self, uid, count, words=HALF_HTTP2):
        with acting_as(uid, self.group.gr_gid):
            return [self.silent.connect(socket.AF_UNIX, str(self.daemon.socket), words) for _ in range(count)]

    def silent_tcp(self, port, source):
        return self.silent.connect(socket.AF_INET, ("127.0.0.1", port), HALF_TLS, source)

    def refused(self, connections, count):
        """At least so many are closed; later, those that waited too long are too."""
        wait_until(lambda: sum(map(is_closed, connections)) >= count, f"{count} of {len(connections)} are refused")
        self.assertRegex(self.daemon.read_log(), "connection refused.*connections, which is the most")

    def test_silent_clients_of_the_unix_socket_hold_up_nobody(self):
        self.start(16, 100)
        honest = self.api(OWNER)
        before = self.daemon.resident_kib(), self.sockets()
        # A user's own quota, then everybody's limit: seven users may have 16 each, the honest one has 1.
        self.refused(self.silent_unix(OTHER, 24), 8)
        for uid in range(OTHER + 1, OTHER + 7):
            self.silent_unix(uid, 16)
        self.refused(self.silent.open, 24 + 16 * 6 - 99)
        self.assertLessEqual(self.sockets() - before[1], 100 + SLACK)
        for _ in range(ROUNDS):
            honest.call("Sandbox", "ListSandboxes")
            self.assertEqual(self.daemon.cli("version").returncode, 0, "administrators connect anew")
        # Those of root have no limit, and hold up nobody either.
        self.silent_unix(0, 200)
        for _ in range(ROUNDS):
            self.assertEqual(self.daemon.cli("ls", "-q").returncode, 0)
        self.assertLess(self.daemon.resident_kib() - before[0], 300 * KIB_OF_A_CONNECTION)
        wrong = self.silent_unix(0, 30, WRONG)
        wait_until(lambda: all(map(is_closed, wrong)), "what is no HTTP/2 is sent away")
        self.silent.close()
        self.api(OTHER).call("Sandbox", "ListSandboxes")

    def test_readers_that_never_read_hold_up_nobody(self):
        self.start(16, 100)
        deaf, honest = self.api(OTHER), self.api(OWNER)
        sandbox = deaf.call("Sandbox", "CreateSandbox").sandbox.id
        deaf.call("Exec", "StartExec", sandbox_id=sandbox, exec_id="flood", spec={"arguments": [b"/usr/bin/yes"]})
        streams = [deaf.stream("Exec", "AttachExec", sandbox_id=sandbox, exec_id="flood") for _ in range(30)]
        before = self.daemon.resident_kib()
        mine = honest.call("Sandbox", "CreateSandbox").sandbox.id
        for number in range(ROUNDS):
            frames = list(honest.stream("Exec", "RunExec", sandbox_id=mine, exec_id=f"e{number}",
                                        spec={"arguments": [b"/bin/echo", b"well"]}))
            self.assertEqual(frames[-1].frame.end.exit_code, 0)
        self.assertLess(self.daemon.resident_kib() - before, 64 << 10)
        for stream in streams:
            stream.cancel()

    def test_strangers_over_tcp_end_at_their_limit(self):
        port = self.start_tcp(4, 40)
        before = self.sockets()
        friend = self.tcp(port)
        friend.call("Sandbox", "ListSandboxes")
        # A network has four, all together a quarter of forty.
        self.refused([self.silent_tcp(port, "127.0.9.1") for _ in range(20)], 16)
        self.assertLessEqual(self.sockets() - before, 1 + 4 + SLACK)
        self.refused([self.silent_tcp(port, f"127.0.9.{2 + number % 5}") for number in range(30)], 20)
        self.assertLessEqual(self.sockets() - before, 1 + 10 + SLACK)
        for _ in range(ROUNDS):
            friend.call("Sandbox", "ListSandboxes")
            self.assertEqual(self.daemon.cli("version").returncode, 0, "the unix socket is another door")
        self.silent.close()

        def served():  # the daemon closes its ends a moment later
            try:
                return self.tcp(port).call("Sandbox", "ListSandboxes")
            except grpc.RpcError as error:
                self.assertEqual(error.code(), grpc.StatusCode.UNAVAILABLE)

        wait_until(served, "the places of those that closed are free")

    def test_a_certificates_connections_end_at_its_quota(self):
        port = self.start_tcp(3, 100)
        first, *others = [self.tcp(port) for _ in range(3)]
        for client in (first, *others):
            client.call("Sandbox", "ListSandboxes")
        fourth = self.tcp(port)
        with self.assertRaises(grpc.RpcError) as caught:
            fourth.call("Sandbox", "ListSandboxes")
        self.assertEqual(details(caught.exception)[:2],
                         ("CLIENT_QUOTA", {"quota": "connections_max", "limit": "3"}))
        first.close()

        def served():
            try:
                return fourth.call("Sandbox", "ListSandboxes")
            except grpc.RpcError as error:
                self.assertEqual(details(error)[0], "CLIENT_QUOTA")

        wait_until(served, "the place of the first is free")


if __name__ == "__main__":
    unittest.main()
