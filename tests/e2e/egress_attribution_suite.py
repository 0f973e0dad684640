#!/usr/bin/env python3
"""Whose command a connection or a refusal was, while several commands run in one sandbox."""

import subprocess
import unittest

import api_client
import daemon
from egress_case import ORIGIN4, ORIGIN6, EgressCase

# Tries every way to where it may not go, by names and ports of its own, and one to where it may. Before, it says that it
# runs and waits for a line; after, it says so and waits for the end of its input.
ASKS = r"""
import socket, struct, sys
tag, port, origin4, origin6 = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
print("runs", flush=True)
sys.stdin.readline()

def spoken(address, words, family=socket.AF_INET):
    with socket.socket(family) as made:
        made.connect(address)
        try:
            for part in words:
                made.sendall(part)
                made.recv(65536)
        except ConnectionError:
            pass

try:
    socket.getaddrinfo(f"udp-{tag}.example", 80)
    sys.exit("it has an address")
except socket.gaierror:
    pass
name = f"tcp-{tag}".encode()
question = struct.pack(">HHHHHH", 7, 0x100, 1, 0, 0, 0) + bytes([len(name)]) + name + b"\7example\0\0\1\0\1"
spoken(("127.0.0.1", 53), [struct.pack(">H", len(question)) + question])
spoken((origin4, port), [b"GET / HTTP/1.1\r\n\r\n"])
spoken((origin6, port + 1), [b"GET / HTTP/1.1\r\n\r\n"], socket.AF_INET6)
spoken((f"::ffff:{origin4}", port + 2), [b"GET / HTTP/1.1\r\n\r\n"], socket.AF_INET6)
spoken(("127.0.0.1", 3128), [f"CONNECT connect-{tag}.example:80 HTTP/1.1\r\nHost: connect-{tag}.example:80\r\n\r\n".encode()])
host = f"socks-{tag}.example".encode()
spoken(("127.0.0.1", 1080), [b"\5\1\0", b"\5\1\0\3" + bytes([len(host)]) + host + b"\0\x50"])
spoken((socket.gethostbyname("good.example"), 80), [f"GET /{tag} HTTP/1.1\r\nHost: good.example\r\n\r\n".encode()])
print("asked", flush=True)
sys.stdin.read()
"""
# Connects to what is denied, or asks for a name that is, without end, until its input ends.
FLOODS = r"""
import socket, struct, sys, threading
origin = sys.argv[1]
question = struct.pack(">HHHHHH", 7, 0x100, 1, 0, 0, 0) + b"\5flood\7example\0\0\1\0\1"

def connect():
    while True:
        try:
            with socket.socket() as made:
                made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                made.connect((origin, 7777))
        except OSError:
            pass

def ask():
    with socket.socket(type=socket.SOCK_DGRAM) as made:
        while True:
            made.sendto(question, ("127.0.0.1", 53))

for _ in range(2):
    threading.Thread(target={"connect": connect, "ask": ask}[sys.argv[2]], daemon=True).start()
print("runs", flush=True)
sys.stdin.read()
"""
# Has a connection open, and ends with it.
HAS_ONE = r"""
import socket, sys
made = socket.create_connection((socket.gethostbyname("good.example"), 80))
made.sendall(f"GET /{sys.argv[1]} HTTP/1.1\r\nHost: good.example\r\n\r\n".encode())
made.recv(65536)
"""
# Leaves a process that asks for its name when it is told to.
LEAVES = r"""
import os, socket, time
if os.fork() == 0:
    os.setsid()
    for fd in range(3):
        os.close(fd)
    while not os.path.exists("/tmp/go"):
        time.sleep(0.01)
    try:
        socket.getaddrinfo("left.example", 80)
    except socket.gaierror:
        pass
    os.close(os.open("/tmp/gone", os.O_CREAT | os.O_WRONLY, 0o600))
    time.sleep(600)
"""
WAITS = "import sys; print('runs', flush=True); sys.stdin.read()"


def refusals_of(tag, port):
    """Targets as ASKS has them."""
    return {f"udp-{tag}.example", f"tcp-{tag}.example", f"connect-{tag}.example:80", f"socks-{tag}.example:80",
            f"{ORIGIN4}:{port}", f"[{ORIGIN6}]:{port + 1}", f"{ORIGIN4}:{port + 2}"}


def targets(records):
    return {one["host"] if not one["port"] else
            f"[{one['host']}]:{one['port']}" if ":" in one["host"] else f"{one['host']}:{one['port']}" for one in records}


