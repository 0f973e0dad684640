"""Whose a sandbox is: every RPC of every service is asked as its owner, as somebody else, and once it is gone."""

import json
import os
import unittest

import api_client
import daemon
import grpc
from clients import OTHER, OWNER, ClientsCase

SERVICES = ("sandbox", "exec", "change", "file", "network", "snapshot", "node")
EXEC = "kept"  # the exec of the sandbox under test
NAMED = {"sandbox_id": "$ID"}
IN_EXEC = {"sandbox_id": "$ID", "exec_id": EXEC}
SLEEP = {"arguments": [b"/bin/sleep", b"600"]}
ENDLESS = {"glovebox.v1.ChangeService.WatchChanges"}  # of which the first message is asked
LIST_SERVICES = b"\x3a\x00"  # a ServerReflectionRequest with list_services

# RPC -> a request that is valid but for the sandbox it names. None: it names no sandbox. A new RPC needs a row.
TABLE = {
    "Sandbox.CreateSandbox": None,
    "Sandbox.GetSandbox": NAMED,
    "Sandbox.ListSandboxes": None,
    "Sandbox.UpdateSandbox": {"sandbox": {"id": "$ID"}},
    "Sandbox.DeleteSandbox": NAMED,
    "Sandbox.PauseSandbox": NAMED,
    "Sandbox.ResumeSandbox": NAMED,
    "Sandbox.ForkSandbox": {"sandbox_id": "$ID", "count": 1},
    "Sandbox.CheckpointSandbox": NAMED,
    "Sandbox.RestoreCheckpoint": {"sandbox_id": "$ID", "checkpoint_id": "c"},
    "Sandbox.ListCheckpoints": NAMED,
    "Sandbox.DeleteCheckpoint": {"sandbox_id": "$ID", "checkpoint_id": "c"},
    "Sandbox.WatchSandboxes": None,
    "Sandbox.GetUsage": NAMED,
    "Exec.StartExec": {"sandbox_id": "$ID", "exec_id": "another", "spec": SLEEP},
    "Exec.AttachExec": {**IN_EXEC, "no_follow": True},
    "Exec.RunExec": {**IN_EXEC, "spec": {"arguments": [b"/bin/true"]}},
    "Exec.AcknowledgeOutput": {**IN_EXEC, "reader": "reader"},
    "Exec.RunShellCommand": {**IN_EXEC, "script": b"true"},
    "Exec.WriteStdin": {**IN_EXEC, "data": b"x"},
    "Exec.SignalExec": {**IN_EXEC, "signal": 28, "scope": 1},
    "Exec.ResizeTerminal": {**IN_EXEC, "terminal": {"rows": 24, "columns": 80}},
    "Exec.WaitExec": {"sandbox_id": "$ID", "exec_id": "ended"},
    "Exec.GetExec": IN_EXEC,
    "Exec.ListExecs": NAMED,
    "Change.ListChanges": NAMED,
    "Change.WatchChanges": NAMED,
    "Change.DiffSandbox": NAMED,
    "Change.CompareSandboxes": {"sandboxes": [{"sandbox_id": "$ID"}, {"sandbox_id": "$ID"}]},
    "Change.ApplyPatch": {"sandbox_id": "$ID", "patch": b"x"},
    "Change.CommitChanges": {"sandbox_id": "$ID", "branch": "b", "message": "m",
                             "author": {"name": "a", "email": "a@b"}},
    "Change.ExportBundle": {"sandbox_id": "$ID", "commit": "HEAD"},
    "File.ReadFile": {"sandbox_id": "$ID", "path": b"/etc/passwd"},
    "File.WriteFile": {"target": {"sandbox_id": "$ID", "path": b"/tmp/x"}},
    "File.EditFile": {"sandbox_id": "$ID", "path": b"/tmp/x", "edits": [{"find": b"a"}]},
    "File.StatFile": {"sandbox_id": "$ID", "path": b"/tmp"},
    "File.ListDirectory": {"sandbox_id": "$ID", "path": b"/tmp"},
    "File.MakeDirectory": {"sandbox_id": "$ID", "path": b"/tmp/d"},
    "File.Move": {"sandbox_id": "$ID", "source_path": b"/tmp/x", "target_path": b"/tmp/y"},
    "File.Remove": {"sandbox_id": "$ID", "path": b"/tmp/x"},
    "File.ExportArchive": {"sandbox_id": "$ID", "path": b"/tmp"},
    "File.ImportArchive": {"target": {"sandbox_id": "$ID", "path": b"/tmp"}},
    "Network.UpdateEgress": NAMED,
    "Network.WatchConnections": NAMED,
    "Network.ForwardPort": {"target": {"sandbox_id": "$ID", "port": 80}},
    "Network.ListListeningPorts": NAMED,
    "Network.WaitForPort": {"sandbox_id": "$ID", "port": 80, "timeout": {"seconds": 1}},
    "Network.CreateSecret": None,
    "Network.ListSecrets": None,
    "Network.DeleteSecret": None,
    "Snapshot.ImportSnapshot": None,
    "Snapshot.CaptureSandbox": NAMED,
    "Snapshot.CollectGarbage": None,
    "Snapshot.CheckStore": None,
    "Snapshot.GetSnapshot": None,
    "Snapshot.ListSnapshots": None,
    "Snapshot.DeleteSnapshot": None,
    "Snapshot.ImportImage": None,
    "Snapshot.ListImages": None,
    "Snapshot.DeleteImage": None,
    "Snapshot.SetCache": None,
    "Snapshot.ListCaches": None,
    "Snapshot.DeleteCache": None,
    "Snapshot.FindMissingBlobs": None,
    "Snapshot.BatchUpdateBlobs": None,
    "Snapshot.UploadBlob": None,
    "Node.GetNode": None,
    "Node.Drain": None,
}


