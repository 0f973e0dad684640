#!/usr/bin/env python3
"""Storms of changes: whatever was done, the base and the patch are together what the sandbox has."""

import os
import pathlib
import subprocess
import unittest

from git_suite import GitCase

FILES = 10_000  # of the base, a hundred a directory

# All below /workspace but .git: paths, what git keeps of a mode, content. A line each, so that a difference can be read.
# Paths of more than PATH_MAX bytes are reached step by step.
LIST = r"""
import hashlib, os, stat, sys
def walk(name):
    for entry in sorted(os.listdir(b".")):
        path, info = os.path.join(name, entry), os.lstat(entry)
        if path == b".git":
            continue
        if stat.S_ISDIR(info.st_mode):
            back = os.open(b".", os.O_RDONLY)
            os.chdir(entry)
            walk(path)
            os.chdir(back)
            os.close(back)
            continue
        if stat.S_ISLNK(info.st_mode):
            what = "120000 " + repr(os.readlink(entry))
        elif not stat.S_ISREG(info.st_mode) or info.st_size > 1 << 26:
            continue
        else:
            with open(entry, "rb") as file:
                what = ("100755 " if info.st_mode & 0o100 else "100644 ") + hashlib.sha1(file.read()).hexdigest()
        print(repr(path), what)
os.chdir(sys.argv[1])
walk(b"")
"""

LONG = "n=$(printf %0250d 0); p=$n; for i in $(seq 14); do p=$p/$n; done; p=$p/$(printf %0230d 0)"

# What is done inside, and which paths no patch can have.
STORMS = {
    "one file is edited": ("echo more >> many/7/7", []),
    "a hundred files are edited": ("for i in $(seq 0 99); do echo more >> many/3/$i; done", []),
    "ten thousand files are edited": (
        "python3 -c 'for d in range(100):\n for i in range(100): open(f\"many/{d}/{i}\", \"a\").write(\"more\\n\")'", []),
    "another branch is checked out": ("git checkout -q other", []),
    "many small directories are made, as npm does": (
        "python3 -c 'import os\nfor d in range(800):\n p = f\"node_modules/@scope{d % 40}/package-{d}\"\n"
        " os.makedirs(p + \"/lib/internal\")\n for name in (\"package.json\", \"index.js\", \"lib/internal/x.js\", \"LICENSE\"):\n"
        "  open(f\"{p}/{name}\", \"w\").write(f\"{d} {name}\\n\" * 20)\n"
        " os.makedirs(\"node_modules/.bin\", exist_ok=True)\n os.symlink(f\"../{p}/index.js\", f\"node_modules/.bin/{d}\")'", []),
    "directories are deleted and made anew": (
        "rm -r many/0 many/1 many/2; mkdir many/0 many/1; echo new > many/0/7; ln -s ../3 many/2; cp many/4/7 many/1/7", []),
    "a directory with ten thousand files is renamed": (
        "mkdir moved; for d in $(seq 0 99); do mv many/$d moved/$d; done; mv moved many/renamed", []),
    "files and directories take each other's places, and back": (
        "rm -r many/0; echo file > many/0; rm many/1/7; mkdir many/1/7; echo in > many/1/7/file; "
        "rm -r many/2; echo file > many/2; rm many/2; mkdir many/2; for i in $(seq 0 99); do echo 2 $i > many/2/$i; done", []),
    "symbolic links lead out, nowhere and to themselves": (
        "ln -s /etc/passwd out; ln -s /etc etc; ln -s itself itself; rm -r many/0; ln -s /etc many/0; ln -sf /proc/1/root many/1/7; "
        "ln -s ../../../../../../etc/shadow up; ln -sf 'a b\n' many/link; rm lib; ln -s /usr lib", []),
    "there are FIFOs and sockets": (
        "mkfifo fifo; rm many/0/7; mkfifo many/0/7; python3 -c 'import socket\n"
        "socket.socket(socket.AF_UNIX).bind(\"many/0/socket\")'; echo after > many/0/z", ["fifo", "many/0/7", "many/0/socket"]),
    # A tebibyte is over the limit of a file, which is that of the disk.
    "a sparse file is as large as it may be": (
        "! (truncate -s 1T huge); truncate -s $(($(ulimit -f) * 1024)) huge; truncate -s 1M small; echo after > later", ["huge"]),
    "hard links cross directories": (
        "mkdir links; ln many/0/7 links/a; ln links/a links/b; ln many/1/7 many/2/linked; echo both >> links/b", []),
    "only modes change": ("chmod +x many/0/*; chmod 600 many/1/*; chmod -x tool; chmod g+w many/2/7", []),
    "only times change": ("find many/0 many/1 -exec touch {} +; touch -d 2001-01-01 many/2/7; touch -h lib", []),
    "a path has four thousand bytes": (LONG + "; mkdir -p \"$(dirname $p)\"; echo deep > $p; test ${#p} -ge 3990", []),
    "names are no text": (
        "printf x > \"$(printf 'new\\nline')\"; printf x > \"$(printf 'bytes \\377\\376')\"; printf x > '\"quoted\" \\ name'; "
        "printf x > '-option'; printf x > \"$(printf 'tab\\t')\"; printf x > ' '; mkdir $'d\\n'; "
        "mv many/0/7 $'d\\n/\\001\\033'; printf x > 'a -> b'", []),
    "only the case of a name changes": ("mv many/0/7 many/0/x; mv many/0/x many/0/X; mv README readme; mv many/5 many/five; "
                                        "mv many/five many/FIVE", []),
}


