#!/usr/bin/env python3
"""Documents do not promise what nothing proves: every `Suite.Name` they mention is a test, every path exists.

A claim is a name in backticks of the form `SuiteName.TestName` or, of a Python suite, `Class.test_name`;
`SomethingService.Method` is an RPC, which must be in proto/. In docs/exec.md each numbered guarantee has a claim. In a table,
"probe name" or "probes name, name" names entries of tests/escape/probes. A path in backticks that begins with one of our top
folders must exist (a trailing :line is refused: it rots).
"""

import re

import source_tree

CLAIM = re.compile(r"`([A-Z]\w+)\.([A-Z]\w+|test_\w+)`")
TEST = re.compile(r"\b[A-Z_]*TEST[A-Z_]*\(\s*(\w+)\s*,\s*(\w+)")
PYTHON_TEST = re.compile(r"^class (\w+)|^    def (test_\w+)", re.MULTILINE)
GUARANTEES = "docs/exec.md"
GUARANTEE = re.compile(r"^\d+\. .*(?:\n(?!\d+\. |#).*)*", re.MULTILINE)
RPC = re.compile(r"^\s*(?:service\s+(\w+)|rpc\s+(\w+))", re.MULTILINE)
PROBES = re.compile(r"\bprobes? ((?:[a-z0-9_]+(?:, )?)+)")
PROBE = re.compile(r'\{\s*"([a-z0-9_]+)",\s*"SR-')
PATH = re.compile(r"`((?:runtime|tools|tests|docs|proto|images|cmake)/[\w./-]*\w/?)(:\d+)?`")


def tests_of(tree):
    names = set()
    for path in tree.files(("tests",), {".cc"}):
        names.update(TEST.findall(tree.read(path)))
    for path in tree.files(("tests",), {".py"}):
        suite = None
        for match in PYTHON_TEST.finditer(tree.read(path)):
            suite = match.group(1) or suite
            if match.group(2):
                names.add((suite, match.group(2)))
    return names


def check_guarantees(path, text, report):
    if str(path) != GUARANTEES:
        return
    for number, match in enumerate(GUARANTEE.finditer(text), 1):
        line = source_tree.line_of(text, match.start())
        if not match.group(0).startswith(f"{number}. "):
            report.error(path, line, f"guarantees are numbered in order: {number} comes here")
        if not CLAIM.search(match.group(0)):
            report.error(path, line, "a guarantee without a test is none")


def rpcs_of(tree):
    names = set()
    for path in tree.files(("proto",), {".proto"}):
        service = None
        for match in RPC.finditer(tree.read(path)):
            service = match.group(1) or service
            if match.group(2):
                names.add((service, match.group(2)))
    return names


def probes_of(tree):
    names = set()
    for path in tree.files(("tests",), {".cc"}):
        if path.parts[:3] == ("tests", "escape", "probes"):
            names.update(PROBE.findall(tree.read(path)))
    return names


def check(tree, report):
    known_tests = tests_of(tree)
    known_probes = probes_of(tree)
    known_rpcs = rpcs_of(tree)
    documents = [p for p in tree.files((".",), {".md"}) if p.parts[0] not in ("build", "tests")]
    for path in documents:
        text = tree.read(path)
        check_guarantees(path, text, report)
        for match in CLAIM.finditer(text):
            line = source_tree.line_of(text, match.start())
            if match.group(1).endswith("Service"):
                if match.groups() not in known_rpcs:
                    report.error(path, line, f"no such RPC in proto/: {match.group(0)}")
            elif match.groups() not in known_tests:
                report.error(path, line, f"no such test in tests/: {match.group(0)}")
        for number, line in enumerate(text.splitlines(), 1):
            names = PROBES.findall(line) if line.startswith("|") and "SR-" in text else []
            for name in ", ".join(names).split(", "):
                if name and name not in known_probes:
                    report.error(path, number, f"no such probe in tests/escape/probes: {name}")
        for match in PATH.finditer(text):
            line = source_tree.line_of(text, match.start())
            if match.group(2):
                report.error(path, line, f"{match.group(0)}: name the function, line numbers rot")
            elif not tree.exists(match.group(1)):
                report.error(path, line, f"no such file or folder: {match.group(0)}")


if __name__ == "__main__":
    source_tree.run(check, __doc__)
