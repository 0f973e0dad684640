#!/usr/bin/env python3
"""What sandboxes changed, for git: renames, comparisons, commits, bundles and pushes, with the real git as judge."""

import json
import os
import pathlib
import subprocess
import unittest

import daemon

QUIET = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null", "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b",
         "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b"}


class GitCase(daemon.DaemonCase):
    def sh(self, sandbox, script):
        return self.ok("exec", sandbox, "--", "sh", "-ec", f"cd /workspace; {script}").decode()

    def git(self, where, *arguments, **options):
        return subprocess.run(["git", "-C", where, *arguments], check=True, capture_output=True,
                              env={**os.environ, **QUIET}, **options).stdout.decode()

    def source(self, name, script="true"):
        """A repository that a shell script added to; its path."""
        path, _ = daemon.repository(self.daemon.root, name)
        subprocess.run(["sh", "-ec", f"cd '{path}'; {script}; git add -A; git commit -qm base --allow-empty"], check=True,
                       capture_output=True, env={**os.environ, **QUIET})
        return path

    def clone(self, path):
        to = self.daemon.root / f"clone-{len(os.listdir(self.daemon.root))}"
        self.git("/", "clone", "-q", path, str(to))
        return to

    def tree_inside(self, sandbox):
        """The id of the tree that git makes of the files inside."""
        return self.sh(sandbox, "export GIT_INDEX_FILE=/tmp/index; rm -f /tmp/index; git add -A -f .; git write-tree").strip()


