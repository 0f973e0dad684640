"""One client asks for more than its quota, another goes on working: only the first one is refused, and is told why."""

import select
import unittest

import api_client  # noqa: F401  (makes google.rpc)
import grpc
from clients import OTHER, OWNER, ClientsCase, UserApi
from google.rpc import error_details_pb2, status_pb2

QUOTA = """
[client_quota]
sandboxes_max = 2
running_execs_max = 3
open_streams_max = 4
connections_max = 3
requests_per_second = 20
"""
SLEEP = {"arguments": [b"/bin/sleep", b"600"]}


def details(error):
    """Reason, metadata and the delay before another try, in seconds."""
    raw = dict(error.trailing_metadata())["grpc-status-details-bin"]
    status, info, retry = status_pb2.Status.FromString(raw), error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
    for detail in status.details:
        for message in (info, retry):
            detail.Unpack(message)
    return info.reason, dict(info.metadata), retry.retry_delay.ToTimedelta().total_seconds()


class QuotaSuite(ClientsCase):
    def daemon_options(self):
        config = self.daemon.root / "gloveboxd.toml"
        config.write_text(QUOTA)
        return "--config", config

    def patient(self, api, service, method, **fields):
        """As a good client: waits as long as it is told to when it asks too often."""
        while True:
            try:
                return api.call(service, method, **fields)
            except grpc.RpcError as error:
                reason, _, delay = details(error)
                if reason != "CLIENT_RATE":
                    raise
                select.select([], [], [], delay)

    def refused(self, api, service, method, **fields):
        with self.assertRaises(grpc.RpcError) as caught:
            self.patient(api, service, method, **fields)
        self.assertEqual(caught.exception.code(), grpc.StatusCode.RESOURCE_EXHAUSTED)
        return details(caught.exception)

    def test_a_flood_is_refused_and_its_neighbour_works(self):
        flooder, honest = self.api(OTHER), self.api(OWNER)
        sandbox = honest.call("Sandbox", "CreateSandbox").sandbox.id
        request, response = flooder._types("Sandbox", "ListSandboxes")
        stub = flooder.channel.unary_unary("/glovebox.v1.SandboxService/ListSandboxes",
                                           request_serializer=request.SerializeToString,
                                           response_deserializer=response.FromString)
        answers = []
        for number in range(10):
            flood = [stub.future(request(), timeout=60) for _ in range(200)]
            frames = list(honest.stream("Exec", "RunExec", sandbox_id=sandbox, exec_id=f"e{number}", spec={
                "arguments": [b"/bin/echo", b"well"]}))
            self.assertEqual(frames[-1].frame.end.exit_code, 0)
            answers += [(call.code(), call) for call in flood]
        refused = [call for code, call in answers if code == grpc.StatusCode.RESOURCE_EXHAUSTED]
        self.assertGreater(len(refused), 1000)
        reason, metadata, delay = details(refused[-1])
        self.assertEqual((reason, metadata["quota"], metadata["limit"]), ("CLIENT_RATE", "requests_per_second", "20"))
        self.assertTrue(0 < delay <= 0.1, delay)
        self.assertLess(self.daemon.read_log().count("CLIENT_RATE"), 1)

    def test_sandboxes_commands_and_streams_end_at_their_quota(self):
        client, neighbour = self.api(OTHER), self.api(OWNER)
        sandboxes = [self.patient(client, "Sandbox", "CreateSandbox").sandbox.id for _ in range(2)]
        self.assertEqual(self.refused(client, "Sandbox", "CreateSandbox")[:2],
                         ("CLIENT_QUOTA", {"quota": "sandboxes_max", "limit": "2"}))
        for number, sandbox in enumerate([*sandboxes, sandboxes[0]]):
            self.patient(client, "Exec", "StartExec", sandbox_id=sandbox, exec_id=f"e{number}", spec=SLEEP)
        self.assertEqual(self.refused(client, "Exec", "StartExec", sandbox_id=sandboxes[1], spec=SLEEP)[:2],
                         ("CLIENT_QUOTA", {"quota": "running_execs_max", "limit": "3"}))
        streams = []
        for _ in range(4):
            stream = client.stream("Exec", "AttachExec", sandbox_id=sandboxes[0], exec_id="e0")
            streams.append(stream)
        # A stream is counted when it arrives: the fifth is refused once four others are there.
        def fifth():
            try:
                client.call("Exec", "WaitExec", timeout=1, sandbox_id=sandboxes[0], exec_id="e0")
            except grpc.RpcError as error:
                return error
        error = fifth()
        while error.code() != grpc.StatusCode.RESOURCE_EXHAUSTED or details(error)[0] == "CLIENT_RATE":
            error = fifth()
        self.assertEqual(details(error)[:2], ("CLIENT_QUOTA", {"quota": "open_streams_max", "limit": "4"}))
        made = neighbour.call("Sandbox", "CreateSandbox").sandbox.id
        neighbour.call("Exec", "StartExec", sandbox_id=made, spec=SLEEP)
        for stream in streams:
            stream.cancel()

    def test_children_of_a_fork_count_and_are_refused_before_anything_is_made(self):
        client, neighbour = self.api(OTHER), self.api(OWNER)
        parent = self.patient(client, "Sandbox", "CreateSandbox").sandbox.id
        told = self.patient(client, "Sandbox", "ForkSandbox", sandbox_id=parent, count=3)
        self.assertEqual([r.WhichOneof("result") for r in told.results], ["sandbox", "error", "error"])
        self.assertIn("client_quota.sandboxes_max", told.results[2].error.message)
        self.assertEqual(self.refused(client, "Sandbox", "ForkSandbox", sandbox_id=parent, count=1)[:2],
                         ("CLIENT_QUOTA", {"quota": "sandboxes_max", "limit": "2"}))
        child = told.results[0].sandbox.id
        self.assertEqual(self.refused(client, "Sandbox", "ForkSandbox", sandbox_id=child, count=1)[0], "CLIENT_QUOTA")
        self.assertEqual(len(self.patient(client, "Sandbox", "ListSandboxes").sandboxes), 2)
        other = neighbour.call("Sandbox", "CreateSandbox").sandbox.id
        self.assertEqual(len(neighbour.call("Sandbox", "ForkSandbox", sandbox_id=other, count=1).results), 1)

    def test_children_of_a_fork_are_creations_for_the_rate(self):
        config = self.daemon.root / "gloveboxd.toml"
        self.daemon.process.terminate()
        self.daemon.process.wait(timeout=60)
        config.write_text("[client_quota]\ncreates_per_second = 1\n")
        self.daemon.start("--config", config, "--socket-group", self.group.gr_name)
        client = self.api(OTHER)
        parent = client.call("Sandbox", "CreateSandbox").sandbox.id
        fork = {"sandbox_id": parent, "count": 6, "request_id": "once"}
        told = self.patient(client, "Sandbox", "ForkSandbox", **fork)
        made = [r.sandbox.id for r in told.results if r.HasField("sandbox")]
        self.assertTrue(1 <= len(made) < 6, "a burst is of two seconds")
        self.assertTrue(any("creates_per_second" in r.error.message for r in told.results))
        # Again and again with the same id: children that are there cost nothing and stay the same.
        while any(r.HasField("error") for r in told.results):
            retry = error_details_pb2.RetryInfo()
            for detail in next(r.error for r in told.results if r.HasField("error")).details:
                detail.Unpack(retry)
            delay = retry.retry_delay.ToTimedelta().total_seconds()
            self.assertTrue(0 < delay <= 1, delay)
            select.select([], [], [], delay)
            told = self.patient(client, "Sandbox", "ForkSandbox", **fork)
        self.assertEqual([r.sandbox.id for r in told.results][:len(made)], made)
        self.assertEqual(len(client.call("Sandbox", "ListSandboxes").sandboxes), 7)

    def test_connections_end_at_their_quota(self):
        first, *_ = clients = [self.api(OTHER) for _ in range(3)]
        for client in clients:
            client.call("Sandbox", "ListSandboxes")
        with self.assertRaises(grpc.FutureTimeoutError):
            UserApi(self.daemon.socket, OTHER, self.group.gr_gid, ready_within=2)
        self.api(OWNER).call("Sandbox", "ListSandboxes")
        first.close()
        self.api(OTHER).call("Sandbox", "ListSandboxes")


if __name__ == "__main__":
    unittest.main()
