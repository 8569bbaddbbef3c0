"""The pictures of docs/operator, of the real program with some life in it.

`tests/pictures` makes them anew; with the other tests nothing is done here.
"""

import base64
import os

import pytest

from browser import Browser, needs_chromium, set_up
from conftest import ROOT
from test_console import invite, send, switch
from test_doctor import is_over
from test_pages import is_blocked, open_decision, until
from test_trial import trial

pytestmark = [
    needs_chromium,
    pytest.mark.skipif(
        "CALLGATE_DOC_PICTURES" not in os.environ,
        reason="makes the pictures of docs/operator anew: tests/pictures",
    ),
]

INTO = ROOT / "docs/operator/pictures"
ALL_BYTES_MAX = 1_500_000
QUALITY = 55
HEIGHT_MIN = 640
HEIGHT_MAX = 900
# Pages whose point is further down.
TALL = {"doctor": 1250, "replay": 1250, "trial": 1250}

POLICY = """
callbackUrl: {url}
lists:
  ads: {{file: ads.txt, action: block}}
  rude: {{file: rude.txt, action: replace}}
  allowed: {{file: allowed.txt, action: allow}}
hooks:
  beforeSendSingleMsg: {{failedContinue: true}}
  afterSendSingleMsg: {{}}
"""
# Another policy beside it, and how much a change may change.
TERMS = """
candidate: {directory: ../candidate, share: 1}
expect: {blocks: "+0..+1%", calls_min: 10}
"""
WEBHOOKS = """url: http://chat.example.com:10006/callbackExample
beforeSendSingleMsg:
  enable: true
  timeout: 5
"""
ADS = """# Casinos
online casino
free chips\tgames
# Messages that sell something
vip membership
加微信领红包
"""
TEXTS = [
    "see you at eight", "thanks, got it", "晚上一起吃饭吗", "darn, I missed the bus",
    "join our Ｏｎｌｉｎｅ c a s i n o", "生日快乐！", "加 微 信 领 红 包", "get your ｆｒｅｅ ｃｈｉｐｓ today",
    "the vip membership lounge is upstairs", "ok 👍",
]


@pytest.fixture
def callgate(start, business):
    program = start("hooks: {}\n", engine="recordings: {enabled: true, share: 1}\n")
    policies = program.directory / "policies"
    (policies / "ads.txt").write_text(ADS, encoding="utf-8")
    (policies / "rude.txt").write_text("darn\n")
    (policies / "allowed.txt").write_text("the vip membership lounge\n")
    (policies / "policy.yaml").write_text(POLICY.format(url=business.url))
    until(lambda: is_blocked(send(program, "free chips", "m0")), "the policy")
    return program


def live(callgate, business):
    """Some traffic, an edit, and an outage."""
    for number in range(60):
        text = TEXTS[number % len(TEXTS)]
        send(callgate, text, f"m{number}", sender=f"u{number % 7}")
    path = callgate.directory / "policies/ads.txt"
    path.write_text(ADS + "roulette\n", encoding="utf-8")
    until(lambda: is_blocked(send(callgate, "a roulette", "edit")), "the edit")
    business.status = 500
    for number in range(4):
        send(callgate, "hello", f"let-{number}")
    business.status = 410
    for number in range(5):
        send(callgate, "hello", f"after-{number}", "After")
    business.status = 200
    for number in range(12):
        send(callgate, "hello again", f"told-{number}", "After")


def try_candidate(callgate):
    """What it makes of some messages, of which some are new to it."""
    policies, candidate = callgate.directory / "policies", callgate.directory / "candidate"
    policy = (policies / "policy.yaml").read_text(encoding="utf-8")
    candidate.mkdir()
    for name in ["ads.txt", "rude.txt", "allowed.txt"]:
        (candidate / name).write_bytes((policies / name).read_bytes())
    with open(candidate / "ads.txt", "a", encoding="utf-8") as ads:
        ads.write("红包\nbirthday gift\n")
    (candidate / "policy.yaml").write_text(policy, encoding="utf-8")
    (policies / "policy.yaml").write_text(policy + TERMS, encoding="utf-8")
    until(lambda: trial(callgate)["state"] == "running", "the trial")
    texts = [*TEXTS, "a birthday gift for you", "抢红包啦"]
    for number in range(48):
        send(callgate, texts[number % len(texts)], f"t{number}", sender=f"u{number % 7}")
    until(lambda: trial(callgate)["compared"] >= 48, "what is compared")


