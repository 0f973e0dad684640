#!/usr/bin/env python3
"""At each step by which a sandbox comes to be (runtime/init/setup_step.h), the step fails, and the daemon dies.

The list of steps is read from the header: a step without a place here, or whose place is not reached, is a failure of the
test. A place is a system call that belongs to the step; strace makes it fail, or stops its process there (inject=). That a
place belongs to its step is proved by the error that names the step when the call fails. The daemon dies at a spread of the
steps; GLOVEBOX_CRASH_POINTS=all takes every one (tests/soak/crash_points).
"""

import collections
import ctypes
import os
import pathlib
import re
import signal
import unittest

import daemon
from tracer import LINE, POINTS, Tracer

HEADER = pathlib.Path(__file__).resolve().parents[2] / "runtime/init/setup_step.h"
SPAWNER, INIT = "spawner", "init"

# Step: whose system call, and what it looks like; the first such call of that process.
PLACES = {
    "receive_request": (SPAWNER, r"recvmsg\(\d+, "),
    "clone": (SPAWNER, r"clone3\("),
    "join_cgroups": (INIT, r'write\(\d+, "0", 1'),
    "write_id_maps": (SPAWNER, r'openat\(\d+, "uid_map"'),
    "id_map_mounts": (SPAWNER, r"mount_setattr\("),
    "pass_descriptors": (INIT, r"dup3\(\d+, 3, 0\)"),
    "exec_init": (INIT, r"execveat\("),
    "read_plan": (INIT, r"fcntl\(\d+, F_GET_SEALS"),
    "cgroup_namespace": (INIT, r"unshare\(CLONE_NEWCGROUP"),
    "session_keyring": (INIT, r"keyctl\(KEYCTL_JOIN_SESSION_KEYRING"),
    "stage": (INIT, r'mount\(NULL, "/", NULL, MS_REC\|MS_PRIVATE'),
    "attach_layers": (INIT, r'move_mount\(\d+, "", AT_FDCWD, "l0"'),
    "mount_overlay": (INIT, r'mount\("overlay"'),
    "mount_binds": (INIT, r'openat2\(\d+, "/usr"'),
    "mount_caches": (INIT, r'openat2\(\d+, "cache-of-steps"'),
    "mount_proc": (INIT, r'mount\("proc"'),
    "mask_proc": (INIT, r'openat2\(\d+, "/proc/'),
    "mount_dev": (INIT, r'mount\("devpts"'),
    "mount_tmp": (INIT, r'mount\("tmpfs", "tmp"'),
    "mount_resolver": (INIT, r'open_tree\(AT_FDCWD, "../d/resolv.conf"'),
    "hostname": (INIT, r"sethostname\("),
    "loopback_up": (INIT, r"ioctl\(\d+, SIOCSIFFLAGS"),
    "route_out": (INIT, r"socket\(AF_NETLINK, SOCK_RAW\|SOCK_CLOEXEC, NETLINK_ROUTE"),
    "limit_namespaces": (INIT, r'openat\(\d+, "max_uts_namespaces"'),
    "any_port": (INIT, r'openat\(\d+, "ip_unprivileged_port_start"'),
    "no_pacing": (INIT, r'openat\(\d+, "tcp_congestion_control"'),
    "pivot_root": (INIT, r"pivot_root\("),
    "detach_old_root": (INIT, r'umount2\("\.", MNT_DETACH'),
    "check_root": (INIT, r'statfs\("/",'),
    "resource_limits": (INIT, r"prlimit64\(0, RLIMIT_\w+, {"),
    "drop_bounding": (INIT, r"prctl\(PR_CAPBSET_DROP"),
    "drop_capabilities": (INIT, r"prctl\(PR_SET_SECUREBITS"),
    "no_new_privs": (INIT, r"prctl\(PR_SET_NO_NEW_PRIVS"),
    "not_dumpable": (INIT, r"prctl\(PR_SET_DUMPABLE, SUID_DUMP_DISABLE"),
    "landlock": (INIT, r"landlock_create_ruleset\("),
    "filter": (INIT, r"seccomp\(SECCOMP_SET_MODE_FILTER"),
    "listen": (INIT, r"epoll_create1\("),
    "ready": (INIT, r"epoll_ctl\(\d+, EPOLL_CTL_ADD, 4, "),  # the last before it says so
}
# The same call of the other process may be the one that strace hits, so another step may be named too. The spawner writes
# the new init's oom_score_adj (step clone) and its maps while that init joins its cgroups: which write fails first is chance.
ALSO = {"join_cgroups": "clone|write_id_maps", "ready": "listen"}
# Fails in the spawner for good, not in one creation: the request's own tests have the rest.
NOT_FAILED = {"receive_request"}
LANDLOCK_VERSION = ctypes.CDLL(None).syscall(444, None, 0, 1)  # landlock_create_ruleset, LANDLOCK_CREATE_RULESET_VERSION
UNREACHED = {step for step, reached in (("landlock", LANDLOCK_VERSION > 0),
                                        # only cgroup v1 is joined by writing
                                        ("join_cgroups", not os.path.exists("/sys/fs/cgroup/cgroup.controllers")))
             if not reached}


