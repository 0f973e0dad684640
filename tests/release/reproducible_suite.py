#!/usr/bin/env python3
"""The static programs that run inside of every sandbox are the same bytes wherever they are built.

They are built once more, by the build's own command lines, from a copy of the sources in a directory of another name.
"""

import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

TOP = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("GLOVEBOX_BUILD", TOP / "build/release")).resolve()
NINJA = os.environ.get("GLOVEBOX_NINJA", "ninja")
PROGRAMS = ("glovebox-init", "glovebox-spawner")
PREFIX_MAP = re.compile(r"-ffile-prefix-map=\S+ ")


def commands_of(program):
    """Without ccache, which would give what it kept of the first directory."""
    text = subprocess.run([NINJA, "-C", BUILD, "-t", "commands", program], check=True, capture_output=True, text=True).stdout
    return [re.sub(r"^\S*ccache ", "", line) for line in text.splitlines() if re.search(r" -[co] ", line)]


class Reproducible(unittest.TestCase):
    def setUp(self):
        self.elsewhere = pathlib.Path(tempfile.mkdtemp(prefix="glovebox-a-directory-of-another-name-", dir="/tmp")).resolve()
        self.addCleanup(shutil.rmtree, self.elsewhere)
        (self.elsewhere / "build").mkdir()

    def run_elsewhere(self, command):
        out = self.elsewhere / "build" / re.search(r" -o (\S+)", command).group(1)
        out.parent.mkdir(parents=True, exist_ok=True)
        moved = command.replace(str(BUILD), str(self.elsewhere / "build")).replace(str(TOP), str(self.elsewhere))
        done = subprocess.run(moved, shell=True, cwd=self.elsewhere / "build", capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, f"{moved}\n{done.stderr}")
        return out

    def test_the_static_programs_are_the_same_from_another_directory(self):
        shutil.copytree(TOP / "runtime", self.elsewhere / "runtime")
        for program in PROGRAMS:
            commands = commands_of(program)
            compilations = [command for command in commands if " -c " in command]
            self.assertGreater(len(compilations), 5, f"{BUILD} knows how to build {program}")
            with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
                list(pool.map(self.run_elsewhere, compilations))
            for command in commands[len(compilations):]:
                out = self.run_elsewhere(command)
            self.assertEqual(out.name, program)
            here = (BUILD / "bin" / program).read_bytes()
            self.assertTrue(here == out.read_bytes(), f"{program} of {BUILD} is not what its sources give elsewhere; is it built?")
            self.assertNotIn(str(TOP).encode(), here)

    def test_a_path_in_a_program_would_be_seen(self):
        """The control: __FILE__ differs without the option, and does not with it."""
        command = next(command for command in commands_of("glovebox-init") if " -c " in command)
        source = re.search(r" -c (\S+)", command).group(1)
        results = {}
        for name, line in (("with", command), ("without", PREFIX_MAP.sub("", command))):
            objects = []
            for number in (1, 2):
                file = self.elsewhere / f"place{number}" / "file.cc"
                file.parent.mkdir(exist_ok=True)
                file.write_text("extern const char kFile[];\nconst char kFile[] = __FILE__;\n")
                told = line.replace(source, str(file)).replace(f"={TOP}=", f"={file.parent}=")
                objects.append(self.run_elsewhere(told).read_bytes())
            results[name] = objects[0] == objects[1]
        self.assertEqual(results, {"with": True, "without": False})


if __name__ == "__main__":
    unittest.main()
