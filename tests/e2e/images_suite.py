#!/usr/bin/env python3
"""Images of OCI layouts, `docker save` archives and registries: files as the layers say, layers shared, config as data, and
what is hostile refused without a trace."""

import functools
import gzip
import http.server
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import unittest

import grpc

import api_client
import daemon
import oci_layout
from oci_layout import HARD, LINK, Layout, directory, layer, member

BASE = oci_layout.base()
FIND = "cd / && find . -xdev \\( -path ./proc -o -path ./dev -o -path ./tmp -o -path ./home -o -path ./usr/bin \\) -prune -o -print | sort"


class ImagesCase(daemon.DaemonCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.api = api_client.Api(cls.daemon.socket)

    @classmethod
    def tearDownClass(cls):
        cls.api.close()
        super().tearDownClass()

    def setUp(self):
        self.top = pathlib.Path(tempfile.mkdtemp(prefix="glovebox-e2e-oci-", dir="/tmp"))
        self.addCleanup(shutil.rmtree, self.top, True)
        self.top.chmod(0o755)
        self.count = 0

    def write(self, layout):
        self.count += 1
        return layout.write(self.top / f"layout{self.count}")

    def imported(self, path, name=None):
        self.count += 1
        name = name or f"image{self.count}"
        shown = json.loads(self.ok("image", "import", "--json", name, path, timeout=120))
        self.addCleanup(self.daemon.cli, "image", "rm", name)
        return shown

    def sh(self, image, script, *options):
        sandbox = self.create("--image", image, *options)
        out = self.told("exec", sandbox, "--", "/bin/sh", "-c", script)
        self.ok("rm", sandbox)
        return out

    def layers_on_disk(self):
        return sorted(os.listdir(self.daemon.state / "store" / "image-layers"))

    def refused(self, path, code=grpc.StatusCode.FAILED_PRECONDITION, reason="ARCHIVE_INVALID"):
        images, layers = self.ok("image", "ls", "--json"), self.layers_on_disk()

        def fail():
            with self.assertRaises(grpc.RpcError) as caught:
                list(self.api.stream("Snapshot", "ImportImage", timeout=300, name="hostile", oci_path=str(path)))
            return caught

        caught = fail()
        # What its worker held for a moment longer goes with the next import that fails.
        daemon.wait_until(lambda: self.layers_on_disk() == layers or not fail(), "its layers are gone")
        self.assertEqual(caught.exception.code(), code, caught.exception)
        self.assertIn(reason.encode(), dict(caught.exception.trailing_metadata())["grpc-status-details-bin"], caught.exception)
        self.assertEqual(self.ok("image", "ls", "--json"), images)
        return caught.exception.details()


class Images(ImagesCase):
    def test_files_are_as_the_layers_say(self):
        second = layer(directory("data", mode=0o2755, uid=5, gid=6), member("data/a", b"1", uid=7, gid=8, mode=0o4755), member("data/b", b"2"),
                       member("data/twin", kind=HARD, link="data/a"), directory("gone"), member("gone/x", b"x"),
                       directory("cleared"), member("cleared/below", b"old"), directory("cleared/deep"), member("cleared/deep/old", b"o"),
                       member("etc/changed", b"before"), member("becomes-file/x", b"1"), member("becomes-tree", b"1"))
        third = layer(member("data/.wh.b"), member(".wh.gone"), member("cleared/new", b"new"), member("cleared/.wh..wh..opq"),
                      directory("cleared/deep"), member("cleared/deep/young", b"y"), member("etc/changed", b"after"),
                      member("becomes-file", b"file"), directory("becomes-tree"), member("becomes-tree/x", b"2"),
                      # Through a link of a layer below: into /usr/bin, which stays a link's target.
                      member("bin/tool", b"#!/bin/sh\necho tool\n", mode=0o755), member(".wh..wh.plnk", b""), member("nowhere/.wh.nothing"))
        image = self.imported(self.write(Layout(BASE, second, third, how=("gzip", "zstd", ""))))
        self.assertEqual(len(image["layers"]), 3)
        sandbox = self.create("--image", image["name"])
        out = self.told("exec", sandbox, "--", "sh", "-c",
                        "stat -c '%n %a %u %g %h' /data /data/a /bin/tool; cat /etc/changed /becomes-file /becomes-tree/x; echo; "
                        "tool; ls -A /data /cleared /cleared/deep; test -L /bin && echo link; test -e /gone || echo gone; "
                        "test -e /nowhere && echo made; true")
        self.assertEqual(out.splitlines(), ["/data 2755 5 6 1", "/data/a 4755 7 8 2", "/bin/tool 755 0 0 1", "afterfile2", "tool",
                                            "/cleared:", "deep", "new", "", "/cleared/deep:", "young", "", "/data:", "a", "twin",
                                            "link", "gone"])
        # What the payload does to the layers' files is its own.
        self.ok("exec", sandbox, "--", "sh", "-c", "mkdir ~/d && touch ~/d/f")
        self.assertEqual([line.split("\t")[1] for line in self.told("changes", sandbox).splitlines()], ["d/f"])

    def test_every_form_of_a_source_is_the_same_image(self):
        layers = [BASE, layer(member("etc/x", b"1"))]
        path = self.write(Layout(*layers))
        digests = {self.imported(source)["digest"] for source in (
            path, oci_layout.as_tar(path, self.top / "l.tar"), oci_layout.as_tar(path, self.top / "l.tar.gz", "gzip"),
            oci_layout.docker_save(self.top / "d.tar", *layers))}
        self.assertEqual(len(digests), 1)
        self.assertEqual(len(self.layers_on_disk()), 2, "kept once")

    def test_fsck_tells_of_each_image_and_layer_whether_it_is_whole(self):
        image = self.imported(self.write(Layout(BASE, layer(member("etc/x", b"1" * 5000)))))["name"]
        plain = self.top / "root"
        (plain / "usr").mkdir(parents=True)
        (plain / "etc").mkdir()
        (plain / "etc" / "y").write_bytes(b"2" * 5000)
        of_directory = self.imported(plain)["name"]
        layers = {f"image-layers/{key}" for key in self.layers_on_disk()}
        self.assertEqual(self.damaged(), {})
        self.assertLessEqual({f"images/{image}", f"images/{of_directory}"} | layers, self.checked())
        store = self.daemon.state / "store"
        rotten = store / "image-layers" / next(key for key in self.layers_on_disk() if self.rot(store / "image-layers" / key, b"1" * 4096))
        with self.subTest("a layer"):
            self.assertEqual(set(self.damaged()), {f"image-layers/{rotten.name}"})
            self.assertIn(image, self.damaged()[f"image-layers/{rotten.name}"])
        with self.subTest("an image of one disk"):
            self.assertTrue(self.rot(store / "images" / of_directory, b"2" * 4096))
            self.assertEqual(set(self.damaged()), {f"image-layers/{rotten.name}", f"images/{of_directory}"})
        self.assertEqual(self.damaged(content=False), {}, "what is in them is not read")

    # By way of the image's file below the mounted disk: the page cache of the disk must not have it.
    def rot(self, entry, text):
        disk = os.open(entry / "disk.img", os.O_RDWR)
        self.addCleanup(os.close, disk)
        end = 0
        while True:  # it is sparse
            try:
                begin = os.lseek(disk, end, os.SEEK_DATA)
            except OSError:
                return False
            end = os.lseek(disk, begin, os.SEEK_HOLE)
            at = os.pread(disk, end - begin, begin).find(text)
            if at < 0:
                continue
            self.daemon.kill()
            os.pwrite(disk, b"r", begin + at)
            self.daemon.start()
            return True

    def checked(self, content=True):
        shown = self.daemon.cli("snapshot", "fsck", "--json", *(["--content"] if content else []))
        return {one["name"] for one in json.loads(shown.stdout)}

    def damaged(self, content=True):
        shown = self.daemon.cli("snapshot", "fsck", "--json", *(["--content"] if content else []))
        found = {one["name"]: one["remedy"] for one in json.loads(shown.stdout) if one["damaged"]}
        self.assertEqual(shown.returncode, 1 if found else 0)
        return found

    def test_an_old_docker_archive_whose_layers_are_links(self):
        same = layer(member("etc/x", b"1"))
        path = oci_layout.docker_save(self.top / "d.tar", BASE, same, BASE, shared=True)
        self.assertEqual(self.sh(self.imported(path)["name"], "cat /etc/x"), "1")

    def test_skopeo_and_this_agree(self):
        if shutil.which("skopeo") is None:
            self.skipTest("needs skopeo") if not os.environ.get("GLOVEBOX_TESTS_MUST_RUN") else self.fail("needs skopeo")
        path = self.write(Layout(BASE, layer(member("etc/x", b"1"))))
        ours = self.imported(path)["digest"]
        for kind in ("docker-archive", "oci-archive"):
            out = self.top / f"{kind}.tar"
            subprocess.run(["skopeo", "copy", "--quiet", "--insecure-policy", f"oci:{path}", f"{kind}:{out}:x:1"], check=True,
                           capture_output=True)
            self.assertEqual(self.imported(out)["digest"], ours)

    def test_layers_are_shared_and_go_with_the_last_image(self):
        one = self.imported(self.write(Layout(BASE, layer(member("etc/one", b"1")))), "one")
        other = self.imported(self.write(Layout(BASE, layer(member("etc/other", b"2")))), "other")
        self.assertEqual(one["layers"][0]["chain_id"], other["layers"][0]["chain_id"])
        self.assertEqual(other["layers"][0]["image_count"], 2)
        self.assertEqual(len(self.layers_on_disk()), 3)
        sandbox = self.create("--image", "one")
        self.assertIn("in use", self.fails(1, "image", "rm", "one"))
        self.ok("image", "rm", "other")
        self.assertEqual(len(self.layers_on_disk()), 2)
        self.assertEqual(self.told("exec", sandbox, "--", "/bin/cat", "/etc/one"), "1")
        self.ok("rm", sandbox)
        self.ok("image", "rm", "one")
        self.assertEqual(self.layers_on_disk(), [])

    def test_more_layers_than_are_kept_become_one(self):
        layers = [BASE, *(layer(member(f"srv/{n}", str(n).encode()), *([member(f"srv/.wh.{n - 1}")] if n % 2 else [])) for n in range(20))]
        image = self.imported(self.write(Layout(*layers)))
        self.assertEqual(len(image["layers"]), 7)
        self.assertIn("kept as one", " ".join(image["notes"]))
        self.assertEqual(self.sh(image["name"], "ls /srv").split(), sorted([str(n) for n in range(20) if n % 2] + ["app"]))
        other = self.imported(self.write(Layout(*layers[:10], layer(member("srv/x", b"x")))))
        shared = {one["chain_id"] for one in image["layers"]} & {one["chain_id"] for one in other["layers"]}
        self.assertEqual(len(shared), 6, "the lowest ones are those that images have in common")

    def test_the_config_is_data(self):
        config = {"Env": ["PATH=/opt/x:/usr/bin:/bin", "LANG=de_DE.UTF-8", "PYTHON_VERSION=3.12", "LD_PRELOAD=/x.so", "GLIBC_TUNABLES=a=b",
                          "BASH_ENV=/x", "HOME=/", "novalue", "JAVA_HOME=/j\u001b[2J"],
                  "WorkingDir": "/srv/app", "User": "0:0", "Entrypoint": ["/evil"], "Cmd": ["/evil"], "Volumes": {"/etc": {}},
                  "Labels": {"a": f"|touch {self.top}/ran"}}
        image = self.imported(self.write(Layout(BASE, config=config)))
        self.assertEqual(image["environment"], ["LANG=de_DE.UTF-8", "PATH=/opt/x:/usr/bin:/bin", "PYTHON_VERSION=3.12"])
        self.assertEqual((image["workdir"], image["user"]), ("/srv/app", "0:0"))
        notes = " ".join(image["notes"])
        for name in ("LD_PRELOAD", "GLIBC_TUNABLES", "BASH_ENV", "HOME", "JAVA_HOME"):
            self.assertIn(name, notes)
        out = self.sh(image["name"], "pwd; id -u; env | sort")
        self.assertEqual(out.splitlines()[:2], ["/srv/app", "1000"], "the image's user is shown, not obeyed")
        self.assertIn("PATH=/opt/x:/usr/bin:/bin\n", out)
        self.assertNotIn("LD_PRELOAD", out)
        self.assertNotIn("evil", out)
        self.assertFalse((self.top / "ran").exists())
        for workdir in ("relative", "/not/there", "/srv/../../etc", "/a\nb", "/proc/self/fd/3", "x" * 5000):
            image = self.imported(self.write(Layout(BASE, config={"WorkingDir": workdir})))
            self.assertEqual(image["workdir"], "")
            self.assertIn("working directory", " ".join(image["notes"]))
            self.assertEqual(self.sh(image["name"], "pwd"), "/home/agent\n")

    def test_the_platform_of_the_host_is_chosen(self):
        arm, ours = Layout(layer(member("etc/x")), architecture="arm64"), Layout(BASE)
        ours.index = {"schemaVersion": 2, "manifests": [
            arm.as_manifest(platform={"os": "linux", "architecture": "arm64"}),
            {"mediaType": oci_layout.MANIFEST, "digest": "sha256:" + "0" * 64, "platform": {"os": "unknown", "architecture": "unknown"}},
            ours.as_manifest(platform={"os": "linux", "architecture": "amd64"})]}
        ours.blobs.update(arm.blobs)
        self.imported(self.write(ours))
        self.assertIn("no image for linux/amd64", self.refused(self.write(arm)))
        two = Layout(BASE)
        another = Layout(BASE, config={"User": "x"})
        two.index = {"schemaVersion": 2, "manifests": [two.as_manifest(), another.as_manifest()]}
        two.blobs.update(another.blobs)
        self.assertIn("there are 2 images", self.refused(self.write(two)))

    def test_prune_removes_what_no_sandbox_uses(self):
        self.imported(self.write(Layout(BASE)), "used")
        self.imported(self.write(Layout(BASE, layer(member("etc/x")))), "unused")
        self.create("--image", "used")
        self.assertIn("--force", self.fails(2, "image", "prune"))
        pruned = json.loads(self.ok("image", "prune", "--force", "--json"))
        self.assertEqual(pruned["removed"], ["unused"])
        self.assertEqual({one["name"] for one in json.loads(self.ok("image", "ls", "--json"))}, {"host", "used"})

    def test_a_restart_finds_images_and_layers_and_drops_what_an_import_left(self):
        self.imported(self.write(Layout(BASE, layer(member("etc/x", b"1")))), "kept")
        running = self.create("--image", "kept")
        layers = self.layers_on_disk()
        name = "f" * 64
        store = self.daemon.state / "store" / "image-layers"
        subprocess.run(["cp", "-a", store / layers[0], store / name], check=True)  # the disk is sparse, and stays so
        record = store / name / "record.json"
        record.write_text(record.read_text().replace(layers[0], name))
        self.daemon.kill()
        self.daemon.start()
        self.assertEqual(self.layers_on_disk(), layers)
        self.assertEqual(self.sh("kept", "cat /etc/x"), "1")
        self.assertEqual(self.told("exec", running, "--", "/bin/cat", "/etc/x"), "1")
        self.assertIn("in use", self.fails(1, "image", "rm", "kept"))
        self.ok("rm", running)


def broken_layer(change):
    def make():
        layout = Layout(BASE, layer(member("etc/x", b"1")))
        change(layout)
        return layout
    return make


def swap_blob(layout):
    digest = layout.layers[1]["digest"].split(":")[1]
    layout.blobs[digest] = gzip.compress(layer(member("etc/evil", b"1")))


def lie_about_content(layout):
    layout.config["rootfs"]["diff_ids"][1] = "sha256:" + "a" * 64


def missing_blob(layout):
    del layout.blobs[layout.layers[1]["digest"].split(":")[1]]


def as_link(layout):
    layout.layers[1]["mediaType"] = "application/x-link"


def loop(layout):
    """An index cannot name itself by its digest, so a circle is as many indexes as one likes."""
    entry = layout.as_manifest()
    for _ in range(10):
        entry = {"mediaType": oci_layout.INDEX, **layout.descriptor(json.dumps({"schemaVersion": 2, "manifests": [entry]}).encode())}
    layout.index = {"schemaVersion": 2, "manifests": [entry]}


def wide(layout):
    layout.index = {"schemaVersion": 2, "manifests": [layout.as_manifest()] * 1001}


def many_layers(layout):
    layout.layers = layout.layers[:1] * 10_000
    layout.config["rootfs"]["diff_ids"] = layout.config["rootfs"]["diff_ids"][:1] * 10_000


def large_config(layout):
    layout.config["config"]["Labels"] = {"x": "y" * (100 << 20)}


def deep_config(layout):
    layout.config["config"]["Labels"] = functools.reduce(lambda below, _: [below], range(900), [])


TOO_LARGE = (grpc.StatusCode.RESOURCE_EXHAUSTED, "IMPORT_TOO_LARGE")
HOSTILE = {
    "another blob than its digest says": (swap_blob, "is not what its digest says"),
    "another tar than its diff id says": (lie_about_content, "diff id"),
    "a blob that is missing": (missing_blob, "is missing"),
    "a layer of another kind": (as_link, "media type"),
    "a circle of indexes": (loop, "without end", *TOO_LARGE),
    "an index of a thousand": (wide, "too many", *TOO_LARGE),
    "10,000 layers": (many_layers, "layers", *TOO_LARGE),
    "a config of 100 MB": (large_config, "bytes", *TOO_LARGE),
    "a config that is nested": (deep_config, "nested", *TOO_LARGE),
}
HOSTILE_LAYERS = {
    "..": ([member("a/../../etc/x", b"1")], '".." in it'),
    "whiteout of ..": ([member("a/.wh...")], "whiteout of nothing"),
    "whiteout of .": ([member(".wh..")], "whiteout of nothing"),
    "whiteout of no name": ([member(".wh.")], "whiteout of nothing"),
    "whiteout with a slash": ([member(".wh.a/../../etc")], '".." in it'),
    "dev is a link": ([member(".wh.dev"), member("dev", kind=LINK, link="/etc")], "sandboxes mount there"),
    "proc is a link": ([member("proc", kind=LINK, link="/")], "sandboxes mount there"),
    "proc is a file": ([member("proc", b"1")], "sandboxes mount there"),
    "tmp is a link": ([member("tmp", kind=LINK, link="etc")], "sandboxes mount there"),
    "etc is a link": ([member("etc", kind=LINK, link="/usr")], "not a root file system"),
    "no usr": ([member(".wh.usr")], "not a root file system"),
    "passwd is a link": ([member("etc/passwd", kind=LINK, link="/etc/shadow")], "is no file"),
    "an owner that no sandbox has": ([member("x", uid=70000)], "belongs to 70000"),
    "a hard link to nothing": ([member("x", kind=HARD, link="/etc/cron.d/none")], "hard link"),
    "a circle of links": ([member("a", kind=LINK, link="b"), member("b", kind=LINK, link="a"), member("a/x", b"1")], '"a/x"'),
}


class DirectoryRoots(ImagesCase):
    """A directory of the host becomes an image; who owns the directory is root there."""

    def root(self):
        path = self.top / "root"
        path.mkdir()
        subprocess.run(["tar", "-xf", "-", "-C", path], input=BASE, check=True)
        return path

    def test_a_directory_is_an_image(self):
        path = self.root()
        for name in ("var/data", "home/agent", "dev", "tmp"):
            (path / name).mkdir(parents=True)
        (path / "var/data/mine").write_text("mine")
        (path / "var/data/mine").chmod(0o6755)
        (path / "var/data/others").write_text("others")
        os.chown(path / "var/data/others", 12345, 12345)
        (path / "home/agent/notes").write_text("n")
        os.link(path / "var/data/mine", path / "var/data/twin")
        os.symlink("/etc/shadow", path / "var/data/out")
        os.truncate(os.open(path / "var/data/sparse", os.O_CREAT | os.O_RDWR), 1 << 30)
        os.mknod(path / "dev/sda", 0o600 | 0o060000, os.makedev(8, 0))
        os.mkfifo(path / "var/data/fifo")
        os.setxattr(path / "var/data/mine", "user.x", b"y")
        image = self.imported(path)
        self.assertLess(image["disk_bytes"], 64 << 20)
        out = self.sh(image["name"], "cd /var/data; stat -c '%n %a %u:%g %h %s %F' *; cat mine others; readlink out; ls /dev/sda; "
                      "stat -c '%u %a' ~/notes /tmp; echo x > ~/new && echo home", "--cpus", "1")
        self.assertEqual(out.splitlines(), [
            "fifo 644 0:0 1 0 fifo", "mine 6755 0:0 2 4 regular file", "others 644 0:0 1 6 regular file",
            "out 777 0:0 1 11 symbolic link", f"sparse {os.stat(path / 'var/data/sparse').st_mode & 0o777:o} 0:0 1 {1 << 30} regular file",
            "twin 6755 0:0 2 4 regular file", "mineothers/etc/shadow", "1000 644", "0 1777", "home"])
        # As a tar file of the same tree.
        archive = self.top / "root.tar"
        subprocess.run(["tar", "-C", path, "--sparse", "-cf", archive, "."], check=True)
        self.assertEqual(self.sh(self.imported(archive)["name"], "cat /var/data/mine; readlink /var/data/out"), "mine/etc/shadow\n")

    def test_what_its_owner_cannot_read_and_what_is_no_root_is_refused(self):
        path = self.root()
        images = self.ok("image", "ls", "--json")

        def refused(code, reason, source):
            with self.assertRaises(grpc.RpcError) as caught:
                list(self.api.stream("Snapshot", "ImportImage", timeout=300, name="hostile", directory_path=str(source)))
            self.assertEqual(caught.exception.code(), code, caught.exception)
            details = dict(caught.exception.trailing_metadata())["grpc-status-details-bin"]
            self.assertIn(reason.encode(), details, caught.exception)
            self.assertEqual(self.ok("image", "ls", "--json"), images)
            return caught.exception.details()

        invalid = grpc.StatusCode.FAILED_PRECONDITION
        private = path / "private"
        private.write_text("of another user")
        os.chown(private, 12345, 12345)
        private.chmod(0o600)
        self.assertIn("private", refused(invalid, "ARCHIVE_INVALID", path))
        private.unlink()
        os.mknod(path / "disk", 0o600 | 0o060000, os.makedev(7, 200))
        self.assertIn("disk", refused(invalid, "ARCHIVE_INVALID", path))
        (path / "disk").unlink()
        shutil.rmtree(path / "etc")
        self.assertIn("not a root", refused(invalid, "ARCHIVE_INVALID", path))
        os.symlink("/etc", path / "etc")
        self.assertIn("not a root", refused(invalid, "ARCHIVE_INVALID", path))
        refused(grpc.StatusCode.NOT_FOUND, "SOURCE_NOT_FOUND", path / "absent")
        refused(grpc.StatusCode.INVALID_ARGUMENT, "PATH_INVALID", path / "usr/bin/busybox")
        self.assertIn("no usr and etc", self.fails(1, "image", "import", "x", str(self.top)))


class HostileImages(ImagesCase):
    def test_documents_and_blobs(self):
        for what, (change, words, *rest) in HOSTILE.items():
            with self.subTest(what):
                self.assertIn(words, self.refused(self.write(broken_layer(change)()), *rest))

    def test_layers(self):
        for what, (members, words) in HOSTILE_LAYERS.items():
            with self.subTest(what):
                self.assertIn(words, self.refused(self.write(Layout(BASE, layer(*members)))))

    def test_links_lead_nowhere_but_into_the_image(self):
        """Also where they are followed: what an image writes through them is in the image."""
        bait = self.top / "bait"
        bait.mkdir(mode=0o777)
        for target in (str(bait), "../" * 20 + str(bait)[1:]):
            self.refused(self.write(Layout(BASE, layer(member("out", kind=LINK, link=target), member("out/x", b"1")))))
        members = [member("out", kind=LINK, link="/srv/app"), member("out/x", b"1"),
                   member("up", kind=LINK, link="../" * 20 + "srv/app"), member("up/y", b"1"),
                   member("mnt", kind=LINK, link="/srv"), member("mnt/z", b"1"), member("opt", kind=LINK, link="usr"),
                   member("opt/glovebox-importer", b"1"), member("image-root", kind=LINK, link="/etc"), member("image-root/w", b"1"),
                   member("workspace", kind=LINK, link="/etc"), member("self", kind=LINK, link="/proc/self/root"),
                   member("etc/hosts", kind=LINK, link="/etc/shadow")]
        image = self.imported(self.write(Layout(BASE, layer(*members))))
        self.assertEqual(list(bait.iterdir()), [])
        out = self.sh(image["name"], "cd /srv; ls app; cat z /etc/w /usr/glovebox-importer; ls -d /image-root")
        self.assertEqual(out.split(), ["x", "y", "111/image-root"])
        path, _ = daemon.repository(self.top)
        self.assertIn("-rw", self.sh(image["name"], "ls -la /workspace /etc/os-release", "--repo", path))

    def test_attributes_and_devices_are_left_out(self):
        redirect = {"SCHILY.xattr.user.overlay.redirect": "/etc", "SCHILY.xattr.trusted.overlay.opaque": "y",
                    "SCHILY.xattr.security.capability": "x", "SCHILY.xattr.user.overlay.metacopy": ""}
        image = self.imported(self.write(Layout(BASE, layer(
            member("etc/x", b"1", pax=redirect), directory("d", pax=redirect), member("dev/sda", kind=b"4"), member("null", kind=b"3")))))
        self.assertEqual(self.sh(image["name"], "cat /etc/x; test -e /null || echo none; ls /dev | sort | true"), "1none\n")

    def test_bombs(self):
        zeros = bytes(64 << 20)
        huge, _ = member("huge")
        huge.size = 20 << 30
        for what, data in {"by size": huge.tobuf() + bytes(1 << 20), "by hard links": layer(
                member("z", zeros), *(member(f"h{n}", kind=HARD, link="z") for n in range(300)))}.items():
            with self.subTest(what):
                self.refused(self.write(Layout(BASE, data)), *TOO_LARGE)

    def test_a_layout_that_is_made_of_links(self):
        path = self.write(Layout(BASE))
        (path / "index.json").rename(path / "real.json")
        (path / "index.json").symlink_to("/etc/passwd")
        self.refused(path)
        (path / "index.json").unlink()
        os.mkfifo(path / "index.json")
        self.refused(path)
        for text in ("", "[]", "{", '{"manifests": {}}', '{"manifests": [{"digest": "sha256:../../x"}]}', "\xff\0"):
            (path / "index.json").unlink()
            (path / "index.json").write_text(text)
            self.refused(path)
        self.assertIn("neither an OCI image layout", self.refused(self.top))


class Registry(http.server.BaseHTTPRequestHandler):
    """The distribution API, for reading one image."""

    def do_GET(self):
        kind, name = self.path.rsplit("/", 2)[1:]
        blobs = self.server.layout.blobs
        if self.path == "/v2/":
            return self.answer(b"{}", "application/json")
        if kind == "manifests" and not name.startswith("sha256:"):
            name = self.server.manifest["digest"]
        data = blobs.get(name.split(":")[-1])
        if data is None:
            return self.send_error(404)
        return self.answer(data, oci_layout.MANIFEST if kind == "manifests" else "application/octet-stream", name)

    do_HEAD = do_GET

    def answer(self, data, kind, digest=None):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        if digest:
            self.send_header("Docker-Content-Digest", digest)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data)

    def log_message(self, *_):
        pass


