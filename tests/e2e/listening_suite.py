#!/usr/bin/env python3
"""What listens in a sandbox, as ListListeningPorts, WaitForPort and the CLI tell it."""

import collections
import contextlib
import json
import os
import pathlib
import unittest

import api_client
import daemon
import grpc
from ports_suite import COMMON, PORT, Outcome, PortsCase


# Listens where it is told to, says "up", and tells for each line of its stdin whether anybody has connected.
SILENT = COMMON + """
address = sys.argv[2] if len(sys.argv) > 2 else '127.0.0.1'
made = listener(int(sys.argv[1]), address, socket.AF_INET6 if ':' in address else socket.AF_INET)
made.setblocking(False)
print('up', flush=True)
for _ in sys.stdin:
    try:
        made.accept()
        print('somebody', flush=True)
    except BlockingIOError:
        print('nobody', flush=True)
"""
# Begins to listen when it is told to.
LATER = COMMON + """
print('up', flush=True)
sys.stdin.readline()
made = listener(int(sys.argv[1]))
time.sleep(600)
"""
# As many as it is told to, each process as many as it may have descriptors.
MANY = COMMON + """
import resource, itertools
_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
at_once = min(hard - 50, 5000)
left, first = int(sys.argv[1]), 10000
kept = []
while left > 0:
    reading, writing = os.pipe()
    count = min(left, at_once)
    if os.fork() == 0:
        kept = [listener(first + i, backlog=1) for i in range(count)]
        os.write(writing, b'x')
        time.sleep(600)
    assert os.read(reading, 1) == b'x'
    left, first = left - count, first + count
print('up', flush=True)
time.sleep(600)
"""
NAMED = COMMON + """
import ctypes
made = listener(int(sys.argv[1]))
ctypes.CDLL(None).prctl(15, b'\\x1b[2J\\n\\xff\\\\evil', 0, 0, 0)
print('up', flush=True)
time.sleep(600)
"""
# Nobody else of its user may look at it any more.
HIDDEN = COMMON + """
import ctypes
made = listener(int(sys.argv[1]))
ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)
print('up', flush=True)
time.sleep(600)
"""
# Listens and dies, again and again.
FLEETING = COMMON + """
print('up', flush=True)
while True:
    if os.fork() == 0:
        made = listener(int(sys.argv[1]), backlog=1)
        os._exit(0)
    os.wait()
"""


class ListeningCase(PortsCase):
    def ports(self, sandbox, **fields):
        try:
            return self.api.call("Network", "ListListeningPorts", sandbox_id=sandbox, **fields)
        except grpc.RpcError as error:
            raise Outcome(error) from None

    def wait(self, sandbox, port=PORT, seconds=60):
        return self.ended(self.begin_wait(sandbox, port, seconds)).port

    def begin_wait(self, sandbox, port=PORT, seconds=600, api=None):
        api = api or self.api
        timeout = {"seconds": int(seconds), "nanos": int(seconds % 1 * 1e9)}
        module = api.messages.network
        stub = api.channel.unary_unary("/glovebox.v1.NetworkService/WaitForPort",
                                            request_serializer=module.WaitForPortRequest.SerializeToString,
                                            response_deserializer=module.WaitForPortResponse.FromString)
        call = stub.future(module.WaitForPortRequest(sandbox_id=sandbox, port=port, timeout=timeout), timeout=700)
        self.addCleanup(call.cancel)
        return call

    def ended(self, call):
        try:
            return call.result(timeout=daemon.DEADLINE_S)
        except grpc.RpcError as error:
            raise Outcome(error) from None


