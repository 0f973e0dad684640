#!/usr/bin/env python3
"""Every shell script parses (bash -n), is executable if it has a shebang, and stops at errors or unset names."""

import os
import re
import subprocess

import source_tree

SHEBANG = re.compile(r"#!\s*/(?:usr/)?bin/(?:env )?(bash|sh)\b")
STRICT = re.compile(r"^set -[a-z]*u", re.MULTILINE)


def check(tree, report):
    for path in tree.files(("tools", "tests", "images", ".ci", "docs")):
        if path.suffix not in ("", ".sh"):
            continue
        text = tree.read(path)
        if not SHEBANG.match(text):
            continue
        done = subprocess.run(["bash", "-n", str(tree.root / path)], text=True, capture_output=True)
        if done.returncode != 0:
            report.error(path, 1, done.stderr.strip())
        if not os.access(tree.root / path, os.X_OK):
            report.error(path, 1, "has a shebang but is not executable")
        if not STRICT.search(text):
            report.error(path, 1, 'lacks "set -u" (better: set -euo pipefail)')


if __name__ == "__main__":
    source_tree.run(check, __doc__)
