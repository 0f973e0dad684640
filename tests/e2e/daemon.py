"""A gloveboxd in private directories, the CLI that talks to it, and the proof that nothing is left of it."""

import glob
import json
import os
import pathlib
import select
import shutil
import signal
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


def settled(look, looks=50):
    """What `look` gives once it has given the same so many times, 10 ms apart or more: the stock of disks is refilled in the
    background, and nobody is told when that is over."""
    seen = []

    def is_settled():
        seen.append(look())
        return len(seen) >= looks and all(one == seen[-1] for one in seen[-looks:])

    wait_until(is_settled, "it settles")
    return seen[-1]


def require_root():
    """Skips the test, or fails it where that is forbidden."""
    if os.geteuid() != 0:
        if os.environ.get("GLOVEBOX_TESTS_MUST_RUN"):
            raise AssertionError("needs root, and GLOVEBOX_TESTS_MUST_RUN forbids to skip")
        raise unittest.SkipTest("needs root")


def is_pending(pid, number):
    """Whether a process has not taken a signal that was sent to it; equal ones that wait are one."""
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    mask = int(next(line for line in text.splitlines() if line.startswith("ShdPnd:")).split()[1], 16)
    return bool(mask & (1 << (number - 1)))


def kill_and_wait(pid):
    """Returns when it is dead, and with the first process of a namespace all others of that."""
    descriptor = os.pidfd_open(pid)
    try:
        signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        if not select.select([descriptor], [], [], DEADLINE_S)[0]:
            raise AssertionError(f"process {pid} does not die")
    finally:
        os.close(descriptor)


class Daemon:
    def __init__(self, state=None):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="glovebox-e2e-", dir="/tmp"))
        self.state = state or self.root / "state"
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

    def resident_kib(self, field="VmRSS"):
        """Now, or with VmHWM at most so far."""
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith(f"{field}:"):
                return int(line.split()[1])
        raise AssertionError(f"no {field}")

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

    def spawner(self):
        """The process that makes sandboxes; another one is in reserve."""
        return wait_until(lambda: next((pid for pid in self.descendants() if name_of(pid) == "glovebox-spawn"), None),
                          "a spawner")

    def init_of(self, sandbox):
        for path in glob.glob(f"/sys/fs/cgroup/**/glovebox-{self.instance()}/{sandbox}/cgroup.procs", recursive=True):
            text = pathlib.Path(path).read_text().split()
            if text:
                return int(text[0])
        raise AssertionError("no init")

    def exec_processes(self, sandbox):
        """Those in its commands' cgroups, as the host numbers them."""
        found = glob.glob(f"/sys/fs/cgroup/**/glovebox-{self.instance()}/{sandbox}/exec-*/cgroup.procs", recursive=True)
        return [int(pid) for path in found for pid in pathlib.Path(path).read_text().split()]

    def stop(self):
        """Ends it and returns what should not be left."""
        instance = self.instance()
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(timeout=DEADLINE_S)
        left = [f"exit code {self.process.returncode}"] if self.process.returncode != 0 else []
        left += self.left_on_host(instance)
        self.discard()
        if self.root.exists():
            left.append(f"directory {self.root}")
        return left

    def discard(self):
        """Its directories; of one that was never started that is all."""
        self.log.close()
        shutil.rmtree(self.root, ignore_errors=True)

    def left_on_host(self, instance):
        left = []
        for path in glob.glob("/proc/[0-9]*/mounts"):
            try:
                text = pathlib.Path(path).read_text()
            except OSError:
                continue
            if str(self.root) in text or str(self.state) in text:
                left.append(f"mount in {path}")
        backing = subprocess.run(["losetup", "-l", "-n", "-O", "NAME,BACK-FILE"], capture_output=True, text=True)
        left += [f"loop device {line}" for line in backing.stdout.splitlines()
                 if str(self.root) in line or str(self.state) in line]
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


def name_of(pid):
    """None when there is no such process."""
    try:
        return pathlib.Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return None


def is_stopped(pid):
    return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1][0] == "T"


