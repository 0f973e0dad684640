"""One measure over TLS, printed as a number: run by `python3 -c`, behind client_measures.py, where the way begins.

tls_client WHAT ADDRESS NAME PORT TRUSTED COUNT. ADDRESS: where to, "" for what the name leads to. TRUSTED: a file, or PEM.
"""

import http.client
import socket
import ssl
import sys

what, address, name, port, trusted, count = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), sys.argv[5], int(sys.argv[6])
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
if trusted.startswith("/"):
    context.load_verify_locations(trusted)
else:
    context.load_verify_locations(cadata=trusted)
target = (address or socket.gethostbyname(name), port)


def opened():
    one = http.client.HTTPConnection(name)  # whose socket is ours: HTTPSConnection reads all roots of the system first
    one.auto_open = 0
    plain = socket.create_connection(target)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    one.sock = context.wrap_socket(plain, server_hostname=name)
    return one


def ask(one, size=count):
    one.request("GET", f"/{size}")
    answer = one.getresponse()
    assert answer.status == 200, answer.read()
    return answer


def request(one):
    ask(one, 16).read()


print(measured(what, opened, request, ask, http.client.HTTPResponse.readinto, count))
