#!/usr/bin/env python3
"""Which ports lead to the way out: every one, where the kernel gives them; those that policies name, where it does not."""

import json
import os
import pathlib
import re
import select
import signal
import subprocess
import unittest

import bpf_objects
import daemon
import egress_suite
import grpc
from egress_case import HOST4, ORIGIN4, ORIGIN6, EgressCase

# For each host:port whether it says again what it is told.
ECHOES = r"""
import socket, sys
for place in sys.argv[1:]:
    host, _, port = place.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=60) as made:
            made.sendall(b"x")
            print("yes" if made.recv(1) == b"x" else "no")
    except OSError:
        print("no")
"""
# Waits to be spoken to.
SILENT = r"""
import socket, sys
with socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=60) as made:
    try:
        print("told" if made.recv(1) else "ended")
    except ConnectionResetError:
        print("reset")
"""
# Tells of each address whether it can be listened at, and keeps those until its input ends.
TAKES = r"""
import socket, sys
made = []
for place in sys.argv[1:]:
    address, _, port = place.rpartition(":")
    made.append(socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET))
    made[-1].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made[-1].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        made[-1].bind((address, int(port)))
        made[-1].listen()
        print("has it", flush=True)
    except OSError as error:
        print(error.strerror, flush=True)
sys.stdin.read()
"""
# Asks each for a name over TCP, and tells how many answer.
NAMES = r"""
import socket, struct, sys
question = b"\0\7\1\0\0\1\0\0\0\0\0\0\4good\7example\0\0\1\0\1"
for address in sys.argv[1:]:
    with socket.create_connection((address, 53), timeout=60) as made:
        made.sendall(struct.pack(">H", len(question)) + question)
        print("answered" if made.recv(65536)[2:4] == b"\0\7" else "not")
"""
# bpf(2), BPF_PROG_LOAD.
BPF = "import ctypes; libc = ctypes.CDLL(None, use_errno=True); print(libc.syscall(321, 5, 0, 0), ctypes.get_errno() != 0)"


class PortCase(EgressCase):
    def echoes(self, sandbox, *places):
        return self.told("exec", sandbox, "--", "python3", "-c", ECHOES, *places).split()

    def refusals(self, sandbox, count):
        """Host, port and reason of each, once there are so many."""
        def found():
            records = self.records(sandbox, "--refused")
            return records if len(records) >= count else None

        records = daemon.wait_until(found, "refusals are told")
        return {(one["host"], one["port"], one["denial_reason"]) for one in records}

    def serves(self, sandbox, port, address="0.0.0.0"):
        self.ok("exec", "--detach", sandbox, "--", "python3", "-m", "http.server", "--bind", address, str(port))
        self.ok("wait-port", sandbox, str(port))

    def capability(self):
        told = json.loads(self.daemon.cli("preflight", "--json").stdout)["capabilities"]
        return next(one for one in told if one["name"] == "egress_all_ports")


