"""A client and an origin of HTTP/2, by python3-h2: bodies, trailers, windows and resets in the test's hands."""

import collections
import socket
import ssl
import threading

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h2.settings
import hyperframe.frame

BIG = 5 << 20
GOAWAY = 7  # the frame


class Answer:
    """What has come for one stream."""

    def __init__(self):
        self.headers = {}
        self.text = b""
        self.trailers = None
        self.ended = False
        self.reset = None  # its code
        self.interim = []

    @property
    def status(self):
        return int(self.headers.get(":status", 0))

    @property
    def over(self):
        return self.ended or self.reset is not None


class Client:
    """One connection. `takes`: whether bodies are taken from the window as they come."""

    def __init__(self, secure, name, takes=True, settings=None):
        self.socket = secure
        secure.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.name = name
        self.takes = takes
        self.goaway = None  # its code
        self.gone = False
        self.unread = b""
        self.answers = {}
        config = h2.config.H2Configuration(client_side=True, header_encoding="utf-8", validate_outbound_headers=False,
                                           normalize_outbound_headers=False)
        self.connection = h2.connection.H2Connection(config)
        self.connection.initiate_connection()
        if settings:
            self.connection.update_settings(settings)
        self.flush()

    def flush(self):
        data = self.connection.data_to_send()
        try:
            self.socket.sendall(data)
        except OSError:  # it was ended, and may have said why
            pass

    def head(self, path, method="GET", headers=(), authority=None):
        return [(":method", method), (":scheme", "https"), (":authority", authority or self.name), (":path", path), *headers]

    def open(self, path="/", method="GET", headers=(), ends=True, authority=None, head=None):
        stream = self.connection.get_next_available_stream_id()
        self.answers[stream] = Answer()
        self.connection.send_headers(stream, head or self.head(path, method, headers, authority), end_stream=ends)
        self.flush()
        return stream

    def send(self, stream, data, ends=False):
        """As the windows let it; takes what comes meanwhile. Whether all was sent."""
        while data or ends:
            if self.gone or self.answers[stream].reset is not None:
                return False
            size = min(self.connection.local_flow_control_window(stream), self.connection.max_outbound_frame_size, len(data))
            if data and size <= 0:
                self.take()
                continue
            piece, data = data[:size], data[size:]
            self.connection.send_data(stream, piece, end_stream=ends and not data)
            self.flush()
            if not data:
                break
        return True

    def take(self):
        """One read."""
        try:
            data = self.socket.recv(65536)
        except (ConnectionResetError, ssl.SSLError):
            data = b""
        if not data:
            self.gone = True
            return
        self.unread += data
        while len(self.unread) >= 9 and len(self.unread) >= (size := 9 + int.from_bytes(self.unread[:3], "big")):
            frame, self.unread = self.unread[:size], self.unread[size:]
            self._take_frame(frame)
        self.flush()

    def _take_frame(self, frame):
        if frame[3] == GOAWAY:  # for h2 the end of all streams, which it is not
            self.goaway = int.from_bytes(frame[13:17], "big")
            return
        try:
            events = self.connection.receive_data(frame)
        except h2.exceptions.ProtocolError as error:
            raise AssertionError(f"the proxy breaks the protocol: {error}") from error
        for event in events:
            self._note(event)

    def _note(self, event):
        answer = self.answers.get(getattr(event, "stream_id", None))
        if answer is None:
            return
        if isinstance(event, h2.events.InformationalResponseReceived):
            answer.interim.append(dict(event.headers))
        elif isinstance(event, h2.events.ResponseReceived):
            answer.headers = dict(event.headers)
        elif isinstance(event, h2.events.DataReceived):
            answer.text += event.data
            if self.takes and event.flow_controlled_length:
                self.connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.TrailersReceived):
            answer.trailers = dict(event.headers)
        elif isinstance(event, h2.events.StreamEnded):
            answer.ended = True
        elif isinstance(event, h2.events.StreamReset):
            answer.reset = event.error_code

    def until(self, wanted):
        while not self.gone and not wanted():
            self.take()

    def read(self, stream):
        """The answer, to its end."""
        answer = self.answers[stream]
        self.until(lambda: answer.over)
        return answer

    def ask(self, path="/", method="GET", headers=(), body=None, **options):
        stream = self.open(path, method, headers, ends=body is None, **options)
        if body is not None:
            self.send(stream, body, ends=True)
        return self.read(stream)

    def end(self):
        """What comes until the connection is over."""
        self.until(lambda: False)
        return self.goaway


class OriginStream:
    def __init__(self, headers):
        self.headers = headers
        self.path = headers.get(":path", "")
        self.body = 0
        self.trailers = None
        self.out = b""
        self.out_ends = False
        self.out_trailers = None


