"""glovebox-egress as its daemon runs it, and a sandbox's namespace with the sockets that it serves."""

import os
import select
import signal
import socket
import struct
import subprocess

from authority import Authority
from world import Namespace

MAGIC, VERSION = 0x73726765, 1
TRANSPARENT, HTTP_PROXY, SOCKS5, DNS_UDP, DNS_TCP, CLIENT_DIAG = 1, 2, 3, 4, 5, 6
ADD, REPLACE, REMOVE, SETTLE, SET_NAME_SERVERS = 1, 2, 3, 5, 6
ORDER = struct.Struct("<4IQ4I64I96s")
SANDBOXES_MAX = 64
SEVERAL = 2 ** 64 - 1  # commands
READY, FAILED, ANSWER, EVENT = 1, 2, 3, 4
OPENED, REFUSED, CLOSED = 1, 2, 3
NONE, ALLOW_LIST, FULL = 1, 2, 3
TCP, HTTP, TLS, HTTPS = 1, 2, 3, 4
NO_EGRESS, NO_RULE, REQUEST, PRIVATE, MISMATCH, LIMIT, NOT_TRUSTED, SECRET_MISSING = 1, 2, 3, 4, 5, 6, 8, 9

MESSAGE = struct.Struct("<8I5QqQQQ2I16s2I256s64s32s512s256s")
MESSAGE_FIELDS = ("magic", "version", "kind", "event", "sequence", "failed", "cut", "denial", "sandbox", "connection",
                  "lost", "command", "cgroup", "start", "duration", "sent", "received", "port", "has_address", "address", "is_v6",
                  "address_port", "host", "rule", "method", "path", "text")


def varint(value):
    out = b""
    while value >= 0x80:
        out += bytes([value & 0x7f | 0x80])
        value >>= 7
    return out + bytes([value])


def number(field, value):
    return varint(field << 3) + varint(value)


def text(field, value):
    value = value.encode() if isinstance(value, str) else value
    return varint(field << 3 | 2) + varint(len(value)) + value


def credential_of(secret, header="", user="", prefix=""):
    return text(7, text(1, secret) + text(2, header) + text(3, user) + text(4, prefix))


def rule(host, scheme, ports=(), methods=(), paths=(), name="", credential=None):
    return (text(1, name) + text(2, host) + b"".join(number(3, p) for p in ports) + number(4, scheme)
            + b"".join(text(5, m) for m in methods) + b"".join(text(6, p) for p in paths)
            + (credential_of(**credential) if credential else b""))


def policy(mode, rules=(), ranges=(), limits=None, presets=(), secrets=None):
    given = {1: 256, 2: 1000, 3: 2 ** 64 - 1, 4: 2 ** 64 - 1, **(limits or {})}
    return (number(1, mode) + b"".join(text(2, r) for r in rules) + b"".join(text(3, p) for p in presets)
            + text(4, b"".join(number(k, v) for k, v in given.items())) + b"".join(text(5, r) for r in ranges)
            + b"".join(text(6, text(1, name) + text(2, value)) for name, value in (secrets or {}).items()))


def memfd(data):
    fd = os.memfd_create("policy", os.MFD_CLOEXEC)
    os.write(fd, data)
    return fd


def name_server_endpoints(addresses):
    return b"".join(socket.inet_aton(one).ljust(16, b"\0") + struct.pack("<II", 0, 53) for one in addresses)


def set_up(control, authority, *numbers, servers=b"", roots=b"", words=None):
    """The first message."""
    certificate, key = authority.der()
    message = struct.pack("<10I96s2I1024s256s", MAGIC, VERSION, *numbers, servers, len(certificate), len(key), certificate, key)
    fds = [memfd(roots), memfd(b"\0" * 8 * SANDBOXES_MAX) if words is None else os.dup(words)]
    socket.send_fds(control, [message], fds)
    for fd in fds:
        os.close(fd)


