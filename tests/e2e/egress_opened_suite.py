#!/usr/bin/env python3
"""TLS that is opened for rules with methods or paths: tools of sandboxes trust it unasked, what no rule has goes nowhere, and
the key of it is nowhere in a sandbox."""

import base64
import pathlib
import re
import ssl
import unittest

import egress_tools_suite as tools
import sandbox_search
from egress_origins_case import OriginsCase

# Nobody sets anything; the authority of the test's internet is known to the daemon alone.
BARE = """
set -e
HOST=$1 HOME=$(mktemp -d)
export HOME
cd $HOME
"""
ROOTS = "/etc/ssl/certs/glovebox.pem"
JAVA_ROOTS = "/etc/ssl/certs/glovebox.jks"
JAVA = f"{tools.JAVA_PROGRAM}\njava -XX:TieredStopAtLevel=1 $OPTIONS Get.java $HOST"
MODES = {"tls": 3, "https": 4}
HELLO = tools.HELLO


def rule(name, host, methods=(), paths=(), scheme="https"):
    return {"name": name, "host": host, "scheme": MODES[scheme], "methods": methods, "paths": paths}


READ = rule("read", "good.example", ["GET", "HEAD"])
PACK = rule("pack", "good.example", ["POST"], ["**/git-upload-pack"])
CLOSED = rule("closed", "other.example", scheme="tls")


