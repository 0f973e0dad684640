#!/usr/bin/env python3
"""tools/release, with a key that is made for the test: what it makes verifies, and nothing that was changed does."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import unittest

TOP = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("GLOVEBOX_BUILD", TOP / "build/release")).resolve()


class Release(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.root = pathlib.Path(tempfile.mkdtemp(prefix="glovebox-release-", dir="/tmp"))
        cls.addClassCleanup(shutil.rmtree, cls.root)
        for name in ("key", "other"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", cls.root / name], check=True)
        cls.out = cls.root / "out"
        made = cls.make(cls.out)
        assert made.returncode == 0, made.stderr
        cls.signers = cls.root / "signers"
        shutil.copy(cls.out / "allowed_signers", cls.signers)

    @staticmethod
    def tool(*arguments):
        return subprocess.run([sys.executable, "-B", TOP / "tools/release", *arguments], capture_output=True, text=True, timeout=120)

    @classmethod
    def make(cls, out, key="key"):
        return cls.tool("--build", BUILD, "--key", cls.root / key, "--out", out, "--allow-changes")

    def verify(self, out, *options):
        return self.tool("--verify", out, "--signers", self.signers, *options)

    def changed(self):
        copy = pathlib.Path(tempfile.mkdtemp(dir=self.root)) / "out"
        shutil.copytree(self.out, copy)
        return copy

    def refused(self, out, why, *options):
        done = self.verify(out, *options)
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertRegex(done.stderr, rf"\Arelease: .*{why}")

    def the(self, pattern):
        [path] = self.out.glob(pattern)
        return path

    def test_a_release_verifies_by_the_tool_and_by_hand(self):
        self.assertEqual(self.verify(self.out).returncode, 0)
        line = re.search(r"ssh-keygen -Y verify.*?strict SHA256SUMS", self.tool("--help").stdout, re.DOTALL).group(0)
        line = line.replace("SIGNERS", str(self.signers)).replace("IDENTITY", "glovebox-releases")
        done = subprocess.run(["sh", "-c", " ".join(line.split())], cwd=self.out, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_a_changed_byte_in_any_file_is_found(self):
        for path in sorted(self.out.iterdir()):
            copy = self.changed()
            data = bytearray(path.read_bytes())
            data[len(data) // 2] ^= 1
            (copy / path.name).write_bytes(data)
            self.refused(copy, "")

    def test_a_file_more_or_less_or_twice_is_found(self):
        copy = self.changed()
        (copy / "more").write_text("x")
        self.refused(copy, "more")
        copy = self.changed()
        (copy / self.the("*.tar.gz").name).unlink()
        self.refused(copy, "tar.gz")
        copy = self.changed()
        sums = copy / "SHA256SUMS"
        sums.write_text(sums.read_text() * 2)
        self.refused(copy, "verif")

    def test_another_key_identity_or_purpose_is_found(self):
        other = self.root / "by-other"
        self.assertEqual(self.make(other, "other").returncode, 0)
        self.refused(other, "verify")
        self.refused(self.out, "verify", "--identity", "somebody")
        copy = self.changed()
        (copy / "SHA256SUMS.sig").unlink()
        subprocess.run(["ssh-keygen", "-q", "-Y", "sign", "-f", self.root / "key", "-n", "file", copy / "SHA256SUMS"], check=True,
                       capture_output=True)
        self.refused(copy, "verify")

    def test_the_same_build_gives_the_same_bytes(self):
        again = self.root / "again"
        self.assertEqual(self.make(again).returncode, 0)
        for path in self.out.iterdir():
            self.assertTrue(path.read_bytes() == (again / path.name).read_bytes(), path.name)
        self.assertEqual(self.make(again).returncode, 1, "a directory that is there is never written to")

    def test_the_archive_names_no_user_and_has_the_programs_and_licences(self):
        with tarfile.open(self.the("*.tar.gz")) as tar:
            entries = tar.getmembers()
            programs = {entry.name.split("/", 1)[1]: tar.extractfile(entry).read() for entry in entries if "/bin/" in entry.name}
        self.assertEqual({(entry.uid, entry.gid, entry.uname, entry.gname) for entry in entries}, {(0, 0, "", "")})
        self.assertEqual(len({entry.mtime for entry in entries}), 1)
        names = [entry.name for entry in entries]
        self.assertEqual(names, sorted(names))
        short = {name.split("/", 1)[1] for name in names}
        self.assertLessEqual({"LICENSE", "README.md", "SECURITY.md", "docs/operations.md", "licences/nlohmann-json3-dev"}, short)
        self.assertEqual(sorted(programs), ["bin/glovebox", "bin/gloveboxd"])
        for name, data in programs.items():
            self.assertTrue(data == (BUILD / name).read_bytes(), name)

    def test_the_sbom_names_what_the_programs_need(self):
        document = json.loads(self.the("*.spdx.json").read_text())
        self.assertEqual(document["spdxVersion"], "SPDX-2.3")
        ids = [one["SPDXID"] for kind in ("packages", "files") for one in document[kind]]
        self.assertEqual(len(ids), len(set(ids)))
        for relation in document["relationships"]:
            self.assertLessEqual({relation["spdxElementId"], relation["relatedSpdxElement"]}, {*ids, "SPDXRef-DOCUMENT"})
        kinds = {}
        for relation in document["relationships"]:
            kinds.setdefault(relation["relationshipType"], set()).add(relation["relatedSpdxElement"])
        linked = {name.removeprefix("SPDXRef-deb-") for name in kinds["DYNAMIC_LINK"]}
        # What the loader itself would load, of the one library whose absence nobody overlooks, and of the one that parses most.
        self.assertLessEqual({"libc6", "libgit2-1.5", "libarchive13", "libseccomp2"}, linked)
        listed = subprocess.run(["ldd", BUILD / "bin/gloveboxd"], capture_output=True, text=True, check=True).stdout
        self.assertGreater(len(re.findall(r"=> /", listed)), len(linked) // 2)
        self.assertIn("SPDXRef-deb-libcli11-dev", kinds["STATIC_LINK"])
        self.assertFalse({name for name in kinds["STATIC_LINK"] if "gtest" in name}, "the tests' libraries are not ours")
        for one in document["packages"]:
            if one["name"] != "glovebox":
                version = subprocess.run(["dpkg-query", "-W", "-f", "${Version}\n", one["name"]], capture_output=True, text=True, check=True)
                self.assertIn(one["versionInfo"], version.stdout.split())
        digests = {file["fileName"]: file["checksums"][1]["checksumValue"] for file in document["files"]}
        self.assertEqual(sorted(digests), ["./bin/glovebox", "./bin/glovebox-egress", "./bin/glovebox-files", "./bin/glovebox-front", "./bin/glovebox-importer", "./bin/glovebox-init", "./bin/glovebox-spawner", "./bin/gloveboxd"])

    def test_who_asks_for_too_little_is_told(self):
        for arguments in ((), ("--verify", self.out), ("--key", self.root / "key")):
            done = self.tool(*arguments)
            self.assertEqual(done.returncode, 1)
            self.assertRegex(done.stderr, r"\Arelease: ")


if __name__ == "__main__":
    unittest.main()
