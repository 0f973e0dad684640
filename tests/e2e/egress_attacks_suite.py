#!/usr/bin/env python3
"""Payloads that lie about whom they talk to, carry words out in names, or take all that there is; policies, sandboxes and
the proxy that change or go under transfers. Each with what works meanwhile or otherwise."""

import collections
import os
import subprocess
import unittest

import daemon
import egress_origins
from egress_case import DOWNLOADS, ORIGIN4, OTHER4
from egress_origins_case import OriginsCase

HTTP, TLS, TCP = 2, 3, 1
ALLOW_LIST = 2
# Transfers at once, of which each tells its host and curl's exit code and how many bytes it got, when it ends.
TRANSFERS = r"""
for host in "$@"; do
  { got=$(curl -sS --cacert /tmp/ca.pem -o /dev/null -w '%{size_download}' "https://$host/held") && code=0 || code=$?
    echo "$host $code $got"; } &
done
wait
"""
COUNT = 50
# Two requests of which the second has another host, then whatever comes.
RAW_REQUESTS = r"""
import socket, sys
with socket.create_connection(("good.example", 80)) as made:
    made.sendall(sys.argv[1].encode().decode("unicode_escape").encode("latin-1"))
    answer = b""
    try:
        while more := made.recv(65536):
            answer += more
    except ConnectionResetError:
        pass
    sys.stdout.write(answer.decode("latin-1"))
"""
# Looks names up, and tells how many have an address.
LOOKUPS = r"""
import socket, sys
found = 0
for name in sys.argv[1:]:
    try:
        found += bool(socket.getaddrinfo(name, 443, type=socket.SOCK_STREAM))
    except socket.gaierror:
        pass
print(found)
"""
# Connects so often, says one thing on each, tells what came of them, and keeps them until its input ends.
MANY = r"""
import collections, socket, sys
host, port, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
words, answered = sys.argv[4].encode(), sys.argv[5] == "answered"
address = socket.gethostbyname(host)
results, made = collections.Counter(), []
for _ in range(count):
    try:
        one = socket.create_connection((address, port))
        one.sendall(words)
        made.append(one)
    except OSError:
        results["refused"] += 1
for one in made:
    try:
        if answered:
            results["answered" if one.recv(1) else "refused"] += 1
    except OSError:
        results["refused"] += 1
print(results["answered"], results["refused"], flush=True)
sys.stdin.read()
"""
# Holds one connection, and echoes a line for each of its input.
HOLDS = r"""
import socket, sys
with socket.create_connection((sys.argv[1], int(sys.argv[2]))) as made:
    for line in sys.stdin:
        made.sendall(line.encode())
        print(made.recv(65536).decode(), end="", flush=True)
"""


class AttackCase(OriginsCase):
    @classmethod
    def make_internet(cls):
        super().make_internet()
        cls.world.dns.names["b.wild.example"] = [OTHER4]

    def setUp(self):
        super().setUp()
        self.origins.hosts.clear()
        self.origins.behind = b""

    def create(self, *options):
        sandbox = super().create(*options)
        self.ok("cp", self.origins.authority.certificate, f"{sandbox}:/tmp/ca.pem")
        return sandbox

    def fetches(self, sandbox, host="good.example", *options):
        return self.fetch(sandbox, f"https://{host}/hello", "--cacert", "/tmp/ca.pem", *options) == "hello of a host\n"

    def address_of(self, sandbox, host):
        return self.told("exec", sandbox, "--", "getent", "ahostsv4", host).split()[0]

    def refusals(self, sandbox, count=1):
        """Host and reason of each, once there are so many."""
        def found():
            records = self.records(sandbox, "--refused")
            return records if len(records) >= count else None

        return [(one["host"], one["denial_reason"]) for one in daemon.wait_until(found, "refusals are told")]

    def talks(self, *command):
        """A command that the test talks with, until the test ends."""
        started = self.enterContext(self.daemon.popen("exec", "-i", *command, stdin=subprocess.PIPE))
        self.addCleanup(started.kill)
        return started

    def answers(self, talker, word=b"word\n"):
        talker.stdin.write(word)
        talker.stdin.flush()
        return talker.stdout.readline() == word

    def seen(self):
        return {address for service in self.world.services() for address in service.addresses()}