class AttributionCase(EgressCase):
    def begin(self, sandbox, exec_id, program, *arguments):
        """It runs, and ends with its input."""
        begun = self.daemon.popen("exec", "-i", "--exec-id", exec_id, sandbox, "--", "python3", "-c", program, *arguments,
                                  stdin=subprocess.PIPE)
        self.addCleanup(self.abandon, begun)
        self.assertEqual(begun.stdout.readline(), b"runs\n")
        return begun

    @staticmethod
    def abandon(begun):
        begun.kill()
        begun.wait()
        for stream in (begun.stdin, begun.stdout, begun.stderr):
            stream.close()

    def end(self, begun):
        begun.stdin.close()
        said = begun.stderr.read().decode()
        self.assertEqual(begun.wait(), 0, said)

    def asks(self, sandbox, tag, port):
        return self.begin(sandbox, tag, ASKS, tag, port, ORIGIN4, ORIGIN6)

    def ask(self, *begun):
        """All at a time."""
        for one in begun:
            one.stdin.write(b"go\n")
            one.stdin.flush()
        for one in begun:
            self.assertEqual(one.stdout.readline(), b"asked\n")

    def denied(self, sandbox, exec_id):
        return {one["target"] for one in self.status(sandbox, exec_id)["denials"]}

    def by(self, sandbox, exec_id, *options):
        return [one for one in self.records(sandbox, *options) if one["exec_id"] == exec_id]

    def has_its_own(self, sandbox, tag, port):
        self.assertEqual(self.denied(sandbox, tag), refusals_of(tag, port))
        self.assertEqual(targets(self.by(sandbox, tag, "--refused")), refusals_of(tag, port))
        opened = {one["path"] for one in self.by(sandbox, tag) if one["state"] != "refused"}
        self.assertEqual(opened, {f"/{tag}"})


