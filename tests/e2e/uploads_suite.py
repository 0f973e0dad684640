#!/usr/bin/env python3
"""What clients upload: blobs that belong to who brought them, resumed uploads, and snapshots of them that are those of the same
tree imported by path."""

import concurrent.futures
import contextlib
import hashlib
import json
import os
import pathlib
import random
import re
import shutil
import socket
import subprocess
import tempfile
import threading
import unittest

import grpc

import api_client
import daemon
import tree_digest
import trees_suite
from clients import OTHER, OWNER, ClientsCase
from trees_suite import HARD, PACKED, SEED, archive, member

MIB = 1 << 20
TREE = api_client.MESSAGES.tree
DIGEST = api_client.MESSAGES.types.Digest
CHATTER = 64 << 10  # more than all that a call needs besides what it brings


def digest_of(data):
    return DIGEST(hash=hashlib.sha256(data).hexdigest(), size_bytes=len(data))


class Upload:
    """What a client of the API does."""

    def __init__(self, api):
        self.api = api

    def missing(self, *digests):
        return list(self.api.call("Snapshot", "FindMissingBlobs", digests=digests).missing)

    def put(self, *datas):
        results = self.api.call("Snapshot", "BatchUpdateBlobs", blobs=[{"digest": digest_of(data), "data": data} for data in datas]).results
        if any(result.status.code for result in results):
            raise AssertionError(results)
        return [digest_of(data) for data in datas]

    def stream(self, messages):
        types = api_client.MESSAGES.snapshot
        stub = self.api.channel.stream_unary("/glovebox.v1.SnapshotService/UploadBlob",
                                             request_serializer=types.UploadBlobRequest.SerializeToString,
                                             response_deserializer=types.UploadBlobResponse.FromString)
        return stub(iter(types.UploadBlobRequest(**message) for message in messages), timeout=60).committed_offset

    def send(self, data, first=0, until=None, piece=MIB):
        """From an offset on; how much is kept then."""
        until = len(data) if until is None else until
        return self.stream({**({"digest": digest_of(data)} if at == first else {}), "offset": at, "data": data[at:min(at + piece, until)]}
                           for at in range(first, until, piece))

    def kept(self, digest):
        return self.stream([{"digest": digest}])

    def snapshot(self, **source):
        return list(self.api.stream("Snapshot", "ImportSnapshot", **source))[-1].snapshot

    def tree(self, tree):
        return self.snapshot(uploaded_tree=self.put(tree.SerializeToString())[0])


def file(name, data, **more):
    return TREE.FileNode(name=name, digest=digest_of(data), **more)


def child(name, directory):
    return TREE.DirectoryNode(name=name, digest=digest_of(directory.SerializeToString()))


def tree_of(root, *children):
    return TREE.Tree(root=root, children=children)


def nested(levels, width):
    """Each directory names the one below so many times."""
    children, below = [], TREE.Directory()
    for _ in range(levels):
        children.append(below)
        below = TREE.Directory(directories=[child(b"%d" % number, below) for number in range(width)])
    return tree_of(below, *children)


@contextlib.contextmanager
def refused(case, code, reason):
    with case.assertRaises(grpc.RpcError) as caught:
        yield caught
    case.assertEqual(caught.exception.code(), code, caught.exception)
    case.assertIn(reason.encode(), dict(caught.exception.trailing_metadata())["grpc-status-details-bin"], caught.exception)


class Meter:
    """A socket in front of the daemon's that counts what clients send, and passes on no more than `most` of it."""

    def __init__(self, daemon_socket, path, most=None):
        self.daemon_socket, self.path, self.most, self.sent = str(daemon_socket), str(path), most, 0
        self.full = threading.Event()
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen(16)
        self.threads = [threading.Thread(target=self.accept)]
        self.threads[0].start()

    def accept(self):
        while True:
            try:
                client = self.listener.accept()[0]
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            try:
                server.connect(self.daemon_socket)
            except OSError:
                client.close()
                server.close()
                continue
            for source, target, counted in ((client, server, True), (server, client, False)):
                self.threads.append(threading.Thread(target=self.copy, args=(source, target, counted)))
                self.threads[-1].start()

    def copy(self, source, target, counted):
        swallows = False
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                self.sent += len(data) * counted
                if swallows or counted and self.most is not None and self.sent > self.most:
                    swallows = True  # for good: no stream has a gap and goes on behind it
                    self.full.set()
                    continue  # the client thinks that it is on its way
                target.sendall(data)
        for one in (source, target):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        source.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for thread in self.threads:
            thread.join(30)
        os.unlink(self.path)


