#!/usr/bin/env python3
"""Private repositories that are fetched with a secret: whose they are then, and where the secret never comes."""

import grp
import os
import unittest

import grpc
import remote_suite as remote
from clients import OTHER, OWNER, UserApi

URL = "https://good.example/safe/git/project"


class RemoteSecrets(remote.RemoteCase):
    @classmethod
    def start_daemon(cls, *options, **more):
        super().start_daemon("--socket-group", grp.getgrgid(os.getgid()).gr_name, *options, **more)
        cls.daemon.root.chmod(0o711)

    def keep(self, name, value=remote.TOKEN):
        self.ok("secret", "create", name, input=value.encode())
        self.addCleanup(self.daemon.cli, "secret", "rm", name)

    def test_a_private_repository_with_a_secret(self):
        self.keep("token")
        self.refused("REPOSITORY_NOT_FOUND", grpc.StatusCode.NOT_FOUND, URL)
        brought = list(self.begin(URL, secret_name="token"))[-1].snapshot
        self.assertEqual((brought.commit, brought.source), (self.project.commits[-1], URL))
        again = list(self.begin(URL, history=remote.SHALLOW, secret_name="token", user="me"))[-1].snapshot
        self.assertEqual(again.commit, brought.commit)
        digest = self.told("snapshot", "import", URL, "--secret", "token", "--user", "x-access-token").strip()
        self.assertEqual(digest, brought.digest)
        self.keep("stranger", "t0ken-of-a-stranger")
        said = self.refused("REPOSITORY_NOT_FOUND", grpc.StatusCode.NOT_FOUND, URL, secret_name="stranger")
        self.assertIn("does not take the secret stranger as the password of x-access-token", said)
        having = [path.parent.name for path in self.daemon.root.rglob("*")
                  if path.is_file() and path.stat().st_size < 1 << 20
                  and any(one in path.read_bytes() for one in (remote.TOKEN.encode(), remote.SAFE[0][6:].encode()))]
        self.assertEqual(having, [], "secrets are kept in Base64, and as nothing else")
        sandbox = self.create("--snapshot", digest)
        seen = self.run_in(sandbox, "sh", "-c", "cat .git/config; grep -r t0ken . ; git log --format=%s | head -1").stdout.decode()
        self.assertNotIn("t0ken", seen)
        self.assertNotIn("good.example", seen)

    def test_a_host_that_says_the_secret_back_says_it_to_nobody(self):
        url = "https://good.example/echo/project"
        self.keep("token")
        said = self.refused("REPOSITORY_INVALID", grpc.StatusCode.FAILED_PRECONDITION, url, secret_name="token", user="me")
        self.assertIn("remote error: Basic [secret] me:[secret]", said)
        done = self.daemon.cli("snapshot", "import", url, "--secret", "token")
        self.assertIn(b"x-access-token:[secret]", done.stderr)
        self.assertNotIn(remote.TOKEN, self.daemon.read_log())

    def test_what_a_secret_brought_is_its_owners(self):
        self.keep("token")
        commit = self.project.commits[-1]
        list(self.begin(URL, commit, secret_name="token"))
        asked = self.origins.git_bytes
        again = list(self.begin(URL, commit, secret_name="token"))[-1].snapshot
        self.assertEqual((again.commit, self.origins.git_bytes), (commit, asked), "it is in the store")
        self.refused("REPOSITORY_NOT_FOUND", grpc.StatusCode.NOT_FOUND, URL, commit)
        self.ok("secret", "rm", "token")
        self.refused("SECRET_NOT_FOUND", grpc.StatusCode.NOT_FOUND, URL, commit, secret_name="token")

    def test_what_a_secret_brought_is_no_other_clients(self):
        owner, other = self.client(OWNER), self.client(OTHER)
        for importer, stranger in ((self.api, other), (owner, other)):
            with self.subTest(admin=importer is self.api):
                self.forget_snapshots()
                importer.call("Network", "CreateSecret", name="token", value=remote.TOKEN.encode())
                self.addCleanup(importer.call, "Network", "DeleteSecret", name="token", allow_missing=True)
                source = {"url": URL, "secret_name": "token"}
                brought = list(importer.stream("Snapshot", "ImportSnapshot", remote_repository=source))[-1].snapshot
                self.assertEqual(importer.call("Snapshot", "GetSnapshot", digest=brought.digest).snapshot.source, URL)
                sandbox = importer.call("Sandbox", "CreateSandbox", snapshot=brought.digest).sandbox.id
                importer.call("Sandbox", "DeleteSandbox", sandbox_id=sandbox)
                self.assertEqual(list(stranger.call("Snapshot", "ListSnapshots").snapshots), [])
                cache = {"snapshot": brought.digest, "target_path": b"/cache"}
                for service, method, fields in (("Snapshot", "GetSnapshot", {"digest": brought.digest}),
                                                ("Snapshot", "DeleteSnapshot", {"digest": brought.digest}),
                                                ("Sandbox", "CreateSandbox", {"snapshot": brought.digest}),
                                                ("Sandbox", "CreateSandbox", {"caches": [cache]})):
                    with self.subTest(method), self.assertRaises(grpc.RpcError) as caught:
                        stranger.call(service, method, **fields)
                    self.assertEqual(caught.exception.code(), grpc.StatusCode.NOT_FOUND, caught.exception)
        with self.assertRaises(grpc.RpcError) as caught:
            list(other.stream("Snapshot", "ImportSnapshot", remote_repository={"url": URL}))
        self.assertEqual(caught.exception.code(), grpc.StatusCode.NOT_FOUND, caught.exception)
        # Without a secret it is as ever: an administrator fills the store for all.
        shared = list(self.begin(remote.PROJECT))[-1].snapshot
        self.assertIn(shared.digest, [one.digest for one in other.call("Snapshot", "ListSnapshots").snapshots])

    def client(self, uid):
        client = UserApi(self.daemon.socket, uid, os.getgid())
        self.addCleanup(client.close)
        return client

    def test_a_secret_goes_to_no_other_host(self):
        self.keep("token")
        for place in ("away", "down"):
            self.refused("REMOTE_REDIRECTED" if place == "away" else "REMOTE_UNREACHABLE", grpc.StatusCode.FAILED_PRECONDITION,
                         f"https://good.example/{place}/project", secret_name="token")
        self.assertEqual(set(self.origins.hosts), {"good.example"})
        near = list(self.begin("https://good.example/near/project", secret_name="token"))[-1].snapshot
        self.assertEqual(near.commit, self.project.commits[-1])


if __name__ == "__main__":
    unittest.main()
