#!/usr/bin/env python3
"""Which command glovebox-egress takes a client for: what the daemon says while one runs alone, and else what the kernel says of
the client's socket; whoever shares the socket on which it is asked."""

import os
import signal
import socket
import struct
import sys
import threading
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from case import ALLOWED, EgressCase
from proxy import CLIENT_DIAG, CLOSED, OPENED, REFUSED, SETTLE, SEVERAL, Sandbox
from world import ORIGIN4, ORIGIN6, names_wire

DENIED = struct.pack(">6H", 7, 0x100, 1, 0, 0, 0) + names_wire("evil.example") + b"\0\1\0\1"
# Of all TCP sockets: NLM_F_REQUEST | NLM_F_DUMP.
LISTING = struct.pack("=IHHII", 72, 20, 0x301, 1, 0) + struct.pack("=BBBBI", socket.AF_INET6, 6, 0, 0, 0xffffffff) + b"\0" * 48


class CommandsTest(EgressCase):
    def setUp(self):
        super().setUp()
        self.give_diag(self.sandbox)

    def give_diag(self, sandbox):
        """Served by the proxy, and shared with the test."""
        diag = sandbox.space.inside(lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 4))
        self.addCleanup(diag.close)
        answer = self.proxy.order(4, sandbox.number, [diag.fileno()], [CLIENT_DIAG])
        self.assertFalse(answer["failed"], answer["text"])
        return diag

    def commands(self, word):
        self.proxy.set_commands(self.sandbox.number, word)

    def settle(self):
        self.assertFalse(self.proxy.order(SETTLE, self.sandbox.number)["failed"])

    def refused_every_way(self):
        """Which commands the proxy says of one of each kind."""
        self.proxy.events.clear()
        for tcp in (False, True):
            for server in ("9.9.9.9", "2620:fe::fe"):
                self.assertTrue(self.sandbox.ask(DENIED, server, tcp))
        for address in (ORIGIN4, ORIGIN6, f"::ffff:{ORIGIN4}"):
            self.assertTrue(self.denied(self.sandbox.connect(address, 22)))
        with self.sandbox.connect("127.0.0.1", 3128) as client:
            client.sendall(b"CONNECT evil.example:80 HTTP/1.1\r\nHost: evil.example:80\r\n\r\n")
            self.assertIn(b"403", client.recv(4096))
        with self.by_name("good.example", 22) as client:
            self.assertTrue(self.echoes(client))
        self.proxy.wait_event(lambda e: e["event"] == CLOSED)
        self.assertEqual(len([e for e in self.proxy.events if e["event"] == REFUSED]), 8)
        self.assertEqual(len([e for e in self.proxy.events if e["event"] == OPENED]), 1)
        return {(e["command"], e["cgroup"] != 0) for e in self.proxy.events}

    def test_one_that_runs_alone_is_the_daemons_word(self):
        self.assertEqual(self.refused_every_way(), {(0, False)})
        self.commands(7)
        self.assertEqual(self.refused_every_way(), {(7, False)})

    def test_of_several_the_kernel_says_which_every_way(self):
        self.commands(SEVERAL)
        self.assertEqual(self.refused_every_way(), {(0, True)})
        self.assertEqual(len({e["cgroup"] for e in self.proxy.events}), 1)

    def test_a_connection_keeps_the_one_that_it_began_with(self):
        self.commands(7)
        with self.by_name("good.example", 22) as client:
            self.assertTrue(self.echoes(client))
            self.commands(8)
        ended = self.proxy.wait_event(lambda e: e["event"] == CLOSED)
        self.assertEqual(ended["command"], 7)

    def test_what_waits_is_of_the_one_that_has_ended(self):
        for turn in range(5):
            self.proxy.events.clear()
            self.commands(10 + turn)
            self.proxy.process.send_signal(signal.SIGSTOP)  # of our own child
            clients = [self.sandbox.connect(ORIGIN4, 8443) for _ in range(100)]  # a port of no rule
            asker = self.sandbox.space.make_socket(socket.AF_INET, socket.SOCK_DGRAM)
            for _ in range(50):
                asker.sendto(DENIED, ("9.9.9.9", 53))
            for client in (*clients, asker):
                client.close()
            self.proxy.send_order(SETTLE, self.sandbox.number)
            self.proxy.process.send_signal(signal.SIGCONT)
            self.proxy.take_answer()
            self.commands(99)
            self.settle()
            told = [e for e in self.proxy.events if e["event"] == REFUSED]
            self.assertEqual({e["command"] for e in told}, {10 + turn})
            if turn == 0:  # later some are not told, as they come too fast
                self.assertEqual(len(told), 150)

    def test_who_shares_the_socket_harms_itself_alone(self):
        """It begins listings, and takes what answers there are."""
        diag = self.give_diag(self.sandbox)
        other = Sandbox()
        self.addCleanup(other.close)
        self.assertFalse(other.add(self.proxy, ALLOWED)["failed"])
        self.give_diag(other)
        for one in (self.sandbox, other):
            self.proxy.set_commands(one.number, SEVERAL)
        own = self.sandbox
        for interferes in (False, True):
            stop = threading.Event()

            def interfere():
                while not stop.is_set():
                    for call in (lambda: diag.send(LISTING, socket.MSG_DONTWAIT), lambda: diag.recv(65536, socket.MSG_DONTWAIT)):
                        try:
                            call()
                        except OSError:
                            pass

            thread = threading.Thread(target=interfere)
            if interferes:
                thread.start()
            try:
                self.proxy.events.clear()
                for _ in range(30):
                    self.assertTrue(self.denied(own.connect(ORIGIN4, 22)))
                    self.assertTrue(self.denied(other.connect(ORIGIN4, 22)))
            finally:
                stop.set()
                if interferes:
                    thread.join()
            self.settle()
            said = {number: {e["cgroup"] for e in self.proxy.events if e["sandbox"] == number}
                    for number in (own.number, other.number)}
            self.assertEqual(len(said[other.number]), 1)
            self.assertNotIn(0, said[other.number])
            self.assertLessEqual(said[own.number], {0, *said[other.number]}, "nobody, or who it was")

    def test_a_socket_that_is_none_is_not_taken(self):
        wrong = self.sandbox.space.make_socket(socket.AF_INET, socket.SOCK_STREAM)
        self.addCleanup(wrong.close)
        self.assertTrue(self.proxy.order(4, self.sandbox.number, [wrong.fileno()], [CLIENT_DIAG])["failed"])
        self.commands(SEVERAL)
        self.assertEqual(self.refused_every_way(), {(0, True)})


if __name__ == "__main__":
    unittest.main()
