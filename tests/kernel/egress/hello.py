"""Client hellos as bytes."""

import struct


def vector(size, data):
    return len(data).to_bytes(size, "big") + data


def extension(kind, data):
    return struct.pack(">H", kind) + vector(2, data)


def server_name(*names):
    return extension(0, vector(2, b"".join(b"\0" + vector(2, name.encode("latin-1")) for name in names)))


def hello(*extensions, record_bytes=16384):
    body = (b"\x03\x03" + b"R" * 32 + vector(1, b"S" * 32) + vector(2, b"\x13\x01\x13\x02") + vector(1, b"\0")
            + vector(2, b"".join(extensions)))
    message = b"\x01" + vector(3, body)
    pieces = [message[i:i + record_bytes] for i in range(0, len(message), record_bytes)]
    return b"".join(b"\x16\x03\x01" + vector(2, piece) for piece in pieces)


ALERT = b"\x15\x03\x03\x00\x02\x02\x31"
