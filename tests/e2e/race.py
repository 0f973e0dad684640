"""What races have in common: a printed seed, a limit of time, bait on the host, and the proof that the race is one.

GLOVEBOX_RACE_SECONDS (2) is how long each race lasts; GLOVEBOX_RACE_SEED repeats one.
"""

import os
import pathlib
import random
import shutil
import tempfile
import time

import daemon

SECONDS = float(os.environ.get("GLOVEBOX_RACE_SECONDS", "2"))
SEED = int(os.environ.get("GLOVEBOX_RACE_SEED", random.SystemRandom().randrange(1 << 32)))
MARK = "host-only-" + os.urandom(8).hex()
LOOKS = 300  # of the naive reader after each call: a few milliseconds
OPENING = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


def naive_read(path):
    """As a program does that believes in paths; nothing where there is no such file at this moment."""
    try:
        file = os.open(path, OPENING)
    except OSError:
        return b""
    try:
        return os.read(file, 4096)
    except OSError:  # a directory, or a FIFO that has a writer and no byte
        return b""
    finally:
        os.close(file)


class RaceCase(daemon.DaemonCase):
    def setUp(self):
        print(f"seed {SEED}")
        self.random = random.Random(SEED)
        self.host = pathlib.Path(tempfile.mkdtemp(prefix="glovebox-race-", dir="/var/tmp"))
        self.addCleanup(shutil.rmtree, self.host)
        self.host.chmod(0o755)
        for name in ("file", MARK):
            (self.host / name).write_text(MARK + "\n")
        self.before = self.listing()
        self.astray = 0

    def listing(self):
        return {path.name: path.read_text() for path in self.host.iterdir()}

    def swap(self, sandbox, script, *arguments, options=()):
        """Starts a Perl program in a sandbox, which says "swapping" when it does."""
        swapper = self.daemon.popen("exec", *options, sandbox, "--", "perl", "-e", script, *arguments)
        self.addCleanup(self.reap, swapper)
        self.assertEqual(swapper.stdout.readline(), b"swapping\n")
        return swapper

    @staticmethod
    def reap(swapper):
        if swapper.poll() is None:
            swapper.kill()
        swapper.communicate(timeout=daemon.DEADLINE_S)

    def look_naively(self, *paths):
        """The control: who walks the same tree by path is led to the bait, so the exchanges happen where it matters."""
        for _ in range(LOOKS):
            self.astray += MARK.encode() in naive_read(self.random.choice(paths))

    def race(self, operation, *naive_paths, until=lambda: True, seconds=SECONDS):
        """Calls `operation` until the time is over, a naive reader of the paths was led astray, and `until` holds; each call
        ends by itself, and shows nothing of the host."""
        end, rounds, good = time.monotonic() + seconds, 0, 0
        late = end + daemon.DEADLINE_S

        def goes_on():
            if time.monotonic() < end or rounds < 3:
                return True
            return not (until() and (self.astray or not naive_paths)) and time.monotonic() < late

        while goes_on():
            done = operation()
            rounds += 1
            good += done.returncode == 0
            self.assertNotIn(MARK.encode(), done.stdout + done.stderr)
            if naive_paths:
                self.look_naively(*naive_paths)
        self.assertEqual(self.listing(), self.before)
        self.assertEqual(self.daemon.cli("version").returncode, 0)
        print(f"{self.id()}: {rounds} rounds, {good} of them well; a naive reader was led astray {self.astray} times")
        if naive_paths:
            self.assertGreater(self.astray, 0, "nobody could have been led astray: this was no race")
