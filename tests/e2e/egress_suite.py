#!/usr/bin/env python3
"""What sandboxes reach, and what not, with the whole product: the daemon, its proxy, init, the CLI."""

import json
import os
import pathlib
import shutil
import socket
import tempfile
import unittest
import urllib.request

import daemon
from egress_case import DNS4, DOWNLOADS, HOST4, ORIGIN4, ORIGIN6, EgressCase, egress_world

OTHER_DNS4 = "8.8.4.4"
# Connects, says so, and then tells of each byte, until the other side ends it.
HOLDS = r"""
import socket, sys
with socket.create_connection((sys.argv[1], int(sys.argv[2]))) as made:
    made.sendall(b"x")
    assert made.recv(1) == b"x"
    print("up", flush=True)
    try:
        print("ended", made.recv(1), flush=True)
    except ConnectionResetError:
        print("reset", flush=True)
"""
# Looks for a way out that nobody gave it.
RAW = r"""
import socket
def tried(family, kind, protocol, act):
    try:
        with socket.socket(family, kind, protocol) as made:
            made.settimeout(5)
            act(made)
            return "done"
    except OSError as error:
        return type(error).__name__
def udp(made):
    made.connect(("%(origin)s", 443))
    made.send(b"x")
    made.recv(1)
def tcp(made):
    made.connect(("%(origin)s", 9999))
    if not made.recv(1):
        raise ConnectionResetError
print(tried(socket.AF_INET, socket.SOCK_DGRAM, 0, udp))
print(tried(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP, lambda made: None))
print(tried(socket.AF_PACKET, socket.SOCK_RAW, 0, lambda made: None))
print(tried(40, socket.SOCK_STREAM, 0, lambda made: None))
print(tried(socket.AF_INET, socket.SOCK_STREAM, 0, tcp))
""" % {"origin": ORIGIN4}
# Takes port 80 as soon as nobody has it.
TAKES_PORT = r"""
import socket, time
while True:
    made = socket.socket(socket.AF_INET6)
    try:
        made.bind(("::", 80))
        made.listen()
        break
    except OSError:
        made.close()
        time.sleep(0.01)
while True:
    with made.accept()[0] as client:
        client.sendall(b"HTTP/1.0 200 OK\r\n\r\nmine")
        client.recv(65536)
"""


