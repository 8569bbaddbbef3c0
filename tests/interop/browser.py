"""Chromium without a window, for the tests of the pages.

Needs `chromium` and `chromedriver` (Debian: chromium, chromium-driver), or their paths in
`CALLGATE_CHROMIUM` and `CALLGATE_CHROMEDRIVER`. Pictures of the pages are left in a directory of
the test run, or in the one that `CALLGATE_SCREENSHOTS` names.
"""

import os
import pathlib
import shutil
import tempfile
import time

import pytest

CHROMIUM = os.environ.get("CALLGATE_CHROMIUM") or shutil.which("chromium")
DRIVER = os.environ.get("CALLGATE_CHROMEDRIVER") or shutil.which("chromedriver")
PICTURES = pathlib.Path(
    os.environ.get("CALLGATE_SCREENSHOTS") or tempfile.mkdtemp(prefix="callgate-pictures-")
)

needs_chromium = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="needs chromium and chromedriver, which are not here"
)

PASSWORD = "correct horse battery"


def started(options):
    """Now and then Chromium does not come up on a busy machine; what it shows is tested, not that."""
    from selenium import webdriver
    from selenium.common.exceptions import WebDriverException

    for tries_left in (2, 1, 0):
        try:
            service = webdriver.ChromeService(executable_path=DRIVER)
            return webdriver.Chrome(options=options, service=service)
        except WebDriverException:
            if not tries_left:
                raise


def element_class():
    from selenium.common.exceptions import StaleElementReferenceException
    from selenium.webdriver.remote.webelement import WebElement

    class Element(WebElement):
        """An element of a page whose regions are taken anew while one looks."""

        selector = None

        @property
        def text(self):
            for _ in range(20):
                try:
                    return super().text
                except StaleElementReferenceException:
                    if self.selector is None:
                        raise
                    self._id = self.parent.find_element("css selector", self.selector).id
            return super().text

    return Element


def is_gone(element):
    """Another page has come. In the moment in which it does Chromium says so in several ways."""
    from selenium.common.exceptions import WebDriverException

    try:
        element.is_enabled()
        return False
    except WebDriverException:
        return True


class Browser:
    """Chromium without a window."""

    def __init__(self, profile, *more):
        from selenium import webdriver

        options = webdriver.ChromeOptions()
        options.binary_location = CHROMIUM
        for argument in [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--window-size=1200,900",
            "--lang=en",
            f"--user-data-dir={profile}",
            *more,
        ]:
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.driver = started(options)
        self.driver._web_element_cls = element_class()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.driver.quit()

    def open(self, url):
        self.driver.get(url)

    def fill(self, **fields):
        for name, value in fields.items():
            field = self.driver.find_element("name", name)
            field.clear()
            field.send_keys(value)

    def press(self, action, having="*"):
        """Sends the first form with this action that has such a field, and waits for what comes of it."""
        from selenium.webdriver.support.wait import WebDriverWait

        button = self.driver.find_element("css selector", f'form[action="{action}"]:has({having}) button')
        button.click()
        # A wrong password may be waited for.
        WebDriverWait(self.driver, 40).until(lambda _: is_gone(button))

    @property
    def text(self):
        return self.find("body").text

    @property
    def path(self):
        return self.driver.current_url.split("/", 3)[3]

    def value(self, name):
        return self.driver.find_element("name", name).get_property("value")

    def picture(self, name):
        PICTURES.mkdir(parents=True, exist_ok=True)
        self.driver.save_screenshot(str(PICTURES / f"{name}.png"))

    def whole_picture(self, name):
        """The page from its top to its end."""
        run = self.driver.execute_script
        height = run("return document.documentElement.scrollHeight")
        width = run("return window.innerWidth")
        size = {"width": width, "height": min(max(height, 700), 4000), "deviceScaleFactor": 1}
        self.resize(**size)
        self.picture(name)
        self.resize(None)

    def resize(self, width, height=900, **more):
        """As if the window were so large: a real one has a least width."""
        if width is None:
            self.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
            return
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size | more)

    def wait(self, until, what="it"):
        """Waits for a condition."""
        from selenium.common import exceptions
        from selenium.webdriver.support.wait import WebDriverWait

        # The page may be taken anew, or another may come, while one looks.
        meanwhile = (exceptions.StaleElementReferenceException, exceptions.NoSuchElementException)
        waiting = WebDriverWait(self.driver, 40, ignored_exceptions=meanwhile)
        waiting.until(lambda _: until(), f"{what} did not come")

    def find(self, selector):
        found = self.driver.find_element("css selector", selector)
        found.selector = selector
        return found

    def find_all(self, selector):
        return self.driver.find_elements("css selector", selector)

    def complaints(self):
        """What the browser says of the pages: a broken rule for scripts or styles, say."""
        lines = [line["message"] for line in self.driver.get_log("browser")]
        # An answer that is an error is one on purpose, and no browser's icon is ours.
        return [line for line in lines if "the server responded" not in line]


def link_of(callgate):
    until = time.monotonic() + 10
    while time.monotonic() < until:
        links = [word for word in callgate.log().split() if "/setup#" in word]
        if links:
            return links[0]
        time.sleep(0.05)
    raise AssertionError(f"no link was printed: {callgate.log()}")


def set_up(browser, callgate):
    browser.open(link_of(callgate))
    browser.fill(name="ann", password=PASSWORD)
    browser.press("/setup")
    assert browser.path == "", browser.text


def log_in(browser, callgate, password=PASSWORD):
    browser.open(f"{callgate.admin}/login")
    browser.fill(name="ann", password=password)
    browser.press("/login")
