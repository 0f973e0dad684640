#!/usr/bin/env python3
"""Every descriptor is close-on-exec from birth: a fork in another thread must never inherit one.

A call that makes a descriptor must have CLOEXEC in its arguments or in the lines just before it (flags computed
there); calls that cannot take the flag are refused. dup2 and dup3 clear it on purpose, so each file that uses them
is listed with its reason in cloexec_allowed.txt.
"""

import re

import source_tree

ALLOWED = "tests/lint/cloexec_allowed.txt"
LINES_BEFORE = 12

WITH_FLAG = (
    "open openat openat2 open64 socket socketpair accept4 pipe2 epoll_create1 eventfd memfd_create inotify_init1 "
    "signalfd timerfd_create fanotify_init mkostemp open_tree fsopen fsmount recvmsg userfaultfd"
).split()
WITHOUT_FLAG = {
    "accept": "accept4(SOCK_CLOEXEC)",
    "creat": "open(O_CLOEXEC)",
    "dup": "fcntl(F_DUPFD_CLOEXEC)",
    "epoll_create": "epoll_create1(EPOLL_CLOEXEC)",
    "inotify_init": "inotify_init1(IN_CLOEXEC)",
    "mkstemp": "mkostemp(O_CLOEXEC)",
    "pipe": "pipe2(O_CLOEXEC)",
    "popen": "posix_spawn",
    "tmpfile": "memfd_create(MFD_CLOEXEC)",
}
CLEARS_FLAG = ("dup2", "dup3")
CALL = re.compile(
    r"(?<![\w.>])(?:::)?(?P<name>" + "|".join((*WITH_FLAG, *WITHOUT_FLAG, *CLEARS_FLAG, "fopen", "fdopen")) + r")\s*\("
)
SYSCALL = re.compile(r"\b(?:SYS|__NR)_(?P<name>\w+)")
FOPEN_MODE = re.compile(r',\s*"[^"]*e[^"]*"\s*$')
STREAM = re.compile(r"\bstd::(?:basic_)?[io]?fstream\b")


def preceded_by_scope(code, position):
    """`Foo::open(` is a method of ours; `::open(` and `open(` are the system's."""
    return re.search(r"\w::$", code[max(0, position - 80) : position + 2]) is not None


def arguments(code, opening):
    depth = 0
    for position in range(opening, min(len(code), opening + 2000)):
        if code[position] == "(":
            depth += 1
        elif code[position] == ")":
            depth -= 1
            if depth == 0:
                return code[opening:position]
    return code[opening : opening + 2000]


def is_declaration(code, match):
    """`int open(...)` and `UniqueFd accept(...)` declare; `return open(...)` calls."""
    before = code[max(0, match.start() - 80) : match.start()]
    word = re.search(r"([\w>&*]+)\s+[&*]?$", before)
    return word is not None and word.group(1) not in ("return", "else", "do", "co_return") and not before.endswith("=")


def has_flag(code, start, end):
    before = code.rfind("\n", 0, start)
    for _ in range(LINES_BEFORE):
        before = code.rfind("\n", 0, max(before, 0))
    if "CLOEXEC" in code[max(before, 0) : end]:
        return True
    # A constant of the same file that holds the flag.
    named = re.findall(r"\bk[A-Z]\w+", code[start:end])
    return any(re.search(rf"\b{name}\s*=[^;]*CLOEXEC", code) for name in named)


def check_file(path, text, allowed, used, report):
    code = source_tree.code_only(text)
    for match in CALL.finditer(code):
        name = match.group("name")
        end = match.end() - 1 + len(arguments(code, match.end() - 1))
        # Without arguments it is a callable of ours that has the name of a system call.
        if not code[match.end() : end].strip():
            continue
        if preceded_by_scope(code, match.start()) or is_declaration(code, match):
            continue
        line = source_tree.line_of(code, match.start("name"))
        if (str(path), name) in allowed:
            used.add((str(path), name))
        elif name in CLEARS_FLAG:
            report.error(path, line, f"{name} clears close-on-exec: list the file in {ALLOWED} with the reason")
        elif name in WITHOUT_FLAG:
            report.error(path, line, f"{name} cannot make the descriptor close-on-exec: use {WITHOUT_FLAG[name]}")
        elif name in ("fopen", "fdopen"):
            if name == "fopen" and not FOPEN_MODE.search(text[match.end() : end]):
                report.error(path, line, 'fopen needs "e" in its mode')
        elif not has_flag(code, match.start(), end):
            report.error(path, line, f"{name} without CLOEXEC")
    for match in SYSCALL.finditer(code):
        name = match.group("name")
        key = (str(path), name)
        if key in allowed:
            used.add(key)
        elif name in WITHOUT_FLAG:
            report.error(path, source_tree.line_of(code, match.start()), f"SYS_{name} cannot be close-on-exec")
    for match in STREAM.finditer(code):
        line = source_tree.line_of(code, match.start())
        report.error(path, line, "libstdc++ streams open without O_CLOEXEC: use linux/file_io.h")


def check(tree, report):
    allowed = source_tree.read_allowed(tree, ALLOWED, report)
    used = set()
    for path in tree.files(("runtime", "tools"), source_tree.CPP_SUFFIXES):
        check_file(path, tree.read(path), allowed, used, report)
    source_tree.report_unused(allowed, used, ALLOWED, report)


if __name__ == "__main__":
    source_tree.run(check, __doc__)
