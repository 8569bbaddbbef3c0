"""A candidate policy in the console, in a real Chromium: how it does, its end, and its promotion."""

import json
import urllib.request

import pytest

from browser import Browser, needs_chromium, set_up
from test_changes import status
from test_console import check, send, switch

pytestmark = needs_chromium

HOOKS = "hooks: {beforeSendSingleMsg: {}}\n"


def lists(words):
    return f"lists: {{l: {{action: block, words: [{words}]}}}}\n{HOOKS}"


def trial(callgate):
    token = (callgate.directory / "cli.token").read_text().strip()
    request = urllib.request.Request(
        f"{callgate.admin}/api/v1/trial", headers={"Authorization": f"Bearer {token}"}
    )
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def candidate(callgate, policy):
    folder = callgate.directory / "candidate"
    folder.mkdir(exist_ok=True)
    (folder / "policy.yaml").write_text(policy)


@pytest.fixture
def callgate(start):
    return start(lists("casino"))


def begin(browser, callgate):
    # What people name their words runs nothing on a page.
    candidate(callgate, lists("casino, hello, '<script>alert(1)</script>'"))
    terms = "candidate: {directory: ../candidate, share: 1, mode: shadow}\n"
    (callgate.directory / "policies/policy.yaml").write_text(lists("casino") + terms)
    browser.wait(lambda: trial(callgate)["state"] == "running", "the trial")


def test_a_trial_is_watched_ended_and_promoted(tmp_path, callgate):
    with Browser(tmp_path / "profile") as browser:
        set_up(browser, callgate)
        browser.open(f"{callgate.admin}/trial")
        assert "names no candidate" in browser.text, browser.text
        check(browser, "trial-none")
        browser.whole_picture("trial-none-en")
        begin(browser, callgate)
        for text in ["hello", "a casino", "good morning", "<script>alert(1)</script>"]:
            send(callgate, text)
        browser.wait(lambda: trial(callgate)["compared"] == 4, "what is compared")
        browser.open(f"{callgate.admin}/trial")
        check(browser, "trial")
        browser.whole_picture("trial-en")
        assert "allow" in browser.find("main").text and "block" in browser.find("main").text
        assert not browser.find_all("main script")
        # It is ended with a reason, and begun again.
        browser.fill(why="blocks greetings")
        browser.press("/trial/end")
        assert trial(callgate)["ended"]["by"] == "order"
        assert "blocks greetings" in browser.text
        check(browser, "trial-ended")
        browser.whole_picture("trial-ended-en")
        browser.fill(why="the greetings are meant so")
        browser.press("/trial/start")
        assert trial(callgate)["state"] == "running"
        # What a promotion does is shown first, and done with a reason alone.
        browser.find('a[href="/trial/promotion"]').click()
        browser.wait(lambda: browser.path == "trial/promotion", "the plan")
        check(browser, "promotion")
        browser.whole_picture("trial-promotion-en")
        switch(browser, "language", "zh")
        for path in ["trial", "trial/promotion"]:
            browser.open(f"{callgate.admin}/{path}")
            name = path.replace("/", "-") + "-zh"
            check(browser, name)
            browser.whole_picture(name)
            browser.resize(320)
            check(browser, name + "-small")
            browser.resize(None)
        browser.open(f"{callgate.admin}/trial/promotion")
        browser.fill(why="calm")
        browser.press("/trial/promotion")
        assert browser.path.startswith("trial?done="), browser.text
        assert trial(callgate)["ended"]["by"] == "promotion"
        assert send(callgate, "hello")["nextCode"] == 1
        assert status(callgate)["policy"]["number"] == 3
        browser.whole_picture("trial-promoted-zh")
        check(browser, "trial-promoted-zh")
        assert browser.complaints() == []


def test_a_broken_candidate_says_what_is_wrong(tmp_path, callgate):
    with Browser(tmp_path / "profile") as browser:
        set_up(browser, callgate)
        begin(browser, callgate)
        candidate(callgate, "hoks: {}\n")
        browser.wait(lambda: trial(callgate)["problems"], "the problems")
        browser.open(f"{callgate.admin}/trial")
        assert "hoks" in browser.text
        check(browser, "trial-problems")
        browser.whole_picture("trial-problems-en")
        browser.open(f"{callgate.admin}/trial/promotion")
        assert "hoks" in browser.text and not browser.find_all("form.confirm")


BUDGET = 'expect: {blocks: "+0..+1%", calls_min: 10}\n'


def test_what_a_draft_would_do_to_recorded_calls_is_shown_and_forced(tmp_path, start):
    policy = f"lists: {{ads: {{file: ads.txt, action: block}}}}\n{HOOKS}{BUDGET}"
    callgate = start(
        "hooks: {beforeSendSingleMsg: {}}\n", engine="recordings: {enabled: true, share: 1}\n"
    )
    (callgate.directory / "policies/ads.txt").write_text("casino\n")
    (callgate.directory / "policies/policy.yaml").write_text(policy)
    with Browser(tmp_path / "profile") as browser:
        set_up(browser, callgate)
        browser.wait(lambda: status(callgate)["policy"]["number"] == 2, "the list")
        texts = ["good morning", "我的电话是 13800138000", "今天的天气很好", "<b>的</b> a casino"]
        for number in range(20):
            send(callgate, texts[number % 4], f"m{number}")
        browser.open(f"{callgate.admin}/changes")
        check(browser, "changes")
        browser.find('a[href="/changes/replay"]').click()
        browser.wait(lambda: browser.path == "changes/replay", "the replay")
        assert "Every call comes out as it did" in browser.text, browser.text
        check(browser, "replay-same")
        # A draft of a list, from its own page.
        browser.open(f"{callgate.admin}/lists/ads/draft?add=%E7%9A%84")
        browser.find('a[href^="/changes/replay?list=ads"]').click()
        browser.wait(lambda: "Newly blocked" in browser.text, "the replay of the draft")
        assert "我*电话是 ###########" in browser.text, browser.text
        assert "recorded calls would be newly blocked" in browser.text
        assert not browser.find_all("main b")
        check(browser, "replay")
        browser.whole_picture("replay-en")
        switch(browser, "language", "zh")
        check(browser, "replay-zh")
        browser.whole_picture("replay-zh")
        browser.resize(320)
        check(browser, "replay-zh-small")
        browser.resize(None)
        switch(browser, "language", "en")
        browser.fill(why="the new law is in force")
        browser.press("/changes/force")
        assert browser.path.startswith("changes?forced="), browser.text
        assert send(callgate, "今天的天气很好")["nextCode"] == 1
        assert "the new law is in force" in browser.find("tbody tr:first-child").text
        check(browser, "changes-forced")
        browser.whole_picture("changes-forced-en")
        assert browser.complaints() == []