class Reaches(EgressCase):
    def test_without_egress_there_is_nothing(self):
        sandbox = self.create()
        self.assertFalse(self.reaches(sandbox))
        self.assertFalse(self.reaches(sandbox, ORIGIN4))
        self.assertEqual(self.world.dns.asked, [])
        self.assertEqual(self.inspect(sandbox)["egress"]["mode"], "none")

    def test_an_allow_list_has_its_hosts_and_nothing_else(self):
        sandbox = self.create("--allow", "good.example:80", "--allow", "*.wild.example:80")
        self.assertTrue(self.reaches(sandbox))
        self.assertTrue(self.reaches(sandbox, "a.wild.example"))
        asked = {name for name, _ in self.world.dns.asked}
        for host in ("other.example", "wild.example", "good.example.other.example", ORIGIN4, f"[{ORIGIN6}]", "10.0.0.5"):
            self.assertIsNone(self.fetch(sandbox, f"http://{host}/"), host)
        self.assertEqual({name for name, _ in self.world.dns.asked}, asked, "no name is asked for that is not allowed")

    def test_names_that_lead_inside_are_refused(self):
        sandbox = self.create(*(f"--allow={name}.example:80" for name in ("inner", "loop", "own", "metadata", "rebinding")))
        for name in ("inner", "loop", "own", "metadata"):
            self.assertFalse(self.reaches(sandbox, f"{name}.example"), name)
        self.assertTrue(self.reaches(sandbox, "rebinding.example"), "its first answer is a good one")
        self.assertFalse(self.reaches(sandbox, "rebinding.example"))

    def test_full_reaches_what_is_public(self):
        sandbox = self.create("--egress", "full")
        for host in ("good.example", "other.example", "six.example"):
            self.assertTrue(self.reaches(sandbox, host), host)
        for address in (ORIGIN4, f"[{ORIGIN6}]"):
            self.assertTrue(self.reaches(sandbox, address), address)
        for host in ("10.0.0.5", "169.254.169.254", HOST4, "loop.example", "own.example", "inner.example"):
            self.assertFalse(self.reaches(sandbox, host), host)

    def test_proxies_that_are_named_follow_the_same_rules(self):
        sandbox = self.create("--allow", "good.example:80,8080")
        for proxy in ("http://127.0.0.1:3128", "socks5h://127.0.0.1:1080"):
            self.assertTrue(self.reaches(sandbox, "good.example", "--proxy", proxy), proxy)
            self.assertFalse(self.reaches(sandbox, "other.example", "--proxy", proxy), proxy)
            self.assertFalse(self.reaches(sandbox, HOST4, "--proxy", proxy), proxy)

    def test_no_other_way_leads_out(self):
        for options in (["--egress", "full"], ["--egress", "full", "--root-inside"]):
            sandbox = self.create(*options)
            told = self.told("exec", sandbox, "--", "python3", "-c", RAW).split()
            self.assertEqual(told[0], "ConnectionRefusedError", "UDP")
            self.assertNotIn("done", told)
            changed = self.told("exec", sandbox, "--", "sh", "-c",
                                "echo nameserver 8.8.8.8 > /etc/resolv.conf; umount /etc/resolv.conf; cat /etc/resolv.conf")
            self.assertEqual(changed, "nameserver 127.0.0.1\n")
        self.assertEqual(self.world.http.seen, [])

    def test_one_does_not_use_the_way_of_another(self):
        allowed, other = self.create("--allow", "good.example:80"), self.create("--allow", "other.example:80")
        self.assertTrue(self.reaches(allowed))
        address = self.told("exec", allowed, "--", "getent", "ahostsv4", "good.example").split()[0]  # with AI_ADDRCONFIG
        self.assertFalse(self.reaches(other))
        self.assertIsNone(self.fetch(other, f"http://{address}/", "-H", "Host: good.example"))

    def test_servers_inside_go_on(self):
        sandbox = self.create("--allow", "good.example:80")
        self.ok("exec", "--detach", sandbox, "--", "python3", "-m", "http.server", "8000")
        self.ok("wait-port", sandbox, "8000")
        self.assertIn("Directory listing", self.fetch(sandbox, "http://127.0.0.1:8000/"))
        self.assertIn("Directory listing", self.fetch(sandbox, "http://localhost:8000/"))
        self.assertTrue(self.reaches(sandbox))


