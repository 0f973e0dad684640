#!/usr/bin/env python3
"""How long it takes to compare 100 forks of one sandbox with 20 edits each: their change lists, patches and digests. Prints
times and the load; docs/compare-and-commit.md has what one run said.

    GLOVEBOX_BIN=build/release/bin tests/soak/compare_forks.py [FORKS [EDITS [FILES]]]
"""

import json
import os
import pathlib
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
import daemon  # noqa: E402


class Forks(daemon.DaemonCase):
    def measure(self, forks, edits, files):
        path = self.daemon.root / "repository"
        script = (f"git init -qb main .; for d in $(seq {files // 100}); do mkdir d$d; "
                  "for f in $(seq 100); do seq $d $((d + 60)) > d$d/f$f; done; done; git add -A; "
                  "git -c user.name=a -c user.email=a@b commit -qm base")
        path.mkdir()
        subprocess.run(["sh", "-ec", script], cwd=path, check=True)
        base = self.create("--repo", path)
        made = self.ok("fork", "-n", str(forks), base).decode().split()
        self.addCleanup(self.daemon.cli, "rm", "-f", *made)
        for number, sandbox in enumerate(made):
            self.ok("exec", sandbox, "--", "sh", "-ec",
                    f"cd /workspace; for f in $(seq {edits}); do echo edit $(({number} % 7)) >> d$f/f$f; done")
        times = []
        for _ in range(5):
            begin = time.monotonic()
            told = json.loads(self.ok("compare", *made, "--json"))
            times.append(time.monotonic() - begin)
        assert len(told["outcomes"]) == forks and len(told["paths"]) == edits, told
        assert all(one["summary"]["files_changed"] == edits for one in told["outcomes"])
        assert all(sorted(set(one["versions"])) == list(range(1, 8)) for one in told["paths"])
        print(f"{forks} forks, {edits} edits each, {files} files: {min(times):.2f} to {max(times):.2f} s, "
              f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")

    def runTest(self):
        given = [int(word) for word in sys.argv[1:]]
        self.measure(*(given + [100, 20, 10_000][len(given):]))


if __name__ == "__main__":
    import unittest
    sys.exit(0 if unittest.TextTestRunner().run(unittest.TestSuite([Forks()])).wasSuccessful() else 1)
