"""What is on the internet of the run, each a process of its own. Prints a line when it serves.

origin tcp ADDRESS PORT: one connection after the other; 16 bytes are sent back, "get N" is answered by N bytes and the end.
origin names ADDRESS NAME ADDRESS: a name server at port 53.
"""

import pathlib
import signal
import socket
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


def serve_names(address, name, leads_to):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((address, 53))
    server = world.NameServer(sock)
    server.names[name], server.seconds[name] = [leads_to], 3600
    print("serves", flush=True)
    signal.pause()


if __name__ == "__main__":
    {"tcp": serve_tcp, "names": serve_names}[sys.argv[1]](*sys.argv[2:])
