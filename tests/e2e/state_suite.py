#!/usr/bin/env python3
"""What the daemon keeps is nobody else's to read, and its memory does not grow with what commands print.

Modes are looked at in the whole state and runtime directories, after everything that makes files there has been done, by a
daemon that was started with the most generous umask.
"""

import fnmatch
import os
import stat
import unittest

import daemon

FLOODS, EACH, GROWTH_KIB_MAX = 100, 32 << 20, 32 * 1024
FOR_WORKERS = {"glovebox-importer"}  # our program, which they execute


class State(daemon.FreshDaemonCase):
    def start_daemon(self):
        before = os.umask(0)
        try:
            self.daemon.start()
        finally:
            os.umask(before)

    def modes(self, top):
        """(path below it, what it is, mode) of everything, itself included."""
        found = []
        for directory, names, files in os.walk(top):
            for path in [directory] + [os.path.join(directory, name) for name in files]:
                status = os.lstat(path)
                found.append((os.path.relpath(path, top), stat.S_IFMT(status.st_mode), stat.S_IMODE(status.st_mode), status.st_uid))
            names[:] = [name for name in names if not self.is_of_an_image(os.path.join(directory, name))]
        return found

    def is_of_an_image(self, path):
        """What sandboxes see there has the modes that it has for them; the directory above is private."""
        return os.path.ismount(path) or fnmatch.fnmatch(path, f"{self.daemon.state}/store/host-image/*/root")

    def test_no_file_of_the_daemon_is_for_others(self):
        path, _ = daemon.repository(self.daemon.root)
        sandbox = self.create("--repo", path)
        self.ok("exec", "--exec-id", "e", "--full-log", sandbox, "--", "sh", "-c", "echo x; touch ~/new")
        self.ok("shell", sandbox, "--id", "s", "-c", "true")
        self.ok("fork", sandbox)
        self.ok("pause", sandbox)
        self.restart()
        self.ok("logs", sandbox, "e")
        kinds, open_to_others = {}, []
        through = (str(self.daemon.root / "run"), ".")  # where the socket is by default: its users go through, and see names
        for top in (self.daemon.state, self.daemon.root / "run"):
            for path, kind, mode, owner in self.modes(top):
                kinds.setdefault(kind, []).append(path)
                self.assertEqual(owner, 0, path)
                if mode & 0o077 and kind != stat.S_IFLNK and (str(top), path) != through and path not in FOR_WORKERS:
                    open_to_others.append(f"{top}/{path} {mode:o}")
        self.assertEqual(open_to_others, [])
        self.assertGreater(len(kinds[stat.S_IFREG]), 5, "the state has files")
        self.assertEqual(stat.S_IMODE(os.stat(self.daemon.state).st_mode), 0o700)
        self.assertEqual(stat.S_IMODE(os.stat(self.daemon.socket).st_mode), 0o600)

    def test_a_hundred_floods_cost_the_daemon_a_bounded_memory(self):
        """All print at once, and nobody reads: what is kept is of a fixed size, in the sandbox's own account."""
        sandboxes = [self.create("--pids", "200") for _ in range(4)]
        for sandbox in sandboxes:
            self.ok("exec", sandbox, "--", "true")  # what is made once
        before = grown = self.daemon.resident_kib()
        flood = ("sh", "-c", f"until [ -e ~/go ]; do sleep 0.2; done; exec head -c {EACH} /dev/zero")
        floods = [(sandboxes[i % 4], self.told("exec", "--detach", sandboxes[i % 4], "--", *flood).strip()) for i in range(FLOODS)]
        for sandbox in sandboxes:
            self.ok("exec", sandbox, "--", "touch", "/home/agent/go")

        def end_of(flood):
            nonlocal grown
            grown = max(grown, self.daemon.resident_kib())
            status = self.status(*flood)
            return status if status["state"] == "ended" else None

        total = 0
        for flood in floods:
            total += daemon.wait_until(lambda flood=flood: end_of(flood), "a flood ends")["stdout_bytes"]["total"]
        print(f"{FLOODS} floods, {total >> 20} MiB in all: the daemon grew by {grown - before} KiB")
        self.assertEqual(total, FLOODS * EACH)
        self.assertLess(grown - before, GROWTH_KIB_MAX)


if __name__ == "__main__":
    unittest.main()
