"""The page in a real browser, by keyboard alone: `make test-app`.

UNICTOKEN_APP_SHOTS=DIR keeps screenshots, UNICTOKEN_APP_STEPS=N learns so many steps.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import time
from pathlib import Path

import pytest
from PIL import Image

pytest.importorskip("gradio", reason="gradio is not installed: make test-app")
sync_api = pytest.importorskip("playwright.sync_api", reason="no playwright: make test-app")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.skipif(
        os.environ.get("UNICTOKEN_TEST_APP") != "1", reason="takes minutes: make test-app"
    ),
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: apt-get install chromium"),
]

ROOT = Path(__file__).parents[2]
PICTURES = [str(ROOT / "data" / "bo" / f"{i}.png") for i in range(5)]
STEPS = os.environ.get("UNICTOKEN_APP_STEPS", "40")
SHOTS = os.environ.get("UNICTOKEN_APP_SHOTS", "")
WIDE, NARROW = {"width": 1100, "height": 900}, {"width": 400, "height": 850}
MARKUP = "<img src=x onerror=alert(1)>"
PATIENCE = 1_800_000  # ms: of a learning on a busy machine
LONGEST_SHOT = 1400  # pixels
MOST_TABS = 60  # presses until something must have the focus
sync_api.expect.set_options(timeout=PATIENCE / 6)
# Pictures of which a part lies outside the box that holds them.
CUT_OFF = """[...document.querySelectorAll('.compared img')].filter(picture => picture.offsetParent
  && picture.getBoundingClientRect().bottom
    > picture.closest('.compared').getBoundingClientRect().bottom + 1).map(picture => picture.src)"""
TABS = ("Learn", "Talk and draw", "Compare", "Concepts")


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    import unictoken
    from unictoken.app.site import App

    folder = tmp_path_factory.mktemp("app")
    base = unictoken.load("tiny", device="cpu")
    with App(base, folder / "concepts", folder / "runs", port=0) as running:
        yield running


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        # root may not use Chromium's sandbox
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def noted():
    """What must not happen on the page."""
    return []


@pytest.fixture(scope="module")
def page(app, browser, noted):
    page = browser.new_page(viewport=WIDE, reduced_motion="reduce")
    page.set_default_timeout(PATIENCE / 6)
    page.on("console", lambda said: noted.append(said.text) if said.type == "error" else None)
    page.on("response", lambda got: noted.append(f"{got.status} {got.url}") if not got.ok else None)
    page.on("pageerror", lambda error: noted.append(str(error)))
    page.on("dialog", lambda dialog: noted.append(dialog.message))
    own = (app.url, "data:", "blob:")
    page.on("request", lambda asked: asked.url.startswith(own) or noted.append(asked.url))
    page.goto(app.url)
    page.get_by_role("button", name="Learn", exact=True).wait_for()
    return page


def focus(page, wanted) -> None:
    """Press Tab until something has the focus."""
    for _ in range(MOST_TABS):
        if wanted.evaluate("part => part === document.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"Tab does not reach {wanted}")


def type_into(page, wanted, text: str) -> None:
    focus(page, wanted)
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type(text)


def press(page, wanted) -> None:
    focus(page, wanted)
    page.keyboard.press("Enter")


def open_tab(page, name: str) -> None:
    press(page, page.get_by_role("tab", name=name, exact=True))
    page.get_by_role("tab", name=name, exact=True, selected=True).wait_for()


def button(page, name: str):
    """The one that is seen: tabs have buttons of one name."""
    return page.get_by_role("button", name=name, exact=True).locator("visible=true").first


def field(page, name: str):
    """Where a text is typed."""
    return page.locator(f"#{name} textarea, #{name} input:not([type=file])").first


def settle(page, where: str) -> None:
    """Wait until pictures have stopped to grow."""
    sources, before = f"[...document.querySelectorAll('{where}')].map(each => each.src)", None
    while (now := page.evaluate(sources)) != before:
        before = now
        page.wait_for_timeout(5000)


def keep(page, name: str) -> None:
    """A screenshot of few colours, of the whole page or of its beginning."""
    if SHOTS:
        Path(SHOTS).mkdir(parents=True, exist_ok=True)
        page.evaluate("scrollTo(0, 0)")
        shot = Image.open(io.BytesIO(page.screenshot(full_page=True))).convert("RGB")
        shot = shot.crop((0, 0, shot.width, min(shot.height, LONGEST_SHOT)))
        shot.quantize(255, dither=Image.Dither.NONE).save(
            Path(SHOTS) / f"{name}.png", optimize=True
        )


def shown_images(page, where: str):
    return page.locator(f"{where} img").locator("visible=true")


def test_a_concept_is_learned_by_keyboard(page, noted):
    upload = page.locator("#pictures button").first
    with page.expect_file_chooser() as chooser:
        press(page, upload)
    chooser.value.set_files(PICTURES)
    sync_api.expect(shown_images(page, "#pictures")).to_have_count(5)
    type_into(page, field(page, "name"), "bo")
    type_into(page, field(page, "noun"), "dog")
    type_into(page, field(page, "facts"), "<bo> has a blue beanie.")
    press(page, page.get_by_role("button", name=re.compile("^More")).first)
    type_into(page, field(page, "steps"), STEPS)
    press(page, button(page, "Learn"))

    bar, seen = page.locator("#bar progress"), set()
    until = time.monotonic() + PATIENCE / 1000
    said = page.locator("#bar")
    while "has been learned" not in (told := said.inner_text()):
        assert "could not" not in told and time.monotonic() < until, told
        if "step" in told:
            if len(seen) == int(STEPS) // 4:
                keep(page, "learning")
            seen.add(bar.get_attribute("value"))
        time.sleep(0.3)
    assert len(seen) >= 2  # the bar moved
    sync_api.expect(page.locator("#report")).to_contain_text("what animal is <bo>?")
    keep(page, "learned")
    assert noted == []


def test_it_is_asked_and_drawn(page, noted):
    open_tab(page, "Talk and draw")
    sync_api.expect(page.locator("#concepts")).to_contain_text("<bo>")
    type_into(page, field(page, "question"), "what animal is <bo>?")
    page.keyboard.press("Enter")
    answered = re.compile(r"<bo>\?[^.\w]*\w")  # three dots stand there until then
    sync_api.expect(page.locator("#chat")).to_contain_text(answered)
    type_into(page, field(page, "prompt"), "<bo> wearing a hat")
    type_into(page, page.get_by_label("How many drawings").locator("visible=true").first, "2")
    press(page, button(page, "Draw"))
    sync_api.expect(shown_images(page, "#drawings")).to_have_count(2)
    settle(page, "#drawings img")
    keep(page, "drawn")
    assert noted == []


def test_it_is_compared(page, noted):
    open_tab(page, "Compare")
    type_into(page, field(page, "compared"), "<bo> on the beach")
    press(page, button(page, "Draw"))
    # With the picture that is shown in context.
    sync_api.expect(shown_images(page, ".compared")).to_have_count(5)
    keep(page, "compared")
    # A list that a passing focus has opened would lie on the next field.
    assert page.locator("[role=listbox]").locator("visible=true").count() == 0
    assert page.evaluate(CUT_OFF) == []
    type_into(page, field(page, "compared"), "what animal is <bo>?")
    press(page, button(page, "Ask"))
    answer = page.get_by_label("With its tokens").locator("visible=true").last
    sync_api.expect(answer).to_have_value("a dog")
    assert noted == []


@pytest.mark.parametrize("name", TABS)
def test_the_layout_holds_on_a_phone(page, name):
    page.set_viewport_size(NARROW)
    page.get_by_role("tab", name=name, exact=True).click()
    page.wait_for_timeout(500)
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]
    if name == "Talk and draw":
        keep(page, "narrow")
    page.set_viewport_size(WIDE)


def test_what_is_told_is_shown_as_text(page, noted):
    """Were it markup, the browser would ask for `x`, fail, and open a dialog."""
    open_tab(page, "Talk and draw")
    type_into(page, field(page, "question"), f"what is {MARKUP}?")
    page.keyboard.press("Enter")
    alert = page.get_by_role("alert").locator("visible=true")
    sync_api.expect(alert).to_contain_text("'<img' has one bracket")
    open_tab(page, "Learn")
    for name, noun, what in ((MARKUP, "dog", "concept name"), ("rex", MARKUP, "class noun")):
        type_into(page, field(page, "name"), name)
        type_into(page, field(page, "noun"), noun)
        press(page, button(page, "Learn"))
        sync_api.expect(alert).to_contain_text(f"{what} '{MARKUP}'")
    assert page.locator("img[src='x']").count() == 0 and noted == []


def test_it_is_shared_with_what_the_hub_must_know(page, noted, monkeypatch):
    sent = []

    def push(path, repository, **more):
        sent.append((path.name, repository, more))
        return "https://example.org/user/bo"

    monkeypatch.setattr("unictoken.app.shelf_tab.push_to_hub", push)
    open_tab(page, "Concepts")
    sync_api.expect(page.locator("#shelf")).to_contain_text("<bo>")
    page.locator(".compared img").locator("visible=true").first.wait_for()
    keep(page, "concepts")
    press(page, page.get_by_role("button", name=re.compile("^Share on the Hub")).first)
    type_into(page, field(page, "repository"), "user/bo")
    focus(page, page.get_by_label("A new repository is private."))
    page.keyboard.press("Space")
    type_into(page, page.get_by_label("The base's licence"), "apache-2.0")
    press(page, button(page, "Share"))
    said = page.get_by_role("status").filter(has_text="It is there: https://example.org/user/bo")
    said.wait_for()
    more = {"private": True, "kind": None, "base_model": None, "licence": "apache-2.0"}
    assert sent == [("bo.safetensors", "user/bo", more)] and noted == []


def test_it_is_exported_renamed_and_forgotten(page, app, noted):
    open_tab(page, "Concepts")
    sync_api.expect(page.locator("#shelf")).to_contain_text("<bo>")
    with page.expect_download() as download:
        press(page, button(page, "Export its file"))
    exported = Path(download.value.path()).read_bytes()
    assert exported == app.worker.shelf.path("bo").read_bytes()
    press(page, page.get_by_role("button", name=re.compile("^Rename")).first)
    type_into(page, page.get_by_label("Another name"), "bobo")
    press(page, page.locator("#rename"))
    sync_api.expect(page.locator("#shelf")).to_contain_text("<bobo>")
    press(page, button(page, "Forget it"))
    press(page, button(page, "Yes, delete its file"))
    sync_api.expect(page.locator("#shelf")).not_to_contain_text("<bobo>")
    assert app.worker.shelf.names() == ("mia",)
    assert noted == []


def test_a_page_that_is_opened_later_shows_what_was_learned(app, browser):
    other = browser.new_page(viewport=WIDE)
    other.goto(app.url)
    sync_api.expect(other.locator("#bar")).to_contain_text("<bo> has been learned", timeout=30_000)
    other.close()


def test_a_page_that_is_closed_stops_no_run_which_is_stopped_and_goes_on(page, app, browser, noted):
    open_tab(page, "Learn")
    type_into(page, field(page, "name"), "max")
    type_into(page, field(page, "noun"), "dog")
    type_into(page, field(page, "facts"), "<max> likes fish.")
    type_into(page, field(page, "steps"), "300")
    press(page, button(page, "Learn"))
    bar = page.locator("#bar")
    sync_api.expect(bar).to_contain_text(re.compile("<max> learns: step"))
    page.close()
    before = app.runs.state("max").step
    while app.runs.state("max").step <= before:
        time.sleep(0.1)

    other = browser.new_page(viewport=WIDE)
    other.goto(app.url)
    bar = other.locator("#bar")
    sync_api.expect(bar).to_contain_text(re.compile("<max> learns: step"))
    press(other, button(other, "Stop"))
    sync_api.expect(bar).to_contain_text("<max> is stopped: step")
    stopped = app.runs.state("max").step
    press(other, button(other, "Go on"))
    sync_api.expect(bar).to_contain_text(re.compile("<max> learns: step"))
    press(other, button(other, "Stop"))
    sync_api.expect(bar).to_contain_text("<max> is stopped: step")
    assert app.runs.state("max").step > stopped and noted == []
    other.close()
