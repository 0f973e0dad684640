#!/usr/bin/env python3
"""Words that this code base does not use: marks of unfinished work, and names that say nothing."""

import re

import source_tree

TEXT_SUFFIXES = {".cc", ".h", ".proto", ".py", ".sh", ".cmake", ".md", ".txt", ".toml", ""}
HASH_COMMENTS = {".py", ".sh", ".cmake", ".txt", ".toml", ""}
# The lints have to spell out what they refuse.
EXEMPT_FOLDER = ("tests", "lint")

UNFINISHED = re.compile(
    r"\b(TODO|FIXME|XXX|HACK|(?i:placeholders?|for now)|[Nn]ot implemented|[Uu]nimplemented)\b"
)  # UNIMPLEMENTED is a status code
STUB = re.compile(r"\bstub(?:s|bed)?\b", re.IGNORECASE)
# Where gRPC's clients are used, which it calls stubs.
NOTHING = re.compile(r"(?!)")
GRPC_CLIENT_FOLDERS = ("tools", "tests")
IN_PROSE = re.compile(r"\b(jail(?:s|ed)?|helpers?|utils?)\b(?!-linux)", re.IGNORECASE)
TRACKER = re.compile(r"\bissues? #?\d+\b|\b(?:pull request|PR) #\d+\b", re.IGNORECASE)

# Names that we declare, in C++ and in proto. Other people's names (grpc's Stub) are used, not declared.
DECLARED = re.compile(
    r"^\s*(?:namespace|class|struct|union|enum(?:\s+class)?|concept|message|service|rpc|using|#\s*define)"
    r"\s+(?:\[\[\w+\]\]\s+)?(\w+)",
    re.MULTILINE,
)
BANNED_PARTS = {"jail", "util", "utils", "helper", "helpers", "common"}
BANNED_LAST = {"manager"}
BANNED_ALONE = {"box", "session"}
ALLOWED_NAMES = {"SandboxManager", "sandbox_manager"}


def parts_of(name):
    """snake_case, kebab-case and CamelCase names as lower-case words."""
    split = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name)
    return [part.lower() for part in re.split(r"[_\-.]+", split) if part]


def bad_name(name):
    if name in ALLOWED_NAMES:
        return None
    parts = parts_of(name)
    for part in parts:
        if part in BANNED_PARTS:
            return part
    if parts and parts[-1] in BANNED_LAST:
        return parts[-1]
    if len(parts) == 1 and parts[0] in BANNED_ALONE:
        return parts[0]
    return None


def prose_of(path, text):
    if path.suffix in (*source_tree.CPP_SUFFIXES, ".proto"):
        return source_tree.comments_only(text)
    if path.suffix in HASH_COMMENTS:
        return re.sub(r"(?m)^(?!\s*#).*$", "", text)
    return text


def check_names(path, text, report):
    for part in path.parts:
        stem = part[: -len(path.suffix)] if part == path.name and path.suffix else part
        word = bad_name(stem)
        if word:
            report.error(path, 1, f'the name "{part}" says nothing by "{word}": name what it does')
    if path.suffix not in (*source_tree.CPP_SUFFIXES, ".proto"):
        return
    code = source_tree.code_only(text)
    for match in DECLARED.finditer(code):
        word = bad_name(match.group(1))
        if word:
            line = source_tree.line_of(code, match.start(1))
            report.error(path, line, f'the name {match.group(1)} says nothing by "{word}": name what it does')


def check(tree, report):
    for path in tree.files():
        if path.suffix not in TEXT_SUFFIXES or path.name == "LICENSE" or path.parts[:2] == EXEMPT_FOLDER:
            continue
        text = tree.read(path)
        check_names(path, text, report)
        prose = prose_of(path, text)
        # The list of refused words in CONTRIBUTING.md is in backticks, as is code in any document.
        if path.suffix == ".md":
            prose = re.sub(r"`[^`\n]*`", lambda m: " " * len(m.group(0)), prose)
        stub = NOTHING if path.parts[0] in GRPC_CLIENT_FOLDERS else STUB
        for pattern, why in (
            (UNFINISHED, "marks something unfinished: finish it, or write down the limit"),
            (stub, "marks something unfinished: finish it, or write down the limit"),
            (IN_PROSE, "is not a word of ours: docs/glossary.md has the words"),
            (TRACKER, "points into a tracker that the reader may not have: state the reason itself"),
        ):
            for match in pattern.finditer(prose):
                report.error(path, source_tree.line_of(prose, match.start()), f'"{match.group(0)}" {why}')


if __name__ == "__main__":
    source_tree.run(check, __doc__)
