#!/usr/bin/env python3
"""Labels, names, environments and a repository's own names are data: values that run a program of the host wherever
one of them reaches a shell, a path that is executed, or a handler that takes "|program", and none of them runs."""

import json
import os
import subprocess
import unittest

import daemon

REVISIONS = 2


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


if __name__ == "__main__":
    unittest.main()