class Policies(EgressCase):
    def holds(self, sandbox, host="good.example", port=22):
        started = self.daemon.popen("exec", sandbox, "--", "python3", "-c", HOLDS, host, port)
        self.addCleanup(started.communicate)
        self.addCleanup(started.kill)
        self.assertEqual(started.stdout.readline(), b"up\n")
        return started

    def test_an_update_holds_at_once_and_cuts_what_it_does_not_allow(self):
        sandbox = self.create("--allow", "good.example:22", "--allow", "other.example:22")
        cut, kept = self.holds(sandbox), self.holds(sandbox, "other.example")
        told = self.told("egress", sandbox, "--allow", "other.example:22", "--allow", "good.example:80")
        self.assertRegex(told, r"\b1 connection")
        self.assertEqual(cut.stdout.readline(), b"reset\n")
        self.assertTrue(self.reaches(sandbox), "a port that the policy before had not")
        self.assertIsNone(kept.poll())
        self.told("egress", sandbox, "--none")
        self.assertEqual(kept.stdout.readline(), b"reset\n")
        self.assertFalse(self.reaches(sandbox))
        self.told("egress", sandbox, "--allow", "good.example:80")
        self.assertTrue(self.reaches(sandbox))

    def test_limits_are_given_and_added_by_name(self):
        sandbox = self.create("--allow", "good.example:22", "--egress-limit", "connections=1", "--egress-limit", "sent=1GiB")
        policy = json.loads(self.ok("egress", "--json", sandbox))["policy"]
        self.assertEqual((policy["limits"]["connections_max"], policy["limits"]["sent_bytes_max"]), (1, 1 << 30))
        two = ("import socket\na = socket.create_connection(('good.example', 22))\na.sendall(b'x')\nassert a.recv(1)\n"
               "b = socket.create_connection(('good.example', 22))\nb.sendall(b'x')\nprint(b.recv(1))")
        self.assertNotIn("b'x'", self.run_in(sandbox, "python3", "-c", two).stdout.decode())
        alone = self.daemon.cli("egress", sandbox, "--limit", "connections=2")
        self.assertEqual(alone.returncode, 2)
        self.assertIn("say what is allowed", alone.stderr.decode())
        self.ok("egress", sandbox, "--add", "--limit", "connections=2")
        policy = json.loads(self.ok("egress", "--json", sandbox))["policy"]
        self.assertEqual((policy["limits"]["connections_max"], policy["limits"]["sent_bytes_max"]), (2, 1 << 30))
        self.assertEqual([rule["host"] for rule in policy["rules"]], ["good.example"])
        self.assertEqual(self.run_in(sandbox, "python3", "-c", two).stdout.decode(), "b'x'\n")

    def test_a_sandbox_without_a_way_out_is_given_none(self):
        sandbox = self.create()
        self.assertIn("made without a way out", self.fails(1, "egress", sandbox, "--allow", "good.example"))

    def test_what_is_wrong_with_a_policy_is_said(self):
        for code, options, word in ((2, ["--allow", "good.example:0"], "port"), (2, ["--allow", "a b:80"], "host name"),
                                    (1, ["--allow-preset", "nothing"], "no such preset"), (2, ["--allow", "10.0.0.5:80"], "address")):
            self.assertIn(word, self.fails(code, "create", *options), options)

    def test_children_and_rollbacks_have_the_policy_in_force(self):
        sandbox = self.create("--allow", "good.example:80")
        self.told("checkpoint", "create", sandbox, "before")
        self.told("egress", sandbox, "--allow", "other.example:80")
        child = self.told("fork", sandbox).strip()
        self.addCleanup(self.daemon.cli, "rm", "--force", child)
        self.told("rollback", sandbox, "before")
        for one in (sandbox, child):
            self.assertTrue(self.reaches(one, "other.example"))
            self.assertFalse(self.reaches(one))
        self.told("egress", child, "--allow", "good.example:80")
        self.assertTrue(self.reaches(child))
        self.assertFalse(self.reaches(sandbox))


class Private(EgressCase):
    """What the operator opens, a policy has to ask for."""

    configuration = 'private_ranges = ["10.0.0.0/16"]\n'
    may_reach = {"10.0.0.5"}

    def test_ranges_are_the_operators_to_open(self):
        plain = self.create("--allow", "inner.example:80")
        self.assertFalse(self.reaches(plain, "inner.example"))
        open_ = self.create("--allow", "inner.example:80", "--allow-private", "10.0.0.0/24")
        self.assertTrue(self.reaches(open_, "inner.example"))
        self.assertFalse(self.reaches(open_, "loop.example"))
        for other in ("10.1.0.0/24", "192.168.0.0/24", "10.0.0.0/8"):
            self.assertIn("does not let policies allow", self.fails(1, "create", "--allow", "inner.example:80",
                                                                    "--allow-private", other))
        self.assertIn("loopback", self.fails(1, "create", "--allow", "inner.example:80", "--allow-private", "127.0.0.0/8"))


