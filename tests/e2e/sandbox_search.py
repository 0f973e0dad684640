"""Looks for bytes in all that a sandbox has: files, environments and command lines from inside, and, from the host, the memory of
its processes, which the sandbox itself may not read."""

import pathlib
import re
import tempfile

SCRIPT = r"""
import os, sys
wanted = [bytes.fromhex(one) for one in sys.argv[1:]]
me = str(os.getpid())
for top, folders, files in os.walk("/"):
    if top == "/":
        folders[:] = [f for f in folders if f not in ("usr", "dev", "sys")]
    if top == "/proc":
        folders[:] = [f for f in folders if f != me]
    for name in files:
        path = os.path.join(top, name)
        if os.path.islink(path) or not os.path.isfile(path) or name in ("kmsg", "pagemap", "kcore"):
            continue
        if top.startswith("/proc") and name not in ("environ", "cmdline", "comm"):
            continue
        try:
            with open(path, "rb") as opened:
                data = opened.read(1 << 26)
        except OSError:
            continue
        for one in wanted:
            if one in data:
                print(one.hex(), path, flush=True)
print("searched")
"""
PIECE, OVERLAP = 1 << 24, 4096


def search(case, sandbox, *wanted):
    """{bytes: [where]} of those that are found. The sandbox was made with --root-inside."""
    found = search_files(case, sandbox, wanted)
    processes = [case.daemon.init_of(sandbox), *case.daemon.exec_processes(sandbox)]
    for pid in processes:
        for one in search_memory(pid, wanted):
            found.setdefault(one, []).append("memory")
    return found


def search_files(case, sandbox, wanted):
    with tempfile.NamedTemporaryFile("w", prefix="glovebox-e2e-", suffix=".py", dir="/tmp") as script:
        script.write(SCRIPT)
        script.flush()
        pathlib.Path(script.name).chmod(0o644)
        case.ok("cp", script.name, f"{sandbox}:/tmp/search.py")
    done = case.daemon.cli("exec", "--user", "root", sandbox, "--", "/usr/bin/python3", "-I", "/tmp/search.py",
                           *[one.hex() for one in wanted], timeout=300)
    lines = done.stdout.decode(errors="replace").splitlines()
    case.assertEqual(lines[-1:], ["searched"], done.stderr)
    found = {}
    for line in lines[:-1]:
        one, _, path = line.partition(" ")
        found.setdefault(bytes.fromhex(one), []).append(path)
    return found


def search_memory(pid, wanted):
    """Those that a process has."""
    found = set()
    with open(f"/proc/{pid}/maps", encoding="utf-8", errors="replace") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            begin, end, modes = re.match("([0-9a-f]+)-([0-9a-f]+) (....)", line).groups()
            if modes[0] == "r" and "[vvar" not in line:
                found |= search_range(memory, int(begin, 16), int(end, 16), wanted)
    return found


def search_range(memory, at, end, wanted):
    found = set()
    while at < end:
        memory.seek(at)
        try:
            data = memory.read(min(end - at, PIECE))
        except OSError:  # nothing is behind the mapping, as behind the end of a file
            break
        found |= {one for one in wanted if one in data}
        if not data or at + len(data) >= end:
            break
        at += max(len(data) - OVERLAP, 1)  # what lies across
    return found
