"""glovebox-front: the process without privileges that terminates TLS for the TCP port. What it may, who gets through it,
and that nothing but its own connections is lost with it."""

import hashlib
import os
import pathlib
import re
import select
import signal
import socket
import subprocess
import unittest

import api_client  # noqa: F401  (makes google.rpc)
import grpc
from connections_suite import is_closed
from daemon import DEADLINE_S, FreshDaemonCase, kill_and_wait, name_of, wait_until
from tls_suite import TcpApi, documented_commands

BACK_PRESSURE = "OUTPUT_POLICY_BACK_PRESSURE"
LARGE_MIB = int(os.environ.get("GLOVEBOX_LARGE_MIB", 256))
ROUNDS = 20
NOBODY = "65534"
HELLO_BEGUN = b"\x16\3\1\2\0\1\0\1\xfc\3\3"
# A record of the largest size whose message says that it has sixteen mebibytes.
HELLO_WITHOUT_END = b"\x16\3\1\x40\0\1\xff\xff\xff\3\3" + bytes(16373)
GARBAGE = (b"GET / HTTP/1.1\r\n\r\n", bytes(4096), b"\x16\3\1\0\0" * 100, b"\x80\x2e\1\0\2" + bytes(64),
           HELLO_WITHOUT_END, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
# Lines until a file says that it is enough; between two heaps it rests, so that all of them are retained.
NUMBERED = """
import os, time
i = 0
while not os.path.exists("/tmp/enough"):
    for i in range(i, i + 20):
        print("line", i)
    i += 1
    print(end="", flush=True)
    time.sleep(0.02)
print("end", i, flush=True)
"""


class FrontCase(FreshDaemonCase):
    limits = "[client_quota]\nconnections_max = 64\n"

    def start_daemon(self):
        self.keys = self.daemon.root / "keys"
        self.keys.mkdir()
        script = documented_commands()
        self.sh(script)
        stranger = self.keys / "stranger"
        stranger.mkdir()
        self.sh(script, stranger)
        # As the client's, but its days are over.
        self.sh(script[script.index("# a client"):].replace("client.", "expired.").replace("-days 90", "-days -1"))
        config = self.daemon.root / "gloveboxd.toml"
        config.write_text(self.limits)
        self.options = ["--config", config, "--tcp-listen", "127.0.0.1:0", "--tls-certificate", self.keys / "server.pem",
                        "--tls-key", self.keys / "server.key", "--tls-client-ca", self.keys / "ca.pem"]
        self.starts = 0
        self.start()

    def start(self):
        """Anew or again, each time at a port that is free then."""
        self.starts += 1
        self.daemon.start(*self.options)
        ports = wait_until(lambda: self.ports() if len(self.ports()) == self.starts else None, "the port")
        self.port = int(ports[-1])

    def ports(self):
        return re.findall(r"tcp=127\.0\.0\.1:([1-9][0-9]*)", self.daemon.read_log())

    def sh(self, script, directory=None):
        subprocess.run(["sh", "-e", "-c", script], cwd=directory or self.keys, check=True, capture_output=True,
                       timeout=DEADLINE_S)

    def tcp(self):
        client = TcpApi(self.port, self.keys, "client.pem", "client.key")
        self.addCleanup(client.close)
        return client

    def front(self):
        return wait_until(lambda: next((pid for pid in self.daemon.descendants() if name_of(pid) == "glovebox-front"),
                                       None), "a front")

    def connect(self, words=b""):
        connection = socket.create_connection(("127.0.0.1", self.port))
        self.addCleanup(connection.close)
        connection.sendall(words)
        return connection

    def first_byte(self, *arguments):
        """What comes through TLS from the other side, or nothing, if that closes the connection."""
        client = subprocess.Popen(["openssl", "s_client", "-connect", f"127.0.0.1:{self.port}", "-CAfile", "ca.pem", "-quiet",
                                   *arguments], cwd=self.keys, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                  stderr=subprocess.DEVNULL)
        with client:
            byte = client.stdout.read(1)
            client.kill()
        return byte

    def serves(self):
        self.assertEqual(self.tcp().call("Node", "GetNode").DESCRIPTOR.name, "GetNodeResponse")


def links(pid):
    """What its descriptors are; one that is closed meanwhile is none."""
    found = []
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            found.append(os.readlink(f"/proc/{pid}/fd/{name}"))
        except FileNotFoundError:
            continue
    return found


def kinds(pid):
    return sorted(re.sub(r":\[\d+\]", "", link) for link in links(pid))


class FrontSuite(FrontCase):
    def test_it_has_no_privilege_and_sees_nothing_of_the_host(self):
        front = self.front()
        status = dict(line.split(":\t", 1) for line in pathlib.Path(f"/proc/{front}/status").read_text().splitlines()
                      if ":\t" in line)
        for field in ("Uid", "Gid"):
            self.assertEqual(status[field].split(), [NOBODY] * 4, field)
        self.assertEqual(status["Groups"].split(), [])
        for field in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            self.assertEqual(int(status[field], 16), 0, field)
        self.assertEqual((status["NoNewPrivs"], status["Seccomp"], status["Threads"]), ("1", "2", "1"))
        self.assertEqual(os.listdir(f"/proc/{front}/root"), [])
        self.assertEqual(len(pathlib.Path(f"/proc/{front}/mounts").read_text().splitlines()), 1)
        for namespace in ("mnt", "net", "ipc", "uts"):
            theirs = os.readlink(f"/proc/{front}/ns/{namespace}")
            for other in ("self", self.daemon.process.pid):
                self.assertNotEqual(theirs, os.readlink(f"/proc/{other}/ns/{namespace}"), namespace)
        # The control socket, the listening one, epoll; a client has two more, and nothing else is ever open.
        quiet = ["/dev/null"] * 3 + ["anon_inode:[eventpoll]"] + ["socket"] * 2
        self.assertEqual(kinds(front), quiet)
        client = self.tcp()
        client.call("Node", "GetNode")
        self.assertEqual(kinds(front), sorted(quiet + ["socket"] * 2))
        client.close()
        wait_until(lambda: kinds(front) == quiet, "the client's are closed")

    def test_the_daemon_itself_neither_accepts_nor_parses_what_strangers_send(self):
        strangers = [self.connect(HELLO_BEGUN) for _ in range(5)]
        front = self.front()
        wait_until(lambda: len(kinds(front)) == 6 + len(strangers), "they are at the front")
        inodes = {link[len("socket:[") : -1] for link in links(self.daemon.process.pid) if link.startswith("socket:")}
        # The daemon's own sockets of TCP: the listening one, which it keeps for the next front.
        table = pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]
        mine = [row.split()[3] for row in table if row.split()[9] in inodes]
        self.assertEqual(mine, ["0A"])

    def test_garbage_is_closed_and_a_silent_or_slow_hello_has_its_time(self):
        honest = self.tcp()
        honest.call("Node", "GetNode")
        silent = [self.connect(words) for words in (b"", HELLO_BEGUN)]
        slow = self.connect(HELLO_BEGUN)
        garbage = [self.connect(words) for words in GARBAGE]
        wait_until(lambda: all(map(is_closed, garbage)), "garbage is sent away")
        dribbled = 0
        while not is_closed(slow):  # a byte every now and then does not win time
            try:
                dribbled += slow.send(b"x")
            except OSError:
                break
            select.select([], [], [], 0.1)
            honest.call("Node", "GetNode")
            self.assertLess(dribbled, 10 * DEADLINE_S)
        wait_until(lambda: all(map(is_closed, silent)), "the silent ones are sent away")
        self.assertIn("not through the handshake in time", self.daemon.read_log())
        honest.call("Node", "GetNode")

    def test_who_has_no_good_certificate_or_another_protocol_gets_no_byte_to_the_daemon(self):
        good = ["-cert", "client.pem", "-key", "client.key"]
        cases = {
            "no certificate": ["-alpn", "h2"],
            "another authority": ["-alpn", "h2", "-cert", "stranger/client.pem", "-key", "stranger/client.key"],
            "expired": ["-alpn", "h2", "-cert", "expired.pem", "-key", "expired.key"],
            "a server's": ["-alpn", "h2", "-cert", "server.pem", "-key", "server.key"],
            "another protocol": ["-alpn", "http/1.1", *good],
            "no protocol": good,
            "an old version": ["-alpn", "h2", "-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0", *good],
        }
        front = self.front()
        before = len(kinds(front))
        for what, arguments in cases.items():
            self.assertEqual(self.first_byte(*arguments), b"", what)  # gRPC would begin with its settings
        self.assertNotEqual(self.first_byte("-alpn", "h2", *good), b"", "the neighbour that is allowed")
        self.assertRegex(self.daemon.read_log(), "connection refused.*address=")
        wait_until(lambda: len(kinds(front)) == before, "all are gone")
        self.assertEqual(self.front(), front, "none of it ended the front")

    def test_a_large_output_arrives_whole_and_others_are_answered_meanwhile(self):
        client, other = self.tcp(), self.tcp()
        sandbox = client.call("Sandbox", "CreateSandbox").sandbox.id
        script = f"head -c {LARGE_MIB << 20} /dev/urandom | tee /dev/stderr | sha256sum >/tmp/sum"
        stream = client.stream("Exec", "RunExec", timeout=600, sandbox_id=sandbox, exec_id="large", spec={
            "arguments": [b"/bin/sh", b"-c", script.encode()], "output_policy": BACK_PRESSURE})
        digest, size, answered = hashlib.sha256(), 0, 0
        for response in stream:
            frame = response.frame
            self.assertFalse(frame.HasField("gap"), "nothing is missing")
            digest.update(frame.stderr)
            size += len(frame.stderr)
            if size * ROUNDS >= answered * LARGE_MIB << 20:
                other.call("Node", "GetNode")
                answered += 1
        self.assertEqual((size, frame.end.exit_code), (LARGE_MIB << 20, 0))
        self.assertGreaterEqual(answered, ROUNDS)
        said = "".join(one.frame.stdout.decode() for one in client.stream(
            "Exec", "RunExec", sandbox_id=sandbox, exec_id="sum", spec={"arguments": [b"/bin/cat", b"/tmp/sum"]}))
        self.assertEqual(said.split()[0], digest.hexdigest())

    def test_a_large_input_arrives_whole(self):
        client = self.tcp()
        sandbox = client.call("Sandbox", "CreateSandbox").sandbox.id
        client.call("Exec", "StartExec", sandbox_id=sandbox, exec_id="in", spec={
            "arguments": [b"/usr/bin/sha256sum"], "stdin_mode": "STDIN_MODE_PIPE"})
        piece, offset, digest = os.urandom(1 << 20), 0, hashlib.sha256()
        for _ in range(64):
            client.call("Exec", "WriteStdin", sandbox_id=sandbox, exec_id="in", offset=offset, data=piece)
            digest.update(piece)
            offset += len(piece)
        client.call("Exec", "WriteStdin", sandbox_id=sandbox, exec_id="in", offset=offset, eof=True)
        said = "".join(one.frame.stdout.decode() for one in client.stream(
            "Exec", "AttachExec", sandbox_id=sandbox, exec_id="in"))
        self.assertEqual(said.split()[0], digest.hexdigest())

    def test_a_client_that_never_reads_holds_up_nobody(self):
        deaf, honest = self.tcp(), self.tcp()
        sandbox = deaf.call("Sandbox", "CreateSandbox").sandbox.id
        deaf.call("Exec", "StartExec", sandbox_id=sandbox, exec_id="flood", spec={"arguments": [b"/usr/bin/yes"]})
        streams = [deaf.stream("Exec", "AttachExec", sandbox_id=sandbox, exec_id="flood") for _ in range(30)]
        mine = honest.call("Sandbox", "CreateSandbox").sandbox.id
        for number in range(ROUNDS):
            frames = list(honest.stream("Exec", "RunExec", sandbox_id=mine, exec_id=f"e{number}",
                                        spec={"arguments": [b"/bin/echo", b"well"]}))
            self.assertEqual(frames[-1].frame.end.exit_code, 0)
        for stream in streams:
            stream.cancel()


