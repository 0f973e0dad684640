#!/usr/bin/env python3
"""WatchChanges: all that is told, put together, is what the tree is, whatever happens to sandbox, daemon, client and hints."""

import contextlib
import json
import pathlib
import random
import signal
import subprocess
import sys
import unittest

import api_client
import daemon
import grpc
from clients import OWNER, ClientsCase

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "faults"))
from tracer import Tracer  # noqa: E402

CHANGE = api_client.MESSAGES.change
DELETED = CHANGE.ChangeKind.Value("CHANGE_KIND_DELETED")
# Every path but directories: what it is and what is known of it, without its content.
ORACLE = r"""
import os, stat, sys
top, out = os.fsencode(sys.argv[1]), []
for where, names, files in os.walk(top):
    if where == top and b".git" in names:
        names.remove(b".git")
    for name in files + names:
        path = os.path.join(where, name)
        info = os.lstat(path)
        if stat.S_ISDIR(info.st_mode):
            continue
        what = b"s%o" % stat.S_IFMT(info.st_mode)
        if stat.S_ISLNK(info.st_mode):
            what = b"l" + os.readlink(path)
        elif stat.S_ISREG(info.st_mode):
            what = b"%c%d" % (b"x"[0] if info.st_mode & 0o100 else b"f"[0], info.st_size)
        out += [os.path.relpath(path, top), what]
sys.stdout.buffer.write(b"\0".join(out))
"""
# Writes through a mapping that stays, of a file that was closed before, and prints when it has written.
MAPPED = r"""
import mmap, os, sys
with open("mapped", "w+b") as file:
    file.write(b"0" * 4096)
    file.flush()
    memory = mmap.mmap(file.fileno(), 4096)
print("mapped", flush=True)
sys.stdin.readline()
memory[0:1] = b"1"
print("written", flush=True)
sys.stdin.readline()
"""
MOVES_DEEP = r"""
import os
import time
names = ["top", "second"] + ["d"] * 38
os.makedirs("/".join(names))
for level in range(1, 41):
    for i in range(20):
        open("/".join(names[:level]) + f"/f{i}", "w").write(f"{level}")
until = time.monotonic() + 4
while time.monotonic() < until:
    os.rename("top/second", "top/other")
    os.rename("top/other", "top/second")
open("end", "w").write("end")
"""
SWAPS = r"""
import os
os.makedirs("real", exist_ok=True)
for i in range(3000):
    name = f"swap{i % 5}"
    try:
        if i % 4 == 0:
            os.symlink(("/etc", "/etc/shadow", "real", ".")[i % 3], name)
        elif i % 4 == 1:
            os.unlink(name)
            os.mkdir(name)
            open(f"{name}/in", "w").write("in")
        elif i % 4 == 2:
            os.rename(name, f"{name}-moved")
            os.symlink("/", name)
        else:
            os.unlink(name)
            os.unlink(f"{name}-moved/in")
            os.rmdir(f"{name}-moved")
            os.mkfifo(name)
            os.unlink(name)
    except OSError:
        pass
"""


class Watch:
    """One stream, and what it has told so far, put together."""

    def __init__(self, api, sandbox, base=None, timeout=300, **fields):
        self.model = dict(base or {})
        self.base = dict(base or {})
        self.call = api.stream("Change", "WatchChanges", timeout=timeout, sandbox_id=sandbox, **fields)
        self.cursor = fields.get("cursor")
        self.fresh = None

    def batch(self):
        """The next whole batch, as (change, path); its cursor and `fresh_instance` are kept."""
        changes, self.fresh = [], False
        while True:
            message = next(self.call)
            if message.fresh_instance:
                changes, self.fresh = [], True
            changes += message.changes
            if message.cursor:
                break
        self.cursor = message.cursor
        if self.fresh:
            self.model = dict(self.base)
        for change in changes:
            self.apply(change)
        return changes

    def apply(self, change):
        kind = CHANGE.FileType.Name(change.type)
        if change.kind == DELETED:
            self.model.pop(change.path, None)
        elif kind == "FILE_TYPE_SYMLINK":
            self.model[change.path] = b"l" + change.symlink_target
        elif kind == "FILE_TYPE_REGULAR":
            self.model[change.path] = b"%c%d" % (b"x"[0] if change.new_mode & 0o100 else b"f"[0], change.new_size_bytes)
        elif kind == "FILE_TYPE_SPECIAL":
            self.model[change.path] = b"s%o" % (change.new_mode & 0o170000)

    def until(self, condition):
        """Takes batches until what was told is so."""
        while not condition(self.model):
            self.batch()

    def until_it_has(self, path):
        self.until(lambda model: path in model)

    def until_it_is(self, tree):
        self.until(lambda model: model == tree)

    def end(self):
        """The status that ends the stream, and its reason."""
        with contextlib.suppress(StopIteration):
            try:
                while True:
                    next(self.call)
            except grpc.RpcError as error:
                return error.code(), b"".join(v if isinstance(v, bytes) else v.encode() for _, v in error.trailing_metadata())
        return grpc.StatusCode.OK, b""

    def cancel(self):
        self.call.cancel()


