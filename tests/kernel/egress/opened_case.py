"""A proxy that opens TLS, an origin with certificates, and clients that trust the proxy's authority."""

import http.client
import io
import ssl

import http2_peers
from authority import Authority
from case import PROGRAM, EgressCase
from proxy import ALLOW_LIST, HTTPS, TLS, Proxy, policy, rule
from world import DNS4, ORIGIN4, Service, World

OPENED = policy(ALLOW_LIST, [
    rule("read.example", HTTPS, methods=["GET", "HEAD"], name="read"),
    rule("git.example", HTTPS, methods=["GET"], name="fetch"),
    rule("git.example", HTTPS, methods=["POST"], paths=["**/git-upload-pack"], name="pack"),
    rule("paths.example", HTTPS, paths=["/a/*", "/b/**"], name="paths"),
    rule("any.example", HTTPS, methods=["GET", "PUT", "POST"], name="any"),
    rule("wrong.example", HTTPS, methods=["GET"]),
    rule("self.example", HTTPS, methods=["GET"]), rule("closed.example", TLS, name="closed"),
    rule("both.example", HTTPS, methods=["GET"]), rule("both.example", TLS, name="unseen"),
    rule("old.example", HTTPS, methods=["GET"], name="old"), rule("new.example", HTTPS, methods=["GET"], name="new")])
NAMES = ("read", "git", "paths", "any", "closed", "both", "old", "new")
PROTOCOLS = {"old.example": ["http/1.1"], "new.example": ["h2"]}  # of the others: both, HTTP/2 first


class Origin:
    """Answers requests over TLS as their paths say, and keeps the bytes of each."""

    def __init__(self, roots):
        self.heads = []
        self.bodies = []
        self.protocols = []
        self.http2 = http2_peers.Origin()
        self.contexts = {f"{name}.example": roots.server(name, f"DNS:{name}.example") for name in NAMES}
        self.contexts["wrong.example"] = roots.server("wrong", "DNS:another.example")
        self.contexts["self.example"] = Authority("Nobody").server("self", "DNS:self.example")
        self.first = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.first.sni_callback = self._choose
        self.first.set_alpn_protocols(["h2", "http/1.1"])

    def _choose(self, connection, name, _context):
        context = self.contexts.get(name)
        if context is None:
            return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
        context.set_alpn_protocols(PROTOCOLS.get(name, ["h2", "http/1.1"]))
        connection.context = context
        return None

    def answer(self, client, note):
        with self.first.wrap_socket(client, server_side=True) as secure:
            self.protocols.append(secure.selected_alpn_protocol())
            if secure.selected_alpn_protocol() == "h2":
                return self.http2.serve(secure)
            stream = secure.makefile("rwb")
            while self._serve(stream):
                pass
            secure.unwrap()
        return None

    def _serve(self, stream):
        line = stream.readline()
        if not line:
            return False
        head = line
        while line not in (b"\r\n", b""):
            line = stream.readline()
            head += line
        self.heads.append(head)
        headers = http.client.parse_headers(io.BytesIO(head.partition(b"\r\n")[2]))
        path = head.split()[1].decode()
        if path == "/early":
            self._say(stream, b"HTTP/1.1 413 Too Large\r\nContent-Length: 4\r\n\r\nbig\n")
            return False
        body = self._body(stream, headers)
        if body is None:
            return False
        self.bodies.append(body)
        told = f"{head.splitlines()[0].decode()}|{headers['Host']}|{len(body)}\n".encode()
        plain = b"Content-Length: %d\r\n\r\n%s" % (len(told), told)
        if path == "/chunked":
            plain = b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n3;x=y\r\nend\r\n0\r\nT: t\r\n\r\n" % (len(told), told)
        if path.endswith("/echo"):
            plain = b"X-Echo: %s\r\n" % headers["Authorization"].encode() + plain
        if path == "/close":
            plain = b"\r\n" + told
        if path == "/more":
            plain += b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfalse"
        if path == "/switch":
            self._say(stream, b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n")
            return False
        if path == "/interim":
            self._say(stream, b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n")
        if path.startswith("/big"):
            size = 5 << 20
            plain = b"Content-Length: %d\r\n\r\n" % size + (b"" if head.startswith(b"HEAD") else b"x" * size)
        elif head.startswith(b"HEAD"):
            plain = plain.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
        self._say(stream, b"HTTP/1.1 200 OK\r\n" + plain)
        return path != "/close"

    def _say(self, stream, data):
        stream.write(data)
        stream.flush()

    def _body(self, stream, headers):
        """None: it broke off."""
        if headers["Transfer-Encoding"] != "chunked":
            length = int(headers["Content-Length"] or 0)
            body = stream.read(length)
            return body if len(body) == length else None
        body = b""
        while size := int(stream.readline().partition(b";")[0] or b"-1", 16):
            if size < 0:
                return None
            body += stream.read(size)
            stream.readline()
        while stream.readline() not in (b"\r\n", b""):
            pass
        return body


class OpenedCase(EgressCase):
    policy = OPENED

    @classmethod
    def setUpClass(cls):
        cls.world = World()
        cls.world.dns.names.update({f"{name}.example": [ORIGIN4] for name in (*NAMES, "wrong", "self")})
        cls.roots = Authority("Authority of the internet")
        cls.origin = Origin(cls.roots)
        cls.world.echo.pop(443).close()
        cls.world.echo[443] = Service(cls.world.internet.listen(443), cls.origin.answer)
        cls.proxy = Proxy(PROGRAM, [DNS4], roots=cls.roots.certificate.read_bytes())

    def setUp(self):
        super().setUp()
        self.origin.heads.clear()
        self.origin.bodies.clear()
        self.origin.protocols.clear()
        self.origin.http2.forget()
        self.assertFalse(self.sandbox.replace(self.proxy, self.policy)["failed"])

    def offering(self, *protocols):
        context = self.proxy.authority.client()
        context.set_alpn_protocols(protocols)
        return context

    def http2(self, name="any.example", offers=("h2",), **options):
        """A client of HTTP/2, by its hello."""
        secure = self.secure(name, self.offering(*offers))
        self.addCleanup(secure.close)
        self.assertEqual(secure.selected_alpn_protocol(), "h2")
        return http2_peers.Client(secure, name, **options)

    def secure(self, name, context=None, sni=None, port=443):
        """A TLS connection that trusts the proxy's authority alone."""
        context = context or self.proxy.authority.client()
        return context.wrap_socket(self.by_name(name, port), server_hostname=sni or name)

    def ask_for(self, name, path="/", method="GET", body=None, headers=None, connection=None):
        """The answer, read; and its connection, which may go on."""
        if connection is None:
            connection = http.client.HTTPSConnection(name)
            connection.auto_open = 0
            connection.sock = self.secure(name)
            self.addCleanup(connection.close)
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        answer.text = answer.read()
        return answer, connection

    def say(self, name, data):
        """All that comes back for those bytes."""
        with self.secure(name) as client:
            client.sendall(data)
            got = b""
            try:
                while more := client.recv(65536):
                    got += more
            except (ConnectionResetError, ssl.SSLError):
                got += b"<reset>"
            return got
