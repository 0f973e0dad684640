"""A world, a proxy in it, and what clients in a sandbox do: what the suites have in one."""

import os
import socket
import struct
import unittest

from hello import vector
from proxy import ALLOW_LIST, FULL, HTTP, REFUSED, REMOVE, TCP, TLS, Proxy, Sandbox, policy, rule
from world import DNS4, HOST4, HOST6, ORIGIN4, ORIGIN6, OTHER4, World, names_wire

PROGRAM = os.path.join(os.environ.get("GLOVEBOX_BIN", "build/release/bin"), "glovebox-egress")

ALLOWED = policy(ALLOW_LIST, [
    rule("good.example", TLS), rule("good.example", HTTP, name="web"), rule("good.example", TCP, [22, 5432], name="raw"),
    rule("*.wild.example", TLS), rule("six.example", TCP, [22]), rule("mixed.example", TCP, [22]),
    rule("private.example", TCP, [22, 80, 443]), rule("metadata.example", TCP, [80]), rule("loop.example", TCP, [22, 80, 443]),
    rule("own.example", TCP, [22, 80, 443]), rule("mapped.example", TCP, [22]), rule("translated.example", TCP, [22]),
    rule("rebinding.example", TCP, [22]), rule("kept.example", TCP, [22]), rule("slow.example", TCP, [9]),
    rule("read.example", HTTP, [8080, 80], ["GET"], ["/a/*", "/b/**"], name="read")])
EVERYTHING = policy(FULL)


class EgressCase(unittest.TestCase):
    """Each test has a sandbox of its own, with ALLOWED; the world and the proxy are of all of them."""

    @classmethod
    def setUpClass(cls):
        cls.world = World()
        rebinding = iter([[ORIGIN4]] + [["127.0.0.1"]] * 1000)
        cls.world.dns.names.update({
            "good.example": [ORIGIN4], "a.wild.example": [ORIGIN4], "other.example": [OTHER4], "six.example": [ORIGIN6],
            "mixed.example": ["10.0.0.5", ORIGIN4, "127.0.0.1"], "private.example": ["10.0.0.5", "192.168.0.5", "fc00::5"],
            "metadata.example": ["169.254.169.254", "fd00:ec2::254"], "loop.example": ["127.0.0.1", "::1", "0.0.0.0"],
            "own.example": [HOST4, HOST6], "mapped.example": ["::ffff:127.0.0.1", "::ffff:93.184.216.34"],
            "translated.example": ["64:ff9b::7f00:1", "2002:7f00:1::1"], "read.example": [ORIGIN4],
            "rebinding.example": lambda kind: next(rebinding) if kind == 1 else []})
        cls.world.dns.seconds["kept.example"] = 3600
        cls.proxy = Proxy(PROGRAM, [DNS4])

    @classmethod
    def tearDownClass(cls):
        status = cls.proxy.end()
        hits, reached = cls.world.planted_hits(), cls.world.wire.to
        cls.world.close()
        assert status == 0, f"glovebox-egress ended with {status}"
        assert not hits, f"planted services were reached: {hits}"
        strangers = reached - {ORIGIN4, ORIGIN6, OTHER4, DNS4, "8.8.4.4", "2001:4860:4860::8844"}
        assert not strangers, f"packets went to {strangers}"
        assert ORIGIN4 in reached, "the control: what is allowed is seen"

    def setUp(self):
        self.world.forget()
        self.proxy.events.clear()
        self.sandbox = Sandbox()
        self.addCleanup(self.close_sandbox)
        answer = self.sandbox.add(self.proxy, ALLOWED)
        self.assertFalse(answer["failed"], answer["text"])

    def close_sandbox(self):
        if self.proxy.process.poll() is None:
            self.proxy.order(REMOVE, self.sandbox.number)
        self.sandbox.close()

    def everything(self):
        self.assertFalse(self.sandbox.replace(self.proxy, EVERYTHING)["failed"])

    def resolve(self, name, kind=1, server="9.9.9.9", tcp=False):
        answer = self.sandbox.ask(struct.pack(">6H", 7, 0x100, 1, 0, 0, 0) + names_wire(name) + struct.pack(">HH", kind, 1),
                                  server, tcp)
        flags, _, count = struct.unpack(">3H", answer[2:8])
        return flags & 15, socket.inet_ntoa(answer[-4:]) if count else None

    def by_name(self, name, port):
        code, address = self.resolve(name)
        self.assertEqual(code, 0, name)
        return self.sandbox.connect(address, port)

    def tunnel(self, target):
        """A socket behind CONNECT, and the status; None when it was refused."""
        client = self.sandbox.connect("127.0.0.1", 3128)
        target = target.encode("latin-1") if isinstance(target, str) else target
        client.sendall(b"CONNECT " + target + b" HTTP/1.1\r\nHost: " + target + b"\r\n\r\n")
        head = self.until_end(client, b"\r\n\r\n")
        return client, head

    def until_end(self, client, end=None):
        data = b""
        while end is None or end not in data:
            try:
                more = client.recv(65536)
            except ConnectionResetError:
                return data + b"<reset>"
            if not more:
                break
            data += more
        return data

    def socks(self, kind, host, port, command=1):
        client = self.sandbox.connect("127.0.0.1", 1080)
        client.sendall(b"\x05\x01\x00")
        self.assertEqual(client.recv(2), b"\x05\x00")
        client.sendall(bytes([5, command, 0, kind]) + (vector(1, host) if kind == 3 else host) + struct.pack(">H", port))
        reply = client.recv(10)
        return client, reply[1] if len(reply) > 1 else None

    def echoes(self, client, data=b"hello"):
        try:
            client.sendall(data)
            return client.recv(65536) == data
        except OSError:
            return False

    def denied(self, client):
        """Nothing comes but words of the proxy, and the end."""
        with client:
            try:
                client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                data = self.until_end(client)
            except (ConnectionResetError, BrokenPipeError):
                return True
        return data in (b"", b"<reset>") or b"X-Glovebox-Policy: " in data

    def refused(self, reason, host=None):
        return self.proxy.wait_event(
            lambda e: e["event"] == REFUSED and e["denial"] == reason and host in (None, e["host"]))

    def untouched(self):
        seen = {port: s.seen for port, s in [(80, self.world.http), *self.world.echo.items()] if s.seen}
        self.assertEqual(seen, {})
