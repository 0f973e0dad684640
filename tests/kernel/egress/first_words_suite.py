#!/usr/bin/env python3
"""What clients say first, held to where they go: names in TLS, requests in the clear."""

import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from case import EgressCase
from hello import ALERT, extension, hello, server_name
from proxy import ALLOW_LIST, CLOSED, HTTP, LIMIT, MISMATCH, REQUEST, policy, rule
from world import ORIGIN4, ORIGIN6, OTHER4


class FirstWordsTest(EgressCase):
    # ---- TLS names

    def tls_ways(self, data, name="good.example", cut=None):
        """What comes back for those first bytes, through each way to the name."""
        def say(client):
            with client:
                try:
                    for i in range(0, len(data), cut or len(data)):
                        client.sendall(data[i:i + (cut or len(data))])
                    got = client.recv(65536)
                    while got and len(got) < len(data) and got != ALERT:
                        more = client.recv(65536)
                        if not more:
                            break
                        got += more
                    return got
                except (ConnectionResetError, BrokenPipeError):
                    return b"<reset>"
        client, head = self.tunnel(f"{name}:443")
        self.assertIn(b"200", head)
        yield say(client)
        client, code = self.socks(3, name.encode(), 443)
        self.assertEqual(code, 0)
        yield say(client)
        yield say(self.by_name(name, 443))

    def test_a_tls_name_that_is_not_the_name_is_refused(self):
        good = server_name("good.example")
        cases = {
            "another": hello(server_name("other.example")), "none": hello(extension(43, b"xx")),
            "twice": hello(good, server_name("other.example")), "two": hello(server_name("good.example", "other.example")),
            "NUL": hello(server_name("good.example\0.other.example")), "address": hello(server_name(ORIGIN4)),
            "below": hello(server_name("a.good.example")), "dot": hello(server_name("good.example.")),
            "ech": hello(good, extension(0xfe0d, b"abcd")), "esni": hello(good, extension(0xffce, b"abcd")),
            "behind 3 KB": hello(extension(21, b"\0" * 3000), server_name("other.example")),
            "another in 9 records": hello(server_name("other.example"), record_bytes=12),
        }
        for what, data in cases.items():
            for answer in self.tls_ways(data):
                self.assertEqual(answer, ALERT, what)
            self.refused(MISMATCH, "good.example")
        for answer in self.tls_ways(b"SSH-2.0-client\r\n\r\n"):
            self.assertNotIn(b"SSH", answer)
        for answer in self.tls_ways(b"GET / HTTP/1.1\r\nHost: good.example\r\n\r\n"):
            self.assertIn(b"403", answer)
        self.assertEqual([n for n in self.world.echo[443].seen if n[2]], [], "the origin got no byte")

    def test_the_right_name_goes_through_however_it_is_cut(self):
        good = server_name("good.example")
        for data, cut in ((hello(good), None), (hello(good), 1), (hello(good, record_bytes=10), None),
                          (hello(extension(21, b"\0" * 3000), good), 700), (hello(server_name("GOOD.example")), None),
                          (hello(extension(21, b"\0" * 20000), good), None)):
            for answer in self.tls_ways(data, cut=cut):
                self.assertEqual(answer[:len(data)], data[:len(answer)])
                self.assertGreater(len(answer), 7)
        for answer in self.tls_ways(hello(server_name("a.wild.example")), "a.wild.example"):
            self.assertNotEqual(answer, ALERT)

    def test_without_a_question_the_tls_name_decides(self):
        """A client with a resolver of its own: the address that it found is not the one that is dialled."""
        for address in (OTHER4, "10.0.0.5", "169.254.169.254", ORIGIN6):
            with self.sandbox.connect(address, 443) as client:
                data = hello(server_name("good.example"))
                client.sendall(data)
                self.assertEqual(client.recv(65536), data)
            with self.sandbox.connect(address, 443) as client:
                client.sendall(hello(server_name("other.example")))
                self.assertEqual(client.recv(65536), ALERT)
        self.assertEqual(self.world.echo[443].addresses(), {ORIGIN4})

    # ---- requests in the clear

    def http(self, request, name="good.example", port=80):
        with self.by_name(name, port) as client:
            client.sendall(request)
            return self.until_end(client)

    def test_smuggled_requests_are_refused(self):
        start = b"POST / HTTP/1.1\r\nHost: good.example\r\n"
        second = b"GET /smuggled HTTP/1.1\r\nHost: evil.example\r\n\r\n"
        cases = {
            "CL and TE": start + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + second,
            "two CL": start + b"Content-Length: 0\r\nContent-Length: 44\r\n\r\n" + second,
            "TE twice": start + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n" + second,
            "another TE": start + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" + second,
            "TE with a fold": start + b"Transfer-Encoding:\r\n chunked\r\n\r\n" + second,
            "a fold": b"GET / HTTP/1.1\r\nX: y\r\n z\r\nHost: good.example\r\n\r\n",
            "a fold by a tab": b"GET / HTTP/1.1\r\nX:\r\n\tz\r\nHost: good.example\r\n\r\n",
            "space before the colon": start + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + second,
            "negative CL": start + b"Content-Length: -1\r\n\r\n" + second,
            "two Hosts": b"GET / HTTP/1.1\r\nHost: good.example\r\nHost: evil.example\r\n\r\n",
            "no Host": b"GET / HTTP/1.1\r\n\r\n",
            "another Host": b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n",
            "another port": b"GET / HTTP/1.1\r\nHost: good.example:81\r\n\r\n",
            "absolute": b"GET http://evil.example/ HTTP/1.1\r\nHost: good.example\r\n\r\n",
            "CONNECT": b"CONNECT evil.example:80 HTTP/1.1\r\nHost: good.example\r\n\r\n",
            "TRACE": b"TRACE / HTTP/1.1\r\nHost: good.example\r\n\r\n",
            "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            "a bare CR": b"GET / HTTP/1.1\r\nHost: good.example\rX: y\r\n\r\n",
            "a NUL": b"GET / HTTP/1.1\r\nHost: good.example\r\nX: \0\r\n\r\n",
        }
        for what, request in cases.items():
            answer = self.http(request)
            self.assertNotIn(b"200 OK", answer, what)
        self.assertNotIn(b"smuggled", b"".join(note[2] for note in self.world.http.seen))
        self.assertNotIn(b"evil", b"".join(note[2] for note in self.world.http.seen))

    def test_what_is_behind_a_request_is_not_passed_on(self):
        second = b"GET /second HTTP/1.1\r\nHost: evil.example\r\n\r\n"
        for request in (b"GET /x HTTP/1.1\r\nHost: good.example\r\n\r\n",
                        b"POST /x HTTP/1.1\r\nHost: good.example\r\nContent-Length: 3\r\n\r\nabc",
                        b"GET /x HTTP/1.1\r\nHost: good.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"):
            answer = self.http(request + second)
            self.assertEqual(answer.count(b"200 OK"), 1)
        passed = b"".join(note[2] for note in self.world.http.seen)
        self.assertEqual(passed.count(b"/x HTTP/1.1"), 3, "the control")
        self.assertNotIn(b"second", passed)
        self.assertNotIn(b"Upgrade", passed)

    def test_bodies_go_through_whole(self):
        for head, body in ((b"Content-Length: 300000", b"x" * 300000),
                           (b"Transfer-Encoding: chunked", b"%x\r\n%s\r\n0\r\n\r\n" % (100000, b"y" * 100000))):
            answer = self.http(b"POST /up HTTP/1.1\r\nHost: good.example\r\n" + head + b"\r\n\r\n" + body)
            self.assertIn(b"POST /up HTTP/1.1|good.example|", answer)
        event = self.proxy.wait_event(lambda e: e["event"] == CLOSED and e["sent"] > 300000)
        head = b"POST /up HTTP/1.1\r\nHost: good.example\r\nContent-Length: 300000\r\nConnection: close\r\n\r\n"
        self.assertEqual(event["sent"], len(head) + 300000)
        self.assertEqual((event["method"], event["path"], event["rule"]), ("POST", "/up", "web"))

    def test_heads_count_as_bytes_that_are_sent(self):
        limited = policy(ALLOW_LIST, [rule("good.example", HTTP)], limits={3: 10_000})
        self.assertFalse(self.sandbox.replace(self.proxy, limited)["failed"])
        request = lambda size: b"GET /h HTTP/1.1\r\nHost: good.example\r\nX: " + b"x" * size + b"\r\n\r\n"
        self.assertIn(b"200 OK", self.http(request(1000)), "the control")
        self.assertNotIn(b"200 OK", self.http(request(9000)))
        self.proxy.wait_event(lambda e: e["event"] == CLOSED and e["denial"] == LIMIT)
        # The origin accepts in turn, so what came before this one is not seen by the next test.
        self.assertIn(b"200 OK", self.http(request(1000)), "there is room for a short one")
        self.assertEqual([bool(n[2]) for n in self.world.http.seen], [True, False, True])

    def test_methods_and_paths_are_held(self):
        def ask(method, path):
            return self.http(f"{method} {path} HTTP/1.1\r\nHost: read.example\r\n\r\n".encode(), "read.example")
        for method, path in (("GET", "/a/x"), ("GET", "/b/x/y?z=/c"), ("GET", "/a/%78"), ("GET", "/b/")):
            self.assertIn(b"200 OK", ask(method, path), path)
        self.assertEqual(len(self.world.http.seen), 4)
        for method, path in (("POST", "/a/x"), ("get", "/a/x"), ("GET", "/a/x/y"), ("GET", "/c"), ("GET", "/b/../c"),
                             ("GET", "/b/%2e%2e/c"), ("GET", "/b/..;/c"), ("GET", "/b//c"), ("GET", "/b/%2fc"), ("GET", "/"),
                             ("GET", "/b/\\..\\c"), ("GET", "*"), ("DELETE", "/b/x")):
            answer = ask(method, path)
            self.assertIn(b"403", answer, path)
            self.assertIn(b"X-Glovebox-Policy: REQUEST_NOT_ALLOWED", answer, path)
        self.refused(REQUEST, "read.example")
        self.assertEqual(len(self.world.http.seen), 4)

    def test_absolute_uris_are_the_same_requests(self):
        def ask(uri, host):
            with self.sandbox.connect("127.0.0.1", 3128) as client:
                client.sendall(f"GET {uri} HTTP/1.1\r\nHost: {host}\r\nProxy-Connection: keep-alive\r\n\r\n".encode())
                return self.until_end(client)
        self.assertIn(b"GET /x?y HTTP/1.1|good.example|0", ask("http://good.example/x?y", "good.example"))
        for uri, host in (("http://good.example/", "evil.example"), ("http://evil.example/", "evil.example"),
                          ("http://evil.example/", "good.example"), ("http://good.example:81/", "good.example"),
                          ("http://good.example@evil.example/", "good.example"), ("https://good.example/", "good.example"),
                          ("/", "good.example"), ("http://read.example/c", "read.example")):
            self.assertNotIn(b"200 OK", ask(uri, host), uri)
        self.assertEqual(len(self.world.http.seen), 1)
        self.assertNotIn(b"Proxy-Connection", self.world.http.seen[0][2])


if __name__ == "__main__":
    unittest.main()
