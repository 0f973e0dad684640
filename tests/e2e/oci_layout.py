"""OCI image layouts and `docker save` archives, honest and hostile, made from nothing but bytes."""

import gzip
import hashlib
import io
import json
import os
import pathlib
import subprocess
import tarfile

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
DIRECTORY, FILE, LINK, HARD = tarfile.DIRTYPE, tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE
BUSYBOX = pathlib.Path("/bin/busybox")


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def member(name, data=b"", kind=FILE, link="", mode=0o644, uid=0, gid=0, pax=None):
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode, info.mtime, info.uid, info.gid = kind, link, mode, 1_000_000_000, uid, gid
    info.size, info.pax_headers = len(data), pax or {}
    return info, data


def directory(name, mode=0o755, **more):
    return member(name, kind=DIRECTORY, mode=mode, **more)


def layer(*members):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for info, data in members:
            tar.addfile(info, io.BytesIO(data) if data else None)
    return out.getvalue()


def base():
    """A user land in one file, as the lowest layer."""
    return layer(directory("./"), directory("usr"), directory("usr/bin"), directory("etc"), directory("srv"), directory("srv/app"),
                 member("bin", kind=LINK, link="usr/bin"), member("usr/bin/busybox", BUSYBOX.read_bytes(), mode=0o755),
                 *(member(f"usr/bin/{name}", kind=HARD, link="usr/bin/busybox")
                   for name in ("sh", "cat", "ls", "stat", "echo", "test", "find", "env", "pwd", "id", "sort", "mkdir", "touch", "rm", "true")),
                 member("etc/os-release", b"ID=test\n"))


def packed(data, how):
    if how == "zstd":
        return subprocess.run(["zstd", "-q", "-1"], input=data, capture_output=True, check=True).stdout
    return gzip.compress(data, 1, mtime=0) if how == "gzip" else data


class Layout:
    """A directory; what a test changes of the parts before `write` is what is hostile about it."""

    def __init__(self, *layers, config=None, how=("gzip",), architecture="amd64"):
        self.blobs = {}
        self.layers = [{"mediaType": LAYER + {"gzip": "+gzip", "zstd": "+zstd", "": ""}[how[n % len(how)]],
                        **self.descriptor(packed(data, how[n % len(how)]))} for n, data in enumerate(layers)]
        self.config = {"architecture": architecture, "os": "linux", "config": config or {},
                       "rootfs": {"type": "layers", "diff_ids": [f"sha256:{sha256(data)}" for data in layers]}}
        self.index = None

    def descriptor(self, data):
        self.blobs[sha256(data)] = data
        return {"digest": f"sha256:{sha256(data)}", "size": len(data)}

    def manifest(self):
        return {"schemaVersion": 2, "mediaType": MANIFEST, "layers": self.layers,
                "config": {"mediaType": CONFIG, **self.descriptor(json.dumps(self.config).encode())}}

    def as_manifest(self, **more):
        return {"mediaType": MANIFEST, **self.descriptor(json.dumps(self.manifest()).encode()), **more}

    def write(self, path):
        index = self.index or {"schemaVersion": 2, "manifests": [self.as_manifest()]}
        os.makedirs(path / "blobs" / "sha256")
        (path / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
        (path / "index.json").write_text(json.dumps(index))
        for digest, data in self.blobs.items():
            (path / "blobs" / "sha256" / digest).write_bytes(data)
        return path


def as_tar(path, out, how=""):
    """A layout in a tar file."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        tar.add(path, arcname=".")
    out.write_bytes(packed(data.getvalue(), how))
    return out


def docker_save(out, *layers, config=None, shared=False):
    """As `docker save` of old wrote it: a directory per layer, one of them a link to another's tar."""
    document = {"architecture": "amd64", "os": "linux", "config": config or {},
                "rootfs": {"type": "layers", "diff_ids": [f"sha256:{sha256(data)}" for data in layers]}}
    text = json.dumps(document).encode()
    names, members = [], [member(f"{sha256(text)}.json", text)]
    for number, data in enumerate(layers):
        names.append(f"{number:064x}/layer.tar")
        members.append(member(names[-1], data))
    if shared:
        members[-1] = member(names[-1], kind=LINK, link=f"../{names[0].split('/')[0]}/layer.tar")
    members.append(member("manifest.json", json.dumps([{"Config": f"{sha256(text)}.json", "RepoTags": ["x:1"], "Layers": names}]).encode()))
    out.write_bytes(layer(*members))
    return out