class Lists(ListeningCase):
    def test_sockets_are_told_with_who_has_them(self):
        sandbox, other = self.create(), self.create()
        self.assertEqual(list(self.ports(sandbox).ports), [])
        self.serve(other, SILENT, port=PORT + 9)
        self.ok("exec", "--detach", "--exec-id", "web", sandbox, "--", "python3", "-m", "http.server", "--bind", "127.0.0.1", PORT)
        # A child of the command, which is an exec's no less.
        self.ok("exec", "--detach", "--exec-id", "six", sandbox, "--", "sh", "-c",
                f"python3 -m http.server --bind :: {PORT + 1} & echo $! > /tmp/pid; wait")
        self.assertEqual(self.wait(sandbox, PORT + 1).address, "::")
        self.assertEqual(self.wait(sandbox).exec_id, "web")
        told = self.ports(sandbox)
        self.assertEqual([(one.port, one.address, one.exec_id, one.program) for one in told.ports],
                         [(PORT, "127.0.0.1", "web", "python3"), (PORT + 1, "::", "six", "python3")])
        self.assertEqual(told.ports[1].pid, int(self.ok("exec", sandbox, "--", "cat", "/tmp/pid")))
        self.assertGreater(told.ports[0].pid, 1)
        self.assertEqual((told.omitted_count, told.owners_incomplete, told.next_page_token), (0, False, ""))

    def owned_ports(self, sandbox, **fields):
        """A listing with all owners: who looks for them has 2 s, which a host that is busy may not give it."""
        pages = []

        def whole():
            pages.append(self.ports(sandbox, **fields))
            return not pages[-1].owners_incomplete

        daemon.wait_until(whole, "every owner is found")
        return pages[-1]

    def test_ten_thousand_are_listed_in_pages(self):
        sandbox = self.create()
        self.serve(sandbox, MANY, port=10_000)
        found, token, pages = [], "", 0
        while True:
            page = self.owned_ports(sandbox, page_size=1000, page_token=token)
            self.assertLessEqual(len(page.ports), 1000)
            found += [one.port for one in page.ports]
            self.assertTrue(all(one.pid for one in page.ports))
            token, pages = page.next_page_token, pages + 1
            if not token:
                break
        self.assertEqual(found, list(range(10_000, 20_000)))
        self.assertEqual((pages, page.omitted_count), (10, 0))
        self.assertEqual(self.wait(sandbox, 19_999).port, 19_999)

    def test_more_than_the_limit_are_counted(self):
        sandbox = self.create()
        self.serve(sandbox, MANY, port=17_000)
        self.assertEqual(self.ports(sandbox, page_size=1).omitted_count, 17_000 - 16_384)

    def test_names_that_processes_give_themselves_are_escaped(self):
        sandbox = self.create()
        self.serve(sandbox, NAMED)
        self.assertEqual(self.ports(sandbox).ports[0].program, "\\x1b[2J\\n\\xff\\\\evil")
        self.assertIn(b"\\x1b[2J\\n\\xff\\\\evil", self.ok("ports", sandbox))

    def test_a_process_that_hides_is_said_to_be_missing(self):
        sandbox = self.create()
        self.serve(sandbox, HIDDEN)
        told = self.ports(sandbox)
        self.assertEqual((told.ports[0].pid, told.ports[0].program, told.owners_incomplete), (0, "", True))
        self.assertNotEqual(told.ports[0].exec_id, "")  # which is the kernel's word

    def test_processes_that_die_meanwhile_do_no_harm(self):
        sandbox = self.create()
        self.serve(sandbox, SILENT)
        self.serve(sandbox, FLEETING, port=PORT + 1)
        for _ in range(20):
            self.assertEqual(self.ports(sandbox).ports[0].port, PORT)

    def test_a_program_that_is_stopped_costs_the_owners_alone(self):
        sandbox = self.create()
        self.serve(sandbox, SILENT)
        self.ok("exec", sandbox, "--", "which", "pkill")
        self.ok("exec", "--detach", sandbox, "--", "sh", "-c", "while :; do pkill -STOP -f '^glovebox-files'; done")
        for _ in range(3):
            told = self.ports(sandbox)
            self.assertEqual([one.port for one in told.ports], [PORT])
            self.assertEqual(told.owners_incomplete, told.ports[0].pid == 0)

    def test_a_paused_or_stopped_sandbox_is_refused(self):
        sandbox = self.create()
        self.ok("pause", sandbox)
        self.refused("FAILED_PRECONDITION", "SANDBOX_PAUSED", lambda: self.ports(sandbox))
        self.refused("FAILED_PRECONDITION", "SANDBOX_PAUSED", lambda: self.wait(sandbox))
        self.ok("resume", sandbox)
        self.assertEqual(list(self.ports(sandbox).ports), [])
        self.refused("INVALID_ARGUMENT", "PAGE_TOKEN_INVALID", lambda: self.ports(sandbox, page_token="x"))


