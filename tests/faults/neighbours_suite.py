#!/usr/bin/env python3
"""Eight sandboxes take all that they can get, beside an honest one: health checks are answered all the while, every
honest command gives what it should, the host holds no more than the limits add up to, the OOM killer stays with the
one that asked for it, and nothing is left afterwards. No time is asserted; `tools/bench --only neighbours` has them."""

import glob
import pathlib
import re
import threading
import unittest

import grpc

import api_client
import daemon

MIB = 1 << 20
SCRIPT = (pathlib.Path(__file__).resolve().parents[1] / "support/hostile_neighbour.pl").read_text()
LIMITS = {"memory_bytes": 256 * MIB, "pids_max": 64, "cpu_millis": 1000, "disk_bytes": 32 * MIB, "disk_inodes": 2048}
NEIGHBOURS = {"processes": {}, "memory": {"memory_bytes": 48 * MIB}, "disk": {}, "inodes": {}, "descriptors": {},
              "inotify": {}, "output": {}}
CALLERS = 4
ROUNDS = 30
CALLS_MIN = 300
# What all of it may add to the daemon, whatever the neighbours do: the retained output of their running commands and the
# records of the callers' 512 execs are the greatest parts.
GROWTH_KIB_MAX = 96 << 10
GROWTH_DESCRIPTORS_MAX = 1024
SERVING = b"\x08\x01"  # grpc.health.v1.HealthCheckResponse


class ApiFlood:
    """A client that calls as fast as it is answered, rightly and wrongly, and never takes what it asked for."""

    def __init__(self, socket, sandbox):
        self.socket, self.sandbox = socket, sandbox
        self.answered, self.unexpected, self.stop = [0] * CALLERS, [], threading.Event()
        self.threads = [threading.Thread(target=self._call, args=(index,)) for index in range(CALLERS)]
        for thread in self.threads:
            thread.start()

    def _call(self, index):
        api = api_client.Api(self.socket)
        where = {"sandbox_id": self.sandbox}
        calls = (lambda: api.call("Exec", "StartExec", **where, spec={"arguments": [b"true"]}),
                 lambda: api.call("Sandbox", "GetSandbox", **where),
                 lambda: api.call("Exec", "GetExec", **where, exec_id="no-such-exec"),
                 lambda: api.call("Exec", "StartExec", **where, spec={"arguments": [b"a" * 3 * MIB]}),
                 lambda: api.call("Exec", "ListExecs", **where, page_size=1000),
                 lambda: api.stream("Exec", "RunExec", **where, spec={"arguments": [b"yes"], "limits": {
                     "wall_time": {"seconds": 1}}}).cancel())
        allowed = (grpc.StatusCode.NOT_FOUND, grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.INVALID_ARGUMENT)
        while not self.stop.is_set():
            try:
                calls[self.answered[index] % len(calls)]()
            except grpc.RpcError as error:
                if error.code() not in allowed:
                    self.unexpected.append(str(error))
                    break
            self.answered[index] += 1
        api.close()

    def end(self):
        self.stop.set()
        for thread in self.threads:
            thread.join()


class HealthWatch:
    """Asks a hundred times a second, on a channel of its own."""

    def __init__(self, socket):
        self.channel = grpc.insecure_channel(f"unix:{socket}")
        self.answers, self.wrong, self.stop = 0, [], threading.Event()
        self.thread = threading.Thread(target=self._ask)
        self.thread.start()

    def _ask(self):
        check = self.channel.unary_unary("/grpc.health.v1.Health/Check")
        while not self.stop.wait(0.01) and not self.wrong:
            try:
                answer = check(b"", timeout=daemon.DEADLINE_S)
                if answer != SERVING:
                    self.wrong.append(answer)
                self.answers += 1
            except grpc.RpcError as error:
                self.wrong.append(str(error))

    def end(self):
        self.stop.set()
        self.thread.join()
        self.channel.close()


