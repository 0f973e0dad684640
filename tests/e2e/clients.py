"""Clients of other users: the kernel tells the daemon who connects, so a connection is made as that user."""

import contextlib
import grp
import os

import api_client
import daemon
import grpc

OWNER, OTHER = 20001, 20002  # users that no host has; the daemon knows them by number


@contextlib.contextmanager
def acting_as(uid, gid):
    """All threads of this process, as setuid(2) of the C library does it."""
    os.setegid(gid)
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


class UserApi(api_client.Api):
    """The API as user `uid`. The connection is there when this returns, and is not made again."""

    def __init__(self, socket, uid, gid, ready_within=60):
        super().__init__(socket)
        if uid != 0:
            self.channel.close()
            # A pool of its own: connections are not shared between users.
            self.channel = grpc.insecure_channel(f"unix:{socket}", options=[
                ("grpc.max_receive_message_length", 64 << 20), ("grpc.use_local_subchannel_pool", 1)])
        with acting_as(uid, gid):
            try:
                grpc.channel_ready_future(self.channel).result(timeout=ready_within)
            except grpc.FutureTimeoutError:
                self.close()  # else it would go on trying, as whoever this process is then
                raise


class ClientsCase(daemon.FreshDaemonCase):
    """A daemon for each test, with clients of several users."""

    def daemon_options(self):
        return ()

    def start_daemon(self):
        self.group = grp.getgrgid(os.getgid())
        self.daemon.start("--socket-group", self.group.gr_name, *self.daemon_options())
        self.daemon.root.chmod(0o711)

    def api(self, uid):
        client = UserApi(self.daemon.socket, uid, self.group.gr_gid)
        self.addCleanup(client.close)
        return client