class Waits(ListeningCase):
    def waiting(self):
        """How many wait in one sandbox: each has a descriptor of its one socket."""
        links = []
        for entry in pathlib.Path(f"/proc/{self.daemon.process.pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                links.append(os.readlink(entry))
        sockets = collections.Counter(link for link in links if link.startswith("socket:"))
        return max(sockets.values())

    def test_it_answers_when_a_command_listens_and_nobody_connects(self):
        sandbox = self.create()
        server = self.serve(sandbox, LATER)
        call = self.begin_wait(sandbox)
        self.refused("DEADLINE_EXCEEDED", "PORT_SILENT", lambda: self.wait(sandbox, seconds=0.3))
        self.assertFalse(call.done())
        server.stdin.write(b"\n")
        server.stdin.flush()
        self.assertEqual(self.ended(call).port.port, PORT)
        seen = self.serve(sandbox, SILENT, port=PORT + 1)
        self.assertEqual(self.wait(sandbox, PORT + 1, seconds=0).address, "127.0.0.1")
        seen.stdin.write(b"\n")
        seen.stdin.flush()
        self.assertEqual(seen.stdout.readline(), b"nobody\n")

    def test_every_address_that_is_reached_by_loopback_counts_and_no_other(self):
        sandbox = self.create()
        for i, address in enumerate(("127.0.0.1", "0.0.0.0", "::1", "::")):
            self.serve(sandbox, SILENT, address, port=PORT + i)
            self.assertEqual(self.wait(sandbox, PORT + i, seconds=0).address, address)
        self.serve(sandbox, SILENT, "127.0.0.2", port=PORT + 7)
        self.refused("DEADLINE_EXCEEDED", "PORT_SILENT", lambda: self.wait(sandbox, PORT + 7, seconds=0))

    def test_what_listens_instead_is_told(self):
        sandbox = self.create()
        outcome = self.refused("DEADLINE_EXCEEDED", "PORT_SILENT", lambda: self.wait(sandbox, seconds=0))
        self.assertEqual((outcome.metadata["port"], outcome.metadata["listening"]), (str(PORT), ""))
        self.assertIn("nothing listens in it at all", str(outcome))
        self.serve(sandbox, SILENT, port=PORT + 1)
        outcome = self.refused("DEADLINE_EXCEEDED", "PORT_SILENT", lambda: self.wait(sandbox, seconds=0.05))
        self.assertEqual(outcome.metadata["listening"], f"{PORT + 1} 127.0.0.1")

    def test_requests_that_are_wrong_are_refused(self):
        sandbox = self.create()
        for port, seconds in ((0, 1), (65536, 1), (PORT, -1), (PORT, 3601)):
            self.refused("INVALID_ARGUMENT", "INVALID_FIELD", lambda: self.wait(sandbox, port, seconds=seconds))

    def test_it_ends_with_the_sandbox(self):
        descriptors = self.daemon.descriptors()
        sandbox = self.create()
        call = self.begin_wait(sandbox)
        self.refused("DEADLINE_EXCEEDED", "PORT_SILENT", lambda: self.wait(sandbox, seconds=0))
        self.ok("rm", sandbox)
        self.refused("FAILED_PRECONDITION", "SANDBOX_STOPPED", lambda: self.ended(call))
        self.idle(descriptors)

    def test_many_that_end_together_are_all_answered(self):
        sandbox = self.create()
        self.serve(sandbox, SILENT, port=PORT + 1)
        for call in [self.begin_wait(sandbox, seconds=1) for _ in range(128)]:
            # One of them at a time lists what listens; to the others that is not told.
            outcome = self.refused("DEADLINE_EXCEEDED", "PORT_SILENT", lambda: self.ended(call))
            self.assertIn(outcome.metadata.get("listening"), (None, f"{PORT + 1} 127.0.0.1"))

    def test_a_client_that_goes_away_leaves_nothing(self):
        sandbox = self.create()
        calls = [self.begin_wait(sandbox) for _ in range(20)]
        daemon.wait_until(lambda: self.waiting() == 20, "they wait")
        for call in calls:
            call.cancel()
        daemon.wait_until(lambda: self.waiting() == 1, "the daemon has given its descriptors back")

    def test_more_than_the_limit_are_refused_and_the_others_wait_on(self):
        sandbox = self.create()
        calls = [self.begin_wait(sandbox) for _ in range(128)]
        daemon.wait_until(lambda: self.waiting() == 128, "they wait")
        self.refused("RESOURCE_EXHAUSTED", "FORWARD_LIMIT", lambda: self.wait(sandbox))
        self.refused("RESOURCE_EXHAUSTED", "FORWARD_LIMIT", lambda: self.ports(sandbox))
        self.serve(sandbox, SILENT)
        for call in calls:
            self.assertEqual(self.ended(call).port.port, PORT)
        self.assertEqual([one.port for one in self.ports(sandbox).ports], [PORT])


class Restarts(daemon.LeavingDaemonCase):
    def test_the_next_daemon_tells_the_same(self):
        sandbox = self.create()
        self.ok("exec", "--detach", "--exec-id", "web", sandbox, "--", "python3", "-m", "http.server", PORT)
        self.ok("wait-port", sandbox, PORT)
        before = self.ok("ports", "--json", sandbox)
        api = api_client.Api(self.daemon.socket)
        self.addCleanup(api.close)
        # Two, for one of them cannot be told from the daemon's other sockets.
        waiting = [ListeningCase.begin_wait(self, sandbox, PORT + 1, api=api) for _ in range(2)]
        daemon.wait_until(lambda: Waits.waiting(self) == 2, "they wait")
        self.daemon.process.terminate()
        self.daemon.process.wait(timeout=daemon.DEADLINE_S)
        for call in waiting:
            with self.assertRaises(Outcome) as caught:
                ListeningCase.ended(self, call)
            self.assertEqual(caught.exception.code, "UNAVAILABLE")
        self.start_daemon()
        self.assertEqual(self.ok("ports", "--json", sandbox), before)
        self.assertEqual(json.loads(before)["ports"][0]["exec_id"], "web")


class CommandLine(ListeningCase):
    def test_ports_and_wait_port(self):
        sandbox = self.create()
        self.assertEqual(self.ok("ports", sandbox).split(), [b"PORT", b"ADDRESS", b"EXEC", b"PID", b"PROGRAM"])
        self.assertIn("nothing in the sandbox listens on port 4444", self.fails(1, "wait-port", "--timeout", "10ms", sandbox, PORT))
        self.ok("exec", "--detach", "--exec-id", "web", sandbox, "--", "python3", "-m", "http.server", "--bind", "127.0.0.1", PORT)
        self.assertEqual(self.ok("wait-port", sandbox, PORT), b"")
        told = json.loads(self.ok("wait-port", "--json", sandbox, PORT))
        self.assertEqual(told, {"port": PORT, "address": "127.0.0.1", "exec_id": "web", "pid": None, "program": None})
        listed = json.loads(self.ok("ports", "--json", sandbox))
        pid = listed["ports"][0]["pid"]
        self.assertEqual(listed, {"ports": [{**told, "pid": pid, "program": "python3"}], "omitted_count": 0,
                                  "owners_incomplete": False})
        rows = [line.split() for line in self.ok("ports", sandbox).decode().splitlines()]
        self.assertEqual(rows[1], [str(PORT), "127.0.0.1", "web", str(pid), "python3"])

    def test_what_is_mistyped_is_said(self):
        sandbox = self.create()
        for wrong in ("0", "65536", "x", "+1"):
            self.assertIn("no port", self.fails(2, "wait-port", sandbox, wrong))
        self.fails(2, "wait-port", "--timeout", "5", sandbox, PORT)
        self.fails(2, "wait-port", "--timeout", "2h", sandbox, PORT)
        self.fails(1, "ports", "0" * 32)
        self.assertIn(b"wait-port", self.ok("completion", "bash"))


if __name__ == "__main__":
    unittest.main()
