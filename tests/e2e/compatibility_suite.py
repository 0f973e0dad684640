#!/usr/bin/env python3
"""What people run in sandboxes runs there: CPython's own tests have the same results as outside, languages and build tools
work, packages can be installed. The long form is tests/soak/compatibility."""

import unittest

import compatibility
import daemon

# Quick ones that ask much of the kernel.
PYTHON_MODULES = ("test_os", "test_posix", "test_fcntl", "test_mmap", "test_select", "test_epoll", "test_resource")
RESULTS_LEAST = 300

JAVA = """
public class Answer {
  public static void main(String[] arguments) throws Exception {
    Thread[] threads = new Thread[8];
    int[] sums = new int[8];
    for (int i = 0; i < 8; i++) { int n = i; threads[n] = new Thread(() -> sums[n] = n * n); threads[n].start(); }
    int sum = 0;
    for (int i = 0; i < 8; i++) { threads[i].join(); sum += sums[i]; }
    System.out.println(sum);
  }
}
"""
PACKAGE = """set -e
cd /tmp
mkdir -p package/DEBIAN package/opt/example
printf 'Package: example\\nVersion: 1\\nArchitecture: all\\nMaintainer: A <a@example.org>\\nDescription: x\\n' \\
  >package/DEBIAN/control
printf '#!/bin/sh\\nchown 8:60 /opt/example/file\\n' >package/DEBIAN/postinst
chmod 755 package/DEBIAN/postinst
echo content >package/opt/example/file
dpkg-deb -b package example.deb
mkdir -p /var/lib/dpkg/info /var/lib/dpkg/updates /var/lib/apt/lists/partial /var/cache/apt/archives/partial \\
  /var/log/apt /etc/apt/apt.conf.d /etc/apt/preferences.d
touch /var/lib/dpkg/status
apt-get install -y ./example.deb
stat -c %u:%g /opt/example/file
"""


class Compatibility(daemon.DaemonCase):
    def answer(self, sandbox, *command, options=()):
        return self.ok("exec", *options, sandbox, "--", *command, timeout=240).decode()

    def test_cpython_has_the_same_results_as_outside(self):
        sandbox = self.create("--memory", "2GiB")
        command = compatibility.python_command(PYTHON_MODULES)
        unexpected = self.unexpected(sandbox, command)
        if unexpected:  # some measure time, and fail now and then on a busy host, inside or outside
            again = self.unexpected(sandbox, command)
            unexpected = {name: again[name] for name in unexpected.keys() & again.keys()}
        self.assertEqual(unexpected, {})

    def unexpected(self, sandbox, command):
        inside = compatibility.python_results(compatibility.run_inside(self.daemon, sandbox, command, 500))
        outside = compatibility.python_results(compatibility.run_outside(command, 500))
        self.assertGreater(len(outside), RESULTS_LEAST, "the control: there are results to compare")
        self.assertIn("ok", outside.values())
        return {name: results for name, results in compatibility.differences(inside, outside).items()
                if name not in compatibility.PYTHON_DIFFERENCES}

    def test_interpreters_run(self):
        sandbox = self.create()
        self.assertEqual(self.answer(sandbox, "python3", "-c", "print(6 * 7)"), "42\n")
        self.assertEqual(self.answer(sandbox, "perl", "-e", "print 6 * 7"), "42")
        self.assertEqual(self.answer(sandbox, "bash", "-c", "cat <(echo $((6 * 7)))"), "42\n")
        self.assertEqual(self.answer(sandbox, "node", "-e", "console.log(6 * 7)"), "42\n")

    def test_a_compiler_and_make_build_a_program(self):
        sandbox = self.create()
        script = ("cd /tmp && printf 'int main(void) { return 42; }' >a.c && printf 'a: a.c\\n\\tgcc -o a a.c\\n' >Makefile"
                  " && make -s -j4 && { ./a; echo $?; }")
        self.assertEqual(self.answer(sandbox, "sh", "-c", script), "42\n")

    def test_java_compiles_and_runs_threads(self):
        sandbox = self.create("--memory", "2GiB")
        self.answer(sandbox, "sh", "-c", 'printf %s "$1" >/tmp/Answer.java', "sh", JAVA)
        self.assertEqual(self.answer(sandbox, "java", "/tmp/Answer.java"), "140\n")

    def test_root_inside_installs_a_package_with_apt(self):
        sandbox = self.create("--root-inside")
        output = self.answer(sandbox, "sh", "-c", PACKAGE, options=("--user", "root"))
        self.assertTrue(output.endswith("\n8:60\n"), output)


if __name__ == "__main__":
    unittest.main()