class WatchCase(ClientsCase):
    def setUp(self):
        super().setUp()
        self.admin = self.connected()

    def connected(self):
        """A connection of its own: one that knew an earlier daemon would wait before it tries again."""
        api = api_client.Api(self.daemon.socket)
        api.channel.close()
        api.channel = grpc.insecure_channel(f"unix:{self.daemon.socket}", options=[
            ("grpc.max_receive_message_length", 64 << 20), ("grpc.use_local_subchannel_pool", 1)])
        self.addCleanup(api.close)
        return api

    def daemon_options(self):
        config = self.daemon.root / "config.toml"
        config.write_text(f'import_roots = ["{self.daemon.root}"]\n')
        return "--config", str(config)

    def start_again(self, **more):
        self.daemon.start("--socket-group", self.group.gr_name, *self.daemon_options(), **more)
        self.admin = self.connected()

    def sh(self, sandbox, script, directory="/workspace"):
        return self.ok("exec", sandbox, "--", "sh", "-ec", f"cd {directory}; {script}")

    def tree(self, sandbox, top="/workspace"):
        items = self.ok("exec", sandbox, "--", "python3", "-c", ORACLE, top).split(b"\0")
        return dict(zip(items[0::2], items[1::2]))

    def workspace(self):
        path, _ = daemon.repository(self.daemon.root, f"repository{random.getrandbits(40)}")
        return self.create("--repo", path)

    def watch(self, sandbox, base=None, api=None, **fields):
        watch = Watch(api or self.admin, sandbox, base, **fields)
        self.addCleanup(watch.cancel)
        return watch

    def begun(self, sandbox, **fields):
        """A watch whose first batch has come."""
        watch = self.watch(sandbox, self.tree(sandbox), **fields)
        self.assertEqual(watch.batch(), [])
        self.assertTrue(watch.fresh)
        return watch

    def since(self, sandbox, cursor):
        answer = self.admin.call("Change", "ListChanges", sandbox_id=sandbox, cursor=cursor, page_size=1000)
        self.assertFalse(answer.fresh_instance)
        return [(CHANGE.ChangeKind.Name(one.kind).removeprefix("CHANGE_KIND_"), one.path) for one in answer.changes]

    def is_told(self, sandbox, watch):
        """Everything: the sum of what was told is the tree, and nothing has changed since the last cursor."""
        watch.until_it_is(self.tree(sandbox))
        while self.since(sandbox, watch.cursor):
            watch.batch()

    def assert_ends(self, watch, code, reason):
        got, details = watch.end()
        self.assertEqual(got, code)
        self.assertIn(reason.encode(), details)


