"""TLS as clients that are not ours speak it: grpcio, `openssl s_client` and curl."""

import json
import shutil
import subprocess
import time

import grpc
import pytest

POLICY = "hooks: {beforeSendSingleMsg: {}}\n"

pytestmark = pytest.mark.skipif(
    not (shutil.which("openssl") and shutil.which("curl")), reason="needs openssl and curl"
)


def run(*command, **more):
    return subprocess.run(command, capture_output=True, text=True, timeout=60, **more)


class Authority:
    """Signs certificates with the openssl of this machine."""

    def __init__(self, directory, name):
        self.directory = directory
        self.name = name
        self.cert = directory / f"{name}.pem"
        made = run(
            "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30",
            "-keyout", directory / f"{name}.key", "-out", self.cert, "-subj", f"/CN={name}",
        )  # fmt: skip
        assert made.returncode == 0, made.stderr

    def issue(self, name, san, days=30):
        """Certificate and key; `days` below zero is one that has expired."""
        at = self.directory
        cert, key, csr, ext = (at / f"{name}.{end}" for end in ("pem", "key", "csr", "ext"))
        ext.write_text(f"subjectAltName={san}\n")
        made = run(
            "openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
            "-nodes", "-keyout", key, "-out", csr, "-subj", f"/CN={name}",
        )  # fmt: skip
        assert made.returncode == 0, made.stderr
        made = run(
            "openssl", "x509", "-req", "-in", csr, "-CA", self.cert, "-extfile", ext,
            "-CAkey", at / f"{self.name}.key", "-CAcreateserial", "-out", cert,
            "-days", str(days),
        )  # fmt: skip
        assert made.returncode == 0, made.stderr
        return cert, key


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("servers"), "servers")


@pytest.fixture(scope="module")
def callers(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("callers"), "callers")


def channel(servers, client=None):
    cert, key = client or (None, None)
    credentials = grpc.ssl_channel_credentials(
        servers.cert.read_bytes(),
        key.read_bytes() if key else None,
        cert.read_bytes() if cert else None,
    )
    return lambda address: grpc.secure_channel(address, credentials)


def setting(servers, callers=None):
    cert, key = servers.issue("server", "DNS:localhost,IP:127.0.0.1")
    tls = f"cert: {cert}, key: {key}"
    return f"{tls}, client_ca: {callers.cert}, client_required: true" if callers else tls


def wait_for_log(callgate, words):
    """The log is written beside everything else."""
    until = time.monotonic() + 10
    while words not in callgate.log():
        assert time.monotonic() < until, f"{words} is not in {callgate.log()}"
        time.sleep(0.02)


def ask(api, channel):
    messages, stubs = api
    request = messages.BeforeRequest(
        hook="beforeSendSingleMsg",
        message=messages.Message(send_id="u1", recv_id="u2", content_type=101, content="{}"),
    )
    return stubs.HookServiceStub(channel).Before(request, timeout=10)


def test_grpcio_speaks_tls(api, start, servers):
    callgate = start(POLICY, tls=setting(servers), channel=channel(servers))
    assert ask(api, callgate.channel).reviewed


def test_grpcio_shows_its_certificate_and_is_refused_without_a_good_one(
    api, start, servers, callers
):
    good = callers.issue("pipeline", "URI:spiffe://cluster/pipeline")
    tls = setting(servers, callers)
    callgate = start(POLICY, tls=tls, channel=channel(servers, good))
    assert ask(api, callgate.channel).reviewed
    stranger = servers.issue("stranger", "DNS:stranger")
    expired = callers.issue("expired", "DNS:expired", days=-1)
    for client in (None, stranger, expired):
        with channel(servers, client)(callgate.grpc) as refused:
            with pytest.raises(grpc.RpcError) as error:
                ask(api, refused)
            assert error.value.code() == grpc.StatusCode.UNAVAILABLE
    # A caller that trusts somebody else does not go on.
    with channel(callers, good)(callgate.grpc) as refused, pytest.raises(grpc.RpcError):
        ask(api, refused)
    for words in ("showed no certificate", "signed by nobody in", "has expired", "may not trust"):
        wait_for_log(callgate, words)


def test_openssl_agrees_on_both_versions(start, servers):
    callgate = start(POLICY, tls=setting(servers), channel=channel(servers))
    for version, alpn in (("-tls1_2", "h2"), ("-tls1_3", "h2"), ("-tls1_3", "http/1.1")):
        seen = run(
            "openssl", "s_client", "-connect", callgate.http.removeprefix("https://"),
            "-CAfile", servers.cert, "-verify_return_error", "-verify_hostname", "localhost",
            version, "-alpn", alpn,
            input="",
        )  # fmt: skip
        assert "Verify return code: 0 (ok)" in seen.stdout, seen
        assert f"ALPN protocol: {alpn}" in seen.stdout, seen.stdout
    old = run(
        "openssl", "s_client", "-connect", callgate.grpc, "-tls1_1",
        "-cipher", "ALL:@SECLEVEL=0", input="",
    )  # fmt: skip
    assert old.returncode != 0


def test_curl_calls_a_webhook_and_says_what_is_wrong(start, servers, callers):
    callgate = start(POLICY, tls=setting(servers), channel=channel(servers))
    url = f"{callgate.http}/callbackExample/callbackBeforeSendSingleMsgCommand"
    body = json.dumps(
        {
            "callbackCommand": "callbackBeforeSendSingleMsgCommand",
            "sendID": "u1", "recvID": "u2", "serverMsgID": "s", "clientMsgID": "c",
            "operationID": "o", "senderPlatformID": 1, "sessionType": 1, "msgFrom": 100,
            "contentType": 101, "status": 1, "sendTime": 1767225600316, "createTime": 1767225600316,
            "content": json.dumps({"content": "hello"}), "seq": 0, "ex": "",
        }
    )  # fmt: skip
    for version in ("--http1.1", "--http2"):
        answer = run("curl", "-sS", version, "--cacert", servers.cert, "-d", body, url)
        assert '"nextCode":0' in answer.stdout, answer
    wrong = run("curl", "-sS", "--cacert", callers.cert, "-d", body, url)
    assert wrong.returncode == 60, wrong
    port = callgate.http.rsplit(":", 1)[1]
    name = run(
        "curl", "-sS", "--cacert", servers.cert, "-d", body,
        "--resolve", f"callgate.example:{port}:127.0.0.1",
        f"https://callgate.example:{port}/callbackExample",
    )  # fmt: skip
    assert name.returncode == 60, name
    plain = run("curl", "-sS", "-d", body, url.replace("https://", "http://"))
    assert "call it by https://" in plain.stdout, plain
