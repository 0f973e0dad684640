#!/usr/bin/env python3
"""Who may include whom: the table in CONTRIBUTING.md against quoted includes and CMake dependencies."""

import re

import source_tree

TABLE = "CONTRIBUTING.md"
INCLUDE = re.compile(r'^\s*#\s*include\s+["<]([^">]+)[">]', re.MULTILINE)


class Rules:
    """Layer -> allowed layers; `name:wire` allows only the wire headers of `name`; `everything` allows all."""

    def __init__(self):
        self.layers = {}
        self.wire_headers = {}
        self.libraries = {}


def _rows(text, name):
    match = re.search(rf"<!-- {name}:begin -->\n(.*?)<!-- {name}:end -->", text, re.DOTALL)
    if match is None:
        return None
    rows = [line for line in match.group(1).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows[2:]]


def parse_rules(tree, report):
    text = tree.read(TABLE) if tree.exists(TABLE) else ""
    rules = Rules()
    tables = {name: _rows(text, name) for name in ("layers", "wire-headers", "outside-libraries")}
    for name, rows in tables.items():
        if not rows:
            report.error(TABLE, 1, f"the table between <!-- {name}:begin --> and <!-- {name}:end --> is missing")
            return None
    for row in tables["layers"]:
        rules.layers[row[0].strip("`")] = row[1].replace("`", "").split()
    for row in tables["wire-headers"]:
        rules.wire_headers[row[0].strip("`")] = {f"{row[0].strip('`')}/{h}" for h in row[1].replace("`", "").split()}
    for row in tables["outside-libraries"]:
        for prefix in row[0].replace("`", "").split():
            rules.libraries[prefix] = row[1].replace("`", "").split()
    return rules


def layer_of(path):
    parts = path.parts
    return parts[1] if parts[0] == "runtime" and len(parts) > 2 else parts[0]


def check_include(rules, layer, header, complain):
    allowed = rules.layers[layer]
    target = header.split("/")[0] if "/" in header else None
    if target in rules.layers and target not in (layer, "proto", "tools"):
        wire = f"{target}:wire" in allowed and header in rules.wire_headers.get(target, ())
        if target not in allowed and "everything" not in allowed and not wire:
            complain(f'layer {layer} may not include "{header}" (allowed: {" ".join(allowed) or "nothing"})')
    for prefix, users in rules.libraries.items():
        if header.startswith(prefix) and layer not in users:
            complain(f'layer {layer} may not include "{header}" (for: {" ".join(users)})')


def check(tree, report):
    rules = parse_rules(tree, report)
    if rules is None:
        return
    for path in tree.files(("runtime", "tools"), source_tree.CPP_SUFFIXES):
        layer = layer_of(path)
        if layer not in rules.layers:
            report.error(path, 1, f"folder {layer} has no row in the layer table of {TABLE}")
            continue
        text = tree.read(path)
        for match in INCLUDE.finditer(text):
            line = source_tree.line_of(text, match.start(1))
            quoted = text[match.start(1) - 1] == '"'
            header = match.group(1)
            # <linux/mount.h> is the kernel's although a folder of ours has the same name.
            if not quoted and header.split("/")[0] in rules.layers:
                continue
            check_include(rules, layer, header, lambda why, path=path, line=line: report.error(path, line, why))
    for path in tree.files(("runtime", "tools"), {".txt"}):
        if path.name == "CMakeLists.txt" and len(path.parts) > 2:
            check_dependencies(tree, path, rules, report)


def check_dependencies(tree, path, rules, report):
    layer = layer_of(path)
    allowed = rules.layers.get(layer, [])
    text = re.sub(r"#[^\n]*", blank_comment, tree.read(path))
    for match in re.finditer(r"\bglovebox::(\w+)", text):
        target = match.group(1).split("_")[0]
        if target not in rules.layers or target == layer or target in allowed or "everything" in allowed:
            continue
        line = source_tree.line_of(text, match.start())
        report.error(path, line, f"layer {layer} may not depend on glovebox::{match.group(1)}")


def blank_comment(match):
    return " " * len(match.group(0))


if __name__ == "__main__":
    source_tree.run(check, __doc__)