class Git(GitCase):
    def test_renames_are_listed_and_their_patch_applies(self):
        path = self.source("renamed", "seq 100 > moved; mkdir d; seq 200 300 > d/edited; seq 400 500 > 'with blank'")
        sandbox = self.create("--repo", path)
        self.sh(sandbox, "mkdir to; mv moved to/moved; mv d/edited to/other; echo more >> to/other; "
                         "mv 'with blank' \"$(printf 'tab\\t\\377')\"; echo new > new")
        self.assertEqual(self.ok("changes", "--renames", sandbox),
                         b"A\tnew\nR\twith blank\ttab\\t\\xff\nR\tmoved\tto/moved\nR\td/edited\tto/other\n")
        self.assertEqual(self.ok("changes", "--renames", "-z", sandbox),
                         b"A\tnew\0R\twith blank\0tab\t\xff\0R\tmoved\0to/moved\0R\td/edited\0to/other\0")
        told = json.loads(self.ok("changes", "--renames", "--json", sandbox))
        self.assertEqual([(c["kind"], c.get("old_path")) for c in told], [("A", None), ("R", "with blank"), ("R", "moved"),
                                                                         ("R", "d/edited")])
        patch = self.ok("diff", "--renames", "-U", "0", sandbox)
        self.assertIn(b"similarity index 100%\nrename from moved\nrename to to/moved\n", patch)
        self.assertLess(len(patch), 700)
        clone = self.clone(path)
        for options in (("--renames",), (), ("--renames", "-U", "9")):
            self.git(clone, "reset", "-q", "--hard")
            self.git(clone, "apply", "--index", input=self.ok("diff", *options, sandbox))
            self.assertEqual(self.git(clone, "write-tree").strip(), self.tree_inside(sandbox))

    def test_sandboxes_of_one_base_are_compared(self):
        path = self.source("compared", "echo 1 > a; echo 1 > b; echo 1 > c; mkdir d; echo 1 > d/x")
        first = self.create("--repo", path)
        self.sh(first, "echo 2 > a; rm b")
        second, third = self.ok("fork", "-n", "2", first).decode().split()
        self.addCleanup(self.daemon.cli, "rm", "-f", second, third)
        self.sh(second, "echo other > a; printf 'odd\\n\\377' > \"$(printf 'odd\\n\\377')\"")
        self.sh(third, "chmod +x a; ln -s c link")
        for sandbox, code in ((first, 0), (second, 3), (third, 0)):
            self.daemon.cli("exec", "--exec-id", "test", sandbox, "--", "sh", "-c", f"exit {code}")
        told = json.loads(self.ok("compare", first, second, third, "--exec", "test", "--json"))
        self.assertEqual([one["sandbox_id"] for one in told["outcomes"]], [first, second, third])
        self.assertEqual([one["exec_end"]["exit_code"] for one in told["outcomes"]], [0, 3, 0])
        self.assertEqual([(one.get("path") or one["path_base64"], one["versions"]) for one in told["paths"]],
                         [("a", [1, 2, 3]), ("b", [1, 1, 1]), ("link", [0, 0, 1]), ("b2RkCv8=", [0, 1, 0])])
        self.assertFalse(told["paths_cut"])
        for one in told["outcomes"]:
            summary = json.loads(self.ok("diff", "--json", one["sandbox_id"]))["summary"]
            del summary["skipped"]
            self.assertEqual(one["summary"], summary)
        table = self.ok("compare", first, f"{second}:test", third).decode()
        self.assertIn("exited 3", table)
        self.assertRegex(table, r"(?m)^differ +1 +2 +3 +a$")
        self.assertRegex(table, r"(?m)^agree +1 +1 +1 +b$")
        self.assertIn("odd\\n\\xff", table)
        shown = self.ok("compare", first, second, third, "--side-by-side", "a").decode()
        self.assertRegex(shown, r"(?m)^\+2$|\+2 ")
        self.assertIn("+other", shown)
        self.assertIn("+other", self.ok("compare", first, second, "--all").decode())
        self.assertIn("no sandbox changed nothing", self.fails(1, "compare", first, second, "--side-by-side", "nothing"))
        cut = json.loads(self.ok("compare", first, second, third, "--paths", "1", "--json"))
        self.assertEqual(([one["path"] for one in cut["paths"]], cut["paths_cut"]), (["a"], True))

    def test_git_works_inside_at_once_and_without_network(self):
        sandbox = self.create("--repo", self.source("worked-in", "seq 9 > lines; git branch side"))
        self.assertEqual(self.sh(sandbox, "git status --porcelain; git log --format=%s -1; git blame lines | wc -l"), "base\n9\n")
        told = self.sh(sandbox, "git config user.name a; git config user.email a@b; git checkout -qb work; sed -i s/5/five/ lines; "
                                "git commit -qam five; git checkout -q side; echo other > other; git add -A; git commit -qm other; "
                                "git rebase -q work; git log --format=%s -3; git branch --format='%(refname:short)'; "
                                "git fsck --no-progress; git status --porcelain; cat other; grep five lines")
        self.assertEqual(told, "other\nfive\nbase\nmain\nside\nwork\nother\nfive\n")

    def test_what_cannot_be_compared_is_refused_by_name(self):
        one = self.create("--repo", self.source("one"))
        other = self.create("--repo", self.source("other", "echo other > other"))
        refusal = self.fails(1, "compare", one, other)
        for word in (one, other, self.inspect(one)["snapshot"], self.inspect(other)["snapshot"]):
            self.assertIn(word, refusal)
        self.assertIn("no snapshot", self.fails(1, "compare", self.create(), one))
        self.assertIn("2 to 1000", self.fails(1, "compare", one))
        self.assertIn("names a sandbox twice", self.fails(1, "compare", one, one))
        self.assertIn("no sandbox", self.fails(1, "compare", one, "0" * 32))
        self.assertIn("no exec", self.fails(1, "compare", one, one, "--exec", "none"))


