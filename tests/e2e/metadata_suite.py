#!/usr/bin/env python3
"""Labels, names, environments and a repository's own names are data: values that run a program of the host wherever
one of them reaches a shell, a path that is executed, or a handler that takes "|program", and none of them runs."""

import json
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import unittest

import daemon

REVISIONS = 2
# What the daemon does at times of its own: the stock of disks, the log's and the database's files.
KNOWN_TO_VARY = re.compile(r"/disks/|/dev/loop|state\.db|/sys/|/proc/")


class Metadata(daemon.DaemonCase):
    def setUp(self):
        self.ran = self.daemon.root / "ran"
        self.program = self.daemon.root / "program"
        self.program.write_text(f'#!/bin/sh\necho "$0 $*" >> {self.ran}\n')
        self.program.chmod(0o755)
        self.daemon.root.chmod(0o755)
        self.values = [str(self.program), f"|{self.program}", f"binary://{self.program}", f"file://{self.program}",
                       f"$({self.program})", f"`{self.program}`", f"; {self.program} ;", f"x && {self.program}",
                       f"' {self.program} '", f"--exec={self.program}", f"-c{self.program}", f"!{self.program}"]

    def test_values_that_would_run_do_so_where_they_reach_a_shell(self):
        """The control: more than half of them do, so that one which slipped through would be seen."""
        ran = 0
        for value in self.values:
            for script in (f": {value}", value):
                subprocess.run(["sh", "-c", script], stdin=subprocess.DEVNULL, capture_output=True)
            ran += self.ran.exists()
            self.ran.unlink(missing_ok=True)
        self.assertGreaterEqual(ran, len(self.values) // 2)

    def test_no_value_runs_on_the_host(self):
        hostile = os.path.join(self.daemon.root, "hostile")
        os.mkdir(hostile)
        path, _ = daemon.repository(hostile)
        environment = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}
        for key in ("core.fsmonitor", "core.pager", "core.editor", "core.sshCommand", "diff.external", "credential.helper",
                    "uploadpack.packObjectsHook", "gpg.program", "filter.x.smudge", "alias.checkout"):
            subprocess.run(["git", "-C", path, "config", key, str(self.program)], check=True, env=environment)
        for hook in ("post-checkout", "reference-transaction", "post-index-change"):
            (path / ".git/hooks" / hook).symlink_to(self.program)
        for number, value in enumerate(self.values):
            label = f"label{number}={value}"
            sandbox = self.create("--label", label, "--label", f"io.logger={value}", "--repo", str(path))
            shown = json.loads(self.ok("inspect", "--json", sandbox))
            self.assertIn(value, json.dumps(shown, ensure_ascii=False))
            self.ok("exec", "-e", f"LD_PRELOAD={value}", "-e", f"GIT_EXTERNAL_DIFF={value}", sandbox, "--", "true", value)
            self.daemon.cli("exec", "-w", value, sandbox, "--", "true")
            self.daemon.cli("exec", "-u", value, sandbox, "--", "true")
            self.daemon.cli("image", "import", value, "/dev/null")
            self.daemon.cli("image", "import", "name", value)
            if number < REVISIONS:  # each takes a worker sandbox
                self.daemon.cli("create", "--repo", f"{path}@{value}")
            self.daemon.cli("create", "--image", value)
            self.ok("diff", sandbox)
            self.ok("ls", "--json")
            self.ok("rm", sandbox)
            self.assertFalse(self.ran.exists(), f"{value} ran: {self.ran.exists() and self.ran.read_text()}")


PATH_CALL = re.compile(r'^(\w+)\(.*?"((?:[^"\\\\]|\\\\.)*)"')


class TracedMetadata(daemon.FreshDaemonCase):
    """What clients and authors write does not change which paths the daemon's own threads name to the kernel."""

    def start_daemon(self):
        if shutil.which("strace") is None:
            self.fail("strace shows what the daemon asks the kernel for")
        self.trace = self.daemon.root / "trace"
        self.daemon.start(wrapper=("strace", "-ff", "--seccomp-bpf", "-s", "4096", "-e", "trace=%file", "-o", self.trace))
        # Of the tracer's children; its exit code is the daemon's.
        [self.gloveboxd] = pathlib.Path(f"/proc/{self.daemon.process.pid}/task/{self.daemon.process.pid}/children").read_text().split()

    def prove_nothing_is_left(self):
        os.kill(int(self.gloveboxd), signal.SIGTERM)  # strace would leave it
        self.daemon.process.wait(timeout=daemon.DEADLINE_S)
        self.assertEqual(self.daemon.stop(), [])

    def calls(self, values):
        """Does all that takes a value of a client's, and returns (call, path) as the daemon's threads made them since."""
        threads = {}
        for value in values:
            before = self.sizes()
            sandbox = self.create("--label", f"key={value}", "--label", "k2=" + value[::-1])
            self.daemon.cli("exec", "-e", f"LD_PRELOAD={value}", "-w", value, sandbox, "--", "true", value)
            self.daemon.cli("exec", "-u", value, "-e", "PATH=" + value, sandbox, "--", value)
            self.daemon.cli("exec", "--exec-id", "e", sandbox, "--", "true")
            self.daemon.cli("create", "--image", value)
            self.daemon.cli("image", "rm", value)
            self.ok("inspect", sandbox)
            self.ok("rm", sandbox)
            for thread in os.listdir(f"/proc/{self.gloveboxd}/task"):
                path = pathlib.Path(f"{self.trace}.{thread}")
                if path.exists():
                    with path.open(errors="replace") as file:
                        file.seek(before.get(thread, 0))
                        threads.setdefault(thread, []).extend(file.readlines())
        found = set()
        for line in (line for lines in threads.values() for line in lines):
            match = PATH_CALL.match(line)
            if match:
                found.add((match.group(1), re.sub(r"[0-9a-f]{16,}|[0-9]+", "N", match.group(2))))
        return found

    def sizes(self):
        return {path.name.rpartition(".")[2]: path.stat().st_size for path in self.trace.parent.glob("trace.*")}

    def test_the_paths_that_the_daemon_names_are_the_same_whatever_values_say(self):
        seed = random.SystemRandom().randrange(1 << 32)
        print(f"seed {seed}")
        chance = random.Random(seed)
        plain = self.calls(["plain", "/usr", "word"])
        token = "tok" + "".join(chance.choice("ghijkmnopqr") for _ in range(12))
        shapes = ["/{}", "/etc/{}", "../{}", "/proc/self/fd/{}", "|/{}", "$({})", "overlay:{}", "lowerdir=/{},upperdir=/", "binary:///{}",
                  "{}\\n/x", "a b {}", "%s{}", "/var/tmp/{}/../{}", "é{}"]
        hostile = self.calls([chance.choice(shapes).format(token, token) for _ in range(4)])
        self.assertGreater(len(plain), 10, "the trace shows what is named")
        self.assertEqual({one for one in hostile if token in one[1]}, set())
        self.assertEqual({one for one in hostile - plain if not KNOWN_TO_VARY.search(one[1])}, set())
        # The control: what may be named is seen.
        path = self.daemon.root / token
        before = self.sizes()
        self.daemon.cli("snapshot", "import", path)
        text = "".join(file.read_text(errors="replace")[before.get(file.name.rpartition(".")[2], 0):]
                       for file in self.trace.parent.glob("trace.*"))
        self.assertIn(token, text)


if __name__ == "__main__":
    unittest.main()
