"""Files of word lists, edited in a real Chromium: nothing but the lines that are meant changes, and
of several who edit at once nobody loses anything."""

import os
import subprocess
import threading
import time

import pytest

from browser import Browser, log_in, needs_chromium, set_up
from word_lists import blocks, choose, content, draft, follow, started_with, version_saved

pytestmark = needs_chromium

BOM = "\ufeff"
# What a list may look like: before, and after `old` went, `cat` was set and `new` came.
FILES = {
    "crlf": (
        "# Words\r\nold\r\ncat\tx\r\n\r\nlast\r\n",
        "# Words\r\ncat\ty\t{leet: true}\r\n\r\nlast\r\nnew\r\n",
    ),
    "bom": (f"{BOM}old\ncat\tx", f"{BOM}cat\ty\t{{leet: true}}\nnew"),
    "comments": (
        "# Head\n\n  # indented\nold\n#cat\ncat\tx\n\n\n# an end\n",
        "# Head\n\n  # indented\n#cat\ncat\ty\t{leet: true}\nnew\n\n\n# an end\n",
    ),
    "tabs": (
        "\\#hash \t a, b \t{leet: true} \nold\t\t{leet: true}\n\tcat \t x  \n\\\\slash\n",
        "\\#hash \t a, b \t{leet: true} \n\tcat\ty\t{leet: true}  \n\\\\slash\nnew\n",
    ),
    "mixed": ("one\r\nold\ncat\tx\ntwo\r\n", "one\r\ncat\ty\t{leet: true}\ntwo\r\nnew\r\n"),
}


def policy(*names):
    lists = "".join(f"  {name}: {{file: {name}.txt}}\n" for name in names)
    return f"lists:\n{lists}hooks: {{beforeSendSingleMsg: }}\n"


def edit(browser, callgate, name, entry, **fields):
    """Sets one entry, by the form that its row leads to."""
    browser.open(f"{callgate.admin}/lists/{name}?search={entry}")
    follow(browser, browser.find("td a[data-row]").click)
    form = browser.find("input[name=to]").find_element("xpath", "ancestor::form")
    for field, value in fields.items():
        field = form.find_element("name", field)
        field.clear()
        field.send_keys(value)
    follow(browser, form.find_element("css selector", "button").click)
    choose(browser, "save", why="set")


def remove(browser, callgate, name, entry):
    browser.open(f"{callgate.admin}/lists/{name}?search={entry}")
    follow(browser, browser.find("td a[href*='remove=']").click)
    choose(browser, "save", why="removed")


def test_only_the_lines_meant_change_whatever_the_file_is_like(start, tmp_path):
    lists = {f"{name}.txt": before.encode() for name, (before, _) in FILES.items()}
    callgate = started_with(start, policy(*FILES), lists)
    folder = callgate.directory / "policies"
    (folder / "crlf.txt").chmod(0o640)
    with Browser(tmp_path / "profile") as browser:
        set_up(browser, callgate)
        for name, (_, after) in FILES.items():
            remove(browser, callgate, name, "old")
            edit(browser, callgate, name, "cat", tags="y", options="{leet: true}")
            draft(browser, callgate, "new", name=name)
            if name == "tabs":
                browser.whole_picture("list-file-tabs")
            choose(browser, "save", why="new")
            assert content(callgate, f"{name}.txt").decode() == after, name
        assert browser.complaints() == []
    assert (folder / "crlf.txt").stat().st_mode & 0o777 == 0o640
    assert blocks(callgate, "a new one") and not blocks(callgate, "some old words")
    # Nothing is left beside them.
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        ["engine.yaml", "policy.yaml", *lists]
    )


def test_a_link_inside_stays_a_link_and_what_leads_out_is_a_patch(start, tmp_path):
    lists = {"real/inside.txt": b"cat\n", "outside.txt": b"dog\r\nlast"}
    callgate = started_with(start, policy("inside", "outside"), lists | {"inside.txt": b"cat\n"})
    folder = callgate.directory / "policies"
    (folder / "inside.txt").unlink()
    (folder / "inside.txt").symlink_to("real/inside.txt")
    elsewhere = callgate.directory / "elsewhere.txt"
    (folder / "outside.txt").rename(elsewhere)
    (folder / "outside.txt").symlink_to(elsewhere)
    with Browser(tmp_path / "profile") as browser:
        set_up(browser, callgate)
        draft(browser, callgate, "through the link", name="inside")
        choose(browser, "save")
        version_saved(browser)
        assert (folder / "inside.txt").is_symlink()
        assert (folder / "real/inside.txt").read_bytes() == b"cat\nthrough the link\n"
        patched(browser, callgate, tmp_path, elsewhere)


