#!/usr/bin/env python3
"""Read-only caches: names and who may change them, what a sandbox shows of them, and what cannot be done to them."""

import json
import unittest

import daemon
import grpc
from clients import OTHER, OWNER, ClientsCase
from collecting import work_beside_collections

TARGET = "/home/agent/.cache/tools"
NESTED = '[seccomp]\ntiers = ["strict", "build", "nested"]\n'
UNSHARE = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]


def tree(root, name, **files):
    path = root / name
    path.mkdir()
    for file, text in files.items():
        (path / file).write_text(text)
    return str(path)


class CacheCase(daemon.DaemonCase):
    def imported(self, name, **files):
        digest = self.ok("snapshot", "import", "--directory", tree(self.daemon.root, name, **files)).decode().strip()
        self.addCleanup(self.daemon.cli, "snapshot", "rm", digest)
        return digest

    def named(self, name, digest):
        self.ok("cache", "set", name, digest)
        self.addCleanup(self.daemon.cli, "cache", "rm", name)

    def sh(self, sandbox, script):
        return self.ok("exec", sandbox, "--", "sh", "-c", script)


class Caches(CacheCase):
    def test_the_command_line_sets_shows_mounts_and_removes(self):
        one, two = self.imported("first", file="one"), self.imported("second", file="two")
        self.named("tools", one)
        (shown,) = json.loads(self.ok("cache", "ls", "--json"))
        self.assertEqual((shown["name"], shown["snapshot"], shown["shared"], shown["owner"], shown["broken"]),
                         ("tools", one, False, "uid:0", False))
        self.assertIn(b"tools", self.ok("cache", "ls"))
        self.assertEqual(self.ok("run", "--cache", f"tools:{TARGET}", "--cache", f"{two[:15]}:/opt/two", "--", "cat",
                                 f"{TARGET}/file", "/opt/two/file"), b"onetwo")
        sandbox = self.create("--cache", f"tools:{TARGET}")
        self.assertEqual(self.inspect(sandbox)["caches"], [{"snapshot": one, "name": "tools", "target_path": TARGET}])
        # The name goes on to mean something else; the sandbox has what it had.
        self.ok("cache", "set", "tools", two)
        self.assertEqual(self.sh(sandbox, f"cat {TARGET}/file"), b"one")
        self.assertEqual(self.inspect(sandbox)["caches"][0]["snapshot"], one)
        self.fails(1, "snapshot", "rm", one)
        self.fails(1, "snapshot", "rm", two)  # the name has it
        self.ok("cache", "rm", "tools")
        self.ok("snapshot", "rm", two)
        self.fails(1, "cache", "rm", "tools")
        self.fails(1, "create", "--cache", f"tools:{TARGET}")
        self.fails(2, "create", "--cache", "tools")
        self.assertIn("caches[0].target_path", self.fails(1, "create", "--cache", f"{one}:/proc/x"))
        self.assertIn(b"--cache", self.ok("completion", "bash"))

    def test_eight_caches_of_eight_layers_each(self):
        digest = self.imported("layered", file="0")
        for layer in range(1, 8):
            sandbox = self.create("--snapshot", digest)
            self.sh(sandbox, f"echo {layer} > file; touch {layer}")
            captured = json.loads(self.ok("snapshot", "capture", sandbox, "--json"))
            self.ok("rm", sandbox)
            digest = captured["digest"]
            self.addCleanup(self.daemon.cli, "snapshot", "rm", digest)
        self.assertEqual(captured["layer_count"], 8)
        options = [option for n in range(8) for option in ("--cache", f"{digest}:/opt/{n}/deep")]
        sandbox = self.create("--snapshot", digest, *options)
        self.assertEqual(self.sh(sandbox, "cat /opt/*/deep/file; ls /opt/7/deep | wc -l"), b"7\n" * 8 + b"8\n")
        child = self.ok("fork", sandbox).decode().strip()
        self.addCleanup(self.daemon.cli, "rm", "--force", child)
        self.assertEqual(self.sh(child, "cat /opt/*/deep/file"), b"7\n" * 8)

    def test_it_is_in_no_change_no_diff_and_no_capture(self):
        path, _ = daemon.repository(self.daemon.root, "with-caches")
        digest = self.imported("beside", file="secret of the cache")
        sandbox = self.create("--repo", path, "--cache", f"{digest}:{TARGET}")
        self.assertEqual(self.ok("changes", sandbox), b"")
        self.assertEqual(self.ok("diff", sandbox), b"")
        captured = json.loads(self.ok("snapshot", "capture", sandbox, "--json"))
        self.addCleanup(self.daemon.cli, "snapshot", "rm", captured["digest"])
        other = self.create("--snapshot", captured["digest"])
        self.assertEqual(self.sh(other, f"ls {TARGET} 2>/dev/null; grep -rl 'secret of the cache' /workspace || true"), b"")
        self.assertEqual(self.inspect(other)["caches"], [])

    def test_gc_in_a_loop_takes_no_cache_from_those_who_use_or_name_it(self):
        named = self.imported("kept", file="kept")
        self.named("kept", named)

        def work(number):
            for turn in range(4):
                text = f"{number}.{turn}"
                digest = self.ok("snapshot", "import", "--directory",
                                 tree(self.daemon.root, f"raced-{text}", file=text)).decode().strip()
                made = self.daemon.cli("create", "--cache", f"{digest}:/own", "--cache", "kept:/kept")
                if made.returncode == 0:  # else it was collected before it was used
                    one = made.stdout.decode().strip()
                    self.assertEqual(self.sh(one, "cat /own/file /kept/file"), f"{text}kept".encode())
                    self.ok("rm", one)
                else:
                    self.assertIn(b"no snapshot", made.stderr)

        work_beside_collections(self, work, 1)