class EveryPort(PortCase):
    def test_full_reaches_what_is_public_at_any_port(self):
        sandbox = self.create("--egress", "full")
        public = [f"{host}:{port}" for host in ("good.example", ORIGIN4, ORIGIN6, f"::ffff:{ORIGIN4}") for port in (5432, 8080)]
        self.assertEqual(self.echoes(sandbox, *public), ["yes"] * len(public))
        inside = [f"{host}:2375" for host in ("10.0.0.5", "169.254.169.254", HOST4, "loop.example", "own.example")]
        self.assertEqual(self.echoes(sandbox, *inside), ["no"] * len(inside))
        self.assertIn(("10.0.0.5", 2375, "private_address"), self.refusals(sandbox, len(inside)))
        opened = {(one["host"], one["port"]) for one in self.records(sandbox) if one["state"] == "opened"}
        self.assertLessEqual({("good.example", 5432), (ORIGIN4, 8080), (ORIGIN6, 8080)}, opened)

    def test_a_port_that_no_rule_names_is_refused_and_told(self):
        sandbox = self.create("--allow", "good.example:80")
        places = [f"{host}:5432" for host in ("good.example", ORIGIN4, ORIGIN6)]
        self.assertEqual(self.echoes(sandbox, *places), ["no"] * 3)
        self.assertEqual(self.refusals(sandbox, 3), {(host, 5432, "no_rule") for host in ("good.example", ORIGIN4, ORIGIN6)})
        for host in ("good.example", ORIGIN4):
            self.assertIn(self.told("exec", sandbox, "--", "python3", "-c", SILENT, host, 8080), ("ended\n", "reset\n"),
                          "who waits to be spoken to is not left waiting")
        lost = self.run_in(sandbox, "curl", "-sS", "--fail", f"http://{ORIGIN4}:8080/", exec_id="lost")
        self.assertIn(f"refused a connection to {ORIGIN4}", lost.stderr.decode())
        self.assertEqual([(one["target"], one["reason"]) for one in self.status(sandbox, "lost")["denials"]],
                         [(f"{ORIGIN4}:8080", "no_rule")])
        self.assertTrue(self.reaches(sandbox))

    def test_a_server_inside_has_a_port_of_the_way_out_and_its_own_clients(self):
        sandbox = self.create("--allow", "good.example:80,8080", "--allow", "other.example:80")
        self.serves(sandbox, 80)
        self.serves(sandbox, 8000, "::")
        for url in ("http://127.0.0.1/", "http://localhost/", "http://127.1.2.3/", "http://0.0.0.0/", "http://192.0.0.8/",
                    "http://[::1]:8000/", "http://[::ffff:127.0.0.1]:8000/", "http://192.0.0.8:8000/"):
            self.assertIn("Directory listing", self.fetch(sandbox, url) or "", url)
        for _ in range(5):
            self.assertTrue(self.reaches(sandbox))
            self.assertTrue(self.reaches(sandbox, "other.example"))
        self.assertIsNone(self.fetch(sandbox, f"http://{ORIGIN4}:8000/"), "nor does it get what is refused")

    def test_a_server_can_begin_beside_an_open_connection_of_its_port(self):
        sandbox = self.create("--allow", "good.example:8080")
        held = self.daemon.popen("exec", sandbox, "--", "python3", "-c", egress_suite.HOLDS, "good.example", 8080)
        self.addCleanup(held.communicate)
        self.addCleanup(held.kill)
        self.assertEqual(held.stdout.readline(), b"up\n")
        self.serves(sandbox, 8080)
        self.assertIn("Directory listing", self.fetch(sandbox, "http://127.0.0.1:8080/"))
        self.assertEqual(self.echoes(sandbox, "good.example:8080"), ["yes"])

    def test_an_update_needs_no_port_of_a_command(self):
        sandbox = self.create("--allow", "good.example:80")
        self.serves(sandbox, 8080)
        self.assertEqual(self.echoes(sandbox, "good.example:8080"), ["no"])
        self.told("egress", sandbox, "--allow", "good.example:8080")
        self.assertEqual(self.echoes(sandbox, "good.example:8080"), ["yes"])
        self.assertIn("Directory listing", self.fetch(sandbox, "http://127.0.0.1:8080/"))
        for first in range(1000, 1400, 40):  # more than there can be sockets for
            self.told("egress", sandbox, "--allow", f"good.example:{','.join(str(first + i) for i in range(16))}")
        self.told("egress", sandbox, "--none")
        self.assertEqual(self.echoes(sandbox, "good.example:8080"), ["no"])

    def test_what_gives_the_ports_is_nobodys_to_take(self):
        for options in ([], ["--root-inside"]):
            sandbox = self.create("--allow", "good.example:80,5432", *options)
            places = ["0.0.0.0:53", ":::53", "::1:53", f"{ORIGIN4}:53", f"{ORIGIN4}:5432", "0.0.0.0:5432", "127.0.0.1:5432"]
            command = ("exec", "-i", sandbox, "--", "python3", "-c", TAKES, *places)
            with self.daemon.popen(*command, stdin=-1) as taker:
                had = [taker.stdout.readline().decode().strip() for _ in places]
                self.assertEqual(had[4:], ["has it"] * 3, "what belongs to nobody is there for all")
                if not options:  # root inside is init's user, which the port of names is shared with
                    self.assertNotIn("has it", had[:4])
                for _ in range(5):
                    self.assertTrue(self.reaches(sandbox))
                    self.assertEqual(self.echoes(sandbox, "good.example:5432", f"{ORIGIN4}:8080"), ["yes", "no"])
                    names = self.told("exec", sandbox, "--", "python3", "-c", NAMES, "127.0.0.1", "::1", ORIGIN4, ORIGIN6)
                    self.assertEqual(names.split(), ["answered"] * 4)
                taker.stdin.close()
                self.assertEqual(taker.wait(), 0)
            self.assertEqual(self.told("exec", sandbox, "--", "python3", "-c", BPF), "-1 True\n")

    def test_it_goes_on_over_the_ends_of_others(self):
        sandbox = self.create("--egress", "full")
        self.ok("exec", "--detach", sandbox, "--", "python3", "-c", egress_suite.TAKES_PORT)
        self.ok("wait-port", sandbox, "80")
        places = ("good.example:5432", f"{ORIGIN6}:8080")
        daemon.kill_and_wait(self.process("glovebox-egress"))
        daemon.wait_until(lambda: self.echoes(sandbox, *places) == ["yes"] * 2, "the next proxy serves")
        self.ok("pause", sandbox)
        self.ok("resume", sandbox)
        self.assertEqual(self.echoes(sandbox, *places), ["yes"] * 2)
        for _ in self.each_restart():
            self.assertEqual(self.echoes(sandbox, *places), ["yes"] * 2)
            self.assertTrue(self.reaches(sandbox), "a command listens at its port everywhere")
            self.assertEqual(self.fetch(sandbox, "http://127.0.0.1/"), "mine")

    def test_children_and_rollbacks_have_every_port(self):
        sandbox = self.create("--egress", "full")
        self.told("checkpoint", "create", sandbox, "before")
        child = self.told("fork", sandbox).strip()
        self.addCleanup(self.daemon.cli, "rm", "--force", child)
        self.told("rollback", sandbox, "before")
        for one in (sandbox, child):
            self.assertEqual(self.echoes(one, "good.example:5432", f"{ORIGIN6}:8080"), ["yes"] * 2)

    def test_nothing_of_it_is_left_of_a_deleted_sandbox(self):
        sandbox = self.create("--egress", "full")
        space = os.stat(f"/proc/{self.daemon.init_of(sandbox)}/ns/net").st_ino
        of_it = bpf_objects.of_namespace(space)
        self.assertEqual(len(of_it), 3, "a link, a program and a map")
        self.restart_daemon()
        again = bpf_objects.of_namespace(space)
        self.assertEqual(len(again), 3, "those of the daemon before have gone")
        self.assertFalse(of_it & again)
        self.ok("rm", "--force", sandbox)
        daemon.wait_until(lambda: not bpf_objects.are_left(of_it | again), "all of it is gone")
        self.assertEqual(list(pathlib.Path("/sys/fs/bpf").glob("*glovebox*")), [])

    def test_what_gives_ports_has_no_privilege_but_for_that(self):
        for process in ("glovebox-lookup", "lookup-reserve"):
            status = pathlib.Path(f"/proc/{self.process(process)}/status").read_text()
            value = {line.split(":")[0]: line.split()[1] for line in status.splitlines() if len(line.split()) > 1}
            for name in ("CapPrm", "CapEff", "CapBnd"):
                self.assertEqual(int(value[name], 16), 1 << 12 | 1 << 39, f"{name}: CAP_NET_ADMIN and CAP_BPF")
            self.assertEqual((value["CapInh"], value["CapAmb"]), ("0" * 16,) * 2)
            self.assertEqual((value["NoNewPrivs"], value["Seccomp"]), ("1", "2"))

    def creates_again(self):
        made = daemon.wait_until(lambda: self.created(), "sandboxes with a way out are made again")
        self.assertEqual(self.echoes(made, "good.example:5432"), ["yes"])

    def created(self):
        """The sandbox, or None, when it is said that it may be tried again."""
        try:
            made = self.api.call("Sandbox", "CreateSandbox", egress={"mode": "EGRESS_MODE_FULL"}).sandbox.id
        except grpc.RpcError as refused:
            self.assertEqual(refused.code(), grpc.StatusCode.UNAVAILABLE, refused)
            told = dict(refused.trailing_metadata())["grpc-status-details-bin"]
            self.assertIn(b"LOOKUP_GONE", told)
            self.assertIn(b"RetryInfo", told)
            return None
        self.addCleanup(self.daemon.cli, "rm", "--force", made)
        return made

    def test_without_what_gives_ports_no_sandbox_is_promised_them(self):
        sandbox = self.create("--egress", "full")
        there = self.ok("ls", "--quiet")
        reserve = os.pidfd_open(self.process("lookup-reserve"))
        self.addCleanup(os.close, reserve)
        signal.pidfd_send_signal(reserve, signal.SIGSTOP)  # it makes no other one meanwhile
        daemon.kill_and_wait(self.process("glovebox-lookup"))
        for _ in range(3):
            self.assertIsNone(self.created())
        self.assertIn("glovebox-lookup", self.fails(1, "create", "--egress", "full"))
        self.assertEqual(self.ok("ls", "--quiet"), there, "nothing of those is left")
        self.create()
        self.assertEqual(self.echoes(sandbox, "good.example:5432"), ["yes"], "those that are there go on")
        signal.pidfd_send_signal(reserve, signal.SIGCONT)
        self.creates_again()
        self.assertEqual(self.echoes(sandbox, "good.example:5432"), ["yes"])

    def test_each_of_what_gives_ports_is_made_again_by_the_other(self):
        sandbox = self.create("--egress", "full")
        space = os.stat(f"/proc/{self.process('glovebox-lookup')}/ns/net").st_ino  # of both
        descriptors = self.daemon.descriptors()
        for process in ("glovebox-lookup", "lookup-reserve", "glovebox-lookup"):
            pid = self.process(process)
            daemon.kill_and_wait(pid)
            daemon.wait_until(lambda: self.process(process) != pid, f"another {process}")
            self.creates_again()
        self.doCleanups()
        daemon.wait_until(lambda: len(bpf_objects.of_namespace(space)) == 3, "a link, a program and a map, as of the first")
        daemon.wait_until(lambda: self.daemon.descriptors() < descriptors, "less those of the sandbox that has gone")
        names = [daemon.name_of(pid) for pid in self.daemon.descendants()]
        self.assertEqual([names.count(name) for name in ("glovebox-lookup", "lookup-reserve")], [1, 1])

    def test_without_both_the_daemon_is_to_be_started_again(self):
        sandbox = self.create("--egress", "full")
        reserve = os.pidfd_open(self.process("lookup-reserve"))
        self.addCleanup(os.close, reserve)
        signal.pidfd_send_signal(reserve, signal.SIGSTOP)
        for process in ("glovebox-lookup", "lookup-reserve"):
            daemon.kill_and_wait(self.process(process))
        daemon.wait_until(lambda: "restart gloveboxd" in self.fails(1, "create", "--egress", "full"), "that is said")
        self.restart_daemon()
        self.creates_again()
        self.assertEqual(self.echoes(sandbox, "good.example:5432"), ["yes"])

    def test_what_gives_ports_has_no_file_no_network_and_few_calls(self):
        pid = self.process("glovebox-lookup")
        kinds = {os.readlink(fd).split("[")[0] for fd in pathlib.Path(f"/proc/{pid}/fd").iterdir()}
        self.assertLessEqual(kinds, {"socket:", "anon_inode:bpf-map", "anon_inode:bpf-prog", "anon_inode:bpf_link"})
        self.assertEqual(os.listdir(f"/proc/{pid}/root"), [])
        for space in ("net", "mnt", "ipc", "uts"):
            self.assertNotEqual(os.readlink(f"/proc/{pid}/ns/{space}"), os.readlink(f"/proc/self/ns/{space}"))
        interfaces = [line.split(":")[0].strip() for line in pathlib.Path(f"/proc/{pid}/net/dev").read_text().splitlines()[2:]]
        self.assertEqual(interfaces, ["lo"])
        # What it waits in becomes a call that no list has, which its filter sees: it is the end of it.
        gone = os.pidfd_open(pid)
        self.addCleanup(os.close, gone)
        strace = subprocess.run(["strace", "-p", str(pid), "-e", "trace=recvmsg", "-e", "inject=recvmsg:retval=0:syscall=getuid"],
                                capture_output=True, timeout=daemon.DEADLINE_S, text=True)
        self.assertIn("killed by SIGSYS", strace.stderr)
        self.assertTrue(select.select([gone], [], [], daemon.DEADLINE_S)[0])
        self.restart_daemon()

    def test_the_node_tells_that_it_is_so(self):
        self.assertEqual(self.capability()["state"], "available")


