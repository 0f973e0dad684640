#!/usr/bin/env python3
"""A client's own tree, below the import roots, changes under the import: its owner exchanges the repository, the archive,
the directory around them and what is in .git with links to a repository and an archive of root's elsewhere.

Nothing of those is ever in a snapshot or image; each import works or is refused with a reason. race.py says how long, and
how to repeat one.
"""

import contextlib
import grp
import io
import json
import os
import pathlib
import random
import re
import select
import shutil
import signal
import subprocess
import tarfile
import unittest

import daemon
import race
from race import MARK

OWNER = 20001  # a user that no host has



def exchange(top, bait, seed, ready):
    """Until it is told to end: takes one of the places away, has a link to root's own of that name there for a
    moment, and puts it back. Now and then it rests, for an import takes a tree that stays for a while."""
    chance = random.Random(seed)
    os.chdir(top)
    places = ["tree", "tree/repository", "tree/archive.tar", "tree/repository/.git", "tree/repository/.git/objects",
              "tree/repository/.git/HEAD"]
    told = []
    signal.signal(signal.SIGTERM, lambda number, frame: told.append(number))
    os.write(ready, b".")
    while not told:
        place = chance.choice(places)
        target = f"{bait}{place.removeprefix('tree')}"
        os.rename(place, "kept")
        kind = chance.randrange(4)
        if kind == 3:
            pathlib.Path(place).write_text(f"gitdir: {target}\n")
        elif kind == 2:
            os.symlink(os.path.relpath(target, os.path.dirname(place) or "."), place)
        else:
            os.symlink(target, place)
        for _ in range(chance.randrange(2000)):
            pass
        os.unlink(place)
        os.rename("kept", place)
        if chance.randrange(2000) == 0:
            select.select([], [], [], chance.random())


