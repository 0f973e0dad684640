#!/usr/bin/env python3
"""Secrets that sandboxes use and never see: what they open, where they never come, what becomes of them."""

import base64
import json
import os
import pathlib
import re
import tempfile
import time
import unittest

import grpc

import egress_origins
import egress_tools_suite as tools
import sandbox_search
from egress_origins_case import OriginsCase

TOKEN = "ghp-s3cr3t-0f-n0b0dy-7f3a"
BASIC = base64.b64encode(f"x-access-token:{TOKEN}".encode()).decode()
HTTPS, TLS = 4, 3
PRIVATE = "/git/repository"


class Private(egress_origins.Requests):
    """Repositories for who has the token; and ways to lose one."""

    def do_GET(self):
        self.note()
        path = self.path.partition("?")[0]
        if path.startswith(PRIVATE) and not self.known():
            return self.say(401, b"who are you?\n", {"WWW-Authenticate": 'Basic realm="private"'})
        if path == f"{PRIVATE}/held":
            self.head("text/plain", 2 * len(egress_origins.HALF))
            return self.origins.held.send(self.name(), self.wfile.write)
        if path == "/api/user":
            known = self.headers.get("Authorization") == f"Bearer {TOKEN}"
            return self.say(200 if known else 401, b'{"login": "me"}\n' if known else b"{}\n")
        if path == "/api/away":
            return self.say(302, b"", {"Location": "https://other.example/hello"})
        if path == "/api/echo":
            return self.say(200, b"x\n", {"X-Echo": self.headers.get("Authorization", "")})
        return super().do_GET()

    def do_POST(self):
        self.note()
        if not self.known():
            return self.say(401, b"who are you?\n", {"WWW-Authenticate": 'Basic realm="private"'})
        return super().do_POST()

    def note(self):
        self.origins.asked.append((self.name(), self.path.partition("?")[0], self.headers.get("Authorization")))

    def known(self):
        return self.headers.get("Authorization") == f"Basic {BASIC}"

    def say(self, status, body, headers=None):
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def rule(host, secret=None, paths=(), methods=(), scheme=HTTPS, **form):
    made = {"host": host, "scheme": scheme, "paths": paths, "methods": methods}
    return {**made, "credential": {"secret_name": secret, **form}} if secret else made


def core_limit(limits):
    """Soft and hard, of a file /proc/PID/limits."""
    return re.search(r"^Max core file size +(\S+) +(\S+)", limits, re.MULTILINE).groups()


BEARER = {"header": "Authorization", "prefix": "Bearer "}


