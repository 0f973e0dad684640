#!/usr/bin/env python3
"""glovebox-spawner dies and the daemon goes on: sandboxes that run notice nothing, the next ones are like them."""

import os
import pathlib
import signal
import subprocess
import unittest

import daemon

# What a sandbox's processes inherit, through init, from its spawner.
POSTURE = "grep -E '^(Uid|Groups|Cap|NoNewPrivs|Seccomp)' /proc/self/status; ulimit -a; umask"
SANDBOX_GONE = 125


class Spawner(daemon.DaemonCase):
    def kill(self, name):
        """The daemon's own child of that name, which has ended when this returns."""
        def found():  # the next reserve comes while others are served
            return [pid for pid in self.daemon.descendants() if daemon.name_of(pid) == name]

        daemon.wait_until(found, name)
        self.assertEqual(len(found()), 1, name)
        daemon.kill_and_wait(found()[0])

    @staticmethod
    def is_first_inside(pid):
        try:
            text = pathlib.Path(f"/proc/{pid}/status").read_text()
            return text.partition("NSpid:")[2].splitlines()[0].split()[-1] == "1"
        except OSError:
            return False

    def posture(self, sandbox):
        # The ids are each sandbox's own outside and the same inside.
        text = self.ok("exec", sandbox, "--", "sh", "-c", POSTURE).decode()
        self.assertIn("Seccomp_filters:\t2\n", text)
        return text

    def test_sandboxes_outlive_it_and_the_next_ones_are_as_confined(self):
        sandbox = self.create()
        expected = self.posture(sandbox)
        client = self.daemon.popen("exec", "-i", sandbox, "--", "sh", "-c", "echo up; read line; echo $line",
                                   stdin=subprocess.PIPE)
        self.assertEqual(client.stdout.readline(), b"up\n")
        for name in ("glovebox-spawn", "spawner-reserve", "glovebox-spawn"):
            self.kill(name)
            self.assertEqual(self.posture(self.create()), expected)
        log = self.daemon.read_log()
        self.assertEqual(log.count("another one makes sandboxes now"), 2, log)
        self.assertIn("the glovebox-spawner in reserve had ended", log)
        # A command of before runs on.
        self.assertEqual(client.communicate(b"on\n", timeout=daemon.DEADLINE_S)[0], b"on\n")
        self.assertEqual(self.posture(sandbox), expected)

    def test_the_end_of_a_sandbox_is_seen_though_its_spawner_is_gone(self):
        known = set(self.daemon.descendants())
        sandbox = self.create()
        new = set(self.daemon.descendants()) - known
        init = [pid for pid in new if self.is_first_inside(pid)]
        self.assertEqual(len(init), 1)
        client = self.daemon.popen("exec", sandbox, "--", "sh", "-c", "echo up; exec sleep 600")
        self.assertEqual(client.stdout.readline(), b"up\n")
        descriptor = os.pidfd_open(init[0])
        self.kill("glovebox-spawn")
        signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        os.close(descriptor)
        self.assertEqual(client.wait(timeout=daemon.DEADLINE_S), SANDBOX_GONE)
        self.assertIn(b"sandbox is gone", client.communicate()[1])


if __name__ == "__main__":
    unittest.main()