class FrontEndsSuite(FrontCase):
    def lines(self, client, sandbox, sequence, until):
        """Of the command, from `sequence`, and the latest sequence, until `until` says so or the stream ends."""
        text, code = "", None
        try:
            for response in client.stream("Exec", "AttachExec", sandbox_id=sandbox, exec_id="lines",
                                          from_sequence=sequence + 1):
                frame = response.frame
                self.assertFalse(frame.HasField("gap"), "nothing is missing")
                text += frame.stdout.decode()
                sequence = max(sequence, frame.sequence)
                if until(text):
                    break
        except grpc.RpcError as error:
            code = error.code()
        return text, sequence, code

    def test_its_death_costs_its_connections_and_nothing_else(self):
        client = self.tcp()
        sandbox = client.call("Sandbox", "CreateSandbox").sandbox.id
        client.call("Exec", "StartExec", sandbox_id=sandbox, exec_id="lines", spec={
            "arguments": [b"/usr/bin/python3", b"-c", NUMBERED.encode()]})
        local = self.daemon.popen("attach", sandbox, "lines")
        self.addCleanup(local.wait)
        self.addCleanup(local.kill)
        self.addCleanup(local.stdout.close)
        self.addCleanup(local.stderr.close)
        text, sequence, deaths, front = "", 0, 0, self.front()

        def killed_in_the_middle(more):
            nonlocal deaths
            if more.count("line") > 50 and deaths == len(dead):
                deaths += 1
                kill_and_wait(front)
            return False

        dead = []
        for _ in range(3):
            more, sequence, code = self.lines(client, sandbox, sequence, killed_in_the_middle)
            self.assertEqual(code, grpc.StatusCode.UNAVAILABLE)
            text += more
            dead.append(front)
            front = wait_until(lambda: next((pid for pid in self.daemon.descendants()
                                             if name_of(pid) == "glovebox-front" and pid not in dead), None), "another")
            client = self.tcp()
            wait_until(lambda: self.answers(client), "the client is back")
        self.ok("exec", sandbox, "--", "touch", "/tmp/enough")
        more, _, code = self.lines(client, sandbox, sequence, lambda _: False)
        self.assertIsNone(code)
        lines = (text + more).splitlines()
        count = int(lines[-1].split()[1])
        self.assertEqual(lines, [f"line {number}" for number in range(count)] + [f"end {count}"])
        self.assertEqual(local.stdout.read().decode().splitlines(), lines, "the unix client has noticed nothing")
        self.assertEqual(local.wait(timeout=DEADLINE_S), 0)
        self.assertIn("glovebox-front has ended", self.daemon.read_log())

    def answers(self, client):
        try:
            return client.call("Node", "GetNode", timeout=10)
        except grpc.RpcError as error:
            self.assertIn(error.code(), (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED))

    def test_it_ends_with_its_daemon(self):
        for how in (signal.SIGKILL, signal.SIGTERM):
            self.serves()
            descriptor = os.pidfd_open(self.front())
            self.addCleanup(os.close, descriptor)
            self.daemon.process.send_signal(how)
            self.daemon.process.wait(timeout=DEADLINE_S)
            self.assertTrue(select.select([descriptor], [], [], DEADLINE_S)[0], how)
            self.start()

    def test_a_signal_to_it_that_is_for_the_daemon_does_not_end_it(self):
        front = self.front()
        client = self.tcp()
        client.call("Node", "GetNode")
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE):
            os.kill(front, number)
        client.call("Node", "GetNode")
        self.assertEqual(self.front(), front)

    def test_a_daemon_that_stops_answers_the_streams_that_are_open(self):
        client = self.tcp()
        sandbox = client.call("Sandbox", "CreateSandbox").sandbox.id
        stream = client.stream("Exec", "RunExec", sandbox_id=sandbox, exec_id="long", spec={
            "arguments": [b"/bin/sh", b"-c", b"echo begun; exec sleep 1000"]})
        next(one for one in stream if b"begun" in one.frame.stdout)
        self.daemon.process.terminate()
        frames = list(stream)  # ends with OK, not with a broken connection
        self.assertTrue(frames[-1].frame.HasField("end"))
        self.assertEqual(self.daemon.process.wait(timeout=DEADLINE_S), 0)
        self.start()


if __name__ == "__main__":
    unittest.main()
