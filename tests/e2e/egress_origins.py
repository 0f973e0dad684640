"""What tools talk to: web servers in the internet of a test's world, with certificates of an authority made for it."""

import base64
import email.utils
import gzip
import hashlib
import http.server
import io
import json
import os
import pathlib
import socket
import ssl
import subprocess
import tarfile
import tempfile
import threading
import zipfile

import daemon
from egress_case import egress_world

NAMES = "DNS:good.example,DNS:other.example,DNS:*.wild.example,DNS:inner.example"
HALF = b"x" * (1 << 20)


class Authority:
    """Keys and certificates in a folder, made by openssl."""

    def __init__(self, folder):
        self.certificate, self.server = folder / "ca.pem", folder / "server.pem"
        self._make("ca", "/CN=Authority of a test", "-addext", "basicConstraints=critical,CA:TRUE")
        self._make("server", "/CN=good.example", "-CA", self.certificate, "-CAkey", folder / "ca.key", "-addext",
                   f"subjectAltName={NAMES}", "-addext", "basicConstraints=critical,CA:FALSE")
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(self.server, folder / "server.key")

    def _make(self, name, subject, *options):
        folder = self.certificate.parent
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days",
                        "2", "-subj", subject, "-keyout", folder / f"{name}.key", "-out", folder / f"{name}.pem", *options],
                       check=True, capture_output=True)


class Held:
    """Answers that stop half-way until they are released."""

    def __init__(self):
        self.released = threading.Event()
        self._lock = threading.Lock()
        self.hosts = []  # of each answer that is half sent

    def send(self, host, write):
        write(HALF)
        with self._lock:
            self.hosts.append(host)
        self.released.wait()
        write(HALF)


def routes_of(folder):
    """{path: (type, bytes)}; @HOST@ becomes the name that the client asked."""
    wheel, tarball, package = make_wheel(), make_npm_package(), make_debian_package(folder)
    digest = base64.b64encode(hashlib.sha512(tarball).digest()).decode()
    version = {"name": "example", "version": "1.0.0", "main": "index.js",
               "dist": {"tarball": "https://@HOST@/npm/example/-/example-1.0.0.tgz", "integrity": f"sha512-{digest}"}}
    metadata = {"name": "example", "dist-tags": {"latest": "1.0.0"}, "versions": {"1.0.0": version}}
    crate = make_crate()
    index = {"name": "example", "vers": "1.0.0", "deps": [], "cksum": hashlib.sha256(crate).hexdigest(), "features": {},
             "yanked": False}
    return {
        "/hello": ("text/plain", b"hello of a host\n"),
        "/simple/example/": ("text/html", f'<a href="/wheels/{WHEEL}">{WHEEL}</a>'.encode()),
        f"/wheels/{WHEEL}": ("application/octet-stream", wheel),
        "/npm/example": ("application/json", json.dumps(metadata).encode()),
        "/npm/example/-/example-1.0.0.tgz": ("application/octet-stream", tarball),
        "/cargo/config.json": ("application/json", b'{"dl": "https://@HOST@/crates/{crate}/{version}"}'),
        "/cargo/ex/am/example": ("text/plain", json.dumps(index).encode() + b"\n"),
        "/crates/example/1.0.0": ("application/octet-stream", crate),
        "/apt/Packages": ("text/plain", debian_index(package)),
        "/apt/example.deb": ("application/octet-stream", package),
    }


WHEEL = "example-1.0-py3-none-any.whl"


def make_wheel():
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as wheel:
        wheel.writestr("example.py", "ANSWER = 42\n")
        wheel.writestr("example-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: example\nVersion: 1.0\n")
        wheel.writestr("example-1.0.dist-info/WHEEL",
                       "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr("example-1.0.dist-info/RECORD", "example.py,,\nexample-1.0.dist-info/METADATA,,\n"
                       "example-1.0.dist-info/WHEEL,,\nexample-1.0.dist-info/RECORD,,\n")
    return made.getvalue()


def make_tarball(files):
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as tar:
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            tar.addfile(entry, io.BytesIO(text.encode()))
    return made.getvalue()


def make_npm_package():
    return make_tarball({"package/package.json": json.dumps({"name": "example", "version": "1.0.0", "main": "index.js"}),
                         "package/index.js": "module.exports = 42\n"})


def make_crate():
    return make_tarball({"example-1.0.0/Cargo.toml": '[package]\nname = "example"\nversion = "1.0.0"\nedition = "2021"\n',
                         "example-1.0.0/src/lib.rs": "pub const ANSWER: u32 = 42;\n"})


def make_debian_package(folder):
    control = folder / "package" / "DEBIAN" / "control"
    control.parent.mkdir(parents=True)
    control.write_text("Package: example\nVersion: 1\nArchitecture: all\nMaintainer: A <a@example.org>\nDescription: x\n")
    subprocess.run(["dpkg-deb", "-b", folder / "package", folder / "example.deb"], check=True, capture_output=True)
    return (folder / "example.deb").read_bytes()


