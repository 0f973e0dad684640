#!/usr/bin/env python3
"""Sandboxes and commands are started from files that are exchanged meanwhile: forks of a sandbox that replaces its own
top directories and account files, and commands by a name that another line of /etc/passwd means each time.

Each start works or is refused with a reason; nothing of the host shows up; nothing is left; nobody gets more than the
profile gives. race.py says how long, and how to repeat one.
"""

import io
import re
import subprocess
import tarfile
import time
import unittest

import race
from race import MARK

PLACES = ["/workspace", "/home", "/home/agent", "/var", "/var/tmp", "/etc", "/etc/passwd", "/srv", "/mnt", "/opt", "/root", "/run",
          "/tmp", "/dev", "/dev/null", "/dev/shm", "/proc", "/usr"]
# Exchanges each of the places between all it can be. What is mounted stays: rename says EBUSY, and the next one is taken.
SWAPPER = r"""
use POSIX qw(mkfifo);
my ($target, $seed, @places) = @ARGV; srand($seed); umask 0;
sub gone { my ($p) = @_; return if unlink $p; opendir(my $d, $p) or return; my @n = grep { !/^\.\.?$/ } readdir $d;
           gone("$p/$_") for @n; rmdir $p }
$| = 1; print "swapping\n";
for (my $i = 0; ; ++$i) {
  my $place = $places[int(rand(@places))]; my $new = "$place.new"; my $kind = int(rand(7));
  if ($kind == 0) { symlink($target, $new) } elsif ($kind == 1) { symlink("../" x 30 . substr($target, 1), $new) }
  elsif ($kind == 2) { mkdir $new; open(F, ">$new/file"); print F "inside\n"; close F }
  elsif ($kind == 3) { mkfifo($new, 0666) } elsif ($kind == 4) { symlink("/proc/self/fd/" . int(rand(30)), $new) }
  elsif ($kind == 5) { symlink($place, $new) } else { open(F, ">$new"); print F "inside\n"; close F }
  rename($place, "$place.old"); rename($new, $place);
  gone("$place.old"); gone($new);
}
"""
# What a child has at each place, and all that can be read through it.
LOOK = r"""
use Fcntl; for my $p (@ARGV) {
  lstat $p; print "$p is ", (-l _ ? "a link to " . readlink($p) : -d _ ? "a directory" : -p _ ? "a FIFO" : -e _ ? "a file" : "gone"), "\n";
  for my $f ($p, "$p/file") { sysread(F, my $b, 4096) && print $b if sysopen(F, $f, O_RDONLY | O_NONBLOCK | O_NOCTTY) }
}
"""

USER = "mallory"
# Lines of whole account files: (passwd, group) -> what the command may then be.
ACCOUNTS = {
    f"{USER}:x:0:0::/:/bin/sh": (0, 0),
    f"{USER}:x:1000:0::/:/bin/sh": (1000, 0),
    f"{USER}:x:1000:1000::/home/agent:/bin/sh": (1000, 1000),
    f"{USER}:x:65534:65534::/:/bin/sh": (65534, 65534),
    f"{USER}:x:1234:2345::/:/bin/sh": (1234, 2345),
    f"{USER}:x:4294967295:4294967295::/:/bin/sh": None,  # the id that means none
    f"{USER}:x:4294967296:4294967296::/:/bin/sh": None,  # 0 in 32 bits
    f"{USER}:x:-1:-1::/:/bin/sh": None,
    f"{USER}:x:1000": None,
    "nobody:x:65534:65534::/:/bin/sh": None,
    "x" * 5000 + f"\n{USER}:x:1234:2345::" + "/" * 3000: (1234, 2345),
}
# Each version whole: a rename of a link to it. Where both are the same file already, rename does nothing.
ACCOUNT_SWAPPER = r"""
my ($in, $seed) = @ARGV; srand($seed); chdir($in) or die; opendir(my $d, "versions") or die; my @v = grep { !/^\./ } sort(readdir($d));
$| = 1; print "swapping\n";
for (;;) {
  for my $name ("passwd", "group") {
    my $v = $v[int(rand(@v))];
    link("versions/$v", "$name.new") or die "$v: $!"; rename("$name.new", $name); unlink("$name.new");
  }
}
"""
PREPARE = r"""
set -e; mkdir -p "$IN/versions"; cd "$IN/versions"; n=0
for text in "$@"; do n=$((n+1)); printf '%s\n' "$text" > a$n; done
{ head -c 2000000 /dev/zero | tr '\0' '\n'; echo "mallory:x:0:0::/:/bin/sh"; } > far
head -c 3000000 /dev/zero | tr '\0' x > long
truncate -s 4G sparse
mkfifo -m 666 fifo
ln -s "$TARGET/file" outside; ln -s /proc/self/environ environ; ln -s /proc/1/environ init; ln -s passwd loop; ln -s /dev/zero zero
for g in 0 1000 1234 65534; do echo "x$g:x:$g:mallory"; done > groups
echo "root:x:0:mallory" > groups0
"""


