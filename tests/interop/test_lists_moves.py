"""Entries that go from one word list to another, in a real Chromium."""

import json

import pytest

from browser import Browser, needs_chromium, set_up
from test_console import check, switch
from word_lists import blocks, choose, content, decided, follow, invite, started_with, version_saved

pytestmark = needs_chromium

POLICY = """
lists:
  ads: {file: ads.txt}
  masked: {file: masked.txt, action: replace}
  names: {file: names.txt, action: flag}
filters: {replace_in_send_hook: defer}
hooks: {beforeSendSingleMsg: , beforeMsgModify: }
"""
LISTS = {
    "ads.txt": "\ufeff# Offers\r\nbuy gold\ten\r\ncheap gold\ten, offer\r\n加微信\r\n\r\n# Other\r\n<b>free</b>\r\n".encode(),
    "masked.txt": b"# Masked\nBUY GOLD\tmine\nsilver\n",
    "names.txt": b"somebody\n",
}


@pytest.fixture
def callgate(start):
    return started_with(start, POLICY, LISTS)


@pytest.fixture
def browser(tmp_path, callgate):
    with Browser(tmp_path / "profile") as one:
        set_up(one, callgate)
        yield one


def tick(browser, callgate, entries, to, name="ads"):
    """Entries that are chosen on the page of their list, as far as the preview."""
    browser.open(f"{callgate.admin}/lists/{name}")
    for box in browser.find_all("input[name=move]"):
        if box.get_property("value") in entries:
            box.click()
    option = browser.find(f"select[name=into] option[value={to}]")
    option.click()


def preview(browser):
    follow(browser, browser.find("form#moving button").click)


def test_ticked_entries_go_to_another_list(browser, callgate):
    for number, text in enumerate(["we sell cheap gold", "buy gold here", "nothing"]):
        decided(callgate, text, number)
    assert blocks(callgate, "we sell cheap gold")
    tick(browser, callgate, ["buy gold", "cheap gold", "<b>free</b>"], "masked")
    check(browser, "list with boxes")
    browser.whole_picture("list-move-boxes")
    browser.resize(320)
    check(browser, "list with boxes 320")
    browser.whole_picture("list-move-boxes-320")
    browser.resize(1200)
    preview(browser)
    text = browser.text
    assert "Where they go" in text and "masked.txt" in text, text
    assert "1 in that list already" in text and "buy gold" in text, text
    lines = browser.find(".diff").get_property("textContent")
    assert "+cheap gold" in lines and "-buy gold" in lines and "+buy gold" not in lines, lines
    assert not browser.find_all("button[value=trial]")
    for language, light, width in [("en", "light", 1200), ("zh", "dark", 1200), ("zh", "light", 320)]:
        browser.resize(width)
        switch(browser, "language", language)
        switch(browser, "light", light)
        check(browser, f"move {language} {width}")
        browser.whole_picture(f"list-move-{language}-{light}-{width}")
    browser.resize(1200)
    switch(browser, "language", "en")
    switch(browser, "light", "light")
    before = {name: content(callgate, name) for name in LISTS}
    assert before == LISTS
    choose(browser, "save", "not an offer")
    version = version_saved(browser)
    assert content(callgate, "ads.txt") == "\ufeff# Offers\r\n加微信\r\n\r\n# Other\r\n".encode()
    after = b"# Masked\nBUY GOLD\tmine\nsilver\ncheap gold\ten, offer\n<b>free</b>\n"
    assert content(callgate, "masked.txt") == after
    headers, body = decided(callgate, "we sell cheap gold")
    assert headers["x-callgate-version"] == version and not blocks(callgate, "we sell cheap gold")
    # One version has both files, and the audit both names.
    browser.open(f"{callgate.admin}/changes/{version.split('-')[0]}")
    assert "ads.txt" in browser.text and "masked.txt" in browser.text, browser.text
    browser.whole_picture("list-move-version")
    browser.open(f"{callgate.admin}/audit")
    assert "list ads to list masked" in browser.text, browser.text
    assert browser.complaints() == []


def test_many_are_planned_and_nothing_ticked_is_said(browser, callgate):
    entries = [f"offer {number}" for number in range(30)]
    path = callgate.directory / "policies" / "names.txt"
    path.write_bytes(("\n".join(entries) + "\n").encode())
    browser.wait(lambda: "offer 29" in json.dumps(rows(browser, callgate)), "the list")
    tick(browser, callgate, [], "ads", "names")
    preview(browser)
    assert "There is nothing to change" in browser.text
    tick(browser, callgate, entries[:25], "ads", "names")
    preview(browser)
    assert "More than 20 entries" in browser.text, browser.text
    follow(browser, browser.find("button[value=save]").click)
    assert browser.path.startswith("lists/names/plans/"), browser.text
    assert "25 moved to list `ads`" in browser.text and "+offer 24" in browser.text, browser.text
    check(browser, "plan of a move")
    browser.whole_picture("list-move-plan")
    browser.fill(why="they are offers")
    follow(browser, browser.find("main form[action*='/plans/'] button").click)
    browser.wait(lambda: "in force as version" in browser.text, "the end of the plan")
    assert content(callgate, "names.txt") == ("\n".join(entries[25:]) + "\n").encode()
    assert content(callgate, "ads.txt").count(b"offer 2") == 6
    assert blocks(callgate, "offer 24") and not blocks(callgate, "offer 25")


def rows(browser, callgate):
    browser.open(f"{callgate.admin}/lists/names")
    return browser.text


def test_a_moderator_is_offered_own_lists_alone(callgate, browser, tmp_path):
    with Browser(tmp_path / "moderator") as mo:
        invite(callgate, mo, "mo", "--role", "moderator", "--lists", "ads,names")
        mo.open(f"{callgate.admin}/lists/ads")
        offered = [one.get_property("value") for one in mo.find_all("select[name=into] option")]
        assert offered == ["names"], offered
        # Another's is seen, without a box.
        mo.open(f"{callgate.admin}/lists/masked")
        assert not mo.find_all("input[name=move]") and not mo.find_all("form#moving")
        tick(mo, callgate, ["加微信"], "names")
        preview(mo)
        choose(mo, "save")
        version_saved(mo)
        assert content(callgate, "names.txt") == "somebody\n加微信\n".encode()
