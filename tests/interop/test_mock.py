"""`callgate mock` is called by clients that are not ours: of Python, Node and Go.

Each signs its calls by its own means, and reads the answers as a program of its language would.
"""

import base64
import datetime
import json
import os
import pathlib
import shutil
import subprocess
import urllib.error
import urllib.request

import pytest
from standardwebhooks.webhooks import Webhook

ROOT = pathlib.Path(__file__).resolve().parents[2]
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
CALL = {
    "callbackCommand": "callbackBeforeSendSingleMsgCommand",
    "sendID": "u1",
    "recvID": "u2",
    "contentType": 101,
    "content": json.dumps({"content": "你好"}),
}

NODE = """
const crypto = require("crypto");
const [url, secret, body] = process.argv.slice(1);
const key = Buffer.from(secret.replace("whsec_", ""), "base64");
const id = "node-1", time = String(Math.floor(Date.now() / 1000));
const mac = crypto.createHmac("sha256", key).update(`${id}.${time}.${body}`).digest("base64");
const headers = {"content-type": "application/json", "webhook-id": id, "webhook-timestamp": time,
                 "webhook-signature": `v1,${mac}`};
(async () => {
  for (let call = 0; call < 2; call++) {
    const answer = await fetch(url, {method: "POST", headers, body});
    console.log(JSON.stringify({status: answer.status, body: await answer.text()}));
  }
})();
"""

GO = """
package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"
)

func main() {
	url, secret, body := os.Args[1], os.Args[2], os.Args[3]
	key, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	stamp := fmt.Sprint(time.Now().Unix())
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte("go-1." + stamp + "." + body))
	for call := 0; call < 2; call++ {
		request, _ := http.NewRequest("POST", url, strings.NewReader(body))
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set("webhook-id", "go-1")
		request.Header.Set("webhook-timestamp", stamp)
		request.Header.Set("webhook-signature", "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		text, _ := io.ReadAll(answer.Body)
		answer.Body.Close()
		said, _ := json.Marshal(map[string]any{"status": answer.StatusCode, "body": string(text)})
		fmt.Println(string(said))
	}
}
"""


class Mock:
    """A running mock, and what it says of each call."""

    def __init__(self, directory, *args):
        secret = directory / "secret"
        secret.write_text(SECRET)
        program = os.environ.get("CALLGATE_BIN", str(ROOT / "target/debug/callgate"))
        command = [program, "mock", "--listen", "127.0.0.1:0", "--secret-file", str(secret), "--json"]
        self._process = subprocess.Popen(
            [*command, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        said = self._process.stderr.readline()
        self.url = said.split(" at ")[1].split(";")[0] + "/callback/callbackBeforeSendSingleMsgCommand"

    def told(self):
        return json.loads(self._process.stdout.readline())

    def close(self):
        self._process.kill()
        self._process.communicate()


@pytest.fixture
def mock(tmp_path):
    """Starts mocks with these steps."""
    started = []

    def start(*args):
        started.append(Mock(tmp_path, *args))
        return started[-1]

    yield start
    for one in started:
        one.close()


STEPS = "[{answer: block, code: 20009, reason: not here}, {answer: allow}]"


def check(answers, mock):
    """What a client got of the two steps, and what the mock says of it."""
    first, second = (json.loads(answer) for answer in answers)
    assert (first["status"], second["status"]) == (200, 200)
    refused = json.loads(first["body"])
    assert (refused["nextCode"], refused["errCode"], refused["errMsg"]) == (1, 20009, "not here")
    assert json.loads(second["body"])["nextCode"] == 0
    for does in ["block 20009", "allow"]:
        told = mock.told()
        assert told["signature"] == "good", told
        assert (told["hook"], told["sender"], told["does"]) == ("beforeSendSingleMsg", "u1", does)
        assert told["fault"] is None


def test_a_client_of_python_is_verified_and_answered(mock):
    server = mock("--answer", STEPS)
    body = json.dumps(CALL)
    signed_at = datetime.datetime.now(tz=datetime.timezone.utc)
    headers = {
        "content-type": "application/json",
        "webhook-id": "python-1",
        "webhook-timestamp": str(int(signed_at.timestamp())),
        "webhook-signature": Webhook(SECRET).sign("python-1", signed_at, body),
    }

    def post(text):
        request = urllib.request.Request(server.url, text.encode(), headers)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.dumps({"status": answer.status, "body": answer.read().decode()})

    check([post(body), post(body)], server)
    post(body.replace("u1", "u3"))
    assert server.told()["signature"].startswith("BAD: ")


def test_failures_are_what_a_client_of_python_takes_them_for(mock):
    def post(url):
        request = urllib.request.Request(url, json.dumps(CALL).encode())
        with urllib.request.urlopen(request, timeout=2) as answer:
            return answer.read()

    with pytest.raises(urllib.error.HTTPError) as status:
        post(mock("--answer", "{failure: http_status}").url)
    assert status.value.code == 500
    with pytest.raises((ConnectionError, urllib.error.URLError)):
        post(mock("--answer", "{failure: connect}").url)
    with pytest.raises(TimeoutError):
        post(mock("--answer", "{failure: timeout}").url)
    with pytest.raises(ValueError):
        json.loads(post(mock("--answer", "{failure: invalid_answer}").url))
    assert len(post(mock("--answer", "{failure: too_large}").url)) > 64 << 20
    assert post(mock("--answer", "{status: 200, body: 'as it stands'}").url) == b"as it stands"


def test_a_client_of_node_is_verified_and_answered(mock):
    if not shutil.which("node"):
        pytest.skip("there is no node here")
    server = mock("--answer", STEPS)
    command = ["node", "-e", NODE, server.url, SECRET, json.dumps(CALL)]
    output = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    check(output.stdout.splitlines(), server)


def test_a_client_of_go_is_verified_and_answered(mock, tmp_path):
    if not shutil.which("go"):
        pytest.skip("there is no go here")
    server = mock("--answer", STEPS)
    program = tmp_path / "client.go"
    program.write_text(GO)
    command = ["go", "run", str(program), server.url, SECRET, json.dumps(CALL)]
    output = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    check(output.stdout.splitlines(), server)


def test_cloud_events_of_python_are_told_one_by_one(mock):
    server = mock("--answer", "{answer: allow}")
    message = {**CALL, "callbackCommand": "callbackAfterSendSingleMsgCommand"}
    event = {
        "specversion": "1.0",
        "id": "e1",
        "source": "/callgate/openim",
        "type": "callgate.v1.afterSendSingleMsg",
        "subject": "s",
        "time": "2026-01-01T00:00:00Z",
        "data_base64": base64.b64encode(json.dumps(message).encode()).decode(),
    }
    kind = {"content-type": "application/cloudevents-batch+json"}
    other = {**event, "id": "e2", "type": "callgate.v1.beforeSendSingleMsg"}
    batch = json.dumps([event, {**event, "id": "", "specversion": "0.3"}, other]).encode()
    with urllib.request.urlopen(urllib.request.Request(server.url, batch, kind), timeout=10):
        pass
    told = server.told()
    assert [one["id"] for one in told["cloud_events"]] == ["e1", "", "e2"]
    assert "fault" not in told["cloud_events"][0]
    assert "`id`" in told["cloud_events"][1]["fault"]
    assert "its data is of" in told["cloud_events"][2]["fault"]
    assert (told["events"], told["hook"]) == (2, "afterSendSingleMsg")
