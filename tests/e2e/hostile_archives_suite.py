#!/usr/bin/env python3
"""Archives that want to leave the place where they are unpacked, or to be more than files.

Each is imported as an image. It is refused with a reason, or what is in the image is harmless: no file outside is made or read,
no device, no attribute that an overlay would heed. Bombs are the kernel tests' of imports, which have small limits.
"""

import io
import os
import pathlib
import tarfile
import unittest

import daemon

MARK = b"archive-" + os.urandom(8).hex().encode()

ATTRIBUTES = {f"{space}.overlay.{name}" for space in ("trusted", "user") for name in ("opaque", "redirect", "metacopy")} | {
    "security.capability", "user.glovebox"}


def entry(name, kind=tarfile.REGTYPE, data=b"", mode=0o644, link="", **more):
    one = tarfile.TarInfo(name)
    one.type, one.size, one.mode, one.linkname = kind, len(data), mode, link
    for key, value in more.items():
        setattr(one, key, value)
    return one, data


class HostileArchives(daemon.DaemonCase):
    def setUp(self):
        self.outside = pathlib.Path("/var/tmp") / f"glovebox-archive-{os.urandom(6).hex()}"
        self.assertFalse(self.outside.exists())
        self.secret = self.daemon.root / "secret"
        self.secret.write_bytes(MARK)

    def archive(self, *entries, name="hostile.tar"):
        path = self.daemon.root / name
        with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
            for directory in ("usr", "usr/bin", "etc"):
                tar.addfile(entry(directory, tarfile.DIRTYPE, mode=0o755)[0])
            tar.add("/bin/busybox", "usr/bin/busybox")
            tar.addfile(entry("bin", tarfile.SYMTYPE, link="usr/bin")[0])
            for one, data in entries:
                tar.addfile(one, io.BytesIO(data) if data else None)
        return path

    def imported(self, path):
        """The image's name, or None when it was refused with a reason."""
        self.daemon.cli("image", "rm", "hostile")  # of a test that failed
        done = self.daemon.cli("image", "import", "hostile", path)
        self.assertFalse(self.outside.exists(), "the archive made a file of the host")
        if done.returncode == 0:
            return "hostile"
        self.assertRegex(done.stderr.decode(), r"\Aglovebox: image import: ")
        self.assertEqual([one for one in self.told("image", "ls").split() if one == "hostile"], [], "of a refused one nothing is left")
        return None

    def shown(self, *command):
        """What a command in a sandbox of the image prints, or why there is no such sandbox; the image is removed afterwards."""
        made = self.daemon.cli("create", "--image", "hostile")
        text = made.stderr
        if made.returncode != 0:
            self.assertRegex(text.decode(), r"\Aglovebox: create: .*step mount_")  # a link where a mount goes
        else:
            sandbox = made.stdout.decode().strip()
            text = self.daemon.cli("exec", "-w", "/", sandbox, "--", "/usr/bin/busybox", "sh", "-c", *command).stdout
            self.ok("rm", sandbox)
        self.ok("image", "rm", "hostile")
        return text

    def test_names_and_links_that_lead_out_stay_inside(self):
        out, up = str(self.outside), "../" * 20
        secret = str(self.secret)
        corpus = {
            "absolute name": [entry(out, data=MARK)],
            "dots": [entry(up + out[1:], data=MARK)],
            "dots in the middle": [entry("usr/../../../.." + out, data=MARK)],
            "through an absolute link": [entry("door", tarfile.SYMTYPE, link="/var/tmp"), entry("door/" + self.outside.name, data=MARK)],
            "through a relative link": [entry("door", tarfile.SYMTYPE, link=up + "var/tmp"), entry("door/" + self.outside.name, data=MARK)],
            "through a link to a link": [entry("a", tarfile.SYMTYPE, link="b"), entry("b", tarfile.SYMTYPE, link="/var/tmp"),
                                         entry("a/" + self.outside.name, data=MARK)],
            "hard link out": [entry("etc/stolen", tarfile.LNKTYPE, link=secret)],
            "hard link by dots": [entry("etc/stolen", tarfile.LNKTYPE, link=up + secret[1:])],
            "hard link through a link": [entry("door", tarfile.SYMTYPE, link=str(self.daemon.root)),
                                         entry("etc/stolen", tarfile.LNKTYPE, link="door/secret")],
            "link as account file": [entry("etc/passwd", tarfile.SYMTYPE, link=secret)],
            "link as directory of ours": [entry("tmp", tarfile.SYMTYPE, link="/var/tmp"), entry("home", tarfile.SYMTYPE, link=out)],
        }
        done = {}
        for what, entries in corpus.items():
            with self.subTest(what):
                done[what] = self.imported(self.archive(*entries))
                if done[what]:
                    text = self.shown("cat /etc/stolen /etc/passwd; ls -la /etc /tmp/ /home")
                    self.assertNotIn(MARK, text)
                self.assertEqual(self.secret.read_bytes(), MARK)
        print("imported, and harmless:", sorted(what for what, name in done.items() if name))

    def test_devices_set_id_bits_and_attributes_give_nothing(self):
        corpus = {
            "character device": [entry("etc/null", tarfile.CHRTYPE, devmajor=1, devminor=3)],
            "block device": [entry("etc/disk", tarfile.BLKTYPE, devmajor=7, devminor=0)],
            "whiteout": [entry("etc/gone", tarfile.CHRTYPE, devmajor=0, devminor=0)],
            "set-id": [entry("etc/suid", data=b"#!/bin/busybox sh\n", mode=0o6755)],
            "attributes": [entry("etc/d", tarfile.DIRTYPE, mode=0o755, pax_headers={
                f"SCHILY.xattr.{name}": "y" for name in ATTRIBUTES})],
            "FIFO": [entry("etc/pipe", tarfile.FIFOTYPE)],
            "FIFO for an account file": [entry("etc/group", tarfile.FIFOTYPE)],
        }
        done = {}
        for what, entries in corpus.items():
            with self.subTest(what):
                done[what] = self.imported(self.archive(*entries))
                if not done[what]:
                    continue
                self.assert_no_attributes()
                text = self.shown("cd /etc; for f in *; do [ -c $f ] || [ -b $f ] && echo a device: $f; done; "
                                  "grep NoNewPrivs /proc/self/status; grep ' / ' /proc/self/mountinfo").decode()
                self.assertNotIn("a device", text)
                self.assertIn("nosuid", text)
                self.assertRegex(text, r"NoNewPrivs:\s1")
        self.assertEqual([what for what in ("character device", "block device", "whiteout", "FIFO for an account file") if done[what]], [])
        self.assertTrue(done["attributes"], "attributes are left out, and no reason to refuse")

    def assert_no_attributes(self):
        """In what is mounted of images in the daemon's own mount namespace, reached as this process may."""
        process = f"/proc/{self.daemon.process.pid}"
        places = [line.split()[1] for line in pathlib.Path(process, "mounts").read_text().splitlines() if str(self.daemon.state) in line]
        seen, names = 0, set()
        for place in places:
            for top, directories, files in os.walk(f"{process}/root{place}"):
                for name in directories + files:
                    seen += name == "busybox"
                    names.update(os.listxattr(os.path.join(top, name), follow_symlinks=False))
        self.assertGreater(seen, 0, "the image was looked at")
        # The worker's own overlay has left marks; nothing comes from the archive.
        self.assertEqual(names & ATTRIBUTES, set())

    def test_a_path_without_end_is_refused_or_as_deep_as_names_go(self):
        deep = [entry("/".join(["usr"] + ["d" * 100] * depth), tarfile.DIRTYPE, mode=0o755) for depth in (10, 45, 300)]
        if self.imported(self.archive(*deep)):
            self.assertIn(b"usr", self.shown("ls /"))
        self.assertEqual(self.daemon.cli("version").returncode, 0)


if __name__ == "__main__":
    unittest.main()