class Attribution(AttributionCase):
    def test_each_of_several_commands_has_its_own(self):
        sandbox = self.create("--allow", "good.example:80")
        server = self.begin(sandbox, "server", WAITS)
        for turn in range(3):
            ports = {f"t{turn}n{number}": 2000 + 10 * number for number in range(3)}
            begun = [self.asks(sandbox, tag, port) for tag, port in ports.items()]
            self.ask(*begun)
            for one in begun:
                self.end(one)
            for tag, port in ports.items():
                self.has_its_own(sandbox, tag, port)
        self.end(server)
        self.assertEqual(self.denied(sandbox, "server"), set())
        self.assertEqual([one for one in self.records(sandbox) if one["exec_id"] in ("", "server")], [])

    def test_beside_a_server_a_failed_command_says_why(self):
        sandbox = self.create("--allow", "good.example:80")
        self.ok("exec", "--detach", "--exec-id", "server", sandbox, "--", "python3", "-m", "http.server", "8000")
        self.ok("wait-port", sandbox, "8000")
        failed = self.run_in(sandbox, "curl", "-sS", "http://registry.example/", exec_id="install")
        self.assertIn("refused a connection to registry.example", failed.stderr.decode())
        self.assertEqual(self.denied(sandbox, "install"), {"registry.example"})
        self.assertEqual(self.fetch(sandbox, "http://127.0.0.1:8000/none", "--no-fail"), self.fetch(
            sandbox, "http://localhost:8000/none", "--no-fail"))
        self.assertTrue(self.reaches(sandbox))
        self.assertEqual(self.by(sandbox, "server"), [])
        self.assertEqual([one for one in self.records(sandbox) if not one["exec_id"]], [])

    def test_alone_and_beside_others_in_turn(self):
        sandbox = self.create("--allow", "good.example:80")
        first = self.asks(sandbox, "first", 3000)
        self.ask(first)
        second = self.asks(sandbox, "second", 3100)
        self.ask(second)
        self.end(first)
        third = self.asks(sandbox, "third", 3200)
        self.end(second)
        self.ask(third)
        self.end(third)
        for tag, port in (("first", 3000), ("second", 3100), ("third", 3200)):
            self.has_its_own(sandbox, tag, port)

    def test_the_end_of_a_connection_is_of_the_command_that_ended(self):
        """Which is told when another one runs, alone or not."""
        sandbox = self.create("--allow", "good.example:80")
        ids = [f"e{number}" for number in range(20)]
        for exec_id in ids:
            self.assertEqual(self.run_in(sandbox, "python3", "-c", HAS_ONE, exec_id, exec_id=exec_id).returncode, 0)

        def closed():
            return len([one for one in self.records(sandbox) if one["state"] == "closed"]) == len(ids)

        daemon.wait_until(closed, "all ends are told")
        self.assertEqual({one["exec_id"] for one in self.records(sandbox)}, set(ids))
        for one in self.records(sandbox):
            self.assertEqual(one["path"], f"/{one['exec_id']}")

    def test_what_a_command_left_is_not_taken_for_the_one_that_runs(self):
        sandbox = self.create("--allow", "good.example:80")
        self.api.call("Exec", "StartExec", sandbox_id=sandbox, exec_id="leaves", spec={
            "arguments": [b"python3", b"-c", LEAVES.encode()], "on_leader_exit": api_client.MESSAGES.exec.ON_LEADER_EXIT_KEEP})
        self.api.call("Exec", "WaitExec", sandbox_id=sandbox, exec_id="leaves")
        runs = self.asks(sandbox, "runs", 7000)
        self.ok("exec", "--exec-id", "tells", sandbox, "--", "touch", "/tmp/go")
        self.ask(runs)
        self.ok("exec", sandbox, "--", "sh", "-c", "until [ -e /tmp/gone ]; do sleep 0.01; done")
        self.end(runs)
        self.has_its_own(sandbox, "runs", 7000)
        left = daemon.wait_until(lambda: [one for one in self.records(sandbox) if one["host"] == "left.example"], "it is told")
        self.assertEqual({one["exec_id"] for one in left}, {"leaves"})
        self.assertEqual(self.denied(sandbox, "leaves"), set(), "its end was told before")

    def test_it_goes_on_over_the_ends_of_the_proxy_and_of_the_daemon(self):
        sandbox = self.create("--allow", "good.example:80")
        self.ok("exec", "--detach", "--exec-id", "server", sandbox, "--", "python3", "-m", "http.server", "8000")
        self.ok("wait-port", sandbox, "8000")
        daemon.kill_and_wait(self.process("glovebox-egress"))
        daemon.wait_until(lambda: self.reaches(sandbox), "the next proxy serves")
        self.asks_and_knows(sandbox, "proxy", 4000)
        for number, _ in enumerate(self.each_restart()):
            self.asks_and_knows(sandbox, f"restart-{number}", 4010 + 10 * number)
        self.assertEqual(self.denied(sandbox, "restart-0"), refusals_of("restart-0", 4010), "the next daemon says so too")
        self.assertEqual(self.by(sandbox, "server"), [])

    def asks_and_knows(self, sandbox, tag, port):
        begun = self.asks(sandbox, tag, port)
        self.ask(begun)
        self.end(begun)
        self.assertEqual(self.denied(sandbox, tag), refusals_of(tag, port))

    def test_children_and_rollbacks_know_it_too(self):
        sandbox = self.create("--allow", "good.example:80")
        self.told("checkpoint", "create", sandbox, "before")
        child = self.told("fork", sandbox).strip()
        self.addCleanup(self.daemon.cli, "rm", "--force", child)
        self.told("rollback", sandbox, "before")
        for one in (sandbox, child):
            begun = [self.asks(one, "left", 5000), self.asks(one, "right", 5100)]
            self.ask(*begun)
            for each in begun:
                self.end(each)
            self.has_its_own(one, "left", 5000)
            self.has_its_own(one, "right", 5100)

    def flooded(self, kind, *command):
        """What a command says that is refused once beside one that is without end."""
        sandbox = self.create("--allow", "good.example:80")
        other = self.create("--allow", "good.example:80")
        flood = self.begin(sandbox, "flood", FLOODS, ORIGIN4, kind)
        daemon.wait_until(lambda: len(self.by(sandbox, "flood", "--refused")) > 100, "it is refused")
        beside = self.asks(other, "beside", 6000)
        found = []
        for number in range(5):
            exec_id = f"install{number}"
            self.run_in(sandbox, *(f"{part}{number}.example" if part.endswith("/") or part == "name" else part
                                   for part in command), exec_id=exec_id)
            found.append(self.denied(sandbox, exec_id))
        self.ask(beside)
        self.end(beside)
        self.has_its_own(other, "beside", 6000)
        self.end(flood)
        self.assertEqual({one["host"] for one in self.by(sandbox, "flood")} - {ORIGIN4, "flood.example"}, set())
        self.assertLessEqual({one["exec_id"] for one in self.records(sandbox) if one["host"] in (ORIGIN4, "flood.example")},
                             {"flood", ""})
        return found

    def test_a_flood_of_connections_hides_no_refusal_of_another(self):
        found = self.flooded("connect", "getent", "hosts", "name")
        self.assertEqual(found, [{f"name{number}.example"} for number in range(5)])

    def test_a_flood_of_questions_hides_no_refusal_of_another(self):
        found = self.flooded("ask", "curl", "-sS", "--proxy", "http://127.0.0.1:3128", "http://")
        self.assertEqual(found, [{f"{number}.example:80"} for number in range(5)])


class AttributionByNamedPorts(AttributionCase):
    """The same where ports have a listener each."""

    configuration = "all_ports = false\n"

    def test_each_of_two_has_its_own(self):
        sandbox = self.create("--allow", "good.example:80")
        server = self.begin(sandbox, "server", WAITS)
        failed = [self.run_in(sandbox, "curl", "-sS", "--fail", url, exec_id=exec_id) for exec_id, url in
                  (("name", "http://other.example/"), ("address", f"http://{ORIGIN4}/"), ("fine", "http://good.example/x"))]
        self.assertEqual([one.returncode == 0 for one in failed], [False, False, True])
        self.end(server)
        self.assertEqual(self.denied(sandbox, "name"), {"other.example"})
        self.assertEqual(self.denied(sandbox, "address"), {f"{ORIGIN4}:80"})
        self.assertEqual({one["host"] for one in self.by(sandbox, "fine")}, {"good.example"})
        self.assertEqual(self.denied(sandbox, "server"), set())


if __name__ == "__main__":
    unittest.main()
