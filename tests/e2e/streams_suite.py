#!/usr/bin/env python3
"""Bytes are not changed on their way in or out; terminals have their size."""

import fcntl
import hashlib
import os
import pty
import struct
import subprocess
import termios
import unittest

import daemon

SIZE = 100 << 20


class Streams(daemon.DaemonCase):
    def test_100_mb_of_binary_go_in_and_out_unchanged(self):
        sandbox = self.create()
        # Every byte value, no period that a chunk size could hide.
        block = hashlib.shake_256(b"glovebox").digest(1 << 20)
        data = b"".join(bytes([i & 255]) + block[1:] for i in range(SIZE >> 20))
        done = self.daemon.cli("exec", "-i", sandbox, "--", "cat", input=data, timeout=300)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(len(done.stdout), len(data))
        self.assertEqual(hashlib.sha256(done.stdout).digest(), hashlib.sha256(data).digest())
        self.assertEqual(done.stderr, b"")

    def test_end_of_input_is_passed_on(self):
        sandbox = self.create()
        done = self.daemon.cli("exec", "-i", sandbox, "--", "sh", "-c", "cat; echo after", input=b"in\n")
        self.assertEqual((done.returncode, done.stdout), (0, b"in\nafter\n"))

    def test_without_i_the_command_reads_nothing(self):
        sandbox = self.create()
        self.assertEqual(self.daemon.cli("exec", sandbox, "--", "cat", input=b"secret").stdout, b"")

    def test_a_reader_that_goes_away_ends_the_command_quietly(self):
        sandbox = self.create()
        client = self.daemon.popen("exec", "--exec-id", "yes", sandbox, "--", "yes")
        client.stdout.read(10)
        client.stdout.close()
        self.assertEqual(client.wait(timeout=30), 141)
        self.assertEqual(client.stderr.read(), b"")
        client.stderr.close()
        daemon.wait_until(lambda: self.status(sandbox, "yes")["state"] == "ended", "yes ends")

    def test_a_terminal_has_the_size_of_ours(self):
        sandbox = self.create()
        leader, follower = pty.openpty()
        fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 43, 121, 0, 0))
        before = termios.tcgetattr(follower)
        client = subprocess.Popen(self.daemon.command("exec", "-i", "-t", sandbox, "--", "sh", "-c", "stty size; tty"),
                                  env=self.daemon.environment(), stdin=follower, stdout=follower, stderr=follower)
        text = b""
        while b"/dev/pts" not in text:
            text += os.read(leader, 4096)
        self.assertEqual(client.wait(timeout=30), 0)
        self.assertIn(b"43 121\r\n", text)
        self.assertEqual(termios.tcgetattr(follower), before, "the terminal has its modes back")
        os.close(leader)
        os.close(follower)


if __name__ == "__main__":
    unittest.main()
