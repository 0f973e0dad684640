#!/usr/bin/env python3
"""What changed since a cursor, against an oracle that reads the whole tree before and after; over restarts and restores."""

import json
import os
import re
import subprocess
import unittest

import daemon

# Every path inside and what is there. Only directories without entries: git, and the list, see others by what they hold.
ORACLE = r"""
import hashlib, os, stat, sys
top, tree = os.fsencode(sys.argv[1]), {}
for where, names, files in os.walk(top):
    if where == top and b".git" in names:
        names.remove(b".git")
    for name in files + names:
        path = os.path.join(where, name)
        info = os.lstat(path)
        if stat.S_ISLNK(info.st_mode):
            what = b"l" + os.readlink(path)
        elif stat.S_ISREG(info.st_mode):
            with open(path, "rb") as file:
                digest = hashlib.sha256(file.read()).hexdigest() if info.st_size < 1 << 26 else str(info.st_ctime_ns)
            what = f"{'x' if info.st_mode & 0o100 else 'f'}{digest} {info.st_size}".encode()
        elif stat.S_ISDIR(info.st_mode):
            if os.listdir(path):
                continue
            what = b"dir"
        else:
            what = f"special {stat.S_IFMT(info.st_mode)}".encode()
        tree[os.path.relpath(path, top)] = what
sys.stdout.buffer.write(b"".join(p + b"\0" + w + b"\0" for p, w in tree.items()))
"""

# One command each; what they do is in the name of what they make.
STEPS = (
    "echo more >> src/0/0",
    "for i in $(seq 100); do echo $i > src/$((i % 10))/$i; done",
    "mkdir storm; cd storm; for d in $(seq 20); do mkdir $d; for i in $(seq 100); do echo $d > $d/$i; done; done",
    "mv storm calm",
    "git checkout -q -b other; git add -A; git -c user.name=a -c user.email=a@b commit -qm other",
    "git checkout -q -",
    "git checkout -q other",
    "rm -r src/1; mkdir src/1; echo anew > src/1/0; rm -r src/2; mkdir src/2",
    "rm -r src/3; echo file > src/3; rm src/4/0; mkdir -p src/4/0/deep; echo in > src/4/0/deep/file",
    "rm src/3; mkdir src/3; echo 0 > src/3/0; rm -r src/4/0; echo 0 > src/4/0",
    "ln -s /etc/passwd leads-out; ln -s loop loop; ln -sfn /etc src/5; mkfifo fifo; rm src/6/0; mkfifo src/6/0",
    "truncate -s 200M sparse",
    "ln src/7/0 linked; mkdir other; ln src/7/1 other/linked; echo both >> linked",
    "chmod +x src/8/0; chmod g+w src/8/1",
    "touch src/8/0 src/8/2; cp -p src/8/3 copy; mv copy src/8/3",
    "printf x > \"$(printf 'new\\nline')\"; printf x > \"$(printf 'bytes \\377\\376')\"; printf x > '\"quoted\" \\ name'",
    "mv src/9/0 src/9/x; mv src/9/x src/9/X; mv README readme",
    "n=$(printf %0200d 0); p=$n; for i in $(seq 18); do p=$p/$n; done; mkdir -p $p; echo deep > $p/file",
    "rm -r 0*; rm -r calm; git checkout -q -f HEAD~0 -- src; rm -f sparse",
)