AUTHOR = ("--author", "Ada \u00c4 <ada@example.org>", "--date", "2026-01-31T12:00:00Z")
EDITS = """echo changed > file; rm gone; mkdir -p new/deep; seq 50 > new/deep/x; ln -s nowhere dangling; chmod +x mode
head -c 3000 /dev/urandom > binary; printf 'no newline' > "$(printf 'odd\\n\\377 \"name')"; rm -rf was-dir; echo f > was-dir
mkfifo fifo; mkdir empty"""
BASE = "echo 1 > gone; echo 1 > mode; mkdir was-dir; echo 1 > was-dir/a; printf 'a\\0b' > binary; git branch elsewhere HEAD~0"
# What a repository may say that git would run or read, and what must come of none of it.
HOSTILE = r"""
git checkout -qb evil; echo evil > evil; git add evil; git -c user.name=a -c user.email=a@b commit -qm evil
made=$(git rev-parse HEAD)
cat > .git/config <<'END'
[core]
  repositoryformatversion = 1
  fsmonitor = "touch /tmp/ran; exit 1"
  hooksPath = /workspace/hooks
  sshCommand = touch /tmp/ran
  pager = touch /tmp/ran
  worktree = /etc
[include]
  path = /etc/shadow
[uploadpack]
  packObjectsHook = touch /tmp/ran
[filter "x"]
  clean = touch /tmp/ran
  smudge = touch /tmp/ran
[diff "x"]
  textconv = touch /tmp/ran
  command = touch /tmp/ran
[extensions]
  partialClone = origin
[remote "origin"]
  url = ext::touch /tmp/ran
  promisor = true
END
echo '* filter=x diff=x' > .gitattributes; mkdir -p hooks .git/info .git/refs/replace; echo '* diff=x' > .git/info/attributes
printf '#!/bin/sh\ntouch /tmp/ran\n' > hooks/post-checkout; chmod +x hooks/post-checkout; cp hooks/* .git/hooks/ 2>/dev/null || true
printf '/etc\n/workspace/.git/objects\n/proc/1/root/etc\n' > .git/objects/info/alternates
echo "$made $(git rev-parse HEAD~1 2>/dev/null || echo $made)" > .git/info/grafts; echo $made > ".git/refs/replace/$made"
rm -f .git/index; ln -s /etc/passwd .git/index; rm -f .git/HEAD; ln -s /etc/shadow .git/HEAD
printf '%s refs/heads/%01000000d\n' $made 0 >> .git/packed-refs; mkfifo .git/refs/heads/fifo; ln -s /etc/passwd .git/refs/heads/link
echo $made
"""


