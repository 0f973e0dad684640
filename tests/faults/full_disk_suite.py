#!/usr/bin/env python3
"""The file system of the state directory is full: no sandbox is made, running ones go on, and it heals by itself."""

import os
import pathlib
import subprocess
import unittest

import daemon

BYTES = 192 << 20


class FullDisk(unittest.TestCase):
    def setUp(self):
        if os.geteuid() != 0:
            if os.environ.get("GLOVEBOX_TESTS_MUST_RUN"):
                raise AssertionError("needs root, and GLOVEBOX_TESTS_MUST_RUN forbids to skip")
            raise unittest.SkipTest("needs root")
        self.daemon = daemon.Daemon()
        self.daemon.state.mkdir(mode=0o700)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={BYTES},mode=0700", "tmpfs", self.daemon.state], check=True)
        self.addCleanup(self.clean_up)
        self.daemon.start()

    def clean_up(self):
        if self.daemon.process is not None and self.daemon.process.poll() is None:
            self.daemon.process.terminate()
            self.daemon.process.wait(timeout=daemon.DEADLINE_S)
        log = self.daemon.read_log()
        subprocess.run(["umount", self.daemon.state], check=True)
        self.daemon.log.close()
        subprocess.run(["rm", "-rf", self.daemon.root], check=True)
        self.assertEqual(self.daemon.process.returncode, 0, log)

    def ok(self, *arguments):
        done = self.daemon.cli(*arguments)
        self.assertEqual(done.returncode, 0, f"{arguments}: {done.stderr.decode(errors='replace')}")
        return done.stdout.decode()

    def fill(self):
        """To the last byte."""
        path = self.daemon.state / "filler"
        with open(path, "wb", buffering=0) as file:
            for size in (1 << 20, 4096, 1):
                try:
                    while True:
                        file.write(b"x" * size)
                except OSError:
                    continue
        return path

    def test_nothing_is_made_while_it_is_full_and_running_sandboxes_go_on(self):
        sandbox = self.ok("create").strip()
        filler = self.fill()
        done = self.daemon.cli("create")
        self.assertNotEqual(done.returncode, 0)
        self.assertRegex(done.stderr.decode(), "space|full")
        self.assertEqual(self.ok("ls", "-q").split(), [sandbox])
        self.assertEqual(self.ok("exec", "--exec-id", "during", sandbox, "--", "echo", "goes on"), "goes on\n")
        self.assertEqual({pathlib.Path(path).name for path in self.daemon.sandbox_cgroups()}, {sandbox}, "what was begun was undone")
        filler.unlink()
        other = self.ok("create").strip()
        self.ok("exec", "--exec-id", "after", sandbox, "--", "true")
        # What could not be written meanwhile was written since, or is still with init: a new daemon has it all.
        self.daemon.kill()
        self.daemon.start()
        self.assertEqual(sorted(self.ok("ls", "-q").split()), sorted([sandbox, other]))
        self.assertEqual(self.daemon.cli("logs", sandbox, "during").stdout, b"goes on\n")
        self.ok("rm", sandbox, other)

    def test_deleting_works_on_a_full_disk(self):
        sandbox = self.ok("create").strip()
        filler = self.fill()
        self.ok("rm", sandbox)
        filler.unlink()
        self.ok("create")


if __name__ == "__main__":
    unittest.main()
