#!/usr/bin/env python3
"""Every reason that the code attaches to an error is listed in proto/glovebox/v1/errors.proto, and the reverse.

A listed reason that no code sends says so in its comment ("Not sent by this release."); one that is sent does not.
docs/api.md, where there is one, has a row for each listed reason and for no other.
"""

import re

import source_tree

# DetailedError(..., {"REASON", {...}}) and constants handed to it.
REASON = re.compile(r'\{\s*"([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)"\s*,\s*\{')
LITERAL = re.compile(r'"([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*)"')
LISTED = re.compile(r"^[ \t]*(?://([^\n]*)\n[ \t]*)?ERROR_REASON_([A-Z0-9_]+)\s*=\s*(\d+)", re.MULTILINE)
ROW = re.compile(r"^\| ([A-Z][A-Z0-9_]+) \|", re.MULTILINE)
NOT_SENT = "Not sent by this release."
PROTO = "proto/glovebox/v1/errors.proto"
TABLE = "docs/api.md"


def check_uses(tree, report, listed):
    """The names that stand in any string of the code."""
    literals = set()
    for path in tree.files(("runtime",), source_tree.CPP_SUFFIXES):
        text = tree.read(path)
        literals.update(LITERAL.findall(text))
        for match in REASON.finditer(text):
            if match.group(1) not in listed:
                line = source_tree.line_of(text, match.start())
                report.error(path, line, f"reason {match.group(1)} is not listed in {PROTO}")
    return literals


def check_table(tree, report, listed):
    if not tree.exists(TABLE):
        return
    text = tree.read(TABLE)
    rows = {match.group(1): source_tree.line_of(text, match.start()) for match in ROW.finditer(text)}
    for name, line in rows.items():
        if name not in listed:
            report.error(TABLE, line, f"reason {name} is not listed in {PROTO}")
    for name in sorted(set(listed) - set(rows)):
        report.error(TABLE, 1, f"reason {name} of {PROTO} has no row")


def check(tree, report):
    text = tree.read(PROTO) if tree.exists(PROTO) else ""
    listed = {}
    for match in LISTED.finditer(text):
        if match.group(3) != "0":
            line = source_tree.line_of(text, match.start(2))
            listed[match.group(2)] = (line, NOT_SENT in (match.group(1) or ""))
    literals = check_uses(tree, report, listed)
    for name, (line, not_sent) in listed.items():
        if name not in literals and not not_sent:
            report.error(PROTO, line, f'no code sends {name}: drop it, or say "{NOT_SENT}"')
        elif name in literals and not_sent:
            report.error(PROTO, line, f'{name} is sent, its comment says "{NOT_SENT}"')
    check_table(tree, report, listed)


if __name__ == "__main__":
    source_tree.run(check, __doc__)
