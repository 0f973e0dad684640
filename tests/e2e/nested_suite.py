#!/usr/bin/env python3
"""Container tools inside a sandbox: they work in the tier nested, which the node's owner has to allow, and not in build."""

import unittest

import daemon

ALLOWED = '[seccomp]\ntiers = ["strict", "build", "nested"]\n'
BUBBLEWRAP = ["bwrap", "--ro-bind", "/usr", "/usr", "--symlink", "usr/bin", "/bin", "--symlink", "usr/lib", "/lib", "--symlink",
              "usr/lib64", "/lib64", "--tmpfs", "/tmp", "--dev-bind", "/dev", "/dev", "--unshare-user", "--unshare-pid",
              "--unshare-ipc", "--unshare-uts", "--unshare-net", "--hostname", "inner"]
UNSHARE = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]


class Nested(daemon.DaemonCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        config = cls.daemon.root / "gloveboxd.toml"
        config.write_text(ALLOWED)
        cls.daemon.kill()
        cls.daemon.start("--config", config)

    def run_in(self, sandbox, *command):
        return self.daemon.cli("exec", sandbox, "--", *command)

    def test_bubblewrap_makes_a_container_in_nested_and_none_in_build(self):
        command = [*BUBBLEWRAP, "sh", "-c", "hostname; echo $$; ls /; touch /usr/x || echo read-only"]
        inside = self.run_in(self.create("--seccomp", "nested"), *command)
        self.assertEqual(inside.stdout.split(), b"inner 2 bin dev lib lib64 tmp usr read-only".split(), inside.stderr)
        refused = self.run_in(self.create("--seccomp", "build"), *command)
        self.assertEqual((refused.returncode, refused.stdout), (1, b""))
        self.assertIn(b"No permissions to create new namespace", refused.stderr)
        self.assertIn(b"a sandbox of the tier nested allows it", refused.stderr)

    def test_unshare_mounts_in_nested_and_not_in_build(self):
        command = [*UNSHARE, "mount -t tmpfs x /mnt && touch /mnt/file && ls /mnt && id -u"]
        inside = self.run_in(self.create("--seccomp", "nested"), *command)
        self.assertEqual((inside.returncode, inside.stdout), (0, b"file\n0\n"), inside.stderr)
        refused = self.run_in(self.create("--seccomp", "build"), *command)
        self.assertEqual((refused.returncode, refused.stdout), (1, b""))
        self.assertIn(b"Operation not permitted", refused.stderr)

    def test_root_of_a_nested_namespace_takes_no_mask_and_no_read_only_mount_away(self):
        sandbox = self.create("--seccomp", "nested")
        for attempt in ("mount -o remount,bind,rw /usr", "umount /proc/kcore", "umount /proc/sys", "mount -t proc x /mnt",
                        "mount -o remount,bind,rw /proc/sys", "mount -t sysfs x /mnt", "mount -t cgroup2 x /mnt",
                        "mknod /tmp/sda b 8 0", "echo 1 > /proc/sys/kernel/panic"):
            with self.subTest(attempt=attempt):
                done = self.run_in(sandbox, *UNSHARE, f"echo began; {attempt} && echo done")
                self.assertEqual(done.stdout, b"began\n", done.stderr)
                self.assertNotIn(b"not found", done.stderr)


if __name__ == "__main__":
    unittest.main()
