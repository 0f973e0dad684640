"""A host, an internet and sandboxes, as network namespaces of the test itself.

    sandbox ns            host ns (this process's)             internet ns
    lo, all addresses     glovebox-egress                      wan1: every address there is
    are local     ──fds──►  wan0 93.184.216.1 ─────veth─────►  (AnyIP), so what is dialled
                            planted services on 127.0.0.1,     arrives and is seen, whatever
                            ::1 and 93.184.216.1               its address
"""

import ctypes
import os
import socket
import struct
import subprocess
import threading

CLONE_NEWNET = 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)

HOST4, HOST6 = "93.184.216.1", "2606:2800:220:1::1"
ORIGIN4, ORIGIN6 = "93.184.216.34", "2606:2800:220:1::34"
OTHER4 = "93.184.216.35"
DNS4 = "93.184.216.53"


def check(result, what):
    if result != 0:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")


def network_namespace():
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


class Namespace:
    """A network namespace, held by a descriptor."""

    def __init__(self, fd):
        self.fd = fd

    @staticmethod
    def make():
        made = []

        def enter():
            check(LIBC.unshare(CLONE_NEWNET), "unshare")
            made.append(network_namespace())

        thread = threading.Thread(target=enter)
        thread.start()
        thread.join()
        return Namespace(made[0])

    def inside(self, function):
        """Calls it on a thread that is in the namespace; what it makes stays there."""
        result = []

        def enter():
            try:
                check(LIBC.setns(self.fd, CLONE_NEWNET), "setns")
                result.append((function(), None))
            except BaseException as error:  # handed to the caller
                result.append((None, error))

        thread = threading.Thread(target=enter)
        thread.start()
        thread.join()
        value, error = result[0]
        if error is not None:
            raise error
        return value

    def ip(self, *words):
        self.inside(lambda: subprocess.run(["ip", *words], check=True))

    def make_socket(self, family, kind, protocol=0):
        return self.inside(lambda: socket.socket(family, kind, protocol))

    def all_addresses_are_local(self):
        self.ip("link", "set", "lo", "up")
        self.ip("route", "add", "local", "default", "dev", "lo")
        self.ip("-6", "route", "add", "local", "default", "dev", "lo")

    def listen(self, port, address="::", kind=socket.SOCK_STREAM):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        sock = self.make_socket(family, kind)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.bind((address, port))
        if kind == socket.SOCK_STREAM:
            sock.listen(1024)
        return sock

    def close(self):
        os.close(self.fd)


def plain(address):
    return address[len("::ffff:"):] if address.startswith("::ffff:") else address


class Service:
    """Accepts on a socket, notes what came to which address, and answers."""

    def __init__(self, listener, answer):
        self.listener = listener
        self.answer = answer
        self.seen = []  # (address, port, first bytes)
        self.open = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            local = client.getsockname()
            note = [plain(local[0]), local[1], b""]
            self.seen.append(note)
            self.open.append(client)
            threading.Thread(target=self._serve, args=(client, note), daemon=True).start()

    def _serve(self, client, note):
        try:
            self.answer(client, note)
        except OSError:
            pass
        finally:
            client.close()

    def addresses(self):
        return {note[0] for note in self.seen}

    def close(self):
        # Wakes accept(2), which close(2) alone does not.
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def echo(client, note):
    while data := client.recv(65536):
        note[2] += data[:4096 - len(note[2])] if len(note[2]) < 4096 else b""
        client.sendall(data)


