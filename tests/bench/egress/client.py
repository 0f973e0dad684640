"""One measure, printed as a number: run by `python3 -c`, behind client_measures.py, where the way begins.

client WHAT HOST PORT PROXY COUNT. PROXY: the port of an HTTP proxy at 127.0.0.1, or 0. A name is looked up once.
"""

import socket
import sys

what, host, port, proxy, count = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:])
PIECE = b"x" * 16
# What the sandbox asked the resolver for is part of no measure. The proxy's answer is kept (kept_answers.h).
target = ("127.0.0.1", proxy) if proxy else (socket.gethostbyname(host), port)


def opened():
    one = socket.socket()
    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    one.connect(target)
    if proxy:
        one.sendall(f"CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
        answer = b""
        while not answer.endswith(b"\r\n\r\n"):
            more = one.recv(4096)
            assert more, answer
            answer += more
        assert answer.startswith(b"HTTP/1.1 200 "), answer
    return one


def request(one):
    one.sendall(PIECE)
    left = len(PIECE)
    while left > 0:
        more = one.recv(left)
        assert more, "it was closed"
        left -= len(more)


def ask(one):
    one.sendall(b"get %12d" % count)
    return one


print(measured(what, opened, request, ask, socket.socket.recv_into, count))
