"""The console, in a real Chromium: every page in both languages, light and dark, wide and narrow,
with keys alone, without a script, and with hostile text in it."""

import json
import os
import pathlib
import subprocess

import axe_core_python
import pytest

from browser import PASSWORD, Browser, link_of, needs_chromium, set_up
from conftest import ROOT

pytestmark = needs_chromium

AXE = (pathlib.Path(axe_core_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
# A user who writes this should neither run anything nor turn what stands around it.
HOSTILE = "<script>alert(1)</script> \u202eevil\u202c v\u200bip"

POLICY = """
callbackUrl: {url}
lists:
  ads: {{words: [vip, casino], action: block}}
  rude: {{words: [darn], action: replace}}
hooks:
  beforeSendSingleMsg: {{failedContinue: true}}
  afterSendSingleMsg: {{}}
"""


@pytest.fixture
def callgate(start, business):
    return start(POLICY.format(url=business.url))


@pytest.fixture
def browser(tmp_path, callgate):
    with Browser(tmp_path / "profile") as one:
        set_up(one, callgate)
        yield one


def send(callgate, text, server_msg_id="m1", moment="Before", sender="u1"):
    """A message as OpenIM asks about it, or tells of it; the answer."""
    command = f"callback{moment}SendSingleMsgCommand"
    body = {
        "sendID": sender,
        "recvID": "u2",
        "callbackCommand": command,
        "serverMsgID": server_msg_id,
        "clientMsgID": server_msg_id,
        "operationID": "op",
        "senderPlatformID": 1,
        "senderNickname": "ann",
        "sessionType": 1,
        "msgFrom": 100,
        "contentType": 101,
        "status": 1,
        "sendTime": 1_700_000_000_000,
        "createTime": 1_700_000_000_000,
        "content": json.dumps({"content": text}),
    }
    _, answer = callgate.post(f"/openim/{command}", json.dumps(body).encode())
    return json.loads(answer)


def traffic(callgate):
    for number, text in enumerate(["hello", "darn it", "free vip here", HOSTILE, "see you"]):
        send(callgate, text, f"m{number}")


def pages(browser, callgate):
    """What the navigation leads to."""
    browser.open(f"{callgate.admin}/")
    links = browser.find_all("#menu nav a")
    return [link.get_dom_attribute("href") for link in links]


def check(browser, name):
    """Nothing is wrong with the page for who sees little, hears it, or has a narrow screen."""
    browser.driver.execute_script(AXE)
    found = browser.driver.execute_async_script(
        "const done = arguments[0]; axe.run({runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa',"
        " 'best-practice']}).then((found) => done(found.violations), (error) => done([`${error}`]))"
    )
    told = [
        (one["id"], [node["html"][:200] for node in one["nodes"]][:3])
        if isinstance(one, dict)
        else one
        for one in found
    ]
    assert told == [], f"{name}: {told}"
    script = "return document.documentElement.scrollWidth - window.innerWidth"
    assert browser.driver.execute_script(script) <= 0, f"{name} is wider than its window"


def switch(browser, name, value):
    button = browser.find(f'.switches button[name="{name}"][value="{value}"]')
    browser.driver.execute_script("arguments[0].click()", button)
    browser.wait(
        lambda: browser.find(f'.switches button[name="{name}"][value="{value}"]').get_attribute(
            "aria-pressed"
        )
        == "true"
    )


def test_every_page_is_clear_in_both_languages_light_and_dark_wide_and_narrow(browser, callgate):
    traffic(callgate)
    for language in ["en", "zh"]:
        browser.open(f"{callgate.admin}/account")
        switch(browser, "language", language)
        for path in pages(browser, callgate):
            name = path.strip("/").replace("/", "-") or "overview"
            for light, width in [("light", 1280), ("dark", 1280), ("light", 320)]:
                browser.open(f"{callgate.admin}{path}")
                browser.resize(width)
                switch(browser, "light", light)
                where = f"{name}-{language}-{light}-{width}"
                check(browser, where)
                assert browser.find("html").get_attribute("lang") == language
                browser.whole_picture(where)
    assert browser.complaints() == []


def invite(callgate, browser, name, role, rights=""):
    """Another operator, who follows the link in this browser."""
    program = os.environ.get("CALLGATE_BIN", str(ROOT / "target/debug/callgate"))
    token = (callgate.directory / "cli.token").read_text().strip()
    order = [program, "operators", "invite", name, "--role", role, "--server", callgate.admin]
    if rights:
        order += ["--rights", rights]
    environment = os.environ | {"CALLGATE_TOKEN": token}
    said = subprocess.run(order, env=environment, capture_output=True, text=True, check=True)
    link = next(word for word in said.stdout.split() if "/setup#" in word)
    browser.open(link)
    browser.fill(name=name, password=PASSWORD)
    browser.press("/setup")


def test_the_overview_is_live_and_shows_a_rejected_edit_with_its_place(browser, callgate):
    browser.open(f"{callgate.admin}/")
    assert "callgate send" in browser.text
    traffic(callgate)
    # No page is loaded: a tick of the server says that there is something new.
    browser.wait(lambda: browser.find_all("svg .area"), "a curve")
    policy = callgate.directory / "policies/policy.yaml"
    good = policy.read_text()
    policy.write_text(good + "nonsense: 1\n")
    browser.wait(lambda: "policy.yaml:" in browser.text, "the place of the fault")
    browser.whole_picture("overview-rejected")
    policy.write_text(good)
    browser.wait(lambda: "policy.yaml:" not in browser.text, "its end")
    assert browser.complaints() == []


def test_a_decision_explains_itself(browser, callgate):
    traffic(callgate)

    def is_listed():
        browser.open(f"{callgate.admin}/decisions")
        return len(browser.find_all("a[data-row]")) == 5

    browser.wait(is_listed, "what is written to the disk now and then")
    browser.open(f"{callgate.admin}/decisions?outcome=block")
    browser.find("a[data-row]").click()
    browser.wait(lambda: browser.path.startswith("decisions/"), "the decision")
    # The entry that matched, and the list that it stands in.
    assert "vip" in browser.text and "ads" in browser.text, browser.text
    check(browser, "decision")
    browser.whole_picture("decision")
    browser.resize(320)
    check(browser, "decision-320")
    browser.whole_picture("decision-320")
    assert browser.complaints() == []


def test_the_last_day_and_week_come_from_the_history(browser, callgate):
    traffic(callgate)
    for span in ["24h", "7d"]:

        def has_come():
            browser.open(f"{callgate.admin}/?range={span}")
            return browser.find(".tiles .value").text == "5" and browser.find_all("svg .area")

        browser.wait(has_come, "what is written to the disk now and then")
        check(browser, span)
        browser.whole_picture(f"overview-{span}")
        assert browser.find('.tabs a[aria-current="page"]').get_attribute("href").endswith(span)


def test_an_outage_is_seen_and_what_died_is_sent_again_by_plan(browser, callgate, business):
    business.status = 500
    for number in range(3):
        send(callgate, f"hello {number}", f"b{number}")
    business.status = 400
    for number in range(3):
        send(callgate, f"hello {number}", f"a{number}", "After")
    browser.open(f"{callgate.admin}/")
    browser.wait(lambda: "by a failure" in browser.text, "what went unreviewed")
    browser.whole_picture("outage-overview")
    browser.open(f"{callgate.admin}/endpoints")
    assert "answered 400" in browser.text or "answered 500" in browser.text, browser.text
    browser.whole_picture("outage-endpoints")
    browser.open(f"{callgate.admin}/delivery")
    browser.wait(lambda: counts(browser)["dead"] == 3, "three dead events")
    browser.driver.refresh()
    browser.whole_picture("outage-delivery")
    check(browser, "outage-delivery")
    browser.find("a[data-row]").click()
    browser.wait(lambda: browser.path.startswith("delivery/payload"), "the payload")
    assert "hello" in browser.text
    browser.whole_picture("outage-payload")
    check(browser, "outage-payload")
    business.status = 200
    browser.open(f"{callgate.admin}/delivery?view=dead&endpoint=callbackUrl")
    browser.press("/delivery/plans")
    assert "replay 3 dead events" in browser.text, browser.text
    browser.whole_picture("outage-plan")
    check(browser, "outage-plan")
    browser.fill(why="the receiver works again")
    browser.find("form.confirm button.danger").click()
    browser.wait(lambda: "It is done." in browser.text, "the end of the plan")
    browser.whole_picture("outage-done")
    browser.open(f"{callgate.admin}/delivery")
    browser.wait(lambda: counts(browser)["delivered"] == 3, "three deliveries")
    assert counts(browser) == {"pending": 0, "dead": 0, "discarded": 0, "delivered": 3}
    assert browser.complaints() == []


def counts(browser):
    """What the first endpoint's row says."""
    cells = [cell.text for cell in browser.find_all("#live tbody tr:first-child td.number")]
    pending, _, dead, discarded, delivered = map(int, cells)
    return {"pending": pending, "dead": dead, "discarded": discarded, "delivered": delivered}


def test_hostile_text_is_shown_and_does_nothing(browser, callgate):
    browser.open(f"{callgate.admin}/try")
    browser.driver.execute_script(
        "document.getElementById('text').value = arguments[0]", HOSTILE
    )
    browser.find("form button.primary").click()
    browser.wait(lambda: browser.find_all(".shown mark"), "a mark")
    chips = [chip.text for chip in browser.find_all(".shown .chip")]
    assert chips == ["RLO", "PDF", "ZWSP"]
    assert "<script>alert(1)</script>" in browser.find(".shown").text
    browser.whole_picture("try-hostile")
    check(browser, "try-hostile")
    # No dialog is open, and the browser had nothing to refuse.
    assert browser.driver.execute_script("return document.querySelectorAll('main script').length") == 0
    assert browser.complaints() == []


def test_a_text_is_decided_while_it_is_typed(browser, callgate):
    browser.open(f"{callgate.admin}/try")
    area = browser.find("#text")
    area.send_keys("free v")
    browser.wait(lambda: browser.find_all("#result .shown"), "an answer")
    assert not browser.find_all("#result mark")
    area.send_keys("ip")
    browser.wait(lambda: browser.find_all("#result mark"), "a mark")
    # Who types is not thrown out of the field, nor is a key taken for an order.
    area.send_keys(" j?/e")
    assert area.get_property("value") == "free vip j?/e"
    assert browser.path == "try"


def test_who_may_do_less_is_offered_less(browser, callgate, tmp_path):
    with Browser(tmp_path / "viewer") as viewer:
        invite(callgate, viewer, "vera", "viewer")
        hrefs = pages(viewer, callgate)
        assert "/audit" not in hrefs and "/operators" not in hrefs
        for path in hrefs:
            viewer.open(f"{callgate.admin}{path}")
            assert "/login" not in viewer.path, path
            danger = viewer.find_all("main .danger")
            assert not danger or path == "/account", path
        # What is not offered is refused too.
        status = viewer.driver.execute_async_script(
            "const done = arguments[0];"
            "fetch('/delivery/payload?id=x').then((answer) => done(answer.status))"
        )
        assert status == 403
        viewer.picture("viewer")


def test_a_session_that_ends_takes_its_events_along(browser, callgate, tmp_path):
    browser.open(f"{callgate.admin}/")
    cookie = browser.driver.get_cookie("callgate")
    with Browser(tmp_path / "thief") as thief:
        thief.open(f"{callgate.admin}/login")
        thief.driver.add_cookie({"name": "callgate", "value": cookie["value"]})
        thief.open(f"{callgate.admin}/")
        assert thief.path == ""
        browser.open(f"{callgate.admin}/account")
        browser.press("/account/sessions/end")
        # It is the same session: only another password ends it.
        assert thief.path == ""
        browser.fill(old=PASSWORD, new="another password")
        browser.press("/account/password")
        thief.wait(lambda: thief.path == "login", "the end of the session")


def test_eight_tabs_hang_nobody(browser, callgate):
    browser.open(f"{callgate.admin}/")
    for _ in range(7):
        browser.driver.switch_to.new_window("tab")
        browser.open(f"{callgate.admin}/")
    traffic(callgate)
    browser.wait(lambda: browser.find_all("svg .area"), "a curve in the last tab")
    browser.open(f"{callgate.admin}/hooks")
    assert "beforeSendSingleMsg" in browser.text
    for tab in browser.driver.window_handles[:-1]:
        browser.driver.switch_to.window(tab)
        browser.wait(lambda: browser.find_all("svg .area"), "a curve in every tab")


def test_keys_alone_lead_everywhere_and_can_be_switched_off(browser, callgate):
    from selenium.webdriver.common.keys import Keys

    def press(*keys):
        browser.driver.switch_to.active_element.send_keys(*keys)

    browser.open(f"{callgate.admin}/delivery")
    press("/")
    focused = browser.driver.switch_to.active_element
    assert focused.get_attribute("name") == "endpoint"
    press(Keys.ESCAPE)
    press("?")
    assert browser.find("#keys").is_displayed()
    browser.picture("keys")
    check(browser, "keys")
    press(Keys.ESCAPE)
    assert not browser.find("#keys").is_displayed()
    browser.open(f"{callgate.admin}/try")
    browser.find("#text").send_keys("free vip")
    browser.find("#text").send_keys(Keys.CONTROL, Keys.ENTER)
    browser.wait(lambda: browser.find_all("#result mark"), "a mark")
    # The first Tab leads past the navigation.
    browser.open(f"{callgate.admin}/hooks")
    press(Keys.TAB)
    assert browser.driver.switch_to.active_element.text == "Skip to the content"
    press("?")
    browser.find('#keys button[name="keys"]').click()
    browser.wait(lambda: browser.find("html").get_attribute("data-keys") == "off", "the switch")
    press("?")
    assert not browser.find("#keys").is_displayed()


def test_without_a_script_everything_is_there(callgate, tmp_path):
    with Browser(tmp_path / "plain", "--blink-settings=scriptEnabled=false") as plain:
        plain.open(link_of(callgate))
        code = link_of(callgate).split("#")[1]
        plain.fill(code=code, name="ann", password=PASSWORD)
        plain.press("/setup")
        assert "Overview" in plain.text
        plain.open(f"{callgate.admin}/try")
        plain.fill(text="free vip")
        plain.find("form button.primary").click()
        plain.wait(lambda: plain.find_all("mark"), "a mark")
        assert [mark.text for mark in plain.find_all("mark")] == ["vip"]
        plain.find('.switches button[value="zh"]').click()
        plain.wait(lambda: "试一试" in plain.text, "Chinese")
        plain.find('.switches button[value="dark"]').click()
        plain.wait(lambda: plain.find("html").get_attribute("data-light") == "dark", "the dark")
        assert "试一试" in plain.text
