#!/usr/bin/env python3
"""No test is forgotten: every *_test.cc is named in exactly one CMakeLists.txt that the build reads."""

import collections
import pathlib
import re

import source_tree


def is_read(tree, folder):
    """tests/CMakeLists.txt includes tests/<x>/, tests/unit/<x>/ and tests/kernel/<x>/; others need add_subdirectory."""
    parts = folder.parts
    if len(parts) == 2 or (len(parts) == 3 and parts[1] in ("unit", "kernel")):
        return True
    parent = folder.parent / "CMakeLists.txt"
    return tree.exists(parent) and re.search(rf"add_subdirectory\({parts[-1]}\)", tree.read(parent)) is not None


def check(tree, report):
    mentions = collections.defaultdict(list)  # test -> files that name it
    for path in tree.files(("tests",), {".txt"}):
        if path.name != "CMakeLists.txt":
            continue
        text = re.sub(r"#[^\n]*", "", tree.read(path))
        for name in re.findall(r"[\w./-]+_test\.cc\b", text):
            mentions[pathlib.PurePath(path.parent, name)].append(path)
    tests = {pathlib.PurePath(p) for p in tree.files(("tests",), {".cc"}) if p.name.endswith("_test.cc")}
    for test in sorted(tests):
        users = mentions.get(test, [])
        if len(users) != 1:
            where = ", ".join(str(user) for user in users) or "none"
            report.error(test, 1, f"must be named in exactly one CMakeLists.txt, is in: {where}")
        for user in users:
            if not is_read(tree, user.parent):
                report.error(user, 1, "no CMakeLists.txt above includes this folder")
    for named in sorted(mentions.keys() - tests):
        report.error(mentions[named][0], 1, f"names {named}, which does not exist")


if __name__ == "__main__":
    source_tree.run(check, __doc__)
