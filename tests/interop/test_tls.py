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


def setting(servers, callers=None, san="DNS:localhost,IP:127.0.0.1"):
    cert, key = servers.issue("server", san)
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


PATH = "/callbackExample/callbackBeforeSendSingleMsgCommand"
BODY = json.dumps(
    {
        "callbackCommand": "callbackBeforeSendSingleMsgCommand",
        "sendID": "u1", "recvID": "u2", "serverMsgID": "s", "clientMsgID": "c",
        "operationID": "o", "senderPlatformID": 1, "sessionType": 1, "msgFrom": 100,
        "contentType": 101, "status": 1, "sendTime": 1767225600316, "createTime": 1767225600316,
        "content": json.dumps({"content": "hello"}), "seq": 0, "ex": "",
    }
)  # fmt: skip


def test_curl_calls_a_webhook_and_says_what_is_wrong(start, servers, callers):
    callgate = start(POLICY, tls=setting(servers), channel=channel(servers))
    url, body = f"{callgate.http}{PATH}", BODY
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


def curl(callgate, servers, client=None):
    """One call with curl: its exit code, the status of the answer, what it says of it."""
    shown = ["--cert", client[0], "--key", client[1]] if client else []
    called = run(
        "curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "--cacert", servers.cert, *shown,
        "-d", BODY, f"{callgate.http}{PATH}",
    )  # fmt: skip
    return called.returncode, called.stdout, called.stderr


def s_client(callgate, servers, client=None, *more):
    """One call with `openssl s_client`: the answer, and what it says of the handshake."""
    shown = ["-cert", client[0], "-key", client[1]] if client else []
    request = (
        f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        f"Content-Length: {len(BODY)}\r\n\r\n{BODY}"
    )
    return run(
        "openssl", "s_client", "-connect", callgate.http.removeprefix("https://"),
        "-CAfile", servers.cert, "-verify_return_error", "-alpn", "http/1.1", "-ign_eof",
        *shown, *more, input=request,
    )  # fmt: skip


def test_curl_and_openssl_say_what_is_wrong_with_their_certificates(start, servers, callers):
    good = callers.issue("im", "DNS:im.example")
    callgate = start(POLICY, tls=setting(servers, callers), channel=channel(servers, good))
    assert curl(callgate, servers, good)[:2] == (0, "200")
    assert "HTTP/1.1 200" in s_client(callgate, servers, good).stdout
    refused = (
        (None, "certificate required", "showed no certificate"),
        (servers.issue("stranger", "DNS:im.example"), "unknown ca", "signed by nobody in"),
        (callers.issue("expired", "DNS:im.example", days=-1), "certificate expired", "has expired"),
    )
    for client, theirs, ours in refused:
        code, status, said = curl(callgate, servers, client)
        assert code in (35, 55, 56) and status == "000", (code, status, said)
        assert theirs in said.lower(), said
        seen = s_client(callgate, servers, client)
        assert "HTTP/1.1" not in seen.stdout
        assert theirs in seen.stderr.lower(), seen.stderr
        wait_for_log(callgate, ours)


def test_a_server_under_another_name_is_refused_by_each_of_them(api, start, servers):
    tls = setting(servers, san="DNS:callgate.example,DNS:localhost")
    override = (("grpc.ssl_target_name_override", "localhost"),)
    credentials = grpc.ssl_channel_credentials(servers.cert.read_bytes())
    callgate = start(
        POLICY, tls=tls, channel=lambda to: grpc.secure_channel(to, credentials, override)
    )
    assert ask(api, callgate.channel).reviewed
    with grpc.secure_channel(callgate.grpc, credentials) as wrong:
        with pytest.raises(grpc.RpcError) as error:
            ask(api, wrong)
    assert error.value.code() == grpc.StatusCode.UNAVAILABLE
    assert "hostname" in error.value.details().lower(), error.value.details()
    wait_for_log(callgate, "by a name that our certificate does not have")
    code, _, said = curl(callgate, servers)
    assert code == 60 and "127.0.0.1" in said, said
    seen = s_client(callgate, servers, None, "-verify_hostname", "other.example")
    assert seen.returncode != 0 and "hostname mismatch" in (seen.stdout + seen.stderr).lower()
    wait_for_log(callgate, "the caller refuses our certificate")


def call_until(call, wanted):
    """An edit is in force within a second or two."""
    until = time.monotonic() + 20
    while True:
        seen = call()
        if seen == wanted:
            return
        assert time.monotonic() < until, seen
        time.sleep(0.1)


def code_of(api, open_channel):
    try:
        ask(api, open_channel)
    except grpc.RpcError as error:
        return error.code()
    return grpc.StatusCode.OK


def test_a_caller_that_is_removed_is_refused_by_the_policy_and_then_by_the_port(
    api, start, servers, callers, tmp_path
):
    first = callers.issue("first", "URI:spiffe://cluster/first")
    second = callers.issue("second", "DNS:second.example")
    both = (
        "callers: {first: {certificates: ['spiffe://cluster/first']}, "
        "second: {certificates: [second.example]}}\n"
    )
    authority = tmp_path / "callers.pem"
    authority.write_bytes(callers.cert.read_bytes())
    tls = setting(servers) + f", client_ca: {authority}, client_required: true"
    callgate = start(both + POLICY, tls=tls, channel=channel(servers, first))
    for client in (first, second):
        assert curl(callgate, servers, client)[:2] == (0, "200")
        with channel(servers, client)(callgate.grpc) as opened:
            assert ask(api, opened).reviewed
    policy = tmp_path / "policies" / "policy.yaml"
    policy.write_text("callers: {second: {certificates: [second.example]}}\n" + POLICY)
    call_until(lambda: curl(callgate, servers, first)[:2], (0, "401"))
    assert "HTTP/1.1 401" in s_client(callgate, servers, first).stdout
    # The connection from before is open, and its caller is nobody any more.
    assert code_of(api, callgate.channel) == grpc.StatusCode.UNAUTHENTICATED
    wait_for_log(callgate, 'reason="certificate"')
    assert curl(callgate, servers, second)[:2] == (0, "200")
    # Nobody of this authority: new connections come to nothing, with an alert.
    authority.write_bytes(servers.cert.read_bytes())
    call_until(lambda: curl(callgate, servers, second)[1], "000")
    _, _, said = curl(callgate, servers, second)
    assert "unknown ca" in said.lower(), said
    wait_for_log(callgate, "signed by nobody in")
