#!/usr/bin/env python3
"""The programs of the release build are hardened as cmake/GloveboxOptions.cmake says: read from the files, as checksec does.

Indirect branch tracking and shadow stacks are marked in every object of ours and in the static programs; the marking of a
program that has Debian 12's start-up objects in it is lost with them, whatever it was compiled with.
"""

import os
import pathlib
import re
import subprocess
import tempfile
import unittest

TOP = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("GLOVEBOX_BUILD", TOP / "build/release")).resolve()
DYNAMIC, STATIC = ("gloveboxd", "glovebox", "glovebox-egress", "glovebox-front", "glovebox-importer"), ("glovebox-init", "glovebox-spawner")
STATIC_WITH_LIBC = ("glovebox-files",)
MARK = "x86 feature: IBT, SHSTK"


def readelf(*arguments):
    return subprocess.run(["readelf", "-W", *map(str, arguments)], capture_output=True, text=True, check=True).stdout


def faults_of(program):
    """What a dynamic program lacks."""
    headers, dynamic, symbols = readelf("-hl", program), readelf("-d", program), readelf("--dyn-syms", program)
    wanted = {"position independent": re.search(r"Type: +DYN .*Position-Independent", headers),
              "read-only relocations": "GNU_RELRO" in headers, "bound at once": "BIND_NOW" in dynamic,
              "no library path of its own": not re.search(r"RPATH|RUNPATH", dynamic),
              "stack protector": "__stack_chk_fail" in symbols, "fortified": re.search(r"__\w+_chk@", symbols)}
    return [what for what, there in wanted.items() if not there] + executable_data(headers)


def executable_data(headers):
    """Segments that are writable and executable, the stack among them."""
    return [line.split()[0] for line in headers.splitlines() if re.search(r" RWE? *0x", line) and "RWE" in line]


class Hardening(unittest.TestCase):
    def test_the_dynamic_programs_have_it_all(self):
        for name in DYNAMIC:
            # These two are compiled so too, and call nothing that has a checked form.
            excused = ["fortified"] if name in ("glovebox-front", "glovebox-importer") else []
            self.assertEqual([one for one in faults_of(BUILD / "bin" / name) if one not in excused], [], name)

    def test_the_static_programs_have_no_libraries_and_no_executable_data_and_are_marked(self):
        for name in STATIC:
            headers = readelf("-hl", BUILD / "bin" / name)
            self.assertEqual(executable_data(headers), [], name)
            self.assertIn("GNU_STACK", headers)
            self.assertNotIn("INTERP", headers)
            self.assertIn(MARK, readelf("-n", BUILD / "bin" / name))

    def test_the_static_program_with_a_libc_has_no_libraries_and_is_position_independent(self):
        for name in STATIC_WITH_LIBC:
            headers = readelf("-hl", BUILD / "bin" / name)
            self.assertEqual(executable_data(headers), [], name)
            self.assertNotIn("INTERP", headers)
            self.assertIn("GNU_RELRO", headers)
            self.assertRegex(headers, r"Type: +DYN")

    def test_every_object_of_ours_is_marked_and_the_stack_is_protected(self):
        objects = [path for folder in ("runtime", "tools", "proto") for path in (BUILD / folder).rglob("*.o")]
        self.assertGreater(len(objects), 100, f"{BUILD} is built")
        unmarked = [path for path in objects if path.suffixes[-2:] != [".S", ".o"] and MARK not in readelf("-n", path)]
        self.assertEqual([str(path.relative_to(BUILD)) for path in unmarked], [])
        protected = {path.parent.name for path in objects if "__stack_chk_fail" in readelf("-s", path)}
        for folder in ("glovebox-front.dir", "glovebox-init.dir", "glovebox-spawner.dir", "glovebox_service.dir", "glovebox_changes.dir"):
            self.assertTrue(any(folder in one or one == folder for one in protected), f"{folder} is not protected")

    def test_a_program_without_it_is_seen(self):
        """The control."""
        with tempfile.TemporaryDirectory() as folder:
            source = pathlib.Path(folder, "plain.c")
            source.write_text('#include <string.h>\nint main(int n, char **v) { char b[64]; strcpy(b, v[0]); return b[n]; }\n')
            plain = pathlib.Path(folder, "plain")
            subprocess.run(["cc", "-O2", "-U_FORTIFY_SOURCE", "-fno-stack-protector", "-no-pie", "-Wl,-z,norelro,-z,lazy,-z,execstack,-rpath=/x",
                            "-o", plain, source], check=True)
            self.assertEqual(faults_of(plain), ["position independent", "read-only relocations", "bound at once",
                                                "no library path of its own", "stack protector", "fortified", "GNU_STACK"])
            self.assertNotIn(MARK, readelf("-n", plain))


if __name__ == "__main__":
    unittest.main()
