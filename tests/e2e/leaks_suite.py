#!/usr/bin/env python3
"""200 sandboxes created, used and deleted, 16 at a time: nothing is left and the daemon does not grow."""

import concurrent.futures
import unittest

import daemon

SANDBOXES = 200
AT_ONCE = 16
WARM_UP = 48
GROWTH_KIB_MAX = 8 << 10


class Leaks(daemon.DaemonCase):
    def use_one(self, number):
        sandbox = self.ok("create", "--label", f"n={number}").decode().strip()
        out = self.ok("exec", sandbox, "--", "sh", "-c", f"echo {number} > ~/f && cat ~/f && (sleep 600 &)")
        self.assertEqual(out, f"{number}\n".encode())
        self.ok("rm", sandbox)

    def use_many(self, count):
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            for done in [pool.submit(self.use_one, number) for number in range(count)]:
                done.result()

    def footprint(self):
        return {"processes": len(self.daemon.descendants()), "mounts": self.daemon.mounts(),
                "cgroups": len(self.daemon.sandbox_cgroups())}

    def test_200_sandboxes_leave_nothing(self):
        self.use_many(WARM_UP)
        before = daemon.settled(self.footprint)
        descriptors = self.daemon.descriptors()
        resident = self.daemon.resident_kib()
        self.use_many(SANDBOXES)
        self.assertEqual(self.ok("ls", "-q"), b"")
        # Fewer when a disk of the stock was being made before.
        for what, count in daemon.settled(self.footprint).items():
            self.assertLessEqual(count, before[what], what)
        self.assertLessEqual(self.daemon.descriptors(), descriptors + AT_ONCE, "connections may linger")
        self.assertLess(self.daemon.resident_kib() - resident, GROWTH_KIB_MAX)


if __name__ == "__main__":
    unittest.main()