class NestedCaches(CacheCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        config = cls.daemon.root / "gloveboxd.toml"
        config.write_text(NESTED)
        cls.daemon.kill()
        cls.daemon.start("--config", config)

    def test_root_of_a_nested_namespace_cannot_write_to_it(self):
        digest = self.imported("nested", file="one")
        sandbox = self.create("--seccomp", "nested", "--cache", f"{digest}:{TARGET}")
        self.assertEqual(self.ok("exec", sandbox, "--", *UNSHARE, f"mount -t tmpfs x /mnt && cat {TARGET}/file"), b"one")
        for attempt in (f"mount -o remount,rw {TARGET}", f"mount -o remount,bind,rw {TARGET}", f"umount {TARGET}",
                        f"mount --bind {TARGET} /mnt && mount -o remount,bind,rw /mnt && echo x > /mnt/file",
                        f"mount --rbind / /mnt && mount -o remount,bind,rw /mnt{TARGET} && echo x > /mnt{TARGET}/file",
                        f"mkdir /tmp/l /tmp/w; mount -t overlay o -o lowerdir=/tmp/l,upperdir={TARGET},workdir=/tmp/w /mnt",
                        f"echo x > {TARGET}/file"):
            with self.subTest(attempt=attempt):
                done = self.daemon.cli("exec", sandbox, "--", *UNSHARE, f"echo began; {attempt} && echo done")
                self.assertEqual(done.stdout, b"began\n", done.stderr)
                self.assertNotIn(b"not found", done.stderr)
        other = self.create("--cache", f"{digest}:{TARGET}")
        self.assertEqual(self.sh(other, f"cat {TARGET}/file; ls {TARGET}"), b"onefile\n")


class CacheNames(ClientsCase):
    def daemon_options(self):
        config = self.daemon.root / "config.toml"
        config.write_text(f'import_roots = ["{self.daemon.root}"]\n')
        return "--config", str(config)

    def digest_of(self, name):
        path = tree(self.daemon.root, name, file=name)
        return self.ok("snapshot", "import", "--directory", path).decode().strip()

    def refused(self, api, method, code, reason, **fields):
        with self.assertRaises(grpc.RpcError) as caught:
            api.call("Snapshot" if "Cache" in method or "Snapshot" in method else "Sandbox", method, **fields)
        self.assertEqual(caught.exception.code(), code, caught.exception.details())
        details = dict(caught.exception.trailing_metadata())["grpc-status-details-bin"]
        self.assertIn(reason.encode(), details)
        return details

    def test_a_name_is_its_owners_and_shared_ones_are_the_administrators(self):
        owner, other, admin = self.api(OWNER), self.api(OTHER), self.api(0)
        mine, theirs = self.digest_of("mine"), self.digest_of("theirs")
        code = grpc.StatusCode
        owner.call("Snapshot", "SetCache", name="tools", snapshot=mine)
        other.call("Snapshot", "SetCache", name="tools", snapshot=theirs)  # its own, of the same name
        self.refused(owner, "SetCache", code.PERMISSION_DENIED, "ADMIN_REQUIRED", name="all", snapshot=mine, shared=True)
        admin.call("Snapshot", "SetCache", name="all", snapshot=theirs, shared=True)
        self.refused(owner, "SetCache", code.ALREADY_EXISTS, "CACHE_NAME_TAKEN", name="all", snapshot=mine)
        self.refused(owner, "DeleteCache", code.PERMISSION_DENIED, "ADMIN_REQUIRED", name="all")
        self.refused(admin, "SetCache", code.ALREADY_EXISTS, "CACHE_NAME_TAKEN", name="tools", snapshot=mine, shared=True)
        self.refused(other, "DeleteCache", code.PERMISSION_DENIED, "ADMIN_REQUIRED", name="tools", owner=f"uid:{OWNER}")
        seen = {uid: [(c.name, c.owner, c.shared) for c in self.api(uid).call("Snapshot", "ListCaches").caches]
                for uid in (OWNER, OTHER, 0)}
        shared = ("all", "uid:0", True)
        self.assertEqual(seen[OWNER], [shared, ("tools", f"uid:{OWNER}", False)])
        self.assertEqual(seen[OTHER], [shared, ("tools", f"uid:{OTHER}", False)])
        self.assertEqual(seen[0], [shared, ("tools", f"uid:{OWNER}", False), ("tools", f"uid:{OTHER}", False)])
        paged = admin.call("Snapshot", "ListCaches", page_size=2)
        rest = admin.call("Snapshot", "ListCaches", page_size=2, page_token=paged.next_page_token)
        self.assertEqual([(c.name, c.owner, c.shared) for c in (*paged.caches, *rest.caches)], seen[0])
        # Each gets its own, and the shared one; an administrator's request means the administrator's names.
        mounts = [{"name": "tools", "target_path": b"/tools"}, {"name": "all", "target_path": b"/all"}]
        made = {api: api.call("Sandbox", "CreateSandbox", caches=mounts).sandbox for api in (owner, other)}
        self.assertEqual([c.snapshot for c in made[owner].caches], [mine, theirs])
        self.assertEqual([c.snapshot for c in made[other].caches], [theirs, theirs])
        self.refused(admin, "CreateSandbox", code.NOT_FOUND, "CACHE_NOT_FOUND", caches=mounts)
        # Whose the snapshot in use is, is told to who sees it.
        told = self.refused(admin, "DeleteSnapshot", code.FAILED_PRECONDITION, "SNAPSHOT_IN_USE", digest=mine)
        self.assertIn(made[owner].id.encode(), told)
        self.assertIn(b"tools", told)
        admin.call("Snapshot", "DeleteCache", name="tools", owner=f"uid:{OWNER}")
        self.refused(owner, "DeleteCache", code.NOT_FOUND, "CACHE_NOT_FOUND", name="tools")
        owner.call("Snapshot", "DeleteCache", name="tools", allow_missing=True)
        # They outlive the daemon; the sandboxes keep theirs.
        self.restart("--socket-group", self.group.gr_name, *self.daemon_options())
        self.assertEqual([c.name for c in self.api(OTHER).call("Snapshot", "ListCaches").caches], ["all", "tools"])
        again = self.api(OWNER).call("Sandbox", "GetSandbox", sandbox_id=made[owner].id).sandbox
        self.assertEqual(list(again.caches), list(made[owner].caches))
        self.assertEqual(self.ok("exec", again.id, "--", "cat", "/tools/file"), b"mine")

    def test_a_foreign_snapshot_is_neither_named_nor_mounted_unless_it_is_shared(self):
        owner, other, admin = self.api(OWNER), self.api(OTHER), self.api(0)
        path = tree(self.daemon.root, "foreign", file="foreign")
        *_, last = other.stream("Snapshot", "ImportSnapshot", directory_path=path)
        digest = last.snapshot.digest
        missing = (grpc.StatusCode.NOT_FOUND, "SNAPSHOT_NOT_FOUND")
        by_digest = [{"snapshot": digest, "target_path": b"/c"}]
        self.refused(owner, "SetCache", *missing, name="stolen", snapshot=digest)
        self.refused(owner, "CreateSandbox", *missing, caches=by_digest)
        other.call("Snapshot", "SetCache", name="mine", snapshot=digest)
        told = self.refused(other, "DeleteSnapshot", grpc.StatusCode.FAILED_PRECONDITION, "SNAPSHOT_IN_USE", digest=digest)
        self.assertIn(b"mine", told)
        admin.call("Snapshot", "SetCache", name="all", snapshot=digest, shared=True)
        made = owner.call("Sandbox", "CreateSandbox", caches=[{"name": "all", "target_path": b"/c"}]).sandbox
        self.assertEqual(self.ok("exec", made.id, "--", "cat", "/c/file"), b"foreign")
        self.refused(owner, "CreateSandbox", *missing, caches=by_digest)
        self.refused(owner, "GetSnapshot", *missing, digest=digest)

    def test_wrong_requests_name_their_field(self):
        api = self.api(OWNER)
        digest = self.digest_of("one")
        for caches, field in (([{"target_path": b"/a"}], "caches[0]"),
                              ([{"name": "x", "snapshot": digest, "target_path": b"/a"}], "caches[0]"),
                              ([{"snapshot": digest, "target_path": b"/a\xff"}], "caches[0].target_path"),
                              ([{"snapshot": digest, "target_path": b"/workspace/x"}], "caches[0].target_path"),
                              ([{"snapshot": digest, "target_path": f"/{i}".encode()} for i in range(9)], "caches"),
                              ([{"snapshot": digest, "target_path": p} for p in (b"/a", b"/a/b")], "caches[1].target_path")):
            details = self.refused(api, "CreateSandbox", grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD", caches=caches)
            self.assertIn(field.encode(), details)
        caches = [{"snapshot": "sha256:" + "0" * 64, "target_path": b"/a"}]
        self.refused(api, "CreateSandbox", grpc.StatusCode.NOT_FOUND, "SNAPSHOT_NOT_FOUND", caches=caches)
        caches = [{"snapshot": digest, "target_path": b"/bin/x"}]
        self.refused(api, "CreateSandbox", grpc.StatusCode.FAILED_PRECONDITION, "CACHE_TARGET_REFUSED", caches=caches)
        self.assertEqual(list(api.call("Sandbox", "ListSandboxes").sandboxes), [])


if __name__ == "__main__":
    unittest.main()
