"""strace as a tool: it sees system calls, makes them fail, or sends a signal there (-e inject=)."""

import os
import pathlib
import re
import subprocess

import daemon

POINTS = os.environ.get("GLOVEBOX_CRASH_POINTS", "6")  # how many, or "all"
LINE = re.compile(r"^(\d+)\s+(\w+)\(")  # of its output with -f: process and call


class Tracer:
    """strace attached to every thread of a process."""

    def __init__(self, pid, *options):
        self.process = subprocess.Popen(["strace", "-f", "-p", str(pid), *options], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        # One line per thread that it attached to; the first says that it is there, the rest follows at once.
        first = self.process.stderr.readline()
        if "attached" not in first:
            raise AssertionError(f"strace: {first}")
        daemon.wait_until(lambda: self._traces_all(pid), "strace traces every thread")

    @staticmethod
    def _traces_all(pid):
        """Also when the process has died: then there is no thread that it does not trace."""
        for task in pathlib.Path(f"/proc/{pid}/task").glob("*/status"):
            try:
                if "TracerPid:\t0\n" in task.read_text():
                    return False
            except OSError:
                pass  # a thread that ended meanwhile
        return True

    def stop(self):
        self.process.terminate()
        self.process.communicate(timeout=daemon.DEADLINE_S)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