def every_rpc():
    for stem in SERVICES:
        for name, service in getattr(api_client.MESSAGES, stem).DESCRIPTOR.services_by_name.items():
            for method in service.methods:
                yield f"{name.removesuffix('Service')}.{method.name}", method


def fill(fields, sandbox_id):
    text = json.dumps(fields, default=lambda raw: {"$bytes": raw.decode()}).replace("$ID", sandbox_id)
    return json.loads(text, object_hook=lambda o: o["$bytes"].encode() if "$bytes" in o else o)


class Answer:
    """All that a client gets: code, message, details, trailers."""

    def __init__(self, api, method, fields):
        module = getattr(api.messages, method.containing_service.name.removesuffix("Service").lower())
        request = getattr(module, method.input_type.name)
        kind = ("stream" if method.client_streaming else "unary") + "_" + (
            "stream" if method.server_streaming else "unary")
        stub = getattr(api.channel, kind)(f"/{method.containing_service.full_name}/{method.name}",
                                          request_serializer=request.SerializeToString,
                                          response_deserializer=lambda raw: raw)
        message = request(**fields)
        self.code, self.message, self.trailers = grpc.StatusCode.OK, "", ()
        try:
            answer = stub(iter([message]) if method.client_streaming else message, timeout=60)
            if method.full_name in ENDLESS:
                self.responses = [next(answer)]
                answer.cancel()
            else:
                self.responses = list(answer) if method.server_streaming else [answer]
        except grpc.RpcError as error:
            self.code, self.message, self.responses = error.code(), error.details(), []
            self.trailers = tuple(sorted((key, value) for key, value in error.trailing_metadata() or ()))

    def key(self):
        return self.code, self.message, self.trailers, tuple(self.responses)

    def says(self, reason):
        return any(reason.encode() in (value if isinstance(value, bytes) else value.encode())
                   for _, value in self.trailers)


