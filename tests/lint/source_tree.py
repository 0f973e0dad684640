"""What every lint of this folder shares: which files are ours, C++ without comments or strings, and the report."""

import argparse
import pathlib
import re
import sys

# Not looked into: build output, and the deliberately bad examples by which the lints prove that they can fail.
SKIPPED_FOLDERS = (".git", "build", ".cache", "node_modules", "__pycache__")
FIXTURES = pathlib.PurePath("tests/lint/fixtures")
CPP_SUFFIXES = (".cc", ".h")


class Report:
    def __init__(self):
        self.findings = []
        self.warnings = []

    def error(self, path, line, text):
        self.findings.append(f"{path}:{line}: {text}")

    def warn(self, path, line, text):
        self.warnings.append(f"{path}:{line}: {text}")


class Tree:
    def __init__(self, root):
        self.root = pathlib.Path(root).resolve()

    def files(self, folders=(".",), suffixes=None):
        """Relative paths, sorted, of the regular files below `folders`."""
        found = set()
        for folder in folders:
            found.update(self._walk(self.root / folder))
        chosen = (p for p in found if suffixes is None or p.suffix in suffixes)
        return sorted(chosen)

    def _walk(self, folder):
        if not folder.is_dir():
            return
        for entry in folder.iterdir():
            relative = entry.relative_to(self.root)
            if entry.is_symlink() or entry.name in SKIPPED_FOLDERS or relative.is_relative_to(FIXTURES):
                continue
            if entry.is_dir():
                yield from self._walk(entry)
            elif entry.is_file():
                yield relative

    def read(self, relative):
        return (self.root / relative).read_text(encoding="utf-8", errors="replace")

    def exists(self, relative):
        return (self.root / relative).exists()


# A raw string, a string, a character, a line comment or a block comment, whichever begins first.
_TOKEN = re.compile(
    r'R"(?P<delimiter>[^()\\ \n]{0,16})\(.*?\)(?P=delimiter)"'
    r'|"(?:\\.|[^"\\\n])*"'
    r"|(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])+'"
    r"|//[^\n]*"
    r"|/\*.*?\*/",
    re.DOTALL,
)


def _blank(text):
    return re.sub(r"[^\n]", " ", text)


def code_only(text):
    """C++ with comments and the insides of literals blanked; every position keeps its line."""

    def replace(match):
        token = match.group(0)
        if token.startswith("/"):
            return _blank(token)
        return token[0] + _blank(token[1:-1]) + token[-1]

    return _TOKEN.sub(replace, text)


def comments_only(text):
    """The opposite: all but the comments blanked."""
    out = []
    end = 0
    for match in _TOKEN.finditer(text):
        out.append(_blank(text[end : match.start()]))
        token = match.group(0)
        out.append(token if token.startswith("/") else _blank(token))
        end = match.end()
    out.append(_blank(text[end:]))
    return "".join(out)


def line_of(text, position):
    return text.count("\n", 0, position) + 1


def read_allowed(tree, relative, report):
    """Lines "path: what: reason" of an exception list; a line without a reason is itself a finding."""
    allowed = {}
    if not tree.exists(relative):
        return allowed
    for number, line in enumerate(tree.read(relative).splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        parts = [part.strip() for part in line.split(":", 2)]
        if len(parts) != 3 or len(parts[2]) < 15:
            report.error(relative, number, 'want "path: what: reason", with a reason that says why it is safe')
            continue
        allowed[(parts[0], parts[1])] = number
    return allowed


def report_unused(allowed, used, relative, report):
    for key, number in allowed.items():
        if key not in used:
            report.error(relative, number, f"exception for {key[1]} in {key[0]} is not needed; remove it")


def run(check, description):
    """The main program of a lint: check(tree, report), then findings on stdout and exit status 1 if any."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--root", default=pathlib.Path(__file__).resolve().parents[2])
    arguments = parser.parse_args()
    report = Report()
    check(Tree(arguments.root), report)
    for line in report.warnings:
        print(f"warning: {line}")
    for line in report.findings:
        print(line)
    print(f"{len(report.findings)} findings, {len(report.warnings)} warnings")
    sys.exit(1 if report.findings else 0)
