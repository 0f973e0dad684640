#!/usr/bin/env python3
"""A lint that cannot fail proves nothing: each is run on small trees that it must pass and must refuse.

fixtures/<lint>/good passes; each fixtures/<lint>/bad* is refused with exactly the places listed in its `expected`.
"""

import collections
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent


def places(lines):
    return collections.Counter(":".join(line.split(":")[:2]) for line in lines if line.count(":") >= 1)


def run(lint, tree):
    done = subprocess.run([sys.executable, str(HERE / f"{lint}.py"), "--root", str(tree)], text=True, capture_output=True)
    lines = done.stdout.splitlines()
    # The last line is the count; a finding's further lines are indented.
    findings = [line for line in lines[:-1] if not line.startswith(("warning: ", " "))]
    return done.returncode, findings, done.stderr


def try_tree(lint, tree):
    """What is wrong with the lint's verdict on `tree`, or None."""
    code, findings, errors = run(lint, tree)
    if errors:
        return f"wrote to stderr: {errors}"
    if tree.name == "good":
        return None if code == 0 and not findings else f"refused a good tree: {findings}"
    expected = collections.Counter((tree / "expected").read_text().split())
    found = places(findings)
    if code != 1 or found != expected:
        return f"missed {dict(expected - found)}, invented {dict(found - expected)}: {findings}"
    return None


def main():
    lint = sys.argv[1]
    trees = sorted(path for path in (HERE / "fixtures" / lint).iterdir() if path.is_dir())
    names = [tree.name for tree in trees]
    if "good" not in names or not any(name.startswith("bad") for name in names):
        sys.exit(f"{lint}: needs a good and a bad fixture, has {names}")
    failures = [f"{tree.name}: {problem}" for tree in trees if (problem := try_tree(lint, tree))]
    print("\n".join(failures) or f"{lint}: {len(trees)} fixtures judged right")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
