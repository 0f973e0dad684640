"""An independent digest of a tree, for comparing what was imported with what was meant: run by path outside, and as the
text of a command inside of a sandbox. It prints one line per entry, so that a difference can be read."""

import hashlib
import os
import stat
import sys


def describe(top):
    """Sorted lines: name, type, mode, modification time, links to the same file, content or target."""
    top = os.fsencode(top)
    lines, first = [], {}

    def line(path, name):
        status = os.lstat(path)
        kind = stat.S_IFMT(status.st_mode)
        out = [repr(name), oct(kind), str(int(status.st_mtime))]
        if kind == stat.S_IFLNK:
            out.append(repr(os.readlink(path)))
        else:
            out.append(oct(stat.S_IMODE(status.st_mode)))
        if kind == stat.S_IFREG:
            if status.st_nlink > 1:
                out.append("as " + repr(first.setdefault((status.st_dev, status.st_ino), name)))
            with open(path, "rb") as file:
                out.append(str(status.st_size) + " " + hashlib.file_digest(file, "sha256").hexdigest())
        lines.append(" ".join(out))

    def walk(path, name):
        for entry in sorted(os.listdir(path)):
            # Paths of more than PATH_MAX bytes from the root are reached step by step.
            below = os.path.join(name, entry)
            line(entry if path == b"." else os.path.join(path, entry), below)
            if stat.S_ISDIR(os.lstat(os.path.join(path, entry)).st_mode):
                back = os.open(".", os.O_RDONLY)
                os.chdir(os.path.join(path, entry))
                walk(b".", below)
                os.fchdir(back)
                os.close(back)

    here = os.open(".", os.O_RDONLY)
    os.chdir(top)
    line(b".", b".")
    walk(b".", b"")
    os.fchdir(here)
    os.close(here)
    return lines


if __name__ == "__main__":
    print("\n".join(describe(sys.argv[1])))
