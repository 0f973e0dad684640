#!/usr/bin/env python3
"""Forks and pauses through the command line: files of one moment, processes stay, limits hold, nothing is left."""

import json
import time
import unittest

import daemon

# Appends lines until a file says stop.
TALKER = "while [ ! -e ~/stop ]; do echo line; sleep 0.01; done; exit 7"


class Forks(daemon.DaemonCase):
    def fork(self, *arguments):
        ids = self.ok("fork", *arguments).decode().split()
        for one in ids:
            self.assertRegex(one, r"\A[0-9a-f]{32}\Z")
            self.addCleanup(self.daemon.cli, "rm", "--force", one)
        return ids

    def sh(self, sandbox, script):
        return self.ok("exec", sandbox, "--", "sh", "-c", script).decode()

    def talk(self, sandbox):
        name = self.ok("exec", "--detach", sandbox, "--", "sh", "-c", TALKER).decode().strip()
        daemon.wait_until(lambda: b"line" in self.ok("logs", sandbox, name), "it talks")
        return name

    def test_a_fork_has_the_files_and_says_that_processes_stay(self):
        parent = self.create("--label", "a=b")
        self.sh(parent, "echo kept > ~/file; echo lost > /tmp/file")
        self.talk(parent)
        done = self.daemon.cli("fork", "-n", "2", "--label", "c=d", "--pids", "64", parent)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(b"files are copied, processes are not", done.stderr)
        for child in done.stdout.decode().split():
            self.addCleanup(self.daemon.cli, "rm", "--force", child)
            shown = json.loads(self.ok("inspect", child))
            self.assertEqual((shown["parent_id"], shown["state"]), (parent, "running"))
            self.assertEqual(shown["labels"], {"a": "b", "c": "d"})
            self.assertEqual(shown["limits"]["pids_max"], 64)
            self.assertEqual(self.sh(child, "cat ~/file; ls /tmp"), "kept\n")
        self.sh(parent, "touch ~/stop")

    def test_changes_of_a_child_are_against_the_commit(self):
        path, _ = daemon.repository(self.daemon.root, "forked")
        parent = self.create("--repo", path)
        self.sh(parent, "echo parent > file; rm gone; echo new > parents")
        self.assertEqual(self.ok("changes", parent), b"M\tfile\nD\tgone\nA\tparents\n")
        [child] = self.fork(parent)
        self.assertEqual(self.ok("changes", child), self.ok("changes", parent))
        self.sh(child, "echo two > file; echo own > childs; rm parents")
        self.sh(parent, "echo later > later")
        self.assertEqual(self.ok("changes", child), b"A\tchilds\nD\tgone\n", "file is as in the commit again")
        [grandchild] = self.fork(child)
        self.assertEqual(self.ok("diff", grandchild), self.ok("diff", child))
        self.assertEqual(self.sh(grandchild, "git status --porcelain"), " D gone\n?? childs\n")

    def test_each_child_has_an_outcome_of_its_own(self):
        parent = self.create()
        told = json.loads(self.ok("fork", "--json", "-n", "3", parent))
        self.assertEqual(len(told["children"]), 3)
        self.assertGreaterEqual(told["frozen_ms"], 0)
        for one in told["children"]:
            self.ok("rm", one["sandbox"]["id"])

    def test_more_children_than_fit(self):
        small = daemon.Daemon()
        config = small.root / "config.toml"
        config.write_text("[limits]\nsandboxes_max = 3\n")
        small.start("--config", str(config))
        try:
            parent = small.cli("create").stdout.decode().strip()
            done = small.cli("fork", "-n", "4", parent)
            self.assertEqual(done.returncode, 1)
            self.assertEqual(len(done.stdout.split()), 2, "those that fit are made")
            self.assertEqual(done.stderr.count(b"the host is full"), 2, done.stderr)
            none = small.cli("fork", parent)
            self.assertEqual((none.returncode, none.stdout), (1, b""))
            self.assertIn(b"the host is full", none.stderr)
        finally:
            self.assertEqual(small.stop(), [])

    def test_wrong_forks_are_refused(self):
        parent = self.create()
        for count in ("0", "1001", "many"):
            self.fails(1, "fork", "-n", count, parent)
        self.assertIn("no sandbox", self.fails(1, "fork", "0" * 32))

    def test_a_paused_sandbox_stands_still_and_goes_on(self):
        sandbox = self.create()
        name = self.talk(sandbox)
        self.ok("pause", sandbox)
        self.assertEqual(json.loads(self.ok("inspect", sandbox))["state"], "paused")
        text = self.fails(125, "exec", sandbox, "--", "true")
        self.assertIn("paused", text)
        self.assertIn("resume", text)
        before = self.ok("logs", sandbox, name)
        other = self.create()
        self.sh(other, "sleep 0.3")
        self.assertEqual(self.ok("logs", sandbox, name), before, "no output")
        [child] = self.fork(sandbox)
        self.assertEqual(self.sh(child, "echo works"), "works\n")
        self.ok("resume", sandbox)
        daemon.wait_until(lambda: self.ok("logs", sandbox, name) != before, "it talks again")
        self.sh(sandbox, "touch ~/stop")
        self.assertEqual(self.daemon.cli("logs", "-f", sandbox, name).returncode, 0)
        self.assertEqual(self.status(sandbox, name)["exit_code"], 7)

    def test_a_paused_sandbox_can_be_removed(self):
        sandbox = self.create()
        self.talk(sandbox)
        self.ok("pause", sandbox)
        self.ok("rm", sandbox)
        self.fails(1, "resume", sandbox)

    def test_many_forks_and_nothing_left(self):
        parent = self.create()
        self.sh(parent, "for i in $(seq 100); do echo $i > ~/f$i; done")
        images = self.daemon.state / "disks" / "images"
        before = daemon.settled(lambda: len(list(images.iterdir())))
        began = time.monotonic()
        children = self.fork("-n", "20", parent)
        took = time.monotonic() - began
        self.assertEqual(self.sh(children[19], "cat ~/f77"), "77\n")
        self.ok("rm", *children)
        daemon.wait_until(lambda: len(list(images.iterdir())) <= before, "the disks of forks are gone")
        print(f"20 forks: {took * 1000:.0f} ms")


if __name__ == "__main__":
    unittest.main()
