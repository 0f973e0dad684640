#!/usr/bin/env python3
"""Every system call by which a sandbox comes to be fails once: then there is no sandbox, the error names the step, and
nothing is left; or the call did not matter, and the sandbox is as any other.

strace makes the n-th call of a kind fail with EPERM in the spawner and in the init that it starts
(-e inject=...:error=EPERM:when=n). Here the first and the last call of each kind; GLOVEBOX_SETUP_POINTS=all takes every
one (tests/soak/setup_points).
"""

import collections
import os
import pathlib
import re
import unittest

import daemon
from tracer import LINE, Tracer

ALL = os.environ.get("GLOVEBOX_SETUP_POINTS") == "all"
STEP = re.compile(r'X\(k\w+, "(\w+)", \'[SI]\'')
HEADER = pathlib.Path(__file__).resolve().parents[2] / "runtime" / "init" / "setup_step.h"
STEPS = set(STEP.findall(HEADER.read_text()))
# What the kernel never refuses, and what does not end the set-up: close frees the number whatever it answers.
CANNOT_FAIL = {"close", "umask", "exit_group", "exit", "restart_syscall"}
# The spawner's socket to the daemon: when it fails, the spawner ends, as when the daemon closes its end.
SPAWNER_ENDS = {"recvmsg", "sendmsg"}
# What a command has to find whatever failed: all that the set-up is for.
POSTURE = """
grep -E '^(Uid|Gid|Groups|Cap|NoNewPrivs|Seccomp)' /proc/self/status
sed -E 's/^[0-9]+ [0-9]+ [0-9]+:[0-9]+ //; s/[ug]id=[0-9]+//g' /proc/self/mountinfo | sort
ls /proc/self/fd; ls -a /dev /; cat /proc/sys/user/max_*_namespaces; ulimit -a; hostname; cat /proc/net/dev | wc -l
pwd; env | sort; touch /etc/x /usr/x /proc/x; echo x > /proc/self/comm; cat /proc/1/environ; unshare -U true; echo $?
"""


class SetUp(daemon.FreshDaemonCase):
    def traced(self, *options):
        """Creates while strace follows the spawner and what it starts: exit code, sandbox, stderr."""
        with Tracer(self.daemon.spawner(), *options):
            return self.created()

    def created(self):
        done = self.try_create()
        return done.returncode, done.stdout.decode().strip(), done.stderr.decode()

    def posture(self, sandbox):
        done = self.daemon.cli("exec", sandbox, "--", "sh", "-c", POSTURE)
        return done.stdout.decode() + done.stderr.decode()

    def points(self):
        """(call, n) of the spawner and of init until it is ready; and the posture that has to be."""
        trace = self.daemon.root / "trace"
        code, sandbox, error = self.traced("-o", str(trace))
        self.assertEqual(code, 0, error)
        expected = self.posture(sandbox)
        self.assertIn("NoNewPrivs:\t1", expected)
        self.ok("rm", sandbox)
        seen, ready = collections.Counter(), set()
        for line in trace.read_text(errors="replace").splitlines():
            match = LINE.match(line)
            if not match or match.group(1) in ready:
                continue
            if match.group(2) in ("epoll_wait", "epoll_pwait", "epoll_pwait2"):
                ready.add(match.group(1))  # init serves from here on
                continue
            seen[match.groups()] += 1
        most = collections.Counter()
        for (_, name), count in seen.items():
            most[name] = max(most[name], count)
        self.assertGreater(sum(most.values()), 150, "the set-up was traced")
        points = []
        for name, count in sorted(most.items()):
            if name in CANNOT_FAIL | SPAWNER_ENDS:
                continue
            chosen = range(1, count + 1) if ALL else sorted({1, count})
            points += [(name, number) for number in chosen]
        return points, expected

    def test_each_call_fails_once(self):
        points, expected = self.points()
        refused, steps = 0, collections.Counter()
        for name, number in points:
            with self.subTest(point=(name, number)):
                code, sandbox, error = self.traced(
                    "-o", "/dev/null", "-e", f"trace={name}", "-e",
                    f"inject={name}:error=EPERM:when={number}")
                if code == 0:
                    # It did not matter: a descriptor was not closed, a number is asked for elsewhere.
                    self.assertEqual(self.posture(sandbox), expected)
                    self.ok("rm", sandbox)
                else:
                    refused += 1
                    # It ends when it cannot go on safely for the next sandbox; then another one does.
                    named = [step for step in (*STEPS, "glovebox-spawner ended") if re.search(rf"\b{step}\b", error)]
                    self.assertTrue(named, f"no step in: {error}")
                    steps.update(named)
                self.assertEqual(self.daemon.cli("ls", "-q").stdout, b"")
                daemon.wait_until(lambda: self.daemon.sandbox_cgroups() == [], "no cgroup is left")
        # And then all is as before.
        code, sandbox, error = self.created()
        self.assertEqual(code, 0, error)
        self.assertEqual(self.posture(sandbox), expected)
        self.ok("rm", sandbox)
        self.assertGreater(refused, len(points) // 3)
        print(f"{len(points)} points, {refused} refused, by step: {dict(steps)}")


if __name__ == "__main__":
    unittest.main()