class AskingCase(unittest.TestCase):
    """What tests ask of self.daemon."""

    def ok(self, *arguments, **options):
        done = self.daemon.cli(*arguments, **options)
        self.assertEqual(done.returncode, 0, f"{arguments}: {done.stderr.decode(errors='replace')}\n{self.daemon.read_log()}")
        return done.stdout

    def told(self, *arguments, **options):
        """As text."""
        return self.ok(*arguments, **options).decode()

    def create(self, *options):
        text = self.told("create", *options)
        self.assertRegex(text, r"\A[0-9a-f]{32}\n\Z")
        return text.strip()

    def status(self, sandbox, exec_id):
        return json.loads(self.ok("exec-status", "--json", sandbox, exec_id))

    def inspect(self, sandbox):
        return json.loads(self.ok("inspect", sandbox))

    def known(self):
        """The state of each sandbox."""
        return {one["id"]: one["state"] for one in json.loads(self.ok("ls", "--json"))}

    def fails(self, code, *arguments, **options):
        """stderr of a command that must fail with `code` and say why."""
        done = self.daemon.cli(*arguments, **options)
        text = done.stderr.decode()
        self.assertEqual(done.returncode, code, f"{arguments}: {text}")
        self.assertRegex(text, r"\Aglovebox: ")
        return text


class DaemonCase(AskingCase):
    """A daemon for all tests of a class."""

    @classmethod
    def setUpClass(cls):
        require_root()
        cls.daemon = Daemon()
        cls.daemon.start()

    @classmethod
    def tearDownClass(cls):
        log = cls.daemon.read_log()
        left = cls.daemon.stop()
        if left:
            raise AssertionError(f"left behind: {left}\n{log}")

    def create(self, *options):
        sandbox = super().create(*options)
        self.addCleanup(self.daemon.cli, "rm", "--force", sandbox)
        return sandbox


class FreshDaemonCase(AskingCase):
    """A daemon for each test, which has to be running at its end and to leave nothing, whatever sandboxes it has.

    Its state is in memory: a host's file system may take 50 ms to delete each of the disks that a daemon has in stock, and
    each start and stop deletes them all."""

    memory_bytes = 4 << 30

    def setUp(self):
        require_root()
        memory = tempfile.mkdtemp(prefix="glovebox-e2e-", dir="/tmp")
        self.addCleanup(os.rmdir, memory)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={self.memory_bytes},mode=0700", "tmpfs", memory], check=True)
        self.addCleanup(subprocess.run, ["umount", memory], check=True)
        self.daemon = Daemon(pathlib.Path(memory, "state"))
        self.start_daemon()
        self.addCleanup(self.prove_nothing_is_left)

    def start_daemon(self):
        self.daemon.start()

    def prove_nothing_is_left(self):
        died = self.daemon.process.poll()
        if died is not None:
            self.daemon.start()  # for what it had
        log = self.daemon.read_log()
        self.assertEqual(self.daemon.stop(), [], log)
        self.assertIsNone(died, f"the daemon had ended\n{log}")

    def restart(self, *options, **more):
        self.daemon.kill()
        self.daemon.start(*options, **more)

    def try_create(self, *options):
        """A client that a loaded machine keeps from connecting in time has asked for nothing: it asks again."""
        def asked():
            done = self.daemon.cli("create", *options)
            return None if b"failed to connect" in done.stderr else done

        return wait_until(asked, "the daemon is asked")

    def nothing_of_sandboxes(self):
        """Cgroups, sockets and output are gone; disks in stock are the daemon's own."""
        run, output = self.daemon.root / "run" / self.daemon.instance(), self.daemon.state / "output"

        def left():
            return self.daemon.sandbox_cgroups() + os.listdir(run) + os.listdir(output)

        wait_until(lambda: not left(), "nothing of a sandbox is left")
        self.assertEqual(self.known(), {})


class LeavingDaemonCase(FreshDaemonCase):
    """Its daemon leaves sandboxes to the next one when it is told to end."""

    def start_daemon(self):
        self.daemon.start(on_shutdown="leave")

    def prove_nothing_is_left(self):
        if self.daemon.process.poll() is None:
            self.daemon.kill()
            self.daemon.start()  # one that ends them
        super().prove_nothing_is_left()


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
