"""A daemon on a host with an internet of its own: the namespaces of tests/kernel/egress/world.py. The process of the suite is on
that host, and so is the daemon. What nobody may reach is planted there, and must have seen nothing at the end."""

import json
import pathlib
import sys

import api_client
import daemon

# Has an echo send back all that it can, in one connection after another, until five in a row brought nothing. Tells of each 2 MiB.
DOWNLOADS = r"""
import select, socket, sys
total, told, idle = 0, 0, 0
while idle < 5:
    before = total
    try:
        with socket.create_connection((sys.argv[1], 5432), timeout=60) as made:
            made.setblocking(False)
            while True:
                readable, writable, _ = select.select([made], [made], [], 60)
                if writable:
                    try:
                        made.send(bytes(65536))
                    except BlockingIOError:
                        pass
                more = made.recv(1 << 20) if readable else b""
                total += len(more)
                if not more and (readable or not writable):
                    break
                if total >> 21 > told:
                    told = total >> 21
                    print("more", total, flush=True)
    except OSError:
        pass
    idle = idle + 1 if total == before else 0
print("end", total, flush=True)
"""

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "kernel" / "egress"))
import world as egress_world
from world import DNS4, HOST4, HOST6, ORIGIN4, ORIGIN6, OTHER4


class EgressCase(daemon.AskingCase):
    """Each test has sandboxes of its own; the world and the daemon are of all of them."""

    configuration = ""
    api = None
    name_servers = f'name_servers = ["{DNS4}"]\n'

    @classmethod
    def setUpClass(cls):
        daemon.require_root()
        cls.world = egress_world.World()
        rebinding = iter([[ORIGIN4]] + [["127.0.0.1"]] * 1000)
        cls.world.dns.names.update({
            "good.example": [ORIGIN4], "a.wild.example": [ORIGIN4], "other.example": [OTHER4], "six.example": [ORIGIN6],
            "inner.example": ["10.0.0.5"], "loop.example": ["127.0.0.1", "::1"], "own.example": [HOST4, HOST6],
            "metadata.example": ["169.254.169.254"],
            "rebinding.example": lambda kind: next(rebinding) if kind == 1 else []})
        cls.make_internet()
        cls.daemon = daemon.Daemon()
        cls.config = cls.daemon.root / "gloveboxd.toml"
        cls.config.write_text(f"[egress]\n{cls.name_servers}{cls.configuration}")
        cls.start_daemon()

    @classmethod
    def make_internet(cls):
        """What the world has beyond its names, before the daemon is configured."""

    @classmethod
    def start_daemon(cls, *options, **more):
        cls.daemon.start("--config", cls.config, *options, **more)
        if cls.api is not None:
            cls.api.close()  # of the daemon before
        cls.api = api_client.Api(cls.daemon.socket)

    @classmethod
    def tearDownClass(cls):
        cls.api.close()
        log = cls.daemon.read_log()
        left = cls.daemon.stop()
        hits, reached = cls.world.planted_hits(), set(cls.world.wire.to)
        cls.world.close()
        if left:
            raise AssertionError(f"left behind: {left}\n{log}")
        if hits:
            raise AssertionError(f"services of the host were reached: {hits}\n{log}")
        strangers = reached - {ORIGIN4, ORIGIN6, OTHER4, DNS4} - cls.may_reach
        if strangers:
            raise AssertionError(f"packets went to {strangers}")

    may_reach = frozenset()

    def setUp(self):
        self.world.forget()

    def restart_daemon(self):
        """After a crash; sandboxes stay."""
        self.daemon.kill()
        self.start_daemon(on_shutdown="leave")

    def each_restart(self):
        """After a crash, and after an orderly end."""
        self.restart_daemon()
        yield
        self.daemon.process.terminate()
        self.assertEqual(self.daemon.process.wait(timeout=60), 0)
        self.start_daemon(on_shutdown="leave")
        yield

    def create(self, *options):
        sandbox = super().create(*options)
        self.addCleanup(self.daemon.cli, "rm", "--force", sandbox)
        return sandbox

    def change(self, sandbox, *rules, mode=2):
        """To a policy of that mode; an allow list unless told otherwise."""
        return self.api.call("Network", "UpdateEgress", sandbox_id=sandbox, policy={"mode": mode, "rules": rules})

    def made(self, *rules, options=()):
        """Made with another policy, as one is whose rules come later."""
        sandbox = self.create("--allow", "nothing.example:9", *options)
        self.change(sandbox, *rules)
        return sandbox

    def process(self, name):
        return daemon.wait_until(
            lambda: next((pid for pid in self.daemon.descendants() if daemon.name_of(pid) == name), None), name)

    def run_in(self, sandbox, *command, exec_id=None):
        chosen = ["--exec-id", exec_id] if exec_id else []
        return self.daemon.cli("exec", *chosen, sandbox, "--", *command)

    def fetch(self, sandbox, url, *options):
        """What a client in the sandbox gets that knows of no proxy; None: nothing."""
        done = self.run_in(sandbox, "curl", "-sS", "--fail", "--max-time", "60", *options, url)
        return done.stdout.decode() if done.returncode == 0 else None

    def reaches(self, sandbox, host="good.example", *options):
        return self.fetch(sandbox, f"http://{host}/x", *options) == f"GET /x HTTP/1.1|{host}|0\n"

    def records(self, sandbox, *options):
        told = [json.loads(line) for line in self.ok("net", "--json", *options, sandbox).splitlines()]
        return [one for one in told if "host" in one]
