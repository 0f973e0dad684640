#!/usr/bin/env python3
"""Forks of sandboxes that do all they can against it: bombs, floods of writes, huge and full disks.

Whatever runs in the parent, a child is whole, holds to the parent's limits, and the parent goes on.
"""

import json
import os
import re
import unittest

import daemon
import edit_attacks_suite
import edits_suite

MIB = 1 << 20
LIMITS = re.compile(r"(limit_in_bytes|\.max|\.high|cfs_(quota|period)_us|swappiness)\Z")

BOMB = "echo up; f() { f | f & f; }; f 2>/dev/null"

# A commit after the other, and repacks in between, as fast as git can.
COMMITS = r"""
set -e; mkdir -p ~/r; cd ~/r; git init -q .; git config user.email a@b; git config user.name a; git config gc.auto 0
i=0; while :; do i=$((i+1)); mkdir -p d$((i % 7)); head -c 3000 /dev/urandom | od > d$((i % 7))/f$((i % 50))
git add -A; git commit -qm $i; [ $((i % 20)) != 0 ] || git repack -qad; [ $i != 3 ] || echo up; done
"""

# What is in two accounts never changes in sum, and each transaction is counted in a file of its own afterwards.
TRANSFERS = r"""
import os, sqlite3, sys
mode = sys.argv[1]
db = sqlite3.connect(os.path.expanduser("~/bank-" + mode), isolation_level=None)
db.execute("PRAGMA journal_mode=" + mode); db.execute("PRAGMA synchronous=NORMAL")
db.execute("CREATE TABLE account (id INTEGER PRIMARY KEY, coins INTEGER, note BLOB)")
db.execute("INSERT INTO account VALUES (1, 1000000, ''), (2, 0, '')")
counter = open(os.path.expanduser("~/count-" + mode), "w")
for i in range(1, 1 << 30):
    db.execute("BEGIN"); note = os.urandom(5000)
    db.execute("UPDATE account SET coins = coins - 1, note = ? WHERE id = 1", (note,))
    db.execute("UPDATE account SET coins = coins + 1, note = ? WHERE id = 2", (note,))
    db.execute("COMMIT")
    counter.seek(0); counter.write(str(i)); counter.flush()
    if i == 10: print("up", flush=True)
"""
CHECK_TRANSFERS = r"""
import os, sqlite3, sys
mode = sys.argv[1]
db = sqlite3.connect(os.path.expanduser("~/bank-" + mode))
assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
(one, note_one), (two, note_two) = db.execute("SELECT coins, note FROM account ORDER BY id").fetchall()
assert one + two == 1000000, (one, two)
assert note_one == note_two
counted = int(open(os.path.expanduser("~/count-" + mode)).read())
assert two in (counted, counted + 1), (two, counted)
print(two)
"""


