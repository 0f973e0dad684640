#!/usr/bin/env python3
"""A shell that stays: what it keeps, what each command's end says, what does not get at it."""

import json
import os
import signal
import unittest

import daemon


class Shell(daemon.DaemonCase):
    def setUp(self):
        self.sandbox = self.create()

    def sh(self, script, *options, name="s", **keywords):
        return self.daemon.cli("shell", self.sandbox, "--id", name, *options, "-c", script, **keywords)

    def says(self, script, text, code=0, **keywords):
        done = self.sh(script, **keywords)
        self.assertEqual((done.stdout.decode(), done.returncode), (text, code), done.stderr.decode())

    def frames(self, script, *options):
        done = self.daemon.cli("shell", self.sandbox, "--id", "s", *options, "--json", "-c", script)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def runs(self, name):
        """Whether a process of that name is in the sandbox and is no corpse."""
        done = self.daemon.cli("exec", self.sandbox, "--", "sh", "-c", f"ps -eo stat=,comm= | grep -q '^[^Z][^ ]* *{name}$'")
        self.assertIn(done.returncode, (0, 1), done.stderr)
        return done.returncode == 0

    def exec_end(self, name="s"):
        return daemon.wait_until(lambda: (lambda s: s if s["state"] == "ended" else None)(
            self.status(self.sandbox, name)), "the shell ends")

    def test_directory_variables_functions_and_options_stay(self):
        self.says("cd /usr/lib && export A=1; B=two; f() { echo f $1; }; declare -A m=([k]=v); umask 077", "")
        self.says("pwd; echo $A $B ${m[k]}; f x; umask; env | grep ^A=; env | grep -c ^B=", "/usr/lib\n1 two v\nf x\n0077\nA=1\n0\n", 1)
        self.says("echo $?", "1\n")
        self.says("shopt -s nullglob; alias hi='echo hello'", "")
        self.says("echo /nonesuch*; hi", "\nhello\n")
        self.says("exec 7>/tmp/seven; echo a >&7", "")
        self.says("echo b >&7; cat /tmp/seven", "a\nb\n")

    def test_each_command_has_its_own_exit_code(self):
        for code in (0, 1, 7, 127, 255):
            self.assertEqual(self.sh(f"(exit {code})").returncode, code)
        self.assertEqual(self.sh("kill -9 $BASHPID", name="other").returncode, 137)
        self.assertEqual(self.sh("sh -c 'kill -9 $$'").returncode, 137)
        self.assertEqual(self.sh("nosuchcommand").returncode, 127)

    def test_frames_say_where_a_command_begins_and_ends(self):
        frames = self.frames("echo -n out; echo err >&2; false")
        self.assertEqual(frames[0]["command_started"], {"number": 1})
        self.assertEqual(frames[-1]["command_ended"],
                         {"number": 1, "cause": "exited", "exit_code": 1, "shell_ended": False})
        self.assertEqual([frame["sequence"] for frame in frames], list(range(1, len(frames) + 1)))
        self.assertEqual("".join(frame.get("stdout", "") for frame in frames), "out")

    def test_all_output_of_a_command_comes_before_its_end(self):
        done = self.sh("head -c 20000000 /dev/zero; echo end >&2")
        self.assertEqual((len(done.stdout), done.stderr, done.returncode), (20000000, b"end\n", 0))

    def test_output_is_never_taken_for_a_frame(self):
        done = self.sh(r"printf '0\n7\n'; printf '\001\002'; false")
        self.assertEqual((done.stdout, done.returncode), (b"0\n7\n\x01\x02", 1))

    def test_what_a_command_runs_does_not_have_the_control_socket(self):
        self.says("ls -l /proc/self/fd | grep -c socket:", "0\n", 1)
        # Between fork and execve it is still the shell, with all that the shell has.
        self.says("sleep 1000 & until [ $(cat /proc/$!/comm) = sleep ]; do :; done; ls -l /proc/$!/fd | grep -c socket:; kill $!",
                  "0\n")
        # What the shell has cannot be opened by another process: a socket has no path.
        self.says("n=0; for fd in /proc/$$/fd/*; do [ -S $fd ] || continue; n=$((n+1)); "
                  "sh -c 'echo 0 >$0' $fd 2>/dev/null && echo opened; done; [ $n -gt 0 ]", "")

    def test_stdin_is_the_null_device(self):
        self.says("cat; read x; echo $?", "1\n")

    def test_syntax_errors_are_a_status_and_the_shell_lives(self):
        self.says("A=kept", "")
        for script in ("echo )", "echo 'unclosed", "if true", "for"):
            done = self.sh(script)
            self.assertEqual(done.returncode, 2, script)
            self.assertIn(b"syntax error", done.stderr.replace(b"unexpected EOF", b"syntax error"))
        self.says("echo $A", "kept\n")

    def test_tracing_shows_the_commands_lines_alone(self):
        self.says("set -x", "")
        done = self.sh("echo traced")
        self.assertEqual(done.stdout, b"traced\n")
        self.assertRegex(done.stderr, rb"\A\++ echo traced\n\Z")
        self.sh("set +x")
        self.assertEqual(self.sh("true").stderr, b"")

    def test_exit_ends_the_command_and_the_shell_with_that_code(self):
        frames = self.frames("echo bye; exit 3")
        self.assertEqual(frames[-1]["command_ended"],
                         {"number": 1, "cause": "shell_ended", "exit_code": 3, "shell_ended": True})
        end = self.exec_end()
        self.assertEqual((end["cause"], end["exit_code"]), ("exited", 3))
        self.assertIn("the shell has ended", self.fails(125, "shell", self.sandbox, "--id", "s", "-c", "true"))

    def test_errexit_exec_and_a_signal_end_the_shell_typed(self):
        self.assertEqual(self.sh("set -e; false; echo not reached", name="e").returncode, 1)
        self.assertEqual(self.exec_end("e")["exit_code"], 1)
        done = self.sh("exec sh -c 'echo other; exit 9'", name="x")
        self.assertEqual((done.stdout, done.returncode), (b"other\n", 9))
        self.assertEqual(self.sh("kill -9 $$", name="k").returncode, 137)
        end = self.exec_end("k")
        self.assertEqual((end["cause"], end["signal"]), ("signaled", 9))

    def test_a_limit_ends_the_command_and_not_the_shell(self):
        self.says("A=kept", "")
        for script in ("sleep 1000; echo not reached", "while :; do :; done", "f() { while :; do :; done; echo no; }; f",
                       "(trap '' TERM INT; sleep 1000)", "x=$(sleep 1000); echo no", "setsid sleep 1000; echo no"):
            done = self.sh(script, "--timeout", "100ms")
            self.assertEqual((done.returncode, done.stdout), (124, b""), script)
            self.assertIn(b"its shell lives on", done.stderr)
        # Killed before the end was told; the kernel takes a moment to bury them.
        daemon.wait_until(lambda: not self.runs("sleep"), "none of them is left")
        self.says("echo $A; jobs", "kept\n")

    def test_a_limit_that_passes_before_the_shell_is_there_does_not_end_it(self):
        for number in range(12):
            name = f"early{number}"
            done = self.sh("while :; do :; done", "--timeout", f"{1 + number % 3}ms", name=name)
            self.assertEqual((done.returncode, done.stdout), (124, b""))
            self.assertIn(b"its shell lives on", done.stderr)
            self.says("echo here", "here\n", name=name)

    def test_a_shell_that_refuses_to_come_back_is_ended_with_its_command(self):
        self.says("trap '' INT", "")
        done = self.sh("while :; do :; done", "--timeout", "100ms")
        self.assertEqual(done.returncode, 124)
        self.assertIn(b"its shell was killed", done.stderr)
        self.assertEqual(self.exec_end()["cause"], "timed_out")

    def test_a_background_job_writes_on_after_the_command(self):
        self.says("mkfifo /tmp/gate; { read x </tmp/gate; echo late; } & echo now", "now\n")
        self.says("echo >/tmp/gate; wait; echo next", "late\nnext\n")

    def test_ctrl_c_abandons_the_command_and_not_the_shell(self):
        self.says("A=kept", "")
        client = self.daemon.popen("shell", self.sandbox, "--id", "s", "-c", "echo on; sleep 1000; echo not reached")
        self.assertEqual(client.stdout.read(3), b"on\n")
        # Between fork and execve a process has the shell's trap, and what it is sent is lost.
        daemon.wait_until(lambda: self.runs("sleep"), "sleep runs")
        client.send_signal(signal.SIGINT)
        self.assertEqual(client.wait(timeout=30), 130)
        self.assertEqual(client.stdout.read(), b"")
        client.stdout.close()
        client.stderr.close()
        self.says("echo $A", "kept\n")

    def test_one_command_at_a_time(self):
        client = self.daemon.popen("shell", self.sandbox, "--id", "s", "-c", "echo on; sleep 1000")
        self.assertEqual(client.stdout.read(3), b"on\n")
        self.assertIn("command 1 of the shell runs", self.fails(125, "shell", self.sandbox, "--id", "s", "-c", "true"))
        self.ok("rm", "--force", self.sandbox)
        client.communicate(timeout=30)

    def test_a_long_script_arrives_whole(self):
        # As long as an argument of our own client can be; a megabyte is tests/service's.
        script = "x='" + "y" * 120000 + "'; echo ${#x}"
        self.says(script, "120000\n")

    def test_it_outlives_the_daemon_and_so_does_a_command_of_it(self):
        self.says("A=kept; rm -f /tmp/go", "")
        client = self.daemon.popen("shell", self.sandbox, "--id", "s", "-c",
                                   "echo on; until [ -e /tmp/go ]; do sleep 0.05; done; B=done")
        self.assertEqual(client.stdout.read(3), b"on\n")
        self.daemon.process.kill()
        self.daemon.process.wait()
        self.daemon.start()
        self.assertTrue(self.status(self.sandbox, "s")["command_running"])
        self.ok("exec", self.sandbox, "--", "touch", "/tmp/go")
        out, err = client.communicate(timeout=daemon.DEADLINE_S)
        self.assertEqual((client.returncode, out), (0, b""), err)
        self.assertFalse(self.status(self.sandbox, "s")["command_running"])
        self.says("echo $A $B", "kept done\n")
        self.assertEqual(self.status(self.sandbox, "s")["last_command"], 3)
        # Its init is no child of the new daemon: who adopted it reaps it, a moment after it was ended.
        self.ok("rm", "--force", self.sandbox)
        daemon.wait_until(lambda: not any(self.sandbox in self.cgroup_of(pid) for pid in os.listdir("/proc")), "it is gone")

    def test_a_command_has_each_line_once_over_many_daemons_and_its_own_exit_code(self):
        script = "i=0; until [ -e /tmp/stop ]; do echo $i; echo $((i + 1)) >&2; i=$((i + 2)); done; (exit 9)"
        with open(self.daemon.root / "out", "w+b") as out, open(self.daemon.root / "err", "w+b") as err:
            client = self.daemon.popen("shell", self.sandbox, "--id", "s", "-c", script, stdout=out, stderr=err)
            for _ in range(4):
                before = os.fstat(out.fileno()).st_size
                daemon.wait_until(lambda size=before: os.fstat(out.fileno()).st_size > size, "it goes on")
                self.daemon.kill()
                self.daemon.start()
            self.ok("exec", self.sandbox, "--", "touch", "/tmp/stop")
            self.assertEqual(client.wait(timeout=daemon.DEADLINE_S), 9)
            counts = []
            for file, first in ((out, 0), (err, 1)):
                file.seek(0)
                seen = [line for line in file.read().decode().splitlines() if not line.startswith("glovebox: ")]
                self.assertEqual(seen, [str(i) for i in range(first, 2 * len(seen), 2)])
                counts.append(len(seen))
            self.assertEqual(counts[0], counts[1])
        self.says("echo $?", "9\n")

    def test_two_clients_with_the_same_command_run_it_twice(self):
        self.says("n=0", "")
        first = self.daemon.popen("shell", self.sandbox, "--id", "s", "-c", "n=$((n+1)); echo in; until [ -e /tmp/both ]; do sleep 0.05; done")
        self.assertEqual(first.stdout.read(3), b"in\n")
        second = self.sh("n=$((n+1)); echo in; until [ -e /tmp/both ]; do sleep 0.05; done")
        self.assertEqual(second.returncode, 125)
        self.assertIn(b"command 2 of the shell runs", second.stderr)
        self.ok("exec", self.sandbox, "--", "touch", "/tmp/both")
        first.communicate(timeout=daemon.DEADLINE_S)
        self.says("n=$((n+1)); echo in; until [ -e /tmp/both ]; do sleep 0.05; done", "in\n")
        self.says("echo $n", "2\n")

    @staticmethod
    def cgroup_of(pid):
        try:
            with open(f"/proc/{pid}/cgroup", encoding="utf-8") as file:
                return file.read()
        except OSError:
            return ""

    def test_it_goes_on_where_it_was_for_another_client(self):
        self.says("cd /tmp; echo $$ >pid", "")
        self.says("pwd; [ $$ = $(cat pid) ] && echo same", "/tmp\nsame\n")
        status = self.status(self.sandbox, "s")
        self.assertEqual((status["state"], status["last_command"], status["command_running"]), ("running", 2, False))


if __name__ == "__main__":
    unittest.main()