class UploadsCase(daemon.AskingCase):
    """A daemon for all tests of a class; what each test uploads is its own, by random bytes in it."""

    CONFIG = ""

    @classmethod
    def setUpClass(cls):
        daemon.require_root()
        cls.daemon = daemon.Daemon()
        cls.start()
        print(f"GLOVEBOX_SEED={SEED}", flush=True)

    @classmethod
    def start(cls):
        config = cls.daemon.root / "gloveboxd.toml"
        config.write_text(cls.CONFIG)
        cls.daemon.start("--config", str(config))
        cls.connect()

    @classmethod
    def connect(cls):
        cls.api = api_client.Api(cls.daemon.socket)
        cls.upload = Upload(cls.api)

    @classmethod
    def tearDownClass(cls):
        cls.api.close()
        log = cls.daemon.read_log()
        if left := cls.daemon.stop():
            raise AssertionError(f"left behind: {left}\n{log}")

    def setUp(self):
        self.top = pathlib.Path(tempfile.mkdtemp(prefix="glovebox-e2e-upload-", dir="/tmp"))
        self.addCleanup(shutil.rmtree, self.top, True)
        self.top.chmod(0o755)
        self.random = random.Random(f"{SEED} {self.id()}")

    def again(self):
        """The daemon is killed, and another one is there."""
        self.api.close()
        self.daemon.kill()
        self.start()

    def blobs(self, pattern="*"):
        return sorted(self.daemon.state.glob(f"blobs/*/{pattern}"))

    def path_of(self, data):
        return self.daemon.state / "blobs" / "*" / f"{hashlib.sha256(data).hexdigest()}-{len(data)}"

    def on_disk(self, data):
        return self.blobs(self.path_of(data).name)

    def command(self, *arguments, through=None, **options):
        environment = {**self.daemon.environment(), **({} if through is None else {"GLOVEBOX_SOCKET": through.path})}
        return subprocess.Popen(self.daemon.command("snapshot", "import", *arguments), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, env=environment, **options)

    def imported(self, *arguments, through=None):
        """The digest, and what the command says that it sent: blobs and bytes, each of how many."""
        with self.command(*arguments, through=through) as running:
            out, said = running.communicate(timeout=300)
        done = subprocess.CompletedProcess(arguments, running.returncode, out, said)
        self.assertEqual(done.returncode, 0, done.stderr.decode() + self.daemon.read_log())
        self.addCleanup(self.daemon.cli, "snapshot", "rm", done.stdout.decode().strip())
        return done.stdout.decode().strip(), [int(number) for number in re.findall(rb"\d+", done.stderr)]

    def lines_inside(self, digest):
        sandbox = self.create("--snapshot", digest)
        lines = self.told("exec", "-w", "/", sandbox, "--", "/usr/bin/python3", "-c", trees_suite.DIGEST_SCRIPT, "/workspace").splitlines()
        self.ok("rm", sandbox)
        return lines

    def remove(self, snapshot):
        self.ok("snapshot", "rm", snapshot.digest)


