#!/usr/bin/env python3
"""From a write inside a sandbox to the frame at the client, alone and in a storm, and what idle watches cost. Prints figures.

Names of files are times of CLOCK_MONOTONIC, which is one clock inside and outside.
    GLOVEBOX_BIN=build/release/bin /usr/bin/python3 tests/soak/watch_latency.py [writes]"""

import os
import pathlib
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
import api_client  # noqa: E402
import daemon  # noqa: E402

WRITER = r"""
import os, random, sys, time
for i in range(int(sys.argv[1])):
    time.sleep(random.uniform(0.5, 1.5) * float(sys.argv[2]))
    os.close(os.open(f"/workspace/at-{time.monotonic_ns()}", os.O_CREAT | os.O_WRONLY))
open("/workspace/last", "w").close()
"""
STORM = r"""
import os
os.makedirs("/workspace/storm", exist_ok=True)
i = 0
while True:
    i += 1
    with open(f"/workspace/storm/{i % int(__import__('sys').argv[1])}", "w") as file:
        file.write(str(i))
"""


def percentiles(values):
    values = sorted(values)
    return {p: round(values[min(len(values) - 1, int(len(values) * p / 100))], 1) for p in (50, 90, 99, 100)}


def cpu_s(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def latencies(server, api, sandbox, writes, pause):
    stream = api.stream("Change", "WatchChanges", timeout=3600, sandbox_id=sandbox, ignore=[b"storm/"])
    next(stream)
    writer = threading.Thread(target=server.cli, args=("exec", sandbox, "--", "python3", "-c", WRITER, writes, pause),
                              kwargs={"timeout": 3600})
    used, begun = cpu_s(server.process.pid), time.monotonic()
    writer.start()
    seen, ended = [], False
    while not ended:
        message = next(stream)
        now = time.monotonic_ns()
        for change in message.changes:
            ended = ended or change.path == b"last"
            if change.path.startswith(b"at-"):
                seen.append((now - int(change.path[3:])) / 1e6)
    share = (cpu_s(server.process.pid) - used) / (time.monotonic() - begun)
    writer.join()
    stream.cancel()
    server.cli("exec", sandbox, "--", "sh", "-c", "rm -f /workspace/at-* /workspace/last")
    return f"{len(seen)} writes, ms by percentile {percentiles(seen)}, daemon {100 * share:.1f} % of a processor"


def main():
    writes = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    server = daemon.Daemon()
    server.start()
    try:
        api = api_client.Api(server.socket)
        path, _ = daemon.repository(server.root)
        sandbox = server.cli("create", "--repo", path).stdout.decode().strip()
        print("alone:", latencies(server, api, sandbox, writes, 0.1), flush=True)
        for files in (100, 1000, 10_000):
            storm = server.popen("exec", sandbox, "--", "python3", "-c", STORM, files)
            daemon.wait_until(lambda: int(server.cli("exec", sandbox, "--", "sh", "-c", "ls /workspace/storm | wc -l").stdout
                                          or 0) >= files, "the storm blows", 600)
            print(f"storm over {files} files:", latencies(server, api, sandbox, writes, 0.1), flush=True)
            storm.terminate()
            storm.communicate()
            server.cli("exec", sandbox, "--", "rm", "-rf", "/workspace/storm")
        sleepers = [server.popen("exec", sandbox, "--", "sleep", "600")]
        streams = [api.stream("Change", "WatchChanges", timeout=600, sandbox_id=sandbox) for _ in range(10)]
        for stream in streams:
            next(stream)
        time.sleep(10)
        used = cpu_s(server.process.pid)
        time.sleep(20)
        print(f"ten idle watches beside a sleeping command: {(cpu_s(server.process.pid) - used) * 5:.2f} % of a processor")
        for one in sleepers:
            one.kill()
            one.communicate()
    finally:
        server.stop()


if __name__ == "__main__":
    main()
