#!/usr/bin/env python3
"""Snapshots through the command line: layers, captures, collection and checks of the store."""

import json
import os
import pathlib
import subprocess
import unittest

import daemon
from collecting import work_beside_collections

# Everything that can be told of a tree from inside, but times of directories and inode numbers.
TREE = ("cd /workspace && find . ! -type d -printf '%p\\0%m %U %G %s %n %y %l %T@\\0' -o -printf '%p\\0%m %U %G %y\\0' | "
        "sort -z | sha256sum && find . -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum && "
        "find . -type f -links +1 -printf '%i\\n' | sort | uniq -c | awk '{print $1}'")

EDITS = r"""
set -e; cd /workspace
echo changed > file; rm gone; mkdir -p new/deep; echo x > new/deep/x; ln new/deep/x new/link; ln -s nowhere dangling
rm -rf replaced; echo now a file > replaced; rm -rf fresh; mkdir fresh; echo y > fresh/only
: > empty; truncate -s 20M sparse; printf '\377' > "$(printf 'odd\n\377name')"; cp /bin/true run; chmod 4755 run
mkfifo fifo; python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("socket")'
rm -f kept_as_fifo; mkfifo kept_as_fifo
git add -A . ':!fifo' ':!socket' ':!kept_as_fifo'; git -c user.name=a -c user.email=a@b commit -qm inside
echo later >> file; echo secret > ~/secret; echo secret > /tmp/secret
"""


