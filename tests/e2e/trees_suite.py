#!/usr/bin/env python3
"""Snapshots of tar files and directories: trees arrive exactly, compared by a digest of our own; what cannot be kept is
refused with the entry's name and leaves nothing."""

import concurrent.futures
import gzip
import io
import json
import lzma
import os
import pathlib
import random
import shutil
import subprocess
import tarfile
import tempfile
import unittest

import grpc

import api_client
import daemon
import tree_digest

DIGEST_SCRIPT = pathlib.Path(tree_digest.__file__).read_text()
SOURCE_REPOSITORY = pathlib.Path(__file__).resolve().parents[2] / "tools" / "dev" / "source_repository"
SOURCES = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "glovebox" / "sources"
SEED = int(os.environ.get("GLOVEBOX_SEED", random.SystemRandom().randrange(1 << 32)))
PACKED = {"tar": lambda data: data, "tar.gz": lambda data: gzip.compress(data, 1), "tar.xz": lambda data: lzma.compress(data, preset=0),
          "tar.zst": lambda data: subprocess.run(["zstd", "-q", "-1"], input=data, capture_output=True, check=True).stdout}


def member(name, data=b"", kind=tarfile.REGTYPE, link="", mode=0o644, size=None):
    info = tarfile.TarInfo(os.fsdecode(name))
    info.type, info.linkname, info.mode, info.mtime = kind, os.fsdecode(link), mode, 1_000_000_000
    info.size = len(data) if size is None else size
    return info, data


def archive(*members, form=tarfile.PAX_FORMAT):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form, errors="surrogateescape", encoding="utf-8") as tar:
        for info, data in members:
            tar.addfile(info, io.BytesIO(data) if data else None)
    return out.getvalue()


LINK, HARD = tarfile.SYMTYPE, tarfile.LNKTYPE
# Each with a piece of what the error says.
HOSTILE = {
    "absolute name": ('"/etc/cron.d/x": is an absolute name', [member("/etc/cron.d/x", b"1")]),
    "name out": ('has ".." in it', [member("a/../../x", b"1")]),
    "name out at the end": ('has ".." in it', [member("a/..", kind=tarfile.DIRTYPE)]),
    "through a link out": ('"l/x": goes through', [member("l", kind=LINK, link="/tmp"), member("l/x", b"1")]),
    "through a link inside": ('"l/x": goes through', [member("d", kind=tarfile.DIRTYPE), member("l", kind=LINK, link="d"), member("l/x", b"1")]),
    "through a file": ('"f/x": goes through', [member("f", b"1"), member("f/x", b"1")]),
    "directory over a link": ('"l": is a file and a directory', [member("l", kind=LINK, link="/tmp"), member("l", kind=tarfile.DIRTYPE)]),
    "file over a directory": ('"d": would take the place', [member("d/x", b"1"), member("d", b"1")]),
    "hard link out": ('"h": is a hard link', [member("h", kind=HARD, link="../../../etc/passwd")]),
    "hard link to an absolute name": ('"h": is a hard link', [member("h", kind=HARD, link="/etc/passwd")]),
    "hard link through a link": ('goes through', [member("l", kind=LINK, link="/etc"), member("h", kind=HARD, link="l/passwd")]),
    "hard link to a later file": ('does not come before it', [member("h", kind=HARD, link="f"), member("f", b"1")]),
    "hard link to a directory": ('is a hard link to a directory', [member("d/x", b"1"), member("h", kind=HARD, link="d")]),
    "character device": ('"dev": is a device', [member("dev", kind=tarfile.CHRTYPE)]),
    "block device": ('"dev": is a device', [member("dev", kind=tarfile.BLKTYPE)]),
    "whiteout of the kernel's": ('"gone": is a device', [member("gone", kind=tarfile.CHRTYPE)]),
    "FIFO": ('"pipe": is a FIFO', [member("pipe", kind=tarfile.FIFOTYPE)]),
    "root is a link": ("the root is no directory", [member(".", kind=LINK, link="/")]),
    "a part of 300 bytes": ("over 255 bytes", [member("x" * 300, b"1")]),
    "4,100 bytes": ("over 4000 bytes", [member("/".join(["y" * 200] * 21), b"1")]),
}