class OwnersSuite(ClientsCase):
    def daemon_options(self):
        config = self.daemon.root / "config.toml"
        config.write_text(f'import_roots = ["{self.daemon.root}"]\n')
        return "--config", str(config)

    def test_the_table_has_every_rpc(self):
        self.assertEqual(sorted(TABLE), sorted(name for name, _ in every_rpc()))

    def describes_itself(self):
        ask = self.api(0).channel.stream_stream("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo")
        try:
            return bool(list(ask(iter([LIST_SERVICES]), timeout=daemon.DEADLINE_S)))
        except grpc.RpcError as error:
            self.assertEqual(error.code(), grpc.StatusCode.UNIMPLEMENTED)
            return False

    def test_the_server_describes_itself_only_when_it_is_configured_to(self):
        self.assertFalse(self.describes_itself())
        self.daemon.kill()
        self.daemon.start("--reflection", "true")
        self.assertTrue(self.describes_itself())

    def test_a_foreign_sandbox_is_answered_as_one_that_is_not_there(self):
        owner, other = self.api(OWNER), self.api(OTHER)
        sandbox = owner.call("Sandbox", "CreateSandbox").sandbox
        self.assertEqual(sandbox.owner, f"uid:{OWNER}")
        owner.call("Exec", "StartExec", sandbox_id=sandbox.id, exec_id=EXEC, spec=SLEEP)
        owner.call("Exec", "StartExec", sandbox_id=sandbox.id, exec_id="ended", spec={"arguments": [b"/bin/true"]})
        rows = [(name, method, fill(TABLE[name], sandbox.id)) for name, method in every_rpc() if TABLE[name]]
        foreign = {name: Answer(other, method, fields) for name, method, fields in rows}
        served = {name for name in foreign if not foreign[name].says("METHOD_NOT_SERVED")}
        self.assertGreater(len(served), 12)
        for name in served:
            self.assertEqual(foreign[name].code, grpc.StatusCode.NOT_FOUND, name)
            self.assertTrue(foreign[name].says("SANDBOX_NOT_FOUND"), name)
        self.assertEqual(list(other.call("Sandbox", "ListSandboxes").sandboxes), [])
        # Nothing of that reached it, and its owner is answered otherwise; its end comes last.
        for name, method, fields in sorted(rows, key=lambda row: row[0] == "Sandbox.DeleteSandbox"):
            if name in served:
                self.assertFalse(Answer(owner, method, fields).says("SANDBOX_NOT_FOUND"), name)
        for name, method, fields in rows:
            self.assertEqual(Answer(other, method, fields).key(), foreign[name].key(), name)

    def test_lists_show_what_is_ones_own_and_administrators_see_all(self):
        apis = {uid: self.api(uid) for uid in (OWNER, OTHER, 0)}
        made = {uid: api.call("Sandbox", "CreateSandbox").sandbox.id for uid, api in apis.items()}
        for uid in (OWNER, OTHER):
            seen = apis[uid].call("Sandbox", "ListSandboxes").sandboxes
            self.assertEqual([(s.id, s.owner) for s in seen], [(made[uid], f"uid:{uid}")])
        seen = apis[0].call("Sandbox", "ListSandboxes").sandboxes
        self.assertEqual({(s.id, s.owner) for s in seen}, {(made[uid], f"uid:{uid}") for uid in made})
        shown = json.loads(self.daemon.cli("inspect", made[OWNER]).stdout)
        self.assertEqual(shown["owner"], f"uid:{OWNER}")
        self.assertIn(f"uid:{OWNER}", self.daemon.cli("ls").stdout.decode())
        for uid in (OWNER, OTHER):
            apis[0].call("Sandbox", "DeleteSandbox", sandbox_id=made[uid])

    def test_secrets_are_their_owners(self):
        apis = {uid: self.api(uid) for uid in (OWNER, OTHER, 0)}
        for uid in (OWNER, OTHER):
            made = apis[uid].call("Network", "CreateSecret", name="token", value=f"value-of-{uid}".encode()).secret
            self.assertEqual((made.name, made.owner), ("token", f"uid:{uid}"))
        apis[OTHER].call("Network", "CreateSecret", name="other", value=b"value-of-another")
        self.assertEqual([s.name for s in apis[OWNER].call("Network", "ListSecrets").secrets], ["token"])
        self.assertEqual([(s.name, s.owner) for s in apis[0].call("Network", "ListSecrets").secrets], [
            ("other", f"uid:{OTHER}"), ("token", f"uid:{OWNER}"), ("token", f"uid:{OTHER}")])

        def policy(secret):
            return {"mode": 2, "rules": [{"host": "a.example", "scheme": 4, "credential": {"secret_name": secret, "header": "X-Key"}}]}

        own = apis[OWNER].call("Sandbox", "CreateSandbox", egress=policy("token")).sandbox.id
        foreign = self.answers(apis[OWNER], "Sandbox", "CreateSandbox", egress=policy("other"))
        self.assertEqual(foreign, self.answers(apis[OWNER], "Sandbox", "CreateSandbox", egress=policy("other")))
        self.assertEqual(foreign[0], grpc.StatusCode.NOT_FOUND)
        # Whoever changes the policy: it is the sandbox's owner whose secrets are meant.
        code, _ = self.answers(apis[0], "Network", "UpdateEgress", sandbox_id=own, policy=policy("other"))
        self.assertEqual(code, grpc.StatusCode.NOT_FOUND)
        self.assertEqual(self.answers(apis[OWNER], "Network", "DeleteSecret", name="other")[0], grpc.StatusCode.NOT_FOUND)
        for name in ("other", "nosuch"):
            code, _ = self.answers(apis[OWNER], "Network", "DeleteSecret", name=name, owner=f"uid:{OTHER}")
            self.assertEqual(code, grpc.StatusCode.PERMISSION_DENIED)
        apis[0].call("Network", "DeleteSecret", name="other", owner=f"uid:{OTHER}")
        self.assertEqual([s.name for s in apis[OTHER].call("Network", "ListSecrets").secrets], ["token"])
        lines = (self.daemon.state / "audit.log").read_text()
        self.assertIn("NetworkService/CreateSecret", lines)
        self.assertNotIn("value-of-", lines)

    def answers(self, api, service, method, **fields):
        """The code and the message of an error."""
        with self.assertRaises(grpc.RpcError) as caught:
            api.call(service, method, **fields)
        return caught.exception.code(), caught.exception.details()

    def test_a_request_id_is_its_owners_own(self):
        owner, other = self.api(OWNER), self.api(OTHER)
        first = owner.call("Sandbox", "CreateSandbox", request_id="same").sandbox.id
        second = other.call("Sandbox", "CreateSandbox", request_id="same").sandbox.id
        self.assertNotEqual(first, second)
        self.assertEqual(owner.call("Sandbox", "CreateSandbox", request_id="same").sandbox.id, first)

    def test_a_fork_belongs_to_the_owner_of_its_parent(self):
        owner, other, admin = self.api(OWNER), self.api(OTHER), self.api(0)
        parent = owner.call("Sandbox", "CreateSandbox").sandbox
        request = {"sandbox_id": parent.id, "count": 2, "request_id": "same"}
        made = owner.call("Sandbox", "ForkSandbox", **request)
        # An administrator may; the children are still not its own.
        made_by_admin = admin.call("Sandbox", "ForkSandbox", sandbox_id=parent.id, count=1)
        children = [r.sandbox for r in (*made.results, *made_by_admin.results)]
        for child in children:
            self.assertEqual((child.owner, child.parent_id), (f"uid:{OWNER}", parent.id))
            self.assertEqual(list(child.enforcement), list(parent.enforcement))
            self.assertEqual(child.profile, parent.profile)
            for method in ("GetSandbox", "PauseSandbox", "ResumeSandbox", "DeleteSandbox"):
                with self.assertRaises(grpc.RpcError) as caught:
                    other.call("Sandbox", method, sandbox_id=child.id)
                self.assertEqual(caught.exception.code(), grpc.StatusCode.NOT_FOUND)
        self.assertEqual(list(other.call("Sandbox", "ListSandboxes").sandboxes), [])
        # The same request id of somebody else is another request.
        foreign = other.call("Sandbox", "CreateSandbox").sandbox.id
        own = other.call("Sandbox", "ForkSandbox", **{**request, "sandbox_id": foreign})
        self.assertFalse({r.sandbox.id for r in own.results} & {child.id for child in children})
        lines = [json.loads(line) for line in (self.daemon.state / "audit.log").read_text().splitlines()]
        forks = [line for line in lines if line.get("method") == "SandboxService/ForkSandbox"]
        self.assertEqual([(line["principal"], line["sandbox"], line["children"]) for line in forks], [
            (f"uid:{OWNER}", parent.id, [r.sandbox.id for r in made.results]),
            ("uid:0", parent.id, [r.sandbox.id for r in made_by_admin.results]),
            (f"uid:{OTHER}", foreign, [r.sandbox.id for r in own.results])])

    def test_a_capture_belongs_to_who_made_it_and_only_administrators_care_for_the_store(self):
        owner, other, admin = self.api(OWNER), self.api(OTHER), self.api(0)
        path, _ = daemon.repository(self.daemon.root, "shared")
        first = admin.call("Sandbox", "CreateSandbox", repository={"path": str(path)}).sandbox
        base = first.snapshot
        sandbox = owner.call("Sandbox", "CreateSandbox", snapshot=base).sandbox.id
        captured = owner.call("Snapshot", "CaptureSandbox", sandbox_id=sandbox).snapshot
        self.assertEqual(captured.parent, base)

        def refused(act):
            with self.assertRaises(grpc.RpcError) as caught:
                act()
            self.assertEqual(caught.exception.code(), grpc.StatusCode.PERMISSION_DENIED)
            return caught.exception.details()

        for api in (owner, other):
            for method in ("CollectGarbage", "CheckStore"):
                self.assertIn("only administrators", refused(lambda: list(api.stream("Snapshot", method))))
        self.assertEqual([one.damaged for one in admin.stream("Snapshot", "CheckStore")], [False, False])
        collected = list(admin.stream("Snapshot", "CollectGarbage", bytes_max=0))
        self.assertEqual([one.removed.digest for one in collected[:-1]], [captured.digest], "the sandbox's own stays")
        lines = [json.loads(line) for line in (self.daemon.state / "audit.log").read_text().splitlines()]
        captures = [line for line in lines if line.get("method") == "SnapshotService/CaptureSandbox"]
        self.assertEqual([(line["principal"], line["sandbox"]) for line in captures], [(f"uid:{OWNER}", sandbox)])

    def test_a_foreign_snapshot_is_answered_as_one_that_is_not_there(self):
        owner, other, admin = self.api(OWNER), self.api(OTHER), self.api(0)
        path, _ = daemon.repository(self.daemon.root, "private")
        snapshot = owner.call("Sandbox", "CreateSandbox", repository={"path": str(path)}).sandbox.snapshot
        sandbox = owner.call("Sandbox", "CreateSandbox", snapshot=snapshot).sandbox.id
        captured = owner.call("Snapshot", "CaptureSandbox", sandbox_id=sandbox).snapshot.digest
        asked = [("Snapshot.GetSnapshot", "digest"), ("Snapshot.DeleteSnapshot", "digest"), ("Sandbox.CreateSandbox", "snapshot")]
        methods = dict(every_rpc())

        def answers(api, digest):
            return [Answer(api, methods[name], {field: digest}) for name, field in asked]

        def digests(api):
            return {one.digest for one in api.call("Snapshot", "ListSnapshots").snapshots}

        foreign = answers(other, captured)
        for answer in foreign:
            self.assertEqual(answer.code, grpc.StatusCode.NOT_FOUND)
            self.assertTrue(answer.says("SNAPSHOT_NOT_FOUND"))
        self.assertEqual((digests(owner), digests(other), digests(admin)), ({snapshot, captured}, set(), {snapshot, captured}))
        self.assertEqual(owner.call("Snapshot", "GetSnapshot", digest=captured).snapshot.parent, snapshot)
        self.assertEqual(admin.call("Snapshot", "GetSnapshot", digest=captured).snapshot.digest, captured)
        owner.call("Snapshot", "DeleteSnapshot", digest=captured)
        self.assertEqual([answer.key() for answer in answers(other, captured)], [answer.key() for answer in foreign])
        # Whoever imports the same has it too, and it lives as long as one of them wants it.
        self.assertEqual(other.call("Sandbox", "CreateSandbox", repository={"path": str(path)}).sandbox.snapshot, snapshot)
        self.assertEqual(digests(other), {snapshot})
        owner.call("Snapshot", "DeleteSnapshot", digest=snapshot)
        self.assertEqual((digests(owner), digests(other)), (set(), {snapshot}))
        self.assertTrue(answers(owner, snapshot)[0].says("SNAPSHOT_NOT_FOUND"))
        # The owner's sandboxes go on, and the last one to want it is told of its own alone.
        own = {one.id for one in other.call("Sandbox", "ListSandboxes").sandboxes}
        with self.assertRaises(grpc.RpcError) as caught:
            other.call("Snapshot", "DeleteSnapshot", digest=snapshot)
        self.assertEqual(caught.exception.code(), grpc.StatusCode.FAILED_PRECONDITION)
        raw = dict(caught.exception.trailing_metadata())["grpc-status-details-bin"]
        self.assertIn(own.pop().encode(), raw)
        self.assertNotIn(sandbox.encode(), raw)
        for one in other.call("Sandbox", "ListSandboxes").sandboxes:
            other.call("Sandbox", "DeleteSandbox", sandbox_id=one.id)
        other.call("Snapshot", "DeleteSnapshot", digest=snapshot)
        self.assertEqual((digests(other), digests(admin)), (set(), {snapshot}), "the owner's sandboxes use it")

    def test_what_an_administrator_imports_is_for_all_to_use_and_for_none_to_delete(self):
        owner, admin = self.api(OWNER), self.api(0)
        path, _ = daemon.repository(self.daemon.root, "published")
        snapshot = admin.call("Sandbox", "CreateSandbox", repository={"path": str(path)}).sandbox.snapshot
        self.assertEqual([one.digest for one in owner.call("Snapshot", "ListSnapshots").snapshots], [snapshot])
        sandbox = owner.call("Sandbox", "CreateSandbox", snapshot=snapshot).sandbox.id
        with self.assertRaises(grpc.RpcError) as caught:
            owner.call("Snapshot", "DeleteSnapshot", digest=snapshot)
        self.assertEqual(caught.exception.code(), grpc.StatusCode.PERMISSION_DENIED)
        self.assertIn("another client", caught.exception.details())
        # What an administrator captures is not for all.
        private = admin.call("Snapshot", "CaptureSandbox", sandbox_id=sandbox).snapshot.digest
        self.assertEqual([one.digest for one in owner.call("Snapshot", "ListSnapshots").snapshots], [snapshot])
        self.restart("--socket-group", self.group.gr_name)
        self.assertEqual([one.digest for one in self.api(OWNER).call("Snapshot", "ListSnapshots").snapshots], [snapshot])
        self.assertEqual({one.digest for one in self.api(0).call("Snapshot", "ListSnapshots").snapshots}, {snapshot, private})

    def test_the_owner_outlives_the_daemon(self):
        owner = self.api(OWNER)
        sandbox = owner.call("Sandbox", "CreateSandbox").sandbox.id
        owner.close()
        self.restart("--socket-group", self.group.gr_name)
        owner, other = self.api(OWNER), self.api(OTHER)
        self.assertEqual(owner.call("Sandbox", "GetSandbox", sandbox_id=sandbox).sandbox.owner, f"uid:{OWNER}")
        with self.assertRaises(grpc.RpcError) as caught:
            other.call("Sandbox", "GetSandbox", sandbox_id=sandbox)
        self.assertEqual(caught.exception.code(), grpc.StatusCode.NOT_FOUND)

    def test_what_is_required_is_in_force_or_nothing_is_made(self):
        owner = self.api(OWNER)
        there = {c.name: c for c in owner.call("Node", "GetNode").node.capabilities}
        available = [f"{name}>={c.level}" for name, c in there.items() if c.level] + ["memory_limit", "disk_limit"]
        sandbox = owner.call("Sandbox", "CreateSandbox", require=available).sandbox
        digests = [c.mechanism for c in sandbox.enforcement if c.name == "seccomp"]
        self.assertEqual(digests, [f"tier build, {there['seccomp_build'].mechanism}"])
        more = f"landlock>={there['landlock'].level + 1}"
        with self.assertRaises(grpc.RpcError) as caught:
            owner.call("Sandbox", "CreateSandbox", require=[more])
        self.assertEqual(caught.exception.code(), grpc.StatusCode.FAILED_PRECONDITION)
        self.assertIn(f"this host has landlock {there['landlock'].level}", caught.exception.details())
        self.assertEqual(len(owner.call("Sandbox", "ListSandboxes").sandboxes), 1)
        refused = self.daemon.cli("create", "--require", more)
        self.assertEqual((refused.returncode != 0, b"landlock" in refused.stderr), (True, True))
        self.assertEqual(self.daemon.cli("preflight", "--require", "memory_limit").returncode, 0)
        self.assertEqual(self.daemon.cli("preflight", "--require", more).returncode, 1)

    def test_the_audit_log_says_who_did_what(self):
        owner, other = self.api(OWNER), self.api(OTHER)
        sandbox = owner.call("Sandbox", "CreateSandbox").sandbox.id
        list(owner.stream("Exec", "RunExec", sandbox_id=sandbox, exec_id="told", spec={
            "arguments": [b"/bin/sh", b"-c", b"echo payload-bytes"]}))
        with self.assertRaises(grpc.RpcError):
            other.call("Sandbox", "DeleteSandbox", sandbox_id=sandbox)
        owner.call("Sandbox", "DeleteSandbox", sandbox_id=sandbox)
        log = self.daemon.state / "audit.log"
        self.assertEqual(log.stat().st_mode & 0o777, 0o600)
        text = log.read_text()
        self.assertNotIn("payload-bytes", text)
        start, *lines = [json.loads(line) for line in text.splitlines()]
        self.assertEqual(start["event"], "start")
        self.assertRegex(start["policies"]["seccomp_build"], "^sha256:[0-9a-f]{64}$")
        told = [(line["principal"], line["method"], line["sandbox"], line["outcome"]) for line in lines]
        self.assertEqual(told, [
            (f"uid:{OWNER}", "SandboxService/CreateSandbox", sandbox, "OK"),
            (f"uid:{OWNER}", "ExecService/RunExec", sandbox, "OK"),
            (f"uid:{OTHER}", "SandboxService/DeleteSandbox", sandbox, "NOT_FOUND"),
            (f"uid:{OWNER}", "SandboxService/DeleteSandbox", sandbox, "OK")])
        self.assertEqual({line["pid"] for line in lines}, {os.getpid()})
        self.assertEqual(lines[1]["exec"], "told")
        self.assertEqual(lines[2]["reason"], "SANDBOX_NOT_FOUND")


if __name__ == "__main__":
    unittest.main()