class StartRaces(race.RaceCase):
    def test_forks_of_a_sandbox_that_exchanges_its_directories(self):
        parent = self.create("--root-inside")
        self.swap(parent, SWAPPER, str(self.host), str(self.random.randrange(1 << 31)), *PLACES, options=("-u", "0", "-w", "/"))
        naive = [f"/proc/{self.daemon.init_of(parent)}/root{place}/file" for place in PLACES]
        kinds, refused = set(), 0

        def fork():
            nonlocal refused
            forked = self.daemon.cli("fork", parent)
            if forked.returncode != 0:
                refused += 1
                self.assertRegex(forked.stderr, rb"\Aglovebox: ")
                self.assertEqual(list(self.known()), [parent])
                return forked
            child = forked.stdout.decode().strip()
            looked = self.daemon.cli("exec", "-u", "0", "-w", "/", child, "--", "/usr/bin/perl", "-e", LOOK, *PLACES)
            kinds.update(re.findall(r"^/\S+ is .*$", looked.stdout.decode(errors="replace"), re.MULTILINE))
            place = self.random.choice(PLACES)
            there = self.daemon.cli("exec", "-w", place, child, "--", "/usr/bin/sh", "-c", "pwd -P; cat file")
            self.assertNotIn(MARK.encode(), there.stdout + there.stderr)
            if there.returncode in (125, 126, 127):
                self.assertRegex(there.stderr, rb"\Aglovebox: ")
            self.ok("rm", "--force", child)
            self.assertEqual(list(self.known()), [parent])
            return looked

        self.race(fork, *naive, until=lambda: len(kinds) > len(PLACES))
        print(f"{refused} forks refused; {len(kinds)} different things seen at {len(PLACES)} places")
        self.assertGreater(len(kinds), len(PLACES), "children are of different moments of the exchange")

    def import_image_with_open_accounts(self):
        """Of this host's programs, as few as do."""
        archive = self.daemon.root / "accounts.tar"
        programs = [f"/usr/bin/{name}" for name in ("dash", "perl", "grep", "head", "tr", "truncate", "mkfifo", "ln", "mkdir")]
        listed = subprocess.run(["ldd", *programs], capture_output=True, text=True, check=True).stdout
        with tarfile.open(archive, "w", dereference=True) as tar:
            for name, mode, uid in (("usr", 0o755, 0), ("etc", 0o755, 0), ("home/agent/a", 0o777, 1000)):
                entry = tarfile.TarInfo(name)
                entry.type, entry.mode, entry.uid, entry.gid = tarfile.DIRTYPE, mode, uid, uid
                tar.addfile(entry)
            for name, target in (("bin", "usr/bin"), ("lib", "usr/lib"), ("lib64", "usr/lib64"), ("usr/bin/sh", "dash"),
                                 ("etc/passwd", "../home/agent/a/passwd"), ("etc/group", "../home/agent/a/group")):
                entry = tarfile.TarInfo(name)
                entry.type, entry.linkname = tarfile.SYMTYPE, target
                tar.addfile(entry)
            for path in sorted({*programs, *re.findall(r"(/\S+) \(0x", listed)}):
                tar.add(path, "usr" + path.removeprefix("/usr"))
            for name in ("passwd", "group"):
                tar.addfile(tarfile.TarInfo(f"home/agent/a/{name}"), io.BytesIO())
        self.ok("image", "import", "accounts", archive)

    def mallory(self, *options, user, directory):
        """A sandbox whose passwd and group in `directory` are of another version each time somebody looks."""
        sandbox = self.create(*options)
        self.ok("exec", "-u", user, "-w", "/", "-e", f"TARGET={self.host}", "-e", f"IN={directory}", sandbox, "--", "/usr/bin/sh", "-c",
                PREPARE, "prepare", *ACCOUNTS)
        self.swap(sandbox, ACCOUNT_SWAPPER, directory, str(self.random.randrange(1 << 31)), options=("-u", user, "-w", "/"))
        return sandbox

    def be_mallory(self, sandbox, directory, root):
        """Runs a command by name until the time is over; what it ever was."""
        seen, refusals = set(), {}

        def run():
            done = self.daemon.cli("exec", "-u", USER, "-w", "/", sandbox, "--", "/usr/bin/grep", "-E",
                                   "^(Uid|Gid|Groups|CapEff|CapBnd|CapInh|NoNewPrivs):", "/proc/self/status")
            if done.returncode != 0:
                text = done.stderr.decode()
                self.assertRegex(text, r"\Aglovebox: ")
                self.assertEqual(done.stdout, b"")
                refusals[text] = refusals.get(text, 0) + 1
                return done
            status = dict(line.split(":\t") for line in done.stdout.decode().splitlines())
            uids, gids = ({int(one) for one in status[key].split()} for key in ("Uid", "Gid"))
            self.assertEqual((len(uids), len(gids), status["NoNewPrivs"]), (1, 1, "1"), status)
            one = (uids.pop(), gids.pop())
            groups = {int(group) for group in status["Groups"].split()}
            self.assertIn(one, ACCOUNTS.values())
            self.assertLessEqual(groups, {0, 1000, 1234, 65534})
            capabilities = {status[key].strip() for key in ("CapEff", "CapBnd")}
            if one[0] != 0 or not root:
                self.assertEqual({*capabilities, status["CapInh"].strip()}, {"0" * 16}, status)
            if not root:
                self.assertNotIn(0, groups | set(one), "root, or a member of its group, without a profile that says so")
            seen.add((one, tuple(sorted(groups))))
            return done

        started = time.monotonic()
        self.race(run, f"/proc/{self.daemon.init_of(sandbox)}/root{directory}/passwd", until=lambda: len(seen) > 1 and refusals)
        print(f"{len(seen)} different users, {sum(refusals.values())} refusals of {len(refusals)} kinds, {time.monotonic() - started:.1f} s")
        self.assertGreater(len(seen), 1, "it was always the same user: nothing was exchanged")
        self.assertTrue(refusals, "no version was refused: nothing was exchanged")
        return seen

    def test_account_files_that_change_while_a_command_starts_as_root_inside(self):
        self.be_mallory(self.mallory("--root-inside", user="0", directory="/etc"), "/etc", root=True)

    def test_account_files_that_change_while_a_command_starts(self):
        """In an image whose account files lie where commands may write: the profile alone is between a line that says 0 and root."""
        self.import_image_with_open_accounts()
        self.addCleanup(self.daemon.cli, "image", "rm", "accounts")
        options = ("--image", "accounts")
        self.be_mallory(self.mallory(*options, user="1000", directory="/home/agent/a"), "/home/agent/a", root=False)


if __name__ == "__main__":
    unittest.main()
