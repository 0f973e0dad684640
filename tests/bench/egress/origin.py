"""What is on the internet of the run, each a process of its own. Prints a line when it serves.

origin tcp ADDRESS PORT: one connection after the other; 16 bytes are sent back, "get N" is answered by N bytes and the end.
origin tls ADDRESS PORT FOLDER: the same with server.pem and server.key of the folder, for HTTP: "/N" are N bytes.
origin names ADDRESS ADDRESS NAME...: a name server at port 53, whose names lead to the second address.
"""

import pathlib
import signal
import socket
import ssl
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "kernel" / "egress"))
import world  # noqa: E402


def answer(one):
    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    while data := one.recv(16):
        if data.startswith(b"get "):
            piece, left = bytes(1 << 18), int(data[4:])
            while left > 0:
                one.sendall(piece[:left])
                left -= len(piece)
            return
        one.sendall(data)


def serve_tcp(address, port):
    listener = socket.create_server((address, int(port)), backlog=128)
    print("serves", flush=True)
    while True:
        one, _ = listener.accept()
        with one:
            try:
                answer(one)
            except ConnectionError:
                pass


def answer_http(one):
    stream = one.makefile("rb")
    while line := stream.readline():
        size = int(line.split()[1][1:])
        while stream.readline() != b"\r\n":
            pass
        piece, head = bytes(1 << 18), b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size
        if size <= len(piece):
            one.sendall(head + piece[:size])
            continue
        one.sendall(head)
        for left in range(size, 0, -len(piece)):
            one.sendall(piece[:left])


def serve_tls(address, port, folder):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f"{folder}/server.pem", f"{folder}/server.key")
    listener = socket.create_server((address, int(port)), backlog=128)
    print("serves", flush=True)
    while True:
        one, _ = listener.accept()
        try:
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with context.wrap_socket(one, server_side=True) as secure:
                answer_http(secure)
        except OSError:
            pass


def serve_names(address, leads_to, *names):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((address, 53))
    server = world.NameServer(sock)
    for name in names:
        server.names[name], server.seconds[name] = [leads_to], 3600
    print("serves", flush=True)
    signal.pause()


if __name__ == "__main__":
    {"tcp": serve_tcp, "tls": serve_tls, "names": serve_names}[sys.argv[1]](*sys.argv[2:])
