"""What of BPF is there for a network namespace: asked of the kernel, which numbers all of it."""

import ctypes
import errno
import os
import struct

SYS_BPF = 321  # x86-64
LINK_TYPE_NETNS = 5
LIBC = ctypes.CDLL(None, use_errno=True)
# (the next number, a descriptor by number)
PROGRAMS, MAPS, LINKS = (11, 13), (12, 14), (31, 30)
INFO_BY_FD = 15


def bpf(command, *words):
    """The result, and its argument as the kernel left it; each word is of 32 bits."""
    argument = ctypes.create_string_buffer(struct.pack(f"<{len(words)}I", *words), 128)
    result = LIBC.syscall(SYS_BPF, command, argument, 128)
    if result < 0:
        raise OSError(ctypes.get_errno(), f"bpf {command}")
    return result, argument.raw


def there(kind):
    """The numbers of all on the host."""
    number = 0
    while True:
        try:
            _, argument = bpf(kind[0], number)
        except OSError as error:
            if error.errno == errno.ENOENT:
                return
            raise
        number = struct.unpack_from("<I", argument, 4)[0]
        yield number


def info(kind, number, size):
    """What the kernel tells of one; None: it has gone."""
    try:
        fd, _ = bpf(kind[1], number)
    except OSError as error:
        if error.errno == errno.ENOENT:
            return None
        raise
    try:
        told = ctypes.create_string_buffer(size)
        argument = ctypes.create_string_buffer(struct.pack("<IIQ", fd, size, ctypes.addressof(told)), 128)
        if LIBC.syscall(SYS_BPF, INFO_BY_FD, argument, 128) < 0:
            raise OSError(ctypes.get_errno(), "bpf BPF_OBJ_GET_INFO_BY_FD")
        return told.raw
    finally:
        os.close(fd)


def of_namespace(inode):
    """{(kind, number)} of the links to it and of their programs."""
    found = set()
    for link in there(LINKS):
        told = info(LINKS, link, 32)
        if told is None or struct.unpack_from("<I", told, 0)[0] != LINK_TYPE_NETNS:
            continue
        program, space = struct.unpack_from("<I", told, 8)[0], struct.unpack_from("<I", told, 16)[0]
        if space == inode:
            found |= {(LINKS, link), (PROGRAMS, program)} | {(MAPS, one) for one in maps_of(program)}
    return found


def maps_of(program):
    numbers = ctypes.create_string_buffer(4)  # room for one
    fd, _ = bpf(PROGRAMS[1], program)
    try:
        told = ctypes.create_string_buffer(struct.pack("<52xIQ", 1, ctypes.addressof(numbers)), 64)
        argument = ctypes.create_string_buffer(struct.pack("<IIQ", fd, 64, ctypes.addressof(told)), 128)
        if LIBC.syscall(SYS_BPF, INFO_BY_FD, argument, 128) < 0:
            raise OSError(ctypes.get_errno(), "bpf BPF_OBJ_GET_INFO_BY_FD")
    finally:
        os.close(fd)
    return struct.unpack("<I", numbers.raw)


def are_left(objects):
    return any(number in there(kind) for kind, number in objects)
