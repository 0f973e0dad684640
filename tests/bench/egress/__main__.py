"""The way out beside direct ways, and what it costs a sandbox that does not use it: prints tables. As root.

/usr/bin/python3 -B tests/bench/egress [--rounds N] [--short]: a daemon and an internet of its own, as network namespaces
(tests/kernel/egress/world.py). Each round goes every way in turn, so that load meets all of them; figures are medians of rounds.
Clients and servers are in Python, alike in all ways. --short shows that it runs; its figures say nothing.
--congestion-control NAME (one that the kernel lets every namespace choose, as reno): of the host, the internet and the sandboxes
of this run. Each new namespace begins with the machine's, and one that paces (bbr) slows down what has no distance to go.
"""

import argparse
import contextlib
import os
import pathlib
import subprocess
import sys
import tempfile

TESTS = pathlib.Path(__file__).resolve().parents[2]
sys.path[1:1] = [str(TESTS / "e2e"), str(TESTS / "kernel" / "egress")]
import api_client  # noqa: E402
import daemon  # noqa: E402
import world as egress_world  # noqa: E402

import costs  # noqa: E402
import tls_ways  # noqa: E402
import ways  # noqa: E402

COUNTS = {"connect": 300, "ping": 3000, "receive": 512 << 20}
CONGESTION_CONTROL = pathlib.Path("/proc/sys/net/ipv4/tcp_congestion_control")
SHORT = {"connect": 5, "ping": 5, "receive": 1 << 20}
TLS_COUNTS = {"connect": 100, "ping": 2000, "receive": 256 << 20}


def end(process):
    process.kill()
    process.wait()


def begin_origin(ends, world, *arguments):
    server = world.internet.inside(
        lambda: subprocess.Popen(["/usr/bin/python3", "-B", ways.HERE / "origin.py", *arguments], stdout=subprocess.PIPE))
    ends.callback(end, server)
    assert server.stdout.readline() == b"serves\n"


def begin_daemon(ends, root, authority):
    config = root / "gloveboxd.toml"
    config.write_text(f'[egress]\nname_servers = ["{ways.NAME_SERVER}"]\norigin_roots = "{authority.certificate}"\n')
    gloveboxd = daemon.Daemon(root / "state")
    gloveboxd.start("--config", config)
    ends.callback(end_daemon, gloveboxd)
    return gloveboxd


def end_daemon(gloveboxd):
    left = gloveboxd.stop()
    if left:
        raise AssertionError(left)


def choose(path, congestion_control):
    namespace = egress_world.Namespace(os.open(path, os.O_RDONLY))
    namespace.inside(lambda: CONGESTION_CONTROL.write_text(congestion_control))
    namespace.close()


def measure(world, gloveboxd, authority, options):
    api = api_client.Api(gloveboxd.socket)
    costs.measure_memory(gloveboxd, api, world, 2 if options.short else 50)
    costs.measure_times(api, options.rounds * (1 if options.short else 4))
    sandboxes = [costs.create(api, policy) for policy in (costs.ONE_RULE, costs.FULL)]
    if options.congestion_control:
        for sandbox in sandboxes:
            choose(f"/proc/{gloveboxd.init_of(sandbox)}/ns/net", options.congestion_control)
    ways.compare(world, gloveboxd, sandboxes, options.rounds, SHORT if options.short else COUNTS)
    for sandbox in sandboxes:
        costs.delete(api, sandbox)
    tls_ways.compare(world, gloveboxd, api, authority, options.rounds, SHORT if options.short else TLS_COUNTS)
    api.close()


def print_load(options):
    print(f"medians of {options.rounds} rounds, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores, "
          f"{CONGESTION_CONTROL.read_text().strip()}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--congestion-control")
    parser.add_argument("--short", action="store_true")
    options = parser.parse_args()
    if options.short:
        options.rounds = 1
    daemon.require_root()
    with contextlib.ExitStack() as ends:
        world = egress_world.World()
        ends.callback(world.close)
        world.wire.close()  # who listens to every packet is in the way of all
        for one in (world.host, world.internet) if options.congestion_control else ():
            choose(f"/proc/self/fd/{one.fd}", options.congestion_control)
        root = pathlib.Path(ends.enter_context(tempfile.TemporaryDirectory(prefix="glovebox-bench-", dir="/tmp")))
        begin_origin(ends, world, "tcp", egress_world.ORIGIN4, str(ways.PORT))
        authority = tls_ways.make_authority()
        world.echo.pop(tls_ways.PORT).close()
        begin_origin(ends, world, "tls", egress_world.ORIGIN4, str(tls_ways.PORT), str(authority.folder))
        begin_origin(ends, world, "names", ways.NAME_SERVER, egress_world.ORIGIN4, ways.NAME, *tls_ways.NAMES.values())
        gloveboxd = begin_daemon(ends, root, authority)
        print_load(options)
        measure(world, gloveboxd, authority, options)
        print_load(options)


if __name__ == "__main__":
    main()
