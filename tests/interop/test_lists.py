"""Word lists edited in a real Chromium, while messages are decided."""

import pytest

from browser import Browser, log_in, needs_chromium, set_up
from word_lists import blocks, choose, content, decided, draft, started_with

pytestmark = needs_chromium

POLICY = "lists: {words: {file: words.txt}}\nhooks: {beforeSendSingleMsg: }\n"
LIST = "\ufeff# Words\r\nonline casino\tx, y\r\n\r\n# Others\r\n\\#tag\t{leet: true}\nlast"


@pytest.fixture
def callgate(start):
    return started_with(start, POLICY, {"words.txt": LIST.encode()})


@pytest.fixture
def browser(tmp_path, callgate):
    with Browser(tmp_path / "profile") as one:
        set_up(one, callgate)
        yield one


def words(callgate):
    return content(callgate, "words.txt").decode()


def test_a_word_is_added_and_blocks(browser, callgate):
    browser.open(f"{callgate.admin}/lists")
    browser.picture("lists")
    browser.find("a[data-row]").click()
    browser.wait(lambda: "#tag" in browser.text, "the list")
    browser.whole_picture("list")
    draft(browser, callgate, "buy cheap gold")
    assert "+buy cheap gold" in browser.text, browser.text
    browser.whole_picture("list-draft")
    choose(browser, "save", why="a wave of spam")
    assert browser.path.startswith("lists/words?saved="), browser.text
    version = browser.path.split("=")[1]
    browser.picture("list-saved")
    headers, _ = decided(callgate, "Buy cheap GOLD now")
    assert blocks(callgate, "Buy cheap GOLD now")
    assert headers["x-callgate-version"] == version
    assert words(callgate) == LIST.replace("\nlast", "\nlast\r\nbuy cheap gold")
    assert browser.complaints() == []


def test_a_common_word_is_tried_first(browser, callgate):
    draft(browser, callgate, "日")
    buttons = [button.get_attribute("value") for button in browser.find_all("form[data-save] button")]
    assert buttons == ["trial", "save"], buttons
    assert "one character" in browser.text
    browser.whole_picture("list-trial")
    choose(browser, "trial")
    assert not blocks(callgate, "生日快乐")
    browser.open(f"{callgate.admin}/lists/words?search=trial")
    browser.picture("list-on-trial")
    browser.find("a[href*='promote=']").click()
    browser.wait(lambda: browser.find_all("form[data-save]"), "the draft")
    choose(browser, "save")
    assert blocks(callgate, "生日快乐")


def test_two_people_merge_or_see_three_columns(browser, callgate, tmp_path):
    with Browser(tmp_path / "other") as other:
        log_in(other, callgate)
        draft(browser, callgate, "mine one")
        draft(other, callgate, "mine one", tags="theirs")
        choose(other, "save")
        draft(other, callgate, "another word")
        choose(other, "save")
        choose(browser, "save")
        assert "Both of you edited" in browser.text, browser.text
        browser.picture("list-conflict")
        browser.find("td a.button").click()
        browser.wait(lambda: browser.find_all("form[data-save]"), "the draft")
        choose(browser, "save")
        assert words(callgate).endswith("\nanother word\nlast\r\nmine one"), words(callgate)
        other.open(f"{callgate.admin}/lists/words/draft?add=third&base={'0' * 64}")
        assert "look at the list" in other.text


def test_a_hand_edits_under_a_draft(browser, callgate):
    draft(browser, callgate, "from the draft")
    path = callgate.directory / "policies" / "words.txt"
    path.write_bytes(path.read_bytes() + b"\nby hand\n")
    browser.wait(lambda: "Somebody else has edited" in browser.text, "the notice")
    assert "+from the draft" in browser.text
    browser.picture("list-edited-since")
    path.write_bytes(b"bad \xff line\n" + path.read_bytes())
    browser.wait(lambda: "broken" in browser.text, "the lock")
    browser.picture("list-broken")
    choose(browser, "save")
    assert "Nothing was saved" in browser.text and "words.txt:1" in browser.text
    assert path.read_bytes().startswith(b"bad \xff")
    assert blocks(callgate, "online casino")


def test_it_is_said_in_chinese_on_a_narrow_screen_without_a_script(browser, callgate):
    browser.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    browser.open(f"{callgate.admin}/lists")
    browser.find("button[name=language][value=zh]").click()
    browser.wait(lambda: "词表" in browser.text, "Chinese")
    browser.resize(320)
    draft(browser, callgate, "加微信领红包")
    browser.picture("list-draft-zh-narrow")
    choose(browser, "save", why="试试")
    assert blocks(callgate, "加微信领红包")
    browser.open(f"{callgate.admin}/lists/words")
    browser.picture("list-zh-narrow")
