#!/usr/bin/env python3
"""A pid is not an identity: it may name another process by the time a signal arrives.

Signals go through a pidfd (linux/process.h) or a cgroup's cgroup.kill. Any other use is listed with its reason in
kill_allowed.txt; being process 1 of a pid namespace is none, for parents inside reap too. Killing by name is refused
everywhere.
"""

import re

import source_tree

ALLOWED = "tests/lint/kill_allowed.txt"
CALL = re.compile(r"(?<![\w.>])(?:::)?(kill|killpg|tgkill|tkill|sigqueue|rt_sigqueueinfo)\s*\(")
SYSCALL = re.compile(r"\b(?:SYS|__NR)_(kill|tkill|tgkill|rt_sigqueueinfo)\b")
BY_NAME = re.compile(r"^[^#\n]*\b(pkill|killall)\b", re.MULTILINE)


def check_cpp(path, text, allowed, used, report):
    code = source_tree.code_only(text)
    for pattern in (CALL, SYSCALL):
        for match in pattern.finditer(code):
            key = (str(path), match.group(1))
            if re.search(r"\w::$", code[max(0, match.start() - 80) : match.start() + 2]):
                continue
            if key in allowed:
                used.add(key)
                continue
            line = source_tree.line_of(code, match.start(1))
            report.error(path, line, f"{match.group(1)} by pid: use a pidfd, or list the file in {ALLOWED} with why")


def check(tree, report):
    allowed = source_tree.read_allowed(tree, ALLOWED, report)
    used = set()
    for path in tree.files(("runtime", "tools", "tests"), source_tree.CPP_SUFFIXES):
        check_cpp(path, tree.read(path), allowed, used, report)
    for path in tree.files(("tools", "tests", "images", ".ci")):
        text = tree.read(path) if path.suffix in ("", ".sh") else ""
        for match in BY_NAME.finditer(text):
            report.error(path, source_tree.line_of(text, match.start(1)), f"{match.group(1)} kills by name")
    source_tree.report_unused(allowed, used, ALLOWED, report)


if __name__ == "__main__":
    source_tree.run(check, __doc__)