def history(root, name):
    """A repository on which every kind of change can be made."""
    path, commits = daemon.repository(root, name)
    environment = {**os.environ, "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a",
                   "GIT_COMMITTER_EMAIL": "a@b", "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}

    def commit(script):
        subprocess.run(["sh", "-ec", f"cd '{path}'; {script}; git add -A; git commit -qm more"], env=environment, check=True,
                       capture_output=True)
        return subprocess.run(["git", "-C", path, "rev-parse", "HEAD"], env=environment, check=True, capture_output=True,
                              text=True).stdout.strip()

    commit("mkdir replaced fresh; echo 1 > replaced/a; echo 1 > fresh/a; echo 1 > fresh/b; echo 1 > kept_as_fifo")
    return path, commits, commit


class Snapshots(daemon.DaemonCase):
    def sh(self, sandbox, script):
        return self.ok("exec", sandbox, "--", "sh", "-c", script)

    def snapshot(self, *arguments):
        return json.loads(self.ok("snapshot", *arguments, "--json"))

    def drop(self, digest):
        self.addCleanup(self.daemon.cli, "snapshot", "rm", digest)

    def test_the_next_commit_is_kept_as_a_difference(self):
        path, commits, commit = history(self.daemon.root, "layered")
        first = self.snapshot("import", f"{path}@main")
        second_commit = commit("echo next > next")
        second = self.snapshot("import", f"{path}@main")
        self.assertEqual((second["parent"], second["layer_count"], second["commit"]), (first["digest"], 2, second_commit))
        self.assertEqual(second["history"], "full")
        self.assertIn("parent of others", self.fails(1, "snapshot", "rm", first["digest"]))
        sandbox = self.create("--snapshot", second["digest"])
        self.assertEqual(self.sh(sandbox, "cat next; git status --porcelain; git fsck --full"), b"next\n")
        self.assertEqual(self.ok("changes", sandbox), b"")
        self.sh(sandbox, "rm next; echo x > file; rm -r fresh")
        self.assertEqual(self.ok("changes", sandbox), b"M\tfile\nD\tfresh/a\nD\tfresh/b\nD\tnext\n")
        self.assertNotEqual(commits[0], second_commit)
        shallow = self.snapshot("import", "--history", "shallow", f"{path}@main")
        self.assertEqual((shallow["history"], shallow["parent"]), ("shallow", None))
        none = self.create("--repo", f"{path}@main", "--history", "none")
        self.assertEqual(self.sh(none, "ls -a | grep -c git; cat next"), b"0\nnext\n")

    def test_commits_made_inside_come_out_as_a_bundle(self):
        path, commits = daemon.repository(self.daemon.root, "bundled")
        sandbox = self.create("--repo", path)
        made = self.sh(sandbox, "git checkout -q -b fix; echo three > file; git -c user.name=a -c user.email=a@b commit -qam fix; "
                                "git bundle create -q /tmp/fix.bundle main..fix; git rev-parse fix").decode().strip()
        bundle = self.daemon.root / "fix.bundle"
        self.ok("cp", f"{sandbox}:/tmp/fix.bundle", bundle)

        def git(*arguments):
            return subprocess.run(["git", "-C", path, *arguments], check=True, capture_output=True, text=True).stdout

        git("fetch", "-q", bundle, "fix:fix")
        self.assertEqual(git("log", "--format=%H", "fix"), f"{made}\n{commits[1]}\n{commits[0]}\n")
        self.assertEqual(git("show", "fix:file"), "three\n")
        again = self.create("--repo", f"{path}@fix")
        self.assertEqual(self.sh(again, "git rev-parse HEAD; cat file"), f"{made}\nthree\n".encode())

    def test_a_capture_is_the_tree_of_the_moment_and_nothing_else(self):
        path, _, _ = history(self.daemon.root, "captured")
        sandbox = self.create("--repo", path)
        self.sh(sandbox, EDITS)
        captured = self.snapshot("capture", sandbox)
        base = self.inspect(sandbox)["snapshot"]
        self.assertEqual((captured["parent"], captured["commit"]), (base, ""))
        self.sh(sandbox, "rm -f fifo socket kept_as_fifo")  # nothing but names
        child = self.create("--snapshot", captured["digest"])
        self.assertEqual(self.sh(child, TREE), self.sh(sandbox, TREE))
        self.assertEqual(self.ok("changes", child), b"")
        self.assertEqual(self.sh(child, "cd /workspace; git log --format=%s -n 1; git fsck; git status --porcelain; "
                                        "ls -A ~ /tmp; ls fifo socket kept_as_fifo 2>/dev/null || true"),
                         b"inside\n M file\n D kept_as_fifo\n/home/agent:\n\n/tmp:\n")
        # A set-id bit is kept and has no effect: no sandbox honours it.
        self.assertEqual(self.sh(child, "stat -c %a run; grep -c nosuid /proc/self/mounts | head -c 1 | tr 1-9 y"),
                         b"4755\ny")
        # What is captured of it is over it.
        self.assertEqual(self.snapshot("capture", child)["parent"], captured["digest"])
        self.assertIn("parent of others", self.fails(1, "snapshot", "rm", captured["digest"]))

    def test_captures_of_captures_stay_flat_enough(self):
        path, _, _ = history(self.daemon.root, "deep")
        sandbox = self.create("--repo", path)
        layers = []
        for number in range(9):
            self.sh(sandbox, f"echo {number} > file; mkdir -p d; echo {number} > d/{number}; rm -f d/{number - 2}")
            captured = self.snapshot("capture", sandbox)
            layers.append(captured["layer_count"])
            before = self.sh(sandbox, TREE)
            self.ok("rm", sandbox)
            sandbox = self.create("--snapshot", captured["digest"])
            self.assertEqual(self.sh(sandbox, TREE), before)
            self.assertEqual(self.ok("changes", sandbox), b"")
        self.assertEqual(layers, [2, 3, 4, 5, 6, 7, 8, 1, 2])
        self.assertEqual(self.sh(sandbox, "git fsck --full; git diff --stat | tail -n 1"),
                         b" 1 file changed, 1 insertion(+), 1 deletion(-)\n")

    def test_a_sandbox_without_a_workspace_has_nothing_to_capture(self):
        self.assertIn("made without a snapshot", self.fails(1, "snapshot", "capture", self.create()))
        self.assertIn("no sandbox", self.fails(1, "snapshot", "capture", "0" * 32))

    def test_a_capture_of_a_sandbox_that_writes_is_of_one_moment(self):
        path, _, _ = history(self.daemon.root, "busy")
        sandbox = self.create("--repo", path)
        # Each line goes to both files, to the first one first.
        self.ok("exec", "--detach", sandbox, "--", "sh", "-c",
                "cd /workspace; n=0; while :; do n=$((n+1)); echo $n >> first; echo $n >> second; done")
        daemon.wait_until(lambda: self.sh(sandbox, "cat second 2>/dev/null | wc -l") > b"0\n", "it writes")
        for _ in range(3):
            captured = self.snapshot("capture", sandbox)
            child = self.create("--snapshot", captured["digest"])
            first, second = (int(self.sh(child, f"wc -l < {name}")) for name in ("first", "second"))
            self.assertIn(first - second, (0, 1))
            self.ok("rm", child)

    def test_gc_takes_what_nothing_uses_and_fsck_tells_how_it_is(self):
        path, _, commit = history(self.daemon.root, "collected")
        used = self.create("--repo", path)
        commit("echo a > a")
        unused = self.snapshot("import", path)["digest"]
        kept = self.inspect(used)["snapshot"]
        told = self.snapshot("gc", "--dry-run", "--max-bytes", "0")
        self.assertIn(unused, [one["digest"] for one in told["removed"]])
        self.assertIn(unused, self.ok("snapshot", "ls", "--json").decode(), "a dry run removes nothing")
        self.assertEqual(self.snapshot("gc", "--max-bytes", "0", "--idle", "1h")["removed"], [])
        done = self.snapshot("gc", "--max-bytes", "0")
        self.assertIn(unused, [one["digest"] for one in done["removed"]])
        self.assertGreater(done["bytes_freed"], 0)
        left = [one["digest"] for one in self.snapshot("ls")]
        self.assertIn(kept, left)
        self.assertNotIn(unused, left)
        self.assertEqual(self.sh(used, "cat file"), b"two\n")
        checked = self.snapshot("fsck", "--content")
        self.assertEqual({one["name"] for one in checked}, set(left))
        self.assertFalse(any(one["damaged"] for one in checked), checked)
        self.assertIn("no budget is configured", self.fails(1, "snapshot", "gc"))
        manifest = self.daemon.state / "store" / "snapshots" / kept.removeprefix("sha256:") / "manifest"
        whole = manifest.read_bytes()
        manifest.write_bytes(whole[:-1])
        done = self.daemon.cli("snapshot", "fsck")
        manifest.write_bytes(whole)
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"damaged {kept}".encode(), done.stdout)

    def test_gc_in_a_loop_takes_nothing_from_those_who_create(self):
        path, _, _ = history(self.daemon.root, "raced")

        def work(number):
            for turn in range(4):
                sandbox = self.ok("create", "--repo", path).decode().strip()
                self.assertEqual(self.sh(sandbox, f"cat file; echo {number}{turn} > own; git status --porcelain"),
                                 b"two\n?? own\n")
                captured = self.daemon.cli("snapshot", "capture", sandbox).stdout.decode().strip()
                child = self.daemon.cli("create", "--snapshot", captured)
                if child.returncode == 0:  # else it was collected before it was used
                    one = child.stdout.decode().strip()
                    self.assertEqual(self.sh(one, "cat own"), f"{number}{turn}\n".encode())
                    self.ok("rm", one)
                self.ok("rm", sandbox)

        work_beside_collections(self, work, 4)


