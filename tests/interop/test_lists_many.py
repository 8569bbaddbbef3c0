"""Edits of many entries, edits that hit much, and moderators of some lists, in a real Chromium."""

import json

import pytest

from browser import Browser, needs_chromium, set_up
from test_console import check, switch
from word_lists import (
    blocks,
    choose,
    content,
    decided,
    draft,
    fetched,
    follow,
    invite,
    started_with,
    version_saved,
)

pytestmark = needs_chromium

POLICY = """
lists:
  words: {file: words.txt}
  others: {file: others.txt, action: replace}
  shared: {file: both.txt}
  same: {file: both.txt, action: flag}
hooks: {beforeSendSingleMsg: }
"""
LISTS = {"words.txt": b"# Words\nalready here\n", "others.txt": b"other\n", "both.txt": b"both\n"}


@pytest.fixture
def callgate(start):
    return started_with(start, POLICY, LISTS)


@pytest.fixture
def browser(tmp_path, callgate):
    with Browser(tmp_path / "profile") as one:
        set_up(one, callgate)
        yield one


def run_plan(browser, **fields):
    browser.fill(**fields)
    follow(browser, browser.find("main form[action*='/plans/'] button").click)
    # On a busy machine it may take longer than somebody is kept waiting.
    browser.wait(lambda: "The plan is being run" not in browser.text, "the end of the plan")


def test_many_entries_are_planned_and_only_the_plan_is_done(browser, callgate):
    entries = [f"spam offer {number}" for number in range(25)]
    draft(browser, callgate, "\n".join(entries))
    assert "More than 20 entries" in browser.text and not browser.find_all("input[name=why]")
    follow(browser, browser.find("button[value=save]").click)
    assert browser.path.startswith("lists/words/plans/"), browser.text
    assert "25" in browser.text and "+spam offer 24" in browser.text
    for language, light, width in [("en", "light", 1200), ("zh", "dark", 1200), ("zh", "light", 320)]:
        browser.resize(width)
        switch(browser, "language", language)
        switch(browser, "light", light)
        check(browser, f"plan {language} {width}")
        browser.whole_picture(f"list-plan-{language}-{light}-{width}")
    browser.resize(1200)
    switch(browser, "language", "en")
    switch(browser, "light", "light")
    assert content(callgate, "words.txt") == LISTS["words.txt"]
    # What a hand writes meanwhile goes beside it.
    path = callgate.directory / "policies" / "words.txt"
    path.write_bytes(LISTS["words.txt"] + b"by hand\n")
    run_plan(browser, why="a wave of spam")
    assert "in force as version" in browser.text, browser.text
    browser.whole_picture("list-plan-done")
    expected = LISTS["words.txt"].decode() + "by hand\n" + "".join(f"{one}\n" for one in entries)
    assert content(callgate, "words.txt").decode() == expected
    assert blocks(callgate, "spam offer 24")
    # Loading it again, or sending it again, does nothing.
    before = content(callgate, "words.txt")
    token = browser.path.rsplit("/", 1)[1]
    status, _ = fetched(
        browser,
        f"/lists/words/plans/{token}",
        "POST",
        "why=again",
        {"content-type": "application/x-www-form-urlencoded"},
    )
    assert status in (0, 303) and content(callgate, "words.txt") == before
    assert browser.complaints() == []


def test_a_list_is_read_from_a_file_in_whatever_encoding(browser, callgate, tmp_path):
    for name, text, encoding in [
        ("utf8", "already here\n# 注释\n加微信\n", "utf-8"),
        ("mark", "刷单\r\n", "utf-8-sig"),
        ("gbk", "代开发票\n", "gbk"),
        ("utf16", "办证\n", "utf-16"),
        ("pipes", "跑分|洗钱|套现", "utf-8"),
    ]:
        file = tmp_path / f"{name}.txt"
        file.write_bytes(text.encode(encoding))
        browser.open(f"{callgate.admin}/lists/words")
        if name == "utf8":
            check(browser, "list with an upload")
            browser.whole_picture("list-upload")
        browser.find("input[type=file]").send_keys(str(file))
        browser.wait(lambda: browser.value("text"), "the file")
        follow(browser, browser.find("form:has(textarea[name=text]) button").click)
        if name == "utf8":
            assert "1 in the list already" in browser.text, browser.text
            browser.whole_picture("list-upload-plan")
        run_plan(browser, why="from elsewhere")
        assert "in force as version" in browser.text, browser.text
    expected = LISTS["words.txt"].decode() + "加微信\n刷单\n代开发票\n办证\n跑分\n洗钱\n套现\n"
    assert content(callgate, "words.txt").decode() == expected
    # A long one, larger than other forms may be, and as a trial.
    many = "\n".join(f"offer{number}now" for number in range(3000))
    browser.open(f"{callgate.admin}/lists/words")
    script = "arguments[0].value = arguments[1]"
    browser.driver.execute_script(script, browser.find("textarea[name=text]"), many)
    browser.find("input[name=trial]").click()
    follow(browser, browser.find("form:has(textarea[name=text]) button").click)
    run_plan(browser, why="many", typed="words")
    assert "in force as version" in browser.text, browser.text
    assert content(callgate, "words.txt").decode().count("\ttrial\n") == 3000
    assert not blocks(callgate, "offer2999now") and blocks(callgate, "洗钱")
    assert browser.complaints() == []


