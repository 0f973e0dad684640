#!/usr/bin/env python3
"""Every flush that an import waits for fails once (EIO): the import fails, nothing of it is seen, and the next one succeeds. The same
of secrets, which are made and deleted."""

import json
import os
import unittest

import daemon
from tracer import LINE, Tracer


class Flush(daemon.FreshDaemonCase):
    def flushes(self, operation):
        """By thread, as strace counts them: the most that one made."""
        trace = self.daemon.root / "trace"
        with Tracer(self.daemon.process.pid, "-o", str(trace), "-e", "trace=fsync"):
            operation()
            self.ok("version")
        threads = [match.group(1) for match in map(LINE.match, trace.read_text().splitlines()) if match]
        return max(threads.count(thread) for thread in threads)

    def stored(self):
        store = self.daemon.state / "store"
        return {str(path) for kind in ("snapshots", "images", "image-layers") for path in (store / kind).iterdir()}

    def each_flush(self, operation, undo):
        operation()
        undo()
        count = self.flushes(operation)
        undo()
        self.assertGreaterEqual(count, 3, "disk, record, and the directory that names them")
        before = self.stored()
        for number in range(1, count + 1):
            with self.subTest(flush=number):
                with Tracer(self.daemon.process.pid, "-o", "/dev/null", "-e", "trace=fsync",
                            "-e", f"inject=fsync:error=EIO:when={number}"):
                    with self.assertRaises(AssertionError) as caught:
                        operation()
                self.assertIn("Input/output error", str(caught.exception))
                self.assertEqual(self.stored(), before)
                operation()
                self.assertFalse([one for one in json.loads(self.ok("snapshot", "fsck", "--json")) if one["damaged"]])
                undo()

    def test_of_a_snapshot(self):
        tree = self.daemon.root / "tree"
        tree.mkdir()
        (tree / "file").write_bytes(b"content")
        self.each_flush(lambda: self.ok("snapshot", "import", "--directory", tree), lambda: self.ok("snapshot", "gc", "--max-bytes", "0"))
        self.assertEqual(self.ok("snapshot", "ls", "--json"), b"[]\n")

    def test_of_an_image(self):
        root = self.daemon.root / "root"
        (root / "usr").mkdir(parents=True)
        (root / "etc").mkdir()
        self.each_flush(lambda: self.ok("image", "import", "one", root), lambda: self.ok("image", "rm", "one"))
        self.assertEqual(os.listdir(self.daemon.state / "store" / "images"), [])

    def secrets(self):
        """On disk, and as the daemon knows them."""
        return len(os.listdir(self.daemon.state / "secrets")), len(json.loads(self.ok("secret", "ls", "--json")))

    def failing(self, number, *words, **options):
        with Tracer(self.daemon.process.pid, "-o", "/dev/null", "-e", "trace=fsync", "-e", f"inject=fsync:error=EIO:when={number}"):
            done = self.daemon.cli(*words, **options)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn(b"Input/output error", done.stderr)

    def test_of_a_secret(self):
        create, delete = ("secret", "create", "token"), ("secret", "rm", "token")
        value = b"value-of-nobody"
        self.assertEqual(self.flushes(lambda: self.ok(*create, input=value)), 2, "its file, and the directory that names it")
        self.assertEqual(self.flushes(lambda: self.ok(*delete)), 1)
        for number in (1, 2):
            self.failing(number, *create, input=value)
            self.assertEqual(self.secrets(), (0, 0))
            self.restart()
            self.assertEqual(self.secrets(), (0, 0), "nor does a next daemon have it")
            self.ok(*create, input=value)
            self.assertEqual(self.secrets(), (1, 1))
            self.failing(1, *delete)
            self.assertEqual(self.secrets(), (0, 0))
            self.failing(1, *delete)  # a retry says that it is gone when it is for good
            self.assertIn(b"no secret of this client", self.daemon.cli(*delete).stderr)


if __name__ == "__main__":
    unittest.main()
