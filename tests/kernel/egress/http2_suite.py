#!/usr/bin/env python3
"""HTTP/2 in TLS that is opened: who speaks it, which streams go through, and what of them."""

import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import h2.errors
import h2.settings
import http2_peers
from http2_peers import BIG
from opened_case import OpenedCase
from proxy import ALLOW_LIST, CLOSED, HTTPS, LIMIT, MISMATCH, NOT_TRUSTED, OPENED, REFUSED, REQUEST, TLS, policy, rule

CANCEL, REFUSED_STREAM = h2.errors.ErrorCodes.CANCEL, h2.errors.ErrorCodes.REFUSED_STREAM


class Http2Test(OpenedCase):
    def setUp(self):
        super().setUp()
        self.http2_origin = self.origin.http2
        self.addCleanup(self.http2_origin.held.set)

    def paths(self):
        return [head[":path"] for head in self.http2_origin.heads]

    def until_origin(self, client, wanted):
        """Asks for something else until the origin has seen what is on its way."""
        for _ in range(2000):
            if wanted():
                return
            client.ask("/ticks")
        self.fail("the origin does not see it")

    # ---- who speaks what

    def test_both_sides_speak_what_the_origin_chose(self):
        for name, offers, chosen in (("any.example", ["h2", "http/1.1"], "h2"), ("any.example", ["http/1.1", "h2"], "h2"),
                                     ("new.example", ["h2"], "h2"), ("old.example", ["h2", "http/1.1"], "http/1.1")):
            self.origin.protocols.clear()
            with self.secure(name, self.offering(*offers)) as client:
                self.assertEqual(client.selected_alpn_protocol(), chosen)
                if chosen == "h2":
                    self.assertEqual(http2_peers.Client(client, name).ask("/").status, 200)
                else:
                    client.sendall(b"GET / HTTP/1.1\r\nHost: " + name.encode() + b"\r\n\r\n")
                    self.assertIn(b" 200 ", client.recv(65536))
            self.assertEqual(self.origin.protocols, [chosen])
        self.assertEqual(self.http2("new.example").ask("/x").text, b"GET /x|new.example|0\n")
        self.assertEqual(len(self.world.echo[443].seen), 5, "one connection each")

    def test_a_client_of_http_2_alone_is_told_what_an_origin_is_not(self):
        client = self.http2("old.example")
        answer = client.ask("/")
        self.assertEqual((answer.status, answer.headers["x-glovebox-policy"]), (502, "NONE"))
        self.assertIn(b"does not speak HTTP/2", answer.text)
        self.assertEqual(client.end(), 0, "it ends there")
        for name in ("wrong.example", "self.example"):
            client = self.http2(name)
            answer = client.ask("/", "POST", body=b"x")
            self.assertEqual((answer.status, answer.headers["x-glovebox-policy"]), (403, "REQUEST_NOT_ALLOWED"))
            answer = client.ask("/y")
            self.assertEqual((answer.status, answer.headers["x-glovebox-policy"]), (502, "ORIGIN_NOT_TRUSTED"), name)
            self.assertIn(b"certificate", answer.text)
            event = self.refused(NOT_TRUSTED, name)
            self.assertEqual((event["method"], event["path"]), ("GET", "/y"))
            with self.secure(name, self.offering("h2", "http/1.1")) as both:
                self.assertEqual(both.selected_alpn_protocol(), "http/1.1")
                both.sendall(b"GET / HTTP/1.1\r\nHost: " + name.encode() + b"\r\n\r\n")
                self.assertIn(b" 502 ", both.recv(65536))
        self.assertEqual((self.origin.heads, self.http2_origin.heads), ([], []))

    def test_another_name_in_tls_is_refused_before_anything(self):
        with self.assertRaises(OSError):
            self.secure("read.example", self.offering("h2"), sni="closed.example")
        self.refused(MISMATCH, "read.example")
        self.assertEqual(self.origin.protocols, [])

    def test_where_there_is_no_room_for_two_http_1_1_is_spoken(self):
        one = policy(ALLOW_LIST, [rule("any.example", HTTPS, methods=["GET"])], limits={1: 1})
        self.assertFalse(self.sandbox.replace(self.proxy, one)["failed"])
        address = self.resolve("any.example")[1]
        with self.assertRaises(OSError):
            self.offering("h2").wrap_socket(self.sandbox.connect(address, 443), server_hostname="any.example")
        self.refused(LIMIT, "any.example")
        with self.offering("h2", "http/1.1").wrap_socket(self.sandbox.connect(address, 443), server_hostname="any.example") as only:
            self.assertEqual(only.selected_alpn_protocol(), "http/1.1")

    # ---- what is judged

    def test_streams_are_judged_one_by_one(self):
        client = self.http2("read.example")
        self.assertEqual(client.ask("/x?y=1").text, b"GET /x?y=1|read.example|0\n")
        for method in ("POST", "PUT", "DELETE", "get", "TRACE", "OPTIONS", "PROPFIND"):
            answer = client.ask("/secret?q", method, body=b"data" if method == "POST" else None)
            self.assertEqual((answer.status, answer.headers["x-glovebox-policy"]), (403, "REQUEST_NOT_ALLOWED"), method)
            self.assertIn(b"policy of this sandbox refuses read.example port 443", answer.text)
            event = self.proxy.wait_event(lambda e, m=method: e["event"] == REFUSED and e["method"] == m)
            self.assertEqual((event["path"], event["host"], event["denial"]), ("/secret", "read.example", REQUEST))
        for path in ("http://read.example/", "x", "*"):
            self.assertEqual(client.ask(path).reset, h2.errors.ErrorCodes.PROTOCOL_ERROR, path)
        tunnel = client.open(method="CONNECT", head=[(":method", "CONNECT"), (":authority", "read.example:443")], ends=False)
        self.assertEqual(client.read(tunnel).status, 403)
        tunnel = client.open(head=client.head("/", "CONNECT", [(":protocol", "websocket")]), ends=False)
        self.assertNotEqual(client.read(tunnel).reset, None)
        self.assertEqual(client.ask("/last").status, 200, "the connection goes on")
        self.assertEqual(self.paths(), ["/x?y=1", "/last"])
        self.assertEqual(len(self.world.echo[443].seen), 1, "one connection to the origin")

    def test_a_request_for_no_path_goes_nowhere(self):
        any_request = policy(ALLOW_LIST, [rule("any.example", HTTPS, methods=["OPTIONS"])])
        self.assertFalse(self.sandbox.replace(self.proxy, any_request)["failed"])
        client = self.http2("any.example")
        answer = client.ask("*", "OPTIONS")
        self.assertEqual((answer.status, answer.headers["x-glovebox-policy"]), (403, "REQUEST_NOT_ALLOWED"))
        self.assertEqual(client.ask("/x", "OPTIONS").status, 200, "the control")
        self.assertEqual(self.paths(), ["/x"])

    def test_head_and_its_refusal_have_no_body(self):
        client = self.http2("any.example")
        answer = client.ask("/", "HEAD")
        self.assertEqual((answer.status, answer.text), (403, b""))
        client = self.http2("read.example")
        answer = client.ask("/big", "HEAD")
        self.assertEqual((answer.status, answer.headers["content-length"], answer.text), (200, str(BIG), b""))

    def test_the_records_are_those_of_http_1_1(self):
        client = self.http2("read.example")
        self.assertEqual(client.ask("/1").status, 200)
        self.assertEqual(client.ask("/2", "DELETE").status, 403)
        client.socket.close()
        opened = self.proxy.wait_event(lambda e: e["event"] == OPENED)
        self.assertEqual((opened["method"], opened["path"], opened["rule"]), ("GET", "/1", "read"))
        refused = self.refused(REQUEST)
        self.assertEqual((refused["connection"], refused["method"], refused["path"]), (opened["connection"], "DELETE", "/2"))
        closed = self.proxy.wait_event(lambda e: e["event"] == CLOSED and e["connection"] == opened["connection"])
        self.assertEqual(closed["denial"], 0)
        self.assertGreater(closed["received"], 0)
        self.assertGreater(closed["sent"], 0)

    def test_paths_are_judged_in_one_spelling(self):
        client = self.http2("paths.example")
        for path in ("/a/x", "/b/x/y", "/b/", "/%61/x", "/a/x?/../c"):
            self.assertEqual(client.ask(path).status, 200, path)
        self.assertEqual(self.paths()[3], "/a/x", "what was judged is what is sent")
        before = len(self.paths())
        for path in ("/c", "/a/x/y", "/a", "/a/../c", "/b/../c", "/b/%2e%2e/c", "/b/%2E./c", "/b//c", "//b/x", "/b/..;/c",
                     "/a%2fx", "/b/%2f../c", "/b\\x", "/b/%zz", "/A/x", "/a/./x"):
            self.assertEqual(client.ask(path).status, 403, path)
        self.assertEqual(len(self.paths()), before)

    def test_authority_and_host_must_be_the_name(self):
        client = self.http2("read.example")
        for authority in ("closed.example", "read.example:444", "93.184.216.34", "a@read.example"):
            answer = client.ask("/", authority=authority)
            self.assertIn(answer.status, (0, 421), authority)  # libnghttp2 resets what is no authority
            if authority == "closed.example":
                self.assertEqual((answer.status, answer.headers["x-glovebox-policy"]), (421, "NAME_MISMATCH"))
                self.refused(MISMATCH, "read.example")
        self.assertEqual(client.ask("/", headers=[("host", "closed.example")]).status, 421)
        bare = [(":method", "GET"), (":scheme", "https"), (":path", "/")]
        answer = client.read(client.open(head=[*bare, ("host", "closed.example")]))
        self.assertEqual(answer.status, 421)
        self.assertEqual(self.paths(), [])
        for authority in ("READ.example:443", "read.example"):
            self.assertEqual(client.ask("/", authority=authority).status, 200)
        self.assertEqual(client.ask("/", headers=[("host", "read.example")]).status, 200)
        answer = client.read(client.open(head=[*bare, ("host", "read.example")]))
        self.assertEqual(answer.text, b"GET /|read.example|0\n")

    def test_what_is_of_one_hop_or_names_another_method_stays(self):
        client = self.http2("read.example")
        answer = client.ask("/hops", headers=[("x-http-method-override", "DELETE"), ("x_http_method", "DELETE"), ("te", "trailers"),
                                              ("proxy-authorization", "x"), ("x-kept", "yes"), ("cookie", "a=b")])
        head = self.http2_origin.heads[-1]
        self.assertEqual({name: head.get(name) for name in ("te", "x-kept", "cookie")},
                         {"te": "trailers", "x-kept": "yes", "cookie": "a=b"})
        self.assertNotIn("DELETE", str(head))
        self.assertNotIn("proxy-authorization", head)
        self.assertEqual(answer.headers["set-cookie"], "c=d")
        for hop in (("connection", "close"), ("transfer-encoding", "chunked"), ("upgrade", "x"), ("te", "gzip")):
            self.assertNotEqual(client.ask("/never", headers=[hop]).reset, None, hop)
        self.assertNotIn("/never", self.paths())

    # ---- what goes through

    def test_bodies_and_trailers_go_both_ways(self):
        client = self.http2()
        data = os.urandom(3 << 20)
        answer = client.ask("/up", "PUT", body=data)
        self.assertEqual(answer.text, b"PUT /up|any.example|%d\n" % len(data))
        self.assertEqual(client.ask("/big").text, b"x" * BIG)
        answer = client.ask("/trailers")
        self.assertEqual(answer.trailers, {"grpc-status": "5", "grpc-message": "not there"})
        stream = client.open("/up", "PUT", ends=False)
        client.send(stream, b"body")
        client.connection.send_headers(stream, [("x-sum", "7"), ("x-http-method", "DELETE")], end_stream=True)
        client.flush()
        self.assertEqual(client.read(stream).status, 200)
        self.assertEqual(self.http2_origin.ended[-1], ("/up", 4, {"x-sum": "7"}))
        self.assertEqual(client.ask("/interim").status, 200)
        self.assertEqual(client.answers[max(client.answers)].interim, [])
        self.assertEqual(len(self.world.echo[443].seen), 1)

    def test_both_directions_of_a_stream_go_at_once(self):
        client = self.http2()
        one, two = (client.open("/echo", "POST", ends=False) for _ in range(2))
        for turn in range(20):
            for stream in (one, two):
                client.send(stream, b"%d" % (turn % 10))
                client.until(lambda s=stream, t=turn: len(client.answers[s].text) > t)
        self.assertEqual(client.answers[one].text, b"01234567890123456789")
        client.send(one, b"", ends=True)
        self.assertEqual(client.read(one).trailers, {"x-end": "whole", "grpc-status": "0"})
        self.assertFalse(client.answers[two].over)

    def test_a_client_that_waits_for_100_is_told(self):
        client = self.http2()
        stream = client.open("/up", "POST", [("expect", "100-continue")], ends=False)
        client.until(lambda: client.answers[stream].interim)
        self.assertEqual(client.answers[stream].interim, [{":status": "100"}])
        client.send(stream, b"body", ends=True)
        self.assertEqual(client.read(stream).status, 200)
        self.assertNotIn("expect", self.http2_origin.heads[-1])

    def test_an_answer_before_the_end_of_the_request_comes_through(self):
        client = self.http2()
        stream = client.open("/early", "POST", ends=False)
        answer = client.read(stream)
        self.assertEqual((answer.status, answer.text), (413, b"big\n"))
        client.until(lambda: client.answers[stream].reset is not None)
        self.assertEqual(client.answers[stream].reset, 0, "nobody wants the rest")
        self.assertEqual(client.ask("/next").status, 200)

    def test_resets_go_through_with_their_codes(self):
        client = self.http2()
        for code in (2, 7, 8, 11):
            self.assertEqual(client.ask(f"/reset/{code}").reset, code)
        stream = client.open("/half")
        client.until(lambda: client.answers[stream].text)
        client.connection.reset_stream(stream, 11)
        client.flush()
        self.until_origin(client, lambda: self.http2_origin.resets["/half", 11])

    def test_the_goaway_of_an_origin_reaches_the_client(self):
        client = self.http2()
        self.assertEqual(client.ask("/goaway").status, 200, "what is under way goes on")
        self.assertEqual(client.end(), 0)
        client = self.http2()
        self.assertEqual(client.ask("/drained").reset, REFUSED_STREAM, "it can be asked anew")

    def test_an_origin_that_goes_away_is_told(self):
        client = self.http2()
        answer = client.ask("/close")
        self.assertEqual((answer.status, answer.headers["x-glovebox-policy"]), (502, "NONE"))
        self.assertIn(b"did not answer", answer.text)
        self.assertEqual(client.end(), 0)
        client = self.http2()
        half = client.open("/half")
        client.until(lambda: client.answers[half].text)
        client.open("/close")
        self.assertNotEqual(client.read(half).reset, None, "half of an answer is none")

    def test_as_many_streams_as_the_origin_takes(self):
        self.http2_origin.streams_max = 3
        client = self.http2()
        self.assertEqual(client.ask("/").status, 200)
        client.until(lambda: client.connection.remote_settings.max_concurrent_streams == 3)
        streams = [client.open("/half") for _ in range(3)]
        for stream in streams:
            client.until(lambda s=stream: client.answers[s].text)

    # ---- slow readers

    def test_who_reads_slowly_stops_who_writes(self):
        wide = [self.http2() for _ in range(4)]  # all that a sandbox may have
        self.assertEqual([one.ask("/").status for one in wide], [200] * 4)
        client = self.http2(takes=False)
        stream = client.open("/big")
        other = client.open("/big2")
        client.until(lambda: len(client.answers[stream].text) + len(client.answers[other].text) >= 65535)
        for i in range(50):  # the proxy has many turns to read more in
            client.open(f"/refused/{i}", "DELETE")
            event = self.proxy.wait_event(lambda e, p=f"/refused/{i}": e["event"] == REFUSED and e["path"] == p)
        self.assertGreater(event["received"], 65535)
        self.assertLess(event["received"], 512 << 10, "of ten MiB that there are")
        one = wide[0]
        one.takes = False
        streams = [one.open("/big"), one.open("/big2")]
        one.until(lambda: sum(len(one.answers[s].text) for s in streams) >= 60000)
        for i in range(50):
            one.open(f"/wide/{i}", "DELETE")
            event = self.proxy.wait_event(lambda e, p=f"/wide/{i}": e["event"] == REFUSED and e["path"] == p)
        self.assertLess(event["received"], 3 << 20, "of ten MiB that there are")
        client.takes = True
        for one in (stream, other):
            client.connection.acknowledge_received_data(len(client.answers[one].text), one)
        client.flush()
        self.assertEqual(len(client.read(stream).text), BIG)
        self.assertEqual(len(client.read(other).text), BIG)

    def test_an_origin_that_does_not_read_stops_the_client_and_no_other_stream(self):
        client = self.http2()
        stream = client.open("/stalls", "POST", ends=False)
        sent = 0
        while sent < 4 << 20:
            size = min(client.connection.local_flow_control_window(stream), 16384)
            if size <= 0:
                if client.ask("/other").status != 200 or client.connection.local_flow_control_window(stream) <= 0:
                    break
                continue
            client.send(stream, b"x" * size)
            sent += size
        self.assertLess(sent, 512 << 10)
        self.assertEqual(client.ask("/up", "PUT", body=b"y" * 300000).text, b"PUT /up|any.example|300000\n")

    # ---- limits and changes

    def test_bytes_are_counted(self):
        small = policy(ALLOW_LIST, [rule("any.example", HTTPS, methods=["GET"])], limits={4: 1 << 20})
        self.assertFalse(self.sandbox.replace(self.proxy, small)["failed"])
        client = self.http2()
        self.assertFalse(client.ask("/big").over)
        self.assertTrue(client.gone)
        closed = self.proxy.wait_event(lambda e: e["event"] == CLOSED and e["denial"] == LIMIT)
        self.assertLessEqual(closed["received"], 1 << 20)

    def test_a_change_of_rules_cuts_streams_that_they_do_not_allow(self):
        client = self.http2()
        kept, answered, waits = client.open("/half"), client.open("/echo", "POST", ends=False), client.open("/x", "PUT", ends=False)
        client.until(lambda: client.answers[kept].text and client.answers[answered].status)
        self.until_origin(client, lambda: "/x" in self.paths())
        changed = policy(ALLOW_LIST, [rule("any.example", HTTPS, methods=["GET"], name="new")])
        self.assertEqual(self.sandbox.replace(self.proxy, changed)["cut"], 1)
        self.assertEqual(client.read(waits).status, 403)
        self.assertEqual(client.read(answered).reset, CANCEL)
        for method, path in (("POST", "/echo"), ("PUT", "/x")):
            self.proxy.wait_event(lambda e, m=method, p=path: e["event"] == REFUSED and (e["method"], e["path"]) == (m, p))
        self.assertEqual(client.ask("/next").status, 200)
        self.assertEqual(client.ask("/next", "PUT", body=b"x").status, 403)
        self.assertFalse(client.answers[kept].over)
        self.until_origin(client, lambda: self.http2_origin.resets["/x", CANCEL] and self.http2_origin.resets["/echo", CANCEL])
        closed = policy(ALLOW_LIST, [rule("any.example", TLS, name="closed")])
        self.assertEqual(self.sandbox.replace(self.proxy, closed)["cut"], 0)
        self.assertEqual(client.ask("/5", "DELETE").status, 200)
        self.assertEqual(self.sandbox.replace(self.proxy, policy(ALLOW_LIST, [rule("read.example", HTTPS)]))["cut"], 1)
        client.end()
        self.assertTrue(client.gone)

    def test_many_streams_at_once(self):
        client = self.http2()
        for _ in range(3):
            streams = [client.open(f"/many/{i}") for i in range(100)]
            for i, stream in enumerate(streams):
                self.assertEqual(client.read(stream).text, b"GET /many/%d|any.example|0\n" % i)
        self.assertEqual(self.http2_origin.faults, [])

    def test_a_little_of_a_request_that_is_refused_is_let_come(self):
        client = self.http2("read.example")
        stream = client.open("/x", "POST", ends=False)
        client.flush()
        answer = client.read(stream)
        self.assertEqual((answer.status, answer.reset), (403, None))
        self.assertTrue(client.send(stream, b"x" * 1000))
        self.assertEqual(client.ask("/y").status, 200)
        self.assertIsNone(answer.reset, "curl 7 reads no answer that a reset follows")
        self.assertFalse(client.send(stream, b"x" * (1 << 20)))
        self.assertEqual(answer.reset, h2.errors.ErrorCodes.NO_ERROR)
        self.assertEqual(client.ask("/y").status, 200)
        self.assertEqual(self.paths(), ["/y", "/y"])


if __name__ == "__main__":
    unittest.main()
