"""Drives the real program from Python, as a message service in another language would.

The client is generated from `proto/` when the tests run, so it is always the one that a user
would generate today. `CALLGATE_BIN` names the program; without it, the debug build is taken.
"""

import http.server
import json
import os
import pathlib
import socket
import subprocess
import sys
import threading
import time
import urllib.request

import grpc
import grpc_tools
import pytest
from grpc_tools import protoc

ROOT = pathlib.Path(__file__).resolve().parents[2]
PATIENCE_S = 10


@pytest.fixture(scope="session")
def api(tmp_path_factory):
    """The generated modules: messages and stubs."""
    out = tmp_path_factory.mktemp("generated")
    builtin = pathlib.Path(grpc_tools.__file__).parent / "_proto"
    code = protoc.main(
        [
            "protoc",
            f"-I{ROOT / 'proto'}",
            f"-I{builtin}",
            f"--python_out={out}",
            f"--grpc_python_out={out}",
            "callgate/v1/callgate.proto",
        ]
    )
    assert code == 0, "protoc refused callgate.proto"
    sys.path.insert(0, str(out))
    from callgate.v1 import callgate_pb2, callgate_pb2_grpc

    return callgate_pb2, callgate_pb2_grpc


class Business:
    """A business server: answers what the test set, and remembers what it was asked."""

    def __init__(self):
        self.status = 200
        self.answer = {"actionCode": 0, "errCode": 0, "errMsg": "", "errDlt": "", "nextCode": 0}
        self.wait_s = 0.0
        self.requests = []
        self._arrived = threading.Condition()
        business = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with business._arrived:
                    business.requests.append((self.path, self.headers, body))
                    business._arrived.notify_all()
                time.sleep(business.wait_s)
                answer = json.dumps(business.answer).encode()
                self.send_response(business.status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/callback"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def wait_for(self, count):
        with self._arrived:
            arrived = self._arrived.wait_for(lambda: len(self.requests) >= count, PATIENCE_S)
            assert arrived, f"{len(self.requests)} of {count} requests came"
            return list(self.requests)

    def close(self):
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def business():
    server = Business()
    yield server
    server.close()


class Callgate:
    """The running program with its addresses."""

    def __init__(self, directory, policy, tls="", channel=grpc.insecure_channel, engine=""):
        self.directory = directory
        policies = directory / "policies"
        policies.mkdir()
        (policies / "policy.yaml").write_text(policy, encoding="utf-8")
        ports = ["grpc", "http", "admin"]
        tls = f", tls: {{{tls}}}" if tls else ""
        engine += "".join(f'{port}: {{listen: "127.0.0.1:0"{tls}}}\n' for port in ports)
        engine += f"data: {directory / 'data'}\n"
        engine += f"outbox: {{path: {directory / 'outbox.db'}}}\n"
        (policies / "engine.yaml").write_text(engine, encoding="utf-8")
        program = os.environ.get("CALLGATE_BIN", str(ROOT / "target/debug/callgate"))
        self._log = open(directory / "stderr.txt", "w+", encoding="utf-8")
        self._process = subprocess.Popen(
            [program, "serve", "--policies", str(policies)],
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        self.grpc = self.http = self.admin = None
        for line in self._process.stdout:
            words = line.split()
            if words[0] == "gRPC":
                self.grpc = words[1]
            elif words[0] == "HTTP":
                self.http = words[1]
            elif words[0] == "status":
                self.admin = words[1].removesuffix("/status")
            elif words[0] == "try":
                break
        assert self.grpc and self.http and self.admin, self.log()
        self.channel = channel(self.grpc)
        grpc.channel_ready_future(self.channel).result(timeout=PATIENCE_S)

    def log(self):
        self._log.flush()
        self._log.seek(0)
        return self._log.read()

    def status(self):
        with urllib.request.urlopen(f"{self.admin}/status", timeout=PATIENCE_S) as answer:
            return json.load(answer)

    def post(self, path, body):
        """Posts as an IM server does; returns headers and body."""
        request = urllib.request.Request(f"{self.http}{path}", data=body, method="POST")
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            return answer.headers, answer.read()

    def close(self):
        self.channel.close()
        self._process.terminate()
        code = self._process.wait(timeout=PATIENCE_S)
        log = self.log()
        self._process.stdout.close()
        self._log.close()
        assert code == 0, log


@pytest.fixture
def start(tmp_path):
    """Starts the program with a policy; ended with the test, and it must end well."""
    started = []

    def start_with(policy, **more):
        callgate = Callgate(tmp_path, policy, **more)
        started.append(callgate)
        return callgate

    yield start_with
    for callgate in started:
        callgate.close()


@pytest.fixture
def closed_url():
    """A URL at which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}/callback"
