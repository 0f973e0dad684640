#!/usr/bin/env python3
"""The daemon is killed, stopped and started anew: commands run on, and the next daemon has every byte and every end."""

import concurrent.futures
import os
import pathlib
import pty
import signal
import subprocess
import time
import unittest

import daemon

# Numbered lines on both streams until a file says stop; then a code of its own.
TALKER = "i=0; while [ ! -e ~/stop ]; do i=$((i+1)); echo out $i; echo err $i >&2; sleep 0.01; done; echo last; exit 7"
MANY = 200


class Adoption(daemon.FreshDaemonCase):
    def start_talker(self, sandbox, name="talker"):
        self.ok("exec", "-d", "--exec-id", name, sandbox, "--", "sh", "-c", TALKER)

    def check_talk(self, sandbox, name="talker"):
        """Every line once and in order, and the right end."""
        done = self.daemon.cli("logs", "-f", sandbox, name)
        for stream, word in ((done.stdout, "out"), (done.stderr, "err")):
            lines = [line for line in stream.decode().splitlines() if line.startswith(word + " ")]
            self.assertEqual(lines, [f"{word} {i + 1}" for i in range(len(lines))])
            self.assertGreater(len(lines), 0)
        self.assertIn(b"last\n", done.stdout)
        end = self.status(sandbox, name)
        self.assertEqual((end["state"], end["cause"], end["exit_code"]), ("ended", "exited", 7), end)

    def test_a_killed_daemon_costs_a_running_command_nothing(self):
        sandbox = self.create("--label", "a=b")
        self.start_talker(sandbox)
        for _ in range(3):
            self.restart()
        self.assertEqual(self.status(sandbox, "talker")["state"], "running")
        self.assertEqual(self.inspect(sandbox)["labels"], {"a": "b"})
        # What is new works beside what was taken over.
        self.assertEqual(self.told("exec", sandbox, "--", "sh", "-c", "touch ~/stop; echo new"), "new\n")
        self.check_talk(sandbox)
        self.assertIn("stop", self.told("changes", sandbox))

    def test_an_end_that_nobody_saw_is_told_by_the_next_daemon(self):
        sandbox = self.create()
        self.ok("exec", "-d", "--exec-id", "short", sandbox, "--", "sh", "-c", "kill -STOP $$; echo done; exit 5")
        command = daemon.wait_until(lambda: [pid for pid in self.daemon.exec_processes(sandbox) if daemon.is_stopped(pid)],
                                    "the command waits")
        self.daemon.kill()
        os.kill(command[0], signal.SIGCONT)
        daemon.wait_until(lambda: not self.daemon.exec_processes(sandbox), "the command ends while no daemon runs")
        self.daemon.start()
        done = self.daemon.cli("logs", "-f", sandbox, "short")
        self.assertEqual(done.stdout, b"done\n")
        end = self.status(sandbox, "short")
        self.assertEqual((end["cause"], end["exit_code"]), ("exited", 5))
        # And by the one after that, from the archive: init has forgotten it by now.
        self.restart()
        self.assertEqual(self.daemon.cli("logs", sandbox, "short").stdout, b"done\n")
        self.assertEqual(self.status(sandbox, "short")["exit_code"], 5)

    def test_a_sandbox_whose_init_died_meanwhile_is_stopped_with_a_reason(self):
        sandbox = self.create()
        self.ok("exec", sandbox, "--", "sh", "-c", "echo kept > ~/file")
        self.ok("exec", "-d", "--exec-id", "open", sandbox, "--", "sleep", "600")
        self.ok("exec", "--exec-id", "ended", sandbox, "--", "echo", "archived")
        init = self.daemon.init_of(sandbox)
        self.daemon.kill()
        daemon.kill_and_wait(init)
        self.daemon.start()
        info = self.inspect(sandbox)
        self.assertEqual(info["state"], "stopped")
        self.assertIn("ended while no gloveboxd ran", info["stop_reason"])
        self.assertEqual(self.status(sandbox, "open")["cause"], "sandbox_gone")
        self.assertEqual(self.daemon.cli("logs", sandbox, "ended").stdout, b"archived\n")
        self.assertEqual(self.told("changes", sandbox), "A\tfile\n")
        self.restart()
        self.assertEqual(self.status(sandbox, "open")["cause"], "sandbox_gone")
        self.ok("rm", sandbox)

    def test_sigterm_leaves_or_ends_as_configured(self):
        sandbox = self.create()
        self.start_talker(sandbox)
        self.restart(on_shutdown="leave")
        follower = self.daemon.popen("logs", "-f", sandbox, "talker")
        follower.stdout.readline()
        self.daemon.process.terminate()
        self.assertEqual(self.daemon.process.wait(timeout=daemon.DEADLINE_S), 0)
        self.assertTrue(self.daemon.init_of(sandbox))
        follower.kill()
        follower.communicate()
        self.daemon.start(on_shutdown="end")
        self.ok("exec", sandbox, "--", "touch", "/home/agent/stop")
        self.check_talk(sandbox)

    def test_end_sandboxes_ends_what_a_daemon_left(self):
        for _ in range(3):
            self.start_talker(self.create())
        self.daemon.kill()
        self.assertEqual(self.daemon.end_sandboxes(), 0)
        instance = self.daemon.instance()
        self.assertEqual(self.daemon.left_on_host(instance), [])
        self.daemon.start()
        self.assertEqual(self.told("ls", "-q"), "")

    def test_a_second_daemon_is_refused_and_a_death_frees_the_state_directory(self):
        second = subprocess.run(self.daemon.program(), capture_output=True, timeout=daemon.DEADLINE_S)
        self.assertEqual(second.returncode, 1)
        self.assertIn(b"STATE_DIR_IN_USE", second.stderr)
        self.restart()

    def test_ctrl_c_in_the_daemons_terminal_is_not_for_the_sandboxes(self):
        sandbox = self.create()
        self.start_talker(sandbox)
        self.daemon.kill()
        child, terminal = pty.fork()
        if child == 0:
            program = [str(word) for word in self.daemon.program("--on-shutdown", "leave")]
            os.execv(program[0], program)
        daemon.wait_until(lambda: self.daemon.cli("ls", "-q").returncode == 0, "the daemon serves in a terminal")
        other = self.create()
        os.write(terminal, b"\x03")
        daemon.wait_until(lambda: os.waitpid(child, os.WNOHANG)[0] == child, "the daemon ends")
        os.close(terminal)
        self.daemon.start()
        self.ok("exec", sandbox, "--", "touch", "/home/agent/stop")
        self.check_talk(sandbox)
        self.assertEqual(self.inspect(other)["state"], "running")

    def test_a_full_log_is_whole_after_a_restart_during_the_run_and_after_its_end(self):
        sandbox = self.create()
        last = 400_000  # more than head and tail keep
        text = "".join(f"{i}\n" for i in range(1, last + 1)).encode()
        self.ok("exec", "-d", "--exec-id", "log", "--full-log", sandbox, "--", "sh", "-c",
                f"seq 1 {last}; until [ -e ~/stop ]; do sleep 0.05; done; echo end")
        daemon.wait_until(lambda: self.daemon.cli("logs", sandbox, "log").stdout == text, "the command has written")
        self.restart()
        self.assertTrue(self.daemon.cli("logs", sandbox, "log").stdout == text, "while it runs")
        self.ok("exec", sandbox, "--", "touch", "/home/agent/stop")
        daemon.wait_until(lambda: self.status(sandbox, "log")["state"] == "ended", "it ends")
        for _ in range(2):  # held by init or archived; certainly archived
            self.restart()
            self.assertTrue(self.daemon.cli("logs", "-f", sandbox, "log").stdout == text + b"end\n", "after its end")
            daemon.wait_until(lambda: list(self.daemon.state.glob(f"output/{sandbox}/*")), "its output is stored")

    def test_many_sandboxes_are_taken_over_quickly(self):
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda _: self.create(), range(MANY)))
        self.daemon.kill()
        begin = time.monotonic()
        self.daemon.start()
        seconds = time.monotonic() - begin
        print(f"took over {MANY} sandboxes, start to serving: {seconds:.2f} s")
        self.assertEqual(list(self.known().values()), ["running"] * MANY)
        self.assertLess(seconds, 20)


if __name__ == "__main__":
    unittest.main()
