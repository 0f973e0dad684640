#!/usr/bin/env python3
"""Real projects from Debian's sources: their build and tests give the same results inside as outside, and the changes
that the build made are the same files."""

import concurrent.futures
import pathlib
import re
import subprocess
import tempfile
import unittest

import daemon

SOURCE_REPOSITORY = pathlib.Path(__file__).resolve().parents[2] / "tools" / "dev" / "source_repository"

# Package: how it is built and tested, and which lines of its output are results.
PROJECTS = {
    "zlib": ("./configure && make -j2 && make test", rb"\*\*\* zlib .*test OK|[Ff]ail"),
    "json-c": ("mkdir build && cd build && cmake .. && make -j2 && ctest", rb"Test +#.*(Passed|Failed)|tests passed"),
}


def results(output, pattern):
    """The lines that match, without the times in them, in a fixed order: tests may run side by side."""
    lines = (line for line in output.splitlines() if re.search(pattern, line))
    return sorted(re.sub(rb"[0-9.]+ sec|\.\.+", b"", line).strip() for line in lines)


class Projects(daemon.DaemonCase):
    def check(self, package):
        build, pattern = PROJECTS[package]
        with tempfile.TemporaryDirectory(prefix="glovebox-e2e-") as top:
            repository = pathlib.Path(top) / package
            subprocess.run([SOURCE_REPOSITORY, package, repository], check=True, stdin=subprocess.DEVNULL)
            sandbox = self.ok("create", "--repo", repository, "--memory", "2GiB").decode().strip()
            # Side by side: much of a build is one process after the other.
            with concurrent.futures.ThreadPoolExecutor(1) as other:
                begun = other.submit(self.daemon.cli, "exec", sandbox, "--", "sh", "-c", build, timeout=500)
                outside = subprocess.run(["sh", "-c", build], cwd=repository, capture_output=True, timeout=500,
                                         stdin=subprocess.DEVNULL)
                inside = begun.result()
            changed = self.ok("changes", "-z", sandbox)
            self.ok("rm", sandbox)
            status = subprocess.run(["git", "status", "--porcelain", "-z", "--ignored", "--untracked-files=all"],
                                    cwd=repository, capture_output=True, check=True).stdout
            files_inside = {entry.split(b"\t", 1)[1] for entry in changed.split(b"\0") if entry}
            files_outside = {entry[3:] for entry in status.split(b"\0") if entry}
            # git does not know empty directories; the change list does.
            extra = {name for name in files_inside - files_outside if not (repository / name.decode()).is_dir()}
        self.assertEqual(inside.returncode, outside.returncode, inside.stderr[-2000:])
        self.assertEqual(inside.returncode, 0, inside.stderr[-2000:])
        self.assertGreater(len(results(outside.stdout, pattern)), 2, "the control: there are results to compare")
        self.assertEqual(results(inside.stdout, pattern), results(outside.stdout, pattern))
        self.assertEqual(files_outside - files_inside, set())
        self.assertEqual(extra, set())

    def test_zlib(self):
        self.check("zlib")

    def test_json_c(self):
        self.check("json-c")


if __name__ == "__main__":
    unittest.main()
