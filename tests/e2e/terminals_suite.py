#!/usr/bin/env python3
"""Terminals through the client: size, job control, signals by key, hang-up, the end of input."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
import unittest

import daemon


class Terminal:
    """A client on a terminal of its own."""

    def __init__(self, case, *arguments, rows=24, columns=80):
        self.case = case
        self.leader, self.follower = pty.openpty()
        self.resize(rows, columns)
        self.text = b""
        self.client = subprocess.Popen(case.daemon.command(*arguments), env={**case.daemon.environment(), "TERM": "xterm"},
                                       stdin=self.follower, stdout=self.follower, stderr=self.follower,
                                       start_new_session=True)
        case.addCleanup(self.close)

    def resize(self, rows, columns):
        fcntl.ioctl(self.follower, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text):
        os.write(self.leader, text)

    def expect(self, pattern, seconds=30):
        """Reads until `pattern` is there; what came up to its end is taken away."""
        end = time.monotonic() + seconds
        while not (match := re.search(pattern, self.text)):
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.leader], [], [], left)[0]:
                raise AssertionError(f"no {pattern!r} in {self.text!r}")
            self.text += os.read(self.leader, 4096)
        self.text = self.text[match.end():]
        return match

    def wait(self):
        return self.client.wait(timeout=30)

    def close(self):
        if self.client.poll() is None:
            self.client.kill()
            self.client.wait()
        os.close(self.leader)
        os.close(self.follower)


class Terminals(daemon.DaemonCase):
    def setUp(self):
        self.sandbox = self.create()

    def shell(self):
        """An interactive shell with a prompt that nothing else prints."""
        terminal = Terminal(self, "exec", "-i", "-t", "-e", "PS1=<$?>", "-e", "ENV=", self.sandbox, "--", "bash", "--norc",
                            "--noprofile", "--noediting")
        terminal.expect(rb"<0>")
        return terminal

    def test_it_is_the_controlling_terminal(self):
        terminal = Terminal(self, "exec", "-it", self.sandbox, "--", "sh", "-c",
                            "tty; echo via-tty >/dev/tty; ps -o sid=,tpgid=,pid= -p $$; test -t 0 -a -t 1 -a -t 2 && echo all")
        terminal.expect(rb"/dev/pts/\d+\r\n")
        terminal.expect(rb"via-tty\r\n")
        sid, group, pid = terminal.expect(rb" *(\d+) +(\d+) +(\d+)\r\n").groups()
        self.assertEqual((sid, group), (pid, pid))
        terminal.expect(rb"all\r\n")
        self.assertEqual(terminal.wait(), 0)

    def test_interactive_shell_verb(self):
        terminal = Terminal(self, "shell", self.sandbox)
        terminal.expect(rb"[$#] ")
        terminal.type(b"echo $((6*7)) $0 $TERM\n")
        terminal.expect(rb"42 bash xterm\r\n")
        terminal.type(b"exit 5\n")
        self.assertEqual(terminal.wait(), 5)

    def test_a_terminal_has_a_type(self):
        done = self.daemon.cli("exec", "-t", self.sandbox, "--", "sh", "-c", "tput -T $TERM cols >/dev/null && echo $TERM")
        self.assertRegex(done.stdout, rb"\A[a-z]+[a-z0-9-]*\r\n\Z")

    def test_resize_reaches_the_program_as_a_signal_and_a_size(self):
        # Blocked, the signal is not lost between the look at the size and the wait.
        terminal = Terminal(self, "exec", "-it", self.sandbox, "--", "python3", "-c",
                            "import os, signal; signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGWINCH})\n"
                            "for _ in range(2): print(*reversed(os.get_terminal_size()), flush=True); signal.sigwait({signal.SIGWINCH})",
                            rows=30, columns=90)
        terminal.expect(rb"30 90\r\n")
        terminal.resize(55, 111)
        terminal.client.send_signal(signal.SIGWINCH)
        terminal.expect(rb"55 111\r\n")

    def test_interrupt_and_quit_by_key_end_the_foreground_job_alone(self):
        terminal = self.shell()
        terminal.type(b"sleep 1000\n")
        terminal.expect(rb"sleep 1000\r\n")
        self.in_foreground("sleep")
        terminal.type(b"\x03")
        terminal.expect(rb"<130>")
        terminal.type(b"sleep 1000\n")
        self.in_foreground("sleep")
        terminal.type(b"\x1c")
        terminal.expect(rb"<131>")

    def in_foreground(self, name):
        """Until a process of that name is the terminal's foreground job."""
        daemon.wait_until(lambda: self.daemon.cli("exec", self.sandbox, "--", "sh", "-c",
                                                  f"ps -eo stat=,comm= | grep -q '+ *{name}'").returncode == 0, name)

    def test_stop_background_and_foreground(self):
        terminal = self.shell()
        terminal.type(b"cat\n")
        self.in_foreground("cat")
        terminal.type(b"\x1a")
        terminal.expect(rb"Stopped +cat\r\n<148>")
        terminal.type(b"bg\n")
        # A background job that reads the terminal is stopped by the kernel (SIGTTIN).
        terminal.expect(rb"\[1\]\+ cat &")
        terminal.type(b"fg\n")
        terminal.expect(rb"\ncat\r\n")
        self.in_foreground("cat")
        terminal.type(b"hello\n")
        terminal.expect(rb"hello\r\nhello\r\n")
        terminal.type(b"\x04")
        terminal.expect(rb"<0>")
        terminal.type(b"exit\n")
        self.assertEqual(terminal.wait(), 0)

    def test_end_of_input_by_key_ends_the_shell(self):
        terminal = self.shell()
        terminal.type(b"\x04")
        self.assertEqual(terminal.wait(), 0)

    def test_end_of_our_input_is_the_terminals_end_of_file(self):
        done = self.daemon.cli("exec", "-i", "-t", self.sandbox, "--", "sh", "-c", "cat; echo after", input=b"line\n")
        self.assertEqual(done.stdout.replace(b"\r", b""), b"line\nline\nafter\n")

    def test_raw_mode_passes_every_byte(self):
        terminal = Terminal(self, "exec", "-it", self.sandbox, "--", "sh", "-c",
                            "stty raw -echo; echo ready; head -c 6 | od -An -tx1; stty sane")
        terminal.expect(rb"ready")
        terminal.type(b"\x03\x04\x1a\x1c\x7f\xff")
        terminal.expect(rb"03 04 1a 1c 7f ff")
        self.assertEqual(terminal.wait(), 0)

    def test_the_leaders_end_hangs_up_the_foreground_and_what_is_stopped(self):
        script = ("trap 'echo hup >/tmp/hup; exit' HUP; (trap 'echo hup >/tmp/hup2; exit' HUP; echo on; "
                  "while :; do sleep 0.1; done) & wait $!")
        terminal = Terminal(self, "exec", "-it", self.sandbox, "--", "bash", "-c",
                            f"bash -c \"{script}\" & sleep 0.01; read x; kill -9 $$")
        terminal.expect(rb"on")
        terminal.type(b"\n")
        self.assertEqual(terminal.wait(), 137)
        # Killed with the tree at the latest: nothing of the session is left.
        daemon.wait_until(lambda: self.daemon.cli("exec", self.sandbox, "--", "sh", "-c", "ps -eo comm= | grep -c bash").stdout
                          == b"0\n", "no bash is left")

    def test_full_screen_programs_draw(self):
        if self.daemon.cli("exec", self.sandbox, "--", "sh", "-c", "command -v less").returncode != 0:
            self.skipTest("the host image has no less")
        terminal = Terminal(self, "exec", "-it", self.sandbox, "--", "sh", "-c", "seq 1000 | less", rows=10)
        terminal.expect(rb"\x1b\[.*1\r?\n2\r?\n")
        terminal.type(b"G")
        terminal.expect(rb"1000")
        terminal.type(b"q")
        self.assertEqual(terminal.wait(), 0)


if __name__ == "__main__":
    unittest.main()
