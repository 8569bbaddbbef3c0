"""Audit, operators, refusals and the ways from a decision, in a real Chromium."""

import csv
import io
import json
import time

import pytest

from browser import PASSWORD, Browser, is_gone, needs_chromium, set_up
from test_console import HOSTILE, check, invite, send, switch

pytestmark = needs_chromium

POLICY = """
callbackUrl: {url}
lists:
  ads: {{file: ads.txt, action: block}}
  allowed: {{file: allowed.txt, action: allow}}
hooks:
  beforeSendSingleMsg: {{failedContinue: true}}
  afterSendSingleMsg: {{}}
"""
ADS = "# what is sold here\nvip\ncasino\n"


def is_blocked(answer):
    return answer["actionCode"] == 0 and answer.get("nextCode") == 1


def until(condition, what):
    end = time.monotonic() + 40
    while not condition():
        assert time.monotonic() < end, f"{what} did not come"
        time.sleep(0.05)


@pytest.fixture
def callgate(start, business):
    program = start("hooks: {}\n")
    policies = program.directory / "policies"
    (policies / "ads.txt").write_text(ADS)
    (policies / "allowed.txt").write_text("the vip lounge of the airport\n")
    (policies / "policy.yaml").write_text(POLICY.format(url=business.url))
    until(lambda: is_blocked(send(program, "free vip", "warm")), "the policy")
    return program


@pytest.fixture
def browser(tmp_path, callgate):
    with Browser(tmp_path / "profile") as one:
        set_up(one, callgate)
        yield one


def open_decision(browser, callgate, message):
    """The page of what was decided about a message."""

    def is_there():
        browser.open(f"{callgate.admin}/decisions?message={message}")
        return browser.find_all("a[data-row]")

    browser.wait(is_there, "what is written to the disk now and then")
    browser.find("a[data-row]").click()
    browser.wait(lambda: browser.path.startswith("decisions/"), "the decision")


def press_button(browser, text):
    """Clicks what has this text, and waits for another page."""
    from selenium.webdriver.support.wait import WebDriverWait

    found = [one for one in browser.find_all("main button, main a") if text in one.text]
    assert found, f"{text} is not in {browser.text}"
    found[0].click()
    WebDriverWait(browser.driver, 40).until(lambda _: is_gone(found[0]))


def fetched(browser, method, path, body=None, kind=None):
    """What a script of the page itself is answered, with the session of its reader."""
    return browser.driver.execute_async_script(
        """const [method, path, body, kind, done] = arguments;
        const asked = { method, redirect: "manual" };
        if (body !== null) { asked.body = body; asked.headers = { "content-type": kind }; }
        fetch(path, asked).then(async (answer) => done([answer.status, await answer.text()]));""",
        method,
        path,
        body,
        kind,
    )


