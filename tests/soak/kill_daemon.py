#!/usr/bin/env python3
"""The daemon is killed again and again while commands print and clients follow them.

Each sandbox runs one command that prints numbered lines on both streams at its own rate, followed by one client. The
daemon gets SIGKILL at random moments and is started anew each time. At the end each client must have had every line once
and in order, and the exit code that its command chose. Prints what it saw; exit status 0 only if all was right.

    tests/soak/kill_daemon.py [--sandboxes 50] [--kills 20] [--seconds 60] [--burst 400] [--seed N]

GLOVEBOX_BIN names the folder of the binaries (build/release/bin). Needs root.
"""

import argparse
import os
import pathlib
import random
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
import daemon  # noqa: E402

CALM_S = (0.2, 1.5)  # between a daemon that serves and its kill

# Numbers alternate between the streams; some commands rest between lines, some between heaps of them.
PROGRAM = """
import os, sys, time
lines, heap, rest, code = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
for i in range(lines):
    os.write(1 + i % 2, b"%d\\n" % i)
    if i % heap == heap - 1:
        time.sleep(rest)
sys.exit(code)
"""


class SilenceWatch(threading.Thread):
    """The longest time in which a client wrote nothing: beyond the hold time its command may go on without it."""

    def __init__(self, followers):
        super().__init__(daemon=True)
        self.followers, self.longest, self.over = followers, [0.0] * len(followers), threading.Event()
        self.start()

    def run(self):
        sizes, since = [-1] * len(self.followers), [0.0] * len(self.followers)
        while not self.over.wait(0.2):
            now = time.monotonic()
            for number, follower in enumerate(self.followers):
                size = sum(os.fstat(file.fileno()).st_size for file in follower.files)
                if size != sizes[number] or follower.client.poll() is not None:
                    sizes[number], since[number] = size, now
                self.longest[number] = max(self.longest[number], now - since[number])


class Follower:
    """A client and what its command was told to do."""

    def __init__(self, host, sandbox, number, options, dice):
        self.number = number
        self.heap = dice.choice([heap for heap in (1, 7, 50, 400) if heap <= options.burst])
        self.rest = dice.choice([0.01, 0.05, 0.2])
        self.lines = min(int(options.seconds / self.rest * self.heap), 60_000)
        self.code = dice.randrange(0, 120)
        self.files = [open(host.root / f"out-{number}", "w+b"), open(host.root / f"err-{number}", "w+b")]
        self.client = host.popen(
            "exec", "--exec-id", "soak", "--reconnect-for", "5m", sandbox, "--", "python3", "-c", PROGRAM, self.lines,
            self.heap, self.rest, self.code, stdout=self.files[0], stderr=self.files[1])

    def complaints(self):
        """What is wrong with the output and the end, in words."""
        found = []
        if self.client.returncode != self.code:
            found.append(f"exit code {self.client.returncode} instead of {self.code}")
        for stream, file in enumerate(self.files):
            file.seek(0)
            # The client's own notes stand between the command's lines on stderr.
            seen = [line for line in file.read().decode().splitlines() if not line.startswith("glovebox: the connection")]
            wanted = [str(i) for i in range(stream, self.lines, 2)]
            if seen != wanted:
                at = next((i for i, (a, b) in enumerate(zip(seen, wanted)) if a != b), min(len(seen), len(wanted)))
                found.append(f"{('stdout', 'stderr')[stream]}: {len(seen)} lines of {len(wanted)}, the first wrong one is "
                             f"{seen[at:at + 1]} instead of {wanted[at:at + 1]}")
        return [f"client {self.number}: {text}" for text in found]


def kill_and_restart(host):
    host.process.send_signal(signal.SIGKILL)
    host.process.wait()
    begin = time.monotonic()
    host.start()
    return time.monotonic() - begin


def follow_through(host, options, dice):
    sandboxes = [host.cli("create").stdout.decode().strip() for _ in range(options.sandboxes)]
    followers = [Follower(host, sandbox, number, options, dice) for number, sandbox in enumerate(sandboxes)]
    watch = SilenceWatch(followers)
    away = []
    for _ in range(options.kills):
        time.sleep(dice.uniform(*CALM_S))
        away.append(kill_and_restart(host))
    for follower in followers:
        follower.client.wait(timeout=options.seconds * 10 + 120)
    watch.over.set()
    watch.join()
    complaints = [f"{text}; silent for up to {watch.longest[follower.number]:.1f} s"
                  for follower in followers for text in follower.complaints()]
    listed = host.cli("ls", "-q").stdout.decode().split()
    if sorted(listed) != sorted(sandboxes):
        complaints.append(f"{len(listed)} sandboxes are listed instead of {len(sandboxes)}")
    lines = sum(follower.lines for follower in followers)
    print(f"{len(sandboxes)} sandboxes, {lines} lines, {options.kills} kills; the daemon served again after "
          f"{min(away):.2f} to {max(away):.2f} s; the longest silence of a client was {max(watch.longest):.1f} s")
    for sandbox in listed:
        host.cli("rm", "--force", sandbox)
    return complaints


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sandboxes", type=int, default=50)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=60, help="how long a command prints, about")
    parser.add_argument("--burst", type=int, default=400, help="most lines at once, at least 1")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    host = daemon.Daemon()
    host.start()
    try:
        complaints = follow_through(host, options, random.Random(options.seed))
    except (AssertionError, subprocess.TimeoutExpired) as error:
        complaints = [str(error)]
    log = host.read_log()
    complaints += [f"left behind: {what}" for what in host.stop()]
    for text in complaints:
        print(text)
    if complaints:
        print(log)
    print("failed" if complaints else "every client had every line once, in order, and the true end")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
