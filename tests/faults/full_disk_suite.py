#!/usr/bin/env python3
"""The file system of the state directory, or a sandbox's own disk, is full.

No sandbox is made, running ones go on, output is kept or said to be lost, and all of it heals by itself.
"""

import errno
import json
import os
import pathlib
import select
import unittest

import daemon

BYTES = 192 << 20
UNSAVED = 8  # ended commands of a sandbox whose output waits for room: archive_limits.h


class FullDisk(daemon.FreshDaemonCase):
    memory_bytes = BYTES

    def fill(self):
        """To the last byte, and again until the daemon gives back no more: in the background it may have begun a disk for
        its stock, whose part it takes away when it finds no room for the rest."""
        path, looks = self.daemon.state / "filler", 0
        with open(path, "wb", buffering=0) as file:
            while looks < 30:
                before = os.fstat(file.fileno()).st_size
                for size in (1 << 20, 4096, 1):
                    try:
                        while True:
                            file.write(b"x" * size)
                    except OSError:
                        continue
                looks = looks + 1 if os.fstat(file.fileno()).st_size == before else 0
                select.select([], [], [], 0.01)
        return path

    def test_nothing_is_made_while_it_is_full_and_running_sandboxes_go_on(self):
        sandbox = self.create()
        filler = self.fill()
        done = self.daemon.cli("create")
        self.assertNotEqual(done.returncode, 0)
        self.assertRegex(done.stderr.decode(), "space|full")
        self.assertEqual(self.told("ls", "-q").split(), [sandbox])
        self.assertEqual(self.ok("exec", "--exec-id", "during", sandbox, "--", "echo", "goes on"), b"goes on\n")
        self.assertEqual({pathlib.Path(path).name for path in self.daemon.sandbox_cgroups()}, {sandbox}, "what was begun was undone")
        filler.unlink()
        other = self.create()
        self.ok("exec", "--exec-id", "after", sandbox, "--", "true")
        # What could not be written meanwhile was written since, or is still with init: a new daemon has it all.
        self.restart()
        self.assertEqual(sorted(self.told("ls", "-q").split()), sorted([sandbox, other]))
        self.assertEqual(self.daemon.cli("logs", sandbox, "during").stdout, b"goes on\n")
        self.ok("rm", sandbox, other)

    def images(self):
        return {path.name for path in (self.daemon.state / "disks" / "images").iterdir()}

    def test_forks_take_the_room_that_there_is_and_leave_nothing_of_the_others(self):
        parent = self.create()
        self.ok("exec", parent, "--", "sh", "-c", "head -c 40000000 /dev/urandom > ~/big")
        whole = self.told("exec", parent, "--", "sha256sum", "big")
        self.ok("exec", "--detach", "--exec-id", "sleeper", parent, "--", "sleep", "600")
        before = self.images()
        done = self.daemon.cli("fork", "--json", "-n", "6", parent)
        self.assertEqual(done.returncode, 1, done.stderr)
        made = [one["sandbox"]["id"] for one in json.loads(done.stdout)["children"] if "sandbox" in one]
        self.assertTrue(1 <= len(made) <= 3, made)
        self.assertIn(b"no room for a copy", done.stderr)
        self.assertEqual(sorted(self.told("ls", "-q").split()), sorted([parent, *made]))
        daemon.wait_until(lambda: len(self.images() - before) <= len(made), "nothing of the others is left")
        for child in made:
            self.assertEqual(self.told("exec", child, "--", "sha256sum", "big"), whole)
        # No room at all: the call fails as a whole, and the parent goes on.
        filler = self.fill()
        none = self.daemon.cli("fork", parent)
        self.assertEqual((none.returncode, none.stdout), (1, b""))
        self.assertIn(b"no room for a copy", none.stderr)
        filler.unlink()
        self.assertEqual(self.status(parent, "sleeper")["state"], "running")
        self.ok("rm", *made)
        [child] = self.told("fork", parent).split()
        self.assertEqual(self.told("exec", child, "--", "sha256sum", "big"), whole)
        self.ok("rm", parent, child)

    def test_a_checkpoint_without_room_is_refused_and_a_rollback_without_room_ends_nothing(self):
        sandbox = self.create()
        self.ok("exec", sandbox, "--", "sh", "-c", "head -c 40000000 /dev/urandom > ~/big")
        whole = self.told("exec", sandbox, "--", "sha256sum", "big")
        self.ok("checkpoint", "create", sandbox, "c")
        self.ok("exec", "--detach", "--exec-id", "sleeper", sandbox, "--", "sleep", "600")
        images = self.images()
        filler = self.fill()
        for refused in (("checkpoint", "create", sandbox, "d"), ("rollback", sandbox, "c")):
            done = self.daemon.cli(*refused)
            self.assertEqual((done.returncode, done.stdout), (1, b""))
            self.assertIn(b"no room for a copy", done.stderr)
        self.assertEqual(self.status(sandbox, "sleeper")["state"], "running", "nothing has ended")
        filler.unlink()
        daemon.wait_until(lambda: self.images() <= images, "nothing of the copies is left")
        self.assertEqual(len(json.loads(self.told("checkpoint", "ls", "--json", sandbox))), 1)
        self.ok("exec", sandbox, "--", "rm", "big")
        self.ok("rollback", sandbox, "c")
        self.assertEqual(self.told("exec", sandbox, "--", "sha256sum", "big"), whole)
        self.ok("rm", sandbox)

    def stored(self, sandbox):
        return len(os.listdir(self.daemon.state / "output" / sandbox))

    def write_and_end(self, sandbox, name):
        self.ok("exec", "--exec-id", name, sandbox, "--", "sh", "-c", f"head -c 100000 /dev/zero; echo {name} >&2")

    def complaints(self):
        self.daemon.log.flush()
        return pathlib.Path(self.daemon.log.name).read_text(errors="replace").count("cannot be stored")

    def check_output(self, sandbox, name):
        logs = self.daemon.cli("logs", sandbox, name)
        self.assertEqual((len(logs.stdout), logs.stderr), (100_000, name.encode() + b"\n"))

    def test_output_waits_for_room_over_a_new_daemon_and_is_stored_without_a_further_end(self):
        sandbox = self.create()
        filler = self.fill()
        for name in ("one", "two"):
            self.write_and_end(sandbox, name)
        self.assertEqual(self.stored(sandbox), 0)
        daemon.wait_until(self.complaints, "it is told")
        for name in ("one", "two"):
            self.check_output(sandbox, name)
        self.assertEqual(self.complaints(), 1, "once for all")
        # Nobody but init has it while no daemon runs; and a daemon needs some room to start.
        self.daemon.kill()
        filler.unlink()
        self.daemon.start()
        for name in ("one", "two"):
            self.check_output(sandbox, name)
        daemon.wait_until(lambda: self.stored(sandbox) == 2, "what waits is stored")
        self.restart()
        for name in ("one", "two"):
            self.check_output(sandbox, name)
            self.assertNotIn("output_lost_error", self.status(sandbox, name))
        self.ok("rm", sandbox)

    def test_output_that_gets_no_room_is_said_to_be_lost_and_the_latest_is_kept(self):
        sandbox = self.create()
        filler = self.fill()
        names = [f"e{i}" for i in range(UNSAVED + 2)]
        for name in names:
            self.write_and_end(sandbox, name)
        for name in names[:2]:
            daemon.wait_until(lambda one=name: self.status(sandbox, one).get("output_lost_error") == errno.ENOSPC,
                              "the oldest made room")
            self.assertEqual(self.status(sandbox, name)["exit_code"], 0)
            self.assertEqual(self.daemon.cli("logs", sandbox, name).stdout, b"")
        for name in names[2:]:
            self.check_output(sandbox, name)
        filler.unlink()
        daemon.wait_until(lambda: self.stored(sandbox) == UNSAVED, "what waits is stored")
        self.restart()
        for name in names[:2]:
            self.assertEqual(self.status(sandbox, name)["output_lost_error"], errno.ENOSPC)
        for name in names[2:]:
            self.check_output(sandbox, name)
        self.ok("rm", sandbox)

    def test_a_full_log_ends_with_the_sandboxs_own_disk_and_the_command_goes_on(self):
        sandbox = self.create("--disk", "32M")
        done = self.daemon.cli("exec", "--exec-id", "log", "--full-log", sandbox, "--", "sh", "-c",
                               "head -c 67108864 /dev/zero; echo end >&2")
        self.assertEqual((done.returncode, len(done.stdout), done.stderr), (0, 67_108_864, b"end\n"))
        end = self.status(sandbox, "log")
        self.assertEqual((end["full_log"]["state"], end["exit_code"]), ("disk_full", 0), end)
        self.assertLess(end["full_log"]["file_bytes"], 32 << 20)
        # Another command of the same sandbox, with no room for a log of its own.
        refused = self.daemon.cli("exec", "--full-log", sandbox, "--", "true")
        self.assertIn(refused.returncode, (0, 125), refused.stderr)
        self.assertEqual(self.ok("exec", sandbox, "--", "echo", "goes on"), b"goes on\n")
        self.ok("rm", sandbox)

    def test_deleting_works_on_a_full_disk(self):
        sandbox = self.create()
        filler = self.fill()
        self.ok("rm", sandbox)
        filler.unlink()
        self.ok("create")


if __name__ == "__main__":
    unittest.main()
