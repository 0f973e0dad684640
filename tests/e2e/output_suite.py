#!/usr/bin/env python3
"""What output costs the host: floods, readers that never read, full logs."""

import os
import select
import unittest

import daemon

READERS = 20
READER_KIB_MAX = 1024  # a frame, gRPC's copy of it, and room for the allocator


def blocks_kib(root):
    """Of all files below `root`, as the file system allocates them."""
    total = 0
    for path, _, names in os.walk(root):
        for name in names:
            try:
                total += os.lstat(os.path.join(path, name)).st_blocks // 2
            except FileNotFoundError:
                continue
    return total


class Output(daemon.DaemonCase):
    def test_readers_that_never_read_cost_bounded_memory_and_hold_up_nobody(self):
        sandbox, neighbour = self.create(), self.create()
        self.ok("exec", "--detach", "--exec-id", "flood", sandbox, "--", "yes")
        self.ok("logs", sandbox, "flood")  # what one reader makes the daemon allocate for good
        memory = self.daemon.resident_kib()
        readers = [self.daemon.popen("logs", "-f", sandbox, "flood") for _ in range(READERS)]
        try:
            for reader in readers:
                ready, _, _ = select.select([reader.stdout], [], [], 60)
                self.assertTrue(ready, "each reader gets output")
            self.assertEqual(self.ok("exec", neighbour, "--", "echo", "served"), b"served\n")
            self.assertEqual(self.ok("exec", sandbox, "--", "echo", "served"), b"served\n")
            self.assertLess(self.daemon.resident_kib() - memory, READERS * READER_KIB_MAX)
        finally:
            for reader in readers:
                reader.kill()
                reader.wait()
                reader.stdout.close()
                reader.stderr.close()

    def test_a_flood_leaves_disk_and_memory_flat_and_is_counted_to_the_byte(self):
        sandbox = self.create()
        size = 1 << 30
        self.ok("exec", sandbox, "--", "true")
        memory, disk = self.daemon.resident_kib(), blocks_kib(self.daemon.root)
        self.ok("exec", "--detach", "--exec-id", "flood", sandbox, "--", "sh", "-c",
                f"echo before >&2; yes | head -c {size}; echo after >&2")
        daemon.wait_until(lambda: self.status(sandbox, "flood")["state"] == "ended", "the flood ends", 300)
        end = self.status(sandbox, "flood")
        self.assertEqual(end["exit_code"], 0)
        logs = self.daemon.cli("logs", sandbox, "flood")
        self.assertEqual(logs.returncode, 0)
        self.assertIn(b"before\n", logs.stderr)
        self.assertIn(b"after\n", logs.stderr)
        streams = end["end"] if "end" in end else end
        self.assertEqual(streams["stdout_bytes"]["total"], size)
        self.assertEqual(streams["stdout_bytes"]["retained"], len(logs.stdout))
        self.assertEqual(streams["stderr_bytes"]["dropped"], 0)
        self.assertLess(self.daemon.resident_kib() - memory, 16 << 10)
        self.assertLess(blocks_kib(self.daemon.root) - disk, 16 << 10)

    def test_a_full_log_shows_every_byte_afterwards(self):
        sandbox = self.create()
        everything = b"".join(b"%d\n" % i for i in range(1, 1_000_001))
        self.ok("exec", "--detach", "--full-log", "--exec-id", "all", sandbox, "--", "seq", "1", "1000000")
        daemon.wait_until(lambda: self.status(sandbox, "all")["state"] == "ended", "seq ends")
        self.assertEqual(self.daemon.cli("logs", sandbox, "all").stdout, everything)
        self.fails(125, "exec", "--full-log=4P", sandbox, "--", "true")


if __name__ == "__main__":
    unittest.main()