def test_over_a_hundred_take_the_name_and_what_others_did_stops_them(browser, callgate):
    draft(browser, callgate, "\n".join(f"gold {number}" for number in range(120)))
    follow(browser, browser.find("button[value=save]").click)
    plan = browser.path
    run_plan(browser, why="many", typed="other")
    assert browser.path == plan and content(callgate, "words.txt") == LISTS["words.txt"]
    browser.whole_picture("list-plan-wrong-name")
    path = callgate.directory / "policies" / "words.txt"
    path.write_bytes(LISTS["words.txt"] + b"gold 7\ttheirs\n")
    run_plan(browser, why="many", typed="words")
    assert "Nothing was saved" in browser.text and "plan it anew" in browser.text, browser.text
    browser.whole_picture("list-plan-stopped")
    assert content(callgate, "words.txt") == LISTS["words.txt"] + b"gold 7\ttheirs\n"


def test_a_preview_shows_what_would_be_hit_before_it_is(browser, callgate):
    texts = ["buy gold now", "<b>gold</b> \u202eevil", "old friend", "see you at nine"]
    for number, text in enumerate(texts):
        decided(callgate, text, number)
    draft(browser, callgate, "gold")
    assert "50" in browser.find("main").text
    marks = [mark.text for mark in browser.find_all(".excerpts mark")]
    assert marks.count("gold") == 2, browser.text
    buttons = [one.get_attribute("value") for one in browser.find_all("form[data-save] button")]
    assert buttons == ["trial", "save"], buttons
    browser.find("textarea[name=texts]").send_keys("a gold ring\nnothing here")
    follow(browser, browser.find("form:has(textarea[name=texts]) button").click)
    rows = [row.text for row in browser.find_all("main tbody tr")]
    assert any(row.startswith("Your texts 2 1") for row in rows), rows
    check(browser, "preview")
    browser.whole_picture("list-preview")
    # What hits little is saved at once.
    draft(browser, callgate, "a word that nobody wrote")
    buttons = [one.get_attribute("value") for one in browser.find_all("form[data-save] button")]
    assert buttons == ["save", "trial"], buttons
    assert browser.complaints() == []


def test_a_trial_counts_and_is_promoted(browser, callgate):
    draft(browser, callgate, "gold")
    choose(browser, "trial")
    version_saved(browser)
    answer = json.loads(decided(callgate, "buy gold")[1])
    assert answer["actionCode"] == 0 and answer.get("nextCode") != 1
    browser.open(f"{callgate.admin}/lists/words?search=trial")
    browser.whole_picture("list-trial-row")
    follow(browser, browser.find("td a[href*='promote=']").click)
    assert "-gold" in browser.find("main").get_property("textContent")
    choose(browser, "save")
    headers, _ = decided(callgate, "buy gold")
    assert blocks(callgate, "buy gold")
    assert headers["x-callgate-version"] == version_saved(browser)
    assert content(callgate, "words.txt") == LISTS["words.txt"] + b"gold\n"


def test_a_moderator_of_some_lists_changes_no_other(callgate, browser, tmp_path):
    with Browser(tmp_path / "moderator") as mo:
        invite(callgate, mo, "mo", "--role", "moderator", "--lists", "words,shared")
        draft(mo, callgate, "by mo")
        choose(mo, "save")
        version_saved(mo)
        assert blocks(callgate, "by mo")
        # The others are seen, and nothing is offered; one shares its file with another.
        for name in ["others", "shared"]:
            mo.open(f"{callgate.admin}/lists/{name}")
            assert "other lists than this one" in mo.text or "one file with another" in mo.text
            offered = [link.text for link in mo.find_all("td .acts a")]
            assert not mo.find_all("textarea") and set(offered) == {"Story"}, offered
            check(mo, f"list {name} of another")
            mo.picture(f"list-not-mine-{name}")
        form = {"content-type": "application/x-www-form-urlencoded"}
        ops = json.dumps({"ops": [{"op": "add", "entry": "x"}], "why": "x"})
        for name in ["others", "oTHERS", "same", "shared"]:
            for method, path, body, headers in [
                ("GET", f"/lists/{name}/draft?add=x", "", {}),
                ("POST", f"/lists/{name}/save", "draft=add%3Dx&why=x&how=save", form),
                ("POST", f"/lists/{name}/plans", "draft=add%3Dx", form),
            ]:
                status, text = fetched(mo, path, method, body, headers)
                assert status == 403, f"{method} {path}: {status} {text}"
            status, _ = fetched(
                mo, f"/api/v1/lists/{name}", "PATCH", ops, {"content-type": "application/json", "if-match": "*"}
            )
            assert status in (401, 403), name
        assert content(callgate, "others.txt") == b"other\n"
        assert content(callgate, "both.txt") == b"both\n"
        mo.open(f"{callgate.admin}/account")
        assert "words" in mo.text and "shared" in mo.text
        mo.whole_picture("account-of-some-lists")
    browser.open(f"{callgate.admin}/audit")
    browser.picture("audit-of-refused-lists")
