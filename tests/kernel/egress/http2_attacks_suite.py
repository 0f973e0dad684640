#!/usr/bin/env python3
"""Peers that use HTTP/2 against the proxy: each attack has an end, costs a bounded amount of memory, and harms itself alone."""

import os
import pathlib
import struct
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import hpack
import h2.errors
from hyperframe.frame import ContinuationFrame, DataFrame, HeadersFrame, PingFrame, SettingsFrame
from opened_case import OpenedCase
from proxy import REFUSED

CALM = h2.errors.ErrorCodes.ENHANCE_YOUR_CALM
MIB = 1 << 20


class AttackTest(OpenedCase):
    def tearDown(self):
        self.assertIsNone(self.proxy.process.poll(), "the proxy lives")
        self.assertEqual(self.http2("read.example").ask("/after").status, 200, "and serves others")
        super().tearDown()

    def send_raw(self, client, data):
        """Bytes as they are, also to a proxy that stops reading them."""
        try:
            for at in range(0, len(data), 16384):
                client.socket.sendall(data[at:at + 16384])
        except OSError:
            client.gone = True

    def memory(self):
        """Of the proxy: what its limit counts, but libraries."""
        text = pathlib.Path(f"/proc/{self.proxy.process.pid}/status").read_text()
        return next(int(line.split()[1]) << 10 for line in text.splitlines() if line.startswith("VmData"))

    def stuck(self, name="any.example"):
        """A client whose socket takes little, and that does not read."""
        return self.http2(name, takes=False)

    # ---- what costs the origin

    def test_rapid_resets_end(self):
        """CVE-2023-44487."""
        client = self.http2()
        for _ in range(50):
            client.connection.reset_stream(client.open("/half"))
        client.flush()
        self.assertEqual(client.ask("/").status, 200, "some are no attack")
        for _ in range(1000):
            stream = client.connection.get_next_available_stream_id()
            client.connection.send_headers(stream, client.head("/reset"), end_stream=True)
            client.connection.reset_stream(stream)
        self.send_raw(client, client.connection.data_to_send())
        self.assertEqual(client.end(), CALM)
        self.assertLess(sum(head[":path"] == "/reset" for head in self.origin.http2.heads), 400)

    def test_resets_that_are_provoked_end_as_well(self):
        """CVE-2025-8671: the client makes the proxy reset its streams."""
        client = self.http2()
        for _ in range(1000):
            stream = client.connection.get_next_available_stream_id()
            client.connection.send_headers(stream, client.head("/made", headers=[("connection", "close")]), end_stream=True)
        self.send_raw(client, client.connection.data_to_send())
        self.assertEqual(client.end(), CALM)
        self.assertEqual(self.origin.http2.heads, [])

    def test_no_more_streams_than_a_hundred(self):
        client = self.http2()
        client.until(lambda: client.connection.remote_settings.max_concurrent_streams == 100)
        client.connection.remote_settings.max_concurrent_streams = 1000  # it does not care
        client.connection.remote_settings.acknowledge()
        for stream in [client.open("/half") for _ in range(100)]:
            client.until(lambda s=stream: client.answers[s].text)
        self.assertFalse(client.gone)
        client.open("/half")
        self.assertEqual(client.end(), h2.errors.ErrorCodes.PROTOCOL_ERROR)
        self.assertEqual(len(self.origin.http2.heads), 100)

    # ---- what costs the proxy

    def test_floods_of_frames_that_ask_for_nothing_end(self):
        floods = {"ping": PingFrame(0, b"12345678").serialize(), "settings": SettingsFrame(0).serialize(),
                  "priority": b"\0\0\5\2\0\0\0\0\3\0\0\0\0\7", "unknown": b"\0\0\1\x42\0\0\0\0\0x"}
        for what, frame in floods.items():
            client = self.http2()
            self.assertEqual(client.ask("/").status, 200)
            self.send_raw(client, frame * 100)
            self.assertEqual(client.ask("/").status, 200, "some are no attack")
            if what in ("priority", "unknown"):
                continue  # they cost what any byte does, are not answered and leave nothing
            self.send_raw(client, frame * 60000)
            self.until_end(client)

    def until_end(self, client):
        """GOAWAY with the code, or a reset that overtook it."""
        self.assertIn(client.end(), (CALM, None))
        self.assertTrue(client.gone)

    def test_empty_frames_of_a_body_end(self):
        client = self.http2()
        stream = client.open("/up", "PUT", ends=False)
        self.send_raw(client, DataFrame(stream, b"").serialize() * 60000)
        self.until_end(client)

    def test_a_flood_of_an_origin_ends_that_connection_alone(self):
        self.origin.http2.flood = PingFrame(0, b"12345678").serialize() * 60000
        client = self.http2()
        answer = client.ask("/")
        self.assertIn(answer.status, (0, 200, 502))
        client.end()
        self.assertTrue(client.gone)
        self.origin.http2.flood = b""

    def test_settings_of_an_origin_that_the_client_never_acknowledges_do_not_add_up(self):
        """libnghttp2 keeps what it told until it is acknowledged."""
        self.origin.http2.flood = b"".join(SettingsFrame(0, {3: 50 + i % 2}).serialize() for i in range(1001))
        client = self.http2()
        told = []
        take = client._take_frame

        def count(frame):
            if frame[3] == SettingsFrame.type and not frame[4]:
                told.append(frame)
                return  # and never acknowledged
            take(frame)

        client._take_frame = count
        self.assertEqual(client.ask("/").status, 200)
        self.assertEqual(len(told), 1, "its own, at the begin")
        other = self.http2()
        other.until(lambda: other.connection.remote_settings.max_concurrent_streams == 50)
        self.assertFalse(other.gone, "who acknowledges them is told the last one")

    def test_pings_that_are_never_read_are_bounded(self):
        client = self.stuck()
        self.assertEqual(client.ask("/").status, 200)
        before = self.memory()
        client.socket.settimeout(2)
        self.send_raw(client, PingFrame(0, b"12345678").serialize() * 200000)
        self.assertLess(self.memory() - before, 2 * MIB)

    def test_a_flood_of_continuations_ends(self):
        """CVE-2024-28182."""
        for piece in (b"", b"\0\1x\1y" * 3000):
            client = self.http2()
            self.assertEqual(client.ask("/").status, 200)
            head = hpack.Encoder().encode(client.head("/"))
            start = HeadersFrame(3, head, flags=["END_STREAM"]).serialize()
            more = ContinuationFrame(3, piece).serialize()
            before = self.memory()
            self.send_raw(client, start + more * 2000)
            client.end()
            self.assertTrue(client.gone)
            self.assertLess(self.memory() - before, 2 * MIB)

    def test_heads_that_are_too_long_are_told(self):
        client = self.http2()
        self.assertEqual(client.ask("/", headers=[("x-long", "y" * 30000)]).status, 200)
        answer = client.ask("/", headers=[("x-long", "y" * 40000)])
        self.assertEqual(answer.status, 400)
        self.assertIn(b"over 32 KiB", answer.text)
        self.assertEqual(client.ask("/head/60000").status, 200)
        self.assertEqual(client.ask("/head/70000").status, 502)
        self.assertEqual(client.ask("/").status, 200)

    def test_bombs_of_header_compression_end(self):
        """A byte on the wire, four thousand when it is decoded."""
        client = self.http2()
        long = ("x-long", "y" * 4000)
        self.assertEqual(client.ask("/", headers=[long]).status, 200)
        self.assertEqual(client.ask("/", headers=[long] * 6).status, 200, "some are no attack")
        self.assertEqual(client.ask("/", headers=[long] * 20).status, 400)
        stream = client.connection.get_next_available_stream_id()
        before = self.memory()
        client.connection.send_headers(stream, client.head("/", headers=[long] * 5000), end_stream=True)
        self.send_raw(client, client.connection.data_to_send())
        self.assertEqual(client.end(), CALM)
        self.assertLess(self.memory() - before, MIB)
        client = self.http2()
        self.assertEqual(client.ask("/bomb").status, 502)
        client.end()

    def test_many_bombs_below_the_limit_wait_in_bounds(self):
        clients = [self.http2() for _ in range(5)]
        long = ("x-long", "y" * 4000)
        for client in clients:
            self.assertEqual(client.ask("/", headers=[long]).status, 200)
        before = self.memory()
        for client in clients:
            for _ in range(90):
                stream = client.connection.get_next_available_stream_id()
                client.connection.send_headers(stream, client.head("/held", headers=[long] * 7), end_stream=True)
            self.send_raw(client, client.connection.data_to_send())
        for i, client in enumerate(clients):
            client.open(f"/taken/{i}", "DELETE")
            self.proxy.wait_event(lambda e, p=f"/taken/{i}": e["event"] == REFUSED and e["path"] == p)
        self.assertLess(self.memory() - before, len(clients) * MIB)
        self.origin.http2.held.set()

    def test_a_connection_that_holds_all_it_can_is_within_its_bound(self):
        """Answers that nobody reads, bodies that the origin does not take, a hundred streams, two connections each."""
        for _ in range(4):  # those of a sandbox that have wide windows, and what is made once
            self.http2().ask("/")
        before = self.memory()
        clients = [self.stuck() for _ in range(20)]
        for client in clients:
            client.socket.settimeout(5)
            uploads = [client.open("/stalls", "POST", ends=False) for _ in range(40)]
            for i in range(50):
                client.open(f"/big/{i}" + "z" * 600)
            for stream in uploads:
                size = min(client.connection.local_flow_control_window(stream), 16384)
                if size > 0:
                    client.connection.send_data(stream, b"x" * size)
            self.send_raw(client, client.connection.data_to_send())
        for client in clients:
            client.until(lambda c=client: sum(len(a.text) for a in c.answers.values()) >= 65535)
        self.assertLess((self.memory() - before) / len(clients), MIB)

    # ---- what is no HTTP/2

    def test_what_breaks_the_protocol_ends_it(self):
        breaks = {
            "no preface": (b"GET / HTTP/1.1\r\nHost: any.example\r\n\r\n", False), "a frame too long": (b"\xff\xff\xff\0\0\0\0\0\1", True),
            "data of no stream": (DataFrame(5, b"x").serialize(), True), "a window beyond its size": (
                struct.pack(">HBBBII", 0, 4, 8, 0, 0, 0x7fffffff) * 2, True), "no header compression": (
                HeadersFrame(1, b"\xff\xff\xff\xff\xff\xff", flags=["END_HEADERS"]).serialize(), True), "an even stream": (
                HeadersFrame(2, b"\x82", flags=["END_HEADERS"]).serialize(), True), "a push": (
                b"\0\0\4\5\4\0\0\0\1\0\0\0\2", True)}
        for what, (data, preface) in breaks.items():
            with self.secure("any.example", self.offering("h2")) as secure:
                secure.sendall((b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + SettingsFrame(0).serialize() if preface else b"") + data)
                got = b""
                try:
                    while more := secure.recv(65536):
                        got += more
                except OSError:
                    pass
                self.assertNotIn(b"200 OK", got, what)
        self.assertEqual(self.origin.http2.heads, [])

    def test_lengths_that_are_not_the_body_are_no_request(self):
        client = self.http2()
        for length, body in (("3", b"four"), ("9", b"four")):
            stream = client.open("/up", "PUT", [("content-length", length)], ends=False)
            self.send_raw(client, DataFrame(stream, body, flags=["END_STREAM"]).serialize())
            self.assertNotEqual(client.read(stream).reset, None)
        self.assertEqual(client.ask("/ok", "PUT", [("content-length", "4")], b"four").text, b"PUT /ok|any.example|4\n")
        self.assertEqual([one[0] for one in self.origin.http2.ended], ["/ok"])


if __name__ == "__main__":
    unittest.main()