class Storms(GitCase):
    """A sandbox for each, all of one snapshot; one clean checkout of the base."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        try:
            cls.make_base()
        except BaseException:
            cls.tearDownClass()
            raise

    @classmethod
    def make_base(cls):
        cls.path = pathlib.Path(cls.daemon.root, "storms")
        cls.path.mkdir()
        for directory in range(FILES // 100):
            (cls.path / "many" / str(directory)).mkdir(parents=True)
            for file in range(100):
                (cls.path / "many" / str(directory) / str(file)).write_text(f"{directory} {file}\n")
        (cls.path / "README").write_text("read me\n")
        (cls.path / "tool").write_text("#!/bin/sh\n")
        (cls.path / "tool").chmod(0o755)
        (cls.path / "lib").symlink_to("many/0")
        script = """git init -q -b main; git config gc.auto 0; git add -A; git commit -qm base; git checkout -q -b other; rm -r many/0; echo > many/0
mv many/1 away; for i in $(seq 0 99); do echo other >> many/2/$i; done; rm lib; chmod +x README; git add -A
git commit -qm other; git checkout -q main; git repack -adq"""
        environment = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null", "GIT_AUTHOR_NAME": "a",
                       "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b"}
        subprocess.run(["sh", "-ec", script], cwd=cls.path, env=environment, check=True,
                       stdout=subprocess.DEVNULL)

    def clean_checkout(self):
        """Of the base; one for all."""
        clone = self.daemon.root / "clean"
        if not clone.exists():
            self.git("/", "clone", "-q", self.path, str(clone))
        self.git(clone, "reset", "-q", "--hard")
        self.git(clone, "clean", "-qffdx")
        return clone

    def outside(self, clone):
        return subprocess.run(["/usr/bin/python3", "-c", LIST, clone], check=True, capture_output=True).stdout.splitlines()

    def check(self, name, renames):
        script, without = STORMS[name]
        clone = self.clean_checkout()
        sandbox = self.create("--repo", self.path)
        self.ok("exec", sandbox, "--", "bash", "-ec", f"cd /workspace; {script}")
        done = self.daemon.cli("diff", *(["--renames"] if renames else []), sandbox)
        self.assertEqual(done.returncode, 0, done.stderr)
        told = sorted(line.split("not in the patch: ")[1].split(" (")[0] for line in done.stderr.decode().splitlines())
        self.assertEqual(told, without)
        if done.stdout:
            self.git(clone, "apply", "--index", "--whitespace=nowarn", input=done.stdout)
        else:
            self.assertEqual(name, "only times change")
        inside = self.ok("exec", sandbox, "--", "python3", "-c", LIST, "/workspace").splitlines()
        self.assertEqual(self.outside(clone), inside)
        self.assertEqual(self.git(clone, "status", "--porcelain", "--untracked-files=all").count("?? "), 0, "all of it is staged")


def add(name, renames):
    words = name.replace(",", "").replace("'", "").replace(" ", "_")
    setattr(Storms, f"test_{words}{'_and_renames_are_found' if renames else ''}", lambda self: self.check(name, renames))


for storm in STORMS:
    add(storm, False)
add("a directory with ten thousand files is renamed", True)
add("files and directories take each other's places, and back", True)
add("only the case of a name changes", True)

if __name__ == "__main__":
    unittest.main()
