#!/usr/bin/env python3
"""A sandbox exchanges directories, links, files and FIFOs under the hands of the daemon and the CLI, which meanwhile
start commands there, copy, list changes, print patches and delete. Nothing of the host shows up, nothing is made
outside, nothing hangs, and the daemon serves on.

GLOVEBOX_RACE_SECONDS (2) is how long each race lasts; GLOVEBOX_RACE_SEED repeats one.
"""

import os
import pathlib
import random
import shutil
import tempfile
import time
import unittest

import daemon

SECONDS = float(os.environ.get("GLOVEBOX_RACE_SECONDS", "2"))
SEED = int(os.environ.get("GLOVEBOX_RACE_SEED", random.SystemRandom().randrange(1 << 32)))
MARK = "host-only-" + os.urandom(8).hex()
# Exchanges $dir/x between all it can be, as fast as it can. Perl, for it is in every image that has git.
SWAPPER = r"""
use POSIX qw(mkfifo);
my ($dir, $target, $seed) = @ARGV; srand($seed); chdir($dir) or die; mkdir "real"; open(F, ">real/file"); print F "inside\n"; close F;
$| = 1; print "swapping\n";
for (my $i = 0; ; ++$i) {
  my $kind = int(rand(7)); my $new = "n$i";
  if ($kind == 0) { symlink($target, $new) } elsif ($kind == 1) { symlink("../" x 30 . substr($target, 1), $new) }
  elsif ($kind == 2) { mkdir $new; open(F, ">$new/file"); print F "inside\n"; close F }
  elsif ($kind == 3) { mkfifo($new, 0600) } elsif ($kind == 4) { symlink("/proc/self/fd/" . int(rand(30)), $new) }
  elsif ($kind == 5) { symlink("x", $new) } else { symlink("real", $new) }
  rename("x", "old") ; rename($new, "x");
  unlink("old/file"); rmdir("old"); unlink("old");
}
"""


class Races(daemon.DaemonCase):
    def setUp(self):
        print(f"seed {SEED}")
        self.random = random.Random(SEED)
        self.host = pathlib.Path(tempfile.mkdtemp(prefix="glovebox-race-", dir="/var/tmp"))
        self.addCleanup(shutil.rmtree, self.host)
        self.host.chmod(0o755)
        for name in ("file", MARK):
            (self.host / name).write_text(MARK + "\n")
        self.before = self.listing()

    def listing(self):
        return {path.name: path.read_text() for path in self.host.iterdir()}

    def swapped(self):
        """A sandbox in which /home/agent/race/x is never the same for long."""
        sandbox = self.create()
        self.ok("exec", sandbox, "--", "mkdir", "-p", "/home/agent/race")
        swapper = self.daemon.popen("exec", sandbox, "--", "perl", "-e", SWAPPER, "/home/agent/race", str(self.host),
                                    str(self.random.randrange(1 << 31)))
        self.assertEqual(swapper.stdout.readline(), b"swapping\n")
        self.addCleanup(self.reap, swapper)
        return sandbox

    @staticmethod
    def reap(swapper):
        if swapper.poll() is None:
            swapper.kill()
        swapper.communicate(timeout=daemon.DEADLINE_S)

    def race(self, operation):
        """Calls `operation` until the time is over; each call ends by itself, and shows nothing of the host."""
        end, rounds, good = time.monotonic() + SECONDS, 0, 0
        while time.monotonic() < end or rounds < 3:
            done = operation()
            rounds += 1
            good += done.returncode == 0
            self.assertNotIn(MARK.encode(), done.stdout + done.stderr)
        self.assertEqual(self.listing(), self.before)
        self.assertEqual(self.daemon.cli("version").returncode, 0)
        print(f"{self.id()}: {rounds} rounds, {good} of them well")

    def test_exec_in_a_swapped_directory(self):
        sandbox = self.swapped()
        self.race(lambda: self.daemon.cli("exec", "-w", "/home/agent/race/x", sandbox, "--", "sh", "-c",
                                          "pwd; cat file; echo made >made"))

    def test_copy_out_of_a_swapped_directory(self):
        sandbox = self.swapped()
        out = self.daemon.root / "out"

        def copy():
            done = self.daemon.cli("cp", f"{sandbox}:/home/agent/race/x", out)
            self.assertFalse(self.shows_mark(out), "a file of the host was copied")
            if out.is_symlink() or out.is_file():
                out.unlink()
            shutil.rmtree(out, ignore_errors=True)
            return done
        self.race(copy)

    @staticmethod
    def shows_mark(path):
        """Whether a copied regular file has it; a copied link is only a name."""
        if path.is_symlink() or not path.exists():
            return False
        files = [path] if path.is_file() else [one for one in path.rglob("*") if not one.is_symlink() and one.is_file()]
        return any(MARK in one.read_text(errors="replace") for one in files)

    def test_copy_into_a_swapped_directory(self):
        sandbox = self.swapped()
        source = self.daemon.root / "source"
        source.write_text("from outside\n")
        self.race(lambda: self.daemon.cli("cp", source, f"{sandbox}:/home/agent/race/x/{MARK}"))

    def test_changes_and_patch_of_a_swapped_tree(self):
        sandbox = self.swapped()
        calls = [(verb, "--path", path, sandbox) for verb in ("changes", "diff")
                 for path in ("/home/agent", "/home/agent/race/x")]
        self.race(lambda: self.daemon.cli(*self.random.choice(calls)))

    def test_delete_while_it_swaps(self):
        end, rounds = time.monotonic() + SECONDS, 0
        while time.monotonic() < end or rounds < 2:
            self.ok("rm", "--force", self.swapped())
            rounds += 1
        self.assertEqual(self.listing(), self.before)


if __name__ == "__main__":
    unittest.main()