class Changes(daemon.FreshDaemonCase):
    def source(self):
        path = self.daemon.root / "repository"
        for directory in range(10):
            (path / "src" / str(directory)).mkdir(parents=True)
            for file in range(10):
                (path / "src" / str(directory) / str(file)).write_text(f"{file}\n")
        (path / "README").write_text("read me\n")
        (path / ".gitignore").write_text("*.log\nbuild/\n!keep.log\n")
        quiet = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}
        for line in ("init -q", "add -A", "-c user.name=a -c user.email=a@b commit -qm base"):
            subprocess.run(["git", "-C", path, *line.split()], check=True, env=quiet)
        return path

    def sh(self, sandbox, script):
        return self.ok("exec", sandbox, "--", "sh", "-ec", f"cd /workspace; {script}")

    def tree(self, sandbox):
        items = self.ok("exec", sandbox, "--", "python3", "-c", ORACLE, "/workspace").split(b"\0")
        return dict(zip(items[0:-1:2], items[1::2]))

    def since(self, sandbox, cursor=None, *options):
        """The changes, as (letter, path), the next cursor, and whether it is the whole."""
        done = self.daemon.cli("changes", "-z", "--cursor", *(["--since", cursor] if cursor else []), *options, sandbox)
        self.assertEqual(done.returncode, 0, done.stderr)
        told = [tuple(item.split(b"\t", 1)) for item in done.stdout.split(b"\0")[:-1]]
        fresh = cursor is None or b"this is the whole list" in done.stderr
        return told, re.search(rb"cursor: (\S+)", done.stderr).group(1).decode(), fresh

    def settled(self, sandbox, cursor):
        """The cursor since which nothing is told."""
        state = [cursor]

        def is_settled():
            told, state[0], _ = self.since(sandbox, state[0])
            return not told

        daemon.wait_until(is_settled, "nothing more is told")
        return state[0]

    @staticmethod
    def differences(old, new, base):
        """What a list has to tell: directories only where the base has none of that name."""
        directories = {os.path.dirname(path) for path in base}
        for path in list(directories):
            while path := os.path.dirname(path):
                directories.add(path)
        told = []
        for path in sorted(set(old) | set(new)):
            before, after = old.get(path), new.get(path)
            filled = any(other.startswith(path + b"/") for other in new) if before == b"dir" and after is None else False
            if before == after or filled or (path in directories and b"dir" in (before, after) and None in (before, after)):
                continue
            before = None if path in directories and before == b"dir" else before
            after = None if path in directories and after == b"dir" else after
            blobs = before and after and before[:1] in b"fxl" and after[:1] in b"fxl"
            if blobs:
                told.append((b"T" if (before[:1] == b"l") != (after[:1] == b"l") else b"M", path))
            else:
                told += [(b"D", path)] * bool(before) + [(b"A", path)] * bool(after)
        return told

    def test_lists_since_any_cursor_are_what_differs_between_the_trees(self):
        sandbox = self.create("--repo", self.source())
        base = self.tree(sandbox)
        told, cursor, fresh = self.since(sandbox)
        self.assertEqual((told, fresh), ([], True))
        points = [(cursor, base)]
        for number, step in enumerate(STEPS):
            with self.subTest(step):
                self.sh(sandbox, step)
                if number % 5 == 4:
                    self.restart()
                told, cursor, fresh = self.since(sandbox, points[-1][0])
                tree = self.tree(sandbox)
                self.assertFalse(fresh)
                self.assertEqual(told, self.differences(points[-1][1], tree, base))
                if "sparse" in step:  # too large to be hashed: a young one is told again
                    cursor = self.settled(sandbox, cursor)
                self.assertEqual(self.since(sandbox, cursor), ([], cursor, False), "nothing since")
                points.append((cursor, tree))
        for cursor, tree in points:
            told, _, fresh = self.since(sandbox, cursor)
            self.assertFalse(fresh)
            self.assertEqual(told, self.differences(tree, points[-1][1], base))

    def test_a_touch_is_no_change_and_an_execute_bit_is_one(self):
        sandbox = self.create("--repo", self.source())
        _, cursor, _ = self.since(sandbox)
        self.sh(sandbox, "touch README; cp README copy; mv copy README; chmod 640 README; chown $(id -u) README")
        self.assertEqual(self.since(sandbox, cursor)[0], [])
        self.sh(sandbox, "chmod u+x README")
        self.assertEqual(self.since(sandbox, cursor)[0], [(b"M", b"README")])

    def test_a_restored_checkpoint_is_a_change_like_any_other(self):
        sandbox = self.create("--repo", self.source())
        self.sh(sandbox, "echo 1 > README; echo 1 > kept")
        _, at_checkpoint, _ = self.since(sandbox)
        self.ok("checkpoint", "create", sandbox, "one")
        self.sh(sandbox, "echo 2 > README; rm kept; echo 2 > later")
        _, later, _ = self.since(sandbox)
        self.ok("rollback", sandbox, "one")
        self.assertEqual(self.since(sandbox, later)[0], [(b"M", b"README"), (b"A", b"kept"), (b"D", b"later")])
        self.assertEqual(self.since(sandbox, at_checkpoint)[0], [])

    def test_a_fork_begins_a_journal_of_its_own(self):
        sandbox = self.create("--repo", self.source())
        self.sh(sandbox, "echo 1 > README")
        _, cursor, _ = self.since(sandbox)
        child = self.told("fork", sandbox).strip()
        self.addCleanup(self.daemon.cli, "rm", "--force", child)
        self.assertIn("the cursor is none that was handed out", self.fails(1, "changes", "--since", cursor, child))
        told, own, _ = self.since(child)
        self.assertEqual(told, [(b"M", b"README")])
        self.sh(sandbox, "echo 2 > README")
        self.assertEqual(self.since(child, own)[0], [])

    def test_what_is_no_cursor_of_this_sandbox_and_root_is_refused(self):
        sandbox = self.create("--repo", self.source())
        _, cursor, _ = self.since(sandbox)
        for wrong in ("x", cursor[:-1], cursor + "A" * 2000):
            self.assertIn("the cursor is none that was handed out", self.fails(1, "changes", "--since", wrong, sandbox))
        self.assertIn("the cursor is none that was handed out", self.fails(1, "changes", "--path", "/", "--since", cursor, sandbox))
        self.assertIn("find_renames", self.fails(1, "changes", "--renames", "--since", cursor, sandbox))

    def test_a_lost_journal_gives_the_whole_list_and_says_so(self):
        sandbox = self.create("--repo", self.source())
        self.sh(sandbox, "echo 1 > README")
        _, cursor, _ = self.since(sandbox)
        self.daemon.kill()
        os.unlink(self.daemon.state / "output" / sandbox / "changes-workdir")
        self.daemon.start()
        told, _, fresh = self.since(sandbox, cursor)
        self.assertEqual((told, fresh), ([(b"M", b"README")], True))

    def test_ignored_paths_are_left_out_as_git_status_does(self):
        sandbox = self.create("--repo", self.source())
        self.sh(sandbox, "mkdir -p build/x d; echo > build/x/y; echo > a.log; echo > keep.log; echo > d/b.log; echo > d/c; "
                         "echo c > d/.gitignore; echo > README; echo > src/0/0")
        shown = self.sh(sandbox, "git status --porcelain -uall -z").split(b"\0")[:-1]
        told, _, _ = self.since(sandbox, None, "--gitignore")
        self.assertEqual([path for _, path in told], sorted(line[3:] for line in shown))
        told, _, _ = self.since(sandbox, None, "--ignore", "*.log", "--ignore", "/build", "--ignore", "src/")
        self.assertEqual([path for _, path in told], [b"README", b"d/.gitignore", b"d/c"])

    def test_digests_and_binary_are_those_of_the_content(self):
        sandbox = self.create("--repo", self.source())
        self.sh(sandbox, "printf 'a\\0b' > binary; echo text > text; rm README; truncate -s 100M large")
        cursor = self.settled(sandbox, self.since(sandbox)[1])
        self.sh(sandbox, "echo 'read me' > README; rm text")
        told = {one["path"]: one for one in json.loads(self.ok("changes", "--json", "--digests", sandbox))}
        digest = self.sh(sandbox, "sha256sum binary").split()[0].decode()
        self.assertEqual((told["binary"]["digest"], told["binary"]["binary"]), (f"sha256:{digest}", True))
        self.assertNotIn("digest", told["large"])
        self.assertNotIn("README", told)
        back = json.loads(self.ok("changes", "--json", "--digests", "--since", cursor, sandbox))["changes"]
        digest = self.sh(sandbox, "sha256sum README").split()[0].decode()
        self.assertEqual([(one["path"], one["kind"], one.get("digest")) for one in back],
                         [("README", "A", f"sha256:{digest}"), ("text", "D", None)])

    # Single commands.

    def end_of(self, sandbox, exec_id):
        return daemon.wait_until(lambda: (self.status(sandbox, exec_id).get("cause") and self.status(sandbox, exec_id)),
                                 f"{exec_id} ends")

    def test_an_exec_tells_what_it_changed(self):
        sandbox = self.create("--repo", self.source())
        self.sh(sandbox, "echo before > before")
        done = self.daemon.cli("exec", "--changes", "--exec-id", "one", sandbox, "--", "sh", "-c",
                               "cd /workspace; echo x > README; rm src/0/0; touch src/0/1")
        self.assertEqual(done.stderr.decode().splitlines(), ["glovebox: M\tREADME", "glovebox: D\tsrc/0/0"])
        told = self.status(sandbox, "one")["change_range"]
        self.assertFalse(told["shared"])
        self.sh(sandbox, "echo after > after")
        changes, _, _ = self.since(sandbox, told["to_cursor"])
        self.assertEqual(changes, [(b"A", b"after")])
        changes, _, _ = self.since(sandbox, told["from_cursor"])
        self.assertEqual(changes, [(b"M", b"README"), (b"A", b"after"), (b"D", b"src/0/0")])
        self.assertNotIn("change_range", self.status(sandbox, self.told("exec", "-d", sandbox, "--", "true").strip()))

    def test_commands_that_overlap_share_their_ranges(self):
        sandbox = self.create("--repo", self.source())
        first = self.daemon.popen("exec", "-i", "--changes", "--exec-id", "first", sandbox, "--", "sh", "-c",
                                  "echo go; cat > /dev/null", stdin=subprocess.PIPE)
        self.assertEqual(first.stdout.readline(), b"go\n")
        self.ok("exec", "--changes", "--exec-id", "second", sandbox, "--", "true")
        first.communicate(timeout=daemon.DEADLINE_S)
        self.ok("exec", "--changes", "--exec-id", "third", sandbox, "--", "true")
        shared = {name: self.status(sandbox, name)["change_range"]["shared"] for name in ("first", "second", "third")}
        self.assertEqual(shared, {"first": True, "second": True, "third": False})

    def test_a_range_survives_the_daemon(self):
        sandbox = self.create("--repo", self.source())
        self.ok("exec", "-d", "--changes", "--exec-id", "long", sandbox, "--", "sh", "-c",
                "cd /workspace; mkfifo /tmp/go; echo 1 > README; cat /tmp/go; echo 2 > late")
        daemon.wait_until(lambda: self.since(sandbox)[0] == [(b"M", b"README")], "it has begun")
        self.daemon.kill()
        self.daemon.start()
        self.sh(sandbox, "echo > /tmp/go")
        end = self.end_of(sandbox, "long")
        self.assertEqual(self.since(sandbox, end["change_range"]["from_cursor"])[0], [(b"M", b"README"), (b"A", b"late")])
        self.assertEqual(self.since(sandbox, end["change_range"]["to_cursor"])[0], [])
        self.assertTrue(end["change_range"]["shared"], "the command that let it go on")


if __name__ == "__main__":
    unittest.main()