class Tells(EgressCase):
    def test_the_end_of_a_command_says_what_was_refused(self):
        sandbox = self.create("--allow", "good.example:80,443")
        failed = self.run_in(sandbox, "curl", "-sS", "http://other.example/", exec_id="lost")
        self.assertNotEqual(failed.returncode, 0)
        self.assertIn("refused a connection to other.example", failed.stderr.decode())
        self.assertIn("a rule of its egress policy for other.example", failed.stderr.decode())
        denials = self.status(sandbox, "lost")["denials"]
        self.assertEqual([(one["target"], one["reason"]) for one in denials], [("other.example", "no_rule")])
        fine = self.run_in(sandbox, "curl", "-sS", "http://good.example/x", exec_id="fine")
        self.assertEqual(fine.returncode, 0)
        self.assertEqual(self.status(sandbox, "fine")["denials"], [])
        self.run_in(sandbox, "curl", "-sS", f"http://{ORIGIN4}/", exec_id="address")
        self.assertEqual(self.status(sandbox, "address")["denials"][0]["target"], f"{ORIGIN4}:80")

    def test_a_hundred_ends_have_their_refusals(self):
        """However soon the command ends after it."""
        sandbox = self.create("--allow", "good.example:80")
        for i in range(100):
            self.run_in(sandbox, "getent", "hosts", f"n{i}.example", exec_id=f"e{i}")
            self.assertEqual([one["target"] for one in self.status(sandbox, f"e{i}")["denials"]], [f"n{i}.example"])

    def test_connections_are_recorded(self):
        sandbox = self.create("--allow", "good.example:80")
        self.assertTrue(self.reaches(sandbox))
        self.run_in(sandbox, "curl", "-sS", "http://other.example/", exec_id="lost")
        daemon.wait_until(lambda: any(one["state"] == "closed" for one in self.records(sandbox)),
                          "the end of the connection is told")
        records = self.records(sandbox)
        opened = [one for one in records if one["host"] == "good.example"]
        self.assertEqual({one["address"] for one in opened}, {ORIGIN4})
        self.assertEqual({one["rule"] for one in opened}, {"good.example"})
        refused = self.records(sandbox, "--refused")
        self.assertEqual({(one["host"], one["exec_id"]) for one in refused}, {("other.example", "lost")})
        self.assertIn("other.example", self.told("net", sandbox))

    def test_what_a_payload_calls_a_host_reaches_people_escaped(self):
        sandbox = self.create("--egress", "full")
        self.run_in(sandbox, "curl", "-sS", "--proxy", "http://127.0.0.1:3128", "http://\x1b[2J.example/")
        self.assertNotIn("\x1b", self.told("net", sandbox))


class Counted(EgressCase):
    """What operators see of all sandboxes together."""

    @classmethod
    def setUpClass(cls):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            cls.metrics = f"127.0.0.1:{free.getsockname()[1]}"
        cls.configuration = f'[metrics]\nlisten = "{cls.metrics}"\n'
        super().setUpClass()

    def figures(self):
        with urllib.request.urlopen(f"http://{self.metrics}/metrics", timeout=60) as answer:
            lines = [line.rpartition(" ") for line in answer.read().decode().splitlines() if not line.startswith("#")]
        return {name: float(value) for name, _, value in lines}

    def test_metrics_count_calls_sandboxes_and_connections(self):
        self.assertEqual(self.figures()["glovebox_connections_opened_total"], 0)
        sandbox = self.create("--allow", "good.example:80")
        self.assertTrue(self.reaches(sandbox))
        self.assertFalse(self.reaches(sandbox, "other.example"))
        ended = daemon.wait_until(lambda: [one for one in self.records(sandbox) if one["state"] == "closed"],
                                  "the end of the connection is told")[0]
        figures = self.figures()
        refused = 'glovebox_connections_refused_total{reason="NO_RULE"}'
        self.assertEqual(figures["glovebox_connections_opened_total"], 1)
        self.assertGreaterEqual(figures[refused], 1)
        self.assertEqual(figures['glovebox_connection_bytes_total{direction="sent"}'], ended["sent_bytes"])
        self.assertEqual(figures['glovebox_connection_bytes_total{direction="received"}'], ended["received_bytes"])
        self.assertEqual(figures["glovebox_connection_records_dropped_total"], 0)
        self.assertEqual(figures["glovebox_sandboxes"], 1)
        self.assertEqual(figures["glovebox_execs_total"], 2)
        self.ok("rm", "--force", sandbox)
        later = self.figures()
        self.assertEqual(later["glovebox_sandboxes"], 0)
        self.assertEqual(later[refused], figures[refused], "what is gone stays counted")
        self.assertEqual(later['glovebox_rpcs_total{code="OK",method="SandboxService/DeleteSandbox"}'], 1)

    def test_the_node_tells_what_resolves_names(self):
        told = json.loads(self.daemon.cli("preflight", "--json").stdout)["capabilities"]
        egress = next(one for one in told if one["name"] == "egress")
        self.assertEqual(egress["state"], "available")
        self.assertIn("name servers: 1", egress["mechanism"])


