#!/usr/bin/env python3
"""The words that scripts rely on: create, exec, logs, exec-status, cp, changes, diff, run, ls, rm."""

import json
import pathlib
import re
import subprocess
import tempfile
import unittest

import daemon


class Contract(daemon.DaemonCase):
    def setUp(self):
        self.tmp = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))

    def test_exec_passes_output_and_exit_code_through(self):
        sandbox = self.create()
        done = self.daemon.cli("exec", sandbox, "--", "sh", "-c", "echo out; echo err >&2; exit 42")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (42, b"out\n", b"err\n"))

    def test_run_removes_its_sandbox(self):
        done = self.daemon.cli("run", "--timeout", "30s", "--", "echo", "hello")
        self.assertEqual((done.returncode, done.stdout), (0, b"hello\n"))
        self.assertEqual(self.ok("ls", "-q", "--label", "glovebox.dev/run=x"), b"")
        shown = json.loads(self.ok("ls", "--json"))
        self.assertFalse([item for item in shown if "glovebox.dev/run" in item["labels"]])

    def test_detached_exec_has_logs_and_status(self):
        sandbox = self.create()
        text = self.ok("exec", "--detach", "--exec-id", "build", sandbox, "--", "sh", "-c", "echo o; echo e >&2; exit 3")
        self.assertEqual(text, b"build\n")
        done = self.daemon.cli("logs", "-f", sandbox, "build")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, b"o\n", b"e\n"))
        status = self.status(sandbox, "build")
        self.assertEqual((status["state"], status["cause"], status["exit_code"]), ("ended", "exited", 3))

    def test_the_daemon_has_only_the_capabilities_of_its_list(self):
        source = (pathlib.Path(__file__).parents[2] / "runtime/policy/daemon_policy.cc").read_text()
        listed = set(re.findall(r"KEEP\((CAP_\w+),", source))
        header = pathlib.Path("/usr/include/linux/capability.h").read_text()
        mask = sum(1 << int(number) for name, number in re.findall(r"#define (CAP_\w+)\s+(\d+)\b", header) if name in listed)
        self.assertTrue(mask)
        for thread in pathlib.Path(f"/proc/{self.daemon.process.pid}/task").iterdir():
            status = dict(line.split(":\t", 1) for line in (thread / "status").read_text().splitlines() if ":\t" in line)
            for name in ("CapPrm", "CapEff", "CapBnd", "CapInh", "CapAmb"):
                self.assertEqual(int(status[name], 16) & ~mask, 0, f"{thread} {name}")
            self.assertEqual(status["Seccomp"], "2", thread)

    def test_a_beginning_of_the_id_is_enough(self):
        sandbox = self.create()
        self.assertEqual(json.loads(self.ok("inspect", sandbox[:12]))["id"], sandbox)

    def test_limits_and_labels_are_shown(self):
        sandbox = self.create("--memory", "256MiB", "--pids", "64", "--disk", "64MiB", "--cpus", "0.5", "--label", "a=b")
        shown = json.loads(self.ok("inspect", sandbox))
        self.assertEqual(shown["limits"]["memory_bytes"], 256 << 20)
        self.assertEqual(shown["limits"]["pids_max"], 64)
        self.assertEqual(shown["limits"]["cpu_millis"], 500)
        self.assertEqual(shown["labels"], {"a": "b"})
        self.assertIn(sandbox, self.ok("ls", "-q", "--label", "a=b").decode())

    def test_what_changed_in_a_repository_comes_out_as_list_and_patch(self):
        path, commits = daemon.repository(self.tmp)
        sandbox = self.create("--repo", f"{path}@{commits[0]}")
        self.assertEqual(self.ok("exec", sandbox, "--", "pwd"), b"/workspace\n")
        self.assertEqual(self.ok("exec", sandbox, "--", "cat", "file"), b"one\n")
        self.ok("exec", sandbox, "--", "sh", "-c", "echo new > added; echo changed > file; rm gone; printf x > 'a\tb'")
        lines = self.ok("changes", sandbox).decode().splitlines()
        self.assertEqual([line for line in lines if not line.split("\t")[1].startswith(".git")],
                         ["A\ta\\tb", "A\tadded", "M\tfile", "D\tgone"])
        self.assertIn(b"A\ta\tb\0", self.ok("changes", "-z", sandbox))
        patch = self.ok("diff", sandbox)
        clone = self.tmp / "clone"
        subprocess.run(["git", "clone", "-q", path, clone], check=True)
        subprocess.run(["git", "-C", clone, "checkout", "-q", commits[0]], check=True)
        subprocess.run(["git", "-C", clone, "apply", "--index"], input=patch, check=True)
        self.assertEqual((clone / "file").read_text(), "changed\n")
        self.assertEqual((clone / "added").read_text(), "new\n")
        self.assertFalse((clone / "gone").exists())

    def test_cp_goes_both_ways_and_renames_as_docker_does(self):
        sandbox = self.create()
        tree = self.tmp / "tree"
        (tree / "sub").mkdir(parents=True)
        (tree / "sub" / "data").write_bytes(bytes(range(256)) * 1000)
        (tree / "run.sh").write_text("#!/bin/sh\necho ran\n")
        (tree / "run.sh").chmod(0o755)
        self.ok("cp", tree, f"{sandbox}:/tmp/new")
        self.assertEqual(self.ok("exec", sandbox, "--", "/tmp/new/run.sh"), b"ran\n")
        self.ok("cp", tree, f"{sandbox}:/tmp/new")
        self.ok("exec", sandbox, "--", "test", "-f", "/tmp/new/tree/run.sh")
        self.ok("cp", f"{sandbox}:/tmp/new/sub/data", self.tmp / "back")
        self.assertEqual((self.tmp / "back").read_bytes(), (tree / "sub" / "data").read_bytes())
        self.ok("cp", f"{sandbox}:/tmp/new/sub/.", self.tmp / "content")
        self.assertEqual([p.name for p in (self.tmp / "content").iterdir()], ["data"])
        stream = self.ok("cp", f"{sandbox}:/tmp/new/sub", "-")
        self.ok("exec", sandbox, "--", "mkdir", "/tmp/other")
        self.ok("cp", "-", f"{sandbox}:/tmp/other", input=stream)
        self.ok("exec", sandbox, "--", "cmp", "/tmp/new/sub/data", "/tmp/other/sub/data")
        self.assertIn("No such file", self.fails(1, "cp", f"{sandbox}:/tmp/nothing", self.tmp))

    def test_environment_directory_and_timeout_reach_the_command(self):
        sandbox = self.create()
        self.assertEqual(self.ok("exec", "--env", "A=b c", "--workdir", "/tmp", sandbox, "--", "sh", "-c",
                                 'echo "$A $PWD"'), b"b c /tmp\n")
        done = self.daemon.cli("exec", "--timeout", "200ms", sandbox, "--", "sleep", "60")
        self.assertEqual(done.returncode, 124)
        self.assertEqual(done.stderr.decode(), "glovebox: command timed out after 200ms (wall limit); it ended by SIGTERM\n")

    def test_a_removed_sandbox_is_gone(self):
        sandbox = self.create()
        self.ok("rm", sandbox)
        self.assertNotIn(sandbox, self.ok("ls", "-q").decode())
        self.fails(1, "rm", sandbox)
        self.ok("rm", "--force", sandbox)

    def test_the_way_out_is_shown_replaced_and_added_to(self):
        sandbox = self.create("--allow", "a.example:22")
        self.assertIn(b"a.example", self.ok("egress", sandbox))
        before = json.loads(self.ok("egress", "--json", sandbox))
        self.assertEqual((before["policy"]["mode"], before["policy"]["rules"][0]["ports"]), ("allow_list", [22]))
        self.assertEqual(json.loads(self.ok("inspect", sandbox))["egress_etag"], before["etag"])
        self.assertEqual(self.ok("egress", sandbox, "--add", "--preset", "pypi"), b"0 connections cut\n")
        self.ok("egress", sandbox, "--add", "--preset", "pypi", "--allow", "a.example:22")
        after = json.loads(self.ok("egress", "--json", sandbox))
        self.assertEqual((after["policy"]["rules"], after["policy"]["presets"]), (before["policy"]["rules"], ["pypi"]))
        self.assertNotEqual(after["etag"], before["etag"])
        self.assertEqual(json.loads(self.ok("egress", "--json", sandbox, "--none"))["policy"]["mode"], "none")
        self.assertIn("rules are for names", self.fails(2, "egress", sandbox, "--allow", "10.0.0.1"))
        self.assertIn("no such preset", self.fails(2, "egress", sandbox, "--preset", "nosuch"))
        closed = self.create()
        self.assertIn("allow list, which may be empty", self.fails(1, "egress", closed, "--allow", "a.example"))
        self.assertIn("allow list, which may be empty", self.fails(1, "net", closed))

    def test_json_of_the_other_verbs_is_json(self):
        for verb in (["preflight"], ["version"], ["image", "ls"], ["snapshot", "ls"], ["ls"]):
            json.loads(self.daemon.cli(*verb, "--json").stdout)


if __name__ == "__main__":
    unittest.main()