def debian_index(package):
    return (f"Package: example\nVersion: 1\nArchitecture: all\nMaintainer: A <a@example.org>\nFilename: ./example.deb\n"
            f"Size: {len(package)}\nSHA256: {hashlib.sha256(package).hexdigest()}\nDescription: x\n\n").encode()


class Requests(http.server.BaseHTTPRequestHandler):
    """Answers of an Origins, which makes a subclass with itself."""

    protocol_version = "HTTP/1.1"
    origins = None

    def log_message(self, *_arguments):
        pass

    def name(self):
        return self.headers["Host"].partition(":")[0]

    def finish(self):
        """What comes behind a request without TLS is kept, up to the end."""
        if not isinstance(self.connection, ssl.SSLSocket):
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_WR)
            self.origins.behind += self.rfile.read()
        super().finish()

    def do_GET(self):
        self.origins.hosts.append(self.name())
        path = self.path.partition("?")[0].replace("/./", "/")
        if path.startswith("/git/"):
            return self.run_git(b"")
        if path == "/held":
            self.head("text/plain", 2 * len(HALF))
            return self.origins.held.send(self.name(), self.wfile.write)
        kind, body = self.origins.routes.get(path, ("", None))
        if body is None:
            return self.send_error(404)
        if kind != "application/octet-stream":
            body = body.replace(b"@HOST@", self.name().encode())
        self.head(kind, len(body))
        if self.command != "HEAD":
            self.wfile.write(body)
        return None

    do_HEAD = do_GET

    def head(self, kind, length):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(length))
        self.send_header("Last-Modified", email.utils.formatdate(usegmt=True))
        self.end_headers()

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        self.run_git(body)

    def run_git(self, body):
        """By git's own server program, as CGI."""
        path, _, query = self.path.removeprefix("/git").partition("?")
        environment = {
            "PATH": os.environ["PATH"], "GIT_PROJECT_ROOT": str(self.origins.repositories), "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_CONFIG_GLOBAL": "/dev/null", "PATH_INFO": path, "QUERY_STRING": query, "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""), "CONTENT_LENGTH": str(len(body)),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", "")}
        # It ends with 1 when it has told the client of an error.
        answer = subprocess.run(["git", "http-backend"], input=body, env=environment, capture_output=True, check=False).stdout
        if not answer:
            return self.send_error(500)
        head, _, content = answer.partition(b"\r\n\r\n")
        content = self.origins.rewrite(content)
        self.origins.git_bytes += len(content)
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        self.send_response(int(headers.pop("Status", "200").split()[0]))
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        return None


class Origins:
    """Takes ports 80 and 443 of a world's internet over; every name and address there has the same."""

    def __init__(self, world, requests=Requests):
        self._folder = tempfile.TemporaryDirectory(prefix="glovebox-e2e-", dir="/tmp")
        folder = pathlib.Path(self._folder.name)
        self.authority = Authority(folder)
        self.routes = routes_of(folder)
        self.held = Held()
        self.hosts = []  # of requests
        self.behind = b""
        self.repositories = folder / "git"
        self.repositories.mkdir()
        source, self.commits = daemon.repository(folder)
        self.repository = self.repositories / "repository"
        subprocess.run(["git", "clone", "-q", "--bare", source, self.repository], check=True)
        subprocess.run(["git", "-C", self.repository, "config", "http.receivepack", "true"], check=True)
        self.git_bytes = 0  # that git's server program answered
        self.rewrite = lambda content: content  # what of it is sent
        self._requests = type("Requests", (requests,), {"origins": self})
        world.http.close()
        world.echo.pop(443).close()
        world.http = egress_world.Service(world.internet.listen(80), self._answer)
        world.echo[443] = self.https = egress_world.Service(world.internet.listen(443), self._answer_secure)

    def _answer(self, client, _note):
        self._requests(client, client.getpeername(), None)

    def _answer_secure(self, client, note):
        with self.authority.context.wrap_socket(client, server_side=True) as secure:
            self._answer(secure, note)

    def answers_ssh(self, world):
        """Port 22 says its version and nothing else."""
        def banner(client, note):
            client.sendall(b"SSH-2.0-origin\r\n")
            note[2] = client.recv(4096)

        world.echo[22].close()
        world.echo[22] = egress_world.Service(world.internet.listen(22), banner)

    def branches(self):
        return subprocess.run(["git", "-C", self.repository, "for-each-ref", "--format=%(refname:short)"], check=True,
                              capture_output=True, text=True).stdout.split()

    def close(self):
        """Before the world is closed."""
        self.held.released.set()
        self._folder.cleanup()
