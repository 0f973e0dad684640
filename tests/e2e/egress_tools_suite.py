#!/usr/bin/env python3
"""What people fetch with works in sandboxes as it is, told of no proxy: where nothing is allowed it fails, with an allow list
it reaches what that has, and with everything public it reaches everything."""

import itertools
import os
import pathlib
import shutil
import subprocess
import unittest

import egress_origins
from egress_case import ORIGIN4, OTHER4
from egress_origins_case import OriginsCase

# The authority of the test, for each tool by its own variable; and no word of a proxy.
SETTINGS = r"""
for name in CURL_CA_BUNDLE GIT_SSL_CAINFO SSL_CERT_FILE REQUESTS_CA_BUNDLE PIP_CERT NODE_EXTRA_CA_CERTS CARGO_HTTP_CAINFO \
  npm_config_cafile; do
  export $name=/tmp/ca.pem
done
if env | grep -i _proxy=; then echo 'a proxy is set' >&2; exit 99; fi
set -e
HOST=$1 HOME=$(mktemp -d)
export HOME
cd $HOME
"""
GIT = """
git clone -q --depth 1 https://$HOST/git/repository repository
cd repository
git rev-list --count HEAD
git fetch -q --unshallow
git rev-list --count HEAD
cat file
"""
PUSH = """
git clone -q https://good.example/git/repository repository
cd repository
git checkout -q -b of-$HOST-$2
git -c user.name=a -c user.email=a@b commit -q --allow-empty -m three
git push -q https://$HOST/git/repository HEAD
echo pushed
"""
PIP = """
/usr/bin/python3 -m pip install -q --no-cache-dir --disable-pip-version-check --retries 0 --target here \\
  --index-url https://$HOST/simple/ example
PYTHONPATH=here /usr/bin/python3 -c 'import example; print(example.ANSWER)'
"""
NPM = """
npm install --silent --no-audit --no-fund --no-update-notifier --fetch-retries 0 --registry https://$HOST/npm/ example
node -p 'require("example")'
"""
CARGO = r"""
mkdir -p src .cargo
touch src/lib.rs
printf '[package]\nname = "a"\nversion = "1.0.0"\n[dependencies]\nexample = { version = "1", registry = "test" }\n' >Cargo.toml
printf '[registries.test]\nindex = "sparse+https://%s/cargo/"\n[net]\nretry = 0\n' $HOST >.cargo/config.toml
PATH=/tmp:$PATH cargo vendor -q >/dev/null
cat vendor/example/src/lib.rs
"""
APT = """
mkdir -p state/lists/partial cache/archives/partial etc/apt.conf.d etc/preferences.d etc/trusted.gpg.d
touch status
echo "deb [trusted=yes] SCHEME://$HOST/apt ./" >etc/sources.list
apt() {
  apt-get -qq -o Dir::State=$PWD/state -o Dir::State::status=$PWD/status -o Dir::Cache=$PWD/cache -o Dir::Etc=$PWD/etc \\
    -o APT::Sandbox::User=root -o APT::Update::Error-Mode=any -o Acquire::Retries=0 -o Acquire::https::CAInfo=/tmp/ca.pem "$@"
}
apt update
apt download example
dpkg-deb -f example_1_all.deb Package
"""
URLLIB = """
python3 -c 'import sys, urllib.request as r; print(r.urlopen("https://" + sys.argv[1] + "/hello").read().decode(), end="")' $HOST
"""
# The copy that pip brings; who installs python3-requests has the same code.
REQUESTS = """
/usr/bin/python3 -c 'import sys; from pip._vendor import requests
print(requests.get("https://" + sys.argv[1] + "/hello").text, end="")' $HOST
"""
NODE_FETCH = r"""
node -e 'fetch("https://" + process.argv[1] + "/hello").then(got => got.text()).then(text => process.stdout.write(text))' $HOST
"""
NODE_HTTPS = r"""
node -e 'require("https").get("https://" + process.argv[1] + "/hello", got => got.pipe(process.stdout))' $HOST
"""
JAVA_PROGRAM = """
cat >Get.java <<'END'
import java.net.URI;
import java.net.http.*;
public class Get {
  public static void main(String[] arguments) throws Exception {
    HttpRequest request = HttpRequest.newBuilder(URI.create("https://" + arguments[0] + "/hello")).build();
    System.out.print(HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofString()).body());
  }
}
END
"""
JAVA = f"""
keytool -importcert -noprompt -alias ca -file /tmp/ca.pem -keystore trusted -storepass changeit 2>keytool.log
{JAVA_PROGRAM}
java -XX:TieredStopAtLevel=1 -Djavax.net.ssl.trustStore=trusted -Djavax.net.ssl.trustStorePassword=changeit Get.java $HOST
"""
SSH = """
ssh -v -F none -o BatchMode=yes -o StrictHostKeyChecking=no $HOST true 2>log || true
grep -o 'remote software version origin' log || { cat log >&2; false; }
"""
OPENSSL = """
openssl s_client -connect $HOST:443 -servername $HOST -CAfile /tmp/ca.pem -verify_return_error -brief </dev/null 2>&1 |
  grep '^Verification: '
"""
HELLO = "hello of a host\n"


def rust_root():
    """Where Rust is on this host; None: nowhere."""
    rustc = shutil.which("rustc")
    if rustc is None:
        return None
    return subprocess.run([rustc, "--print", "sysroot"], check=True, capture_output=True, text=True).stdout.strip()