class Pull(ImagesCase):
    def test_an_image_comes_from_a_registry(self):
        layout = Layout(BASE, layer(member("etc/x", b"pulled")))
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Registry)
        server.layout, server.manifest = layout, layout.as_manifest()
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        reference = f"docker://127.0.0.1:{server.server_port}/test/image:1"
        self.ok("image", "import", "--plain-http", "pulled", reference, timeout=120)
        self.addCleanup(self.daemon.cli, "image", "rm", "pulled")
        self.assertEqual(self.sh("pulled", "cat /etc/x"), "pulled")
        shown = next(one for one in json.loads(self.ok("image", "ls", "--json")) if one["name"] == "pulled")
        self.assertEqual(shown["digest"], self.imported(self.write(layout))["digest"])
        done = self.daemon.cli("image", "import", "--plain-http", "none", reference.replace("127.0.0.1", "localhost.invalid"))
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"skopeo could not fetch", done.stderr)
        environment = {**self.daemon.environment(), "PATH": "/nonexistent"}
        done = subprocess.run(self.daemon.command("image", "import", "none", reference), env=environment, capture_output=True)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"install skopeo", done.stderr)
        self.assertEqual(list(pathlib.Path("/tmp").glob("glovebox-pull-*")), [], "nothing is left of pulls")

    def test_nothing_is_left_of_a_pull_that_is_interrupted_or_killed(self):
        silent = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(silent.close)
        top = self.daemon.root / "pulls"
        top.mkdir()
        reference = f"docker://127.0.0.1:{silent.getsockname()[1]}/test/image:1"
        for number in (signal.SIGINT, signal.SIGKILL):
            pull = subprocess.Popen(self.daemon.command("image", "import", "--plain-http", "none", reference),
                                    env={**self.daemon.environment(), "TMPDIR": str(top)}, stdin=subprocess.DEVNULL,
                                    stderr=subprocess.PIPE, start_new_session=True)
            asked, _ = silent.accept()  # skopeo is there
            self.assertEqual(len(list(top.iterdir())), 1)
            os.killpg(pull.pid, number)  # as a terminal does
            pull.communicate(timeout=daemon.DEADLINE_S)  # the remover has its stderr until it is done
            asked.close()
            self.assertEqual(pull.returncode, -number)
            daemon.wait_until(lambda: not list(top.iterdir()), "the remover is done")


RECIPES = pathlib.Path(__file__).resolve().parents[2] / "images"


class Recipes(ImagesCase):
    def test_every_recipe_names_packages_that_debian_has(self):
        names = sorted(path.parent.name for path in RECIPES.glob("*/smoke"))
        self.assertEqual(names, ["cpp", "debian", "java", "node", "python", "small"])
        known = set(subprocess.run(["apt-cache", "pkgnames"], capture_output=True, text=True, check=True).stdout.split())
        for name in names:
            with self.subTest(name):
                packages = subprocess.run([RECIPES / "build", "--list", name], capture_output=True, text=True, check=True).stdout.split()
                self.assertEqual(packages, sorted(set(packages)))
                self.assertEqual([one for one in packages if one not in known], [])
                for command in (RECIPES / name / "smoke").read_text().splitlines():
                    subprocess.run(["bash", "-n", "-c", command], check=True)
        done = subprocess.run([RECIPES / "build", "nothing"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 2)
        self.assertIn("there are: cpp debian java", done.stderr)


if __name__ == "__main__":
    unittest.main()
