#!/usr/bin/env python3
"""Where glovebox-egress lets payloads go, and where not: addresses, names, spellings, questions to its name server."""

import os
import socket
import struct
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from case import ALLOWED, EgressCase
from proxy import ALLOW_LIST, NO_RULE, PRIVATE, REMOVE, SET_NAME_SERVERS, Sandbox, policy
from world import DNS4, HOST4, HOST6, ORIGIN4, ORIGIN6, OTHER4, NameServer

NOBODY_THERE = ("10.0.0.5", "172.16.0.5", "192.168.0.5", "100.64.0.5", "169.254.169.254", "127.0.0.1", "0.0.0.0", HOST4,
                "198.51.100.5", "240.0.0.5", "168.63.129.16")
NOBODY_THERE6 = ("::1", "::ffff:10.0.0.5", "64:ff9b::a00:5", "2002:a00:5::1", "fd00:ec2::254", "fe80::5", "fc00::5", HOST6)



class DestinationsTest(EgressCase):
    # ---- no path but the sockets

    def test_raw_paths_lead_nowhere(self):
        self.everything()
        for address in (ORIGIN4, ORIGIN6):
            with self.assertRaises(ConnectionRefusedError):
                self.sandbox.connect(address, 9999)
            with self.sandbox.space.make_socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as quic:
                quic.connect((address, 443))
                quic.send(b"x")
                with self.assertRaises(ConnectionRefusedError):
                    quic.settimeout(20)
                    quic.recv(1)
        with self.sandbox.space.make_socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as ping:
            ping.sendto(b"\x08\0\xf7\xff\0\0\0\0", (ORIGIN4, 0))  # its own kernel answers
        with self.assertRaises(OSError):
            with self.sandbox.space.make_socket(socket.AF_INET, socket.SOCK_DGRAM) as multicast:
                multicast.settimeout(20)
                multicast.connect(("224.0.0.1", 53))
                multicast.send(b"x")
        self.untouched()
        with self.sandbox.connect(ORIGIN4, 22) as client:
            self.assertTrue(self.echoes(client), "the control")
        self.assertEqual(self.world.echo[22].addresses(), {ORIGIN4})

    # ---- special addresses

    def test_special_addresses_are_refused_in_every_way(self):
        self.everything()
        for address in NOBODY_THERE + NOBODY_THERE6:
            bracketed = f"[{address}]" if ":" in address else address
            if address not in ("127.0.0.1", "0.0.0.0", "::1") and not address.startswith(("::ffff", "fe80")):
                self.assertTrue(self.denied(self.sandbox.connect(address, 443)), address)
            client, head = self.tunnel(f"{bracketed}:80")
            self.assertIn(b"403", head.split(b"\r\n")[0], address)
            self.assertIn(b"X-Glovebox-Policy: PRIVATE_ADDRESS", head)
            client.close()
            with self.sandbox.connect("127.0.0.1", 3128) as client:
                client.sendall(f"GET http://{bracketed}/ HTTP/1.1\r\nHost: {bracketed}\r\n\r\n".encode())
                self.assertIn(b"PRIVATE_ADDRESS", self.until_end(client), address)
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            client, code = self.socks(4 if ":" in address else 1, socket.inet_pton(family, address), 80)
            self.assertEqual(code, 2, address)
            client.close()
            self.refused(PRIVATE, address)
        self.untouched()
        client, head = self.tunnel(f"{ORIGIN4}:22")
        self.assertIn(b"200", head.split(b"\r\n")[0])
        self.assertTrue(self.echoes(client), "the control")
        client.close()
        client, code = self.socks(4, socket.inet_pton(socket.AF_INET6, ORIGIN6), 22)
        self.assertEqual(code, 0)
        self.assertTrue(self.echoes(client), "the control")
        client.close()

    def test_an_allow_list_has_no_addresses_at_all(self):
        for address in (ORIGIN4, OTHER4, "8.8.4.4", ORIGIN6, "198.18.77.77"):
            bracketed = f"[{address}]" if ":" in address else address
            self.assertTrue(self.denied(self.sandbox.connect(address, 22)), address)
            client, head = self.tunnel(f"{bracketed}:22")
            self.assertIn(b"403", head.split(b"\r\n")[0], address)
            client.close()
        self.untouched()
        with self.by_name("good.example", 22) as client:
            self.assertTrue(self.echoes(client), "the control")

    # ---- spellings

    def test_spellings_are_no_other_names(self):
        spellings = ["0x7f000001", "2130706433", "127.1", "0177.0.0.1", "127.0.0.1.", "[::ffff:127.0.0.1]", "[64:ff9b::7f00:1]",
                     "localhost", "localhost.", "user@good.example", "good.example%00.evil.example", "good.example#", "good.example\\",
                     "good.example\0", "%67ood.example", "good.example:22", "[good.example]", "good.example,evil.example",
                     "good\u2024example", "good.example ", "evil.example/good.example"]
        for spelling in spellings:
            client, head = self.tunnel(spelling.encode() + b":22")
            self.assertNotIn(b"200", head.split(b"\r\n")[0], spelling)
            client.close()
            client, code = self.socks(3, spelling.encode(), 22)
            self.assertNotEqual(code, 0, spelling)
            client.close()
        self.untouched()
        for spelling in ("good.example", "GOOD.Example", "good.example."):
            client, head = self.tunnel(f"{spelling}:22")
            self.assertIn(b"200", head.split(b"\r\n")[0], spelling)
            self.assertTrue(self.echoes(client), "the control")
            client.close()
            client, code = self.socks(3, spelling.encode(), 22)
            self.assertEqual(code, 0, spelling)
            self.assertTrue(self.echoes(client), "the control")
            client.close()

    # ---- names with such addresses

    def test_a_name_that_is_bound_anew_is_judged_anew(self):
        with self.by_name("rebinding.example", 22) as client:
            self.assertTrue(self.echoes(client), "the control: public at first")
        for _ in range(5):
            client, head = self.tunnel("rebinding.example:22")
            self.assertIn(b"PRIVATE_ADDRESS", head)
            client.close()
            self.assertTrue(self.denied(self.by_name("rebinding.example", 22)))
        self.assertEqual(len(self.world.echo[22].seen), 1)

    def test_answers_are_kept_for_one_sandbox_and_judged_at_each_connection(self):
        self.world.dns.names["kept.example"] = [ORIGIN4]
        for _ in range(3):
            with self.by_name("kept.example", 22) as client:
                self.assertTrue(self.echoes(client))
        questions = [("kept.example", 1), ("kept.example", 28)]
        self.assertEqual(sorted(self.world.dns.asked), questions, "once")
        other, mine = Sandbox(), self.sandbox
        self.addCleanup(other.close)
        self.addCleanup(lambda: self.proxy.order(REMOVE, other.number))
        self.assertFalse(other.add(self.proxy, ALLOWED)["failed"])
        self.world.dns.names["kept.example"] = ["10.0.0.5"]
        self.world.dns.asked.clear()
        with self.by_name("kept.example", 22) as client:
            self.assertTrue(self.echoes(client), "as it was answered")
        self.assertEqual(self.world.dns.asked, [])
        self.sandbox = other
        self.assertTrue(self.denied(self.by_name("kept.example", 22)), "it has asked for itself, and is refused")
        self.assertEqual(sorted(self.world.dns.asked), questions)
        self.sandbox = mine
        self.assertFalse(mine.replace(self.proxy, policy(ALLOW_LIST, []))["failed"])
        client, head = self.tunnel("kept.example:22")
        client.close()
        self.assertIn(b"403", head, "what is kept allows nothing")

    def test_other_name_servers_are_asked_from_now_on_also_what_is_under_way(self):
        def ask_of(*servers):
            answer = self.proxy.order(SET_NAME_SERVERS, 0, name_servers=servers)
            self.assertFalse(answer["failed"], answer["text"])

        deaf = self.world.internet.listen(53, "8.8.4.4", socket.SOCK_DGRAM)
        self.addCleanup(deaf.close)
        deaf.settimeout(20)
        self.addCleanup(ask_of, DNS4)
        ask_of("8.8.4.4")
        waiting = [self.by_name("good.example", 22) for _ in range(3)]
        for _ in range(2 * len(waiting)):
            self.assertTrue(deaf.recv(4096), "a question that nobody answers")
        self.assertEqual(self.world.dns.asked, [])
        ask_of(DNS4)
        for client in waiting:
            self.assertTrue(self.echoes(client), "it was asked again")
            client.close()
        deaf.close()
        other = NameServer(self.world.internet.listen(53, "8.8.4.4", socket.SOCK_DGRAM))
        self.addCleanup(other.close)
        other.names["good.example"] = [OTHER4]
        self.world.forget()
        ask_of("8.8.4.4", DNS4)
        with self.by_name("good.example", 22) as client:
            self.assertTrue(self.echoes(client))
        self.assertEqual(self.world.echo[22].addresses(), {OTHER4})
        self.assertEqual(self.world.dns.asked, [])

    def test_names_with_special_addresses_are_refused(self):
        for name, port in (("private.example", 80), ("metadata.example", 80), ("loop.example", 443), ("own.example", 80),
                           ("mapped.example", 22), ("translated.example", 22)):
            self.assertTrue(self.denied(self.by_name(name, port)), name)
            self.refused(PRIVATE, name)
            client, head = self.tunnel(f"{name}:{port}")
            self.assertIn(b"PRIVATE_ADDRESS", head, name)
            client.close()
            client, code = self.socks(3, name.encode(), port)
            self.assertEqual(code, 2, name)
            client.close()
        self.untouched()
        for name in ("mixed.example", "six.example"):
            with self.by_name(name, 22) as client:
                self.assertTrue(self.echoes(client), "the control: of several the public one is dialled")
        self.assertEqual(self.world.echo[22].addresses(), {ORIGIN4, ORIGIN6})

    # ---- questions that carry something out

    def test_questions_go_nowhere(self):
        for name in ("secret.evil.example", "c2VjcmV0.good.example", "evil.example", "good.example.evil.example"):
            for kind in (1, 28, 16, 255, 12):
                self.assertEqual(self.resolve(name, kind)[0], 3, name)
        for kind in (28, 16, 65, 64, 15, 255):
            self.assertEqual(self.resolve("good.example", kind), (0, None))
        self.assertEqual(self.resolve("secret.wild.example")[0], 0, "a rule knows it")
        self.refused(NO_RULE, "secret.evil.example")
        self.assertEqual(self.world.dns.asked, [])
        code, address = self.resolve("good.example")
        for server in ("1.1.1.1", "127.0.0.11", "2606:4700::1111", DNS4):
            for tcp in (False, True):
                self.assertEqual(self.resolve("good.example", 1, server, tcp), (code, address), server)
        self.assertEqual(self.world.dns.asked, [])
        self.assertTrue(address.startswith("198.1"))
        with self.by_name("good.example", 22) as client:
            self.assertTrue(self.echoes(client), "the control")
        self.assertEqual({name for name, _ in self.world.dns.asked}, {"good.example"})

    def test_broken_packets_end_nothing(self):
        for packet in (b"", b"x", b"\0" * 12, b"\xff" * 600, struct.pack(">6H", 7, 0x100, 1, 0, 0, 0) + b"\xc0\x0c\0\1\0\1"):
            with self.sandbox.space.make_socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                client.sendto(packet, ("9.9.9.9", 53))
        for data in (b"\xff\xff", b"\0\0", b"\0\5ab", b"\0\2ab"):
            with self.sandbox.connect("9.9.9.9", 53) as client:
                client.sendall(data)
                client.shutdown(socket.SHUT_WR)
                self.assertLess(len(self.until_end(client)), 20)
        self.assertEqual(self.resolve("good.example")[0], 0)


if __name__ == "__main__":
    unittest.main()