def test_operators_are_invited_changed_and_shut_out(browser, callgate, tmp_path):
    browser.open(f"{callgate.admin}/operators")
    browser.fill(name="bob")
    browser.press("/operators")
    link = browser.find("#new-link").text
    assert link.startswith(f"{callgate.admin}/setup#"), link
    browser.whole_picture("operators-link")
    check(browser, "operators-link")
    with Browser(tmp_path / "bob") as bob:
        bob.open(link)
        bob.fill(name="bob", password=PASSWORD)
        bob.press("/setup")
        assert bob.path == "", bob.text
        browser.open(f"{callgate.admin}/operators/bob")
        browser.whole_picture("operator")
        check(browser, "operator")
        # First a plan, then a reason.
        browser.find('option[value="moderator"]').click()
        press_button(browser, "Plan this change")
        assert "role moderator instead of viewer" in browser.text, browser.text
        browser.whole_picture("operator-plan")
        check(browser, "operator-plan")
        browser.fill(why="he moderates now")
        press_button(browser, "Do it")
        browser.wait(lambda: "It is done." in browser.text, "the end of the plan")
        # His session has ended; he is led back to where he was.
        bob.open(f"{callgate.admin}/lists?x=1")
        assert bob.path == "login?back=%2Flists%3Fx%3D1", bob.path
        assert "session has ended" in bob.text
        bob.picture("session-over")
        bob.fill(name="bob", password=PASSWORD)
        bob.press("/login")
        assert bob.path == "lists?x=1", bob.path
        browser.open(f"{callgate.admin}/operators/bob")
        press_button(browser, "End all sessions")
        assert "1 session ends" in browser.text, browser.text
        browser.fill(why="a lost laptop")
        press_button(browser, "Do it")
        browser.wait(lambda: "It is done." in browser.text, "the end of the plan")
        bob.open(f"{callgate.admin}/lists")
        assert bob.path.startswith("login"), bob.path
        browser.open(f"{callgate.admin}/operators/bob")
        press_button(browser, "Shut out")
        browser.fill(why="he left")
        press_button(browser, "Do it")
        browser.wait(lambda: "It is done." in browser.text, "the end of the plan")
        bob.fill(name="bob", password=PASSWORD)
        bob.press("/login")
        assert "not the password" in bob.text, bob.text
    browser.open(f"{callgate.admin}/operators")
    assert "shut out" in browser.text
    # What was planned is on record with its reason, and leads to all that are like it.
    browser.open(f"{callgate.admin}/audit?act=operator.set&result=done")
    # A filter says how an act begins, and `operator.setup` begins so too.
    acts = [link.text for link in browser.find_all("tbody code a")]
    assert acts.count("operator.set") == 2, browser.text
    browser.open(f"{callgate.admin}/audit?act=session.end")
    assert "a lost laptop" in browser.text
    browser.open(f"{callgate.admin}/audit?act=operator.set&result=begun")
    assert "he left" in browser.text and "he moderates now" in browser.text
    assert browser.complaints() == []


def test_tokens_of_programs_are_made_and_taken_away(browser, callgate):
    browser.open(f"{callgate.admin}/tokens")
    assert "no token" in browser.text
    browser.fill(name="pipeline")
    browser.press("/tokens")
    assert browser.find("#new-token").text.startswith("cg_")
    browser.whole_picture("tokens")
    check(browser, "tokens")
    browser.open(f"{callgate.admin}/tokens")
    assert "pipeline" in browser.text and not browser.find_all("#new-token")
    press_button(browser, "Remove")
    assert "pipeline" not in browser.find("main").text


def test_the_audit_is_filtered_paged_and_exported(browser, callgate):
    from selenium.webdriver.common.keys import Keys

    # More than one page of them.
    for number in range(60):
        status, _ = fetched(browser, "POST", "/api/v1/history/forget", json.dumps(
            {"user": f"u{number}", "reason": f"{HOSTILE} {number}"}
        ), "application/json")
        assert status == 200
    browser.open(f"{callgate.admin}/audit?act=history.forget")
    chips = {chip.text for chip in browser.find_all("main tbody .chip")}
    assert {"RLO", "PDF", "ZWSP"} <= chips, chips
    assert browser.driver.execute_script("return document.querySelectorAll('main script').length") == 0
    assert len(browser.find_all("tbody tr")) == 50
    press_button(browser, "Older")
    assert "after=" in browser.path and browser.find_all("tbody tr")
    press_button(browser, "Newest")
    assert "after=" not in browser.path
    browser.find('.filters select[name="result"] option[value="refused"]').click()
    press_button(browser, "Filter")
    assert "No record is like this" in browser.text
    browser.open(f"{callgate.admin}/audit?since=yesterday")
    assert "cannot be read" in browser.text
    # Keys: into the filter, from row to row, and what is more of one.
    browser.open(f"{callgate.admin}/audit?act=history.forget&result=done")

    def press(*keys):
        browser.driver.switch_to.active_element.send_keys(*keys)

    press("/")
    assert browser.driver.switch_to.active_element.get_attribute("name") == "who"
    press(Keys.ESCAPE)
    press("j")
    press("j")
    press(Keys.ENTER)
    opened = [one for one in browser.find_all("tbody details") if one.get_attribute("open")]
    assert len(opened) == 1 and "Hash" in opened[0].text
    browser.whole_picture("audit-open")
    check(browser, "audit-open")
    press("?")
    assert browser.find("#keys").is_displayed()
    press(Keys.ESCAPE)
    export = browser.find('a[download="audit.ndjson"]').get_dom_attribute("href")
    status, text = fetched(browser, "GET", export)
    lines = [json.loads(line) for line in text.splitlines()]
    assert status == 200 and len(lines) == 60, len(lines)
    assert all(line["act"] == "history.forget" and line["result"] == "done" for line in lines)
    browser.open(f"{callgate.admin}/audit?act=audit")
    assert "audit.export" in browser.text
    assert browser.complaints() == []


