#!/usr/bin/env python3
"""Pushes of what sandboxes changed, by the client's own git: into paths, over file, ssh and http, and what is refused."""

import base64
import http.server
import json
import os
import pathlib
import subprocess
import threading
import unittest

from git_suite import HOSTILE, QUIET, GitCase

CANARY = "canary-Tr0ub4dor-of-the-client"
AUTHOR = ("--author", "Ada <ada@example.org>")

# Commits that git would write if it were told to; prints their names.
BAD_COMMITS = r"""
import os, subprocess
who = {f"GIT_{role}_{what}": "a@b" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
def git(*arguments, data=b""):
    return subprocess.run(["git", *arguments], input=data, check=True, capture_output=True, env={**os.environ, **who}).stdout.decode().strip()
def write(kind, data):
    return git("hash-object", "-t", kind, "-w", "--stdin", "--literally", data=data)
def tree(*entries):
    return write("tree", b"".join(f"{mode} {name}".encode() + b"\0" + bytes.fromhex(to) for mode, name, to in entries))
blob = write("blob", b"evil\n")
modules = write("blob", b'[submodule "x"]\n path = x\n url = --upload-pack=touch /tmp/ran\n')
for one in (tree(("100644", ".git", blob)), tree(("100644", "..", blob)), tree(("40000", ".GIT", tree(("100644", "config", blob)))),
            tree(("100644", "a/../../b", blob)), tree(("120000", ".gitmodules", blob)), tree(("100644", ".gitmodules", modules)),
            tree(("100644", "b", blob), ("100644", "a", blob))):
    print(git("commit-tree", one, "-p", "HEAD", "-m", "bad"))
head, top = git("rev-parse", "HEAD"), git("rev-parse", "HEAD^{tree}")
print(write("commit", f"tree {top}\nparent {head}\nauthor broken\ncommitter broken\n\nx\n".encode()))
"""


class Backend(http.server.BaseHTTPRequestHandler):
    """git http-backend behind a password."""

    def do_GET(self):
        self.answer()

    def do_POST(self):
        self.answer()

    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.headers.get("Authorization") != "Basic " + base64.b64encode(f"ada:{CANARY}".encode()).decode():
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="git"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        path, _, query = self.path.partition("?")
        environment = {**os.environ, **QUIET, "GIT_PROJECT_ROOT": str(self.server.root), "GIT_HTTP_EXPORT_ALL": "1", "PATH_INFO": path,
                       "QUERY_STRING": query, "REQUEST_METHOD": self.command, "REMOTE_USER": "ada",
                       "CONTENT_TYPE": self.headers.get("Content-Type", ""), "CONTENT_LENGTH": str(len(body)),
                       "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
                       "GIT_PROTOCOL": self.headers.get("Git-Protocol", "")}
        told = subprocess.run(["git", "http-backend"], input=body, env=environment, capture_output=True, check=True).stdout
        head, _, content = told.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        self.send_response(int(fields.pop("Status", "200 OK").split()[0]))
        for name, value in fields.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


def holds(top, words):
    """Files below a directory that have these bytes anywhere; holes are not read."""
    found = []
    for where, _, names in os.walk(top):
        for name in names:
            path = os.path.join(where, name)
            if not os.path.isfile(path) or os.path.islink(path):
                continue
            try:
                file = os.open(path, os.O_RDONLY)
            except FileNotFoundError:
                continue
            try:
                end = begin = 0
                while True:
                    try:
                        begin = os.lseek(file, end, os.SEEK_DATA)
                    except OSError:
                        break
                    end = os.lseek(file, begin, os.SEEK_HOLE)
                    for offset in range(begin, end, 1 << 20):
                        if words in os.pread(file, (1 << 20) + len(words), offset):
                            found.append(path)
            finally:
                os.close(file)
    return found