class Names(AttackCase):
    def test_tls_to_another_name_than_the_address_goes_nowhere(self):
        sandbox = self.create("--allow", "good.example", "--allow", "*.wild.example")
        good, wild = self.address_of(sandbox, "good.example"), self.address_of(sandbox, "b.wild.example")
        for name, address in (("b.wild.example", good), ("good.example", wild), ("other.example", good), ("other.example", wild)):
            self.assertFalse(self.fetches(sandbox, name, "--resolve", f"{name}:443:{address}"), f"{name} at {address}")
        self.assertNotEqual(self.run_in(sandbox, "openssl", "s_client", "-connect", f"{good}:443", "-noservername").returncode, 0)
        self.assertEqual({reason for _, reason in self.refusals(sandbox, 5)}, {"name_mismatch"})
        self.assertEqual(self.origins.https.seen, [])
        for name, address in (("good.example", good), ("b.wild.example", wild)):
            self.assertTrue(self.fetches(sandbox, name, "--resolve", f"{name}:443:{address}"), "the control")
        self.assertEqual(self.origins.https.addresses(), {ORIGIN4, OTHER4})

    def test_an_address_that_a_payload_chose_is_forgotten(self):
        """What TLS and HTTP name is asked for anew: the name decides."""
        sandbox = self.create("--allow", "good.example:80,443")
        self.assertTrue(self.fetches(sandbox, "good.example", "--resolve", f"good.example:443:{OTHER4}"))
        self.assertTrue(self.fetch(sandbox, "http://good.example/hello", "--resolve", f"good.example:80:{OTHER4}"))
        for address in (ORIGIN4, OTHER4, "10.0.0.5"):
            self.assertFalse(self.fetches(sandbox, "other.example", "--resolve", f"other.example:443:{address}"))
        self.assertEqual(self.seen(), {ORIGIN4})

    def test_hosts_of_requests_that_are_not_the_name_go_nowhere(self):
        sandbox = self.create("--allow", "good.example:80", "--allow", "*.wild.example:80")
        get = r"GET /hello HTTP/1.1\r\n"
        absolute = r"GET http://other.example/hello HTTP/1.1\r\n"
        for request in (get + r"Host: other.example\r\n\r\n", get + r"Host: b.wild.example\r\n\r\n", get + r"\r\n",
                        get + r"Host: good.example\r\nHost: other.example\r\n\r\n", get + r"Host: good.example:8080\r\n\r\n",
                        get + fr"Host: {OTHER4}\r\n\r\n", absolute + r"Host: good.example\r\n\r\n",
                        absolute + r"Host: other.example\r\n\r\n",
                        r"CONNECT other.example:443 HTTP/1.1\r\nHost: good.example\r\n\r\n"):
            answer = self.told("exec", sandbox, "--", "python3", "-c", RAW_REQUESTS, request)
            self.assertRegex(answer, r"\A(\Z|HTTP/1.1 40[03] )", request)  # what is no HTTP at all is answered nothing
        self.assertEqual(self.seen(), set())
        answer = self.told("exec", sandbox, "--", "python3", "-c", RAW_REQUESTS, get + r"Host: good.example\r\n\r\n")
        self.assertTrue(answer.endswith("hello of a host\n"), answer)
        self.assertEqual(self.seen(), {ORIGIN4}, "the control")

    def test_a_second_request_with_another_host_is_never_sent(self):
        sandbox = self.create("--allow", "good.example:80")
        two = r"GET /hello HTTP/1.1\r\nHost: good.example\r\n\r\nGET /hello HTTP/1.1\r\nHost: other.example\r\n\r\n"
        answer = self.told("exec", sandbox, "--", "python3", "-c", RAW_REQUESTS, two)
        self.assertEqual(answer.count("hello of a host\n"), 1, answer)
        self.assertEqual((self.origins.hosts, self.origins.behind), (["good.example"], b""))

    def test_nothing_is_carried_out_in_names(self):
        sandbox = self.create("--allow", "*.wild.example")
        below = [f"{os.urandom(30).hex()}.{os.urandom(30).hex()}.wild.example" for _ in range(50)]
        denied = [f"{os.urandom(30).hex()}.other.example" for _ in range(50)]
        self.assertEqual(self.told("exec", sandbox, "--", "python3", "-c", LOOKUPS, *below), "50\n")
        self.assertEqual(self.told("exec", sandbox, "--", "python3", "-c", LOOKUPS, *denied), "0\n")
        self.assertEqual(self.world.dns.asked, [])
        self.assertEqual({host for host, _ in self.refusals(sandbox, 50)}, set(denied))
        self.assertTrue(self.fetches(sandbox, "b.wild.example"))
        self.assertEqual({name for name, _ in self.world.dns.asked}, {"b.wild.example"}, "the control")

    def test_sandboxes_with_the_same_names_have_nothing_in_common(self):
        one, two = self.create("--allow", "good.example:443"), self.create("--allow", "good.example:22")
        held = self.talks(two, "--", "python3", "-c", HOLDS, "good.example", 22)
        self.assertTrue(self.answers(held))
        self.assertTrue(self.fetches(one))
        self.assertFalse(self.fetches(two))
        many = self.told("exec", one, "--", "python3", "-c", MANY, "good.example", 22, 1, "x", "answered")
        self.assertEqual(many, "0 1\n")
        self.assertEqual({record["port"] for record in self.records(one) if record["state"] == "opened"}, {443})
        self.assertEqual({record["port"] for record in self.records(two) if record["state"] == "opened"}, {22})
        self.ok("rm", "--force", one)
        self.assertTrue(self.answers(held), "the other's goes on")


