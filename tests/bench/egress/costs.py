"""What a way out costs a sandbox that does not use it: its start, its commands, and the proxy's memory."""

import pathlib
import socket
import statistics
import time

import daemon
from ways import HELD_PORT, NAME, PORT

# Limits as wide as they may be: what is measured would run into the defaults.
LIMITS = {"connections_max": 4096, "connections_per_second": 10000}
ONE_RULE = {"mode": 2, "rules": [{"host": NAME, "ports": [PORT, HELD_PORT], "scheme": 1}], "limits": LIMITS}
FULL = {"mode": 3, "limits": LIMITS}
OPENED = {"mode": 2, "rules": [{"host": NAME, "scheme": 4, "methods": ["GET"]}], "limits": LIMITS}
POLICIES = {"none": {"mode": 1}, "one rule": ONE_RULE, "full": FULL, "opened TLS": OPENED}
# A lone request comes after an idle moment.
GAP_S = 0.06
CONNECTIONS = 4
HOLDS = f"""for fd in {' '.join(str(3 + i) for i in range(CONNECTIONS))}; do
  eval "exec $fd<>/dev/tcp/{NAME}/{HELD_PORT}"; eval "echo >&$fd"; done; exec sleep infinity"""


def create(api, policy):
    return api.call("Sandbox", "CreateSandbox", egress=policy).sandbox.id


def delete(api, sandbox):
    api.call("Sandbox", "DeleteSandbox", sandbox_id=sandbox)


def milliseconds(act, *arguments):
    time.sleep(GAP_S)
    began = time.perf_counter()
    result = act(*arguments)
    return (time.perf_counter() - began) * 1000, result


def run_true(api, sandbox):
    for frame in api.stream("Exec", "RunExec", sandbox_id=sandbox, spec={"arguments": [b"true"]}):
        end = frame
    assert end.frame.end.exit_code == 0, end


def print_rows(what, taken, target=None):
    without = taken["none"]
    for name, having in taken.items():
        if name == "none":
            continue
        more = statistics.median(b - a for a, b in zip(without, having))
        wanted = f"≤ {target} ms more: {'missed' if more > target else 'met'}" if target is not None else ""
        middles = statistics.median(without), statistics.median(having)
        print(f"| {what}, {name} | {middles[0]:.2f} | {middles[1]:.2f} | {more:+.2f} | {middles[1] / middles[0]:.2f} "
              f"| {min(without):.2f} | {min(having):.2f} | {wanted} |", flush=True)


def measure_times(api, rounds):
    created, both, commands = ({name: [] for name in POLICIES} for _ in range(3))
    for _ in range(rounds):
        for name, policy in POLICIES.items():
            making, sandbox = milliseconds(create, api, policy)
            ending, _ = milliseconds(delete, api, sandbox)
            created[name].append(making)
            both[name].append(making + ending)
    sandboxes = {name: create(api, policy) for name, policy in POLICIES.items()}
    for _ in range(rounds):
        for name, sandbox in sandboxes.items():
            commands[name].append(milliseconds(run_true, api, sandbox)[0])
    for sandbox in sandboxes.values():
        delete(api, sandbox)
    print("\n| ms | without a way out | with it | more, of pairs | × | least without | least with | target |\n"
          + "|---" * 8 + "|")
    print_rows("CreateSandbox", created, 0.2)
    print_rows("CreateSandbox + DeleteSandbox", both)
    print_rows("`true`", commands)


def proxy_of(gloveboxd):
    return daemon.wait_until(
        lambda: next((pid for pid in gloveboxd.descendants() if daemon.name_of(pid) == "glovebox-egress"), None), "a proxy")


def resident_bytes(pid):
    def look():
        text = pathlib.Path(f"/proc/{pid}/status").read_text()
        return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("VmRSS:"))

    return daemon.settled(look, looks=20) * 1024


def hold_connections(gloveboxd, listener, sandboxes):
    """Opened from each and idle: their other ends."""
    held = []
    for sandbox in sandboxes:
        done = gloveboxd.cli("exec", "--detach", sandbox, "--", "bash", "-c", HOLDS)
        assert done.returncode == 0, done.stderr
        for _ in range(CONNECTIONS):
            one, _ = listener.accept()
            held.append(one)
            one.settimeout(daemon.DEADLINE_S)
            assert one.recv(1, socket.MSG_WAITALL) == b"\n"
    return held


def measure_memory(gloveboxd, api, world, count):
    """In a proxy that has had no sandbox yet."""
    pid, listener, sandboxes, seen = proxy_of(gloveboxd), world.internet.listen(HELD_PORT), [], {}
    listener.settimeout(daemon.DEADLINE_S)
    for wanted in (0, 1, count):
        sandboxes += [create(api, ONE_RULE) for _ in range(wanted - len(sandboxes))]
        seen[wanted] = resident_bytes(pid)
    held = hold_connections(gloveboxd, listener, sandboxes)
    busy = resident_bytes(pid)
    assert proxy_of(gloveboxd) == pid
    print("\n| glovebox-egress | resident KiB |\n|---|---|")
    for number, size in seen.items():
        print(f"| {number} sandboxes | {size // 1024} |")
    print(f"| {count} sandboxes, {len(held)} idle connections | {busy // 1024} |")
    print(f"\n{(seen[count] - seen[1]) / (count - 1):.0f} bytes a sandbox, {(busy - seen[count]) / len(held):.0f} a connection",
          flush=True)
    for one in (*held, listener):
        one.close()
    for sandbox in sandboxes:
        delete(api, sandbox)