class Tools(OriginsCase):
    @classmethod
    def make_internet(cls):
        super().make_internet()
        cls.origins.answers_ssh(cls.world)
        cls.numbers = itertools.count()

    def setUp(self):
        super().setUp()
        self.files = {"/tmp/ca.pem": self.origins.authority.certificate}

    def needs(self, program):
        """Tools of tools/packages.txt are there; where tests must run, one that is not is a fault."""
        if shutil.which(program, path="/usr/bin:/bin") is None:
            if os.environ.get("GLOVEBOX_TESTS_MUST_RUN"):
                self.fail(f"{program} is not installed, and GLOVEBOX_TESTS_MUST_RUN forbids to skip")
            self.skipTest(f"{program} is not installed")

    def prepared(self, *options):
        sandbox = self.create(*options)
        for inside, outside in self.files.items():
            self.ok("cp", outside, f"{sandbox}:{inside}")
        return sandbox

    def runs(self, sandbox, script, host, *arguments, options=()):
        """What it says; None when it fails."""
        self.exec_id = f"e{next(self.numbers)}"
        done = self.daemon.cli("exec", "--exec-id", self.exec_id, *options, sandbox, "--", "sh", "-c", SETTINGS + script, "sh",
                               host, *arguments, timeout=240)
        self.errors = done.stderr.decode(errors="replace")
        self.assertNotEqual(done.returncode, 99, self.errors)
        return done.stdout.decode() if done.returncode == 0 else None

    def works(self, sandbox, script, host, said, **more):
        told = self.runs(sandbox, script, host, **more)
        self.assertEqual(told, said, f"{host}: {self.errors}\n{self.records(sandbox)}")

    def denied(self, sandbox, script, host, *arguments, reason="no_rule", **more):
        """It fails, and its end says whose doing that is."""
        self.assertIsNone(self.runs(sandbox, script, host, *arguments, **more), host)
        denials = self.status(sandbox, self.exec_id)["denials"]
        self.assertIn((host, reason), [(one["target"].partition(":")[0], one["reason"]) for one in denials], self.errors)

    def reached(self):
        return {address for service in self.world.services() for address in service.addresses()}

    def in_each_mode(self, script, said, port=443, sandbox_options=(), **more):
        none = self.prepared(*sandbox_options)
        self.assertIsNone(self.runs(none, script, "good.example", **more))
        self.assertEqual((self.reached(), self.world.dns.asked), (set(), []))
        some = self.prepared("--allow", f"good.example:{port}", *sandbox_options)
        self.works(some, script, "good.example", said, **more)
        self.denied(some, script, "other.example", **more)
        self.assertEqual(self.reached(), {ORIGIN4})
        self.assertEqual({name for name, _ in self.world.dns.asked}, {"good.example"})
        self.ok("egress", some, "--none")
        self.denied(some, script, "good.example", reason="no_egress", **more)
        everything = self.prepared("--egress", "full", *sandbox_options)
        for host in ("good.example", "other.example"):
            self.works(everything, script, host, said, **more)
        self.assertEqual(self.reached(), {ORIGIN4, OTHER4})

    def test_curl(self):
        self.needs("curl")
        self.in_each_mode("curl -fsS https://$HOST/hello", HELLO)

    def test_curl_without_tls(self):
        self.needs("curl")
        self.in_each_mode("curl -fsS http://$HOST/hello http://$HOST/hello", HELLO * 2, port=80)

    def test_wget(self):
        self.needs("wget")
        self.in_each_mode("wget -q -O- --tries 1 --ca-certificate /tmp/ca.pem https://$HOST/hello", HELLO)

    def test_git_clones_and_fetches(self):
        self.in_each_mode(GIT, "1\n2\ntwo\n")

    def test_git_pushes_where_it_may(self):
        some = self.prepared("--allow", "good.example")
        self.assertEqual(self.runs(some, PUSH, "good.example", "list"), "pushed\n", self.errors)
        self.denied(some, PUSH, "other.example", "list")
        self.assertNotIn(OTHER4, self.origins.https.addresses())
        everything = self.prepared("--egress", "full")
        self.assertEqual(self.runs(everything, PUSH, "other.example", "full"), "pushed\n", self.errors)
        self.assertEqual(set(self.origins.branches()), {"main", "of-good.example-list", "of-other.example-full"})

    def test_pip(self):
        self.in_each_mode(PIP, "42\n")

    def test_python_urllib(self):
        self.in_each_mode(URLLIB, HELLO)

    def test_python_requests(self):
        self.in_each_mode(REQUESTS, HELLO)

    def test_npm(self):
        self.needs("npm")
        self.in_each_mode(NPM, "42\n")

    def test_cargo(self):
        """No Debian package of 12 has one that knows sparse registries, and the rest of Rust is of no use here: that of the
        host is copied into each sandbox."""
        root = rust_root()
        if root is None:
            self.skipTest("no Rust on this host")
        self.files["/tmp/cargo"] = pathlib.Path(root, "bin", "cargo")
        self.in_each_mode(CARGO, "pub const ANSWER: u32 = 42;\n")

    def test_node_fetch(self):
        self.needs("node")
        self.in_each_mode(NODE_FETCH, HELLO)

    def test_node_https(self):
        self.needs("node")
        self.in_each_mode(NODE_HTTPS, HELLO)

    def test_java(self):
        self.needs("java")
        self.in_each_mode(JAVA, HELLO, sandbox_options=["--memory", "2GiB"])

    def test_apt(self):
        for scheme, port in (("http", 80), ("https", 443)):
            with self.subTest(scheme):
                self.world.forget()
                self.in_each_mode(APT.replace("SCHEME", scheme), "example\n", port=port, sandbox_options=["--root-inside"],
                                  options=["--user", "root"])

    def test_ssh_to_a_banner(self):
        self.needs("ssh")
        self.in_each_mode(SSH, "remote software version origin\n", port=22)

    def test_openssl(self):
        self.needs("openssl")
        self.in_each_mode(OPENSSL, "Verification: OK\n")


if __name__ == "__main__":
    unittest.main()