class Uploads(UploadsCase):
    def test_random_trees_are_the_snapshots_of_their_directories(self):
        for number in range(3):
            with tempfile.TemporaryDirectory(dir=self.top) as top:
                tree = trees_suite.Trees.random_tree(Place(top), self.random)
                digest, _ = self.imported("--directory", tree)
                self.assertEqual(self.imported("--upload", tree)[0], digest, f"GLOVEBOX_SEED={SEED}")
        self.ok("snapshot", "rm", digest)
        with tempfile.TemporaryDirectory(dir=self.top) as top:
            tree = trees_suite.Trees.random_tree(Place(top), self.random)
            # A Tree has no hard links: each name is a file.
            meant = [re.sub(r" as b(['\"]).*\1 (\d+ [0-9a-f]{64})$", r" \2", line) for line in tree_digest.describe(tree)]
            self.assertEqual(self.lines_inside(self.imported("--upload", tree)[0]), meant, f"GLOVEBOX_SEED={SEED}")

    def test_tar_files_are_the_snapshots_of_their_paths(self):
        data = archive(member("a", self.random.randbytes(300_000)), member("d/b", b"2", mode=0o755), member("h", kind=HARD, link="a"))
        digests = set()
        for ending, pack in PACKED.items():
            path = self.top / f"t.{ending}"
            path.write_bytes(pack(data))
            digests |= {self.imported("--tar", path)[0], self.imported("--upload", path)[0]}
        self.assertEqual(len(digests), 1)

    def test_what_a_client_of_the_remote_execution_api_says_is_understood(self):
        data = self.random.randbytes(1000)
        below = TREE.Directory(files=[file(b"program", data, is_executable=True), file(b"plain", data), file(b"empty", b"")],
                               symlinks=[TREE.SymlinkNode(name=b"link", target=b"/etc/passwd")])
        mode = TREE.NodeProperties(unix_mode={"value": 0o6751}, mtime={"seconds": 1_000_000_000, "nanos": 5})
        root = TREE.Directory(directories=[child(b"Twin", below), child(b"twin", below), child(b"none", TREE.Directory())],
                              files=[file(b"mode", data, node_properties=mode), file(b"\xff\n", data)])
        self.upload.put(data)
        snapshot = self.upload.tree(tree_of(root, below, TREE.Directory()))
        sandbox = self.create("--snapshot", snapshot.digest)
        shown = self.told("exec", sandbox, "--", "sh", "-c", "stat -c '%n %a %s' twin/* none mode; stat -c %Y mode; readlink Twin/link; ls | wc -l")
        self.assertEqual(shown.splitlines(), ["twin/empty 644 0", "twin/link 777 11", "twin/plain 644 1000", "twin/program 755 1000",
                                              "none 755 4096", "mode 751 1000", "1000000000", "/etc/passwd", "6"])
        self.assertIn("uploaded tree ", snapshot.source)
        self.ok("rm", sandbox)
        self.remove(snapshot)

    def test_only_what_is_missing_travels(self):
        tree = self.top / "tree"
        for number in range(40):
            (tree / f"d{number % 4}").mkdir(parents=True, exist_ok=True)
            (tree / f"d{number % 4}" / f"f{number}").write_bytes(self.random.randbytes(100_000))
        (tree / "large").write_bytes(self.random.randbytes(3 * MIB))
        (tree / "twin").write_bytes((tree / "large").read_bytes())

        def import_it():
            with Meter(self.daemon.socket, self.top / "socket") as meter:
                digest, said = self.imported("--upload", tree, through=meter)
                return digest, said, meter.sent

        first, said, sent = import_it()
        self.assertEqual((said[0], said[1], said[2]), (42, 42, said[3]), "40 files, a large one, and the Tree")
        self.assertGreater(sent, 40 * 100_000 + 3 * MIB)
        same, said, sent = import_it()
        self.assertEqual((same, said[0], said[2]), (first, 0, 0))
        self.assertLess(sent, CHATTER)
        (tree / "d1" / "f1").write_bytes(b"changed")
        (tree / "d2" / "added").write_bytes(self.random.randbytes(1000))
        os.rename(tree / "large", tree / "d3" / "renamed")
        other, said, sent = import_it()
        self.assertEqual(said[:2], [3, 43], "two files, and the Tree")
        self.assertLess(sent, CHATTER)
        self.assertEqual(other, self.imported("--directory", tree)[0])

    def test_an_upload_whose_client_is_killed_is_resumed(self):
        path = self.top / "t.tar"
        path.write_bytes(archive(member("large", self.random.randbytes(8 * MIB))))
        data = path.read_bytes()
        with Meter(self.daemon.socket, self.top / "socket", most=4 * MIB) as meter:
            with self.command("--upload", path, through=meter) as client:
                self.assertTrue(meter.full.wait(daemon.DEADLINE_S))
                partial = f".partial-{self.path_of(data).name}"
                daemon.wait_until(lambda: any(one.stat().st_size >= 2 * MIB for one in self.blobs(partial)), "what came is kept")
                client.kill()
        _, said = self.imported("--upload", path)
        self.assertEqual((said[0], said[1], said[3]), (1, 1, len(data)))
        self.assertLessEqual(said[2], len(data) - 2 * MIB)
        self.assertEqual(self.blobs(partial), [])

    def test_an_upload_whose_daemon_is_killed_is_resumed(self):
        data = archive(member("large", self.random.randbytes(5 * MIB)))
        self.assertEqual(self.upload.send(data, until=3 * MIB), 3 * MIB)
        small = self.upload.put(self.random.randbytes(100))
        self.again()
        self.assertEqual(self.upload.kept(digest_of(data)), 3 * MIB)
        self.assertEqual(self.upload.missing(digest_of(data), *small), [digest_of(data)])
        self.assertEqual(self.upload.send(data, first=3 * MIB), len(data))
        self.again()
        self.assertEqual(self.upload.missing(digest_of(data)), [])
        self.remove(self.upload.snapshot(uploaded_archive=digest_of(data)))

    def test_the_command_goes_on_when_the_daemon_comes_back(self):
        path = self.top / "t.tar"
        path.write_bytes(archive(member("large", self.random.randbytes(8 * MIB))))
        with Meter(self.daemon.socket, self.top / "socket", most=4 * MIB) as meter:
            with self.command("--upload", path, through=meter) as client:
                self.assertTrue(meter.full.wait(daemon.DEADLINE_S))
                meter.most = None
                self.again()
                out, said = client.communicate(timeout=daemon.DEADLINE_S)
        self.assertEqual(client.returncode, 0, said)
        self.assertEqual(out.decode().strip(), self.imported("--tar", path)[0])

    def test_two_uploads_of_one_blob_at_once_are_one_blob(self):
        data = self.random.randbytes(6 * MIB)
        with concurrent.futures.ThreadPoolExecutor(3) as threads:
            kept = list(threads.map(lambda piece: self.upload.send(data, piece=piece), (MIB, MIB // 3, 70_000)))
        self.assertEqual(kept, [len(data)] * 3)
        self.assertEqual(self.on_disk(data)[0].read_bytes(), data)
        self.assertEqual(self.blobs(f".partial-{self.path_of(data).name}"), [])

    def test_what_is_not_what_was_named_is_not_kept(self):
        data = self.random.randbytes(2 * MIB)
        wrong = bytes(len(data))
        with refused(self, grpc.StatusCode.INVALID_ARGUMENT, "DIGEST_MISMATCH"):
            self.upload.stream([{"digest": digest_of(data), "data": wrong[:MIB]}, {"offset": MIB, "data": wrong[MIB:]}])
        self.assertEqual(self.upload.kept(digest_of(data)), 0)
        results = self.api.call("Snapshot", "BatchUpdateBlobs", blobs=[{"digest": digest_of(b"x" + data[:9]), "data": b"y"},
                                                                       {"digest": digest_of(data[:9]), "data": data[:9]},
                                                                       {"digest": DIGEST(hash="x", size_bytes=1), "data": b"y"}]).results
        self.assertEqual([result.status.code for result in results], [3, 0, 3])
        self.assertIn(b"DIGEST_MISMATCH", results[0].status.details[0].value)
        self.assertEqual(self.upload.missing(digest_of(data), digest_of(data[:9])), [digest_of(data)])
        # The right hash with another size is another blob.
        self.assertEqual(len(self.upload.missing(DIGEST(hash=digest_of(data[:9]).hash, size_bytes=10))), 1)

    def test_gaps_and_what_messages_may_not_have_are_refused(self):
        data = self.random.randbytes(3 * MIB)
        digest = digest_of(data)
        self.assertEqual(self.upload.send(data, until=MIB), MIB)
        with refused(self, grpc.StatusCode.OUT_OF_RANGE, "UPLOAD_GAP") as caught:
            self.upload.stream([{"digest": digest, "offset": MIB + 1, "data": b"x"}])
        self.assertIn(b"accepted_offset", dict(caught.exception.trailing_metadata())["grpc-status-details-bin"])
        for messages, field in (([], "digest"), ([{"data": b"x"}], "digest"), ([{"digest": DIGEST(hash="../x", size_bytes=1)}], "digest"),
                                ([{"digest": digest, "data": data[:MIB + 1]}], "data"), ([{"digest": digest, "offset": len(data), "data": b"x"}], "data"),
                                ([{"digest": digest}, {"digest": digest}], "digest")):
            with refused(self, grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD") as caught:
                self.upload.stream(messages)
            self.assertIn(field, caught.exception.details())
        with refused(self, grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD"):
            self.upload.missing(*[digest] * 10_001)
        self.assertEqual(self.upload.missing(*[digest] * 10_000), [digest])
        self.assertEqual(self.upload.send(data), len(data), "what is there already may come again")

    def test_hostile_trees_are_refused_with_their_names(self):
        data = self.random.randbytes(100)
        self.upload.put(data)
        empty = TREE.Directory()
        cases = {
            '"a/b": has a slash': TREE.Directory(files=[file(b"a/b", data)]), '"..": is no name': TREE.Directory(files=[file(b"..", data)]),
            '".": is no name': TREE.Directory(directories=[child(b".", empty)]), "has no name": TREE.Directory(files=[file(b"", data)]),
            "or a NUL": TREE.Directory(files=[file(b"a\0b", data)]), "over 255 bytes": TREE.Directory(files=[file(b"x" * 256, data)]),
            '"twice": is twice': TREE.Directory(files=[file(b"twice", data)], symlinks=[TREE.SymlinkNode(name=b"twice", target=b"x")]),
            '"gone": is a directory': TREE.Directory(directories=[child(b"gone", TREE.Directory(files=[file(b"x", data)]))]),
            "no path": TREE.Directory(symlinks=[TREE.SymlinkNode(name=b"l")]),
            "has no digest": TREE.Directory(files=[TREE.FileNode(name=b"f", digest=DIGEST(hash="../../etc", size_bytes=1))]),
        }
        before = self.ok("snapshot", "ls", "--json")
        for words, root in cases.items():
            with self.subTest(words), refused(self, grpc.StatusCode.FAILED_PRECONDITION, "ARCHIVE_INVALID") as caught:
                self.upload.tree(tree_of(root, empty))
            self.assertIn(words, caught.exception.details())
        for what, message in {"noise": self.random.randbytes(500), "a cut one": tree_of(cases["no path"]).SerializeToString()[:-1],
                              "no root": TREE.Tree(children=[empty]).SerializeToString()}.items():
            with self.subTest(what), refused(self, grpc.StatusCode.FAILED_PRECONDITION, "ARCHIVE_INVALID"):
                self.upload.snapshot(uploaded_tree=self.upload.put(message)[0])
        for what, bomb in {"depth": nested(251, 1), "width": nested(40, 2), "bytes": tree_of(TREE.Directory(files=[TREE.FileNode(
                name=b"f", digest=DIGEST(hash="a" * 64, size_bytes=1 << 62))]))}.items():
            with self.subTest(what), refused(self, grpc.StatusCode.RESOURCE_EXHAUSTED, "IMPORT_TOO_LARGE"):
                self.upload.tree(bomb)
        with refused(self, grpc.StatusCode.FAILED_PRECONDITION, "ARCHIVE_INVALID"):
            self.upload.snapshot(uploaded_archive=self.upload.put(archive(member("../x", b"1")))[0])
        self.assertEqual(self.ok("snapshot", "ls", "--json"), before)

    def test_what_was_not_uploaded_is_named(self):
        data = self.random.randbytes(100)
        with refused(self, grpc.StatusCode.NOT_FOUND, "BLOB_NOT_FOUND") as caught:
            self.upload.tree(tree_of(TREE.Directory(files=[file(b"f", data)])))
        self.assertIn(digest_of(data).hash, caught.exception.details())
        for source in ("uploaded_tree", "uploaded_archive"):
            with refused(self, grpc.StatusCode.NOT_FOUND, "BLOB_NOT_FOUND"):
                self.upload.snapshot(**{source: digest_of(data)})
            with refused(self, grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD"):
                self.upload.snapshot(**{source: digest_of(b"")})

    def test_a_blob_that_rots_is_told_and_refused_and_comes_again(self):
        data, tar = self.random.randbytes(5000), archive(member("f", self.random.randbytes(5000)))
        tree = tree_of(TREE.Directory(files=[file(b"f", data)]))
        self.upload.put(data, tar, tree.SerializeToString())
        for rotten, source in ((data, {"uploaded_tree": digest_of(tree.SerializeToString())}), (tar, {"uploaded_archive": digest_of(tar)}),
                               (tree.SerializeToString(), {"uploaded_tree": digest_of(tree.SerializeToString())})):
            [path] = self.on_disk(rotten)
            with open(path, "r+b") as blob:
                blob.seek(len(rotten) // 2)
                blob.write(bytes([rotten[len(rotten) // 2] ^ 1]))
            self.assertEqual(self.daemon.cli("snapshot", "fsck").returncode, 0)
            found = self.daemon.cli("snapshot", "fsck", "--content", "--json")
            self.assertEqual(found.returncode, 1)
            self.assertEqual([one["name"] for one in json.loads(found.stdout) if one["damaged"]], [f"blobs/{path.parent.name}/{path.name}"])
            with refused(self, grpc.StatusCode.DATA_LOSS, "STORE_CORRUPT") as caught:
                self.upload.snapshot(**source)
            self.assertIn(digest_of(rotten).hash, caught.exception.details())
            self.assertEqual(self.upload.missing(digest_of(rotten)), [digest_of(rotten)], "it is removed")
            self.upload.put(rotten)
            self.remove(self.upload.snapshot(**source))
        self.ok("snapshot", "fsck", "--content")

    def test_gc_takes_what_nobody_mentioned_for_an_hour(self):
        old, young, again = (self.random.randbytes(1000) for _ in range(3))
        self.upload.put(old, young, again)
        self.upload.send(self.random.randbytes(2 * MIB), until=MIB)
        for path in [*self.on_disk(old), *self.on_disk(again), *self.blobs(".partial-*")]:
            status = path.stat()
            os.utime(path, (status.st_atime, status.st_mtime - 7200))
        self.again()
        self.assertEqual(self.blobs(".partial-*"), [], "nobody went on with it")
        self.assertEqual(self.upload.missing(digest_of(again)), [])
        told = json.loads(self.ok("snapshot", "gc", "--dry-run", "--max-bytes", "1GiB", "--json"))
        self.assertEqual((told["blobs_removed"], told["blob_bytes_freed"]), (1, 1000))
        self.assertEqual(len(self.on_disk(old)), 1)
        told = json.loads(self.ok("snapshot", "gc", "--max-bytes", "1GiB", "--json"))
        self.assertEqual((told["blobs_removed"], told["blob_bytes_freed"]), (1, 1000))
        self.assertEqual(self.upload.missing(*map(digest_of, (old, young, again))), [digest_of(old)])

    def test_the_command_line_says_what_it_cannot_upload(self):
        tree = self.top / "tree"
        tree.mkdir()
        os.mkfifo(tree / "pipe")
        self.assertIn("pipe", self.fails(1, "snapshot", "import", "--upload", tree))
        self.assertIn("No such file", self.fails(1, "snapshot", "import", "--upload", self.top / "gone"))
        self.assertIn("give one of", self.fails(2, "snapshot", "import", "--upload", tree, "--directory", tree))
        (self.top / "empty").write_bytes(b"")
        self.assertIn("is empty", self.fails(1, "snapshot", "import", "--upload", self.top / "empty"))


class Place:
    """Where trees_suite makes a tree."""

    def __init__(self, top):
        self.top = pathlib.Path(top)


class Limits(UploadsCase):
    CONFIG = ("[uploads]\nbytes_max = 3000000\nclient_bytes_max = 2500000\nclient_blobs_max = 5\nblob_bytes_max = 2000000\n"
              "client_unfinished_max = 2\n")

    def setUp(self):
        super().setUp()
        self.again()
        for path in self.blobs():
            path.unlink()
        self.again()

    def test_each_limit_is_held_and_says_its_name(self):
        upload = self.upload
        with refused(self, grpc.StatusCode.RESOURCE_EXHAUSTED, "IMPORT_TOO_LARGE"):
            upload.kept(digest_of(bytes(2_000_001)))
        upload.send(self.random.randbytes(2_000_000))
        with refused(self, grpc.StatusCode.RESOURCE_EXHAUSTED, "client_bytes_max"):
            upload.kept(digest_of(bytes(600_000)))
        [result] = self.api.call("Snapshot", "BatchUpdateBlobs", blobs=[{"digest": digest_of(bytes(600_000)), "data": bytes(600_000)}]).results
        self.assertEqual(result.status.code, grpc.StatusCode.RESOURCE_EXHAUSTED.value[0])
        self.assertIn(b"CLIENT_QUOTA", result.status.details[0].value)
        upload.put(b"1", b"2", b"3", b"4")
        with refused(self, grpc.StatusCode.RESOURCE_EXHAUSTED, "client_blobs_max"):
            upload.kept(digest_of(b"5"))
        self.assertEqual(upload.put(b"1"), [digest_of(b"1")], "what is there already needs no room")

    def test_unfinished_uploads_make_room_for_another_when_nobody_sends(self):
        datas = [self.random.randbytes(1000 + number) for number in range(3)]
        for data in datas:
            self.upload.send(data, until=500)
        self.assertEqual([self.upload.kept(digest_of(data)) for data in datas[1:]], [500, 500])
        self.assertEqual(len(self.blobs(".partial-*")), 2)

    def test_no_more_than_as_many_streams_as_there_may_be_send_at_once(self):
        going = threading.Event()

        def stream(data):

            def messages():
                yield {"digest": digest_of(data), "data": data[:500]}
                going.wait(daemon.DEADLINE_S)
                yield {"offset": 500, "data": data[500:]}
            return self.upload.stream(messages())

        with concurrent.futures.ThreadPoolExecutor(2) as threads:
            try:
                done = [threads.submit(stream, self.random.randbytes(1000)) for _ in range(2)]
                daemon.wait_until(lambda: len(self.blobs(".partial-*")) == 2, "both are kept of")
                with refused(self, grpc.StatusCode.RESOURCE_EXHAUSTED, "client_unfinished_max"):
                    self.upload.kept(digest_of(b"another"))
            finally:
                going.set()
            self.assertEqual([one.result() for one in done], [1000, 1000])


class Foreign(ClientsCase):
    def test_what_others_uploaded_is_not_there(self):
        owner, other, admin = (Upload(self.api(uid)) for uid in (OWNER, OTHER, 0))
        data = b"a secret that can be guessed"
        tree = tree_of(TREE.Directory(files=[file(b"f", data)]))
        known, never = digest_of(tree.SerializeToString()), digest_of(b"never uploaded")
        owner.put(data, tree.SerializeToString())
        half = os.urandom(2 * MIB)
        owner.send(half, until=MIB)
        for stranger in (other, admin):
            self.assertEqual(stranger.missing(digest_of(data), never), [digest_of(data), never])
            self.assertEqual(stranger.kept(digest_of(half)), 0)
            answers = []
            for digest in (known, never):
                with refused(self, grpc.StatusCode.NOT_FOUND, "BLOB_NOT_FOUND") as caught:
                    stranger.snapshot(uploaded_tree=digest)
                answers.append(caught.exception.details().replace(digest.hash, "").replace(str(digest.size_bytes), ""))
            self.assertEqual(answers[0], answers[1])
        # Not by a Tree of one's own that names it, either.
        with refused(self, grpc.StatusCode.NOT_FOUND, "BLOB_NOT_FOUND"):
            other.tree(tree)
        self.assertEqual(owner.missing(digest_of(data)), [])
        self.assertTrue(owner.snapshot(uploaded_tree=known).digest)

    def test_room_is_everybodys_own_until_there_is_none_for_all(self):
        self.daemon.process.terminate()
        self.daemon.process.wait(timeout=daemon.DEADLINE_S)
        config = self.daemon.root / "config.toml"
        config.write_text("[uploads]\nbytes_max = 3000000\nclient_bytes_max = 2000000\n")
        self.daemon.start("--socket-group", self.group.gr_name, "--config", str(config))
        owner, other = (Upload(self.api(uid)) for uid in (OWNER, OTHER))
        owner.send(os.urandom(1_900_000))
        with refused(self, grpc.StatusCode.RESOURCE_EXHAUSTED, "CLIENT_QUOTA"):
            owner.kept(digest_of(bytes(200_000)))
        with refused(self, grpc.StatusCode.RESOURCE_EXHAUSTED, "STORE_FULL"):
            other.kept(digest_of(bytes(1_200_000)))
        other.send(os.urandom(1_000_000))


if __name__ == "__main__":
    unittest.main()
