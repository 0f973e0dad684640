#!/usr/bin/env python3
"""Checkpoints through the command line: kept, listed, rolled back to, removed; what runs ends and says so."""

import contextlib
import json
import sqlite3
import unittest

import daemon


class Checkpoints(daemon.DaemonCase):
    def sh(self, sandbox, script):
        return self.ok("exec", sandbox, "--", "sh", "-c", script).decode()

    def test_a_checkpoint_is_rolled_back_to_in_place(self):
        path, _ = daemon.repository(self.daemon.root, "checked")
        sandbox = self.create("--repo", path, "--label", "a=b")
        self.sh(sandbox, "echo tried > file; rm gone")
        self.assertEqual(self.ok("checkpoint", "create", sandbox, "first-try"), b"first-try\n")
        changes, patch = self.ok("changes", sandbox), self.ok("diff", sandbox)
        self.sh(sandbox, "git checkout -q .; git checkout -q -b other; rm -rf .git file; echo x > /tmp/memory")
        before = json.loads(self.ok("inspect", sandbox))
        self.assertEqual(self.ok("rollback", sandbox, "first-try"), b"")
        after = json.loads(self.ok("inspect", sandbox))
        self.assertEqual((after["state"], after["labels"]), ("running", {"a": "b"}))
        self.assertEqual(after["create_time"], before["create_time"])
        self.assertEqual((self.ok("changes", sandbox), self.ok("diff", sandbox)), (changes, patch))
        self.assertEqual(self.sh(sandbox, "git status --porcelain; ls /tmp"), " M file\n D gone\n")

    def test_what_runs_ends_as_sandbox_gone_and_its_client_is_told(self):
        sandbox = self.create()
        name = self.ok("checkpoint", "create", sandbox).decode().strip()
        client = self.daemon.popen("exec", "--exec-id", "e", sandbox, "--", "sh", "-c", "echo up; sleep 600")
        self.assertEqual(client.stdout.readline(), b"up\n")
        self.ok("rollback", sandbox, name)
        _, errors = client.communicate(timeout=daemon.DEADLINE_S)
        self.assertEqual(client.returncode, 125)
        self.assertIn(b"sandbox is gone", errors)
        self.assertEqual(self.status(sandbox, "e")["cause"], "sandbox_gone")
        self.assertEqual(self.daemon.cli("logs", sandbox, "e").stdout, b"up\n")
        self.assertEqual(self.sh(sandbox, "echo works"), "works\n")

    def test_names_lists_and_refusals(self):
        sandbox = self.create()
        made = json.loads(self.ok("checkpoint", "create", "--json", sandbox, "one"))
        self.assertEqual(made["checkpoint_id"], "one")
        self.assertGreater(made["disk_bytes"], 0)
        self.ok("checkpoint", "create", sandbox, "two")
        listed = json.loads(self.ok("checkpoint", "ls", "--json", sandbox))
        self.assertEqual([one["checkpoint_id"] for one in listed], ["one", "two"])
        table = self.ok("checkpoint", "ls", sandbox).decode().splitlines()
        self.assertEqual([line.split()[0] for line in table], ["NAME", "one", "two"])
        self.assertEqual(self.ok("checkpoint", "rm", sandbox, "one"), b"")
        self.assertIn('no checkpoint "one"', self.fails(1, "checkpoint", "rm", sandbox, "one"))
        self.assertIn('no checkpoint "one"', self.fails(1, "rollback", sandbox, "one"))
        self.assertIn("checkpoint_id", self.fails(1, "checkpoint", "create", sandbox, "A/../b"))
        self.assertIn("no sandbox", self.fails(1, "checkpoint", "create", "0" * 32))
        self.assertIn("no sandbox", self.fails(1, "rollback", "0" * 32, "two"))

    def test_a_stopped_sandbox_runs_again(self):
        sandbox = self.create()
        self.sh(sandbox, "echo kept > ~/file")
        known = set(self.daemon.descendants())
        self.ok("checkpoint", "create", sandbox, "c")
        self.ok("pause", sandbox)
        self.ok("rollback", sandbox, "c")
        self.assertEqual(self.sh(sandbox, "cat ~/file"), "kept\n")
        daemon.wait_until(lambda: len(set(self.daemon.descendants()) - known) <= 1, "the old processes are gone")


class LostLayer(daemon.FreshDaemonCase):
    def test_a_sandbox_whose_snapshot_is_lost_is_not_begun_anew_without_it(self):
        path, _ = daemon.repository(self.daemon.root, "lost")
        sandbox = self.create("--repo", path)
        self.ok("exec", sandbox, "--", "sh", "-c", "echo mine > new")
        self.ok("checkpoint", "create", sandbox, "c")
        snapshot = self.inspect(sandbox)["snapshot"]
        disk = self.daemon.state / "store" / "snapshots" / snapshot.removeprefix("sha256:") / "disk.img"
        aside = disk.with_name("aside")
        self.daemon.kill()
        disk.rename(aside)
        self.daemon.start()
        found = self.inspect(sandbox)
        self.assertEqual((found["state"], found["snapshot"]), ("stopped", snapshot))
        self.assertIn("no snapshot", found["stop_reason"])
        self.assertIn("no snapshot", self.fails(1, "rollback", sandbox, "c"))
        self.assertEqual(self.inspect(sandbox)["state"], "stopped")
        self.daemon.kill()
        aside.rename(disk)
        self.daemon.start()
        self.ok("rollback", sandbox, "c")
        self.assertEqual(self.ok("exec", sandbox, "--", "sh", "-c", "cat new file; git status --porcelain"), b"mine\ntwo\n?? new\n")


class OfAnEarlierRelease(daemon.FreshDaemonCase):
    def test_a_sandbox_that_begins_anew_has_the_filters_of_now_and_says_so(self):
        sandbox = self.create()
        self.ok("checkpoint", "create", sandbox, "c")
        now = self.filters(sandbox)
        self.daemon.kill()
        with contextlib.closing(sqlite3.connect(self.daemon.state / "state.db")) as database, database:
            database.execute("UPDATE sandboxes SET options = json_set(options, '$.seccomp_digest', ?)", ("0" * 64,))
        self.daemon.start()
        self.assertIn("sha256:" + "0" * 64, self.filters(sandbox), "what it was made with")
        self.ok("rollback", sandbox, "c")
        self.assertEqual(self.filters(sandbox), now)
        self.daemon.kill()
        self.daemon.start()
        self.assertEqual(self.filters(sandbox), now)

    def filters(self, sandbox):
        return next(one["mechanism"] for one in self.inspect(sandbox)["enforcement"] if one["name"] == "seccomp")


if __name__ == "__main__":
    unittest.main()