def test_what_may_not_be_written_is_downloaded_as_a_patch(start, tmp_path):
    callgate = started_with(start, policy("fixed"), {"fixed.txt": b"dog\r\nlast"})
    folder = callgate.directory / "policies"
    mounted = subprocess.run(
        ["mount", "--bind", "-o", "ro", folder, folder], capture_output=True, text=True
    )
    if mounted.returncode != 0:
        pytest.skip(f"a read-only mount is not allowed here: {mounted.stderr}")
    try:
        with Browser(tmp_path / "profile") as browser:
            set_up(browser, callgate)
            patched(browser, callgate, tmp_path, folder / "fixed.txt", "fixed")
    finally:
        subprocess.run(["umount", folder], check=True)


def patched(browser, callgate, tmp_path, file, name="outside"):
    """The same editor ends in a patch, which `git apply` takes where the file comes from."""
    before = file.read_bytes()
    draft(browser, callgate, "by a patch", name=name)
    assert not browser.find_all("form[data-save]")
    browser.whole_picture(f"list-patch-{name}")
    link = browser.find("main .acts a.primary").get_attribute("href")
    patch = browser.driver.execute_async_script(
        "const [url, done] = arguments;"
        "fetch(url).then((answer) => answer.text()).then(done)",
        link,
    )
    source = tmp_path / "source"
    source.mkdir()
    (source / f"{name}.txt").write_bytes(before)
    (source / "change.patch").write_bytes(patch.encode())
    applied = subprocess.run(
        ["git", "apply", "--whitespace=nowarn", "change.patch"],
        cwd=source,
        capture_output=True,
        text=True,
    )
    assert applied.returncode == 0, f"{applied.stderr}\n{patch}"
    assert (source / f"{name}.txt").read_bytes() == b"dog\r\nlast\r\nby a patch"
    assert file.read_bytes() == before


def git(folder, *order):
    name = ["-c", "user.name=g", "-c", "user.email=g@example.org"]
    done = subprocess.run(["git", *name, *order], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, f"{order}: {done.stdout}{done.stderr}"
    return done.stdout


BROWSERS = 2
# With CALLGATE_LONG two hundred edits.
BY_A_BROWSER, BY_HAND, BY_GIT = (30, 100, 40) if "CALLGATE_LONG" in os.environ else (8, 60, 20)


def test_two_browsers_a_hand_and_git_lose_nothing(start, tmp_path):
    lists = {"words.txt": b"# head\n", "others.txt": b"# head\n"}
    callgate = started_with(start, policy("words", "others"), lists)
    folder = callgate.directory / "policies"
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "a beginning")
    upstream = tmp_path / "upstream"
    git(tmp_path, "clone", "-q", str(folder), str(upstream))
    failures, saved = [], []

    def one_browser(browser, number):
        for edit in range(BY_A_BROWSER):
            for _ in range(20):
                draft(browser, callgate, f"browser {number} {edit}")
                choose(browser, "save")
                # On a busy machine a hand may be quicker each time, and the page says so.
                if "written by somebody else all the time" not in browser.text:
                    break
            saved.append(version_saved(browser))

    def by_hand():
        for edit in range(BY_HAND):
            with open(folder / "words.txt", "a", encoding="utf-8") as file:
                file.write(f"hand {edit}\n")
            time.sleep(0.05)

    def by_git():
        """Commits what the others wrote, and merges what came from elsewhere."""
        for edit in range(BY_GIT):
            with open(upstream / "others.txt", "a", encoding="utf-8") as file:
                file.write(f"git {edit}\n")
            git(upstream, "commit", "-qam", f"others {edit}")
            git(folder, "commit", "-qam", "what the others wrote", "--allow-empty")
            git(folder, "pull", "-q", "--no-rebase", "--no-edit", str(upstream), "main")

    def kept(work, *args):
        try:
            work(*args)
        except Exception as error:  # told in the test's own thread
            failures.append(error)

    with Browser(tmp_path / "one") as one, Browser(tmp_path / "two") as two:
        set_up(one, callgate)
        log_in(two, callgate)
        works = [
            threading.Thread(target=kept, args=args)
            for args in [(one_browser, one, 1), (one_browser, two, 2), (by_hand,), (by_git,)]
        ]
        for work in works:
            work.start()
        for work in works:
            work.join()
        if failures:
            raise failures[0]
        one.open(f"{callgate.admin}/lists/words")
        one.whole_picture("list-by-many")
        expected = {f"hand {edit}" for edit in range(BY_HAND)}
        expected |= {f"browser {n} {edit}" for n in [1, 2] for edit in range(BY_A_BROWSER)}
        lines = content(callgate, "words.txt").decode().splitlines()
        assert len(lines) == len(set(lines)) and set(lines) - {"# head"} == expected
        others = content(callgate, "others.txt").decode()
        assert others == "# head\n" + "".join(f"git {edit}\n" for edit in range(BY_GIT))
        # Each edit was answered with a version of its own, and the last state decides.
        assert len(set(saved)) == len(saved) == BROWSERS * BY_A_BROWSER
        last = [f"browser {n} {BY_A_BROWSER - 1}" for n in [1, 2]]
        for text in [f"hand {BY_HAND - 1}", *last, f"git {BY_GIT - 1}"]:
            one.wait(lambda text=text: blocks(callgate, text), text)
        assert one.complaints() == two.complaints() == []