class Neighbours(daemon.DaemonCase):
    def setUp(self):
        self.api = api_client.Api(self.daemon.socket)
        self.addCleanup(self.api.close)

    def make(self, **limits):
        sandbox = self.api.call("Sandbox", "CreateSandbox", limits={**LIMITS, **limits}).sandbox.id
        self.addCleanup(self.daemon.cli, "rm", "--force", sandbox)
        return sandbox

    def attack(self, sandbox, kind):
        """Starts it and comes back when its limit has refused it something."""
        self.api.call("Exec", "StartExec", sandbox_id=sandbox, exec_id="attack",
                      spec={"arguments": [b"perl", b"-e", SCRIPT.encode(), kind.encode()]})
        seen = b""
        for item in self.api.stream("Exec", "AttachExec", sandbox_id=sandbox, exec_id="attack"):
            seen += item.frame.stdout[:4] + item.frame.stderr
            if b"bit\n" in seen:
                return
            self.assertNotEqual(item.frame.WhichOneof("item"), "end", f"{kind} ended: {seen}")

    def honest(self, sandbox, number):
        script = f"echo {number} > ~/f && cat ~/f && echo problem {number} >&2; exit {number % 7}"
        out, err, end = b"", b"", None
        for item in self.api.stream("Exec", "RunExec", sandbox_id=sandbox, spec={"arguments": [b"sh", b"-c",
                                                                                            script.encode()]}):
            out, err = out + item.frame.stdout, err + item.frame.stderr
            if item.frame.WhichOneof("item") == "end":
                end = item.frame.end
        self.assertEqual((out, err, end.exit_code), (b"%d\n" % number, b"problem %d\n" % number, number % 7), end)

    def footprint(self):
        state = sum(path.stat().st_blocks * 512 for path in self.daemon.state.rglob("*") if path.is_file())
        return {"resident": self.daemon.resident_kib(), "descriptors": self.daemon.descriptors(), "state": state,
                "mounts": self.daemon.mounts()}

    def settled(self):
        """The footprint once mounts and descriptors stay."""
        daemon.settled(lambda: (self.daemon.mounts(), self.daemon.descriptors()))
        return self.footprint()

    def inits(self, sandboxes):
        pattern = f"/sys/fs/cgroup/**/glovebox-{self.daemon.instance()}/%s/init/cgroup.procs"
        return {sandbox: {pathlib.Path(path).read_text() for path in glob.glob(pattern % sandbox, recursive=True)}
                for sandbox in sandboxes}

    def oom_kills(self, sandbox):
        """As its memory cgroup counts them: v1 in memory.oom_control, v2 in memory.events."""
        kills = 0
        for name in ("memory.oom_control", "memory.events"):
            pattern = f"/sys/fs/cgroup/**/glovebox-{self.daemon.instance()}/{sandbox}/{name}"
            for path in glob.glob(pattern, recursive=True):
                kills += int(re.search(r"^oom_kill (\d+)$", pathlib.Path(path).read_text(), re.M)[1])
        return kills

    def test_the_host_and_an_honest_sandbox_go_on_beside_eight_hostile_ones(self):
        honest = self.make()
        self.honest(honest, 0)
        before = self.settled()
        hostile = {kind: self.make(**limits) for kind, limits in NEIGHBOURS.items()}
        flooded = self.make()
        everyone = [honest, flooded, *hostile.values()]
        inits = self.inits(everyone)
        health = HealthWatch(self.daemon.socket)
        self.addCleanup(health.end)
        for kind, sandbox in hostile.items():
            self.attack(sandbox, kind)
        flood = ApiFlood(self.daemon.socket, flooded)
        self.addCleanup(flood.end)
        # At least so many rounds, and until both floods have been long enough.
        number = 0
        while number < ROUNDS or sum(flood.answered) < CALLS_MIN or health.answers < ROUNDS:
            number += 1
            self.honest(honest, number)
            self.assertFalse(flood.unexpected or health.wrong, (flood.unexpected, health.wrong))
        during = self.footprint()
        print(f"\n    {number} honest commands, {health.answers} health checks, {sum(flood.answered)} calls of the flood; "
              f"before {before}, during {during}", flush=True)
        self.assertLess(during["resident"] - before["resident"], GROWTH_KIB_MAX)
        self.assertLess(during["descriptors"] - before["descriptors"], GROWTH_DESCRIPTORS_MAX)
        # Disks at their limits and their file systems' own part; one of the callers' archives of 128 MiB.
        self.assertLess(during["state"] - before["state"], (len(everyone) * 2 * 32 + 128 + 64) * MIB)
        self.assertEqual({path.split("/")[-1] for path in self.daemon.sandbox_cgroups()} & set(everyone), set(everyone))
        self.assertEqual(self.inits(everyone), inits, "no init was ended")
        self.assertIsNone(self.daemon.process.poll(), "nor the daemon")
        self.assertGreater(self.oom_kills(hostile["memory"]), 0)
        self.assertEqual(self.oom_kills(honest), 0)
        for kind, sandbox in hostile.items():
            status = self.api.call("Exec", "GetExec", sandbox_id=sandbox, exec_id="attack").exec
            self.assertFalse(status.HasField("end"), f"{kind} is at it to the end: {status}")
        flood.end()
        health.end()
        for sandbox in (*hostile.values(), flooded):
            self.api.call("Sandbox", "DeleteSandbox", sandbox_id=sandbox)
        self.honest(honest, number + 1)
        self.ok("rm", honest)
        self.assertEqual(self.ok("ls", "-q"), b"")
        daemon.wait_until(lambda: not self.daemon.sandbox_cgroups(), "their cgroups are gone")
        after = self.settled()
        self.assertLess(after["mounts"], before["mounts"], "its own are gone as well")
        self.assertLessEqual(after["descriptors"], before["descriptors"] + 2 * CALLERS, "connections may linger")
        self.assertLess(after["resident"] - before["resident"], GROWTH_KIB_MAX)
        daemon.wait_until(lambda: self.footprint()["state"] <= before["state"] + 64 * MIB, "their files are gone")


if __name__ == "__main__":
    unittest.main()
