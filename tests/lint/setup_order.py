#!/usr/bin/env python3
"""docs/setup-order.md is what tools/dev/gen_setup_order makes of runtime/init/setup_step.h."""

import pathlib
import subprocess
import sys

import source_tree

GENERATOR = pathlib.Path(__file__).resolve().parents[2] / "tools/dev/gen_setup_order"


def check(tree, report):
    command = [sys.executable, str(GENERATOR), "--check", "--root", str(tree.root)]
    done = subprocess.run(command, text=True, capture_output=True)
    if done.returncode != 0:
        said = (done.stdout + done.stderr).strip().replace("\n", "\n    ")
        report.error("docs/setup-order.md", 1, said or f"the generator failed with status {done.returncode}")


if __name__ == "__main__":
    source_tree.run(check, __doc__)
