#!/usr/bin/env python3
"""Repositories that are fetched over the network: what comes of them, how little travels, and where an import does not go,
whatever their servers say."""

import base64
import contextlib
import json
import os
import pathlib
import subprocess
import tempfile
import threading
import time
import unittest

import daemon
import egress_origins
import grpc
from egress_case import ORIGIN4, egress_world
from egress_origins_case import OriginsCase

BUNDLE = "/etc/ssl/certs/ca-certificates.crt"  # of authorities that the image `host` trusts
PROJECT = "https://good.example/git/project"
BALLAST = 300_000
TOKEN = "t0ken-of-nobody"
SAFE = [f"Basic {base64.b64encode(f'{user}:{TOKEN}'.encode()).decode()}" for user in ("x-access-token", "me")]
FULL, SHALLOW, NONE = 1, 2, 3
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:" + 64 * "0" + "\nsize 5\n"
GIT_ENVIRONMENT = {**os.environ, "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a",
                   "GIT_COMMITTER_EMAIL": "a@b", "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}
# Of a sandbox of a snapshot, what git says of it.
LOOK = "git log --format=%s | tr '\\n' ' '; git status --short; git fsck --no-dangling 2>&1; git symbolic-ref HEAD"


def git(path, *arguments):
    return subprocess.run(["git", "-C", path, *arguments], env=GIT_ENVIRONMENT, check=True, capture_output=True,
                          text=True).stdout.strip()


class Project:
    """A repository that grows, and the bare one that servers give."""

    def __init__(self, bare):
        self.bare = bare
        self._folder = tempfile.TemporaryDirectory(prefix="glovebox-e2e-", dir="/tmp")
        self.path = pathlib.Path(self._folder.name)
        git(self.path, "init", "-q", "-b", "main")
        (self.path / "ballast").write_bytes(os.urandom(BALLAST))
        self.commits = [self.commit("zero")]
        git(self.path, "rm", "-q", "ballast")
        (self.path / ".gitmodules").write_text('[submodule "sub"]\n\tpath = sub\n\turl = https://other.example/git/project\n')
        git(self.path, "update-index", "--add", "--cacheinfo", f"160000,{self.commits[0]},sub")
        (self.path / ".gitattributes").write_text("*.bin filter=lfs diff=lfs merge=lfs -text\n")
        (self.path / "large.bin").write_text(POINTER)
        (self.path / "run").write_text("#!/bin/sh\n")
        (self.path / "run").chmod(0o755)
        (self.path / "link").symlink_to("run")
        self.commits.append(self.commit("one"))
        git(self.path, "tag", "-a", "-m", "v1", "v1")
        git(self.path, "branch", "side")
        self.commits.append(self.commit("two"))
        subprocess.run(["git", "clone", "-q", "--mirror", self.path, bare], env=GIT_ENVIRONMENT, check=True)

    def commit(self, text):
        (self.path / "file").write_text(f"{text}\n")
        git(self.path, "add", "file", *(name for name in ("ballast", ".gitmodules", ".gitattributes", "large.bin", "run", "link")
                                        if (self.path / name).exists()))
        git(self.path, "commit", "-q", "-m", text)
        return git(self.path, "rev-parse", "HEAD")

    def grow(self, text):
        self.commits.append(self.commit(text))
        git(self.path, "push", "-q", "--mirror", self.bare)
        return self.commits[-1]

    def close(self):
        self._folder.cleanup()


class Requests(egress_origins.Requests):
    """/git as always; below /old an old server, which speaks protocol 0, and below /held one that waits until it is let; and
    servers that are up to something."""

    def do_GET(self):
        if not self.is_let_in():
            return
        self.find_git()
        act = getattr(self, f"get_{self.path.split('/')[1]}", super().do_GET)
        if act != super().do_GET:
            self.origins.hosts.append(self.name())
        act()

    def do_POST(self):
        if self.is_let_in():
            self.find_git()
            super().do_POST()

    def is_let_in(self):
        """Below /safe, who has a token for a user."""
        if not self.path.startswith("/safe/") or self.headers.get("Authorization") in SAFE:
            return True
        self.send_response(401)
        self.send_header("WWW-Authenticate", 'Basic realm="safe"')
        self.send_header("Content-Length", "0")
        self.end_headers()
        return False

    def find_git(self):
        if self.path.startswith("/old/"):
            del self.headers["Git-Protocol"]
        if self.path.startswith("/held/"):
            self.origins.released.wait(daemon.DEADLINE_S)
        self.path = self.path.removeprefix("/old").removeprefix("/held").removeprefix("/safe")

    def leads_to(self, url):
        self.send_response(302)
        self.send_header("Location", url)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def get_away(self):
        self.leads_to("https://other.example/git/" + self.path.removeprefix("/away/"))

    def get_near(self):
        self.leads_to("https://good.example/git/" + self.path.removeprefix("/near/"))

    def get_down(self):
        self.leads_to("http://good.example/git/" + self.path.removeprefix("/down/"))

    def get_echo(self):
        """Says back what it was given, in the line that git shows last."""
        said = self.headers.get("Authorization", "")
        line = f"ERR {said} {base64.b64decode(said.partition(' ')[2]).decode()}\n".encode()
        body = b"001e# service=git-upload-pack\n0000%04x%s" % (len(line) + 4, line)
        self.head("application/x-git-upload-pack-advertisement", len(body))
        self.wfile.write(body)

    def get_locked(self):
        self.send_response(401)
        self.send_header("WWW-Authenticate", 'Basic realm="\x1b[2Jgive me your password"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def get_dumb(self):
        """Files of a repository, as an old kind of server has them, whose objects are said to be elsewhere."""
        body = b""
        if "/info/refs" in self.path:
            body = b"%s\trefs/heads/main\n" % self.origins.project.commits[-1].encode()
        elif self.path.endswith("/HEAD"):
            body = b"ref: refs/heads/main\n"
        elif self.path.endswith("-alternates"):
            body = b"https://other.example/git/project/objects\n"
        if not body:
            return self.send_error(404)
        self.head("text/plain", len(body))
        return self.wfile.write(body)

    def get_hang(self):
        """Says nothing until the other side has gone."""
        self.origins.caught.set()
        while self.rfile.read(1):
            pass
        self.close_connection = True
        self.origins.left.set()

    def get_endless(self):
        """Names refs without end."""
        self.send_response(200)
        self.send_header("Content-Type", "application/x-git-upload-pack-advertisement")
        self.end_headers()
        self.close_connection = True
        self.wfile.write(b"001e# service=git-upload-pack\n0000")
        try:
            for number in range(1 << 40):
                line = b"%040x refs/heads/%012d%s\n" % (number, number, b"\0side-band-64k" if number == 0 else b"")
                self.wfile.write(b"%04x%s" % (len(line) + 4, line))
                if number == 10_000:
                    self.origins.caught.set()
        except OSError:
            self.origins.left.set()


class RemoteCase(OriginsCase):
    requests = Requests

    @classmethod
    def make_internet(cls):
        super().make_internet()
        cls.project = cls.origins.project = Project(cls.origins.repositories / "project")
        cls.git_daemon = cls.world.internet.inside(lambda: subprocess.Popen(
            ["git", "daemon", "--export-all", "--reuseaddr", f"--base-path={cls.origins.repositories}", "--listen=0.0.0.0",
             "--log-destination=none"], env=GIT_ENVIRONMENT))
        with socket_in(cls.world.internet) as probe:
            daemon.wait_until(lambda: probe("127.0.0.1", 9418), "git daemon listens")

    @classmethod
    def start_daemon(cls, *options, **more):
        trusted = cls.daemon.root / "ca-certificates.crt"
        trusted.write_bytes(cls.origins.authority.certificate.read_bytes())
        super().start_daemon(
            *options,
            wrapper=["unshare", "--mount", "sh", "-c", f'mount --bind {trusted} {BUNDLE} && exec "$@"', "sh"], **more)

    @classmethod
    def tearDownClass(cls):
        cls.git_daemon.terminate()
        cls.git_daemon.wait()
        super().tearDownClass()
        cls.project.close()

    def setUp(self):
        super().setUp()
        self.origins.caught, self.origins.left, self.origins.released = (threading.Event() for _ in range(3))
        self.origins.hosts.clear()
        self.origins.git_bytes = 0

    def begin(self, url, commit="", history=FULL, **fields):
        return self.api.stream("Snapshot", "ImportSnapshot",
                               remote_repository={"url": url, "commit": commit, "history": history, **fields})

    def bring(self, url, commit="", history=FULL):
        """The snapshot, and what was told before."""
        messages = list(self.begin(url, commit, history))
        return messages[-1].snapshot, [one.progress for one in messages[:-1]]

    def forget_snapshots(self):
        """For who has no sandbox left: what one test left, another would find."""
        for snapshot in reversed(list(self.api.call("Snapshot", "ListSnapshots").snapshots)):
            self.api.call("Snapshot", "DeleteSnapshot", digest=snapshot.digest)

    def local(self, commit, history=FULL):
        """The same of the server's own directory."""
        messages = list(self.api.stream("Snapshot", "ImportSnapshot", repository={
            "path": str(self.project.bare), "commit": commit, "history": history}))
        return messages[-1].snapshot

    def refused(self, reason, code, url, commit="", **options):
        """The message, which is one printable line."""
        with self.assertRaises(grpc.RpcError) as caught:
            list(self.begin(url, commit, **options))
        error = caught.exception
        self.assertEqual(error.code(), code, error)
        self.assertIn(reason.encode(), dict(error.trailing_metadata())["grpc-status-details-bin"], error)
        self.assertTrue(error.details().isprintable(), error)
        self.assertLess(len(error.details()), 1000)
        return error.details()

    def content(self, snapshot):
        """The digest of the files, which the store keeps with each snapshot."""
        found = list(self.daemon.state.glob(f"**/{snapshot.digest.removeprefix('sha256:')}/record.json"))
        self.assertEqual(len(found), 1)
        return json.loads(found[0].read_text())["content_digest"]

    def look(self, snapshot, script=LOOK):
        return self.run_in(self.create("--snapshot", snapshot.digest), "sh", "-c", script).stdout.decode()


@contextlib.contextmanager
def socket_in(namespace):
    """Whether something listens there."""
    def listens(address, port):
        with namespace.make_socket(2, 1) as probe:
            return probe.connect_ex((address, port)) == 0
    yield listens


class Remote(RemoteCase):
    def setUp(self):
        super().setUp()
        self.forget_snapshots()

    def test_it_is_what_a_local_import_is(self):
        for history in (FULL, SHALLOW, NONE):
            with self.subTest(history):
                snapshot, told = self.bring(PROJECT, "main", history)
                self.assertEqual(snapshot.commit, self.project.commits[-1])
                self.assertEqual(snapshot.source, PROJECT)
                self.assertEqual(snapshot.history, history)
                self.assertTrue(told)
                self.assertEqual(self.content(self.local("main", history)), self.content(snapshot))
        self.assertNotIn("other.example", self.origins.hosts)  # the submodule's

    def test_what_is_in_it(self):
        snapshot, told = self.bring(PROJECT)
        texts = " ".join(git(self.project.path, "log", "--format=%s").split("\n"))
        self.assertEqual(self.look(snapshot), f"{texts} refs/heads/main\n")
        self.assertEqual(self.look(snapshot, "ls -A sub; cat large.bin; readlink link; test -x run && echo x; git remote; "
                                             "git for-each-ref --format='%(refname)'; ls .git/hooks .git/logs 2>/dev/null"),
                         POINTER + "run\nx\nrefs/heads/main\nrefs/heads/side\nrefs/tags/v1\n")
        self.assertGreater(max(one.items_done for one in told), 0)

    def test_git_protocol(self):
        snapshot, _ = self.bring("git://good.example/project", "v1")
        self.assertEqual(snapshot.commit, self.project.commits[1])
        self.assertEqual(self.look(snapshot, "git log --format=%s | tr '\\n' ' '; git status --short"), "one zero ")

    def test_shallow_is_not_the_whole_history(self):
        shallow, _ = self.bring(PROJECT, history=SHALLOW)
        self.assertLess(self.origins.git_bytes, BALLAST / 10)
        self.assertEqual(self.look(shallow, "git rev-list --count --all; git fsck; git status --short; git branch"), "1\n* main\n")
        none, _ = self.bring(PROJECT, history=NONE)
        self.assertLess(self.origins.git_bytes, BALLAST / 10)
        self.assertEqual(self.look(none, "ls -A"), ".gitattributes\n.gitmodules\nfile\nlarge.bin\nlink\nrun\nsub\n")
        self.bring(PROJECT)
        self.assertGreater(self.origins.git_bytes, BALLAST)

    def test_the_next_commit_moves_what_is_new_alone(self):
        first, _ = self.bring(PROJECT)
        self.origins.git_bytes = 0
        commit = self.project.grow(f"grown {time.monotonic_ns()}")
        second, _ = self.bring(PROJECT, "main")
        self.assertEqual(second.commit, commit)
        self.assertEqual(second.parent, first.digest)
        self.assertLess(self.origins.git_bytes, BALLAST / 10)
        self.assertLess(second.disk_bytes, first.disk_bytes)
        self.assertIn("refs/heads/main", self.look(second))
        self.assertEqual(self.content(self.local("main")), self.content(second))

    def test_what_is_known_is_not_fetched(self):
        head, _ = self.bring(PROJECT)
        one, _ = self.bring(PROJECT, self.project.commits[0])
        self.origins.hosts.clear()
        again, _ = self.bring(PROJECT, self.project.commits[0])
        self.assertEqual((again.digest, self.origins.hosts), (one.digest, []))
        self.origins.git_bytes = 0
        again, _ = self.bring("HTTPS://Good.Example:443/git/project/", "main")
        self.assertEqual(again.digest, head.digest)
        self.assertLess(self.origins.git_bytes, 2000)  # the list of refs

    def test_commits_by_every_name(self):
        commits = self.project.commits
        for history in (FULL, SHALLOW):
            for name, commit in (("side", commits[1]), ("v1", commits[1]), ("refs/tags/v1", commits[1]),
                                 ("refs/heads/side", commits[1]), ("heads/side", commits[1]), (commits[0], commits[0]),
                                 (commits[-1][:12], commits[-1])):
                with self.subTest(name, history=history):
                    self.assertEqual(self.bring(PROJECT, name, history)[0].commit, commit)
        self.assertEqual(self.bring(PROJECT, commits[0][:12])[0].commit, commits[0])
        for history in (FULL, SHALLOW):
            for name in ("nothing", "v2", "refs/heads/v1", "abcdef", 40 * "1", "HEAD/x"):
                with self.subTest(name, history=history):
                    self.refused("COMMIT_NOT_FOUND", grpc.StatusCode.NOT_FOUND, PROJECT, name, history=history)
        said = self.refused("COMMIT_NOT_FOUND", grpc.StatusCode.NOT_FOUND, PROJECT, commits[0][:12], history=SHALLOW)
        self.assertIn("short id", said)

    def test_a_server_that_gives_no_commit_by_its_id(self):
        old = "https://good.example/old/git/project"
        said = self.refused("COMMIT_NOT_FOUND", grpc.StatusCode.NOT_FOUND, old, self.project.commits[0], history=SHALLOW)
        self.assertIn("gives commits by branch and tag alone", said)
        self.assertEqual(self.bring(old, "v1", SHALLOW)[0].commit, self.project.commits[1])
        self.assertEqual(self.bring(old, self.project.commits[0])[0].commit, self.project.commits[0])

    def test_an_id_is_not_the_name_of_a_branch(self):
        wanted = self.project.commits[0]
        git(self.project.bare, "update-ref", f"refs/heads/{wanted}", self.project.commits[1])
        self.addCleanup(git, self.project.bare, "update-ref", "-d", f"refs/heads/{wanted}")
        for history in (FULL, SHALLOW):
            self.assertEqual(self.bring(PROJECT, wanted, history)[0].commit, wanted)

    def test_names_that_a_server_makes_up(self):
        self.addCleanup(setattr, self.origins, "rewrite", self.origins.rewrite)
        for url in (PROJECT, "https://good.example/old/git/project"):
            for evil, branch in ((b"\x1b[2J", "HEAD"), (b"a..b", "HEAD"), (b"../x", "HEAD"), (b"-x-x", "-x-x")):
                with self.subTest(evil, url=url):
                    self.origins.rewrite = lambda content, evil=evil: content.replace(b"refs/heads/main", b"refs/heads/" + evil)
                    snapshot, _ = self.bring(url)
                    self.assertEqual(snapshot.commit, self.project.commits[-1])
                    sandbox = self.create("--snapshot", snapshot.digest)
                    done = self.run_in(sandbox, "sh", "-c", "git rev-parse --abbrev-ref HEAD; git status --short; git fsck")
                    self.assertEqual(done.stdout.decode(), f"{branch}\n")
                    self.ok("rm", "--force", sandbox)
                    self.forget_snapshots()

    def test_equal_imports_at_once_are_one(self):
        calls = [self.begin("https://good.example/held/git/project", "main") for _ in range(3)]
        first = [next(call).progress for call in calls]  # each has begun
        self.assertEqual(len(first), 3)
        self.origins.released.set()
        self.assertEqual(len({list(call)[-1].snapshot.digest for call in calls}), 1)
        self.assertEqual(len(self.origins.hosts), 2)  # of one import: for the list of refs, and to fetch

    def test_owners_see_it_as_any_other(self):
        digest = self.told("snapshot", "import", PROJECT, "--commit", "side", "--history", "shallow").strip()
        self.assertIn(PROJECT, self.told("snapshot", "ls", "--json"))
        self.assertEqual(self.api.call("Snapshot", "GetSnapshot", digest=digest).snapshot.commit, self.project.commits[1])


class Refused(RemoteCase):
    PRECONDITION = grpc.StatusCode.FAILED_PRECONDITION

    def test_redirects_to_another_host(self):
        said = self.refused("REMOTE_REDIRECTED", self.PRECONDITION, "https://good.example/away/project")
        self.assertIn("leads to other.example, and an import reaches only good.example", said)
        self.assertEqual(set(self.origins.hosts), {"good.example"})
        near, _ = self.bring("https://good.example/near/project")
        self.assertEqual(near.commit, self.project.commits[-1])
        self.world.forget()
        self.refused("REMOTE_UNREACHABLE", self.PRECONDITION, "https://good.example/down/project")
        self.assertEqual(self.world.http.seen, [])

    def test_objects_that_are_said_to_be_elsewhere(self):
        self.refused("REPOSITORY_INVALID", self.PRECONDITION, "https://good.example/dumb/project")
        self.assertEqual(set(self.origins.hosts), {"good.example"})
        self.assertNotIn("other.example", {name for name, _ in self.world.dns.asked})

    def test_what_is_not_there(self):
        for url in ("https://good.example/nothing/project", "https://good.example/hello", "git://good.example/nothing",
                    "https://good.example/locked/project"):
            with self.subTest(url):
                said = self.refused("REPOSITORY_NOT_FOUND", grpc.StatusCode.NOT_FOUND, url)
                self.assertIn(url, said)

    def test_repositories_that_are_not_taken(self):
        for name, options, reason, code in (
                ("empty", [], "COMMIT_NOT_FOUND", grpc.StatusCode.NOT_FOUND),
                ("sha256", ["--object-format=sha256"], "REPOSITORY_UNSUPPORTED", self.PRECONDITION)):
            path = self.origins.repositories / name
            subprocess.run(["git", "init", "-q", "--bare", *options, path], env=GIT_ENVIRONMENT, check=True)
            tree = git(path, "hash-object", "-t", "tree", "-w", "/dev/null")
            if options:
                git(path, "update-ref", "HEAD", git(path, "commit-tree", "-m", "x", tree))
            with self.subTest(name):
                self.refused(reason, code, f"git://good.example/{name}")

    def test_certificates_that_are_not_trusted(self):
        self.world.dns.names["unnamed.example"] = [ORIGIN4]
        self.refused("REMOTE_NOT_TRUSTED", self.PRECONDITION, "https://unnamed.example/git/project")
        with tempfile.TemporaryDirectory(prefix="glovebox-e2e-", dir="/tmp") as folder:
            other = egress_origins.Authority(pathlib.Path(folder))

            def answer(client, _note):
                with other.context.wrap_socket(client, server_side=True) as secure:
                    secure.recv(1)

            service = egress_world.Service(self.world.internet.listen(8444), answer)
            self.addCleanup(service.close)
            self.refused("REMOTE_NOT_TRUSTED", self.PRECONDITION, "https://good.example:8444/git/project")
        self.assertEqual(self.origins.hosts, [])

    def test_addresses_inside(self):
        for host in ("inner.example", "loop.example", "own.example", "metadata.example"):
            with self.subTest(host):
                self.refused("PRIVATE_RANGE_NOT_ALLOWED", grpc.StatusCode.PERMISSION_DENIED, f"https://{host}/git/project")
                self.refused("PRIVATE_RANGE_NOT_ALLOWED", grpc.StatusCode.PERMISSION_DENIED, f"git://{host}/project")

    def test_hosts_that_are_not_there(self):
        said = self.refused("REMOTE_UNREACHABLE", self.PRECONDITION, "https://nothing.example/git/project")
        self.assertIn("nothing.example was not found", said)
        said = self.refused("REMOTE_UNREACHABLE", self.PRECONDITION, "https://good.example:8445/git/project")
        self.assertIn("does not answer at port 8445", said)
        self.refused("REMOTE_UNREACHABLE", self.PRECONDITION, "git://good.example:8445/project")

    def test_what_a_server_says_is_escaped(self):
        def answer(client, _note):
            client.recv(4096)
            line = b"ERR \x1b[2J\x07evil \xe2\x80\xae\xff" + b"x" * 3000
            client.sendall(b"%04x%s" % (len(line) + 4, line))

        service = egress_world.Service(self.world.internet.listen(9419), answer)
        self.addCleanup(service.close)
        said = self.refused("REPOSITORY_INVALID", self.PRECONDITION, "git://good.example:9419/project")
        self.assertIn("evil", said)

    def test_a_server_that_is_up_to_something_ends_with_the_call(self):
        for place in ("hang", "endless"):
            with self.subTest(place):
                self.origins.caught.clear()
                self.origins.left.clear()
                call = self.begin(f"https://good.example/{place}/project")
                self.assertTrue(self.origins.caught.wait(daemon.DEADLINE_S))
                call.cancel()
                self.assertTrue(self.origins.left.wait(daemon.DEADLINE_S))
                daemon.wait_until(lambda: not self.daemon.sandbox_cgroups(), "the worker is gone")

    def test_urls_that_are_refused(self):
        invalid = grpc.StatusCode.INVALID_ARGUMENT
        for url in ("", "http://good.example/git/project", "file:///etc", "ext::sh -c id", "--upload-pack=id",
                    "-uhttps://good.example/git/project", "https://93.184.216.34/git/project", "https://[::1]/git/project",
                    "https://good.example/git/../project", "https://good.example/git/project\n", "/etc",
                    "https://good.example/" + 3000 * "x"):
            with self.subTest(url):
                self.refused("INVALID_FIELD", invalid, url)
        for url in ("ssh://git@good.example/project", "git@good.example:project"):
            self.assertIn("https://", self.refused("FIELD_NOT_SERVED", grpc.StatusCode.UNIMPLEMENTED, url))
        self.refused("SECRET_NOT_FOUND", grpc.StatusCode.NOT_FOUND, PROJECT, secret_name="token")
        self.refused("INVALID_FIELD", invalid, "git://good.example/project", secret_name="token")
        for field, asked in (("secret_name", {"secret_name": "../token"}), ("user", {"secret_name": "token", "user": "a:b"}),
                             ("user", {"user": "me"})):
            self.assertIn(f"remote_repository.{field}", self.refused("INVALID_FIELD", invalid, PROJECT, **asked))
        self.refused("REVISION_INVALID", invalid, PROJECT, "--upload-pack=id")
        done = self.daemon.cli("snapshot", "import", "--", "--upload-pack=x://good.example/project")
        self.assertEqual(done.returncode, 1)
        self.assertEqual((self.origins.hosts, self.world.dns.asked), ([], []))

    def test_a_password_is_refused_and_written_down_nowhere(self):
        url = "https://user:hunter2@good.example/git/project"
        self.assertNotIn("hunter2", self.refused("INVALID_FIELD", grpc.StatusCode.INVALID_ARGUMENT, url))
        done = self.daemon.cli("snapshot", "import", url)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"password", done.stderr)
        self.assertNotIn(b"hunter2", done.stdout + done.stderr)
        looked_at = []
        for path in self.daemon.root.glob("**/*"):
            if path.is_file() and path.stat().st_size < 1 << 20:  # disks are larger, and no worker had one
                looked_at.append(path.name)
                self.assertNotIn(b"hunter2", path.read_bytes(), path)
        self.assertLessEqual({"log", "audit.log"}, set(looked_at))
        self.assertEqual(self.origins.hosts, [])


class Private(RemoteCase):
    configuration = 'private_ranges = ["10.0.0.0/8"]\n'
    may_reach = frozenset({"10.0.0.5"})

    def test_what_the_operator_opened_is_reached(self):
        snapshot, _ = self.bring("https://inner.example/git/project")
        self.assertEqual(snapshot.commit, self.project.commits[-1])
        self.refused("PRIVATE_RANGE_NOT_ALLOWED", grpc.StatusCode.PERMISSION_DENIED, "https://loop.example/git/project")


if __name__ == "__main__":
    unittest.main()
