"""The look at the business servers in the console, in a real Chromium."""

import re

import pytest

from browser import Browser, is_gone, needs_chromium, set_up
from test_console import check, switch

pytestmark = needs_chromium

POLICY = """
endpoints:
  shop: {{url: "{url}"}}
  bot: {{url: "{dead}"}}
hooks:
  beforeSendSingleMsg: {{endpoint: shop, timeout: 5s, failedContinue: true}}
  beforeSendGroupMsg: {{endpoint: bot, timeout: 1s, failedContinue: true}}
"""
# Of a server that nobody trusts: a script, and characters that turn and hide what stands near them.
HOSTILE = "<script>document.title='hacked'</script>\u202egnp.exe\u202c\u200b"
WEBHOOKS = """url: http://<b>elsewhere</b>.example:10006/callback
beforeSendSingleMsg:
  enable: true
  timeout: 1
"""


@pytest.fixture
def callgate(start, business, closed_url):
    return start(POLICY.format(url=business.url, dead=closed_url))


@pytest.fixture
def browser(tmp_path, callgate):
    with Browser(tmp_path / "profile") as one:
        set_up(one, callgate)
        one.open(f"{callgate.admin}/doctor")
        yield one


def keys(browser, *pressed):
    from selenium.webdriver import ActionChains

    ActionChains(browser.driver).send_keys(*pressed).perform()


def focus(browser, selector):
    """Goes with the tabulator to what one would click on."""
    from selenium.webdriver import Keys

    for _ in range(80):
        keys(browser, Keys.TAB)
        if browser.driver.execute_script(
            "return document.activeElement.matches(arguments[0])", selector
        ):
            return
    raise AssertionError(f"{selector} cannot be reached by keys")


def is_over(browser):
    return browser.find_all("main h2") and not browser.driver.execute_script(
        "return document.querySelector('main').textContent.match(/being looked at|正在检查/)"
    )


def test_a_look_by_keys_alone_shows_faults_and_the_way_out(browser, callgate, business):
    from selenium.webdriver import Keys

    check(browser, "doctor-none")
    assert "Nobody has looked" in browser.text
    # Held until the page that says so was looked at.
    business.wait_s = 0.3
    business.answer = {"actionCode": 0, "errCode": 20001, "errMsg": HOSTILE, "nextCode": 0}
    focus(browser, 'select[name="endpoint"]')
    focus(browser, 'textarea[name="webhooks"]')
    keys(browser, WEBHOOKS)
    button = browser.find('form[action="/doctor"] button')
    focus(browser, 'form[action="/doctor"] button')
    keys(browser, Keys.ENTER)

    browser.wait(lambda: is_gone(button), "the page of what is done")
    assert browser.path == "doctor"
    assert "being looked at" in browser.text, browser.text
    assert not browser.find_all('form[action="/doctor"]')
    check(browser, "doctor-running")
    business.wait_s = 0
    # Without a script of ours: the browser loads it again because the page says so.
    browser.wait(lambda: is_over(browser), "the end of the look")
    check(browser, "doctor-en")
    browser.whole_picture("doctor-en")
    faults = {row.find_element("css selector", "code").text: row.text for row in browser.find_all("main tbody tr")}
    assert {"err_code_alone", "unreachable", "pointed_elsewhere", "sent", "not_sent"} <= faults.keys(), faults
    assert "an `errCode` alone refuses nothing" in faults["err_code_alone"]
    assert "callgate lets it through" in faults["err_code_alone"]
    assert "Way out:" in faults["unreachable"] and "start it, let this machine" in faults["unreachable"]
    assert "policy.yaml:4:" in faults["unreachable"]
    # In Chinese all of it is: each fault, what it is, the way out, and what follows.
    switch(browser, "language", "zh")
    browser.wait(lambda: is_over(browser) and "解决办法" in browser.text, "the same in Chinese")
    check(browser, "doctor-zh")
    browser.whole_picture("doctor-zh")
    for row in browser.find_all("main section > .scroll tbody tr"):
        name = row.find_element("css selector", "code").text
        for said in row.find_elements("css selector", "bdi.hostile"):
            # What stands alone is a name of a call, or a place in the policy.
            is_name = said.text.startswith("before") or re.search(r":\d+:\d+: ", said.text)
            assert is_name or any("\u4e00" <= one <= "\u9fff" for one in said.text), f"{name}: {said.text}"
    browser.resize(320)
    check(browser, "doctor-zh-small")
    browser.whole_picture("doctor-zh-small")
    switch(browser, "language", "en")
    browser.resize(320)
    check(browser, "doctor-en-small")
    browser.whole_picture("doctor-en-small")
    switch(browser, "light", "dark")
    browser.resize(None)
    check(browser, "doctor-dark")
    browser.whole_picture("doctor-dark")
    assert browser.complaints() == []


def test_what_a_server_says_is_text_and_runs_nothing(browser, callgate, business):
    def redirect(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(302)
        self.send_header("Location", "http://x/<script>document.title='hacked'</script><img src=x>")
        self.send_header("Content-Length", "0")
        self.end_headers()

    business._server.RequestHandlerClass.do_POST = redirect
    browser.fill(webhooks=WEBHOOKS)
    browser.press("/doctor")
    browser.wait(lambda: is_over(browser), "the end of the look")
    assert "<script>document.title='hacked'</script>" in browser.text, browser.text
    assert "<b>elsewhere</b>" in browser.text
    assert not browser.find_all("main script, main img, main b")
    assert "hacked" not in browser.driver.title
    check(browser, "doctor-hostile")
    browser.whole_picture("doctor-hostile")
    assert browser.complaints() == []


def test_a_form_that_cannot_be_meant_is_answered_beside_the_form(browser, callgate):
    switch(browser, "language", "zh")
    browser.driver.execute_script(
        "document.querySelector('select[name=endpoint]').innerHTML = '<option value=nosuch selected>x'"
    )
    browser.fill(webhooks="url: x")
    browser.press("/doctor")
    alert = browser.find('[role="alert"]').text
    assert alert.startswith("请求的内容无效（原文：") and "nosuch" in alert, alert
    assert browser.value("webhooks").strip() == "url: x"
    check(browser, "doctor-refused")