class NameServers(EgressCase):
    """Of the host's resolv.conf: a daemon that sees a copy of /etc."""

    name_servers = ""
    may_reach = frozenset([OTHER_DNS4])

    @classmethod
    def setUpClass(cls):
        cls.etc = pathlib.Path(tempfile.mkdtemp(prefix="glovebox-etc-", dir="/tmp"))
        cls.addClassCleanup(shutil.rmtree, cls.etc)
        shutil.copytree("/etc", cls.etc, symlinks=True, dirs_exist_ok=True)
        cls.name(DNS4)
        super().setUpClass()
        cls.other = egress_world.NameServer(cls.world.internet.listen(53, OTHER_DNS4, socket.SOCK_DGRAM))
        cls.addClassCleanup(cls.other.close)
        cls.other.names = cls.world.dns.names

    @classmethod
    def start_daemon(cls, **options):
        mount = 'mount --bind "$0" /etc && exec "$@"'
        super().start_daemon(wrapper=("unshare", "--mount", "sh", "-c", mount, cls.etc), **options)

    @classmethod
    def name(cls, *servers):
        """As resolvconf writes it."""
        new = cls.etc / "resolv.conf.new"
        new.write_text("".join(f"nameserver {server}\n" for server in servers))
        new.rename(cls.etc / "resolv.conf")

    def is_asked(self, server, sandbox):
        self.world.dns.asked.clear()
        self.other.asked.clear()
        self.assertTrue(self.reaches(sandbox))
        return bool(server.asked)

    def test_a_change_of_the_hosts_name_servers_reaches_sandboxes_that_run(self):
        sandbox = self.create("--allow", "good.example:80")
        proxy = self.process("glovebox-egress")
        self.assertTrue(self.is_asked(self.world.dns, sandbox))
        self.name(OTHER_DNS4)
        daemon.wait_until(lambda: self.is_asked(self.other, sandbox), "the other one is asked")
        self.assertEqual(self.world.dns.asked, [])
        (self.etc / "resolv.conf").write_text(f"nameserver {DNS4}\n")
        daemon.wait_until(lambda: self.is_asked(self.world.dns, sandbox), "the first one is asked, after it was written in place")
        (self.etc / "resolv.conf").unlink()
        (self.etc / "stub.conf").write_text("# nobody\n")
        (self.etc / "resolv.conf").symlink_to("stub.conf")
        daemon.wait_until(lambda: "name servers stay as they were" in self.daemon.read_log(), "it is missed")
        self.assertTrue(self.is_asked(self.world.dns, sandbox), "the last good ones hold")
        (self.etc / "stub.conf").write_text(f"nameserver {OTHER_DNS4}\n")
        daemon.wait_until(lambda: self.is_asked(self.other, sandbox), "by a link")
        self.assertEqual(self.daemon.read_log().count("name servers stay as they were"), 1)
        self.assertEqual(self.process("glovebox-egress"), proxy, "the same proxy all the time")
        daemon.kill_and_wait(proxy)
        daemon.wait_until(lambda: self.is_asked(self.other, sandbox), "the next one has them too")

    def test_what_the_operator_names_is_not_followed(self):
        watches = lambda: [fd for fd in pathlib.Path(f"/proc/{self.daemon.process.pid}/fd").iterdir()
                           if os.path.lexists(fd) and os.readlink(fd) == "anon_inode:inotify"]
        self.assertEqual(len(watches()), 1, "the control")
        self.config.write_text(f'[egress]\nname_servers = ["{DNS4}"]\n')
        self.addCleanup(self.config.write_text, "[egress]\n")
        self.name(OTHER_DNS4)
        self.daemon.kill()
        self.start_daemon()
        self.assertTrue(self.is_asked(self.world.dns, self.create("--allow", "good.example:80")))
        self.assertEqual(watches(), [])
        self.name(DNS4)