class NamedPorts(PortCase):
    """Where each port has a socket of its own."""

    configuration = "all_ports = false\n"

    def test_the_node_tells_that_it_is_so(self):
        told = self.capability()
        self.assertEqual((told["state"], told["mechanism"]), ("degraded", "switched off"))
        self.assertNotIn("glovebox-lookup", {daemon.name_of(pid) for pid in self.daemon.descendants()})

    def test_full_has_four_ports_without_a_proxy(self):
        sandbox = self.create("--egress", "full")
        self.assertTrue(self.reaches(sandbox))
        self.assertEqual(self.echoes(sandbox, "good.example:22", "good.example:443", f"{ORIGIN6}:22", "good.example:5432"),
                         ["yes"] * 3 + ["no"])
        self.assertEqual(self.records(sandbox, "--refused"), [], "its own kernel refuses, and nobody is told")

    def test_a_port_of_a_command_is_not_taken_from_it(self):
        sandbox = self.create("--allow", "good.example:80")
        self.serves(sandbox, 8080)
        self.assertIn("listens at port 8080", self.fails(1, "egress", sandbox, "--allow", "good.example:8080"))
        self.assertTrue(self.reaches(sandbox), "the policy before holds")

    def test_a_command_that_takes_a_port_meanwhile_harms_itself_alone(self):
        greedy, other = self.create("--allow", "good.example:80"), self.create("--allow", "good.example:80")
        self.ok("exec", "--detach", greedy, "--", "python3", "-c", egress_suite.TAKES_PORT)
        self.daemon.kill()
        listeners = pathlib.Path(f"/proc/{self.daemon.init_of(greedy)}/net/tcp6")
        daemon.wait_until(lambda: re.search(r":0050 \S+ 0A ", listeners.read_text()), "the command has the port")
        self.start_daemon(on_shutdown="leave")
        self.assertTrue(self.reaches(other))
        self.assertEqual(self.fetch(greedy, "http://good.example/"), "mine")
        self.assertIn("listens at port 80", self.daemon.read_log())


class ReachesByNamedPorts(egress_suite.Reaches):
    configuration = NamedPorts.configuration


class LivesWithNamedPorts(egress_suite.Lives):
    configuration = NamedPorts.configuration


if __name__ == "__main__":
    unittest.main()
