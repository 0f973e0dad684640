"""An authority of a test, and certificates that it signs, made by openssl."""

import pathlib
import ssl
import subprocess
import tempfile


class Authority:
    """Its files go with it."""

    def __init__(self, name):
        self._folder = tempfile.TemporaryDirectory(prefix="glovebox-ca-", dir="/tmp")
        self.folder = pathlib.Path(self._folder.name)
        self.certificate, self.key = self._make("ca", f"/CN={name}", "-addext", "basicConstraints=critical,CA:TRUE")

    def _make(self, file, subject, *options):
        certificate, key = self.folder / f"{file}.pem", self.folder / f"{file}.key"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days",
                        "2", "-subj", subject, "-keyout", key, "-out", certificate, *options], check=True, capture_output=True)
        return certificate, key

    def der(self):
        """Certificate and key."""
        key = subprocess.run(["openssl", "pkey", "-in", self.key, "-outform", "DER"], check=True, capture_output=True).stdout
        return ssl.PEM_cert_to_DER_cert(self.certificate.read_text()), key

    def server(self, file, names, *options):
        """A context with a certificate for the names, as "DNS:a,DNS:b"."""
        certificate, key = self._make(file, "/CN=server", "-CA", self.certificate, "-CAkey", self.key, "-addext",
                                      f"subjectAltName={names}", "-addext", "basicConstraints=critical,CA:FALSE", *options)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        return context

    def client(self):
        """A context that trusts it and nothing else."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(self.certificate)
        return context
