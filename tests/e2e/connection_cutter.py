"""A unix socket in front of the daemon's that loses connections on demand."""

import os
import select
import socket
import threading


class ConnectionCutter:
    """Passes bytes both ways. cut() breaks every connection, in the middle of whatever is on its way; while down() nobody
    listens. With cut_every, each connection breaks after so many bytes from the daemon."""

    def __init__(self, daemon_socket, path, cut_every=None):
        self.daemon_socket = str(daemon_socket)
        self.path = str(path)
        self.cut_every = cut_every
        self.connections = 0
        self.cuts = 0
        self.bytes = 0  # from the daemon
        self._lock = threading.Lock()
        self._open = set()
        self._listener = None
        self._threads = []
        self.up()

    def up(self):
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(self.path)
        listener.listen(64)
        self._listener = listener
        self._start(self._accept, listener)

    def down(self):
        """As a daemon that is killed: no socket, no connection."""
        listener, self._listener = self._listener, None
        os.unlink(self.path)
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        self.cut()

    def cut(self):
        with self._lock:
            broken, self._open = self._open, set()
        for one in broken:
            self._break(one)
        self.cuts += len(broken) // 2

    def close(self):
        if self._listener is not None:
            self.down()
        for thread in self._threads:
            thread.join(30)

    def _start(self, function, *arguments):
        thread = threading.Thread(target=function, args=arguments)
        self._threads.append(thread)
        thread.start()

    @staticmethod
    def _break(one):
        try:
            one.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def _accept(self, listener):
        while True:
            try:
                client = listener.accept()[0]
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                server.connect(self.daemon_socket)
            except OSError:
                client.close()
                server.close()
                continue
            self.connections += 1
            with self._lock:
                self._open |= {client, server}
            self._start(self._pass, client, server)

    def _pass(self, client, server):
        left = self.cut_every
        with client, server:
            while True:
                for source in select.select([client, server], [], [])[0]:
                    try:
                        data = source.recv(65536)
                        if source is server and left is not None:
                            data = data[:left]
                            left -= len(data)
                        (server if source is client else client).sendall(data)
                        self.bytes += len(data) if source is server else 0
                    except OSError:
                        data = b""
                    if not data or left == 0:
                        with self._lock:
                            self._open -= {client, server}
                        if left == 0:
                            self.cuts += 1
                        self._break(client)
                        self._break(server)
                        return
