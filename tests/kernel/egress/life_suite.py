#!/usr/bin/env python3
"""Neighbours, policies that change, limits, records, and the ends of glovebox-egress and of what it serves."""

import os
import pathlib
import select
import socket
import struct
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from authority import Authority
from case import ALLOWED, EVERYTHING, PROGRAM, EgressCase
from hello import hello, server_name
from proxy import (ALLOW_LIST, CLOSED, DNS_UDP, FULL, LIMIT, NO_RULE, NONE, OPENED, ORDER, REFUSED, REMOVE, TCP, TLS, TRANSPARENT, Proxy,
                   Sandbox, policy, rule, set_up)
from world import DNS4, ORIGIN4, OTHER4, World, names_wire


class NeighboursTest(EgressCase):
    # ---- neighbours and life

    def test_another_sandbox_has_its_own_policy_and_addresses(self):
        other = Sandbox()
        try:
            self.assertFalse(other.add(self.proxy, policy(ALLOW_LIST, [rule("other.example", TCP, [22])]))["failed"])
            code, address = self.resolve("good.example")
            self.assertEqual(code, 0)
            # The same number there is no name of theirs.
            self.assertTrue(self.denied(other.connect(address, 22)))
            mine, self.sandbox = self.sandbox, other
            try:
                self.assertEqual(self.resolve("good.example")[0], 3)
                with self.by_name("other.example", 22) as client:
                    self.assertTrue(self.echoes(client), "the control")
            finally:
                self.sandbox = mine
            self.assertEqual(self.world.echo[22].addresses(), {OTHER4})
        finally:
            self.proxy.order(REMOVE, other.number)
            other.close()

    def test_a_new_policy_cuts_what_it_does_not_allow(self):
        kept = [self.by_name("good.example", 22) for _ in range(5)]
        cut = [self.by_name("mixed.example", 22) for _ in range(7)]
        for client in kept + cut:
            self.assertTrue(self.echoes(client))
        answer = self.sandbox.replace(self.proxy, policy(ALLOW_LIST, [rule("good.example", TCP, [22])]))
        self.assertEqual(answer["cut"], 7)
        for client in kept:
            self.assertTrue(self.echoes(client), "those that are allowed go on")
            client.close()
        for client in cut:
            self.assertFalse(self.echoes(client))
            client.close()
        event = self.proxy.wait_event(lambda e: e["event"] == CLOSED and e["denial"] == NO_RULE)
        self.assertEqual(event["host"], "mixed.example")
        self.assertEqual(self.resolve("mixed.example")[0], 3)
        self.assertEqual(self.sandbox.replace(self.proxy, policy(NONE))["cut"], 0)
        self.assertEqual(self.resolve("good.example")[0], 3)

    def test_a_policy_that_is_the_same_cuts_nothing(self):
        data = hello(server_name("good.example"))
        with self.sandbox.connect(OTHER4, 443) as unread, self.by_name("good.example", 22) as open_one:
            unread.sendall(data[:40])  # by address, and whom it names is not known yet
            self.assertTrue(self.echoes(open_one))
            with self.sandbox.connect("127.0.0.1", 3128) as refused:
                refused.sendall(b"CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n\r\n")
                self.assertIn(b" 403 ", self.until_end(refused, b"\r\n\r\n"))  # its last words wait for its end
                self.assertEqual(self.sandbox.replace(self.proxy, ALLOWED)["cut"], 0)
            self.assertTrue(self.echoes(open_one))
            unread.sendall(data[40:])
            self.assertEqual(unread.recv(65536), data)
        self.proxy.wait_event(lambda e: e["event"] == OPENED and e["port"] == 443)
        refusals = [e for e in self.proxy.events if e["event"] == REFUSED]
        self.assertEqual([e["host"] for e in refusals], ["evil.example"], "once")

    def test_refusals_without_end_are_counted_instead_of_told(self):
        asked = 900  # at once: as many questions as the name server takes
        packet = struct.pack(">6H", 7, 0x100, 1, 0, 0, 0) + names_wire("evil.example") + b"\0\1\0\1"
        with self.sandbox.connect("9.9.9.9", 53) as client:
            client.sendall((struct.pack(">H", len(packet)) + packet) * asked)
            answers = client.makefile("rb")
            for _ in range(asked):
                self.assertTrue(answers.read(struct.unpack(">H", answers.read(2))[0]))
        with self.by_name("good.example", 22) as client:
            self.assertTrue(self.echoes(client))
        self.proxy.wait_event(lambda e: e["event"] == OPENED)
        told = [e for e in self.proxy.events if e["event"] == REFUSED]
        self.assertLess(len(told), asked)
        self.assertEqual(len(told) + sum(e["lost"] for e in self.proxy.events), asked)

    def test_a_policy_that_is_wrong_changes_nothing(self):
        for wrong in (b"\xff", policy(ALLOW_LIST, [rule("127.0.0.1", TLS)]), policy(ALLOW_LIST, [rule("a.b", TLS, (), ["GET"])]),
                      policy(FULL, ranges=["127.0.0.0/8"]), policy(ALLOW_LIST, presets=["none such"])):
            answer = self.sandbox.replace(self.proxy, wrong)
            self.assertTrue(answer["failed"])
            self.assertTrue(answer["text"])
        with self.by_name("good.example", 22) as client:
            self.assertTrue(self.echoes(client))

    def test_a_flood_of_connections_meets_the_limit(self):
        limited = policy(ALLOW_LIST, [rule("good.example", TCP, [22])], limits={1: 50, 2: 10000})
        self.assertFalse(self.sandbox.replace(self.proxy, limited)["failed"])
        _, address = self.resolve("good.example")
        clients = []
        for _ in range(1000):
            try:
                clients.append(self.sandbox.connect(address, 22))
            except ConnectionResetError:  # faster than the handshake's end
                pass
        served = sum(self.echoes(client) for client in clients)
        self.assertEqual(served, 50)
        self.refused(LIMIT, "good.example")
        for client in clients:
            client.close()
        self.proxy.wait_event(lambda e: e["event"] == CLOSED)
        for _ in range(50):  # there is room again
            with self.sandbox.connect(address, 22) as client:
                if self.echoes(client):
                    return
            self.proxy.wait_event(lambda e: e["event"] == CLOSED)
        self.fail("there is no room again")

    def test_bytes_have_a_limit(self):
        limited = policy(ALLOW_LIST, [rule("good.example", TCP, [22])], limits={3: 100_000})
        self.assertFalse(self.sandbox.replace(self.proxy, limited)["failed"])
        with self.by_name("good.example", 22) as client:
            self.assertTrue(self.echoes(client, b"x" * 1000), "the control")
            with self.assertRaises(OSError):
                for _ in range(1000):
                    client.sendall(b"x" * 10_000)
                    client.recv(65536) or self.fail_as_os()
        event = self.proxy.wait_event(lambda e: e["event"] == CLOSED and e["denial"] == LIMIT)
        self.assertLessEqual(event["sent"], 100_000)

    def fail_as_os(self):
        raise OSError("the end")

    def test_large_transfers_and_half_ends_go_through(self):
        data = os.urandom(8 << 20)
        with self.by_name("good.example", 5432) as client:
            client.setblocking(False)
            got, sent = bytearray(), 0
            while len(got) < len(data):
                readable, writable, _ = select.select([client], [client] if sent < len(data) else [], [], 20)
                self.assertTrue(readable or writable, "it stands still")
                if writable:
                    sent += client.send(data[sent:sent + 262144])
                    if sent == len(data):
                        client.shutdown(socket.SHUT_WR)
                if readable:
                    more = client.recv(262144)
                    self.assertTrue(more)
                    got += more
            client.settimeout(20)
            self.assertEqual(client.recv(1), b"", "its end came, after everything")
        self.assertEqual(bytes(got), data)
        event = self.proxy.wait_event(lambda e: e["event"] == CLOSED and e["rule"] == "raw" and e["port"] == 5432)
        self.assertEqual((event["sent"], event["received"]), (len(data), len(data)))

    def test_events_tell_what_was_and_what_was_not(self):
        with self.by_name("good.example", 22) as client:
            self.assertTrue(self.echoes(client))
        opened = self.proxy.wait_event(lambda e: e["event"] == OPENED)
        closed = self.proxy.wait_event(lambda e: e["event"] == CLOSED)
        for event in (opened, closed):
            self.assertEqual((event["host"], event["port"], event["rule"], event["sandbox"]),
                             ("good.example", 22, "raw", self.sandbox.number))
            self.assertEqual(event["address"][:4], socket.inet_aton(ORIGIN4))
        self.assertEqual(opened["connection"], closed["connection"])
        self.assertEqual((closed["sent"], closed["received"], closed["lost"]), (5, 5, 0))

    def test_events_that_nobody_reads_hold_nothing_up(self):
        for _ in range(5000):
            with self.sandbox.space.make_socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                client.sendto(struct.pack(">6H", 7, 0x100, 1, 0, 0, 0) + names_wire("evil.example") + b"\0\1\0\1", ("9.9.9.9", 53))
        with self.by_name("good.example", 22) as client:
            self.assertTrue(self.echoes(client))

    def held(self):
        """Inodes of what the proxy has open."""
        folder, found = f"/proc/{self.proxy.process.pid}/fd", set()
        for name in os.listdir(folder):
            try:
                found.add(os.stat(f"{folder}/{name}").st_ino)
            except FileNotFoundError:  # closed meanwhile
                pass
        return found

    def test_sockets_are_let_go_with_the_sandbox(self):
        other = Sandbox()
        self.assertFalse(other.add(self.proxy, ALLOWED)["failed"])
        theirs = {os.fstat(sock.fileno()).st_ino for _, sock in other.sockets}
        self.assertEqual(self.held() & theirs, theirs, "the control")
        mine, self.sandbox = self.sandbox, other
        clients = [self.by_name("good.example", 22) for _ in range(5)]
        self.sandbox = mine
        for client in clients:
            self.assertTrue(self.echoes(client))
        names = other.connect("9.9.9.9", 53)
        names.sendall(struct.pack(">H", 30) + struct.pack(">6H", 7, 0x100, 1, 0, 0, 0) + names_wire("good.example") + b"\0\1\0\1")
        self.assertTrue(names.recv(1), "the name server has taken it")
        answer = self.proxy.order(REMOVE, other.number)
        self.assertEqual(answer["cut"], 5)
        for client in clients:
            self.assertFalse(self.echoes(client))
            client.close()
        self.assertTrue(self.until_end(names).endswith(b"<reset>"))
        names.close()
        self.assertFalse(self.held() & theirs)
        other.close()
        self.assertTrue(self.proxy.order(REMOVE, other.number)["failed"], "it is not there any more")

    def test_sockets_that_a_sandbox_makes_wait_hold_nobody_up(self):
        """Whoever holds a socket in the sandbox can clear its O_NONBLOCK, and the proxy has the same."""
        attacker = Sandbox()
        self.addCleanup(attacker.close)
        self.assertFalse(attacker.add(self.proxy, EVERYTHING)["failed"])
        for role, sock in attacker.sockets:
            sock.setblocking(True)
            if role == DNS_UDP:
                attacker.ask(struct.pack(">6H", 7, 0x100, 1, 0, 0, 0) + names_wire("good.example") + b"\0\1\0\1")
            else:
                attacker.connect(ORIGIN4 if role == TRANSPARENT else "127.0.0.1", sock.getsockname()[1]).close()
            with self.by_name("good.example", 22) as client:
                self.assertTrue(self.echoes(client), "a neighbour's connection")
        self.assertFalse(self.proxy.order(REMOVE, attacker.number)["failed"])

    def test_sockets_that_a_sandbox_shuts_down_keep_nobody_busy(self):
        """They are readable for ever; a proxy that turns and turns never waits of itself."""
        attacker = Sandbox()
        self.addCleanup(attacker.close)
        self.assertFalse(attacker.add(self.proxy, EVERYTHING)["failed"])
        for _, sock in attacker.sockets:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:  # said of UDP, which is shut down all the same
                pass
        status = pathlib.Path(f"/proc/{self.proxy.process.pid}/status")
        waits = lambda: int(status.read_text().split("\nvoluntary_ctxt_switches:")[1].split()[0])
        with self.by_name("good.example", 22) as client:
            for _ in range(3):  # those of the set-up are over
                self.assertTrue(self.echoes(client), "a neighbour's connection")
            before, until = waits(), time.monotonic() + 20
            while waits() < before + 20:
                self.assertTrue(self.echoes(client), "a neighbour's connection")
                self.assertLess(time.monotonic(), until, "it does not wait")
        self.assertFalse(self.proxy.order(REMOVE, attacker.number)["failed"])

    def test_it_has_no_privilege(self):
        status = pathlib.Path(f"/proc/{self.proxy.process.pid}/status").read_text()
        for line in ("Uid:\t65534\t65534\t65534\t65534", "Gid:\t65534\t65534\t65534\t65534", "NoNewPrivs:\t1", "Seccomp:\t2",
                     *(f"{name}:\t0000000000000000" for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"))):
            self.assertIn(line, status)
        mounts = pathlib.Path(f"/proc/{self.proxy.process.pid}/mounts").read_text()
        self.assertRegex(mounts, r"\Aglovebox-egress / tmpfs ro,nosuid,nodev,noexec[^\n]*\n\Z")
        links = {name: os.readlink(f"/proc/{self.proxy.process.pid}/ns/{name}") for name in ("net", "mnt", "ipc", "uts")}
        self.assertEqual(links["net"], os.readlink("/proc/thread-self/ns/net"), "the host's, as the test plays it")
        for name in ("mnt", "ipc", "uts"):
            self.assertNotEqual(links[name], os.readlink(f"/proc/self/ns/{name}"))


class LifeTest(unittest.TestCase):
    """With a proxy of its own for each."""

    @classmethod
    def setUpClass(cls):
        cls.world = World()
        cls.world.dns.names.update({"good.example": [ORIGIN4]})

    @classmethod
    def tearDownClass(cls):
        cls.world.close()

    resolve, by_name, echoes, until_end = (EgressCase.resolve, EgressCase.by_name, EgressCase.echoes, EgressCase.until_end)

    def start(self, **settings):
        self.proxy = Proxy(PROGRAM, [DNS4], **settings)
        self.sandbox = Sandbox()
        self.addCleanup(self.sandbox.close)
        self.addCleanup(lambda: self.proxy.process.poll() is None and self.proxy.end())
        self.assertFalse(self.sandbox.add(self.proxy, ALLOWED)["failed"])

    def test_a_proxy_that_was_killed_is_followed_by_one_with_the_same_sockets(self):
        self.start()
        known = self.resolve("good.example")
        clients = [self.by_name("good.example", 22) for _ in range(20)]
        for client in clients:
            self.assertTrue(self.echoes(client))
        self.proxy.kill()
        for client in clients:
            self.assertFalse(self.echoes(client), "a reset, and no silence")
            client.close()
        self.proxy = Proxy(PROGRAM, [DNS4])
        self.assertFalse(self.sandbox.add(self.proxy, ALLOWED)["failed"])
        self.assertEqual(self.resolve("good.example"), known, "what clients remember stays true")
        with self.by_name("good.example", 22) as client:
            self.assertTrue(self.echoes(client))

    def test_bytes_are_counted_on_by_the_next_proxy(self):
        """It is killed amid downloads, again and again: what arrives in all is never more than the limit."""
        limit = 100 << 20  # what is on its way at each end, some MiB, is counted and does not arrive
        self.start()
        limited = policy(ALLOW_LIST, [rule("good.example", TCP, [5432])], limits={4: limit})
        arrived, rounds = 0, 0
        while True:
            self.assertFalse(self.sandbox.replace(self.proxy, limited)["failed"])
            with self.by_name("good.example", 5432) as client:
                got = self.download(client, 8 << 20)
            arrived += got
            if got == 0:
                break
            rounds += 1
            self.proxy.kill()
            self.assertGreaterEqual(self.counted()[1], arrived)
            self.proxy = Proxy(PROGRAM, [DNS4])
            self.assertFalse(self.sandbox.add(self.proxy, limited)["failed"])
        self.assertGreaterEqual(rounds, 3, "the control: it arrives until then")
        self.assertLessEqual(arrived, limit)
        self.assertGreater(self.counted()[1], limit - (64 << 10), "the last piece was not the whole of it")
        self.assertLessEqual(self.counted()[1], limit)
        self.proxy.wait_event(lambda e: e["event"] == CLOSED and e["denial"] == LIMIT)
        raised = policy(ALLOW_LIST, [rule("good.example", TCP, [5432])], limits={4: limit + (1 << 20)})
        self.assertFalse(self.sandbox.replace(self.proxy, raised)["failed"])
        with self.by_name("good.example", 5432) as client:
            self.assertTrue(self.echoes(client, b"x" * 1000), "what was added is there")

    def download(self, client, least):
        """How much arrived, when it is that much or there is no more."""
        got, piece = 0, b"x" * 65536
        client.setblocking(False)
        while got < least:
            readable, writable, _ = select.select([client], [client], [], 20)
            self.assertTrue(readable or writable, "it stands still")
            try:
                if writable:
                    client.send(piece)
                if readable:
                    more = len(client.recv(1 << 20))
                    if more == 0:
                        return got
                    got += more
            except BlockingIOError:
                continue
            except OSError:  # cut
                return got
        return got

    def counted(self):
        return struct.unpack("<QQ", os.pread(self.sandbox.bytes, 16, 0))

    def test_a_count_that_is_spoilt_gives_nothing(self):
        self.start()
        limited = policy(ALLOW_LIST, [rule("good.example", TCP, [22])], limits={3: 100_000, 4: 100_000})
        for sent, received in ((2 ** 64 - 1, 2 ** 64 - 1), (100_001, 0), (0, 2 ** 63), (2 ** 64 - 2, 0)):
            os.pwrite(self.sandbox.bytes, struct.pack("<QQ", sent, received), 0)
            for given in (limited, ALLOWED) if max(sent, received) > 2 ** 63 else (limited,):
                self.assertFalse(self.sandbox.replace(self.proxy, given)["failed"])
                with self.by_name("good.example", 22) as client:
                    self.assertFalse(self.echoes(client))
        os.pwrite(self.sandbox.bytes, bytes(16), 0)
        with self.by_name("good.example", 22) as client:
            self.assertTrue(self.echoes(client), "the control")
        self.assertEqual(self.counted(), (5, 5))

    def test_slow_clients_are_shown_out(self):
        self.start(opening_ms=300)
        _, address = self.resolve("good.example")

        def shown_out(client, start):
            try:
                client.sendall(start)
            except OSError:  # its time was over before
                return
            self.assertIn(self.until_end(client), (b"", b"<reset>"))

        for port, start in ((443, hello(server_name("good.example"))[:40]), (443, b""), (80, b"GET / HTTP/1.1\r\nHost:"), (80, b"")):
            with self.sandbox.connect(address, port) as client:
                shown_out(client, start)
        for port, start in ((3128, b"CONNECT good"), (1080, b"\5")):
            with self.sandbox.connect("127.0.0.1", port) as client:
                shown_out(client, start)

    def test_idle_connections_end_and_busy_ones_do_not(self):
        self.start(idle_ms=4000)
        busy, idle = self.by_name("good.example", 22), self.by_name("good.example", 22)
        self.assertTrue(self.echoes(idle))
        until = self.proxy.wait_event(lambda e: e["event"] == OPENED)
        ended = False
        while not ended:
            self.assertTrue(self.echoes(busy))
            ended = bool(select.select([idle], [], [], 0.05)[0])
        self.assertIn(self.until_end(idle), (b"", b"<reset>"))
        self.assertTrue(self.echoes(busy))
        self.assertEqual(until["host"], "good.example")
        busy.close()
        idle.close()

    def test_wrong_words_of_the_daemon_end_it(self):
        for words in (b"x", *(ORDER.pack(magic, 1, kind, 1, 1, sockets, servers, *[0] * 66, b"") for magic, kind, sockets, servers in (
                (0, 3, 0, 0), (0x73726765, 9, 0, 0), (0x73726765, 1, 65, 0), (0x73726765, 6, 0, 0), (0x73726765, 6, 0, 5)))):
            proxy = Proxy(PROGRAM, [DNS4])
            proxy.control.send(words)
            self.assertEqual(proxy.process.wait(timeout=20), 0)
            proxy.control.close()

    def test_root_is_no_user_for_it(self):
        control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        process = subprocess.Popen([PROGRAM], pass_fds=(theirs.fileno(), 3),
                                   preexec_fn=lambda: os.dup2(theirs.fileno(), 3, inheritable=True))
        theirs.close()
        set_up(control, Authority("nobody"), 0, 64, 100, 1000, 1000, 1000, 0, 0)
        self.assertEqual(process.wait(timeout=20), 1)
        self.assertIn(b"does not run as root", control.recv(4096))
        control.close()


if __name__ == "__main__":
    unittest.main()