class ForkAttacks(daemon.DaemonCase):
    def fork(self, *arguments):
        ids = self.ok("fork", *arguments).decode().split()
        for one in ids:
            self.addCleanup(self.daemon.cli, "rm", "--force", one)
        return ids

    def sh(self, sandbox, script):
        return self.ok("exec", sandbox, "--", "sh", "-c", script).decode()

    def begin(self, sandbox, *command):
        """Returns when it has said that it is up."""
        name = self.ok("exec", "--detach", sandbox, "--", *command).decode().strip()
        daemon.wait_until(lambda: b"up" in self.daemon.cli("logs", sandbox, name).stdout, f"{command[0]} is up")

    def image_bytes(self):
        images = self.daemon.state / "disks" / "images"
        return {path.name: path.stat().st_blocks * 512 for path in images.iterdir()}

    def test_a_fork_bomb_that_goes_off_is_not_carried_over(self):
        parent = self.create("--pids", "100")
        self.sh(parent, "echo kept > ~/file")
        self.begin(parent, "sh", "-c", BOMB)
        for _ in range(3):
            for child in self.fork("-n", "2", parent):
                self.assertEqual(self.sh(child, "cat ~/file; ls /proc | grep -c '^[0-9]'")[:5], "kept\n")
                self.assertEqual(json.loads(self.ok("inspect", child))["limits"]["pids_max"], 100)
                self.ok("rm", child)
        self.ok("pause", parent)
        self.ok("resume", parent)
        self.ok("rm", parent)

    def test_a_git_repository_that_is_committed_to_is_whole_in_each_child(self):
        parent = self.create()
        self.begin(parent, "sh", "-c", COMMITS)
        commits = 0
        for _ in range(5):
            for child in self.fork("-n", "2", parent):
                # The locks are those of the git that was not carried over.
                self.sh(child, "cd ~/r; find .git -name '*.lock' -delete; git fsck --full --strict --no-dangling")
                now = int(self.sh(child, "cd ~/r; git status --short > /dev/null; git rev-list --count HEAD"))
                self.assertGreaterEqual(now, commits, "no fork is older than the one before")
                commits = now
                self.sh(child, "cd ~/r; git add -A; git commit -q --allow-empty -m own")
                self.ok("rm", child)

    def test_databases_that_are_written_to_are_whole_in_each_child(self):
        parent = self.create()
        for mode in ("WAL", "DELETE"):
            self.begin(parent, "/usr/bin/python3", "-c", TRANSFERS, mode)
        done = {"WAL": 0, "DELETE": 0}
        for _ in range(5):
            for child in self.fork("-n", "2", parent):
                for mode in done:
                    text = self.ok("exec", child, "--", "/usr/bin/python3", "-c", CHECK_TRANSFERS, mode)
                    self.assertGreaterEqual(int(text), done[mode], "no fork is older than the one before")
                    done[mode] = int(text)
                self.ok("rm", child)

    def test_a_sparse_file_of_a_tebibyte_costs_what_it_holds(self):
        parent = self.create("--disk", "1100G")
        self.sh(parent, "cd; truncate -s 1T big; echo first | dd of=big conv=notrunc status=none; "
                        "echo last | dd of=big bs=1M seek=1048575 conv=notrunc status=none")
        before = self.image_bytes()
        [child] = self.fork(parent)
        show = "cd; stat -c '%s %b' big; head -c 6 big; tail -c 1048576 big | head -c 5"
        self.assertEqual(self.sh(child, show), self.sh(parent, show))
        self.assertTrue(self.sh(child, show).startswith(f"{1 << 40} "))
        new = [size for name, size in self.image_bytes().items() if name not in before]
        self.assertLess(sum(new), 64 * MIB)

    def test_a_disk_that_is_full_is_full_in_the_child(self):
        parent = self.create("--disk", "32M", "--inodes", "128")
        # To the last block, and then to the last inode.
        fill = "cd; head -c 100M /dev/zero > fill 2>/dev/null; for s in 4096 1; do head -c $s /dev/zero >> fill; done 2>/dev/null; " \
               "for i in $(seq 200); do touch n$i || break; done 2>/dev/null; true"
        self.sh(parent, fill)
        listing = self.sh(parent, "cd; ls | sort | sha256sum; stat -c %s fill")
        one = parent
        for _ in range(3):
            [one] = self.fork(one)
            self.assertEqual(self.sh(one, "cd; ls | sort | sha256sum; stat -c %s fill"), listing)
            self.assertNotEqual(self.daemon.cli("exec", one, "--", "sh", "-c", "head -c 1M /dev/zero > ~/n1").returncode, 0)
        self.sh(one, "cd; rm n1 n2 fill; head -c 1M /dev/zero > again")
        again = self.daemon.cli("exec", one, "--", "sh", "-c", "head -c 100M /dev/zero > ~/fill")
        self.assertNotEqual(again.returncode, 0, "the limit is as before")

    def limits_of(self, sandbox):
        """What the kernel is told of it, by controller."""
        found = {}
        for root, directories, files in os.walk("/sys/fs/cgroup"):
            if os.path.basename(root) != sandbox:
                continue
            directories.clear()
            for name in files:
                if LIMITS.search(name):
                    with open(os.path.join(root, name)) as file:
                        found[os.path.relpath(root, "/sys/fs/cgroup").split("/")[0], name] = file.read()
        return found

    def test_a_child_is_held_as_its_parent_and_shares_nothing_with_it(self):
        parent = self.create("--pids", "77", "--memory", "123M")
        self.sh(parent, "echo x > /tmp/x; echo x > /dev/shm/x; mkdir ~/d")
        [child] = self.fork(parent)
        held = "grep -E '^(Cap|Seccomp|NoNewPrivs|Uid|Gid|Groups)' /proc/self/status; ulimit -a; " \
               "awk '{print $5, $6}' /proc/self/mountinfo; cat /proc/sys/net/ipv4/ip_forward; ls -A /dev; env | sort; pwd"
        self.assertEqual(self.sh(child, held), self.sh(parent, held))
        limits = self.limits_of(parent)
        self.assertIn("77\n", limits.values())
        self.assertEqual(self.limits_of(child), limits)
        shown = [json.loads(self.ok("inspect", one)) for one in (parent, child)]
        for key in ("profile", "owner", "image", "limits", "enforcement"):
            self.assertEqual(shown[0].get(key), shown[1].get(key), key)
        # Inodes of its own: locks and watches of one are nothing to the other.
        for path in ("/dev/null", "/usr/bin/env", "/tmp", "/dev/shm", "/home/agent/d"):
            inodes = [self.sh(one, f"stat -L -c %d:%i {path}") for one in (parent, child)]
            self.assertNotEqual(inodes[0], inodes[1], path)
        self.assertEqual(self.sh(child, "ls /tmp /dev/shm"), "/dev/shm:\n\n/tmp:\n")


class AmidAPatch(edit_attacks_suite.AttackedCase):
    def test_a_fork_has_a_patch_as_a_whole_or_not_at_all(self):
        sandbox = self.create()
        future, _ = self.stopped_patch(sandbox)
        self.ok("pause", sandbox)
        self.refused("FAILED_PRECONDITION", "SANDBOX_PAUSED", self.call, "Sandbox", "ForkSandbox", sandbox_id=sandbox, count=1)
        self.ok("resume", sandbox)
        fork = self.daemon.popen("fork", sandbox)
        self.ok("exec", sandbox, "--", "python3", "-c", edit_attacks_suite.CONTINUE)
        child, error = fork.communicate(timeout=daemon.DEADLINE_S)
        self.assertEqual((fork.returncode, error), (0, b""))
        child = child.decode().strip()
        self.addCleanup(self.daemon.cli, "rm", "--force", child)
        self.assertEqual(self.sh(child, edits_suite.LEFT), "")
        self.assertEqual(len(set(self.contents(child, edit_attacks_suite.PATCHED))), 1)
        future.result()


if __name__ == "__main__":
    unittest.main()
