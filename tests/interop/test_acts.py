"""Each act of the pages, repeated over the API by curl against the real program."""

import json
import re
import subprocess

import pytest

from conftest import ROOT
from test_console import send
from test_pages import is_blocked, until

# What the tests below asked for.
asked = set()

POLICY = """
callbackUrl: {url}
lists: {{ads: {{file: ads.txt, action: block}}}}
hooks:
  beforeSendSingleMsg: {{failedContinue: true}}
  afterSendSingleMsg: {{}}
"""


@pytest.fixture
def callgate(start, business):
    recorded = "recordings: {enabled: true, share: 1}\n"
    program = start("hooks: {}\n", engine=recorded)
    (program.directory / "policies/ads.txt").write_text("casino\n")
    (program.directory / "policies/policy.yaml").write_text(POLICY.format(url=business.url))
    until(lambda: is_blocked(send(program, "a casino", "warm")), "the policy")
    return program


@pytest.fixture
def curl(callgate):
    """Asks as a program does; the answer, and its ETag."""
    token = (callgate.directory / "cli.token").read_text().strip()

    def ask(method, path, body=None, status=200, headers=()):
        asked.add(f"{method} /api/v1{path}")
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


def test_a_text_is_tried_and_the_business_servers_are_looked_at(curl, callgate, business):
    tried = curl("POST", "/try", {"text": "a casino", "hook": "beforeSendSingleMsg"})
    assert tried["items"][0]["texts"][0]["matches"][0]["entry"] == "casino", tried
    assert curl("GET", "/doctor")["state"] == "none"
    file = f"url: {callgate.http}/callbackExample\nbeforeSendSingleMsg: {{enable: true, timeout: 5}}\n"
    curl("POST", "/doctor", {"endpoint": "callbackUrl", "webhooks": file})
    until(lambda: curl("GET", "/doctor")["state"] == "done", "the end of the look")
    report = curl("GET", "/doctor")["report"]
    assert report["endpoints"][0]["faults"] == [] and len(report["endpoints"][0]["calls"]) > 10, report
    told = [remark["name"] for remark in report["webhooks"]]
    # The file lacks the hook of after events.
    assert "sent" in told and "not_sent" in told, report["webhooks"]
    assert any(b"callgate-doctor" in body for _, _, body in business.requests)
    curl("POST", "/doctor", {"endpoint": "nosuch"}, status=400)
    assert "doctor.run" in {record["act"] for record in curl("GET", "/audit")["items"]}


def budget(curl, callgate):
    """From here on an edit may block one more call of a hundred; twenty were recorded."""
    for number in range(20):
        send(callgate, "good morning" if number % 2 else "see you", f"m{number}")
    path = callgate.directory / "policies/policy.yaml"
    path.write_text(path.read_text() + 'expect: {blocks: "+0..+1%", calls_min: 10}\n')
    curl("POST", "/reload", {})


def test_an_edit_past_its_budget_is_forced_with_a_reason(curl, callgate):
    budget(curl, callgate)
    # On disk: what is refused says so, and is forced with a reason alone.
    (callgate.directory / "policies/ads.txt").write_text("casino\nmorning\n")
    refused = curl("POST", "/reload", {})
    assert "expect" in json.dumps(refused["problems"]) and not refused["changed"], refused
    assert not is_blocked(send(callgate, "good morning", "held"))
    curl("POST", "/reload", {"force": True}, status=400)
    forced = curl("POST", "/reload", {"force": True, "why": "by curl"})
    assert forced["changed"] and is_blocked(send(callgate, "good morning", "forced")), forced
    # A list that is edited here.
    curl("GET", "/lists/ads")
    match = [f"If-Match: {curl.etag}"]
    edit = {"ops": [{"op": "add", "entry": "see you"}], "why": "by curl"}
    curl("PATCH", "/lists/ads", edit, status=422, headers=match)
    curl("PATCH", "/lists/ads", edit | {"force": True}, headers=match)
    assert is_blocked(send(callgate, "see you", "forced too"))
    acts = [record for record in curl("GET", "/audit?act=policy.force")["items"]]
    assert [record["why"] for record in acts if record["result"] != "begun"] == ["by curl"] * 2, acts


def test_a_trial_is_begun_ended_and_promoted(curl, callgate):
    candidate = callgate.directory / "candidate"
    candidate.mkdir()
    policy = callgate.directory / "policies/policy.yaml"
    (candidate / "policy.yaml").write_text(policy.read_text())
    (candidate / "ads.txt").write_text("casino\nmorning\n")
    budget(curl, callgate)
    # The candidate goes by what it expects itself.
    (candidate / "policy.yaml").write_text(policy.read_text())
    policy.write_text(policy.read_text() + "candidate: {directory: ../candidate, share: 1}\n")
    until(lambda: curl("GET", "/trial")["state"] == "running", "the trial")
    send(callgate, "good morning", "compared")
    until(lambda: curl("GET", "/trial")["differences"] == {"allow>block": 1}, "what is compared")
    curl("POST", "/trial/end", {"why": ""}, status=400)
    curl("POST", "/trial/end", {"why": "by curl"})
    assert curl("GET", "/trial")["ended"]["why"] == "by curl"
    curl("POST", "/trial/end", {"why": "again"}, status=409)
    curl("POST", "/trial/start", {"why": "by curl"})
    assert curl("GET", "/trial")["state"] == "running"
    plan = curl("POST", "/trial/promote", {"dry_run": True})
    assert {file["path"] for file in plan["files"]} == {"policy.yaml", "ads.txt"}, plan
    promote = {"plan": plan["plan"], "why": "by curl"}
    curl("POST", "/trial/promote", promote, status=409)
    assert not is_blocked(send(callgate, "good morning", "held"))
    curl("POST", "/trial/promote", promote | {"force": True})
    assert is_blocked(send(callgate, "good morning", "promoted"))
    assert curl("GET", "/trial")["ended"]["by"] == "promotion"
    told = {record["act"] for record in curl("GET", "/audit")["items"]}
    assert {"trial.start", "trial.end", "trial.promote", "policy.force"} <= told, told


def test_no_act_of_the_pages_is_left_out(request):
    """Each route that a form of the pages stands beside was asked for above."""
    here = [item for item in request.session.items if item.path == request.node.path]
    if len(here) < 7:
        pytest.skip("the other tests of this file are not run with this one")
    table = (ROOT / "tests/it/acts_by_api.rs").read_text().split("const FORMS", 1)[1].split("];", 1)[0]
    routes = set(re.findall(r'"((?:GET|POST|PATCH|DELETE) /api/v1/[^"]+)"', table))
    assert len(routes) > 10, routes
    left = []
    for route in routes:
        form = re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(route))
        if not any(re.fullmatch(form, one.split("?")[0]) for one in asked):
            left.append(route)
    assert left == [], left
