#!/usr/bin/env python3
"""Secrets that the proxy puts into requests: into which, in place of what, and where they never come."""

import base64
import os
import socket
import sys
import threading
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from opened_case import OpenedCase
from proxy import ALLOW_LIST, CLOSED, FULL, HTTP, HTTPS, MISMATCH, NOT_TRUSTED, REFUSED, SECRET_MISSING, TLS, policy, rule

TOKEN = "s3cr3t-token-of-nobody"
BEARER = {"secret": "token", "header": "Authorization", "prefix": "Bearer "}
KEY = {"secret": "key", "header": "X-Api-Key"}
BASIC = {"secret": "token", "user": "git"}
RULES = [
    rule("any.example", HTTPS, paths=["/mine/**"], name="mine", credential=BEARER), rule("any.example", HTTPS, methods=["GET"]),
    rule("git.example", HTTPS, name="git", credential=BASIC), rule("closed.example", TLS, name="closed"),
    rule("closed.example", HTTPS, paths=["/key"], name="key", credential=KEY), rule("any.example", HTTP),
    rule("wrong.example", HTTPS, credential=BEARER)]
SECRETS = {"token": TOKEN, "key": "k3y-of-nobody"}


class SecretsTest(OpenedCase):
    policy = policy(ALLOW_LIST, RULES, secrets=SECRETS)

    def sent(self, name="authorization"):
        """Of each request that came to an origin: its header fields of that name."""
        return [[line.partition(b":")[2].strip().decode() for line in head.splitlines()
                 if line.partition(b":")[0].decode().lower().replace("_", "-") == name] for head in self.origin.heads]

    def replace(self, rules, secrets=SECRETS, mode=ALLOW_LIST):
        answer = self.sandbox.replace(self.proxy, policy(mode, rules, secrets=secrets))
        self.assertFalse(answer["failed"], answer["text"])
        return answer["cut"]

    # ---- into which requests

    def test_requests_of_its_rule_get_it_and_no_others(self):
        _, connection = self.ask_for("any.example", "/mine/x")
        for method, path in (("GET", "/x"), ("GET", "/minex"), ("POST", "/mine/y?z")):
            self.ask_for("any.example", path, method, b"body" if method == "POST" else None, connection=connection)
        self.assertEqual(self.sent(), [[f"Bearer {TOKEN}"], [], [], [f"Bearer {TOKEN}"]])
        self.assertEqual([body for body in self.origin.bodies if body], [b"body"])
        for path in ("/mine/../x", "/mine/%2e%2e/x", "/./mine/x", "//mine/x"):
            self.say("any.example", f"GET {path} HTTP/1.1\r\nHost: any.example\r\nConnection: close\r\n\r\n".encode())
        self.assertEqual(self.sent()[4:], [[]] * 4, "a path that is read in two ways is no path of it")

    def test_basic_authentication(self):
        self.ask_for("git.example", "/r/info/refs", headers={"Authorization": "Basic bWU6bWluZQ=="})
        told = base64.b64encode(f"git:{TOKEN}".encode()).decode()
        self.assertEqual(self.sent(), [[f"Basic {told}"]])

    def test_what_the_client_sends_in_its_place_goes_nowhere(self):
        head = ("GET /key HTTP/1.1\r\nHost: closed.example\r\nX-Api-Key: mine\r\nx-api-key: more\r\nX_Api_Key: other\r\n"
                "Connection: X-Api-Key, close\r\nX-Kept: yes\r\n\r\n")
        self.assertIn(b" 200 ", self.say("closed.example", head.encode()))
        self.assertEqual(self.sent("x-api-key"), [["k3y-of-nobody"]])
        self.assertIn(b"X-Kept: yes", self.origin.heads[0])

    def test_it_opens_a_connection_that_another_rule_would_leave_closed(self):
        answer, connection = self.ask_for("closed.example", "/other", "DELETE")
        self.assertEqual(answer.status, 200)
        self.ask_for("closed.example", "/key", connection=connection)
        self.assertEqual(self.sent("x-api-key"), [[], ["k3y-of-nobody"]])
        connection.close()
        event = self.proxy.wait_event(lambda e: e["event"] == CLOSED and e["host"] == "closed.example")
        self.assertEqual(event["rule"], "key")

    def test_mode_full_with_a_secret(self):
        self.replace([rule("any.example", HTTPS, paths=["/mine/**"], credential=BEARER)], mode=FULL)
        self.ask_for("any.example", "/mine/x")
        self.ask_for("any.example", "/x")
        self.assertEqual(self.sent(), [[f"Bearer {TOKEN}"], []])
        with self.secure("read.example", self.roots.client()) as client:
            self.assertIn((("commonName", "Authority of the internet"),), client.getpeercert()["issuer"], "stays closed")

    # ---- where it never comes

    def test_never_in_the_clear(self):
        with self.by_name("any.example", 80) as client:
            client.sendall(b"GET /mine/x HTTP/1.1\r\nHost: any.example\r\n\r\n")
            self.assertIn(b" 200 ", self.until_end(client, b"|0\n"), "a rule allows it")
        requests = b"".join(bytes(note[2]) for note in self.world.http.seen)
        self.assertIn(b"/mine/x", requests)
        self.assertNotIn(TOKEN.encode(), requests)

    def test_never_to_an_origin_that_is_not_the_host(self):
        answer, _ = self.ask_for("wrong.example", "/mine/x")
        self.assertEqual(answer.status, 502)
        self.refused(NOT_TRUSTED, "wrong.example")
        self.assertEqual(self.origin.heads, [])

    def test_never_in_the_body_of_a_request_that_was_made_of_another_ones(self):
        """An origin that reads no body of GET takes it for a request, and the next head for that one's body."""
        stored = []

        def answer(client, _note):
            with self.origin.first.wrap_socket(client, server_side=True) as secure:
                stream = secure.makefile("rwb")
                while line := stream.readline():
                    length, ends = 0, False
                    while (field := stream.readline().lower()) not in (b"\r\n", b""):
                        length = int(field.split(b":")[1]) if field.startswith(b"content-length:") else length
                        ends = ends or field == b"connection: close\r\n"
                    if not line.startswith(b"GET"):
                        stored.append(stream.read(length))
                    self.origin._say(stream, b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n")
                    if ends:
                        return

        service = self.world.echo[443]
        self.addCleanup(setattr, service, "answer", service.answer)
        service.answer = answer
        inner = b"POST /store HTTP/1.1\r\nHost: any.example\r\nContent-Length: 84\r\n\r\n"
        mine = b"GET /mine/x HTTP/1.1\r\nHost: any.example\r\n\r\n"
        self.say("any.example", b"GET /x HTTP/1.1\r\nHost: any.example\r\nContent-Length: %d\r\n\r\n%s%s" % (len(inner), inner, mine))
        self.assertEqual(stored, [])
        self.say("any.example", b"POST /mine/x HTTP/1.1\r\nHost: any.example\r\nContent-Length: 4\r\n\r\nbody")
        self.assertEqual(stored, [b"body"], "the control: what is asked for comes there")

    def test_never_for_another_host_of_the_same_connection(self):
        for head in ("GET /mine/x HTTP/1.1\r\nHost: closed.example\r\n\r\n",
                     "GET https://closed.example/key HTTP/1.1\r\nHost: any.example\r\n\r\n",
                     "GET /mine/x HTTP/1.1\r\nHost: any.example\r\nHost: closed.example\r\n\r\n"):
            self.assertRegex(self.say("any.example", head.encode()), rb" (421|403|400) ")
        self.refused(MISMATCH, "any.example")
        self.assertEqual(self.origin.heads, [])

    def test_an_answer_that_says_it_back_says_it_to_nobody(self):
        _, connection = self.ask_for("any.example", "/mine/echo")
        answer, _ = self.ask_for("any.example", "/mine/echo", connection=connection)
        self.assertEqual(answer.getheader("X-Echo"), "Bearer [secret]")
        self.assertEqual(answer.status, 200)
        told = self.say("git.example", b"GET /echo HTTP/1.1\r\nHost: git.example\r\nConnection: close\r\n\r\n")
        head = told.partition(b"\r\n\r\n")[0]
        self.assertIn(b"X-Echo: Basic [secret]", head)
        for part in (TOKEN.encode(), base64.b64encode(f"git:{TOKEN}".encode())):
            self.assertNotIn(part, head)

    def test_nothing_that_is_told_has_it(self):
        self.ask_for("any.example", f"/mine/{TOKEN[:4]}")
        self.replace(RULES, {})
        self.ask_for("any.example", "/mine/x")
        for event in self.proxy.events:
            for text in ("host", "rule", "method", "path", "text"):
                self.assertNotIn(TOKEN, event[text])

    # ---- in streams of HTTP/2

    def test_a_stream_gets_the_secret_of_its_rule(self):
        client = self.http2("any.example")
        mine = [("authorization", "mine"), ("x-kept", "yes")]
        for path in ("/mine/x", "/x", "/mine/echo"):
            answer = client.ask(path, headers=mine)
            self.assertEqual(answer.status, 200)
        self.assertEqual([head.get("authorization") for head in self.origin.http2.heads],
                         [f"Bearer {TOKEN}", "mine", f"Bearer {TOKEN}"])
        self.assertEqual({head["x-kept"] for head in self.origin.http2.heads}, {"yes"})
        self.assertEqual(answer.headers["x-echo"], "Bearer [secret]")

    def test_a_stream_without_its_secret_is_refused_and_cut(self):
        client = self.http2("any.example")
        held = client.open("/mine/x", "POST", ends=False)
        client.flush()
        while not self.origin.http2.heads:
            client.ask("/ticks")
        self.assertEqual(self.replace(RULES, {}), 1)
        self.assertEqual(client.read(held).headers["x-glovebox-policy"], "SECRET_MISSING")
        self.assertEqual(client.ask("/mine/y").headers["x-glovebox-policy"], "SECRET_MISSING")
        self.assertEqual(client.ask("/y").status, 200, "the connection goes on")
        self.assertNotIn("/mine/y", [head[":path"] for head in self.origin.http2.heads])

    def test_trailers_have_none(self):
        client = self.http2("any.example")
        stream = client.open("/mine/x", "POST", ends=False)
        client.connection.send_headers(stream, [("authorization", "mine"), ("x-sum", "7")], end_stream=True)
        client.flush()
        self.assertEqual(client.read(stream).status, 200)
        self.assertEqual(self.origin.http2.ended[-1][2], {"x-sum": "7"}, "the client's own, in its place")
        answer = client.ask("/mine/trailer-echo")
        self.assertEqual(answer.trailers, {"x-end": "Bearer [secret]", "x-sum": "7"})

    def test_a_stream_whose_rule_gives_no_secret_any_more_is_cut(self):
        client = self.http2("any.example")
        without = client.open("/x", "GET", ends=False)
        for rules in ([rule("any.example", HTTPS)], [rule("any.example", TLS)]):
            self.replace(RULES)
            held = client.open("/mine/x", "POST", ends=False)
            while "/mine/x" not in [head[":path"] for head in self.origin.http2.heads]:
                client.ask("/ticks")
            self.assertEqual(self.replace(rules, {}), 1)
            self.assertEqual(client.read(held).headers["x-glovebox-policy"], "REQUEST_NOT_ALLOWED")
            self.origin.http2.heads.clear()
        client.send(without, b"body", ends=True)
        self.assertEqual(client.read(without).status, 200, "what had none goes on")

    def test_a_connection_of_http_2_that_another_rule_would_leave_closed_is_opened(self):
        client = self.http2("closed.example")
        self.assertEqual(client.ask("/key").status, 200)
        self.assertEqual(client.ask("/other", "DELETE").status, 200)
        self.assertEqual([head.get("x-api-key") for head in self.origin.http2.heads], ["k3y-of-nobody", None])

    # ---- when it changes

    def test_one_that_is_gone_refuses_what_needs_it_at_once(self):
        _, connection = self.ask_for("any.example", "/mine/x")
        self.assertEqual(self.replace(RULES, {"key": "k3y-of-nobody"}), 0, "nothing was under way")
        answer, _ = self.ask_for("any.example", "/x")
        self.assertEqual(answer.status, 200, "what needs none goes on")
        answer, _ = self.ask_for("any.example", "/mine/x", connection=connection)
        self.assertEqual((answer.status, answer.getheader("X-Glovebox-Policy")), (403, "SECRET_MISSING"))
        event = self.proxy.wait_event(lambda e: e["event"] == REFUSED and e["denial"] == SECRET_MISSING)
        self.assertEqual((event["host"], event["path"]), ("any.example", "/mine/x"))
        self.assertEqual(self.sent(), [[f"Bearer {TOKEN}"], []])

    def test_a_request_under_way_with_one_that_is_gone_is_cut(self):
        with self.secure("any.example") as client:
            client.sendall(b"POST /mine/x HTTP/1.1\r\nHost: any.example\r\nContent-Length: 10\r\n\r\nhalf")
            while not self.origin.heads:
                self.proxy.wait_event(lambda e: e["host"] == "any.example")
            self.assertEqual(self.replace(RULES, {}), 1)
            with self.assertRaises(OSError):
                client.sendall(b"more")
                if client.recv(1) == b"":
                    raise ConnectionResetError
        event = self.proxy.wait_event(lambda e: e["event"] == CLOSED and e["denial"] == SECRET_MISSING)
        self.assertEqual(event["host"], "any.example")
        self.assertEqual(self.origin.bodies, [])

    def test_a_request_that_waits_for_its_origin_does_not_keep_what_its_rule_gave(self):
        reached, goes_on = threading.Event(), threading.Event()
        service = self.world.echo[443]
        answer = service.answer

        def late(client, note):
            client.recv(1, socket.MSG_PEEK)  # a hello: the request was judged
            reached.set()
            goes_on.wait(20)
            return answer(client, note)

        self.addCleanup(setattr, service, "answer", answer)
        service.answer = late
        with self.secure("any.example") as client:
            client.sendall(b"GET /mine/x HTTP/1.1\r\nHost: any.example\r\nConnection: close\r\n\r\n")
            self.assertTrue(reached.wait(20))
            self.assertEqual(self.replace([rule("any.example", HTTPS, methods=["GET"])], {}), 1)
            goes_on.set()
            with self.assertRaises(OSError):
                if client.recv(1) == b"":
                    raise ConnectionResetError
        service.answer = answer
        self.ask_for("any.example", "/mine/x")
        self.assertEqual(self.sent(), [[]], "the one that was asked by the new rules")

    def test_another_value_is_used_from_the_next_request_on(self):
        _, connection = self.ask_for("any.example", "/mine/x")
        self.replace(RULES, {**SECRETS, "token": "an0ther-token"})
        self.ask_for("any.example", "/mine/x", connection=connection)
        self.assertEqual(self.sent(), [[f"Bearer {TOKEN}"], ["Bearer an0ther-token"]])

    def test_one_that_fits_into_no_header_is_none(self):
        self.replace(RULES, {"token": "two\r\nX-Lines: of"})
        answer, _ = self.ask_for("any.example", "/mine/x")
        self.assertEqual(answer.getheader("X-Glovebox-Policy"), "SECRET_MISSING")
        self.assertEqual(self.origin.heads, [])


if __name__ == "__main__":
    unittest.main()
