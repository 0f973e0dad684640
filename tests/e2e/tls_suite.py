"""TCP: only with certificates on both sides, made by the commands of docs/operations.md."""

import pathlib
import re
import subprocess
import unittest

import api_client
import grpc
from daemon import DEADLINE_S, Daemon, FreshDaemonCase, wait_until

DOCUMENT = pathlib.Path(__file__).resolve().parents[2] / "docs" / "operations.md"


def documented_commands():
    section = DOCUMENT.read_text().split("\n## TCP\n")[1].split("\n## ")[0]
    return re.search(r"```sh\n(.*?)```", section, re.DOTALL).group(1)


class TcpApi(api_client.Api):
    def __init__(self, port, root, certificate=None, key=None):
        self.messages = api_client.MESSAGES
        read = {name: path and (root / path).read_bytes() for name, path in
                (("ca", "ca.pem"), ("certificate", certificate), ("key", key))}
        credentials = grpc.ssl_channel_credentials(read["ca"], read["key"], read["certificate"])
        self.channel = grpc.secure_channel(f"127.0.0.1:{port}", credentials,
                                           options=[("grpc.use_local_subchannel_pool", 1)])


class TlsSuite(FreshDaemonCase):
    def start_daemon(self):
        self.keys = self.daemon.root / "keys"
        self.keys.mkdir()
        script = documented_commands()
        self.sh(script)
        # Two more clients: another of the same authority, and one of an authority of its own.
        other = script[script.index("# a client") :].replace("ci.example", "other.example").replace("client.", "other.")
        self.sh(other)
        stranger = self.keys / "stranger"
        stranger.mkdir()
        self.sh(script, stranger)
        self.daemon.start(*self.options())

    def sh(self, script, directory=None):
        subprocess.run(["sh", "-e", "-c", script], cwd=directory or self.keys, check=True, capture_output=True,
                       timeout=DEADLINE_S)

    def options(self, key="server.key", client_ca="ca.pem"):
        return ["--tcp-listen", "127.0.0.1:0", "--tls-certificate", self.keys / "server.pem", "--tls-key",
                self.keys / key, "--tls-client-ca", self.keys / client_ca]

    def port(self):
        said = wait_until(lambda: re.search(r"tcp=127\.0\.0\.1:([1-9][0-9]*)", self.daemon.read_log()), "the port")
        return int(said.group(1))

    def refused(self, api):
        with self.assertRaises(grpc.RpcError) as caught:
            api.call("Node", "GetNode", timeout=20)
        api.close()
        self.assertEqual(caught.exception.code(), grpc.StatusCode.UNAVAILABLE)

    def test_a_certificate_is_a_principal_and_without_one_nobody_gets_in(self):
        port = self.port()
        client = TcpApi(port, self.keys, "client.pem", "client.key")
        sandbox = client.call("Sandbox", "CreateSandbox").sandbox
        self.assertEqual(sandbox.owner, "cert:ci.example")
        other = TcpApi(port, self.keys, "other.pem", "other.key")
        with self.assertRaises(grpc.RpcError) as caught:
            other.call("Sandbox", "GetSandbox", sandbox_id=sandbox.id)
        self.assertEqual(caught.exception.code(), grpc.StatusCode.NOT_FOUND)
        self.assertEqual(list(other.call("Sandbox", "ListSandboxes").sandboxes), [])
        self.refused(TcpApi(port, self.keys))
        self.refused(TcpApi(port, self.keys, "stranger/client.pem", "stranger/client.key"))
        plain = TcpApi(port, self.keys)
        plain.channel = grpc.insecure_channel(f"127.0.0.1:{port}")
        self.refused(plain)
        for version, speaks in (("-tls1_1", False), ("-tls1_2", True), ("-tls1_3", True)):
            hello = subprocess.run(
                ["openssl", "s_client", version, "-cipher", "DEFAULT@SECLEVEL=0", "-alpn", "h2", "-connect",
                 f"127.0.0.1:{port}", "-cert", "client.pem", "-key", "client.key", "-CAfile", "ca.pem",
                 "-verify_return_error"], cwd=self.keys, input=b"", capture_output=True, timeout=DEADLINE_S)
            self.assertEqual(b"Verify return code: 0" in hello.stdout and hello.returncode == 0, speaks, version)
        audit = (self.daemon.state / "audit.log").read_text()
        self.assertIn('"principal":"cert:ci.example"', audit)
        self.assertIn('"address":"ipv4:127.0.0.1', audit)
        client.close()
        other.close()

    def test_the_daemon_does_not_start_without_all_it_needs(self):
        unstarted = Daemon()
        self.addCleanup(unstarted.discard)
        (self.keys / "server.key").chmod(0o644)
        cases = (
            (["--tcp-listen", "127.0.0.1:0"], 2, "needs tcp.certificate, tcp.key and tcp.client_ca"),
            (self.options(), 1, "others may read it; chmod 0600"),
            (self.options(key="client.key"), 1, "is not of the certificate"),
            (self.options(client_ca="none.pem"), 1, "none.pem"),
        )
        for options, code, words in cases:
            ended = subprocess.run(unstarted.program(*options), stdin=subprocess.DEVNULL,
                                   capture_output=True, timeout=DEADLINE_S)
            self.assertEqual((ended.returncode, words in ended.stderr.decode()), (code, True), ended.stderr)


if __name__ == "__main__":
    unittest.main()
