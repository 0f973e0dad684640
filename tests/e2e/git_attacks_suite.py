#!/usr/bin/env python3
"""Repositories that a payload made to hurt: exports of them answer with bytes that git takes or an error that has a name,
in bounded time and memory, and hold nothing that the sandbox had not."""

import unittest

from git_suite import AUTHOR, GitCase

# What an export may say of a repository that is no repository, or not all the time.
NAMED = (r"no repository|base commit|no commit|no such commit|git ended with|kept changing|not a directory|more than|too large|"
         r"limit|ran out of memory|out of memory|nothing")
GROWTH_KIB = 96 << 10  # of the daemon's peak, over one export

SWAPPER = r"""
import os, random, sys
os.chdir("/workspace/.git")
made, kinds = sys.argv[1], random.Random(7)
def put(path, what):
    new = path + ".new"
    try:
        os.unlink(new)
    except FileNotFoundError:
        pass
    if what == "link":
        os.symlink("/etc/passwd", new)
    elif what == "fifo":
        os.mkfifo(new)
    elif what == "gone":
        try:
            os.unlink(path)
        except FileNotFoundError:
            pass
        return
    else:
        with open(new, "w") as file:
            file.write({"right": made, "wrong": "f" * 40, "long": "0" * 100000, "text": "ref: /etc/passwd"}[what] + "\n")
    os.replace(new, path)
print("swapping", flush=True)
while True:
    put("refs/heads/evil", kinds.choice(("right", "wrong", "long", "text", "link", "fifo", "gone")))
    put("packed-refs", kinds.choice(("link", "fifo", "long", "gone")))
    put("HEAD", kinds.choice(("right", "text", "link", "fifo")))
    put("config", kinds.choice(("long", "link", "fifo", "gone")))
    for name, target in (("objects", "/etc"), ("refs", "/proc/1/root")):
        os.rename(name, name + ".away")
        os.symlink(target, name)
        os.unlink(name)
        os.rename(name + ".away", name)
"""