class Opened(OriginsCase):
    trusted = True

    def say(self, sandbox, script, host="good.example", options=()):
        return self.daemon.cli("exec", *options, sandbox, "--", "sh", "-c", BARE + script, "sh", host, timeout=240)

    def works(self, script, said=HELLO, rules=(READ,), sandbox_options=(), options=()):
        sandbox = self.made(*rules, options=sandbox_options)
        done = self.say(sandbox, script, options=options)
        self.assertEqual(done.stdout.decode(), said, f"{done.stderr.decode()}\n{self.records(sandbox)}")
        self.assertEqual(done.returncode, 0)
        self.assertTrue([one for one in self.records(sandbox) if one.get("rule") == "read" and one.get("method")],
                        "it was opened")
        return sandbox

    # ---- tools, told of nothing

    def test_curl(self):
        self.works("curl -fsS https://$HOST/hello")

    def test_wget(self):
        self.works("wget -q -O- --tries 1 https://$HOST/hello")

    def test_git_clones_and_does_not_push(self):
        sandbox = self.works(tools.GIT, "1\n2\ntwo\n", rules=(READ, PACK))
        push = self.say(sandbox, tools.PUSH, options=["--exec-id", "push"])
        self.assertNotEqual(push.returncode, 0)
        self.assertIn(b"403", push.stderr)
        self.assertEqual(self.origins.branches(), ["main"])
        refused = [one for one in self.records(sandbox) if one.get("method") == "POST" and "receive-pack" in one["path"]]
        self.assertTrue(refused, self.records(sandbox))
        denials = self.status(sandbox, "push")["denials"]
        self.assertEqual({one["reason"] for one in denials}, {"request_not_allowed"})

    def test_pip(self):
        self.works(tools.PIP, "42\n")

    def test_python_urllib(self):
        self.works(tools.URLLIB)

    def test_python_requests(self):
        self.works(tools.REQUESTS)

    def test_npm(self):
        self.works(tools.NPM, "42\n")

    def test_node(self):
        self.works(tools.NODE_FETCH)
        self.works(tools.NODE_HTTPS)

    def test_cargo(self):
        root = tools.rust_root()
        if root is None:
            self.skipTest("no Rust on this host")
        sandbox = self.made(READ)
        self.ok("cp", pathlib.Path(root, "bin", "cargo"), f"{sandbox}:/tmp/cargo")
        done = self.say(sandbox, tools.CARGO)
        self.assertEqual(done.stdout, b"pub const ANSWER: u32 = 42;\n", done.stderr)

    def test_java(self):
        self.works(JAVA, sandbox_options=["--memory", "2GiB"])

    def test_java_of_an_image_with_a_store_of_its_own(self):
        """It is told of ours, as the documentation says."""
        sandbox = self.made(READ, options=["--memory", "2GiB"])
        listed = self.told("exec", sandbox, "--", "keytool", "-list", "-keystore", JAVA_ROOTS, "-storepass", "changeit")
        self.assertIn("Your keystore contains 2 entries", listed, "the internet's authority and ours, whole as its digest says")
        for store, said in ((JAVA_ROOTS, HELLO), ("NONE", "")):
            options = f"-Djavax.net.ssl.trustStore={store} -Djavax.net.debug=trustmanager"
            done = self.say(sandbox, JAVA, options=["--env", f"OPTIONS={options}"])
            self.assertEqual(done.stdout.decode(), said, done.stderr)
            self.assertIn(f"trustStore is: {store}".encode() if said else b"trustAnchors", done.stderr, "not the one of the system")

    def test_apt(self):
        script = tools.APT.replace("SCHEME", "https").replace(" -o Acquire::https::CAInfo=/tmp/ca.pem", "")
        self.works(script, "example\n", sandbox_options=["--root-inside"], options=["--user", "root"])

    # ---- what is let through

    def test_get_alone(self):
        sandbox = self.made(READ)
        url = "https://good.example/hello"
        self.assertEqual(self.status_of(sandbox, url), 200)
        self.assertEqual(self.status_of(sandbox, "-I", url), 200)
        for words in (["-d", "x"], ["-X", "DELETE"], ["-X", "get"], ["-T", "/etc/hostname"]):
            self.assertEqual(self.status_of(sandbox, *words, url), 403, words)
        self.assertEqual(self.status_of(sandbox, "-H", "Host: other.example", url), 421)
        self.assertEqual(self.status_of(sandbox, "-x", "http://127.0.0.1:3128", "-X", "PUT", url), 403)
        self.assertEqual(set(self.origins.hosts), {"good.example"})
        said = self.run_in(sandbox, "curl", "-sS", "-d", "x", url).stdout.decode()
        self.assertIn("the policy of this sandbox refuses good.example port 443", said)
        refused = [one for one in self.records(sandbox, "--refused") if one["method"] == "PUT"]
        self.assertEqual({one["path"] for one in refused}, {"/hello"})

    def test_paths(self):
        sandbox = self.made(rule("paths", "good.example", ["GET"], ["/simple/**", "/hello"]))
        self.assertEqual(self.status_of(sandbox, "https://good.example/hello"), 200)
        self.assertEqual(self.status_of(sandbox, "https://good.example/simple/example/"), 200)
        for path in ("/npm/example", "/simple/../npm/example", "/simple/%2e%2e/npm/example", "//hello", "/simple//x", "/hello/",
                     "/simple%2fx", "/HELLO"):
            self.assertEqual(self.status_of(sandbox, "--path-as-is", f"https://good.example{path}"), 403, path)

    def test_what_needs_nothing_stays_closed(self):
        sandbox = self.made(READ, CLOSED)
        for host, issuer in (("good.example", "glovebox"), ("other.example", "Authority of a test")):
            done = self.run_in(sandbox, "sh", "-c", f"openssl s_client -connect {host}:443 -servername {host} </dev/null "
                               "2>/dev/null | openssl x509 -noout -issuer -ext subjectAltName")
            self.assertIn(issuer, done.stdout.decode(), host)
        self.assertEqual(self.status_of(sandbox, "-X", "DELETE", "https://other.example/hello"), 501, "the origin's own answer")

    def test_an_origin_that_nobody_knows_is_refused(self):
        self.world.dns.names["unknown.example"] = self.world.dns.names["good.example"]
        sandbox = self.made(rule("unknown", "unknown.example", ["GET"]))
        done = self.run_in(sandbox, "curl", "-sS", "https://unknown.example/hello", exec_id="asks")
        self.assertIn(b"is not one that is trusted for that name", done.stdout)
        denial = self.status(sandbox, "asks")["denials"][0]
        self.assertEqual((denial["target"], denial["reason"]), ("unknown.example:443", "origin_not_trusted"))

    def test_a_change_of_rules_holds_at_once(self):
        sandbox = self.made(CLOSED)
        variables = self.run_in(sandbox, "env").stdout.decode()
        self.assertNotIn("glovebox.pem", variables, "nothing is opened, nothing is set")
        self.assertEqual(self.change(sandbox, READ, CLOSED).connections_cut, 0)
        self.assertEqual(self.status_of(sandbox, "https://good.example/hello"), 200)
        variables = self.run_in(sandbox, "env").stdout.decode()
        for name in ("SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS", "PIP_CERT"):
            self.assertIn(f"{name}={ROOTS}\n", variables)
        own = self.daemon.cli("exec", "--env", "SSL_CERT_FILE=/mine", sandbox, "--", "env").stdout.decode()
        self.assertIn("SSL_CERT_FILE=/mine\n", own)
        self.change(sandbox, rule("put", "good.example", ["PUT"]))
        self.assertEqual(self.status_of(sandbox, "https://good.example/hello"), 403)
        child = self.told("fork", sandbox).split()[0]
        self.addCleanup(self.daemon.cli, "rm", "--force", child)
        self.assertEqual(self.status_of(child, "https://good.example/hello"), 403)

    # ---- the authority

    def test_sandboxes_trust_it_over_a_restart_of_the_daemon(self):
        sandbox = self.made(READ)
        before = self.run_in(sandbox, "cat", ROOTS).stdout
        self.restart_daemon()
        self.assertEqual(self.status_of(sandbox, "https://good.example/hello"), 200)
        other = self.made(READ)
        self.assertEqual(self.run_in(other, "cat", ROOTS).stdout, before)

    def test_the_key_is_nowhere_in_a_sandbox(self):
        kept = self.daemon.root / "state" / "egress-authority.pem"
        found = list(self.daemon.root.rglob("egress-authority.pem"))
        self.assertEqual(len(found), 1, kept)
        self.assertEqual(found[0].stat().st_mode & 0o777, 0o600)
        pem = found[0].read_text()
        block = re.search("-----BEGIN PRIVATE KEY-----\n(.*?)-----END", pem, re.S).group(1)
        der = base64.b64decode(block)
        secret = der[der.index(b"\x04\x20") + 2:][:32]
        certificate = pem[pem.index("-----BEGIN CERTIFICATE"):]
        sandbox = self.made(READ, options=["--root-inside"])
        self.assertEqual(self.status_of(sandbox, "https://good.example/hello"), 200)
        shown = self.run_in(sandbox, "cat", ROOTS).stdout.decode()
        self.assertIn(certificate, shown)
        self.assertNotIn("PRIVATE", shown)
        self.assertNotEqual(self.run_in(sandbox, "sh", "-c", f"echo x >>{ROOTS}").returncode, 0)
        mounted = [line.split() for line in self.run_in(sandbox, "cat", "/proc/self/mountinfo").stdout.decode().splitlines()]
        self.assertEqual({words[3] for words in mounted if words[4] == ROOTS}, {"/roots.pem"}, "nothing of the host's paths")
        shown = certificate.split()[2][:40].encode()
        found = sandbox_search.search(self, sandbox, secret, block.split()[1][:40].encode(), shown)
        self.assertEqual(set(found), {shown}, "the certificate is found, and no key")
        self.assertIn(ROOTS, found[shown])


if __name__ == "__main__":
    unittest.main()