def test_refusals_are_pages_in_the_readers_language(browser, callgate, tmp_path):
    browser.open(f"{callgate.admin}/nothing-of-ours")
    assert "There is no such page" in browser.text and browser.find_all("#menu nav a")
    check(browser, "nothing")
    browser.whole_picture("refused-nothing")
    browser.open(f"{callgate.admin}/delivery/plans")
    assert "This is not a page" in browser.text
    with Browser(tmp_path / "vera", "--lang=zh-CN", "--accept-lang=zh-CN") as vera:
        invite(callgate, vera, "vera", "viewer")
        for path in ["/audit", "/operators", "/tokens", "/changes/1/rollback"]:
            vera.open(f"{callgate.admin}{path}")
            assert "您不能查看或执行此项" in vera.text, vera.text
            assert vera.find("html").get_attribute("lang") == "zh"
            check(vera, f"forbidden-{path}")
        vera.whole_picture("refused-forbidden-zh")
        vera.resize(320)
        check(vera, "forbidden-320")
        vera.whole_picture("refused-forbidden-zh-320")
    # A way back that leads elsewhere leads nowhere.
    with Browser(tmp_path / "eve") as eve:
        for back in ["https://evil.example/", "//evil.example", "/%5Cevil.example"]:
            eve.open(f"{callgate.admin}/login?back={back}")
            eve.fill(name="ann", password=PASSWORD)
            eve.press("/login")
            assert eve.driver.current_url == f"{callgate.admin}/", eve.driver.current_url


def test_yesterday_a_message_was_blocked_by_an_entry_that_is_gone(browser, callgate):
    assert is_blocked(send(callgate, "free ＶＩＰ here", "yesterday-1"))
    open_decision(browser, callgate, "yesterday-1")
    text = browser.text.lower()
    assert "ads line 2" in text and "in force, line 2" in text, browser.text
    # Somebody takes the entry out by hand.
    (callgate.directory / "policies/ads.txt").write_text("# what is sold here\nnothing\ncasino\n")
    until(lambda: not is_blocked(send(callgate, "free vip", "gone")), "the edit")
    open_decision(browser, callgate, "yesterday-1")
    text = browser.text
    assert "removed since" in text and "by version" in text, text
    assert "vip" in browser.find(".matches").text and "ads.txt" in browser.find(".matches").text
    browser.whole_picture("decision-removed")
    check(browser, "decision-removed")
    # What it says of then is what the version of then says.
    press_button(browser, "Show the text")
    press_button(browser, "Try under the version of then")
    assert [mark.text for mark in browser.find_all("#result mark")] == ["ＶＩＰ"], browser.text
    browser.whole_picture("try-then")
    check(browser, "try-then")
    assert "vip" not in browser.path and "text=" not in browser.path, browser.path
    browser.find('select[name="version"] option[value=""]').click()
    browser.find("form button.primary").click()
    browser.wait(lambda: "No list found anything" in browser.find("#result").text, "an answer")
    assert not browser.find_all("#result mark"), browser.text
    assert browser.complaints() == []


def test_a_wrong_hit_leads_to_a_drafted_phrase(browser, callgate):
    assert is_blocked(send(callgate, "we sit in the vip lounge now", "wrong-1"))
    open_decision(browser, callgate, "wrong-1")
    press_button(browser, "A wrong hit?")
    assert browser.find("#add").get_property("value") == "the vip lounge", browser.text
    browser.whole_picture("wrong-hit")
    check(browser, "wrong-hit")
    press_button(browser, "Preview")
    assert browser.path.startswith("lists/allowed/draft?add=the+vip+lounge"), browser.path
    assert "the vip lounge" in browser.text
    browser.fill(why="an airport")
    press_button(browser, "Save")
    until(lambda: not is_blocked(send(callgate, "in the vip lounge now", "right")), "the phrase")
    assert is_blocked(send(callgate, "free vip", "still"))
    assert browser.complaints() == []


