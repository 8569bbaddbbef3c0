"""Versions of the policy in the console, in a real Chromium: what changed, and the way back."""

import json
import os
import subprocess
import urllib.request

import pytest

from browser import Browser, needs_chromium, set_up
from conftest import ROOT
from test_console import check, send, switch

pytestmark = needs_chromium

POLICY = """
lists:
  ads: {file: lists/ads.txt, action: block}
hooks:
  beforeSendSingleMsg: {}
"""
# What an editor would make tidy.
FIRST = "\ufeff# ads\r\nvip\tspam\r\n\r\ncasino \r\n# last"
SECOND = "vip\nshe said hello\n<script>alert(1)</script>\n"


@pytest.fixture
def callgate(start):
    return start("hooks: {beforeSendSingleMsg: {}}\n")


def blocked(callgate, text):
    return send(callgate, text)["actionCode"] != 0 or send(callgate, text)["nextCode"] != 0


def words(callgate):
    return callgate.directory / "policies/lists/ads.txt"


def write(callgate, words_text, policy=POLICY):
    words(callgate).parent.mkdir(exist_ok=True)
    words(callgate).write_bytes(words_text.encode())
    (callgate.directory / "policies/policy.yaml").write_text(policy)


def status(callgate):
    token = (callgate.directory / "cli.token").read_text().strip()
    request = urllib.request.Request(
        f"{callgate.admin}/status", headers={"Authorization": f"Bearer {token}"}
    )
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def number(callgate):
    return status(callgate)["policy"]["number"]


def test_a_version_is_compared_and_brought_back_as_a_new_one(tmp_path, callgate):
    with Browser(tmp_path / "profile") as browser:
        set_up(browser, callgate)
        write(callgate, FIRST)
        browser.wait(lambda: number(callgate) == 2, "version 2")
        browser.wait(lambda: blocked(callgate, "casino"), "the list")
        write(callgate, SECOND)
        browser.wait(lambda: number(callgate) == 3, "version 3")
        assert not blocked(callgate, "casino")
        assert blocked(callgate, "she said hello")
        browser.wait(lambda: status(callgate)["versions"]["newest"] == 3, "version 3 on disk")

        browser.open(f"{callgate.admin}/changes")
        assert len(browser.find_all("tbody tr")) == 3
        assert "in force" in browser.find("tbody tr:first-child").text
        check(browser, "changes")
        browser.whole_picture("changes-en")
        browser.find("tbody tr:first-child a[data-row]").click()
        browser.wait(lambda: browser.path == "changes/3", "the version")
        assert "she said hello" in browser.text and "casino" in browser.text
        # Words of strangers run nothing.
        assert not browser.find_all("main script")
        check(browser, "change")
        browser.whole_picture("change-en")

        browser.open(f"{callgate.admin}/changes/2")
        browser.find('a[href="/changes/2/rollback"]').click()
        browser.wait(lambda: browser.path == "changes/2/rollback", "the plan")
        check(browser, "rollback")
        browser.whole_picture("rollback-en")
        # Without a reason nothing is done.
        browser.driver.execute_script(
            "document.querySelectorAll('form.confirm [required]').forEach((one) => one.required = false)"
        )
        browser.press("/changes/2/rollback")
        assert number(callgate) == 3
        browser.fill(why="hello is no spam")
        browser.press("/changes/2/rollback")
        assert browser.path.startswith("changes?done="), browser.text
        assert number(callgate) == 4
        assert words(callgate).read_bytes() == FIRST.encode()
        assert blocked(callgate, "casino") and not blocked(callgate, "she said hello")
        browser.wait(lambda: status(callgate)["versions"]["newest"] == 4, "version 4 on disk")
        browser.open(f"{callgate.admin}/changes")
        first = browser.find("tbody tr:first-child").text
        assert "hello is no spam" in first and "ann" in first and "brings back 2" in first, first
        browser.whole_picture("changes-after-en")
        switch(browser, "language", "zh")
        for path in ["changes", "changes/4", "changes/3/rollback"]:
            browser.open(f"{callgate.admin}/{path}")
            name = path.replace("/", "-") + "-zh"
            check(browser, name)
            browser.whole_picture(name)
            browser.resize(320)
            check(browser, name)
            browser.resize(None)
        assert browser.complaints() == []


def test_what_was_edited_meanwhile_is_shown_and_not_done(tmp_path, callgate):
    with Browser(tmp_path / "profile") as browser:
        set_up(browser, callgate)
        write(callgate, FIRST)
        browser.wait(lambda: status(callgate)["versions"]["newest"] == 2, "version 2")
        browser.open(f"{callgate.admin}/changes/1/rollback")
        write(callgate, SECOND)
        browser.wait(lambda: number(callgate) == 3, "version 3")
        browser.fill(why="back")
        browser.press("/changes/1/rollback")
        assert "edited since you looked" in browser.text, browser.text
        assert number(callgate) == 3
        assert words(callgate).read_bytes() == SECOND.encode()
        browser.fill(why="back")
        browser.press("/changes/1/rollback")
        assert number(callgate) == 4
        # A list that keeps its last good content, and an edit with errors, stand above the versions.
        write(callgate, FIRST)
        browser.wait(lambda: number(callgate) == 5, "version 5")
        words(callgate).write_bytes(b"\xff\n")
        browser.open(f"{callgate.admin}/changes")
        browser.wait(lambda: "keeps its last good content" in browser.text, "the list")
        browser.whole_picture("changes-held-en")
        check(browser, "changes-held")


def test_a_viewer_sees_lists_and_no_way_back(tmp_path, callgate):
    write(callgate, FIRST)
    with Browser(tmp_path / "profile") as browser:
        set_up(browser, callgate)
        browser.wait(lambda: status(callgate)["versions"]["newest"] == 2, "version 2")
        program = os.environ.get("CALLGATE_BIN", str(ROOT / "target/debug/callgate"))
        token = (callgate.directory / "cli.token").read_text().strip()
        order = [program, "operators", "invite", "bob", "--role", "viewer", "--server", callgate.admin]
        environment = os.environ | {"CALLGATE_TOKEN": token}
        said = subprocess.run(order, env=environment, capture_output=True, text=True, check=True)
        link = next(word for word in said.stdout.split() if "/setup#" in word)
        with Browser(tmp_path / "other") as other:
            other.open(link)
            other.fill(name="bob", password="correct horse battery")
            other.press("/setup")
            other.open(f"{callgate.admin}/changes/2")
            assert "casino" in other.text
            # What policy.yaml says may be a secret.
            assert "beforeSendSingleMsg" not in other.text
            assert not other.find_all('a[href="/changes/2/rollback"]')
            other.open(f"{callgate.admin}/changes/2/rollback")
            assert not other.find_all("form.confirm")