def http_origin(client, note):
    """One request, told back: method, target and Host, and how long the body was."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = client.recv(65536)
        if not more:
            return
        data += more
        note[2] = data
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    headers = {k.strip().lower(): v.strip() for k, _, v in (line.partition(":") for line in lines[1:])}
    length = int(headers.get("content-length", "0"))
    while len(body) < length:
        body += client.recv(65536)
    text = f"{lines[0]}|{headers.get('host')}|{len(body)}\n".encode()
    client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(text), text))
    client.shutdown(socket.SHUT_WR)  # as it was told to
    while more := client.recv(65536):  # what comes behind it has no business here
        note[2] += more


def names_wire(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"


class NameServer:
    """Authoritative for everything: a name has a list of addresses, or a function that gives one for each question.

    Nobody may keep an answer, but to names that `seconds` has for so long.
    """

    def __init__(self, sock):
        self.socket = sock
        self.names = {}
        self.seconds = {}
        self.asked = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                packet, peer = self.socket.recvfrom(4096)
            except OSError:
                return
            if packet:
                self.socket.sendto(self._answer(packet), peer)

    def _answer(self, packet):
        labels, at = [], 12
        while packet[at]:
            labels.append(packet[at + 1:at + 1 + packet[at]].decode("latin-1"))
            at += packet[at] + 1
        name = ".".join(labels).lower()
        kind = struct.unpack(">H", packet[at + 1:at + 3])[0]
        self.asked.append((name, kind))
        known = self.names.get(name)
        addresses = known(kind) if callable(known) else known or []
        family, size = (socket.AF_INET, 4) if kind == 1 else (socket.AF_INET6, 16)
        found = [a for a in addresses if kind in (1, 28) and (":" in a) == (kind == 28)]
        flags = 0x8180 if known is not None else 0x8183
        answer = packet[:2] + struct.pack(">HHHHH", flags, 1, len(found), 0, 0) + packet[12:at + 5]
        for address in found:
            answer += struct.pack(">HHHIH", 0xc00c, kind, 1, self.seconds.get(name, 0), size) + socket.inet_pton(family, address)
        return answer

    def close(self):
        self.socket.close()


class Wire:
    """Every address that a packet from the host went to, as the internet's end of the cable sees it."""

    def __init__(self, internet):
        self.to = set()
        self.socket = internet.make_socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
        self.socket.bind(("wan1", 3))
        threading.Thread(target=self._look, daemon=True).start()

    def _look(self):
        while True:
            try:
                packet, (_, protocol, kind, *_rest) = self.socket.recvfrom(64)
            except OSError:
                return
            if kind == socket.PACKET_OUTGOING:
                continue
            if protocol == 0x0800:
                self.to.add(socket.inet_ntop(socket.AF_INET, packet[16:20]))
            elif protocol == 0x86dd and packet[24] != 0xff and packet[:1] and packet[24:26] != b"\xfe\x80":
                self.to.add(socket.inet_ntop(socket.AF_INET6, packet[24:40]))

    def close(self):
        self.socket.close()


class World:
    """Host and internet. The process that makes it is in the host's namespace from then on."""

    HTTP, ECHO, TLS = 80, (443, 22, 5432, 8080), 8443
    PLANTED = (22, 80, 443, 5432, 8080, 53, 2375)

    def __init__(self):
        check(LIBC.unshare(CLONE_NEWNET), "unshare")
        self.host = Namespace(network_namespace())
        self.internet = Namespace.make()
        self._cable()
        self.wire = Wire(self.internet)
        self.http = Service(self.internet.listen(80), http_origin)
        self.echo = {port: Service(self.internet.listen(port), echo) for port in self.ECHO}
        udp = self.internet.listen(53, DNS4, socket.SOCK_DGRAM)
        self.dns = NameServer(udp)
        self.planted = []
        for address in ("127.0.0.1", "::1", HOST4, HOST6):
            for port in self.PLANTED:
                self.planted.append(Service(self.host.listen(port, address), echo))

    def _cable(self):
        self.host.ip("link", "set", "lo", "up")
        self.host.ip("link", "add", "wan0", "type", "veth", "peer", "name", "wan1")
        self.host.ip("link", "set", "wan1", "netns", f"/proc/{os.getpid()}/fd/{self.internet.fd}")
        self.internet.all_addresses_are_local()
        self.internet.ip("link", "set", "wan1", "up")
        self.host.ip("link", "set", "wan0", "up")
        for space, device, v4, v6 in ((self.host, "wan0", HOST4, HOST6),
                                      (self.internet, "wan1", "93.184.216.2", "2606:2800:220:1::2")):
            space.ip("addr", "add", f"{v4}/24", "dev", device)
            space.ip("-6", "addr", "add", f"{v6}/64", "dev", device, "nodad")
        # Except the host, which answers go to; the table of local addresses is looked at first.
        self.internet.ip("route", "add", f"{HOST4}/32", "dev", "wan1", "table", "local")
        self.internet.ip("-6", "route", "add", f"{HOST6}/128", "dev", "wan1", "table", "local")
        # An answer for every address comes over the cable, also for those that ARP would ask for.
        self.host.ip("route", "replace", "default", "via", "93.184.216.2")
        self.host.ip("-6", "route", "replace", "default", "via", "2606:2800:220:1::2")
        for address in (ORIGIN4, OTHER4, DNS4):
            self.internet.ip("addr", "add", f"{address}/32", "dev", "lo")
        self.internet.ip("-6", "addr", "add", f"{ORIGIN6}/128", "dev", "lo", "nodad")
        self.host.ip("-6", "route", "add", f"{ORIGIN6}/128", "via", "2606:2800:220:1::2")

    def services(self):
        return [self.http, *self.echo.values()]

    def forget(self):
        for service in self.services():
            service.seen.clear()
        self.dns.asked.clear()

    def planted_hits(self):
        return [note for service in self.planted for note in service.seen]

    def close(self):
        for service in self.services() + self.planted:
            service.close()
        self.dns.close()
        self.wire.close()
        self.internet.close()
        self.host.close()