def steps():
    return re.findall(r'^  X\(k\w+, "(\w+)", \'[SI]\'', HEADER.read_text(), re.MULTILINE)


class SetupSteps(daemon.FreshDaemonCase):
    def start_daemon(self):
        super().start_daemon()
        tree = self.daemon.root / "tree"
        tree.mkdir()
        digest = self.ok("snapshot", "import", "--directory", str(tree)).decode().strip()
        self.options = ("--cache", f"{digest}:/cache-of-steps", "--egress", "allow-list")

    def find_points(self):
        """Of each step: which call of that name in its process is its place."""
        trace = self.daemon.root / "trace"
        spawner = self.daemon.spawner()
        with Tracer(spawner, "-o", str(trace)):
            created = self.try_create(*self.options)
        self.assertEqual(created.returncode, 0, created.stderr)
        self.ok("rm", created.stdout.decode().strip())
        seen, points = collections.Counter(), {}
        for line in trace.read_text(errors="replace").splitlines():
            match = LINE.match(line)
            if not match:
                continue
            pid, name = match.groups()
            seen[pid, name] += 1
            who = SPAWNER if int(pid) == spawner else INIT
            for step, (whose, pattern) in PLACES.items():
                if whose == who and step not in points and re.search(r"\s" + pattern, line):
                    points[step] = (name, seen[pid, name])
        return points

    def fails_at(self, step, point):
        """The step fails: the error names it and nothing is left."""
        with Tracer(self.daemon.spawner(), "-o", "/dev/null", "-e", f"trace={point[0]}", "-e",
                    f"inject={point[0]}:error=EIO:when={point[1]}"):
            done = self.try_create(*self.options)
        self.assertNotEqual(done.returncode, 0, step)
        self.assertRegex(done.stderr.decode(), f"at step ({step}|{ALSO.get(step, step)}):")
        self.nothing_of_sandboxes()

    def dies_at(self, step, point):
        """The daemon is killed while spawner or init stands at the step: the next one finds nothing of it."""
        trace = self.daemon.root / f"trace-{step}"
        tracer = Tracer(self.daemon.spawner(), "-o", str(trace), "-e", f"trace={point[0]}", "-e",
                        f"inject={point[0]}:signal=SIGSTOP:when={point[1]}")
        creating = self.daemon.popen("create", *self.options)
        stopped = re.compile(r"^(\d+) +--- (stopped by SIGSTOP|SIGSTOP)", re.MULTILINE)

        def stands():
            nonlocal creating
            if creating.poll() is not None:  # as in try_create
                self.assertIn(b"failed to connect", creating.communicate()[1], step)
                creating = self.daemon.popen("create", *self.options)
            return stopped.search(trace.read_text(errors="replace"))

        match = daemon.wait_until(stands, f"it stands at {step}")
        self.assertIsNone(creating.poll())
        self.daemon.kill()
        creating.kill()
        creating.communicate(timeout=daemon.DEADLINE_S)
        tracer.process.kill()
        tracer.process.communicate()
        if PLACES[step][0] == SPAWNER:
            try:
                os.kill(int(match.group(1)), signal.SIGCONT)  # else the next daemon would have to kill it; init it does
            except ProcessLookupError:
                pass
        self.daemon.start()
        self.nothing_of_sandboxes()

    def test_every_step_of_the_list_has_a_place_and_is_reached(self):
        self.assertEqual(sorted(PLACES), sorted(steps()))
        self.assertEqual(sorted(set(PLACES) - set(self.find_points())), sorted(UNREACHED))

    def test_a_failure_of_each_step_names_it_and_leaves_nothing(self):
        for step, point in self.find_points().items():
            if step not in NOT_FAILED:
                with self.subTest(step):
                    self.fails_at(step, point)

    def test_the_daemon_dies_while_init_stands_at_a_step_and_nothing_is_left(self):
        points = self.find_points()
        self.assertEqual(set(steps()) - set(points), UNREACHED)
        chosen = [step for step in steps() if step in points]
        if POINTS != "all":
            chosen = chosen[:: max(1, len(chosen) // int(POINTS))]
        for step in chosen:
            with self.subTest(step):
                self.dies_at(step, points[step])


if __name__ == "__main__":
    unittest.main()