class Origin:
    """Serves connections in which HTTP/2 was chosen; answers as paths say."""

    def __init__(self):
        self.heads = []  # of requests, as dicts
        self.ended = []  # paths whose body came whole, with its length and trailers
        self.resets = collections.Counter()  # (path, code)
        self.goaway = 0
        self.held = threading.Event()
        self.streams_max = None
        self.flood = b""  # sent behind the settings
        self.faults = []  # of clients against the protocol

    def forget(self):
        self.heads.clear()
        self.ended.clear()
        self.resets.clear()
        self.held.clear()
        self.faults.clear()
        self.streams_max = None
        self.flood = b""

    def serve(self, secure):
        connection = h2.connection.H2Connection(h2.config.H2Configuration(
            client_side=False, header_encoding="utf-8", validate_outbound_headers=False))
        connection.initiate_connection()
        connection.increment_flow_control_window(1 << 20)  # one stream that is not read stops no other
        if self.streams_max is not None:
            connection.update_settings({h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: self.streams_max})
        streams = {}
        secure.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        secure.sendall(connection.data_to_send() + self.flood)
        try:
            self._serve_all(secure, connection, streams)
        except h2.exceptions.ProtocolError as error:
            self.faults.append(repr(error))

    def _serve_all(self, secure, connection, streams):
        while data := secure.recv(65536):
            for event in connection.receive_data(data):
                self._serve(secure, connection, streams, event)
            for number in list(streams):
                self._push(connection, streams, number)
            secure.sendall(connection.data_to_send())

    def _serve(self, secure, connection, streams, event):
        number = getattr(event, "stream_id", None)
        if isinstance(event, h2.events.RequestReceived):
            headers = dict(event.headers)
            self.heads.append(headers)
            streams[number] = OriginStream(headers)
            self._begin(secure, connection, streams, number)
        elif isinstance(event, h2.events.StreamReset):
            self.resets[streams[number].path if number in streams else "", int(event.error_code)] += 1
            streams.pop(number, None)
        elif number in streams and isinstance(event, h2.events.DataReceived):
            stream = streams[number]
            stream.body += len(event.data)
            if event.flow_controlled_length and not stream.path.startswith("/stalls"):
                connection.acknowledge_received_data(event.flow_controlled_length, number)
            if stream.path == "/echo":
                stream.out += event.data
        elif number in streams and isinstance(event, h2.events.TrailersReceived):
            streams[number].trailers = dict(event.headers)
        elif number in streams and isinstance(event, h2.events.StreamEnded):
            self._finish(connection, streams, number)

    def _begin(self, secure, connection, streams, number):
        """When the head has come."""
        stream = streams[number]
        path = stream.path
        if path == "/echo":
            connection.send_headers(number, [(":status", "200"), ("x-kind", "echo")])
            stream.out_trailers = [("x-end", "whole"), ("grpc-status", "0")]
        elif path == "/early":
            connection.send_headers(number, [(":status", "413"), ("content-length", "4")])
            connection.send_data(number, b"big\n", end_stream=True)
            del streams[number]
        elif path.startswith("/reset/"):
            connection.reset_stream(number, int(path.rpartition("/")[2]))
            del streams[number]
        elif path == "/half":
            connection.send_headers(number, [(":status", "200")])
            connection.send_data(number, b"half")
        elif path == "/close":
            secure.sendall(connection.data_to_send())
            raise ConnectionResetError
        elif path == "/goaway":
            secure.sendall(connection.data_to_send() + hyperframe.frame.GoAwayFrame(0, last_stream_id=number).serialize())
        elif path == "/drained":
            secure.sendall(connection.data_to_send() + hyperframe.frame.GoAwayFrame(0, last_stream_id=0).serialize())
        elif path == "/interim":
            connection.send_headers(number, [(":status", "103"), ("link", "x")])
        elif path.startswith("/head/"):
            connection.send_headers(number, [(":status", "200"), ("x-long", "y" * int(path[6:]))], end_stream=True)
            del streams[number]
        elif path == "/bomb":
            # One long field, and references of one byte to it.
            connection.send_headers(number, [(":status", "200"), ("x-long", "y" * 4000), *[("x-long", "y" * 4000)] * 5000],
                                    end_stream=True)
            del streams[number]

    def _finish(self, connection, streams, number):
        """When the request has ended."""
        stream = streams[number]
        self.ended.append((stream.path, stream.body, stream.trailers))
        if stream.path == "/half":
            return
        if stream.path == "/held":
            self.held.wait(20)
        told = f"{stream.headers[':method']} {stream.path}|{stream.headers[':authority']}|{stream.body}\n".encode()
        if stream.path == "/echo":
            stream.out_ends = True
            return
        headers = [(":status", "200"), ("x-kind", "plain")]
        if stream.path.endswith("/echo"):
            headers += [("x-echo", stream.headers.get("authorization", ""))]
        if stream.path == "/hops":
            headers += [("x-http-method", "of the origin"), ("set-cookie", "a=b"), ("set-cookie", "c=d")]
        if stream.path.startswith("/big"):
            told = b"x" * BIG
        if stream.headers[":method"] == "HEAD":
            connection.send_headers(number, [*headers, ("content-length", str(len(told)))], end_stream=True)
            del streams[number]
            return
        connection.send_headers(number, headers)
        stream.out += told
        stream.out_ends = True
        if stream.path.endswith("/trailer-echo"):
            stream.out_trailers = [("x-end", stream.headers.get("authorization", "")), ("x-sum", "7")]
        if stream.path == "/trailers":
            stream.out_trailers = [("grpc-status", "5"), ("grpc-message", "not there")]

    def _push(self, connection, streams, number):
        """What its windows let go."""
        stream = streams[number]
        while stream.out:
            size = min(connection.local_flow_control_window(number), connection.max_outbound_frame_size, len(stream.out))
            if size <= 0:
                return
            connection.send_data(number, stream.out[:size])
            stream.out = stream.out[size:]
        if stream.out_ends:
            if stream.out_trailers:
                connection.send_headers(number, stream.out_trailers, end_stream=True)
            else:
                connection.end_stream(number)
            del streams[number]