class Lives(EgressCase):
    def proxy(self):
        return daemon.wait_until(
            lambda: next((pid for pid in self.daemon.descendants() if daemon.name_of(pid) == "glovebox-egress"), None), "a proxy")

    def test_a_proxy_that_dies_is_followed_by_another(self):
        sandbox = self.create("--allow", "good.example:80")
        self.assertTrue(self.reaches(sandbox))
        first = self.proxy()
        daemon.kill_and_wait(first)
        daemon.wait_until(lambda: self.reaches(sandbox), "the next one serves")
        self.assertNotEqual(self.proxy(), first)

    def bytes_files(self):
        return sorted(path.name for path in (self.daemon.root / "run").rglob("*.bytes"))

    def downloads(self, sandbox, host="good.example"):
        return int(self.told("exec", sandbox, "--", "python3", "-c", DOWNLOADS, host).splitlines()[-1].split()[1])

    def test_limits_on_bytes_go_on_over_all_ends(self):
        limit = 32 << 20  # what is reset on its way, some MiB, is counted and does not arrive
        sandbox = self.create("--allow", "good.example:5432", "--egress-limit", f"received={limit}")
        first = self.downloads(sandbox)
        self.assertGreater(first, limit // 4, "the control")
        self.assertLessEqual(first, limit)
        self.told("checkpoint", "create", sandbox, "before")
        daemon.kill_and_wait(self.proxy())
        self.assertLess(self.downloads(sandbox), 64 << 10, "with the next proxy")
        self.daemon.kill()
        self.start_daemon(on_shutdown="leave")
        self.assertLess(self.downloads(sandbox), 64 << 10, "with the next daemon")
        self.told("rollback", sandbox, "before")
        self.assertLess(self.downloads(sandbox), 64 << 10, "after a rollback")
        self.told("egress", sandbox, "--add", "--limit", f"received={limit * 2}")
        raised = self.downloads(sandbox)
        self.assertGreater(raised, limit // 4, "what was added is there")
        self.assertLessEqual(first + raised, limit * 2)
        child = self.told("fork", sandbox).strip()
        self.addCleanup(self.daemon.cli, "rm", "--force", child)
        self.assertGreater(self.downloads(child), limit // 2, "a child has its own")
        self.assertEqual(self.bytes_files(), sorted(f"{one}.bytes" for one in (sandbox, child)))
        self.ok("rm", "--force", child)
        daemon.wait_until(lambda: self.bytes_files() == [f"{sandbox}.bytes"], "it goes with its sandbox")

    def test_sandboxes_keep_their_policies_over_a_restart_of_the_daemon(self):
        sandbox, none = self.create("--allow", "good.example:80"), self.create()
        self.told("egress", sandbox, "--allow", "other.example:80,8080")
        etag = self.inspect(sandbox)["egress_etag"]
        for _ in self.each_restart():
            self.assertTrue(self.reaches(sandbox, "other.example"))
            self.assertFalse(self.reaches(sandbox))
            self.assertFalse(self.reaches(none, "other.example"))
            self.assertEqual(self.inspect(sandbox)["egress_etag"], etag)

    def test_nothing_of_a_deleted_sandbox_is_kept(self):
        proxy = self.proxy()
        before = len(os.listdir(f"/proc/{proxy}/fd"))
        for _ in range(5):
            sandbox = self.create("--allow", "good.example:80")
            self.assertTrue(self.reaches(sandbox))
            self.ok("rm", "--force", sandbox)
        daemon.wait_until(lambda: len(os.listdir(f"/proc/{proxy}/fd")) == before, "its sockets are closed")


if __name__ == "__main__":
    unittest.main()
