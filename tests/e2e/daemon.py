"""A gloveboxd in private directories, the CLI that talks to it, and the proof that nothing is left of it."""

import glob
import json
import os
import pathlib
import select
import shutil
import subprocess
import tempfile
import time
import unittest

BIN = pathlib.Path(os.environ.get("GLOVEBOX_BIN", "build/release/bin")).resolve()
TEST_BIN = pathlib.Path(os.environ.get("GLOVEBOX_TEST_BIN", "build/release/tests")).resolve()
DEADLINE_S = 60


def wait_until(condition, what, seconds=DEADLINE_S):
    """For what gives no event: looks every 10 ms."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        select.select([], [], [], 0.01)
    raise AssertionError(f"not within {seconds} s: {what}")


class Daemon:
    def __init__(self):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="glovebox-e2e-", dir="/tmp"))
        self.state = self.root / "state"
        self.socket = self.root / "glovebox.sock"
        self.log = open(self.root / "log", "w+b")
        self.process = None

    def program(self, *options):
        return [BIN / "gloveboxd", "--state-dir", self.state, "--runtime-dir", self.root / "run", "--socket",
                self.socket, *options]

    def start(self, *options, wrapper=(), on_shutdown="end"):
        """Starts it anew or again; `wrapper` is a command line that runs the daemon's."""
        self.process = subprocess.Popen([*wrapper, *self.program("--on-shutdown", on_shutdown, *options)],
                                        stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        wait_until(self._serves, "the daemon serves")

    def kill(self):
        """As a crash would: nothing of it runs any more when this returns."""
        self.process.kill()
        self.process.wait(timeout=DEADLINE_S)

    def end_sandboxes(self):
        """The operator's way to end what a daemon left."""
        return subprocess.run(self.program("--end-sandboxes"), stdin=subprocess.DEVNULL, stdout=self.log,
                              stderr=self.log, timeout=DEADLINE_S).returncode

    def _serves(self):
        if self.process.poll() is not None:
            raise AssertionError("gloveboxd ended: " + self.read_log())
        return self.socket.exists() and self.cli("ls", "-q").returncode == 0

    def read_log(self):
        self.log.flush()
        return pathlib.Path(self.log.name).read_text(errors="replace")[-4000:]

    def instance(self):
        return (self.state / "instance").read_text().strip()

    def environment(self):
        return {**os.environ, "GLOVEBOX_SOCKET": str(self.socket), "NO_COLOR": "1"}

    def command(self, *arguments):
        return [str(BIN / "glovebox"), *map(str, arguments)]

    def cli(self, *arguments, timeout=DEADLINE_S, **options):
        options.setdefault("stdin", subprocess.DEVNULL if "input" not in options else None)
        if "input" in options:
            options.pop("stdin")
        return subprocess.run(self.command(*arguments), env=self.environment(), capture_output=True, timeout=timeout,
                              **options)

    def popen(self, *arguments, **options):
        options.setdefault("stdin", subprocess.DEVNULL)
        options.setdefault("stdout", subprocess.PIPE)
        options.setdefault("stderr", subprocess.PIPE)
        return subprocess.Popen(self.command(*arguments), env=self.environment(), **options)

    def resident_kib(self):
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
        raise AssertionError("no VmRSS")

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def mounts(self):
        """In the daemon's own mount namespace."""
        return len(pathlib.Path(f"/proc/{self.process.pid}/mounts").read_text().splitlines())

    def descendants(self):
        """Every process below the daemon, also those that another namespace hides."""
        children = {}
        for stat in glob.glob("/proc/[0-9]*/stat"):
            try:
                text = pathlib.Path(stat).read_text()
            except (FileNotFoundError, ProcessLookupError):
                continue
            fields = text[text.rindex(")") + 2 :].split()
            if fields[0] != "Z":
                children.setdefault(int(fields[1]), []).append(int(text.split(" ", 1)[0]))
        found, queue = [], [self.process.pid]
        while queue:
            for pid in children.get(queue.pop(), []):
                found.append(pid)
                queue.append(pid)
        return found

    def sandbox_cgroups(self):
        pattern = f"glovebox-{self.instance()}"
        return [path for top in ("/sys/fs/cgroup",) for path, _, _ in os.walk(top)
                if f"/{pattern}/" in path + "/" and not path.endswith(pattern)]

    def stop(self):
        """Ends it and returns what should not be left."""
        instance = self.instance()
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(timeout=DEADLINE_S)
        left = [f"exit code {self.process.returncode}"] if self.process.returncode != 0 else []
        left += self._left_on_host(instance)
        self.log.close()
        shutil.rmtree(self.root, ignore_errors=True)
        if self.root.exists():
            left.append(f"directory {self.root}")
        return left

    def _left_on_host(self, instance):
        left = []
        for path in glob.glob("/proc/[0-9]*/mounts"):
            try:
                text = pathlib.Path(path).read_text()
            except OSError:
                continue
            if str(self.root) in text:
                left.append(f"mount in {path}")
        backing = subprocess.run(["losetup", "-l", "-n", "-O", "NAME,BACK-FILE"], capture_output=True, text=True)
        left += [f"loop device {line}" for line in backing.stdout.splitlines() if str(self.root) in line]
        left += [f"cgroup {path}" for path, _, _ in os.walk("/sys/fs/cgroup")
                 if f"glovebox-{instance}/" in path + "/" and not path.endswith(f"glovebox-{instance}")]
        for path in glob.glob("/proc/[0-9]*/cgroup"):
            try:
                # One that is dead waits for process 1, which adopted it when its spawner was killed: not ours to reap.
                state = pathlib.Path(path).with_name("stat").read_text().rsplit(") ", 1)[1][0]
                if state != "Z" and f"glovebox-{instance}" in pathlib.Path(path).read_text():
                    left.append(f"process {path}")
            except OSError:
                continue
        return left


class DaemonCase(unittest.TestCase):
    """A daemon for all tests of a class."""

    @classmethod
    def setUpClass(cls):
        if os.geteuid() != 0:
            if os.environ.get("GLOVEBOX_TESTS_MUST_RUN"):
                raise AssertionError("needs root, and GLOVEBOX_TESTS_MUST_RUN forbids to skip")
            raise unittest.SkipTest("needs root")
        cls.daemon = Daemon()
        cls.daemon.start()

    @classmethod
    def tearDownClass(cls):
        log = cls.daemon.read_log()
        left = cls.daemon.stop()
        if left:
            raise AssertionError(f"left behind: {left}\n{log}")

    def ok(self, *arguments, **options):
        done = self.daemon.cli(*arguments, **options)
        self.assertEqual(done.returncode, 0, f"{arguments}: {done.stderr.decode(errors='replace')}")
        return done.stdout

    def create(self, *options):
        text = self.ok("create", *options).decode()
        self.assertRegex(text, r"\A[0-9a-f]{32}\n\Z")
        sandbox = text.strip()
        self.addCleanup(self.daemon.cli, "rm", "--force", sandbox)
        return sandbox

    def status(self, sandbox, exec_id):
        return json.loads(self.ok("exec-status", "--json", sandbox, exec_id))

    def fails(self, code, *arguments, **options):
        """stderr of a command that must fail with `code` and say why."""
        done = self.daemon.cli(*arguments, **options)
        text = done.stderr.decode()
        self.assertEqual(done.returncode, code, f"{arguments}: {text}")
        self.assertRegex(text, r"\Aglovebox: ")
        return text


def repository(root, name="repository"):
    """A git repository with two commits; its path and their names."""
    path = pathlib.Path(root, name)
    environment = {**os.environ, "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a",
                   "GIT_COMMITTER_EMAIL": "a@b", "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}

    def git(*arguments):
        return subprocess.run(["git", "-C", path, *arguments], env=environment, check=True, capture_output=True,
                              text=True).stdout.strip()

    path.mkdir()
    git("init", "-q", "-b", "main")
    commits = []
    for text in ("one\n", "two\n"):
        (path / "file").write_text(text)
        (path / "gone").write_text("x\n")
        git("add", "-A")
        git("commit", "-q", "-m", text.strip())
        commits.append(git("rev-parse", "HEAD"))
        (path / "gone").write_text("y\n")
    return path, commits
