#!/usr/bin/env python3
"""200 sandboxes created, used and deleted, 16 at a time: nothing is left and the daemon does not grow."""

import concurrent.futures
import unittest

import daemon

SANDBOXES = 200
AT_ONCE = 16
WARM_UP = 48
STOCK = 8  # disk_stock
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

    def disks(self):
        return len(list((self.daemon.state / "disks" / "mounts").iterdir()))

    def await_rest(self, at_rest):
        """Disks are made and taken down in the background, however long that takes on a busy host: exactly what a daemon has
        that never had a sandbox comes back, and stays."""
        daemon.wait_until(lambda: daemon.settled(self.footprint) == at_rest, f"there is {at_rest} again")

    def test_200_sandboxes_leave_nothing(self):
        daemon.wait_until(lambda: self.disks() == STOCK, "the stock of disks is full")
        at_rest = daemon.settled(self.footprint)
        self.use_many(WARM_UP)
        self.await_rest(at_rest)
        descriptors = self.daemon.descriptors()
        resident = self.daemon.resident_kib()
        self.use_many(SANDBOXES)
        self.assertEqual(self.ok("ls", "-q"), b"")
        self.await_rest(at_rest)
        self.assertLessEqual(self.daemon.descriptors(), descriptors + AT_ONCE, "connections may linger")
        self.assertLess(self.daemon.resident_kib() - resident, GROWTH_KIB_MAX)


if __name__ == "__main__":
    unittest.main()
