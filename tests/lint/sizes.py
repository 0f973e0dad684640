#!/usr/bin/env python3
"""Files of at most 600 lines, functions of at most 80, decisions of at most 60, SECURITY.md of at most 250.

Functions are found by the layout that clang-format gives them: a line that opens a block, and the first `}` in
the same column. A block that ends in `};` is a type or an initialiser, one that ends in `}  // namespace` neither.
"""

import pathlib
import re

import source_tree

FILE_LINES_MAX = 600
FILE_LINES_WARN = 400
FUNCTION_LINES_MAX = 80
OWN_LIMITS = {"SECURITY.md": 250}
DECISION_LINES_MAX = 60
SUFFIXES = {".cc", ".h", ".proto", ".py", ".sh", ".cmake", ".md", ".txt", ""}
NOT_A_FUNCTION = re.compile(r"^\s*(namespace|class|struct|enum|union|extern|switch|#|\}|//|public:|private:|protected:)")


def file_limit(path):
    if path.parts[:2] == ("docs", "decisions"):
        return DECISION_LINES_MAX
    return OWN_LIMITS.get(str(path), FILE_LINES_MAX)


def functions(lines, indent):
    """(first line, line count) of each block at column `indent`, 1-based."""
    closing = " " * indent + "}"
    start = None
    opened = False  # the block's brace was seen; before it, a `;` ends a declaration
    for number, line in enumerate(lines, 1):
        at_indent = line.startswith(" " * indent) and len(line) > indent and line[indent] not in " \t"
        if start is None:
            continues = number > 1 and lines[number - 2].rstrip().endswith((",", "(", "=", "&&", "||"))
            if at_indent and not NOT_A_FUNCTION.match(line) and not continues:
                start, opened = number, False
        if start is not None:
            if line.rstrip() == closing:
                yield start, number - start + 1
                start = None
            elif line.rstrip().endswith(";") and (at_indent or not opened):
                start = None  # a declaration or an initialiser
            opened = opened or line.rstrip().endswith("{")


def check_functions(tree, path, report):
    lines = source_tree.code_only(tree.read(path)).splitlines()
    for indent in (0, 2):
        for first, count in functions(lines, indent):
            if count > FUNCTION_LINES_MAX:
                report.error(path, first, f"a function of {count} lines; a screen holds {FUNCTION_LINES_MAX}")


def check(tree, report):
    for path in tree.files():
        path = pathlib.PurePath(path)
        if path.suffix not in SUFFIXES or path.name in ("LICENSE", "package-lock.json"):
            continue
        count = tree.read(path).count("\n")
        limit = file_limit(path)
        if count > limit:
            report.error(path, limit, f"{count} lines, at most {limit}: split by reason to change")
        elif limit == FILE_LINES_MAX and count > FILE_LINES_WARN:
            report.warn(path, FILE_LINES_WARN, f"{count} lines; over {FILE_LINES_MAX} is refused")
        if path.suffix in source_tree.CPP_SUFFIXES:
            check_functions(tree, path, report)


if __name__ == "__main__":
    source_tree.run(check, __doc__)
