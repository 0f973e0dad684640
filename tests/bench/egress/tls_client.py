"""One measure over TLS, printed as a number: run by `python3 -c` where the way begins.

tls_client WHAT ADDRESS NAME PORT TRUSTED COUNT. ADDRESS: where to, "" for what the name leads to. TRUSTED: a file, or PEM.
"""

import http.client
import socket
import ssl
import statistics
import sys
import time

what, address, name, port, trusted, count = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), sys.argv[5], int(sys.argv[6])
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
if trusted.startswith("/"):
    context.load_verify_locations(trusted)
else:
    context.load_verify_locations(cadata=trusted)
target = (address or socket.gethostbyname(name), port)


def opened():
    one = http.client.HTTPSConnection(name)
    one.auto_open = 0
    plain = socket.create_connection(target)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    one.sock = context.wrap_socket(plain, server_hostname=name)
    return one


def request(one, size=16):
    one.request("GET", f"/{size}")
    answer = one.getresponse()
    assert answer.status == 200, answer.read()
    return answer


def timed(act):
    began = time.perf_counter()
    act()
    return (time.perf_counter() - began) * 1e6


def connect():
    def act():
        nonlocal one
        one = opened()
        request(one).read()

    one, times = None, []
    for _ in range(count):
        times.append(timed(act))
        one.close()
    return statistics.median(times)


def ping():
    one = opened()
    request(one).read()
    return statistics.median(timed(lambda: request(one).read()) for _ in range(count))


def receive():
    one = opened()
    began, got, room = time.perf_counter(), 0, bytearray(1 << 18)
    answer = request(one, count)
    while part := answer.readinto(room):
        got += part
    assert got == count, got
    return got / (1 << 20) / (time.perf_counter() - began)


print({"connect": connect, "ping": ping, "receive": receive}[what]())
