"""The ways from a client to the origin, each measured in turn."""

import contextlib
import pathlib
import shutil
import statistics
import subprocess

import daemon
from world import ORIGIN4, OTHER4

HERE = pathlib.Path(__file__).resolve().parent


def client_text(name):
    """Of a client in this folder, as one program."""
    return "".join((HERE / part).read_text() for part in ("client_measures.py", name))


CLIENT = client_text("client.py")
NAME, PORT, HELD_PORT = "origin.example", 9418, 9419
NAME_SERVER = OTHER4
MEASURES = {"connect": "connect + 16 bytes there and back, µs", "ping": "16 bytes there and back, µs", "receive": "download, MiB/s"}
DIRECT = "direct, loopback"
BY_NAME = "sandbox, by name (TCP rule)"
# Where the proxy is told to be in the way, as shares of the direct way: (most, least).
TARGETS = {(BY_NAME, "connect"): (2.2, None), (BY_NAME, "receive"): (None, 0.65)}
# What they need to make a way out for the namespace of a process.
PEERS = {"slirp4netns": ["--configure", "--mtu=65520", "--disable-host-loopback", "{pid}", "tap0"],
         "pasta": ["--foreground", "--quiet", "--runas", "0", "--config-net", "--netns-only", "-t", "none", "-u", "none",
                   "-T", "none", "-U", "none", "--netns", "/proc/self/fd/{fd}"]}


def number(done):
    if done.returncode != 0:
        raise AssertionError(done.stderr.decode(errors="replace"))
    return float(done.stdout)


def run_client(*prefix):
    return lambda arguments: number(
        subprocess.run([*prefix, "/usr/bin/python3", *arguments], capture_output=True, timeout=300))


def run_client_in(gloveboxd, sandbox):
    return lambda arguments: number(gloveboxd.cli("exec", sandbox, "--", "/usr/bin/python3", *arguments, timeout=300))


def to(host, proxy, act):
    """A way of `act`, which runs a client."""
    return lambda what, count: act(["-c", CLIENT, what, host, str(PORT), str(proxy), str(count)])


@contextlib.contextmanager
def held_namespace():
    """A process in a network namespace of its own, and what enters that."""
    holder = subprocess.Popen(["unshare", "--net", "sh", "-c", "echo here; exec sleep infinity"], stdout=subprocess.PIPE)
    try:
        holder.stdout.readline()
        yield holder.pid, ["nsenter", f"--net=/proc/{holder.pid}/ns/net"]
    finally:
        holder.kill()
        holder.wait()


@contextlib.contextmanager
def peer(name, arguments):
    """A way for a namespace of its own, or why there is none."""
    program = shutil.which(name)
    if program is None:
        yield None, "not installed"
        return
    with held_namespace() as (pid, enter):
        with open(f"/proc/{pid}/ns/net", "rb") as space:
            fd = space.fileno()
            running = subprocess.Popen([program, *(one.format(pid=pid, fd=fd) for one in arguments)], pass_fds=[fd],
                                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

        def is_up():
            route = subprocess.run([*enter, "ip", "route", "show", "default"], capture_output=True)
            return running.poll() is not None or route.stdout

        try:
            daemon.wait_until(is_up, f"{name} makes a way")
            if running.poll() is None:
                yield run_client(*enter), ""
            else:
                yield None, "did not start: " + running.stderr.read().decode(errors="replace").strip().replace("\n", "; ")
        finally:
            running.kill()
            running.wait()


@contextlib.contextmanager
def translated():
    """As container engines have it: a veth pair to this host, which forwards and translates addresses."""
    if shutil.which("nft") is None:
        yield None, "nft is not installed"
        return
    with held_namespace() as (pid, enter):
        pathlib.Path("/proc/sys/net/ipv4/ip_forward").write_text("1")  # of this namespace
        for words in (["ip", "link", "add", "nat0", "type", "veth", "peer", "name", "nat1", "netns", str(pid)],
                      ["ip", "addr", "add", "10.77.0.1/30", "dev", "nat0"], ["ip", "link", "set", "nat0", "up"],
                      [*enter, "ip", "addr", "add", "10.77.0.2/30", "dev", "nat1"], [*enter, "ip", "link", "set", "nat1", "up"],
                      [*enter, "ip", "route", "add", "default", "via", "10.77.0.1"],
                      ["nft", "add table ip benchmark; add chain ip benchmark out { type nat hook postrouting priority 100; }; "
                       "add rule ip benchmark out ip saddr 10.77.0.0/30 masquerade"]):
            subprocess.run(words, check=True)
        yield run_client(*enter), ""


def measure(ways, measures, rounds, counts):
    """A value of each round: {(way, what): values}. `ways`: by name, functions of what and how often."""
    taken = {}
    for _ in range(rounds):
        for what in measures:
            for name, act in ways.items():
                taken.setdefault((name, what), []).append(act(what, counts[what]))
    return taken


def median(_, values):
    return statistics.median(values)


def best(what, values):
    """What others on the machine disturbed least."""
    return max(values) if what == "receive" else min(values)


def verdict(key, ratio):
    if key not in TARGETS:
        return ""
    most, least = TARGETS[key]
    missed = ratio > most if most is not None else ratio < least
    wanted = f"≤ {most}" if most is not None else f"≥ {least}"
    return f" (target {wanted}: {'missed' if missed else 'met'})"


def print_table(title, ways, measures, base, absent, taken, pick):
    print(f"\n{title}\n\n| way |" + "".join(f" {what} | × direct |" for what in measures.values()))
    print("|---|" + "---|" * 2 * len(measures))
    for name in ways:
        cells = []
        for what in measures:
            value, direct = (pick(what, taken[one, what]) for one in (name, base))
            ratio = value / direct
            cells.append(f" {value:.0f} | {ratio:.2f}{verdict((name, what), ratio)} |")
        print(f"| {name} |" + "".join(cells))
    for name, why in absent.items():
        print(f"| {name} | {why} |" + " |" * (2 * len(measures) - 1))


def compare_ways(title, ways, measures, base, rounds, counts):
    print_table(title, ways, measures, base, {}, measure(ways, measures, rounds, counts), median)


def compare(world, gloveboxd, sandboxes, rounds, counts):
    """`sandboxes`: the one with a rule for the origin, and the one that may reach everything public."""
    direct = run_client()
    inside = [run_client_in(gloveboxd, sandbox) for sandbox in sandboxes]
    ways = {DIRECT: to(ORIGIN4, 0, lambda arguments: world.internet.inside(lambda: direct(arguments))),
            "direct, veth": to(ORIGIN4, 0, direct), BY_NAME: to(NAME, 0, inside[0]),
            "sandbox, 127.0.0.1:3128 CONNECT": to(NAME, 3128, inside[0]), "sandbox, by address (mode FULL)": to(ORIGIN4, 0, inside[1])}
    absent = {}
    with contextlib.ExitStack() as peers:
        made = {"veth and NAT": translated(), **{name: peer(name, arguments) for name, arguments in PEERS.items()}}
        for name, way in made.items():
            act, why = peers.enter_context(way)
            if act is None:
                absent[name] = why
            else:
                ways[name] = to(ORIGIN4, 0, act)
        taken = measure(ways, MEASURES, rounds, counts)
    print_table("Medians of the rounds:", ways, MEASURES, DIRECT, absent, taken, median)
    print_table("The best round of each:", ways, MEASURES, DIRECT, {}, taken, best)
