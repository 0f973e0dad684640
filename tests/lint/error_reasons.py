#!/usr/bin/env python3
"""Every reason that the code attaches to an error is listed in proto/glovebox/v1/errors.proto."""

import re

import source_tree

# DetailedError(..., {"REASON", {...}}) and constants handed to it.
REASON = re.compile(r'\{\s*"([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)"\s*,\s*\{')
LISTED = re.compile(r"\bERROR_REASON_([A-Z0-9_]+)\s*=\s*\d+")
PROTO = "proto/glovebox/v1/errors.proto"


def check(tree, report):
    listed = set(LISTED.findall(tree.read(PROTO))) if tree.exists(PROTO) else set()
    for path in tree.files(("runtime",), source_tree.CPP_SUFFIXES):
        text = tree.read(path)
        for match in REASON.finditer(text):
            if match.group(1) not in listed:
                line = text.count("\n", 0, match.start()) + 1
                report.error(path, line, f"reason {match.group(1)} is not listed in {PROTO}")


if __name__ == "__main__":
    source_tree.run(check, __doc__)
