"""How a client measures itself; put before the text of one, which says what a connection and a request on it are."""

import statistics
import time


def timed(act):
    began = time.perf_counter()
    act()
    return (time.perf_counter() - began) * 1e6


def median_of_connections(opened, request, count):
    """Microseconds from nothing to the answer of a request."""
    def act():
        nonlocal one
        one = opened()
        request(one)

    one, times = None, []
    for _ in range(count):
        times.append(timed(act))
        one.close()
    return statistics.median(times)


def median_of_requests(opened, request, count):
    """Microseconds for a request on a connection that is open."""
    one = opened()
    request(one)
    return statistics.median(timed(lambda: request(one)) for _ in range(count))


def rate_of(opened, ask, read_into, count):
    """MiB in a second."""
    one = opened()
    began, got, room = time.perf_counter(), 0, bytearray(1 << 18)
    source = ask(one)
    while part := read_into(source, room):
        got += part
    assert got == count, got
    return got / (1 << 20) / (time.perf_counter() - began)


def measured(what, opened, request, ask, read_into, count):
    """`ask`: for `count` bytes, and gives what they are read from."""
    if what == "receive":
        return rate_of(opened, ask, read_into, count)
    return {"connect": median_of_connections, "ping": median_of_requests}[what](opened, request, count)
