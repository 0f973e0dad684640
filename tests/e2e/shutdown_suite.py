#!/usr/bin/env python3
"""A daemon that is told to stop does not wait for imports: they end, and who waits for one is told so.

The repositories here have a FIFO in the place of git's configuration: git reads it, and would for ever."""

import json
import os
import pathlib
import signal
import unittest

import daemon


class Shutdown(daemon.FreshDaemonCase):
    def repository_that_is_never_read(self, name):
        path, _ = daemon.repository(self.daemon.root, name)
        fifo = pathlib.Path(path, ".git", "config")
        fifo.unlink()
        os.mkfifo(fifo)
        fifo.chmod(0o666)
        return path, fifo

    def end_while(self, name, on_shutdown, *command):
        """`command` with the repository, and SIGTERM once git reads it."""
        self.daemon.process.terminate()
        self.assertEqual(self.daemon.process.wait(timeout=daemon.DEADLINE_S), 0)
        self.daemon.start(on_shutdown=on_shutdown)
        path, fifo = self.repository_that_is_never_read(name)
        client = self.daemon.popen(*command, path)
        self.addCleanup(client.kill)
        with open(fifo, "wb"):  # waits for git
            self.daemon.process.send_signal(signal.SIGTERM)
            self.assertEqual(self.daemon.process.wait(timeout=daemon.DEADLINE_S), 0, self.daemon.read_log())
            _, errors = client.communicate(timeout=daemon.DEADLINE_S)
        self.assertNotEqual(client.returncode, 0)
        self.assertIn(b"the daemon is shutting down", errors)
        self.daemon.start()
        self.assertEqual(json.loads(self.ok("snapshot", "ls", "--json")), [])
        self.assertEqual(self.ok("ls", "-q"), b"")

    def test_an_import_ends(self):
        for on_shutdown in ("leave", "end"):
            with self.subTest(on_shutdown=on_shutdown):
                self.end_while(f"import-{on_shutdown}", on_shutdown, "snapshot", "import")

    def test_a_creation_from_a_repository_ends(self):
        for on_shutdown in ("leave", "end"):
            with self.subTest(on_shutdown=on_shutdown):
                self.end_while(f"create-{on_shutdown}", on_shutdown, "create", "--repo")


if __name__ == "__main__":
    unittest.main()
