"""The way in, in a real Chromium: what no other client shows is what a browser really sends."""

import http.server
import threading

import pytest

from browser import PASSWORD, Browser, link_of, log_in, needs_chromium, set_up

pytestmark = needs_chromium


@pytest.fixture
def callgate(start):
    return start("hooks: {}\n")


@pytest.fixture
def browser(tmp_path):
    with Browser(tmp_path / "profile") as one:
        yield one


def test_the_first_operator_sets_up_and_nobody_does_so_again(browser, callgate, tmp_path):
    link = link_of(callgate)
    browser.open(link)
    # The code is in the field, and neither in the address nor in the history.
    assert browser.value("code") == link.split("#")[1]
    assert browser.path == "setup"
    browser.picture("setup")
    browser.fill(name="ann", password=PASSWORD)
    browser.press("/setup")
    assert browser.path == "" and "Overview" in browser.text, browser.text
    browser.picture("overview-empty")
    browser.open(f"{callgate.admin}/account")
    assert "Logged in as ann" in browser.text
    browser.picture("account")
    # It never went over the wire but in the form.
    sent = [line["message"] for line in browser.driver.get_log("performance")]
    urls = [line for line in sent if link.split("#")[1] in line and '"method":"GET"' in line]
    assert not [line for line in urls if "?" + link.split("#")[1] in line]
    with Browser(tmp_path / "eve") as eve:
        eve.open(link)
        eve.fill(name="eve", password=PASSWORD)
        eve.press("/setup")
        assert "link is used" in eve.text
        eve.picture("used")
        eve.open(f"{callgate.admin}/account")
        assert eve.path == "login?back=%2Faccount"
    assert browser.complaints() == []


def test_logging_in_and_out(browser, callgate):
    set_up(browser, callgate)
    browser.press("/logout")
    assert browser.path == "login"
    browser.open(f"{callgate.admin}/account")
    assert browser.path == "login?back=%2Faccount"
    browser.fill(name="ann", password="a wrong password")
    browser.press("/login")
    assert "not the password" in browser.text
    browser.picture("wrong")
    # Who was on the way somewhere is led there, also after a mistake.
    browser.fill(name="ann", password=PASSWORD)
    browser.press("/login")
    assert browser.path == "account"
    cookie = browser.driver.get_cookie("callgate")
    assert cookie["httpOnly"] and cookie["sameSite"] == "Lax"
    assert browser.driver.execute_script("return document.cookie") == ""
    assert browser.complaints() == []


def test_a_stolen_session_ends_with_the_password(browser, callgate, tmp_path):
    set_up(browser, callgate)
    cookie = browser.driver.get_cookie("callgate")
    with Browser(tmp_path / "thief") as thief:
        thief.open(f"{callgate.admin}/login")
        thief.driver.add_cookie({"name": "callgate", "value": cookie["value"]})
        thief.open(f"{callgate.admin}/account")
        assert "Logged in as ann" in thief.text
        browser.open(f"{callgate.admin}/account")
        browser.fill(old=PASSWORD, new="another password")
        browser.press("/account/password")
        assert "password is changed" in browser.text
        thief.open(f"{callgate.admin}/account")
        assert thief.path == "login?back=%2Faccount"
        assert "session has ended" in thief.text
    browser.open(f"{callgate.admin}/account")
    assert "Logged in as ann" in browser.text


def test_a_token_is_shown_once(browser, callgate):
    set_up(browser, callgate)
    browser.open(f"{callgate.admin}/account")
    browser.fill(token="laptop")
    browser.press("/account/tokens")
    token = browser.driver.find_element("id", "new-token").text
    assert token.startswith("cg_")
    browser.picture("token")
    browser.open(f"{callgate.admin}/account")
    assert token not in browser.text and "laptop" in browser.text
    browser.press("/account/tokens/remove")
    assert "No tokens." in browser.text
    assert browser.complaints() == []


class Stranger:
    """A page of somebody else that sends a form to us."""

    def __init__(self, target):
        page = (
            f'<form method="post" action="{target}"></form>'
            "<script>document.forms[0].submit()</script>"
        ).encode()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.send_header("Content-Length", str(len(page)))
                self.end_headers()
                self.wfile.write(page)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        # Another site to the browser, which keeps cookies by name and not by port.
        self.url = f"http://127.0.0.1:{self.server.server_port}/"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def test_a_page_of_a_stranger_logs_nobody_out(browser, callgate):
    set_up(browser, callgate)
    # The same address with another port is the same site: the cookie goes along, and only the
    # origin says that it is not us.
    with Stranger(f"{callgate.admin}/logout") as stranger:
        browser.open(stranger.url)
        assert "another origin" in browser.text, browser.text
    browser.open(f"{callgate.admin}/account")
    assert "Logged in as ann" in browser.text


def test_a_name_that_leads_here_shows_nothing(callgate, tmp_path):
    port = callgate.admin.rsplit(":", 1)[1]
    rules = "--host-resolver-rules=MAP evil.example 127.0.0.1"
    with Browser(tmp_path / "rebound", rules) as browser:
        # As long as nobody is set up this port is open to whoever is on this machine.
        browser.open(f"http://evil.example:{port}/status")
        assert "admin.hosts" in browser.text
        browser.picture("rebound")
        browser.open(f"{callgate.admin}/status")
        assert "policy" in browser.text


def test_pages_are_in_the_language_of_the_browser(callgate, tmp_path):
    with Browser(tmp_path / "zh", "--lang=zh-CN", "--accept-lang=zh-CN") as browser:
        browser.open(f"{callgate.admin}/setup")
        assert "设置账户" in browser.text
        browser.picture("setup-zh")