class Proxy:
    """One process."""

    def __init__(self, program, name_servers, opening_ms=10000, connect_ms=3000, idle_ms=60000, connections_max=2000,
                 roots=b""):
        self.authority = Authority("Authority of sandboxes")
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.sequence = 0
        self.events = []
        self.process = subprocess.Popen([program], pass_fds=(theirs.fileno(), 3),
                                        preexec_fn=lambda: os.dup2(theirs.fileno(), 3, inheritable=True))
        theirs.close()
        self.words = memfd(b"\0" * 8 * SANDBOXES_MAX)
        set_up(self.control, self.authority, 65534, SANDBOXES_MAX, connections_max, opening_ms, connect_ms, idle_ms,
               len(name_servers), 0, servers=name_server_endpoints(name_servers), roots=roots, words=self.words)
        ready = self.take()
        if ready["kind"] != READY:
            raise RuntimeError(f"glovebox-egress does not start: {ready['text']}")

    def take(self, timeout=20):
        ready, _, _ = select.select([self.control], [], [], timeout)
        if not ready:
            raise TimeoutError("glovebox-egress says nothing")
        data = self.control.recv(4096)
        if not data:
            raise EOFError("glovebox-egress has ended")
        message = dict(zip(MESSAGE_FIELDS, MESSAGE.unpack(data)))
        for field in ("host", "rule", "method", "path", "text"):
            message[field] = message[field].rstrip(b"\0").decode()
        assert message["magic"] == MAGIC and message["version"] == VERSION
        return message

    def set_commands(self, sandbox, word):
        os.pwrite(self.words, struct.pack("<Q", word), sandbox % SANDBOXES_MAX * 8)

    def order(self, kind, sandbox, fds=(), roles=(), name_servers=()):
        self.send_order(kind, sandbox, fds, roles, name_servers)
        return self.take_answer()

    def send_order(self, kind, sandbox, fds=(), roles=(), name_servers=()):
        self.sequence += 1
        padded = list(roles) + [0] * (64 - len(roles))
        data = ORDER.pack(MAGIC, VERSION, kind, self.sequence, sandbox, len(roles), len(name_servers), sandbox % SANDBOXES_MAX, 0,
                          *padded, name_server_endpoints(name_servers))
        socket.send_fds(self.control, [data], list(fds))

    def take_answer(self):
        while True:
            message = self.take()
            if message["kind"] == EVENT:
                self.events.append(message)
            else:
                assert message["kind"] == ANSWER and message["sequence"] == self.sequence
                return message

    def wait_event(self, wanted, timeout=20):
        """The first event, among those that came and those that come, that is wanted."""
        at = 0
        while True:
            for event in self.events[at:]:
                at += 1
                if wanted(event):
                    return event
            message = self.take(timeout)
            assert message["kind"] == EVENT
            self.events.append(message)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)  # of our own child, which is not reaped yet
        self.process.wait()
        self.control.close()
        os.close(self.words)

    def end(self):
        """By the end of its control socket, as when the daemon ends."""
        self.control.close()
        os.close(self.words)
        return self.process.wait(timeout=20)


class Sandbox:
    """A network namespace where every address is local, with the proxy's sockets in it."""

    count = 0

    def __init__(self, ports=(22, 80, 443, 5432, 8080, 8443)):
        Sandbox.count += 1
        self.number = Sandbox.count
        self.space = Namespace.make()
        self.space.all_addresses_are_local()
        self.bytes = memfd(bytes(16))  # what it has sent and received
        self.sockets = [(TRANSPARENT, self.space.listen(port)) for port in ports]
        self.sockets += [(HTTP_PROXY, self.space.listen(3128, "127.0.0.1")), (SOCKS5, self.space.listen(1080, "127.0.0.1")),
                         (DNS_UDP, self.space.listen(53, "::", socket.SOCK_DGRAM)), (DNS_TCP, self.space.listen(53))]

    def add(self, proxy, given):
        fd = memfd(given)
        answer = proxy.order(ADD, self.number, [fd, self.bytes] + [s.fileno() for _, s in self.sockets],
                             [role for role, _ in self.sockets])
        os.close(fd)
        return answer

    def replace(self, proxy, given):
        fd = memfd(given)
        answer = proxy.order(REPLACE, self.number, [fd])
        os.close(fd)
        return answer

    def connect(self, address, port, timeout=20):
        client = self.space.make_socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
        client.settimeout(timeout)
        try:
            client.connect((address, port))
        except OSError:
            client.close()
            raise
        return client

    def ask(self, packet, server="9.9.9.9", tcp=False):
        """Sends a packet to a name server at that address, and takes one from there."""
        if tcp:
            with self.connect(server, 53) as client:
                client.sendall(struct.pack(">H", len(packet)) + packet)
                answers = client.makefile("rb")
                return answers.read(struct.unpack(">H", answers.read(2))[0])
        with self.space.make_socket(socket.AF_INET6 if ":" in server else socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(1)
            client.connect((server, 53))  # takes answers from there alone
            for _ in range(20):  # as any client of a name server, which may drop what is too much
                client.send(packet)
                try:
                    return client.recv(4096)
                except TimeoutError:
                    pass
            raise TimeoutError("the name server does not answer")

    def close(self):
        for _, sock in self.sockets:
            sock.close()
        os.close(self.bytes)
        self.space.close()
