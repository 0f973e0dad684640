#!/usr/bin/env python3
"""C++ is laid out as clang-format 14 lays it out with .clang-format."""

import subprocess

import source_tree

FORMATTER = "clang-format-14"
FILES_PER_CALL = 50


def check(tree, report):
    files = tree.files(("runtime", "tools", "tests"), source_tree.CPP_SUFFIXES)
    for first in range(0, len(files), FILES_PER_CALL):
        names = [str(path) for path in files[first : first + FILES_PER_CALL]]
        command = [FORMATTER, "--dry-run", "--style=file", *names]
        done = subprocess.run(command, text=True, capture_output=True, cwd=tree.root)
        seen = set()
        for line in done.stderr.splitlines():
            if "[-Wclang-format-violations]" in line:
                seen.add(tuple(line.split(":", 2)[:2]))
            elif ": error:" in line:
                report.error(line, 0, "clang-format failed")
        for path, number in sorted(seen):
            report.error(path, number, f"run {FORMATTER} -i {path}")
        if done.returncode != 0 and not report.findings:
            report.error(".clang-format", 1, done.stderr.strip())


if __name__ == "__main__":
    source_tree.run(check, __doc__)
