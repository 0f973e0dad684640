"""The API from Python: messages made by protoc at start, calls by name, no generated stubs."""

import importlib
import pathlib
import shutil
import subprocess
import sys
import tempfile
import types

import google
import google.protobuf  # before the path of `google` is extended
import grpc

PROTO_ROOT = pathlib.Path(__file__).resolve().parents[2] / "proto"


def load_messages():
    """A namespace per proto file: load_messages().exec.StartExecRequest."""
    out = pathlib.Path(tempfile.mkdtemp(prefix="glovebox-e2e-proto-", dir="/tmp"))
    files = sorted(str(path.relative_to(PROTO_ROOT)) for path in PROTO_ROOT.glob("**/*.proto"))
    subprocess.run(["protoc", f"-I{PROTO_ROOT}", f"--python_out={out}", *files], check=True)
    sys.path.insert(0, str(out))
    google.__path__.append(str(out / "google"))
    messages = types.SimpleNamespace()
    for name in files:
        if name.startswith("glovebox/"):
            stem = pathlib.Path(name).stem
            setattr(messages, stem, importlib.import_module(f"glovebox.v1.{stem}_pb2"))
    importlib.import_module("google.rpc.error_details_pb2")  # for who reads the details of an error
    sys.path.remove(str(out))
    shutil.rmtree(out)
    return messages


MESSAGES = load_messages()


class Api:
    def __init__(self, socket):
        self.messages = MESSAGES
        self.channel = grpc.insecure_channel(f"unix:{socket}", options=[("grpc.max_receive_message_length", 64 << 20)])

    def close(self):
        self.channel.close()

    def _types(self, service, method):
        module = getattr(self.messages, service.lower())
        call = module.DESCRIPTOR.services_by_name[f"{service}Service"].methods_by_name[method]
        return getattr(module, call.input_type.name), getattr(module, call.output_type.name)

    def call(self, service, method, timeout=60, **fields):
        """One request, one response."""
        request, response = self._types(service, method)
        stub = self.channel.unary_unary(f"/glovebox.v1.{service}Service/{method}",
                                        request_serializer=request.SerializeToString,
                                        response_deserializer=response.FromString)
        return stub(request(**fields), timeout=timeout)

    def stream(self, service, method, timeout=120, **fields):
        """One request, an iterator of responses."""
        request, response = self._types(service, method)
        stub = self.channel.unary_stream(f"/glovebox.v1.{service}Service/{method}",
                                         request_serializer=request.SerializeToString,
                                         response_deserializer=response.FromString)
        return stub(request(**fields), timeout=timeout)