class ImportRaces(race.RaceCase):
    @classmethod
    def setUpClass(cls):
        daemon.require_root()
        cls.roots = pathlib.Path("/var/tmp") / f"glovebox-roots-{os.getpid()}"
        cls.roots.mkdir()
        cls.addClassCleanup(shutil.rmtree, cls.roots)
        cls.daemon = daemon.Daemon()
        config = cls.daemon.root / "gloveboxd.toml"
        config.write_text(f'import_roots = ["{cls.roots}"]\n[client_quota]\nrequests_per_second = 1000\n')
        cls.group = grp.getgrgid(os.getgid())
        cls.daemon.start("--config", config, "--socket-group", cls.group.gr_name)
        cls.daemon.root.chmod(0o711)

    def setUp(self):
        super().setUp()
        self.bait = self.host / "bait"
        self.bait.mkdir()
        self.fill(self.bait, MARK)
        for name in ("repository", "archive.tar"):  # the client sees that they are there and no more
            (self.bait / name).chmod(0o700)
        self.before = self.listing()
        self.top = self.roots / "client"
        self.top.mkdir()
        self.addCleanup(shutil.rmtree, self.top)
        (self.top / "tree").mkdir()
        self.fill(self.top / "tree", "honest")
        subprocess.run(["chown", "-R", f"{OWNER}:{OWNER}", self.top], check=True)

    def listing(self):
        return {str(path): path.read_bytes() for path in self.host.rglob("*") if path.is_file()}

    @staticmethod
    def fill(directory, text):
        repository, _ = daemon.repository(directory)
        (repository / "word").write_text(text + "\n")
        for command in (["add", "-A"], ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", text]):
            subprocess.run(["git", "-C", repository, *command], check=True)
        with tarfile.open(directory / "archive.tar", "w") as tar:
            entry = tarfile.TarInfo("etc/word")
            entry.size = len(text)
            tar.addfile(entry, io.BytesIO(text.encode()))
            tar.add("/bin/busybox", "usr/bin/busybox")
            entry = tarfile.TarInfo("bin")
            entry.type, entry.linkname = tarfile.SYMTYPE, "usr/bin"
            tar.addfile(entry)

    def as_client(self, *arguments):
        """By a copy of the CLI: the build may lie where that user cannot go."""
        program = self.daemon.root / "glovebox"
        if not program.exists():
            shutil.copy(daemon.BIN / "glovebox", program)
        return subprocess.run([program, *arguments], env=self.daemon.environment(), user=OWNER, group=self.group.gr_gid,
                              extra_groups=[], capture_output=True, timeout=daemon.DEADLINE_S, stdin=subprocess.DEVNULL)

    @contextlib.contextmanager
    def exchanging(self):
        """In a process of its own, as that user, which runs no other program for the same reason. The tree is whole afterwards."""
        seed = self.random.randrange(1 << 31)
        ready, say_ready = os.pipe()
        child = os.fork()
        if child == 0:
            status = 1
            try:
                os.setgroups([])
                os.setgid(OWNER)
                os.setuid(OWNER)
                exchange(self.top, self.bait, seed, say_ready)
                status = 0
            finally:
                os._exit(status)
        os.close(say_ready)
        try:
            self.assertEqual(os.read(ready, 1), b".")
            os.close(ready)
            yield
        finally:
            os.kill(child, signal.SIGTERM)
            status = os.waitpid(child, 0)[1]
        self.assertEqual(status, 0, "it exchanged to the end")

    def refuse_typed(self, done, refusals):
        text = done.stderr.decode()
        self.assertEqual(done.returncode, 1, text)
        self.assertRegex(text, r"\Aglovebox: ")
        kind = re.sub(r"/\S+|[0-9a-f]{7,}", "X", text.splitlines()[0])
        refusals[kind] = refusals.get(kind, 0) + 1

    def refuse_for_sure(self, place, *verb):
        """What a race meets by chance: the same link, and nobody takes it away."""
        path = self.top / "tree" / place
        path.rename(self.top / "kept")
        path.symlink_to(self.bait / place)
        self.assertIn(b"is not allowed by the daemon's import_roots", self.as_client(*verb, path).stderr)
        path.unlink()
        (self.top / "kept").rename(path)

    def test_a_repository_that_is_exchanged(self):
        digests, refusals = set(), {}

        def imports():
            done = self.as_client("snapshot", "import", self.top / "tree/repository")
            if done.returncode != 0:
                self.refuse_typed(done, refusals)
            else:
                digests.add(done.stdout.decode().split()[-1])
            return done

        with self.exchanging():
            self.race(imports, self.top / "tree/repository/word", seconds=2 * race.SECONDS)
        print(f"{len(digests)} snapshots; refused: {json.dumps(refusals, indent=1)}")
        self.refuse_for_sure("repository", "snapshot", "import")
        self.assertEqual(imports().returncode, 0, "the honest tree is imported")
        for digest in digests:
            sandbox = self.create("--snapshot", digest)
            shown = self.told("exec", sandbox, "--", "sh", "-c", "cat /workspace/word; git -C /workspace log --all --format=%s; "
                                                                "grep -r host-only /workspace; true")
            self.assertIn("honest", shown)
            self.assertNotIn(MARK, shown)

    def test_an_archive_that_is_exchanged(self):
        names, refusals, number = [], {}, 0

        def imports():
            nonlocal number
            number += 1
            done = self.as_client("image", "import", f"raced{number}", self.top / "tree/archive.tar")
            if done.returncode != 0:
                self.refuse_typed(done, refusals)
            else:
                names.append(f"raced{number}")
            return done

        with self.exchanging():
            self.race(imports, self.top / "tree/archive.tar", seconds=2 * race.SECONDS)
        print(f"{len(names)} images; refused: {json.dumps(refusals, indent=1)}")
        self.refuse_for_sure("archive.tar", "image", "import", "outside")
        self.assertEqual(imports().returncode, 0, "the honest archive is imported")
        for name in names:
            sandbox = self.create("--image", name)
            self.assertEqual(self.told("exec", sandbox, "--", "/bin/busybox", "cat", "/etc/word"), "honest")
            self.ok("rm", sandbox)
            self.ok("image", "rm", name)


if __name__ == "__main__":
    unittest.main()
