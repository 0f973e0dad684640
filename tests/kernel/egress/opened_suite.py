#!/usr/bin/env python3
"""TLS that is opened: who sees which certificate, and which request goes through."""

import http.client
import os
import ssl
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from opened_case import OpenedCase
from proxy import ALLOW_LIST, CLOSED, HTTPS, LIMIT, MISMATCH, NOT_TRUSTED, OPENED, REFUSED, REQUEST, TLS, policy, rule
from world import ORIGIN4


def get(path, host="read.example", method="GET", more=""):
    return f"{method} {path} HTTP/1.1\r\nHost: {host}\r\n{more}\r\n".encode()


class OpenedTest(OpenedCase):
    def lines(self):
        return [head.splitlines()[0].decode() for head in self.origin.heads]

    # ---- who is who

    def test_the_client_sees_a_certificate_of_ours_for_that_name_alone(self):
        with self.secure("read.example") as client:
            seen = client.getpeercert()
            self.assertEqual(seen["subjectAltName"], (("DNS", "read.example"),))
            self.assertIn((("commonName", "Authority of sandboxes"),), seen["issuer"])
            hours = (ssl.cert_time_to_seconds(seen["notAfter"]) - ssl.cert_time_to_seconds(seen["notBefore"])) / 3600
            self.assertLessEqual(hours, 48)
            self.assertIn(client.version(), ("TLSv1.2", "TLSv1.3"))

    def test_what_needs_nothing_looked_at_stays_closed(self):
        for name in ("closed.example", "both.example"):
            with self.secure(name, self.roots.client()) as client:
                self.assertIn((("commonName", "Authority of the internet"),), client.getpeercert()["issuer"])
            with self.assertRaises(ssl.SSLCertVerificationError):
                self.secure(name)

    def test_who_does_not_offer_http_2_is_served_http_1_1(self):
        for offered, chosen in ((["http/1.1"], "http/1.1"), ([], None)):
            context = self.offering(*offered) if offered else self.proxy.authority.client()
            with self.secure("read.example", context) as client:
                self.assertEqual(client.selected_alpn_protocol(), chosen)
        with self.assertRaises(ssl.SSLError):
            self.secure("read.example", self.offering("spdy/3"))
        self.assertEqual(self.origin.protocols, [], "the origin is met when a request was allowed")
        self.ask_for("read.example")
        self.assertEqual(self.origin.protocols, ["http/1.1"])

    def test_old_tls_is_not_spoken(self):
        context = self.proxy.authority.client()
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
        with self.assertRaises((ssl.SSLError, ConnectionResetError)):
            self.secure("read.example", context)
        context = self.proxy.authority.client()
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        with self.secure("read.example", context) as client:
            self.assertEqual(client.version(), "TLSv1.2")

    def test_an_origin_without_a_right_certificate_gets_no_request(self):
        for name in ("wrong.example", "self.example"):
            answer, _ = self.ask_for(name)
            self.assertEqual((answer.status, answer.getheader("X-Glovebox-Policy")), (502, "ORIGIN_NOT_TRUSTED"), name)
            self.assertIn(b"certificate", answer.text)
            event = self.refused(NOT_TRUSTED, name)
            self.assertEqual((event["method"], event["path"]), ("GET", "/"))
        self.assertEqual(self.origin.heads, [])

    def test_another_name_in_tls_and_what_is_no_tls_is_refused(self):
        with self.assertRaises((ssl.SSLError, ConnectionResetError)):
            self.secure("read.example", sni="closed.example")
        self.refused(MISMATCH, "read.example")
        with self.by_name("read.example", 443) as client:
            client.sendall(get("/"))
            self.assertIn(b" 403 ", self.until_end(client))
        with self.by_name("read.example", 443) as client:
            client.sendall(b"SSH-2.0-client\r\n\r\n")
            self.assertNotIn(b"SSH", self.until_end(client))
        self.assertEqual(self.origin.heads, [])

    def test_through_proxies_that_are_named_it_is_the_same(self):
        client, head = self.tunnel("read.example:443")
        self.assertIn(b"200", head)
        other, code = self.socks(3, b"read.example", 443)
        self.assertEqual(code, 0)
        for raw in (client, other):
            with self.proxy.authority.client().wrap_socket(raw, server_hostname="read.example") as secure:
                connection = http.client.HTTPSConnection("read.example")
                connection.sock = secure
                self.assertEqual(self.ask_for("read.example", connection=connection)[0].status, 200)
                answer, _ = self.ask_for("read.example", method="DELETE", connection=connection)
                self.assertEqual(answer.status, 403)

    # ---- what is judged

    def test_methods_are_judged(self):
        answer, _ = self.ask_for("read.example", "/x?y=1")
        self.assertEqual((answer.status, answer.text), (200, b"GET /x?y=1 HTTP/1.1|read.example|0\n"))
        for method in ("POST", "PUT", "DELETE", "get", "Get", "TRACE", "OPTIONS", "PROPFIND"):
            answer, _ = self.ask_for("read.example", "/secret?q", method, b"data" if method == "POST" else None)
            self.assertEqual((answer.status, answer.getheader("X-Glovebox-Policy")), (403, "REQUEST_NOT_ALLOWED"), method)
            self.assertIn(b"policy of this sandbox refuses", answer.text)
            event = self.proxy.wait_event(lambda e, m=method: e["event"] == REFUSED and e["method"] == m)
            self.assertEqual((event["path"], event["host"], event["denial"]), ("/secret", "read.example", REQUEST))
        for target, method in (("x.example:443", "CONNECT"), ("http://read.example/", "GET"), ("*", "OPTIONS")):
            self.assertIn(b" 403 ", self.say("read.example", get(target, method=method)), target)
        self.assertEqual(self.lines(), ["GET /x?y=1 HTTP/1.1"])

    def test_headers_that_name_another_method_or_path_go_no_further(self):
        names = ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "x_http_method_override",
                 "X.HTTP.Method~Override", "X-Original-URL", "X-Rewrite-Url", "x_rewrite_url")
        for header in names:
            self.ask_for("read.example", headers={header: "DELETE", "X-Kept": "yes"})
        for head in self.origin.heads:
            self.assertNotIn(b"DELETE", head)
            self.assertIn(b"X-Kept: yes", head)
        self.assertEqual(len(self.origin.heads), len(names))

    def test_paths_are_judged_in_one_spelling(self):
        for path in ("/a/x", "/b/x/y", "/b/", "/%61/x", "/a/x?/../c"):
            answer, _ = self.ask_for("paths.example", path)
            self.assertEqual(answer.status, 200, path)
        self.assertIn("GET /a/x HTTP/1.1", self.lines()[3], "what was judged is what is sent")
        before = len(self.origin.heads)
        for path in ("/c", "/a/x/y", "/a", "/a/../c", "/b/../c", "/b/%2e%2e/c", "/b/%2E./c", "/b//c", "//b/x", "/b/..;/c",
                     "/a%2fx", "/b/%2f../c", "/b\\x", "/b/x%00", "/b/%zz", "/A/x", "/a/./x", "/b/..%3b/c", "/b/%2e%2e%3Bx/c", "/b/%c0%ae%c0%ae/c", "/b/%e0%80%ae/c"):
            self.assertIn(b" 403 ", self.say("paths.example", get(path, "paths.example")), path)
        self.assertEqual(len(self.origin.heads), before)

    def test_read_only_git_is_rules(self):
        self.assertEqual(self.ask_for("git.example", "/r/info/refs?service=git-upload-pack")[0].status, 200)
        self.assertEqual(self.ask_for("git.example", "/r/git-upload-pack", "POST", b"want")[0].status, 200)
        self.assertEqual(self.ask_for("git.example", "/r/git-receive-pack", "POST", b"push")[0].status, 403)
        self.assertEqual(self.ask_for("git.example", "/login", "POST", b"x")[0].status, 403)
        self.assertEqual(len(self.origin.heads), 2)

    def test_host_must_be_the_name(self):
        for host in ("closed.example", "read.example:444", ORIGIN4, "a@read.example"):
            self.assertIn(b" 421 ", self.say("read.example", get("/", host)), host)
            self.refused(MISMATCH, "read.example")
        self.assertIn(b" 400 ", self.say("read.example", b"GET / HTTP/1.1\r\n\r\n"))
        self.assertEqual(self.origin.heads, [])
        self.assertIn(b" 200 ", self.say("read.example", get("/", "READ.example:443", more="Connection: close\r\n")))

    def test_each_request_of_a_connection_is_judged(self):
        answer, connection = self.ask_for("read.example", "/1")
        for i in range(2, 5):
            answer, connection = self.ask_for("read.example", f"/{i}", connection=connection)
            self.assertEqual(answer.status, 200)
        answer, connection = self.ask_for("read.example", "/5", "DELETE", connection=connection)
        self.assertEqual(answer.status, 403)
        self.assertEqual(connection.sock, None, "it ends there")
        self.assertEqual(self.lines(), [f"GET /{i} HTTP/1.1" for i in range(1, 5)])
        self.assertEqual(len(self.world.echo[443].seen), 1, "one connection to the origin")
        opened = self.proxy.wait_event(lambda e: e["event"] == OPENED)
        self.assertEqual((opened["method"], opened["path"], opened["rule"]), ("GET", "/1", "read"))
        refused = self.refused(REQUEST)
        self.assertEqual((refused["connection"], refused["method"], refused["path"]), (opened["connection"], "DELETE", "/5"))
        closed = self.proxy.wait_event(lambda e: e["event"] == CLOSED)
        self.assertEqual((closed["connection"], closed["denial"]), (opened["connection"], 0))
        self.assertGreater(closed["received"], 0)

    def test_requests_in_a_row_are_judged_one_by_one(self):
        got = self.say("read.example", get("/1") + get("/2", method="DELETE") + get("/3"))
        self.assertEqual((got.count(b" 200 "), got.count(b" 403 ")), (1, 1))
        self.assertEqual(self.lines(), ["GET /1 HTTP/1.1"])
        got = self.say("any.example", get("/1", "any.example") + get("/2", "closed.example"))
        self.assertEqual((got.count(b" 200 "), got.count(b" 421 ")), (1, 1))
        self.assertEqual(self.lines()[1:], ["GET /1 HTTP/1.1"])

    def test_nothing_follows_a_body(self):
        """Some origins take a body for the next request: of a method or at a path where they expect none."""
        inner = get("/secret", "any.example", "DELETE")
        chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (len(inner), inner)
        for method in ("GET", "POST"):
            for more, body in ((f"Content-Length: {len(inner)}\r\n", inner), ("Transfer-Encoding: chunked\r\n", chunked)):
                self.origin.heads.clear()
                got = self.say("any.example", get("/1", "any.example", method, more) + body + get("/2", "any.example"))
                self.assertEqual(got.count(b"HTTP/1.1 "), 1, got)
                self.assertIn(b" 200 ", got)
                self.assertIn(b"Connection: close", got)
                self.assertEqual(self.lines(), [f"{method} /1 HTTP/1.1"])
                self.assertIn(b"Connection: close", self.origin.heads[0], "nor does the origin look for another request")
                self.assertEqual(self.origin.bodies[-1], inner)
        got = self.say("any.example", get("/1", "any.example", more="Content-Length: 0\r\n")
                       + get("/2", "any.example", more="Connection: close\r\n"))
        self.assertEqual(got.count(b" 200 "), 2, "none is followed by what comes next")

    def test_what_two_servers_could_read_differently_is_refused(self):
        inner = get("/secret", "any.example", "DELETE")
        cases = {
            "CL and TE": "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", "two CL": "Content-Length: 4\r\nContent-Length: 9\r\n",
            "CL twice": "Content-Length: 4\r\nContent-Length: 4\r\n", "CL list": "Content-Length: 4, 4\r\n",
            "TE list": "Transfer-Encoding: gzip, chunked\r\n", "two TE": "Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n",
            "TE of another name": "Transfer-Encoding: xchunked\r\n", "space before the colon": "Content-Length : 4\r\n",
            "folded": "X: y\r\n Content-Length: 4\r\n", "two hosts": "Host: closed.example\r\n", "bare CR": "X: y\rZ: z\r\n",
            "sign": "Content-Length: +4\r\n", "hexadecimal": "Content-Length: 0x4\r\n"}
        for what, more in cases.items():
            got = self.say("any.example", get("/", "any.example", "POST", more) + b"0\r\n\r\n" + inner)
            self.assertIn(b" 400 ", got, what)
            self.assertNotIn(b" 200 ", got, what)
        for what, body in {"no size": b"zz\r\nabc\r\n", "wrong end": b"3\r\nabcd\r\n0\r\n\r\n", "minus": b"-3\r\nabc\r\n"}.items():
            self.say("any.example", get("/chunk", "any.example", "POST", "Transfer-Encoding: chunked\r\n") + body + inner)
            self.assertEqual([line for line in self.lines() if "secret" in line], [], what)
        self.assertEqual(self.origin.bodies, [])
        self.assertIn(b" 400 ", self.say("any.example", b"GET / HTTP/1.0\r\nHost: any.example\r\n\r\n"))
        self.assertIn(b" 400 ", self.say("any.example", b"GET / HTTP/1.1\r\nHost: any.example\r\nX: " + b"y" * 40000 + b"\r\n\r\n"))

    # ---- what goes through

    def test_bodies_go_both_ways_in_every_form(self):
        data = os.urandom(3 << 20)
        answer, connection = self.ask_for("any.example", "/up", "PUT", data)
        self.assertEqual(answer.text, b"PUT /up HTTP/1.1|any.example|%d\n" % len(data))
        self.assertEqual(self.origin.bodies[-1], data)
        pieces = [data[:70000], b"x", data[70000:300000]]
        answer, connection = self.ask_for("any.example", "/chunked", "PUT", iter(pieces))
        self.assertEqual(self.origin.bodies[-1], b"".join(pieces))
        self.assertEqual(answer.text, b"PUT /chunked HTTP/1.1|any.example|%d\nend" % len(self.origin.bodies[-1]))
        before = len(self.world.echo[443].seen)
        connection = None
        for path in ("/interim", "/chunked", "/big"):
            answer, connection = self.ask_for("any.example", path, connection=connection)
            self.assertEqual(answer.status, 200)
        self.assertEqual(answer.text, b"x" * (5 << 20))
        self.assertEqual(len(self.world.echo[443].seen), before + 1, "of one connection")
        answer, connection = self.ask_for("read.example", "/chunked", "HEAD")
        self.assertEqual(answer.text, b"")
        answer, connection = self.ask_for("read.example", "/big", "HEAD", connection=connection)
        self.assertEqual((answer.getheader("Content-Length"), answer.text), (str(5 << 20), b""))
        self.ask_for("read.example", "/after", connection=connection)
        answer, connection = self.ask_for("read.example", "/close")
        self.assertEqual((answer.text, answer.will_close), (b"GET /close HTTP/1.1|read.example|0\n", True))

    def test_a_client_that_waits_for_100_is_told(self):
        with self.secure("any.example") as client:
            client.sendall(get("/", "any.example", "POST", "Content-Length: 4\r\nExpect: 100-continue\r\n"))
            self.assertEqual(client.recv(65536), b"HTTP/1.1 100 Continue\r\n\r\n")
            client.sendall(b"body")
            got = b""
            while b"any.example|4" not in got:
                got += client.recv(65536)
        self.assertNotIn(b"Expect", self.origin.heads[0])
        self.assertIn(b" 403 ", self.say("read.example", get("/", method="POST", more="Content-Length: 4\r\nExpect: 100-continue\r\n")))

    def test_an_answer_before_the_end_of_the_request_comes_through(self):
        with self.secure("any.example") as client:
            client.sendall(get("/early", "any.example", "POST", "Content-Length: 4000000\r\n") + b"x" * 1000)
            got = b""
            while more := client.recv(65536):
                got += more
        self.assertIn(b" 413 ", got)
        self.assertIn(b"Connection: close", got)

    def test_an_origin_that_says_more_than_it_was_asked_is_left(self):
        answer, connection = self.ask_for("any.example", "/more")
        self.assertEqual(answer.text, b"GET /more HTTP/1.1|any.example|0\n")
        try:
            answer, _ = self.ask_for("any.example", "/next", connection=connection)
            self.assertNotIn(b"false", answer.text)
        except (ConnectionError, http.client.HTTPException, ssl.SSLError):
            pass
        self.assertIn(b" 502 ", self.say("any.example", get("/switch", "any.example", more="Connection: upgrade\r\nUpgrade: x\r\n")))
        self.assertNotIn(b"pgrade", self.origin.heads[-1])

    # ---- limits and changes

    def test_bytes_are_counted(self):
        small = policy(ALLOW_LIST, [rule("any.example", HTTPS, methods=["GET"])], limits={4: 1 << 20})
        self.assertFalse(self.sandbox.replace(self.proxy, small)["failed"])
        with self.assertRaises((http.client.HTTPException, ConnectionError, ssl.SSLError)):
            self.ask_for("any.example", "/big")
        self.assertEqual(self.proxy.wait_event(lambda e: e["event"] == CLOSED)["denial"], LIMIT)

    def test_a_change_of_rules_cuts_what_they_do_not_allow(self):
        _, kept = self.ask_for("any.example", "/1")
        _, cut = self.ask_for("read.example", "/1")
        changed = policy(ALLOW_LIST, [rule("any.example", HTTPS, methods=["PUT"], name="new"), rule("read.example", HTTPS, [8443])])
        self.assertEqual(self.sandbox.replace(self.proxy, changed)["cut"], 1)
        with self.assertRaises((ConnectionError, http.client.HTTPException, ssl.SSLError)):
            self.ask_for("read.example", "/2", connection=cut)
        answer, kept = self.ask_for("any.example", "/2", "PUT", connection=kept)
        self.assertEqual(answer.status, 200)
        answer, _ = self.ask_for("any.example", "/3", connection=kept)
        self.assertEqual(answer.status, 403)
        _, kept = self.ask_for("any.example", "/4", "PUT")
        closed = policy(ALLOW_LIST, [rule("any.example", TLS, name="closed")])
        self.assertEqual(self.sandbox.replace(self.proxy, closed)["cut"], 0)
        self.assertEqual(self.ask_for("any.example", "/5", "DELETE", connection=kept)[0].status, 200)

    def test_a_request_under_way_is_cut_when_it_is_no_longer_allowed(self):
        with self.secure("any.example") as client:
            client.sendall(get("/", "any.example", "POST", "Content-Length: 10\r\n") + b"half")
            self.proxy.wait_event(lambda e: e["event"] == OPENED)
            self.assertEqual(self.sandbox.replace(self.proxy, policy(ALLOW_LIST, [
                rule("any.example", HTTPS, methods=["GET"])]))["cut"], 1)
            with self.assertRaises((ConnectionResetError, ssl.SSLError)):
                if not client.recv(10):
                    raise ConnectionResetError
        self.assertEqual(self.origin.bodies, [])

    def test_a_name_that_comes_in_pieces_and_many_connections(self):
        clients = [self.secure("any.example") for _ in range(60)]
        for client in clients:
            client.sendall(get("/many", "any.example"))
        for client in clients:
            self.assertIn(b" 200 ", client.recv(65536))
            client.close()


if __name__ == "__main__":
    unittest.main()
