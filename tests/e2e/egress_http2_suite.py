#!/usr/bin/env python3
"""Programs of sandboxes that speak HTTP/2 over TLS that is opened: gRPC, which speaks nothing else, and curl."""

import concurrent.futures
import pathlib
import tempfile
import unittest

import grpc

import egress_origins
from egress_case import EgressCase, egress_world
import http2_peers

HTTPS = 4
GRPC, PLAIN = 8443, 9443  # ports of the two origins
CLIENT = r"""
import sys
import grpc
channel = grpc.secure_channel(f"good.example:{sys.argv[1]}", grpc.ssl_channel_credentials())
name, words = sys.argv[2], [word.encode() for word in sys.argv[3:]]
try:
    if name.endswith("Unary"):
        said, call = channel.unary_unary(name).with_call(words[0], timeout=60, metadata=[("x-asked", "yes")])
        print(said.decode(), dict(call.trailing_metadata()).get("x-told"))
    elif name.endswith("Stream"):
        for said in channel.unary_stream(name)(words[0], timeout=60):
            print(said.decode()[:20], len(said))
    elif name.endswith("Talk"):
        # Each word is said when the one before was answered.
        import queue
        turn = queue.Queue()
        def say():
            for word in words:
                yield word
                turn.get()
        for said in channel.stream_stream(name)(say(), timeout=60):
            print(said.decode())
            turn.put(None)
    else:
        channel.unary_unary(name)(words[0], timeout=60)
except grpc.RpcError as error:
    print(error.code().name, error.details())
"""


class Service(grpc.GenericRpcHandler):
    """/pkg.Service/Unary, Stream and Talk, and /other.Service/Unary; messages are bytes."""

    def __init__(self):
        self.asked = []

    def service(self, call):
        self.asked.append(call.method)
        handlers = {"Unary": grpc.unary_unary_rpc_method_handler(self.unary), "Stream": grpc.unary_stream_rpc_method_handler(self.stream),
                    "Talk": grpc.stream_stream_rpc_method_handler(self.talk), "Fails": grpc.unary_unary_rpc_method_handler(self.fails)}
        return handlers.get(call.method.rpartition("/")[2])

    def unary(self, said, context):
        context.set_trailing_metadata([("x-told", dict(context.invocation_metadata()).get("x-asked", "no"))])
        return said.upper()

    def stream(self, said, _context):
        for i in range(20):
            yield b"%d " % i + said * 100000

    def talk(self, words, _context):
        for word in words:
            yield word[::-1]

    def fails(self, _said, context):
        context.abort(grpc.StatusCode.NOT_FOUND, "there is none")


def rule(name, port, methods=(), paths=()):
    return {"name": name, "host": "good.example", "ports": [port], "scheme": HTTPS, "methods": methods, "paths": paths}


class Http2(EgressCase):
    @classmethod
    def make_internet(cls):
        super().make_internet()
        cls.folder = tempfile.TemporaryDirectory(prefix="glovebox-e2e-", dir="/tmp")
        folder = pathlib.Path(cls.folder.name)
        cls.authority = egress_origins.Authority(folder)
        cls.configuration = f'origin_roots = "{cls.authority.certificate}"\n'
        cls.service = Service()
        cls.server = grpc.server(concurrent.futures.ThreadPoolExecutor(8), handlers=[cls.service])
        credentials = grpc.ssl_server_credentials([((folder / "server.key").read_bytes(), cls.authority.server.read_bytes())])
        bound = cls.world.internet.inside(lambda: cls.server.add_secure_port(f"[::]:{GRPC}", credentials))
        assert bound == GRPC, bound
        cls.server.start()
        cls.http2 = http2_peers.Origin()
        cls.authority.context.set_alpn_protocols(["h2"])
        cls.plain = egress_world.Service(cls.world.internet.listen(PLAIN), cls._answer)

    @classmethod
    def _answer(cls, client, _note):
        with cls.authority.context.wrap_socket(client, server_side=True) as secure:
            cls.http2.serve(secure)

    @classmethod
    def tearDownClass(cls):
        cls.server.stop(None)
        cls.plain.close()
        super().tearDownClass()
        cls.folder.cleanup()

    def call(self, sandbox, method, *words):
        done = self.run_in(sandbox, "/usr/bin/python3", "-c", CLIENT, str(GRPC), method, *words)
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        return done.stdout.decode()

    # ---- gRPC

    def test_grpc_calls_of_every_kind_go_through(self):
        sandbox = self.made(rule("service", GRPC, ["POST"], ["/pkg.Service/*"]))
        self.assertEqual(self.call(sandbox, "/pkg.Service/Unary", "hello"), "HELLO yes\n")
        self.assertEqual(self.call(sandbox, "/pkg.Service/Stream", "12345"),
                         "".join(f"{f'{i} ' + '12345' * 5:.20} {500000 + len(f'{i} ')}\n" for i in range(20)))
        self.assertEqual(self.call(sandbox, "/pkg.Service/Talk", "one", "two", "three"), "eno\nowt\neerht\n")
        self.assertEqual(self.call(sandbox, "/pkg.Service/Fails", "x"), "NOT_FOUND there is none\n")
        record = next(one for one in self.records(sandbox) if one.get("path") == "/pkg.Service/Talk")
        self.assertEqual((record["method"], record["rule"]), ("POST", "service"))

    def test_grpc_methods_that_no_rule_has_are_told(self):
        sandbox = self.made(rule("service", GRPC, ["POST"], ["/pkg.Service/*"]))
        self.service.asked.clear()
        for method in ("/other.Service/Unary", "/pkg.Service2/Unary", "/pkg.Service/x/Unary"):
            said = self.call(sandbox, method, "x")
            self.assertTrue(said.startswith("PERMISSION_DENIED"), said)
        self.assertEqual(self.service.asked, [])
        refused = {one["path"] for one in self.records(sandbox, "--refused")}
        self.assertEqual(refused, {"/other.Service/Unary", "/pkg.Service2/Unary", "/pkg.Service/x/Unary"})
        self.change(sandbox, rule("other", GRPC, ["POST"], ["/other.Service/*"]))
        self.assertEqual(self.call(sandbox, "/other.Service/Unary", "x"), "X yes\n")
        self.assertTrue(self.call(sandbox, "/pkg.Service/Unary", "x").startswith("PERMISSION_DENIED"))

    # ---- curl

    def curl(self, sandbox, *words, port=PLAIN):
        """What it says, and in which version of HTTP, with which status."""
        done = self.run_in(sandbox, "curl", "-sS", "-w", "%{http_version} %{http_code}", *words,
                           f"https://good.example:{port}/x")
        return done.stdout.decode()

    def test_curl_speaks_what_the_origin_does(self):
        sandbox = self.made(rule("read", PLAIN, ["GET"]))
        told = f"GET /x|good.example:{PLAIN}|0\n2 200"
        self.assertEqual(self.curl(sandbox), told)
        self.assertEqual(self.curl(sandbox, "--http2-prior-knowledge"), told)
        refused = self.curl(sandbox, "-d", "x")
        self.assertIn("the policy of this sandbox refuses good.example port 9443", refused)
        self.assertTrue(refused.endswith("2 403"), refused)
        self.assertTrue(self.curl(sandbox, "-H", "Host: other.example").endswith("2 421"))
        self.assertTrue(self.curl(sandbox, "-x", "http://127.0.0.1:3128", "-X", "PUT").endswith("2 403"))
        self.assertIn("1.1 502", self.curl(sandbox, "--http1.1"), "this origin speaks HTTP/2 alone")


if __name__ == "__main__":
    unittest.main()