class WatchTells(WatchCase):
    def test_every_kind_of_change_is_told(self):
        sandbox = self.workspace()
        watch = self.begun(sandbox)
        for script in ("echo one > made; ln made linked; echo two >> linked",
                       "mv made moved",
                       "chmod +x moved; chmod g-w moved",
                       "ln -s /etc/passwd link; ln -sfn nowhere link; mkfifo fifo; (echo x > fifo & cat fifo)",
                       "python3 -c 'import socket; s = socket.socket(socket.AF_UNIX); s.bind(\"socket\"); s.listen()'",
                       "mkdir -p deep/er; echo 1 > deep/er/1; mv deep shallow",
                       "rm -r shallow; echo file > shallow",
                       "rm shallow; mkdir shallow; echo in > shallow/in",
                       "printf x > \"$(printf 'new\\nline')\"; printf x > \"$(printf 'bytes \\377\\376')\"",
                       "rm -rf ./*"):
            with self.subTest(script):
                self.sh(sandbox, script)
                self.is_told(sandbox, watch)

    def test_a_touch_is_not_told_and_the_same_size_anew_is(self):
        sandbox = self.workspace()
        base = self.tree(sandbox)
        self.sh(sandbox, "echo 1 > new")
        watch = self.watch(sandbox, base)
        watch.batch()
        self.sh(sandbox, "touch new; cp -p new copy; mv copy new; touch -d yesterday new")
        self.sh(sandbox, "echo 2 > other")
        told = []
        while b"other" not in watch.model:
            told += [change.path for change in watch.batch()]
        self.assertNotIn(b"new", told)
        self.sh(sandbox, "echo 2 > new")
        while b"new" not in told:
            told += [change.path for change in watch.batch()]
        self.is_told(sandbox, watch)

    def test_a_write_through_a_mapping_is_told_while_it_is_mapped(self):
        sandbox = self.workspace()
        watch = self.begun(sandbox)
        writer = self.daemon.popen("exec", "-i", sandbox, "--", "sh", "-c", "cd /workspace; exec python3 -c \"$0\"", MAPPED,
                                   stdin=subprocess.PIPE)
        self.addCleanup(writer.communicate)
        self.assertEqual(writer.stdout.readline(), b"mapped\n")
        watch.until(lambda model: model.get(b"mapped") == b"f4096")
        self.is_told(sandbox, watch)
        writer.stdin.write(b"\n")
        writer.stdin.flush()
        self.assertEqual(writer.stdout.readline(), b"written\n")
        while b"mapped" not in [change.path for change in watch.batch()]:
            pass
        self.is_told(sandbox, watch)

    def test_paths_and_patterns_choose_what_is_told(self):
        sandbox = self.workspace()
        self.sh(sandbox, "echo '*.log' > .gitignore; mkdir in out")
        all_of_it, inside = self.watch(sandbox), self.watch(sandbox, path=b"in")
        chosen = self.watch(sandbox, ignore=[b"*.tmp"], respect_gitignore=True)
        root = self.watch(sandbox, path=b"/")
        for watch in (all_of_it, inside, chosen, root):
            watch.batch()
        self.sh(sandbox, "echo 1 > in/a; echo 1 > out/a; echo 1 > b.log; echo 1 > b.tmp; echo 1 > /tmp/outside; echo 1 > ~/home")
        self.sh(sandbox, "echo 1 > in/last; echo 1 > last")
        for watch, last in ((all_of_it, b"last"), (inside, b"in/last"), (chosen, b"last"), (root, b"workspace/last")):
            watch.until_it_has(last)
        self.assertEqual(set(inside.model), {b"in/a", b"in/last"})
        self.assertLessEqual({b"in/a", b"out/a", b"b.log", b"b.tmp"}, set(all_of_it.model))
        self.assertLessEqual({b"in/a", b"out/a"}, set(chosen.model))
        self.assertFalse({b"b.log", b"b.tmp"} & set(chosen.model))
        self.assertIn(b"home/agent/home", root.model)

    def test_random_operations_are_told_to_the_last(self):
        sandbox = self.workspace()
        watch = self.begun(sandbox)
        dice = random.Random(6)
        names = [f"{d}{f}" for d in ("", "a/", "b/", "a/c/") for f in "xyz"]
        for _ in range(12):
            lines = ["mkdir -p a/c b 2>/dev/null || true"]
            for _ in range(40):
                one, two = dice.choice(names), dice.choice(names)
                what = dice.choice((f"echo {dice.random()} > {one}", f"rm -rf {one}", f"mv -T {one} {two}",
                                    f"ln -sfn {two} {one}", f"ln -f {one} {two}", "rm -rf a/c; mkdir -p a/c",
                                    f"chmod +x {one}", "mv a/c b/c; rm -rf b/c", f"cp -a {one} {two}",
                                    "rm -rf b; echo b > b; rm b; mkdir b"))
                lines.append("{ %s; } 2>/dev/null || true" % what)
            self.sh(sandbox, "\n".join(lines))
            if dice.random() < 0.3:
                watch.cancel()
                model, cursor = watch.model, watch.cursor
                self.sh(sandbox, "echo unseen > unseen; rm -f a/x")
                watch = self.watch(sandbox, model, cursor=cursor)
                watch.batch()
                self.assertFalse(watch.fresh)
        self.is_told(sandbox, watch)

    def test_the_command_line_prints_batches_and_goes_on_after_a_break(self):
        sandbox = self.workspace()
        self.assertIn("--renames", self.fails(2, "changes", "--watch", "--renames", sandbox))
        client = self.daemon.popen("changes", "--watch", "--json", sandbox)
        self.addCleanup(client.communicate)
        self.addCleanup(client.kill)
        first = json.loads(client.stdout.readline())
        self.assertEqual((first["changes"], first["fresh_instance"]), ([], True))
        self.sh(sandbox, "echo 1 > one")

        def told(path):
            while True:
                batch = json.loads(client.stdout.readline())
                self.assertFalse(batch["fresh_instance"])
                if path in [change["path"] for change in batch["changes"]]:
                    return batch["cursor"]

        cursor = told("one")
        self.daemon.kill()
        self.start_again()
        self.sh(sandbox, "echo 2 > two")
        told("two")
        client.send_signal(signal.SIGINT)
        self.assertEqual(client.wait(timeout=daemon.DEADLINE_S), -signal.SIGINT)
        lines = self.daemon.popen("changes", "--watch", "--since", cursor, sandbox)
        self.addCleanup(lines.communicate)
        self.addCleanup(lines.kill)
        self.assertEqual(lines.stdout.readline(), b"A\ttwo\n")