class Budget(daemon.FreshDaemonCase):
    def start_daemon(self):
        config = self.daemon.root / "config.toml"
        config.write_text("[store]\ninodes_max = 4500\n")
        self.daemon.start("--config", str(config))

    def test_imports_make_room_of_what_is_unused_and_else_say_that_the_store_is_full(self):
        repositories = []
        for number in range(3):
            path, _, commit = history(self.daemon.root, f"r{number}")
            commit("i=0; while [ $i -lt 700 ]; do i=$((i+1)); echo $i > f$i; done")
            repositories.append(path)
        first = self.create("--repo", repositories[0])
        second = self.told("snapshot", "import", str(repositories[1])).strip()
        third = self.told("snapshot", "import", str(repositories[2])).strip()
        left = {one["digest"] for one in json.loads(self.ok("snapshot", "ls", "--json"))}
        self.assertEqual(left, {self.inspect(first)["snapshot"], third}, "the unused one went")
        self.assertNotIn(second, left)
        self.create("--snapshot", third)
        self.assertIn("budget", self.fails(1, "create", "--repo", repositories[1]))
        self.assertEqual({one["digest"] for one in json.loads(self.ok("snapshot", "ls", "--json"))}, left)
        self.assertEqual(self.ok("snapshot", "gc"), b"", "all is in use, and fits")

    def test_a_commit_that_is_stored_is_to_be_had_however_full_the_store_is(self):
        path, _, commit = history(self.daemon.root, "stored")
        first = self.create("--repo", path)
        self.daemon.kill()
        config = self.daemon.root / "config.toml"
        config.write_text("[store]\ninodes_max = 1\n")
        self.daemon.start("--config", str(config))
        for asked in (path, f"{path}@HEAD"):
            second = self.create("--repo", asked)
            self.assertEqual(self.inspect(second)["snapshot"], self.inspect(first)["snapshot"])
        commit("echo more > more")
        self.assertIn("budget", self.fails(1, "create", "--repo", path))
        other, _, _ = history(self.daemon.root, "other")
        self.assertIn("budget", self.fails(1, "create", "--repo", other))
        self.assertEqual(len(json.loads(self.ok("snapshot", "ls", "--json"))), 1)

    def test_what_is_larger_than_the_budget_takes_nothing_with_it(self):
        small, large = pathlib.Path(self.daemon.root, "small"), pathlib.Path(self.daemon.root, "large")
        for directory, files in ((small, 10), (large, 5000)):
            directory.mkdir()
            for number in range(files):
                (directory / str(number)).touch()
        idle = self.told("snapshot", "import", "--directory", str(small)).strip()
        self.assertIn("budget", self.fails(1, "snapshot", "import", "--directory", str(large)))
        self.assertEqual([one["digest"] for one in json.loads(self.ok("snapshot", "ls", "--json"))], [idle])


if __name__ == "__main__":
    unittest.main()