class Trees(daemon.DaemonCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.api = api_client.Api(cls.daemon.socket)
        print(f"GLOVEBOX_SEED={SEED}", flush=True)

    @classmethod
    def tearDownClass(cls):
        cls.api.close()
        super().tearDownClass()

    def setUp(self):
        self.top = pathlib.Path(tempfile.mkdtemp(prefix="glovebox-e2e-tree-", dir="/tmp"))
        self.addCleanup(shutil.rmtree, self.top, True)
        self.top.chmod(0o755)

    def write(self, name, data):
        path = self.top / name
        path.write_bytes(data)
        return path

    def imported(self, *arguments):
        digest = self.told("snapshot", "import", *arguments, timeout=300).strip()
        self.addCleanup(self.daemon.cli, "snapshot", "rm", digest)
        return digest

    def inside(self, digest):
        """The tree's lines as a sandbox sees it, and whose it is."""
        sandbox = self.create("--snapshot", digest)
        owners = self.told("exec", sandbox, "--", "sh", "-c", "find /workspace -printf '%u:%g\\n' | sort -u")
        self.assertEqual(owners, "agent:agent\n")
        # Whatever modes there are: its owner may look into everything.
        lines = self.told("exec", "-w", "/", sandbox, "--", "/usr/bin/python3", "-c", DIGEST_SCRIPT, "/workspace").splitlines()
        self.ok("rm", sandbox)
        return lines

    def refused(self, code, reason, **fields):
        before = self.ok("snapshot", "ls", "--json")
        with self.assertRaises(grpc.RpcError) as caught:
            list(self.api.stream("Snapshot", "ImportSnapshot", timeout=300, **fields))
        self.assertEqual(caught.exception.code(), code, caught.exception)
        raw = dict(caught.exception.trailing_metadata())["grpc-status-details-bin"]
        self.assertIn(reason.encode(), raw, caught.exception)
        self.assertEqual(self.ok("snapshot", "ls", "--json"), before)
        return caught.exception.details()

    def random_tree(self, rng):
        """A tree on the host's disk, of everything that a snapshot keeps."""
        top = os.fsencode(self.top / "tree")
        os.mkdir(top)
        directories, files = [top], []
        for number in range(rng.randrange(20, 60)):
            parent = rng.choice(directories)
            name = bytes(rng.choice(b"aAbB .-_\xc3\xa4\xff\x01\n\\'\"") for _ in range(rng.randrange(1, 12)))
            path = os.path.join(parent, name)
            if os.path.lexists(path) or name in (b".", b".."):
                continue
            kind = rng.randrange(8)
            if kind < 2:
                os.mkdir(path)
                directories.append(path)
            elif kind == 2:
                os.symlink(rng.choice([b"/etc/passwd", b"../../..", b"missing\xff", name, b"."]), path)
            elif kind == 3 and files:
                os.link(rng.choice(files), path)
            elif kind == 4:
                with open(path, "wb") as file:  # holes before, between and after
                    file.seek(rng.randrange(1 << 20))
                    file.write(rng.randbytes(5000))
                    file.truncate(rng.randrange(2 << 20, 8 << 20))
                files.append(path)
            else:
                with open(path, "wb") as file:
                    file.write(rng.randbytes(rng.choice([0, 1, 4096, 100_000])))
                files.append(path)
        for path in files + directories:
            os.chmod(path, rng.choice([0o644, 0o755, 0o600, 0o400, 0o777]) | (0o700 if path in directories else 0))
        for path in sorted({*files, *directories}, reverse=True):
            os.utime(path, (rng.randrange(1 << 31),) * 2)
        return self.top / "tree"

    def archive_of(self, tree, form):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=form, errors="surrogateescape", encoding="utf-8") as tar:
            tar.add(tree, arcname=".")
        return out.getvalue()

    def test_random_trees_arrive_exactly_as_directory_and_in_each_archive(self):
        rng = random.Random(SEED)
        tree = self.random_tree(rng)
        meant = tree_digest.describe(tree)
        digest = self.imported("--directory", tree)
        self.assertEqual(self.inside(digest), meant, f"GLOVEBOX_SEED={SEED}")
        packings = list(PACKED)
        rng.shuffle(packings)
        for form, ending in zip((tarfile.PAX_FORMAT, tarfile.GNU_FORMAT), packings):
            path = self.write(f"tree.{ending}", PACKED[ending](self.archive_of(tree, form)))
            self.assertEqual(self.imported(path), digest, f"the same tree is the same snapshot; GLOVEBOX_SEED={SEED}")
        self.ok("snapshot", "rm", digest)
        self.assertEqual(self.imported("--tar", self.top / f"tree.{packings[0]}"), digest)
        self.assertEqual(self.inside(digest), meant, f"GLOVEBOX_SEED={SEED}")

    def test_every_packing_gives_the_same_snapshot(self):
        plain = archive(member("a", b"x" * 100_000), member("b/c", b"", mode=0o755))
        digests = {self.imported(self.write(f"x.{ending}", pack(plain))) for ending, pack in PACKED.items()}
        self.assertEqual(len(digests), 1)

    def test_set_id_bits_are_cleared_and_attributes_dropped(self):
        tree = self.top / "tree"
        tree.mkdir()
        (tree / "file").write_bytes(b"1")
        (tree / "file").chmod(0o6755)
        (tree / "shared").mkdir()
        (tree / "shared").chmod(0o3777)
        os.setxattr(tree / "file", "user.colour", b"blue")
        os.setxattr(tree / "file", "user.overlay.redirect", b"/etc")
        for source in (("--directory", tree), ("--tar", self.write("t.tar", self.archive_of(tree, tarfile.PAX_FORMAT)))):
            sandbox = self.create("--snapshot", self.imported(*source))
            shown = self.told("exec", sandbox, "--", "sh", "-c", "stat -c '%a %n' file shared; getfattr -d -m - file 2>&1 || true; "
                              "/usr/bin/python3 -c 'import os; print(os.listxattr(\"file\"))'")
            self.assertIn("755 file\n1777 shared\n", shown)
            self.assertIn("[]", shown)

    def test_long_paths_case_twins_and_holes(self):
        deep = "/".join(["p" * 199] * 20)  # 3,999 bytes
        path = self.write("t.tar", archive(member(deep, b"deep"), member("Case", b"1"), member("case", b"2"), member("CASE", b"3"),
                                           member("empty"), member("none", kind=tarfile.DIRTYPE, mode=0o755),
                                           member("zero", bytes(64 << 20))))
        sandbox = self.create("--snapshot", self.imported(path))
        found = self.told("exec", sandbox, "--", "sh", "-c", f"cat Case case CASE; cat {deep}; ls -A none; echo; stat -c '%s' zero; "
                          "du -k zero | cut -f1")
        contents, size, blocks = found.splitlines()
        self.assertEqual((contents, int(size)), ("123deep", 64 << 20))
        self.assertLess(int(blocks), 4096, "zeros take no room")

    def test_what_is_hostile_is_refused_with_its_name(self):
        for what, (words, members) in HOSTILE.items():
            with self.subTest(what):
                path = self.write("hostile.tar", archive(*members))
                said = self.refused(grpc.StatusCode.FAILED_PRECONDITION, "ARCHIVE_INVALID", archive_path=str(path))
                self.assertIn(words, said)

    def test_what_is_broken_is_refused(self):
        good = archive(member("a", random.Random(1).randbytes(200_000)))
        for what, data in {"nothing": b"", "a zip": b"PK\3\4" + bytes(1000), "text": b"hello\n" * 500, "a cut gzip": gzip.compress(good)[:5000],
                           "a cut tar": good[:50_000], "a wrong sum": good[:200] + b"9" + good[201:],
                           "a gzip of noise": gzip.compress(random.Random(2).randbytes(5000))}.items():
            with self.subTest(what):
                path = self.write("broken.tar", data)
                self.refused(grpc.StatusCode.FAILED_PRECONDITION, "ARCHIVE_INVALID", archive_path=str(path))

    def test_what_a_directory_holds_that_is_not_kept_is_refused(self):
        makes = {"FIFO": os.mkfifo, "device": lambda path: os.mknod(path, 0o20666, os.makedev(1, 3)),
                 "cannot be read": lambda path: (os.close(os.open(path, os.O_CREAT)), os.chown(path, 12345, 12345), os.chmod(path, 0o600))}
        for words, make in makes.items():
            with self.subTest(words):
                tree = self.top / words.replace(" ", "-")
                (tree / "below").mkdir(parents=True)
                make(tree / "below" / "it")
                said = self.refused(grpc.StatusCode.FAILED_PRECONDITION, "ARCHIVE_INVALID", directory_path=str(tree))
                self.assertIn('"below/it"', said)
                self.assertIn(words, said)

    def test_bombs_end_with_too_large(self):
        huge, _ = member("huge", size=20 << 30)
        bombs = {"size": huge.tobuf(tarfile.GNU_FORMAT) + bytes(1 << 20),
                 "depth": archive(member("/".join("d" * 300), b"1")),
                 "hard links": archive(member("f", bytes(64 << 20)), *(member(f"h{n}", kind=HARD, link="f") for n in range(300)))}
        for what, data in bombs.items():
            with self.subTest(what):
                path = self.write("bomb.tar.gz", gzip.compress(data, 1))
                self.refused(grpc.StatusCode.RESOURCE_EXHAUSTED, "IMPORT_TOO_LARGE", archive_path=str(path))

    def test_equal_imports_at_once_are_one_snapshot(self):
        path = self.write("t.tar", archive(*(member(f"f{n}", random.Random(n).randbytes(50_000)) for n in range(200))))
        with concurrent.futures.ThreadPoolExecutor(4) as threads:
            digests = set(threads.map(lambda _: self.imported(path), range(4)))
        self.assertEqual(len(digests), 1)
        self.assertEqual(sum(one["digest"] in digests for one in json.loads(self.ok("snapshot", "ls", "--json"))), 1)

    def test_progress_is_told(self):
        path = self.write("t.tar", archive(*(member(f"f{n}", b"x" * 1000) for n in range(3000))))
        items = list(self.api.stream("Snapshot", "ImportSnapshot", archive_path=str(path)))
        self.addCleanup(self.daemon.cli, "snapshot", "rm", items[-1].snapshot.digest)
        told = [item.progress for item in items if item.HasField("progress")]
        self.assertTrue(any(one.bytes_total == path.stat().st_size for one in told), told)
        self.assertEqual(items[-1].snapshot.commit, "")
        self.assertEqual(items[-1].snapshot.source, str(path))

    def test_the_command_line_tells_sources_apart(self):
        tree = self.top / "tree"
        tree.mkdir()
        (tree / "file").write_bytes(b"1")
        tar = self.write("t.tar", archive(member("file", b"1")))
        digest = self.imported(tree)
        self.assertEqual({digest}, {self.imported("--directory", tree)})
        self.assertIn("import it with --tar", self.fails(2, "snapshot", "import", "--directory", tar))
        self.assertIn("import it with --directory", self.fails(2, "snapshot", "import", "--tar", tree))
        self.assertIn("give one of", self.fails(2, "snapshot", "import"))
        self.assertIn("give one of", self.fails(2, "snapshot", "import", "--tar", tar, "--directory", tree))
        repository, commit = daemon.repository(self.top)
        shown = json.loads(self.ok("snapshot", "import", "--json", repository))
        self.addCleanup(self.daemon.cli, "snapshot", "rm", shown["digest"])
        self.assertNotEqual(shown["commit"], "", "a directory with a repository in it is a repository")
        bundle = self.top / "r.bundle"
        subprocess.run(["git", "-C", repository, "bundle", "create", "-q", bundle, "--all"], check=True)
        shown = json.loads(self.ok("snapshot", "import", "--json", bundle))
        self.addCleanup(self.daemon.cli, "snapshot", "rm", shown["digest"])
        self.assertNotEqual(shown["commit"], "")
        as_tree = json.loads(self.ok("snapshot", "import", "--json", "--directory", repository))
        self.addCleanup(self.daemon.cli, "snapshot", "rm", as_tree["digest"])
        self.assertEqual(as_tree["commit"], "", "the option wins")

    def test_a_debian_source_arrives_as_tar_unpacks_it(self):
        if not list((SOURCES / "zlib").glob("*.orig.tar.*")):
            subprocess.run([SOURCE_REPOSITORY, "zlib", self.top / "repository"], check=True, stdin=subprocess.DEVNULL)
        original = next(path for path in (SOURCES / "zlib").glob("*.orig.tar.*") if path.suffix != ".asc")
        plain, out = self.top / "plain.tar", self.top / "out"
        with open(plain, "wb") as file:
            unpack = {".gz": "gzip", ".xz": "xz", ".bz2": "bzip2"}[original.suffix]
            subprocess.run([unpack, "-dc", original], stdout=file, check=True)
        out.mkdir()
        subprocess.run(["tar", "-xpf", plain, "-C", out], check=True)
        os.utime(out, (0, 0))
        meant = tree_digest.describe(out)[1:]  # the archive says nothing of the root itself
        digests = []
        for ending in ("tar.gz", "tar.xz"):
            path = self.write(f"zlib.{ending}", PACKED[ending](plain.read_bytes()))
            digests.append(self.imported("--tar", path))
        self.assertEqual(digests[0], digests[1])
        self.assertEqual(self.inside(digests[0])[1:], meant)
        self.assertGreater(len(meant), 100)


class ImportRoots(daemon.AskingCase):
    def test_what_is_not_below_an_import_root_is_refused(self):
        daemon.require_root()
        self.daemon = daemon.Daemon()
        allowed = self.daemon.root / "allowed"
        allowed.mkdir()
        self.daemon.root.chmod(0o755)
        config = self.daemon.root / "gloveboxd.toml"
        config.write_text(f'import_roots = ["{allowed}"]\n')
        self.daemon.start("--config", config)
        try:
            for below in (allowed, self.daemon.root):
                (below / "t.tar").write_bytes(archive(member("a", b"1")))
                (below / "d").mkdir()
            (allowed / "link").symlink_to(self.daemon.root / "t.tar")
            self.ok("snapshot", "import", "--tar", allowed / "t.tar")
            self.ok("snapshot", "import", "--directory", allowed / "d")
            for option, path in (("--tar", self.daemon.root / "t.tar"), ("--tar", allowed / "link"), ("--directory", self.daemon.root / "d")):
                self.assertIn("import_roots", self.fails(1, "snapshot", "import", option, path))
        finally:
            self.assertEqual(self.daemon.stop(), [])


if __name__ == "__main__":
    unittest.main()