class WatchLasts(WatchCase):
    def test_a_cursor_of_a_dead_daemon_gives_exactly_the_rest(self):
        sandbox = self.workspace()
        watch = self.begun(sandbox)
        self.sh(sandbox, "echo 1 > one; echo 1 > gone")
        self.is_told(sandbox, watch)
        self.daemon.kill()
        self.assertEqual(watch.end()[0], grpc.StatusCode.UNAVAILABLE)
        self.start_again()
        self.sh(sandbox, "echo 2 > two; rm gone")
        after = self.watch(sandbox, watch.model, cursor=watch.cursor)
        self.assertEqual(sorted(change.path for change in after.batch()), [b"gone", b"two"])
        self.assertFalse(after.fresh)
        self.sh(sandbox, "echo 3 > three")
        after.until_it_has(b"three")
        self.is_told(sandbox, after)

    def test_a_daemon_that_stops_says_so_and_a_deleted_sandbox_is_not_there(self):
        kept, gone, stopped = self.workspace(), self.workspace(), self.workspace()
        watches = {sandbox: self.begun(sandbox) for sandbox in (kept, gone, stopped)}
        self.ok("rm", gone)
        self.assert_ends(watches[gone], grpc.StatusCode.NOT_FOUND, "SANDBOX_NOT_FOUND")
        daemon.kill_and_wait(self.daemon.init_of(stopped))
        daemon.wait_until(lambda: "stopped" in self.known()[stopped].lower(), "it is stopped")
        self.daemon.kill()
        self.start_again(on_shutdown="leave")
        watch = self.watch(kept, watches[kept].model, cursor=watches[kept].cursor)
        self.assertEqual(watch.batch(), [])
        after = self.watch(stopped)
        self.assertEqual(after.batch(), [], "its files are there until it is deleted")
        self.daemon.process.terminate()
        self.assert_ends(watch, grpc.StatusCode.UNAVAILABLE, "SHUTTING_DOWN")
        self.assert_ends(after, grpc.StatusCode.UNAVAILABLE, "SHUTTING_DOWN")
        self.daemon.process.wait(timeout=daemon.DEADLINE_S)
        self.start_again()

    def test_a_restored_checkpoint_is_told_and_what_comes_after_it(self):
        sandbox = self.workspace()
        watch = self.begun(sandbox)
        self.sh(sandbox, "echo 1 > before")
        self.ok("checkpoint", "create", sandbox, "good")
        self.sh(sandbox, "rm before; echo 2 > after")
        self.is_told(sandbox, watch)
        for _ in range(3):
            self.ok("rollback", sandbox, "good")
            watch.until(lambda model: b"before" in model and b"after" not in model)
            self.sh(sandbox, "rm before; echo 3 > after")
            self.is_told(sandbox, watch)

    def test_a_paused_sandbox_is_watched_and_a_fork_has_cursors_of_its_own(self):
        sandbox = self.workspace()
        watch = self.begun(sandbox)
        self.ok("pause", sandbox)
        child = self.told("fork", sandbox).split()[0]
        second = self.watch(sandbox)
        self.assertEqual(second.batch(), [])
        self.ok("resume", sandbox)
        self.sh(sandbox, "echo 1 > parents")
        for one in (watch, second):
            one.until_it_has(b"parents")
        of_child = self.begun(child)
        self.sh(child, "echo 1 > childs")
        of_child.until_it_has(b"childs")
        self.assertNotIn(b"parents", of_child.model)
        self.assert_ends(self.watch(child, cursor=watch.cursor), grpc.StatusCode.INVALID_ARGUMENT, "CURSOR_INVALID")

    def test_a_lost_journal_is_told_whole(self):
        sandbox = self.workspace()
        watch = self.begun(sandbox)
        self.sh(sandbox, "echo 1 > one")
        self.is_told(sandbox, watch)
        self.daemon.kill()
        for path in (self.daemon.state / "output" / sandbox).glob("changes-*"):
            path.unlink()
        self.start_again()
        after = self.watch(sandbox, {}, cursor=watch.cursor)
        self.assertEqual([change.path for change in after.batch()], [b"one"])
        self.assertTrue(after.fresh)

    def test_what_is_no_cursor_and_no_sandbox_is_refused(self):
        sandbox, other = self.workspace(), self.workspace()
        cursor = self.begun(other).cursor
        for wrong in (cursor, cursor[:-2], "x" * 1000, ""):
            self.assert_ends(self.watch(sandbox, cursor=wrong), grpc.StatusCode.INVALID_ARGUMENT, "CURSOR_INVALID")
        self.assert_ends(self.watch("0" * 32), grpc.StatusCode.NOT_FOUND, "SANDBOX_NOT_FOUND")
        self.assert_ends(self.watch(sandbox, path=b"a/../.."), grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
        self.assert_ends(self.watch(sandbox, ignore=[b"x"] * 1001), grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")


class WatchAttacks(WatchCase):
    def storm(self, sandbox, files):
        self.admin.call("Exec", "StartExec", sandbox_id=sandbox, exec_id="storm", spec={"arguments": [
            b"/bin/sh", b"-c", b"cd /workspace; mkdir storm; cd storm; "
            b"seq %d | split -l 1 -a 4 - f; rm -rf f?a?; mv f ../moved 2>/dev/null; echo end > ../end" % files]})

    def test_a_storm_that_overflows_the_queue_is_told_to_the_last(self):
        sandbox = self.workspace()
        watch = self.begun(sandbox)
        self.storm(sandbox, 18_000)
        self.daemon.process.send_signal(signal.SIGSTOP)  # its queue is not read while all of it comes
        try:
            daemon.wait_until(lambda: not self.daemon.exec_processes(sandbox), "the storm is over")
        finally:
            self.daemon.process.send_signal(signal.SIGCONT)
        watch.until_it_has(b"end")
        self.is_told(sandbox, watch)
        self.assertGreater(len(watch.model), 15_000)

    def test_a_client_that_never_reads_costs_one_message_and_delays_nobody(self):
        sandbox = self.workspace()
        idle = self.watch(sandbox, api=self.connected())  # with windows of its own
        watch = self.begun(sandbox)
        before = self.daemon.resident_kib()
        for number in range(3):
            self.sh(sandbox, f"seq 2500 | split -l 1 -a 4 - n{number}-$(printf %0150d 0)")
            self.is_told(sandbox, watch)
        self.assertLess(self.daemon.resident_kib() - before, 128 << 10)
        idle.until(lambda model: len(model) == len(watch.model) - len(watch.base))

    def test_whoever_swaps_links_and_directories_is_followed(self):
        sandbox = self.workspace()
        watch = self.begun(sandbox)
        self.ok("exec", sandbox, "--", "sh", "-c", "cd /workspace; exec python3 -c \"$0\"", SWAPS)
        self.is_told(sandbox, watch)
        self.assertFalse([path for path in watch.model if b"shadow" in path or path.startswith(b"/")])

    def test_a_deep_tree_that_is_moved_about_ends_no_watch(self):
        # Below 33 levels a look goes back to the directories above, which are others then.
        sandbox = self.workspace()
        watch = self.begun(sandbox)
        self.ok("exec", sandbox, "--", "sh", "-c", "cd /workspace; exec python3 -c \"$0\"", MOVES_DEEP)
        watch.until_it_has(b"end")
        self.is_told(sandbox, watch)
        self.assertTrue([path for path in watch.model if path.count(b"/") >= 40])

    def test_a_client_that_asks_for_a_thousand_is_refused_and_leaves_nothing(self):
        client = self.api(OWNER)
        sandbox = client.call("Sandbox", "CreateSandbox").sandbox.id
        one = self.watch(sandbox, api=client)
        one.batch()
        daemon.settled(self.daemon.descriptors)
        before = self.daemon.descriptors()
        many = [self.watch(sandbox, api=client) for _ in range(1000)]
        refused = 0
        opened = []
        for watch in many:
            try:
                watch.batch()
                opened.append(watch)
            except grpc.RpcError as error:
                self.assertEqual(error.code(), grpc.StatusCode.RESOURCE_EXHAUSTED, error.details())
                refused += 1
        self.assertGreaterEqual(refused, 1000 - 15)
        self.assertGreaterEqual(len(opened), 1)
        self.assertLess(self.daemon.descriptors(), before + 16)
        self.ok("exec", sandbox, "--", "sh", "-c", "echo 1 > ~/still")
        for watch in (one, opened[0]):
            watch.cancel()
        for watch in opened:
            watch.cancel()
        daemon.wait_until(lambda: self.daemon.descriptors() < before, "its watch is closed")
        again = []

        def is_there():
            again.append(self.watch(sandbox, api=client))
            try:
                return again[-1].batch() is not None
            except grpc.RpcError:
                return False

        daemon.wait_until(is_there, "there is room again")

    def test_a_sandbox_deleted_in_a_storm_ends_its_watches(self):
        for _ in range(5):
            sandbox = self.workspace()
            watches = [self.watch(sandbox), self.watch(sandbox, path=b"/")]
            for watch in watches:
                watch.batch()
            self.storm(sandbox, 2000)
            watches[0].batch()
            self.ok("rm", sandbox)
            for watch in watches:
                self.assert_ends(watch, grpc.StatusCode.NOT_FOUND, "SANDBOX_NOT_FOUND")

    def test_a_client_that_goes_away_leaves_nothing(self):
        sandbox = self.workspace()
        self.begun(sandbox).cancel()
        before = daemon.settled(self.daemon.descriptors)
        # Fewer than there may be: the daemon hears of the end of one later than the next is asked for.
        for _ in range(14):
            watch = self.watch(sandbox)
            watch.batch()
            watch.cancel()
        daemon.wait_until(lambda: self.daemon.descriptors() <= before, "all are closed")

    def test_preflight_tells_whether_there_are_file_events(self):
        def told(*wrapper, **environment):
            done = subprocess.run([*wrapper, *self.daemon.command("preflight", "--json")], capture_output=True,
                                  env={**self.daemon.environment(), **environment}, stdin=subprocess.DEVNULL)
            return next(one for one in json.loads(done.stdout)["capabilities"] if one["name"] == "file_events")

        by_daemon, nobody = told(), str(self.daemon.root / "nobody")
        self.assertIn(by_daemon["state"], ("available", "degraded"))  # before kernel 6.5
        self.assertEqual(told(GLOVEBOX_SOCKET=nobody), by_daemon)
        without = told("strace", "-f", "-o", "/dev/null", "-e", "trace=fanotify_init", "-e", "inject=fanotify_init:error=ENOSYS",
                       GLOVEBOX_SOCKET=nobody)
        self.assertEqual(without["state"], "degraded")
        self.assertIn("fanotify_init", without["mechanism"])
        self.assertIn("WatchChanges", without["detail"])

    def test_without_file_events_it_is_looked_from_time_to_time(self):
        sandbox = self.workspace()
        with Tracer(self.daemon.process.pid, "-e", "trace=fanotify_init", "-e", "inject=fanotify_init:error=ENOSYS"):
            watch = self.begun(sandbox)
        for script in ("echo 1 > one", "echo 2 >> one", "mv one two", "rm two"):
            self.sh(sandbox, script)
            self.is_told(sandbox, watch)


if __name__ == "__main__":
    unittest.main()