class Commits(GitCase):
    def commit(self, sandbox, *arguments, branch="fix", message="Mend it"):
        return self.ok("commit", sandbox, "-b", branch, "-m", message, *AUTHOR, *arguments).decode().strip()

    def take(self, clone, sandbox, what, reference, *options):
        """What git makes of the bundle, every object checked; the tree's id."""
        bundle = self.daemon.root / "taken.bundle"
        self.ok("export", sandbox, what, "-o", bundle, *options)
        self.git(clone, "fetch", "-q", str(bundle), f"+{reference}:refs/heads/taken")
        self.git(clone, "fsck", "--strict", "--no-progress")  # a bundle's objects are not looked at by fetch before git 2.46
        return self.git(clone, "rev-parse", "taken^{tree}").strip()

    def test_what_changed_becomes_a_commit_that_git_takes(self):
        path = self.source("committed", BASE)
        clone = self.clone(path)
        base = self.git(clone, "rev-parse", "HEAD").strip()
        for history in ("full", "shallow"):
            sandbox = self.create("--repo", path, "--history", history)
            self.sh(sandbox, EDITS)
            told = json.loads(self.ok("commit", sandbox, "-b", "fix", "-m", "Mend it", *AUTHOR, "--json"))
            first = told["commit"]
            self.assertEqual([(one["path"], one["reason"]) for one in told["summary"]["skipped"]],
                             [("empty", "directory"), ("fifo", "special_file")])
            self.sh(sandbox, "rm fifo; rmdir empty")
            self.assertEqual(self.take(clone, sandbox, "fix", "refs/heads/fix"), self.tree_inside(sandbox))
            self.assertEqual(self.git(clone, "log", "-1", "--format=%H %P %an %ae %at %cn %B", "taken").strip(),
                             f"{first} {base} Ada \u00c4 ada@example.org 1769860800 Ada \u00c4 Mend it")
            counts = self.git(clone, "diff-tree", "-r", "--no-renames", "--shortstat", base, first)
            self.assertIn(f" {told['summary']['files_changed']} files changed, {told['summary']['lines_added']} insertions(+)",
                          counts)
            self.assertEqual(self.commit(sandbox), first, "a retry is the same commit")
            self.assertIn("nothing", self.fails(1, "commit", sandbox, "-b", "fix", "-m", "another", *AUTHOR))
            self.sh(sandbox, "echo 2 > a; mkdir d; echo 2 > d/b; echo 2 > c; rm new/deep/x")
            second = self.commit(sandbox, "--path", "d", "--path", "new", message="Only d and new")
            self.assertEqual(self.git_names(clone, sandbox, second), "A d/b\nD new/deep/x\n")
            third = self.commit(sandbox, message="The rest")
            self.assertEqual(self.take(clone, sandbox, third, "refs/heads/fix"), self.tree_inside(sandbox))
            self.assertEqual(self.git(clone, "log", "--format=%H", "taken", "-4").split(), [third, second, first, base])
            # An earlier one; only what came after it; and mails.
            self.take(clone, sandbox, second, "HEAD")
            self.assertEqual(self.git(clone, "rev-parse", "taken").strip(), second)
            self.take(clone, sandbox, "fix", "refs/heads/fix", "--not", second)
            self.git(clone, "checkout", "-q", "--detach", base)
            self.git(clone, "am", "-q", input=self.ok("export", sandbox, "fix", "--series"))
            self.assertEqual(self.git(clone, "rev-parse", "HEAD^{tree}").strip(), self.tree_inside(sandbox))
            self.git(clone, "checkout", "-q", "main")

    def git(self, where, *arguments, **options):
        if isinstance(options.get("input"), str):
            options["input"] = options["input"].encode()
        return super().git(where, *arguments, **options)

    def git_names(self, clone, sandbox, commit):
        self.take(clone, sandbox, commit, "HEAD" if commit != self.tip(sandbox) else "refs/heads/fix")
        return self.git(clone, "diff-tree", "-r", "--name-status", "--no-commit-id", "taken").replace("\t", " ")

    def tip(self, sandbox):
        bundle = self.daemon.root / "tip.bundle"
        self.ok("export", sandbox, "fix", "-o", bundle)
        return self.git("/", "bundle", "list-heads", str(bundle)).split()[0]

    def test_a_branch_that_is_elsewhere_and_names_that_git_refuses_are_refused(self):
        path = self.source("refusing", "echo 1 > file; git add -A; git commit -qm more; git branch behind HEAD~1")
        sandbox = self.create("--repo", path)
        self.assertIn("nothing", self.fails(1, "commit", sandbox, "-b", "new", "-m", "m", *AUTHOR))
        self.sh(sandbox, "echo 2 > file")
        self.assertIn(self.git(path, "rev-parse", "behind").strip(),
                      self.fails(1, "commit", sandbox, "-b", "behind", "-m", "m", *AUTHOR))
        for name in ("a..b", "a~1", "-x", "a\nb", "refs/../x", "0" * 40):  # the rest: BranchNameTest
            self.assertIn("branch", self.fails(1, "commit", sandbox, f"--branch={name}", "-m", "m", *AUTHOR), name)
        for author in ("a\nb <a@b>", "a <a\n@b>", "<<> <a@b>", ". <a@b>", "a <>", "a\x1b <a@b>"):
            self.assertIn("author", self.fails(1, "commit", sandbox, "-b", "b", "-m", "m", "--author", author), author)
        self.assertIn("message", self.fails(1, "commit", sandbox, "-b", "b", "-m", " \n", *AUTHOR))
        self.assertIn("workdir", self.fails(1, "commit", sandbox, "-b", "b", "-m", "m", "--path", "/etc", *AUTHOR))
        kept = self.commit(sandbox, branch="main", message="-q\n$(touch /tmp/x) `x`\n\n# kept")
        clone = self.clone(path)
        self.take(clone, sandbox, "main", "refs/heads/main")
        self.assertEqual(self.git(clone, "log", "-1", "--format=%H%n%B", "taken").strip(),
                         f"{kept}\n-q\n$(touch /tmp/x) `x`\n\n# kept")
        self.assertIn("no commit", self.fails(1, "export", sandbox, "nothing"))
        self.assertIn("neither", self.fails(1, "export", sandbox, "--", "HEAD~1"))
        self.assertIn("no history", self.fails(1, "commit", self.create("--repo", path, "--history", "none"), "-b", "b", "-m", "m",
                                               *AUTHOR))
        self.assertIn("snapshot", self.fails(1, "commit", self.create(), "-b", "b", "-m", "m", *AUTHOR))

    def patched(self, clone, sandbox, *options):
        """The tree that the sandbox's patch makes of a clean checkout."""
        self.git(clone, "checkout", "-q", "-f", "main")
        self.git(clone, "apply", "--index", input=self.ok("diff", *options, sandbox))
        tree = self.git(clone, "write-tree").strip()
        self.git(clone, "reset", "-q", "--hard")
        return tree

    def test_what_is_put_into_a_submodule_is_left_out_and_the_rest_committed(self):
        part = self.source("part", "echo part > part")
        path = self.source("whole", f"echo 1 > f; for at in sub d/sub; do git -c protocol.file.allow=always submodule add -q '{part}' $at; done")
        clone = self.clone(path)
        sandbox = self.create("--repo", path)
        self.sh(sandbox, "echo 2 > f; echo y > sub/y; mkdir -p d/sub/deep; echo z > d/sub/deep/z; echo n > d/n")
        told = json.loads(self.ok("commit", sandbox, "-b", "fix", "-m", "Mend it", *AUTHOR, "--json"))
        skipped = [("d/sub/deep/z", "directory"), ("sub/y", "directory")]
        self.assertEqual([(one["path"], one["reason"]) for one in told["summary"]["skipped"]], skipped)
        tree = self.take(clone, sandbox, "fix", "refs/heads/fix")
        self.assertEqual(self.patched(clone, sandbox), tree)
        self.assertEqual(self.git(clone, "diff-tree", "-r", "--name-status", "main", "taken"), "A\td/n\nM\tf\n")
        # In place of one of them, or of a directory with one.
        self.sh(sandbox, "rm -r sub d; echo s > sub; echo d > d")
        told = json.loads(self.ok("commit", sandbox, "-b", "replaced", "-m", "Mend it", *AUTHOR, "--json"))
        self.assertEqual(sorted({one["path"] for one in told["summary"]["skipped"]}), ["d", "d/sub", "sub"])
        tree = self.take(clone, sandbox, "replaced", "refs/heads/replaced")
        self.assertEqual(self.patched(clone, sandbox), tree)
        self.assertEqual(self.git(clone, "diff-tree", "-r", "--name-status", "main", "taken"), "M\tf\n")

    def test_line_ends_and_keywords_are_committed_as_git_would(self):
        path = self.source("ends", "printf '*.bat text eol=crlf\n*.id ident\n*.auto text=auto\n' > .gitattributes; seq 9 > edited.bat; "
                                   "seq 9 > gone.bat; printf '$Id$\n1\n' > word.id; seq 3 > to-dir.bat; seq 3 > f")
        clone = self.clone(path)
        sandbox = self.create("--repo", path)
        self.assertEqual(self.sh(sandbox, "head -c 3 edited.bat"), "1\r\n")
        self.sh(sandbox, "sed -i 's/^5/five/' edited.bat; rm gone.bat; sed -i s/1/2/ word.id; printf 'n\r\n' > new.bat; "
                         "printf 'n\r\n' > new.auto; rm to-dir.bat; mkdir to-dir.bat; printf 'x\r\n' > to-dir.bat/x.bat; echo 4 >> f")
        self.assertEqual(self.git(clone, "ls-remote", path, "fix"), "")
        self.ok("push", sandbox, path, "-b", "fix", "-m", "Mend it", *AUTHOR)
        tree = self.take(clone, sandbox, "fix", "refs/heads/fix")
        self.assertEqual(tree, self.tree_inside(sandbox))
        self.assertEqual(self.git(path, "rev-parse", "fix^{tree}").strip(), tree)
        self.assertEqual(self.git(clone, "show", "taken:edited.bat"), "1\n2\n3\n4\nfive\n6\n7\n8\n9\n")
        # The patch has the bytes of the work tree, and its line ends go into one.
        self.git(clone, "apply", "--include=*.bat", "--exclude=to-dir.bat*", input=self.ok("diff", sandbox))
        self.git(clone, "add", "-A")
        self.git(clone, "diff", "--cached", "--exit-code", "taken", "--", "edited.bat", "gone.bat", "new.bat")
        # What git keeps otherwise later is committed so.
        self.sh(sandbox, "echo '*.bat -text' > .gitattributes; echo 6 >> edited.bat")
        self.commit(sandbox, message="No line ends")
        self.assertEqual(self.take(clone, sandbox, "fix", "refs/heads/fix"),
                         self.sh(sandbox, "export GIT_INDEX_FILE=/tmp/index; rm -f /tmp/index; git read-tree HEAD; git add -A; "
                                          "git write-tree").strip())

    def test_a_path_below_what_was_a_file_is_committed_alone(self):
        path = self.source("below", "echo 1 > x; echo 1 > f; echo 1 > gone")
        clone = self.clone(path)
        sandbox = self.create("--repo", path)
        self.sh(sandbox, "rm x gone; mkdir x; echo 2 > x/y; echo 2 > x/z; echo 2 > f")
        self.commit(sandbox, "--path", "x/y")
        self.assertEqual(self.take(clone, sandbox, "fix", "refs/heads/fix"), self.patched(clone, sandbox, "--path", "x/y"))
        self.assertEqual(self.git(clone, "diff-tree", "-r", "--name-status", "main", "taken"), "D\tx\nA\tx/y\n")
        self.assertEqual(self.ok("diff", "--path", "gone/x", sandbox), b"")

    def test_kept_branches_may_have_names_that_git_does_not_keep_side_by_side(self):
        path = self.source("aside", "echo 1 > f")
        clone = self.clone(path)
        sandbox = self.create("--repo", path)
        made = {}
        for branch, number in (("fix", 2), ("fix", 3), ("fix/two", 4), ("fix/two", 5)):
            self.sh(sandbox, f"echo {number} > f")
            made[number] = self.commit(sandbox, branch=branch, message=f"To {number}")
        for what, last in (("fix", 3), ("fix/two", 5), (made[2], 2), (made[4], 4)):
            self.git(clone, "checkout", "-q", "--detach", "main")
            self.git(clone, "am", "-q", input=self.ok("export", sandbox, what, "--series"))
            self.assertEqual(self.git(clone, "show", "HEAD:f"), f"{last}\n")
        self.take(clone, sandbox, made[4], "HEAD")
        self.assertEqual(self.git(clone, "rev-parse", "taken").strip(), made[4])
        self.take(clone, sandbox, "fix/two", "refs/heads/fix/two", "--not", made[2])
        self.assertEqual(self.git(clone, "rev-parse", "taken").strip(), made[5])

    def test_a_branch_with_as_many_bytes_as_an_object_name_is_none(self):
        path = self.source("forty", "echo 1 > f")
        clone = self.clone(path)
        sandbox = self.create("--repo", path)
        kept, inside = "feature/" + "a" * 32, "inside/" + "a" * 33
        self.sh(sandbox, f"git checkout -qb {inside}; echo 2 > f; git -c user.name=a -c user.email=a@b commit -qam 2")
        self.commit(sandbox, branch=kept)
        for branch in (kept, inside):
            self.git(clone, "checkout", "-q", "--detach", "main")
            self.git(clone, "am", "-q", input=self.ok("export", sandbox, branch, "--series"))
            self.assertEqual(self.git(clone, "show", "HEAD:f"), "2\n")
            self.take(clone, sandbox, branch, f"refs/heads/{branch}")

    def test_messages_that_mails_cannot_carry_are_refused_in_a_series(self):
        path = self.source("mails", "echo 1 > f")
        clone = self.clone(path)
        sandbox = self.create("--repo", path)
        harmless = "Index: and diff - in a subject\n\n ---\n----\n--- \tx\nFrom here on\nFrom: not first\nIndex:x\n--\nend\n"
        wrong = ("---", "--- a/f", "--- \t", "diff --git a/f b/f", "Index: f", "From " + "a" * 40 + " Mon Sep 17 00:00:00 2001",
                 "From " + "a" * 40)
        messages = [f"Subject\n\nbody\n{line}\nmore\n" for line in wrong]
        messages += [f"Subject\n\n{line}\n\nmore\n" for line in ("From: b <b@c>", "subject: other", "[PATCH] other", ">From x")]
        made = []
        for message in (*messages, harmless):
            made.append(self.ok("exec", sandbox, "--", "sh", "-ec", 'cd /workspace; git checkout -q --detach main; echo 2 > f; '
                                'git -c user.name=a -c user.email=a@b commit -q --cleanup=verbatim -am "$1"; git rev-parse HEAD', "sh",
                                message).decode().strip())
        for commit in made[:-1]:
            refusal = self.fails(1, "export", sandbox, commit, "--series")
            self.assertIn(commit, refusal)
            self.assertIn("message", refusal)
        self.take(clone, sandbox, made[0], "HEAD")
        self.assertEqual(self.git(clone, "rev-parse", "taken").strip(), made[0])
        self.git(clone, "checkout", "-q", "--detach", "main")
        self.git(clone, "am", "-q", "--keep-cr", input=self.ok("export", sandbox, made[-1], "--series"))
        self.assertEqual(self.git(clone, "log", "-1", "--format=%B").rstrip(), harmless.rstrip())
        # A message of CommitChanges is one, too.
        self.sh(sandbox, "git checkout -q main; echo 3 > f")
        kept = self.commit(sandbox, message=messages[0])
        self.assertIn(kept, self.fails(1, "export", sandbox, "fix", "--series"))
        self.take(clone, sandbox, "fix", "refs/heads/fix")

    def test_commits_of_the_sandboxs_own_git_come_out(self):
        path = self.source("inside", "echo 1 > file")
        sandbox = self.create("--repo", path)
        clone = self.clone(path)
        head = self.sh(sandbox, "git checkout -qb mine; for n in 2 3 4; do echo $n > file; "
                                "git -c user.name=a -c user.email=a@b commit -qam $n; done; git rev-parse HEAD").strip()
        self.take(clone, sandbox, "mine", "refs/heads/mine")
        self.assertEqual(self.git(clone, "rev-parse", "taken").strip(), head)
        self.sh(sandbox, "git pack-refs --all; git gc -q")
        self.take(clone, sandbox, "mine", "refs/heads/mine")
        self.take(clone, sandbox, head, "HEAD")
        self.git(clone, "checkout", "-q", "--detach", "main")
        self.git(clone, "am", "-q", input=self.ok("export", sandbox, "mine", "--series"))
        self.assertEqual(self.git(clone, "log", "--format=%s", "-3"), "4\n3\n2\n")
        self.assertIn("nothing", self.fails(1, "export", sandbox, "main"))

    def test_a_hostile_repository_inside_has_no_say(self):
        path = self.source("hostile", "echo 1 > file")
        clone = self.clone(path)
        base = self.git(clone, "rev-parse", "HEAD").strip()
        sandbox = self.create("--repo", path)
        made = self.sh(sandbox, HOSTILE).strip().split("\n")[-1]
        self.take(clone, sandbox, "evil", "refs/heads/evil")
        self.assertEqual(self.git(clone, "log", "--format=%H", "taken", "-2").split(), [made, base])
        self.assertIn(b"Subject: [PATCH] evil", self.ok("export", sandbox, made, "--series"))
        for what in ("fifo", "link", "0" * 40):
            self.assertIn("no commit", self.fails(1, "export", sandbox, what))
        # Its changes are committed by a repository that it never could write to.
        kept = self.commit(sandbox, branch="kept")
        self.take(clone, sandbox, "kept", "refs/heads/kept")
        self.assertEqual(self.git(clone, "log", "--format=%H", "taken", "-2").split(), [kept, base])
        self.assertEqual(self.git(clone, "show", "taken:evil"), "evil\n")
        for script in ("mv .git moved; ln -s moved .git", "rm .git; echo gitdir: /workspace/moved > .git",
                       "rm .git; mkdir .git; ln -s /etc .git/objects", "rm -r .git; mkdir -p .git/objects/pack; mv moved/refs .git/; "
                       "head -c 100000 /dev/urandom > .git/objects/pack/pack-" + "0" * 40 + ".idx", "rm -r .git"):
            self.sh(sandbox, script)
            self.assertRegex(self.fails(1, "export", sandbox, made), "no repository|base commit|no commit|git ended")
        again = self.commit(sandbox, branch="again")
        self.take(clone, sandbox, "again", "refs/heads/again")
        self.assertEqual(self.git(clone, "log", "--format=%H", "taken", "-2").split(), [again, base])

    def test_kept_commits_outlive_the_daemon_and_go_with_the_sandbox(self):
        path = self.source("kept", "echo 1 > file")
        sandbox = self.create("--repo", path)
        self.sh(sandbox, "echo 2 > file")
        first = self.commit(sandbox)
        shelf = self.daemon.state / "commits" / sandbox
        self.assertEqual(len(os.listdir(shelf)), 1)
        (shelf / "new").write_text("of a daemon that died")
        (shelf.parent / "input-0").mkdir()
        self.daemon.kill()
        self.daemon.start()
        self.assertEqual(os.listdir(shelf.parent), [sandbox])
        self.assertEqual(self.tip(sandbox), first)
        self.sh(sandbox, "echo 3 > file")
        second = self.commit(sandbox)
        clone = self.clone(path)
        self.take(clone, sandbox, "fix", "refs/heads/fix")
        self.assertEqual(self.git(clone, "log", "--format=%H", "taken", "-2").split(), [second, first])
        self.ok("rm", sandbox)
        self.assertEqual(os.listdir(shelf.parent), [])


if __name__ == "__main__":
    unittest.main()