class GitAttacks(GitCase):
    def setUp(self):
        self.path = self.source(f"attacked-{self.id().rsplit('.', 1)[1]}", "echo 1 > file")
        self.sandbox = self.create("--repo", self.path)
        self.made = self.sh(self.sandbox, "git checkout -qb evil; echo evil > evil; git add evil; "
                                          "git -c user.name=a -c user.email=a@b commit -qm evil; git rev-parse HEAD").strip()
        self.bundle = self.daemon.root / "attack.bundle"

    def python(self, program, *arguments):
        return self.ok("exec", "-w", "/workspace", self.sandbox, "--", "python3", "-c", program, *arguments, timeout=300).decode()

    def export(self, what, *options):
        """Whether it came, and what was said; the daemon did not grow by it."""
        before = self.daemon.resident_kib("VmHWM")
        done = self.daemon.cli("export", self.sandbox, what, "-o", self.bundle, *options, timeout=400)
        grown = self.daemon.resident_kib("VmHWM") - before
        self.assertLess(grown, GROWTH_KIB)
        self.assertIn(done.returncode, (0, 1))
        if done.returncode:
            self.assertRegex(done.stderr.decode(), NAMED)
            self.assertNotIn(b"root:", done.stderr, "a line of the host's or the image's files")
        return done.returncode == 0, done.stderr.decode()

    def fetched(self):
        """The commit that git makes of the bundle."""
        clone = self.clone(self.path)
        self.git(clone, "fetch", "-q", str(self.bundle), "HEAD:refs/heads/taken" if b" HEAD\n" in self.bundle.read_bytes()[:4096]
                 else "refs/heads/evil:refs/heads/taken")
        self.git(clone, "fsck", "--strict", "--no-progress")
        return self.git(clone, "rev-parse", "taken").strip()

    def still_works(self):
        """Of a sandbox whatever it did: its changes are committed by a repository that it cannot write to."""
        self.assertRegex(self.ok("commit", self.sandbox, "-b", "kept", "-m", "m", *AUTHOR).decode(), r"\A[0-9a-f]{40}\n\Z")

    def test_a_repository_that_is_rewritten_while_it_is_exported_has_no_say(self):
        swapper = self.daemon.popen("exec", self.sandbox, "--", "python3", "-uc", SWAPPER, self.made)
        self.addCleanup(swapper.communicate)
        self.addCleanup(swapper.kill)
        self.assertEqual(swapper.stdout.readline(), b"swapping\n")
        for number in range(8):
            ok, _ = self.export("evil" if number % 2 else self.made)
            if ok:
                self.assertEqual(self.fetched(), self.made)
        self.still_works()

    def test_packed_references_of_200_megabytes_and_a_hundred_thousand_loose_ones_are_answered(self):
        self.python(r"""import os, sys
made = sys.argv[1]
os.remove(".git/refs/heads/evil")
with open(".git/packed-refs", "w") as file:
    file.write(f"{made} refs/heads/evil\n")
    for block in range(200):
        file.write("".join(f"{made} refs/heads/b{block}-{n:020d}{'x' * 900}\n" for n in range(1000)))
    file.write(f"{made} refs/heads/last\n")
os.makedirs(".git/refs/heads/many")
for n in range(100000):
    os.symlink("../evil", f".git/refs/heads/many/{n}") if n % 2 else open(f".git/refs/heads/many/{n}", "w").close()
""", self.made)
        self.assertGreater(int(self.sh(self.sandbox, "stat -c %s .git/packed-refs")), 190_000_000)
        self.assertEqual((self.export("evil")[0], self.fetched()), (True, self.made))
        self.assertFalse(self.export("last")[0], "only so much of it is read")
        self.assertFalse(self.export("many/7")[0])
        self.still_works()

    def test_messages_and_names_without_end_are_answered(self):
        made = self.python(r"""import subprocess
def git(*arguments, data=b""):
    return subprocess.run(["git", *arguments], input=data, check=True, capture_output=True).stdout.decode().strip()
top, head = git("rev-parse", "HEAD^{tree}"), git("rev-parse", "HEAD")
for name, message in (("a", "m" * (60 << 20)), ("a" * (20 << 20), "m")):
    print(git("hash-object", "-t", "commit", "-w", "--stdin", "--literally",
              data=f"tree {top}\nparent {head}\nauthor {name} <a@b> 1 +0000\ncommitter a <a@b> 1 +0000\n\n{message}\n".encode()))
""").split()
        for commit in made:
            self.assertEqual((self.export(commit)[0], self.fetched()), (True, commit))
            self.export(commit, "--series")
        self.assertIn("message", self.fails(1, "commit", self.sandbox, "-b", "b", "-m", "m" * 100_000, *AUTHOR))
        self.assertIn("author", self.fails(1, "commit", self.sandbox, "-b", "b", "-m", "m", "--author", f"{'a' * 300} <a@b>"))
        self.still_works()

    def test_alternates_links_and_devices_lead_nowhere(self):
        # A repository of the host, which holds a commit that nobody inside may have.
        secret = self.source("secret-of-the-host", "echo secret > secret")
        commit = self.git(secret, "rev-parse", "HEAD").strip()
        name = f"{commit[:2]}/{commit[2:]}"
        places = f"{secret}/.git/objects\n/proc/1/root{secret}/.git/objects\n../../../../../../../..{secret}/.git/objects\n"
        link = f"mkdir -p .git/objects/{commit[:2]}; ln -sfn {secret}/.git/objects/{name} .git/objects/{name}"
        for what, script in {
            "alternates": f"printf '{places}' > .git/objects/info/alternates",
            "a link to an object": link,
            "a FIFO for an object": f"{link}; rm .git/objects/{name}; mkfifo .git/objects/{name}",
            "a device for an object": f"{link}; ln -sfn /dev/zero .git/objects/{name}",
            "a FIFO for a pack": "mkfifo .git/objects/pack/pack-" + "1" * 40 + ".idx; touch .git/objects/pack/pack-" + "1" * 40 + ".pack",
            "a device for a pack": "ln -s /dev/zero .git/objects/pack/pack-" + "2" * 40 + ".idx; touch .git/objects/pack/pack-" + "2" * 40
                                   + ".pack",
            "a link for packed references": f"ln -sfn {secret}/.git/refs/heads/main .git/packed-refs",
            "a file for a repository": f"mv .git moved; echo 'gitdir: {secret}/.git' > .git",
            "a link for a repository": f"rm .git; ln -s {secret}/.git .git",
            "a directory of links": "rm .git; mkdir .git; for i in objects refs HEAD config; do "
                                    f"ln -s {secret}/.git/$i .git/$i; done"}.items():
            with self.subTest(what):
                self.sh(self.sandbox, f"mkdir -p .git/objects/info; {script}" if "gitdir" not in script and "rm .git;" not in script
                        else script)
                self.assertFalse(self.export(commit)[0])
        self.sh(self.sandbox, "rm -r .git; mv moved .git")
        self.still_works()

    def test_alternates_that_never_end_end_no_worker(self):
        for target in ("/dev/zero", "/proc/self/fd/2", "/dev/tty", "alternates"):
            with self.subTest(target):
                self.sh(self.sandbox, f"mkdir -p .git/objects/info; ln -sfn {target} .git/objects/info/alternates")
                self.assertEqual((self.export("evil")[0], self.fetched()), (True, self.made))
        self.sh(self.sandbox, "rm .git/objects/info/alternates; mkfifo .git/objects/info/alternates")
        self.assertEqual((self.export("evil")[0], self.fetched()), (True, self.made))
        self.sh(self.sandbox, "rm .git/objects/info/alternates; python3 -c 'import sys; sys.stdout.write((\"/\" + \"x\" * 999 + chr(10)) "
                              "* 100000)' > .git/objects/info/alternates")
        self.assertEqual((self.export("evil")[0], self.fetched()), (True, self.made))


if __name__ == "__main__":
    unittest.main()