class Floods(AttackCase):
    def limited(self, **limits):
        rules = [{"host": "good.example", "scheme": TCP, "ports": [22]}, {"host": "good.example", "scheme": TLS},
                 {"host": "good.example", "scheme": HTTP}]
        policy = {"mode": ALLOW_LIST, "rules": rules, "limits": limits}
        sandbox = self.api.call("Sandbox", "CreateSandbox", egress=policy).sandbox.id
        self.addCleanup(self.daemon.cli, "rm", "--force", sandbox)
        self.ok("cp", self.origins.authority.certificate, f"{sandbox}:/tmp/ca.pem")
        return sandbox

    def test_a_thousand_connections_have_what_the_limit_leaves(self):
        neighbour = self.create("--allow", "good.example")
        flooder = self.limited(connections_max=50, connections_per_second=10_000)
        self.assertTrue(self.fetches(flooder))
        daemon.wait_until(lambda: any(one["state"] == "closed" for one in self.records(flooder)), "its first has ended")
        many = self.talks(flooder, "--", "python3", "-c", MANY, "good.example", 22, 1000, "x", "answered")
        self.assertEqual(many.stdout.readline(), b"50 950\n")
        self.assertFalse(self.fetches(flooder), "its limit is reached")
        for _ in range(5):
            self.assertTrue(self.fetches(neighbour), "another sandbox goes on")
        self.assertIn(("good.example", "limit"), self.refusals(flooder))
        self.assertEqual(len(self.world.echo[22].seen), 50)
        many.stdin.close()
        self.assertEqual(many.wait(), 0)
        daemon.wait_until(lambda: self.fetches(flooder), "the end of them makes room")

    def test_connections_that_say_one_byte_hold_up_their_own_sandbox_alone(self):
        neighbour = self.create("--allow", "good.example:80,443")
        for port, word in ((443, "\x16"), (80, "G")):
            self.world.forget()
            slow = self.limited(connections_max=200, connections_per_second=10_000)
            many = self.talks(slow, "--", "python3", "-c", MANY, "good.example", port, 200, word, "unanswered")
            self.assertEqual(many.stdout.readline(), b"0 0\n")
            for _ in range(5):
                self.assertTrue(self.fetches(neighbour), "another sandbox goes on")
                self.assertEqual(self.fetch(neighbour, "http://good.example/hello"), "hello of a host\n")
            self.assertEqual((len(self.origins.https.seen), len(self.world.http.seen)), (5, 5), "nobody is dialled for them")
            many.stdin.close()
            self.assertEqual(many.wait(), 0)
            daemon.wait_until(lambda: self.fetches(slow), "the end of them makes room")

    def test_a_limit_of_bytes_is_of_all_connections_together(self):
        neighbour, greedy = self.create("--allow", "good.example"), self.limited(received_bytes_max=len(egress_origins.HALF))
        self.origins.held.released.set()
        command = ("curl", "-sS", "--cacert", "/tmp/ca.pem", "-o", "/dev/null", "-w", "%{size_download}",
                   "https://good.example/held")
        self.assertEqual(int(self.run_in(neighbour, *command).stdout), 2 * len(egress_origins.HALF), "the control")
        cut = [self.run_in(greedy, *command) for _ in range(3)]
        self.assertNotIn(0, [one.returncode for one in cut])
        self.assertLessEqual(sum(int(one.stdout) for one in cut), len(egress_origins.HALF), "of all of them")
        self.assertEqual(self.refusals(greedy, 3), [("good.example", "limit")] * 3)
        self.assertTrue(self.fetches(neighbour))


