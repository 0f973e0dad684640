"""The tests of other projects, run inside a sandbox and outside of it, and what differs."""

import os
import pathlib
import subprocess
import tempfile
import xml.etree.ElementTree

PYTHON = "/usr/bin/python3.11"  # Debian's, which the image `host` has too

# What CPython's tests find otherwise in a sandbox.
PYTHON_DIFFERENCES = {
    # No file is larger than the sandbox's disk, so some of more than 2 GiB do not fit.
    "test.test_resource.ResourceTest.test_fsize_ismax",
    "test.test_mmap.LargeMmapTests.test_around_2GB",
    "test.test_mmap.LargeMmapTests.test_around_4GB",
    "test.test_mmap.LargeMmapTests.test_large_filesize",
    "test.test_mmap.LargeMmapTests.test_large_offset",
    # Skipped where a process may have a million files open; a sandbox's has fewer, and it passes.
    "test.test_subprocess.ProcessTestCase.test_no_leaking",
    "test.test_subprocess.ProcessTestCaseNoPoll.test_no_leaking",
}
# UDP-Lite is refused, as on a kernel without it; CPython takes it for there when the C library knows its number.
PYTHON_IGNORED = "*UDPLITE*"


def python_command(modules):
    """Runs CPython's tests; its output ends with the results as JUnit's XML."""
    script = ('file=${TMPDIR:-/tmp}/results.xml; runner=$1; shift; '
              '"$runner" -m test --junit-xml "$file" --timeout 600 "$@"; echo; cat "$file"')
    return ["sh", "-c", script, "sh", PYTHON, "--ignore", PYTHON_IGNORED, *modules]


def python_results(output):
    """{test: ok, skipped, failure or error}."""
    results = {}
    for case in xml.etree.ElementTree.fromstring(output[output.rindex(b"\n<testsuites"):]).iter("testcase"):
        kinds = {child.tag for child in case} & {"skipped", "failure", "error"}
        results[case.get("name")] = kinds.pop() if kinds else "ok"
    return results


def run_outside(command, timeout):
    """Its output as an ordinary user, with an environment like a sandbox's."""
    with tempfile.TemporaryDirectory(prefix="glovebox-e2e-") as directory:
        os.chmod(directory, 0o777)
        plain = ["setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups", "--", "env", "-i",
                 "PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8", f"HOME={directory}", f"TMPDIR={directory}"]
        done = subprocess.run([*plain, *command], cwd=pathlib.Path(directory), stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=timeout)
        return done.stdout


def run_inside(daemon, sandbox, command, timeout):
    return daemon.cli("exec", sandbox, "--", "env", "LANG=C.UTF-8", *command, timeout=timeout).stdout


def differences(inside, outside):
    """{test: both results} where they differ."""
    return {name: (inside.get(name), outside.get(name)) for name in inside.keys() | outside.keys()
            if inside.get(name) != outside.get(name)}
