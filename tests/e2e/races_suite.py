#!/usr/bin/env python3
"""A sandbox exchanges directories, links, files and FIFOs under the hands of the daemon and the CLI, which meanwhile
start commands there, copy, list changes, print patches and delete. Nothing of the host shows up, nothing is made
outside, nothing hangs, and the daemon serves on. race.py says how long, and how to repeat one.
"""

import shutil
import time
import unittest

import race
from race import MARK, SECONDS

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


class Races(race.RaceCase):
    def swapped(self):
        """A sandbox in which /home/agent/race/x is never the same for long."""
        sandbox = self.create()
        self.ok("exec", sandbox, "--", "mkdir", "-p", "/home/agent/race")
        self.swap(sandbox, SWAPPER, "/home/agent/race", str(self.host), str(self.random.randrange(1 << 31)))
        self.naive = f"/proc/{self.daemon.init_of(sandbox)}/root/home/agent/race/x/file"
        return sandbox

    def test_exec_in_a_swapped_directory(self):
        sandbox = self.swapped()
        self.race(lambda: self.daemon.cli("exec", "-w", "/home/agent/race/x", sandbox, "--", "sh", "-c",
                                          "pwd; cat file; echo made >made"), self.naive)

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
        self.race(copy, self.naive)

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
        self.race(lambda: self.daemon.cli("cp", source, f"{sandbox}:/home/agent/race/x/file"), self.naive)

    def test_changes_and_patch_of_a_swapped_tree(self):
        sandbox = self.swapped()
        calls = [(verb, "--path", path, sandbox) for verb in ("changes", "diff")
                 for path in ("/home/agent", "/home/agent/race/x")]
        self.race(lambda: self.daemon.cli(*self.random.choice(calls)), self.naive)

    def test_delete_while_it_swaps(self):
        end, rounds = time.monotonic() + SECONDS, 0
        while time.monotonic() < end or rounds < 2:
            self.ok("rm", "--force", self.swapped())
            rounds += 1
        self.assertEqual(self.listing(), self.before)


if __name__ == "__main__":
    unittest.main()