class Push(GitCase):
    def setUp(self):
        self.tmp = pathlib.Path(self.daemon.root, f"tmp-{self.id().rsplit('.', 1)[1]}")
        self.tmp.mkdir()
        self.addCleanup(lambda: self.assertEqual(os.listdir(self.tmp), [], "nothing of a push is left"))

    def push(self, *arguments, **environment):
        return subprocess.run(self.daemon.command("push", *arguments), capture_output=True, stdin=subprocess.DEVNULL, timeout=300,
                              env={**self.daemon.environment(), **QUIET, "TMPDIR": str(self.tmp), **environment})

    def pushed(self, result, *arguments, **environment):
        """The commit."""
        done = self.push(*arguments, **environment)
        self.assertEqual(done.returncode, 0, f"{arguments}: {done.stderr.decode(errors='replace')}")
        self.assertIn(f"glovebox: {result} branch ", done.stderr.decode())
        self.assertRegex(done.stdout.decode(), r"\A[0-9a-f]{40}\n\Z")
        return done.stdout.decode().strip()

    def refused(self, words, *arguments, code=1, **environment):
        done = self.push(*arguments, **environment)
        self.assertEqual(done.returncode, code, f"{arguments}: {done.stderr} {done.stdout}")
        self.assertRegex(done.stderr.decode(), words)
        self.assertEqual(done.stdout, b"")
        return done.stderr.decode()

    def bare(self, path, name, *options):
        to = self.daemon.root / name
        self.git("/", "clone", "-q", "--bare", *options, str(path) if not options else f"file://{path}", str(to))
        return to

    def at(self, where, reference):
        return self.git(where, "rev-parse", reference).strip()

    def test_a_push_into_a_bare_path_makes_and_moves_the_branch(self):
        path = self.source("bare-source", "echo 1 > gone; mkdir d; seq 1000 > d/x; git add -A; git commit -qm more")
        target = self.bare(path, "bare.git")
        sandbox = self.create("--repo", path)
        self.sh(sandbox, "rm gone; echo 2 >> d/x; printf 'a\\0b' > binary; chmod +x file; mkfifo fifo")
        done = self.push(sandbox, target, "-b", "fix/it", "-m", "Mend it", "--json", *AUTHOR)
        self.assertEqual(done.returncode, 0, done.stderr)
        told = json.loads(done.stdout)
        commit = told.pop("commit")
        self.assertEqual([(one["path"], one["reason"]) for one in told.pop("summary")["skipped"]], [("fifo", "special_file")])
        self.assertEqual(told, {"repository": str(target), "branch": "fix/it", "result": "created"})
        self.assertEqual(self.git(target, "log", "-1", "--format=%H %P %an <%ae> %B", "fix/it").strip(),
                         f"{commit} {self.at(path, 'HEAD')} Ada <ada@example.org> Mend it")
        self.sh(sandbox, "rm fifo")
        self.assertEqual(self.at(target, "fix/it^{tree}"), self.tree_inside(sandbox))
        self.assertEqual(self.pushed("unchanged", sandbox, target, "-b", "fix/it", "-m", "Another day", *AUTHOR), commit)
        self.sh(sandbox, "echo 3 >> d/x")
        second = self.pushed("updated", sandbox, target, "-b", "fix/it", "-m", "More", *AUTHOR)
        self.assertEqual(self.git(target, "log", "--format=%H", "-2", "fix/it").split(), [second, commit])
        # Names and author of its own accord; what is kept already; a part; under another name.
        own = self.pushed("created", sandbox, target)
        self.assertEqual(self.git(target, "log", "-1", "--format=%an %s", f"glovebox/{sandbox[:12]}").strip(),
                         f"a Changes of sandbox {sandbox[:12]}")
        self.assertEqual(self.pushed("created", sandbox, target, "-b", "same", "--commit", f"glovebox/{sandbox[:12]}"), own)
        self.assertEqual(self.pushed("created", sandbox, target, "-b", "first", "--commit", commit), commit)
        self.pushed("created", sandbox, target, "-b", "part", "-m", "m", "--path", "binary", *AUTHOR)
        self.assertEqual(self.git(target, "diff-tree", "-r", "--name-only", "--no-commit-id", "part"), "binary\n")
        self.git(target, "fsck", "--strict")

    def test_a_checked_out_branch_and_one_that_is_elsewhere_are_not_overwritten(self):
        path = self.source("elsewhere-source", "echo 1 > x")
        target = self.clone(path)
        sandbox = self.create("--repo", path)
        self.sh(sandbox, "echo 2 > x")
        base = self.at(target, "main")
        self.assertIn("another --branch", self.refused("is checked out in", sandbox, target, "-b", "main", "-m", "m", *AUTHOR))
        self.assertEqual(self.at(target, "main"), base)
        self.pushed("created", sandbox, target, "-b", "side", "-m", "m", *AUTHOR)
        self.assertEqual(self.git(target, "status", "--porcelain"), "")
        other = self.git(target, "commit-tree", "-p", base, "-m", "other", f"{base}^{{tree}}").strip()
        for there in (other, self.git(target, "commit-tree", "-m", "unrelated", f"{base}^{{tree}}").strip()):
            self.git(target, "update-ref", "refs/heads/theirs", there)
            self.assertIn("--force", self.refused("nothing was overwritten", sandbox, target, "-b", "theirs", "--commit", "side"))
            self.assertEqual(self.at(target, "theirs"), there)
        mine = self.pushed("forced", sandbox, target, "-b", "theirs", "--commit", "side", "--force")
        self.assertEqual(self.at(target, "theirs"), mine)
        # A hook of the target has its say, and its words are shown as text.
        hook = target / ".git/hooks/update"
        hook.write_text("#!/bin/sh\nprintf 'not on \\033[31mfridays\\n' >&2; exit 1\n")
        hook.chmod(0o755)
        self.refused("hook declined", sandbox, target, "-b", "hooked", "--commit", "side")

    def test_a_branch_that_is_older_than_the_base_moves_forward(self):
        path = self.source("older-source", "for i in 1 2 3; do echo $i > x; git add -A; git commit -qm $i; done; git branch old HEAD~2; "
                           "git branch apart HEAD~2")
        target = self.bare(path, "older.git")
        self.git(target, "update-ref", "refs/heads/apart",
                 self.git(target, "commit-tree", "-p", "old", "-m", "apart", "old^{tree}").strip())
        sandbox = self.create("--repo", path)
        self.sh(sandbox, "git show HEAD~2:x > x; echo 4 > y")  # of a file, what only an older commit has
        self.git(target, "repack", "-adbq")
        commit = self.pushed("created", sandbox, target, "-b", "made", "-m", "m", *AUTHOR)
        self.pushed("updated", sandbox, f"file://{target}", "-b", "old", "--commit", "made")
        self.assertEqual(self.at(target, "old"), commit)
        self.refused("nothing was overwritten", sandbox, f"file://{target}", "-b", "apart", "--commit", "made")
        self.git(target, "fsck", "--strict")

    def test_urls_shallow_targets_and_servers_of_the_first_protocol_are_served(self):
        path = self.source("url-source", "for i in 1 2 3; do echo $i > x; git add -A; git commit -qm $i; done")
        at = self.at(path, "HEAD~1")
        sandbox = self.create("--repo", f"{path}@{at}")
        self.sh(sandbox, "echo mine > y")
        shallow = self.bare(path, "shallow.git", "--depth=2")
        commit = self.pushed("created", sandbox, f"file://{shallow}", "-b", "fix", "-m", "m", *AUTHOR)
        self.assertEqual(self.git(shallow, "log", "--format=%H", "-2", "fix").split(), [commit, at])
        # What plays ssh runs the command here. Without GIT_PROTOCOL, as where sshd takes it away: only names are given out.
        ssh = self.daemon.root / "ssh"
        ssh.write_text("#!/bin/sh\nwhile [ $# -gt 1 ]; do shift; done\nexec env -u GIT_PROTOCOL sh -c \"$1\"\n")
        ssh.chmod(0o755)
        target = self.bare(path, "ssh.git")
        self.pushed("created", sandbox, f"host:{target}", "-b", "fix", "--commit", "fix", GIT_SSH=str(ssh), GIT_SSH_VARIANT="simple")
        self.assertEqual(self.at(target, "fix"), commit)
        self.pushed("created", sandbox, f"ssh://host{target}", "-b", "again", "--commit", "fix", GIT_SSH=str(ssh),
                    GIT_SSH_VARIANT="simple")
        self.refused("cannot read", sandbox, "host:/nowhere.git", "-b", "fix", "--commit", "fix", GIT_SSH=str(ssh),
                     GIT_SSH_VARIANT="simple")

    def test_what_cannot_be_pushed_is_refused_by_name(self):
        path = self.source("refused-source", "echo 1 > x")
        sandbox = self.create("--repo", path)
        self.refused("nothing", sandbox, path, "-b", "new", "-m", "m", *AUTHOR)
        self.sh(sandbox, "echo 2 > x")
        unrelated = self.bare(self.source("unrelated", "echo unrelated > u"), "unrelated.git")
        for target in (unrelated, f"file://{unrelated}"):
            told = self.refused("has no commit", sandbox, target, "-b", "fix", "-m", "m", *AUTHOR)
            self.assertIn(self.at(path, "HEAD"), told)
            self.assertIn("push that commit there first", told)
        self.assertEqual(self.git(unrelated, "for-each-ref", "--format=%(refname)"), "refs/heads/main\n")
        for name in ("a..b", "-x", "a b", "x.lock", "/x", "refs/../../x", "a\nb"):
            self.refused("branch", sandbox, unrelated, f"--branch={name}", "-m", "m", *AUTHOR)
        self.refused("cannot read", sandbox, self.daemon.root / "nowhere", "-b", "fix", "-m", "m", *AUTHOR)
        marker = self.daemon.root / "ran"
        for url in (f"ext::touch {marker}", f"fd::7/{marker}"):
            self.refused("not allowed", sandbox, url, "-b", "fix", "-m", "m", *AUTHOR)
        self.assertFalse(marker.exists())
        for url in ("", "-o:x", "a\x1b[31m"):
            self.refused("the repository's name", "--", sandbox, url, code=2)
        self.refused("no commit", sandbox, unrelated, "-b", "fix", "--commit", "nothing")
        self.refused("--author", sandbox, unrelated, GIT_AUTHOR_NAME="", GIT_AUTHOR_EMAIL="", HOME="/nonexistent", EMAIL="")
        self.refused("git is not here", sandbox, unrelated, PATH="/nonexistent")

    def test_nothing_that_a_sandbox_wrote_is_run_and_bad_objects_are_refused(self):
        path = self.source("hostile-source", "echo 1 > file")
        target = self.bare(path, "hostile.git")
        objects = self.git(target, "count-objects", "-v")
        hooks = self.daemon.root / "hooks"
        hooks.mkdir()
        marker = self.daemon.root / "ran-here"
        (hooks / "pre-push").write_text(f"#!/bin/sh\necho pre-push >> {marker}\n")
        (hooks / "pre-push").chmod(0o755)
        # In the target the user's hooks run, as with git push; not in the repository that push makes.
        (hooks / "reference-transaction").write_text(f"#!/bin/sh\ncase $PWD in {target}) ;; *) pwd >> {marker} ;; esac\n")
        (hooks / "reference-transaction").chmod(0o755)
        config = self.daemon.root / "hostile-config"
        config.write_text(f"[core]\nhooksPath = {hooks}\n")
        sandbox = self.create("--repo", path)
        bad = self.ok("exec", "-w", "/workspace", sandbox, "--", "python3", "-c", BAD_COMMITS).decode().split()
        self.assertEqual(len(bad), 8)
        # The worker's git sends most of them as they are; ours looks.
        told = [self.refused("git refuses the sandbox's commits|git ended with", sandbox, target, "-b", "bad", "--commit", commit)
                for commit in bad]
        self.assertGreaterEqual(sum("git refuses" in one for one in told), 4, told)
        self.assertEqual(self.git(target, "count-objects", "-v"), objects)
        made = self.sh(sandbox, HOSTILE.replace("/tmp/ran", str(marker))).strip().split("\n")[-1]
        self.assertEqual(self.pushed("created", sandbox, target, "-b", "evil", "--commit", "evil", GIT_CONFIG_GLOBAL=str(config)), made)
        self.pushed("created", sandbox, target, "-b", "kept", "-m", "m", *AUTHOR, GIT_CONFIG_GLOBAL=str(config))
        self.assertEqual(self.git(target, "show", "kept:evil"), "evil\n")
        self.assertFalse(marker.exists(), marker.exists() and marker.read_text())
        self.git(target, "fsck", "--strict")

    def test_credentials_of_the_client_reach_the_server_and_no_sandbox(self):
        path = self.source("secret-source", "echo 1 > x")
        target = self.bare(path, "served/secret.git")
        self.git(target, "config", "http.receivepack", "true")
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Backend)
        server.root = target.parent
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        url = f"127.0.0.1:{server.server_port}/secret.git"
        config = self.tmp.with_name("secret-config")
        config.write_text(f"[credential]\nhelper = \"!f() {{ echo username=ada; echo password={CANARY}; }}; f\"\n")
        sandbox = self.create("--repo", path)
        self.sh(sandbox, "echo 2 > x")
        # Watches what every process that it can see was given, all the time.
        watcher = self.daemon.popen("exec", "-i", sandbox, "--", "python3", "-uc", """import glob, sys, threading
seen = set()
def look():
    while not done:
        for path in glob.glob('/proc/[0-9]*/environ') + glob.glob('/proc/[0-9]*/cmdline'):
            try: seen.add(open(path, 'rb').read())
            except OSError: pass
done = []
thread = threading.Thread(target=look); thread.start(); print('watching')
word = sys.stdin.buffer.readline().strip(); done.append(1); thread.join()
print('seen' if any(word in one for one in seen) else f'not in {len(seen)}')""", stdin=subprocess.PIPE)
        self.assertEqual(watcher.stdout.readline(), b"watching\n")
        environment = {"CANARY": CANARY, "no_proxy": "*"}
        self.pushed("created", sandbox, f"http://{url}", "-b", "fix", "-m", "m", *AUTHOR, GIT_CONFIG_GLOBAL=str(config), **environment)
        self.sh(sandbox, "echo 3 > x")
        commit = self.pushed("updated", sandbox, f"http://ada:{CANARY}@{url}", "-b", "fix", "-m", "n", *AUTHOR, **environment)
        self.assertEqual(self.at(target, "fix"), commit)
        told = self.refused("cannot", sandbox, f"http://ada:wrong-{CANARY}@{url}", "-b", "fix", "--commit", "fix",
                            GIT_TERMINAL_PROMPT="0", **environment)
        self.assertNotIn(CANARY, told)
        told, _ = watcher.communicate(CANARY.encode() + b"\n", timeout=300)
        self.assertRegex(told, rb"\Anot in [1-9]")
        inside = self.ok("exec", "-i", sandbox, "--", "sh", "-c", "grep -rlaFf /dev/stdin /workspace /tmp /home /run /var/tmp || echo none",
                         input=CANARY.encode() + b"\n")
        self.assertEqual(inside, b"none\n")
        self.assertEqual(holds(self.daemon.state, CANARY.encode()), [])
        self.assertNotIn(CANARY, self.daemon.read_log())


if __name__ == "__main__":
    unittest.main()