def test_an_export_for_a_spreadsheet_is_harmless(browser, callgate):
    command = "callbackBeforeSendSingleMsgCommand"
    sender = "=cmd|' /C calc'!A0"
    body = {
        "sendID": sender, "recvID": "@SUM(1)", "callbackCommand": command, "serverMsgID": "csv-1",
        "clientMsgID": "csv-1", "operationID": "op", "sessionType": 1, "msgFrom": 100,
        "contentType": 101, "status": 1, "content": json.dumps({"content": f"vip {HOSTILE}"}),
    }
    callgate.post(f"/openim/{command}", json.dumps(body).encode())
    open_decision(browser, callgate, "csv-1")
    browser.open(f"{callgate.admin}/decisions?message=csv-1")
    link = browser.find('a[download="decisions.csv"]').get_dom_attribute("href")
    status, text = fetched(browser, "GET", link)
    assert status == 200
    rows = list(csv.reader(io.StringIO(text)))
    assert len(rows) == 2, rows
    row = dict(zip(rows[0], rows[1], strict=True))
    assert row["sender"] == f"'{sender}" and row["target"] == "'@SUM(1)", row
    cells = [cell for row in rows for cell in row]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t"))], cells
    assert "<script>" not in text


def test_who_may_see_alone_is_refused_at_every_route_by_fetch(browser, callgate, tmp_path):
    """The table that the server itself shows, asked from a page with the session of a viewer."""
    status, text = fetched(browser, "GET", "/api/v1/openapi.json")
    routes = [
        (method.upper(), path, operation["description"])
        for path, methods in json.loads(text)["paths"].items()
        for method, operation in methods.items()
    ]
    assert status == 200 and len(routes) > 30
    with Browser(tmp_path / "vera") as vera:
        invite(callgate, vera, "vera", "viewer")
        refused = 0
        for method, path, takes in routes:
            real = path.replace("{", "").replace("}", "")
            body, kind = (None, None) if method == "GET" else ("{}", "application/json")
            status, said = fetched(vera, method, real, body, kind) if "events" not in path else (0, "")
            if "viewer" in takes:
                assert status != 403, f"{method} {path}: {said}"
            else:
                refused += 1
                assert status == 403, f"{method} {path} ({takes}): {status} {said}"
        assert refused > 15, refused
        forms = [
            "/operators", "/operators/ann/plans", "/operators/ann/plans/x", "/tokens",
            "/tokens/x/remove", "/delivery/plans", "/delivery/plans/x", "/delivery/retry",
            "/changes/1/rollback", "/lists/ads/save",
        ]
        form = "application/x-www-form-urlencoded"
        for path in forms:
            status, said = fetched(vera, "POST", path, "why=x", form)
            assert status == 403, f"{path}: {status} {said}"
    browser.open(f"{callgate.admin}/audit?act=port.refused")
    assert "vera" in browser.text


def test_the_pages_of_one_thing_are_clear_in_both_languages(browser, callgate):
    send(callgate, f"free vip {HOSTILE}", "one-1")
    open_decision(browser, callgate, "one-1")
    decision = "/" + browser.path
    paths = {
        "decision": f"{decision}?show=1",
        "wrong-hit": f"{decision}/wrong?match=0",
        "try-decision": f"/try?decision={decision.rsplit('/', 1)[1]}",
        "list": "/lists/ads",
        "draft": "/lists/ads/draft?add=roulette",
        "change": "/changes/2",
        "rollback": "/changes/1/rollback",
        "operator": "/operators/ann",
        "nothing": "/nothing-of-ours",
    }
    for language in ["en", "zh"]:
        browser.open(f"{callgate.admin}/account")
        switch(browser, "language", language)
        for name, path in paths.items():
            for light, width in [("light", 1280), ("dark", 1280), ("light", 320)]:
                browser.open(f"{callgate.admin}{path}")
                browser.resize(width)
                switch(browser, "light", light)
                where = f"one-{name}-{language}-{light}-{width}"
                check(browser, where)
                assert browser.find("html").get_attribute("lang") == language
                browser.whole_picture(where)
    assert browser.complaints() == []