def look(browser, callgate, business):
    """The business server allows what it means to refuse."""
    good = business.answer
    business.answer = good | {"errCode": 20001, "errMsg": "no"}
    browser.open(f"{callgate.admin}/doctor")
    browser.fill(webhooks=WEBHOOKS)
    browser.press("/doctor")
    browser.wait(lambda: is_over(browser), "the end of the look")
    business.answer = good


def picture(browser, name):
    """As much of the page as one sees at once, in a form that takes little room."""
    browser.resize(browser.width, 400)
    height = browser.driver.execute_script("return document.documentElement.scrollHeight")
    most = TALL.get(name.removesuffix("-zh"), HEIGHT_MAX)
    browser.resize(browser.width, min(max(height, HEIGHT_MIN), most))
    shot = {"format": "webp", "quality": QUALITY}
    taken = browser.driver.execute_cdp_cmd("Page.captureScreenshot", shot)
    (INTO / f"{name}.webp").write_bytes(base64.b64decode(taken["data"]))


def test_the_pictures_of_the_documents(callgate, business, tmp_path):
    INTO.mkdir(exist_ok=True)
    for old in INTO.glob("*"):
        old.unlink()
    with Browser(tmp_path / "profile") as browser, Browser(tmp_path / "bob") as bob:
        browser.width = bob.width = 1200
        set_up(browser, callgate)
        invite(callgate, bob, "bob", "moderator", "text")
        bob.open(f"{callgate.admin}/account")
        bob.press("/logout")
        picture(bob, "login")
        live(callgate, business)
        try_candidate(callgate)
        look(browser, callgate, business)
        open_decision(browser, callgate, "m7")
        decision = "/" + browser.path
        browser.open(f"{callgate.admin}/tokens")
        browser.fill(name="pipeline")
        browser.press("/tokens")
        pages = {
            "overview": "/",
            "try": f"/try?decision={decision.rsplit('/', 1)[1]}",
            "decisions": "/decisions",
            "decision": f"{decision}?show=1",
            "wrong-hit": f"{decision}/wrong?match=0",
            "lists": "/lists",
            "list": "/lists/ads",
            "list-draft": "/lists/ads/draft?add=%E6%97%A5",
            "story": "/lists/ads/entry?entry=roulette",
            "changes": "/changes",
            "change": "/changes/3",
            "rollback": "/changes/2/rollback",
            "replay": "/changes/replay?list=ads&draft=add%3Deight",
            "trial": "/trial",
            "promotion": "/trial/promotion",
            "hooks": "/hooks",
            "endpoints": "/endpoints",
            "delivery": "/delivery",
            "doctor": "/doctor",
            "operators": "/operators",
            "operator": "/operators/bob",
            "tokens": "/tokens",
            "audit": "/audit",
            "account": "/account",
        }
        for language, light, mark in [("en", "light", ""), ("zh", "dark", "-zh")]:
            browser.open(f"{callgate.admin}/account")
            switch(browser, "language", language)
            switch(browser, "light", light)
            for name, path in pages.items():
                browser.open(f"{callgate.admin}{path}")
                assert "/login" not in browser.path and browser.find_all("main h1"), path
                picture(browser, f"{name}{mark}")
        browser.width = 360
        for name in ["decision", "list"]:
            browser.open(f"{callgate.admin}{pages[name]}")
            picture(browser, f"{name}-narrow")
    sizes = {path.name: path.stat().st_size for path in INTO.glob("*.webp")}
    assert len(sizes) == 2 * len(pages) + 3 and sum(sizes.values()) < ALL_BYTES_MAX, sizes