class Shares(AttackCase):
    configuration = "connections_max = 100\n"

    def test_sandboxes_that_take_all_they_can_leave_some_for_others(self):
        neighbour = self.create("--allow", "good.example")
        for _ in range(4):
            taker = self.create("--allow", "good.example:22")
            many = self.talks(taker, "--", "python3", "-c", MANY, "good.example", 22, 150, "x", "answered")
            answered, refused = map(int, many.stdout.readline().split())
            self.assertGreater(answered, 0, "each gets some")
            self.assertGreater(refused, 0, "and none everything")
            self.assertIn(("good.example", "limit"), self.refusals(taker))
            for _ in range(5):
                self.assertTrue(self.fetches(neighbour), "another sandbox goes on")


class Transfers(AttackCase):
    """Of answers that the origin sends half of, until the test releases them."""

    def setUp(self):
        super().setUp()
        self.origins.held = egress_origins.Held()
        self.addCleanup(lambda held=self.origins.held: held.released.set())

    def transfers(self, sandbox, *hosts):
        """So many are half-way when this returns."""
        before = len(self.origins.held.hosts)
        started = self.enterContext(self.daemon.popen("exec", sandbox, "--", "sh", "-c", TRANSFERS, "sh", *hosts))
        self.addCleanup(started.kill)
        daemon.wait_until(lambda: len(self.origins.held.hosts) == before + len(hosts), "all are half-way")
        return started

    def ends(self, started, count):
        """(host, whether it was whole) of each of so many."""
        lines = [started.stdout.readline().decode().split() for _ in range(count)]
        for host, code, size in lines:
            self.assertEqual(code == "0", int(size) == 2 * len(egress_origins.HALF), f"{host}: {code}, {size} bytes")
        return collections.Counter((host, code == "0") for host, code, _ in lines)

    def proxy(self):
        return daemon.wait_until(
            lambda: next((pid for pid in self.daemon.descendants() if daemon.name_of(pid) == "glovebox-egress"), None), "a proxy")

    def test_another_policy_cuts_exactly_what_it_does_not_allow(self):
        sandbox, other = (self.create("--allow", "good.example", "--allow", "other.example") for _ in range(2))
        hosts = ["good.example", "other.example"] * (COUNT // 2)
        started, neighbours = self.transfers(sandbox, *hosts), self.transfers(other, *hosts[:10])
        told = self.told("egress", sandbox, "--allow", "other.example")
        self.assertEqual(told, f"{COUNT // 2} connections cut\n")
        self.assertEqual(self.ends(started, COUNT // 2), {("good.example", False): COUNT // 2})
        self.assertIsNone(started.poll())
        self.assertEqual(self.refusals(sandbox, COUNT // 2), [("good.example", "no_rule")] * (COUNT // 2))
        self.origins.held.released.set()
        self.assertEqual(self.ends(started, COUNT // 2), {("other.example", True): COUNT // 2})
        self.assertEqual(self.ends(neighbours, 10), {("good.example", True): 5, ("other.example", True): 5})

    def test_a_proxy_that_is_killed_ends_every_transfer(self):
        one, two = self.create("--allow", "good.example"), self.create("--egress", "full")
        half = ["good.example"] * (COUNT // 2)
        running = [self.transfers(sandbox, *half) for sandbox in (one, two)]
        first = self.proxy()
        daemon.kill_and_wait(first)
        for started in running:
            self.assertEqual(self.ends(started, COUNT // 2), {("good.example", False): COUNT // 2})
            self.assertEqual(started.wait(), 0, "the command ends of itself: its sandbox lives")
        for sandbox in (one, two):
            daemon.wait_until(lambda: self.fetches(sandbox), "the next proxy serves")
        self.assertNotEqual(self.proxy(), first)
        self.origins.held = egress_origins.Held()
        again = self.transfers(one, *half)
        self.origins.held.released.set()
        self.assertEqual(self.ends(again, COUNT // 2), {("good.example", True): COUNT // 2})

    def test_proxies_that_are_killed_amid_downloads_give_no_byte_more_than_the_limit(self):
        limit = 128 << 20  # what is on its way at each end, some MiB, is counted and does not arrive
        sandbox = self.create("--allow", "good.example:5432", "--egress-limit", f"received={limit}")
        with self.daemon.popen("exec", sandbox, "--", "python3", "-c", DOWNLOADS, "good.example") as download:
            self.addCleanup(download.kill)
            killed = 0
            for line in download.stdout:
                word, total = line.split()
                if word == b"more" and killed < 5:  # each is started later than the one before
                    daemon.kill_and_wait(self.process("glovebox-egress"))
                    killed += 1
        self.assertEqual((word, killed), (b"end", 5))
        self.assertGreaterEqual(int(total), 10 << 20, "the control: something arrives in between")
        self.assertLessEqual(int(total), limit)

    def test_each_proxy_that_is_killed_is_followed_by_one_that_knows_all_sandboxes(self):
        kept, killed = self.create("--allow", "good.example"), set()
        for _ in range(4):
            proxy = daemon.wait_until(lambda: {self.proxy()} - killed, "another proxy").pop()
            killed.add(proxy)
            daemon.kill_and_wait(proxy)
            between = self.create("--allow", "other.example")  # while there is none
            for sandbox, host, other in ((kept, "good.example", "other.example"), (between, "other.example", "good.example")):
                daemon.wait_until(lambda: self.fetches(sandbox, host), "it serves")
                self.assertFalse(self.fetches(sandbox, other))

    def test_nothing_of_a_sandbox_that_is_deleted_in_transfers_is_kept(self):
        other = self.create("--allow", "good.example")
        kept = self.transfers(other, "good.example")
        folder = f"/proc/{self.proxy()}/fd"
        before = len(os.listdir(folder))
        sandbox = self.create("--allow", "good.example")
        started = self.transfers(sandbox, *["good.example"] * COUNT)
        self.assertGreaterEqual(len(os.listdir(folder)), before + 2 * COUNT, "the control")
        self.ok("rm", "--force", sandbox)
        self.assertNotEqual(started.wait(), 0)
        daemon.wait_until(lambda: len(os.listdir(folder)) == before, "its sockets are closed")
        self.origins.held.released.set()
        self.assertEqual(self.ends(kept, 1), {("good.example", True): 1})


if __name__ == "__main__":
    unittest.main()