class Secrets(OriginsCase):
    requests = Private
    trusted = True

    @classmethod
    def make_internet(cls):
        super().make_internet()
        cls.origins.asked = []

    def setUp(self):
        super().setUp()
        self.origins.asked.clear()

    def keep(self, name, value=TOKEN):
        self.ok("secret", "create", name, input=f"{value}\n".encode())
        self.addCleanup(self.daemon.cli, "secret", "rm", name)

    def refused(self, reason, code, method, **fields):
        with self.assertRaises(grpc.RpcError) as caught:
            self.api.call("Network", method, **fields)
        self.assertEqual(caught.exception.code(), code, caught.exception.details())
        trailers = b"".join(value if isinstance(value, bytes) else value.encode() for _, value in caught.exception.trailing_metadata())
        self.assertIn(reason.encode(), trailers)
        self.assertNotIn(TOKEN.encode(), trailers + caught.exception.details().encode())
        return caught.exception.details()

    def given(self, host="good.example"):
        return [authorization for name, _, authorization in self.origins.asked if name == host]

    # ---- what it is for

    def test_a_private_repository_is_cloned_and_the_secret_is_nowhere_in_the_sandbox(self):
        self.keep("github")
        sandbox = self.create("--root-inside", "--credential",
                              f"secret=github,url=https://good.example{PRIVATE}/**,user=x-access-token")
        script = f"cd $(mktemp -d) && export HOME=$PWD && {tools.GIT.replace('$HOST', 'good.example')}"
        done = self.run_in(sandbox, "sh", "-ec", script)
        self.assertEqual(done.stdout, b"1\n2\ntwo\n", done.stderr)
        self.assertIn(f"Basic {BASIC}", self.given(), "the origin had it")
        # One that has a connection with the secret through the proxy while it is searched.
        held = self.daemon.popen("exec", sandbox, "--", "sh", "-c", f"""echo m4rk-of-a-file >/tmp/mark
            MARK=m4rk-of-the-environment curl -sS -o /dev/null https://good.example{PRIVATE}/held""")
        while not self.origins.held.hosts and held.poll() is None:
            time.sleep(0.01)
        wanted = [TOKEN.encode(), BASIC.encode(), b"m4rk-of-the-environment", b"m4rk-of-a-file"]
        found = sandbox_search.search(self, sandbox, *wanted)
        self.origins.held.released.set()
        self.assertEqual(held.wait(timeout=60), 0, held.stderr.read())
        held.stdout.close()
        held.stderr.close()
        self.assertEqual(set(found), {b"m4rk-of-a-file", b"m4rk-of-the-environment"}, "what is there is found")
        self.assertIn("memory", found[b"m4rk-of-the-environment"])

    def test_a_push_with_the_secret(self):
        self.keep("github")
        sandbox = self.create("--credential", f"secret=github,url=https://good.example{PRIVATE}/**,user=x-access-token")
        script = f"cd $(mktemp -d) && export HOME=$PWD && {tools.PUSH}"
        done = self.run_in(sandbox, "env", "HOST=good.example", "sh", "-ec", script, "sh", "x", "pushed")
        self.assertEqual(done.stdout, b"pushed\n", done.stderr)
        self.assertIn("of-good.example-pushed", self.origins.branches())

    def test_an_interface_with_a_token(self):
        self.keep("github")
        sandbox = self.create("--credential", "secret=github,url=https://good.example/api/**,header=Authorization,prefix=Bearer ",
                              "--allow-request", "https://good.example/hello")
        said = self.run_in(sandbox, "curl", "-sS", "-H", "Authorization: Bearer of-the-sandbox", "https://good.example/api/user")
        self.assertEqual(said.stdout, b'{"login": "me"}\n', said.stderr)
        self.assertEqual(self.status_of(sandbox, "https://good.example/hello"), 200)
        self.assertEqual(self.given(), [f"Bearer {TOKEN}", None])
        echo = self.run_in(sandbox, "curl", "-sSi", "https://good.example/api/echo").stdout.decode()
        self.assertIn("X-Echo: Bearer [secret]", echo)

    def test_mode_full_with_a_secret(self):
        self.keep("github")
        sandbox = self.create("--egress", "full")
        self.change(sandbox, rule("good.example", "github", ["/api/**"], **BEARER), mode=3)
        self.assertEqual(self.status_of(sandbox, "https://good.example/api/user"), 200)
        self.assertEqual(self.status_of(sandbox, "https://good.example/hello"), 200)
        self.assertEqual(self.given(), [f"Bearer {TOKEN}", None])

    # ---- where it never comes

    def test_it_does_not_follow_a_redirect(self):
        self.keep("github")
        sandbox = self.create("--allow", "nothing.example:9")
        self.change(sandbox, rule("good.example", "github", ["/api/**"], **BEARER), rule("other.example"),
                    rule("good.example", scheme=2))
        self.assertEqual(self.status_of(sandbox, "-L", "-k", "https://good.example/api/away"), 200)
        self.assertEqual(self.given("other.example"), [None])
        self.assertEqual(self.status_of(sandbox, "http://good.example/api/user"), 401, "in the clear it is another request")
        self.assertEqual(self.given(), [f"Bearer {TOKEN}", None])

    def test_no_call_and_no_log_gives_it_back(self):
        self.keep("github")
        sandbox = self.create("--credential", "secret=github,url=https://good.example/api/**,header=X-Key")
        self.status_of(sandbox, "https://good.example/api/echo")
        for words in (["egress", sandbox], ["egress", "--json", sandbox], ["inspect", sandbox], ["secret", "ls"], ["ls", "--json"],
                      ["secret", "ls", "--json"], ["net", "--json", sandbox]):
            self.assertNotIn(TOKEN, self.told(*words), words)
        self.assertIn("github", self.told("egress", sandbox))
        self.assertEqual(json.loads(self.ok("egress", "--json", sandbox))["policy"]["rules"][0]["credential"],
                         {"secret_name": "github", "header": "X-Key", "prefix": None, "basic_user": None})
        self.assertNotIn(TOKEN, self.daemon.read_log())
        having = [path for path in (self.daemon.root / "state").rglob("*")
                  if path.is_file() and path.stat().st_size < 1 << 22 and self.holds(path)]
        self.assertEqual([path.parent.name for path in having], ["secrets"], having)
        self.assertEqual([path.stat().st_mode & 0o777 for path in having], [0o600])

    def test_no_core_file_has_it(self):
        """A limit of 1 holds for a core_pattern that is a pipe, too; what has 0 is not dumpable."""
        sandbox = self.create("--allow", "good.example")
        daemon_pid = self.daemon.process.pid
        started = {int(pid) for one in pathlib.Path(f"/proc/{daemon_pid}/task").glob("*/children") for pid in one.read_text().split()}
        limits = {pid: core_limit(pathlib.Path(f"/proc/{pid}/limits").read_text()) for pid in started | {daemon_pid}}
        self.assertEqual(limits[daemon_pid], ("1", "1"))
        self.assertTrue(started)
        self.assertLessEqual(set(limits.values()), {("1", "1"), ("0", "0")}, limits)
        inside = self.run_in(sandbox, "cat", "/proc/self/limits").stdout.decode()
        self.assertEqual(core_limit(inside), ("1", "1"))

    @staticmethod
    def holds(path):
        data = path.read_bytes()
        return any(one in data for one in (TOKEN.encode(), base64.b64encode(TOKEN.encode())))

    # ---- what becomes of it

    def test_one_that_is_deleted_is_used_no_more_and_another_one_is(self):
        self.keep("github")
        sandbox = self.create("--credential", "secret=github,url=https://good.example/api/**,header=Authorization,prefix=Bearer ")
        url = "https://good.example/api/user"
        self.assertEqual(self.status_of(sandbox, url), 200)
        self.ok("secret", "rm", "github")
        done = self.run_in(sandbox, "curl", "-sS", url, exec_id="asks")
        self.assertIn(b"the secret that its rule adds is not there any more", done.stdout)
        denial = self.status(sandbox, "asks")["denials"][0]
        self.assertEqual((denial["target"], denial["reason"]), ("good.example:443", "secret_missing"))
        self.assertIn("create the secret", denial["remedy"])
        self.ok("secret", "create", "github", input=b"an0ther-token")
        self.assertEqual(self.status_of(sandbox, url), 401)
        self.assertEqual(self.given(), [f"Bearer {TOKEN}", "Bearer an0ther-token"])

    def test_one_that_is_deleted_hinders_no_retry_and_no_fork(self):
        self.keep("github")
        policy = {"mode": 2, "rules": [rule("good.example", "github", ["/api/**"], **BEARER), rule("other.example")]}
        made = self.asked("CreateSandbox", request_id="secrets-1", egress=policy).sandbox
        child = self.asked("ForkSandbox", sandbox_id=made.id, count=1, request_id="secrets-2").results[0].sandbox
        self.ok("secret", "rm", "github")
        self.assertEqual(self.asked("CreateSandbox", request_id="secrets-1", egress=policy).sandbox.id, made.id)
        again = self.asked("ForkSandbox", sandbox_id=made.id, count=1, request_id="secrets-2").results[0].sandbox
        self.assertEqual(again.id, child.id)
        fresh = self.asked("ForkSandbox", sandbox_id=made.id, count=1).results[0].sandbox
        for sandbox in (made, child, fresh):
            self.assertEqual(self.status_of(sandbox.id, "https://good.example/api/user"), 403, "what needs it is refused")
            self.assertEqual(self.status_of(sandbox.id, "https://other.example/hello"), 200)
        # Another request is refused, nothing of it is left, and its id is free for when the secret is there.
        with self.assertRaises(grpc.RpcError) as caught:
            self.asked("CreateSandbox", request_id="secrets-3", egress=policy)
        self.assertEqual(caught.exception.code(), grpc.StatusCode.NOT_FOUND, caught.exception)
        self.assertEqual(set(self.told("ls", "-q").split()), {made.id, child.id, fresh.id})
        self.ok("secret", "create", "github", input=TOKEN.encode())
        self.asked("CreateSandbox", request_id="secrets-3", egress=policy)

    def asked(self, method, **fields):
        answer = self.api.call("Sandbox", method, **fields)
        made = [answer.sandbox] if method == "CreateSandbox" else [result.sandbox for result in answer.results]
        for one in made:
            self.addCleanup(self.daemon.cli, "rm", "--force", one.id)
        return answer

    def test_it_outlives_the_daemon_and_its_proxy(self):
        self.keep("github")
        sandbox = self.create("--credential", "secret=github,url=https://good.example/api/**,header=Authorization,prefix=Bearer ")
        url = "https://good.example/api/user"
        self.restart_daemon()
        self.assertEqual(self.status_of(sandbox, url), 200)
        child = self.told("fork", sandbox).split()[0]
        self.addCleanup(self.daemon.cli, "rm", "--force", child)
        self.assertEqual(self.status_of(child, url), 200, "a fork has what its parent had")
        self.daemon.kill()
        for path in (self.daemon.root / "state" / "secrets").iterdir():
            path.write_text("damaged")
        self.start_daemon(on_shutdown="leave")
        self.assertIn("a secret is not there", self.daemon.read_log())
        self.assertEqual(self.status_of(sandbox, url), 403, "it goes on, without")

    def test_a_name_that_nobody_made_is_refused_before_anything_is_made(self):
        known = rule("good.example", "github", **BEARER)
        sandbox = self.create("--allow", "good.example")
        for policy in ([known], [rule("other.example"), known]):
            said = self.refused("SECRET_NOT_FOUND", grpc.StatusCode.NOT_FOUND, "UpdateEgress", sandbox_id=sandbox,
                                policy={"mode": 2, "rules": policy})
            self.assertIn("glovebox secret create", said)
        self.assertEqual([one["host"] for one in json.loads(self.ok("egress", "--json", sandbox))["policy"]["rules"]],
                         ["good.example"], "the one before holds")
        done = self.daemon.cli("create", "--credential", "secret=github,url=https://good.example,user=me")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn(b'no secret of this client is named "github"', done.stderr)
        self.keep("github")
        self.change(sandbox, known)
        for wrong in (rule("*.example", "github", **BEARER), rule("good.example", "github", scheme=TLS, **BEARER),
                      rule("good.example", "github", header="Host"), rule("good.example", "github")):
            self.refused("INVALID_FIELD", grpc.StatusCode.INVALID_ARGUMENT, "UpdateEgress", sandbox_id=sandbox,
                         policy={"mode": 2, "rules": [wrong]})

    def test_values_that_are_none_and_names_that_are_taken(self):
        self.keep("github")
        self.ok("secret", "create", "github", input=TOKEN.encode())
        self.refused("SECRET_EXISTS", grpc.StatusCode.ALREADY_EXISTS, "CreateSecret", name="github", value=b"another-one")
        for name, value in (("other", b"short"), ("other", b"two\r\nlines-of-it"), ("../x", b"long-enough"), ("other", b"x" * 8193)):
            self.refused("INVALID_FIELD", grpc.StatusCode.INVALID_ARGUMENT, "CreateSecret", name=name, value=value)
        self.refused("SECRET_NOT_FOUND", grpc.StatusCode.NOT_FOUND, "DeleteSecret", name="other")
        self.api.call("Network", "DeleteSecret", name="other", allow_missing=True)
        self.refused("PAGE_TOKEN_INVALID", grpc.StatusCode.INVALID_ARGUMENT, "ListSecrets", page_token="x")
        for i in range(5):
            self.keep(f"more-{i}")
        names, token = [], ""
        while True:
            page = self.api.call("Network", "ListSecrets", page_size=2, page_token=token)
            names += [one.name for one in page.secrets]
            token = page.next_page_token
            if not token:
                break
        self.assertEqual(names, ["github"] + [f"more-{i}" for i in range(5)])

    def test_the_command_line_takes_no_value_from_its_arguments(self):
        self.assertNotEqual(self.daemon.cli("secret", "create", "github", TOKEN).returncode, 0)
        read, write = os.openpty()
        try:
            done = self.daemon.cli("secret", "create", "github", stdin=write)
        finally:
            os.close(read)
            os.close(write)
        self.assertEqual(done.returncode, 2)
        self.assertIn(b"a terminal would show it", done.stderr)
        with tempfile.NamedTemporaryFile("w", prefix="glovebox-e2e-", dir="/tmp") as kept:
            kept.write(TOKEN)
            kept.flush()
            self.assertEqual(json.loads(self.ok("secret", "create", "--json", "--file", kept.name, "github"))["name"], "github")
        self.assertEqual(json.loads(self.ok("secret", "rm", "--json", "github")), {"removed": ["github"]})
        self.assertEqual(json.loads(self.ok("secret", "ls", "--json")), [])


if __name__ == "__main__":
    unittest.main()
