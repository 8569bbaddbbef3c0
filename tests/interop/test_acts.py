"""Each act of the pages, repeated over the API by curl against the real program."""

import json
import subprocess

import pytest

from test_console import send
from test_pages import is_blocked, until

POLICY = """
callbackUrl: {url}
lists: {{ads: {{file: ads.txt, action: block}}}}
hooks:
  beforeSendSingleMsg: {{failedContinue: true}}
  afterSendSingleMsg: {{}}
"""


@pytest.fixture
def callgate(start, business):
    program = start("hooks: {}\n")
    (program.directory / "policies/ads.txt").write_text("casino\n")
    (program.directory / "policies/policy.yaml").write_text(POLICY.format(url=business.url))
    until(lambda: is_blocked(send(program, "a casino", "warm")), "the policy")
    return program


@pytest.fixture
def curl(callgate):
    """Asks as a program does; the answer, and its ETag."""
    token = (callgate.directory / "cli.token").read_text().strip()

    def ask(method, path, body=None, status=200, headers=()):
        order = ["curl", "-sS", "-i", "-X", method, "-H", f"Authorization: Bearer {token}"]
        for header in headers:
            order += ["-H", header]
        if body is not None:
            order += ["-H", "Content-Type: application/json", "-d", json.dumps(body)]
        order.append(f"{callgate.admin}/api/v1{path}")
        said = subprocess.run(order, capture_output=True, text=True, check=True).stdout
        head, _, content = said.replace("\r\n", "\n").partition("\n\n")
        got = int(head.split()[1])
        assert got in (status if isinstance(status, tuple) else (status,)), f"{method} {path}: {said}"
        lines = dict(line.split(": ", 1) for line in head.lower().split("\n")[1:])
        ask.etag = lines.get("etag", "")
        return json.loads(content) if content.strip() else None

    return ask


def run(curl, plan, **more):
    curl("POST", f"/plans/{plan['id']}/run", {"why": "by curl"} | more, status=(200, 202))
    until(lambda: curl("GET", f"/plans/{plan['id']}")["state"] == "done", "the end of the plan")


def test_words_are_edited_planned_and_brought_back(curl, callgate):
    before = curl("GET", "/versions")["items"][0]["number"]
    curl("GET", "/lists/ads")
    edit = {"ops": [{"op": "add", "entry": "roulette"}], "why": "by curl"}
    saved = curl("PATCH", "/lists/ads", edit, headers=[f"If-Match: {curl.etag}"])
    assert saved["version"], saved
    assert is_blocked(send(callgate, "a roulette", "added"))
    curl("GET", "/lists/ads")
    many = [{"op": "add", "entry": f"word number {number}"} for number in range(30)]
    match = [f"If-Match: {curl.etag}"]
    plan = curl("POST", "/lists/ads/plans", {"ops": many}, status=201, headers=match)
    assert "30 added" in plan["summary"], plan
    run(curl, plan)
    assert is_blocked(send(callgate, "word number 29", "planned"))
    path = f"/versions/{before}/rollback"
    plan = curl("POST", path, {"dry_run": True})
    curl("POST", path, {"plan": plan["plan"], "why": "by curl"})
    assert not is_blocked(send(callgate, "a roulette", "back"))
    assert (callgate.directory / "policies/ads.txt").read_text() == "casino\n"


def test_events_are_retried_replayed_and_given_up(curl, callgate, business):
    business.status = 400
    for number in range(4):
        send(callgate, "hello", f"after-{number}", "After")

    def outbox():
        counted = callgate.status()["outbox"]["endpoints"]["callbackUrl"]
        return {name: counted[name] for name in ("pending", "dead", "discarded", "delivered")}

    until(lambda: outbox()["dead"] == 4, "four dead events")
    one = curl("GET", "/outbox/dead")["items"][0]["id"]
    plan = curl("POST", "/outbox/plans", {"act": "discard", "id": one}, status=201)
    assert plan["rows"] == 1, plan
    run(curl, plan)
    assert outbox() == {"pending": 0, "dead": 3, "discarded": 1, "delivered": 0}
    business.status = 503
    plan = curl("POST", "/outbox/plans", {"act": "replay"}, status=201)
    assert plan["rows"] == 3, plan
    run(curl, plan)
    until(lambda: outbox()["pending"] == 3, "three that wait")
    business.status = 200
    curl("POST", "/outbox/retries", {"why": "by curl"})
    until(lambda: outbox()["delivered"] == 3, "three deliveries")
    assert outbox() == {"pending": 0, "dead": 0, "discarded": 1, "delivered": 3}


def test_people_and_programs_are_let_in_and_out(curl, callgate):
    invited = curl("POST", "/operators/invitations", {"name": "bob", "role": "viewer"}, status=201)
    code = invited["path"].split("#")[1]
    form = {"code": code, "name": "bob", "password": "correct horse battery"}
    order = ["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", f"{callgate.admin}/setup"]
    order += ["-H", f"Origin: {callgate.admin}"]
    for name, value in form.items():
        order += ["--data-urlencode", f"{name}={value}"]
    assert subprocess.run(order, capture_output=True, text=True, check=True).stdout == "303"
    plan = curl("POST", "/operators/plans", {"name": "bob", "role": "moderator", "lists": ["ads"]}, status=201)
    assert "role moderator instead of viewer" in plan["summary"], plan
    run(curl, plan)
    bob = curl("GET", "/operators")["items"][0]
    assert (bob["role"], bob["lists"]) == ("moderator", ["ads"]), bob
    run(curl, curl("POST", "/operators/plans", {"name": "bob", "disabled": True}, status=201))
    assert curl("GET", "/operators")["items"][0]["disabled"]
    made = curl("POST", "/tokens", {"name": "ci", "role": "viewer"}, status=201)
    listed = curl("GET", "/tokens")["items"]
    assert [token["name"] for token in listed] == ["ci"] and made["token"].startswith("cg_")
    curl("DELETE", f"/tokens/{listed[0]['id']}")
    assert curl("GET", "/tokens")["items"] == []
    told = {record["act"] for record in curl("GET", "/audit")["items"]}
    assert {"operator.invite", "operator.set", "plan.make", "token.make", "token.remove"} <= told
