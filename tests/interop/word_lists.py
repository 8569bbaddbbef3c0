"""Word lists in a browser: what the tests of their pages have in common."""

import json
import os
import subprocess
import time

from browser import PASSWORD, is_gone
from conftest import ROOT


def follow(browser, act):
    """Does something that leads to another page, and waits for it."""
    from selenium.webdriver.support.wait import WebDriverWait

    before = browser.find("html")
    act()
    WebDriverWait(browser.driver, 40).until(lambda _: is_gone(before))


def started_with(start, policy, lists):
    """The program with these lists, `file: bytes`, in force."""
    program = start("hooks: {}\n")
    policies = program.directory / "policies"
    for name, content in lists.items():
        path = policies / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
    (policies / "policy.yaml").write_text(policy, encoding="utf-8")
    until = time.monotonic() + 30
    while "beforeSendSingleMsg" not in json.dumps(program.status()["hooks"]):
        assert time.monotonic() < until, program.log()
        time.sleep(0.05)
    return program


def decided(callgate, text, number=1):
    """A message as OpenIM asks about it: headers and the answer's body."""
    message = {
        "callbackCommand": "callbackBeforeSendSingleMsgCommand",
        "sendID": "u1",
        "recvID": "u2",
        "serverMsgID": f"m{number}",
        "operationID": "op",
        "contentType": 101,
        "sessionType": 1,
        "content": json.dumps({"content": text}),
    }
    path = "/callbackExample/callbackBeforeSendSingleMsgCommand"
    return callgate.post(path, json.dumps(message).encode())


def blocks(callgate, text):
    answer = json.loads(decided(callgate, text)[1])
    return answer["actionCode"] == 0 and answer.get("nextCode") == 1


def content(callgate, file):
    return (callgate.directory / "policies" / file).read_bytes()


def draft(browser, callgate, entries, tags="", name="words"):
    """Entries to add, as far as the preview."""
    browser.open(f"{callgate.admin}/lists/{name}")
    area = browser.find("textarea[name=add]")
    # As somebody pastes them: key by key, many lines take long.
    browser.driver.execute_script("arguments[0].value = arguments[1]", area, entries)
    browser.fill(tags=tags)
    browser.press(f"/lists/{name}/draft", having="[name=add]")


def choose(browser, how, why="a test"):
    """Saves what the preview shows, or saves it as a trial."""
    browser.fill(why=why)
    follow(browser, browser.find(f"button[value={how}]").click)


def version_saved(browser):
    assert "?saved=" in browser.path, browser.text
    return browser.path.split("?saved=")[1]


def invite(callgate, browser, name, *more):
    """Another operator, who follows the link in this browser."""
    program = os.environ.get("CALLGATE_BIN", str(ROOT / "target/debug/callgate"))
    token = (callgate.directory / "cli.token").read_text().strip()
    order = [program, "operators", "invite", name, *more, "--server", callgate.admin]
    environment = os.environ | {"CALLGATE_TOKEN": token}
    said = subprocess.run(order, env=environment, capture_output=True, text=True)
    assert said.returncode == 0, said.stderr
    link = next(word for word in said.stdout.split() if "/setup#" in word)
    browser.open(link)
    browser.fill(name=name, password=PASSWORD)
    browser.press("/setup")


def fetched(browser, path, method="GET", body="", headers=None):
    """Status and text of a call that a script on the page makes."""
    return browser.driver.execute_async_script(
        "const [path, method, body, headers, done] = arguments;"
        "fetch(path, {method, headers, redirect: 'manual', ...(body ? {body} : {})})"
        ".then(async (answer) => done([answer.status, await answer.text()]))",
        path,
        method,
        body,
        headers or {},
    )
