"""The page in a real browser, where there is one: Chromium, driven by Playwright. What must hold:

- the wall and a camera show the picture with its boxes, without an error of the page or of its policy;
- it is there within a second, and fits a telephone;
- a zone that is drawn is in force; and going away leaves nobody looking;
- what was missed is one click from a looser stage, or from a verdict on the last one;
- moments are marked as examples of an event of one's own, and its questions answered;
- an alarm that events of another camera join is one review with that camera, unless that camera is asked for;
- of a long list only what is near is in the document, and all of it can be found and reached.
"""

from __future__ import annotations

import shutil

import pytest

from tests.serve.conftest import PIPELINE, wanted
from tests.waiting import until
from vidpipe.core.event import Event, Phase
from vidpipe.results.store.sink import StoreConfig, StoreSink

sync_api = pytest.importorskip(
    "playwright.sync_api", reason="Playwright is not installed: pip install 'vidpipe[browser]'"
)
LAX = {"id": "lax", "type": "tests.serve.cams:Lax"}
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")
@pytest.mark.parametrize("width", [390, 1440])
def test_a_browser_shows_it(serve, width):
    served = serve("gate", "<b>&\"'")
    served.show(10)
    errors = []
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": width, "height": 844})
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(f"http://127.0.0.1:{served.port}/")
        page.wait_for_selector("text=<b>&\"'")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.click("text=gate")
        page.wait_for_selector("h1:has-text('gate')")
        until(lambda: "gate" in wanted(served))
        served.show(60)
        page.wait_for_selector("rect.box")
        assert page.get_attribute("rect.box", "x") == "60"
        page.wait_for_selector("text=Who answers")
        page.click("text=Draw one")
        page.fill("text=Name", "lawn")
        page.fill("input[placeholder]", "10,20 80,20 80,90")
        page.click("text=Keep it")
        page.wait_for_selector("polygon.zone")
        browser.close()
    assert errors == []
    assert served.run.pipeline.streams["gate"].spec.zones == {"lawn": [(0.1, 0.2), (0.8, 0.2), (0.8, 0.9)]}
    until(lambda: not wanted(served))


def opened(playwright, **how):
    """A page of a browser, and what it complains of."""
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
    page = browser.new_page(**how)
    errors = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    return browser, page, errors


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")
def test_what_was_missed_is_loosened_or_relabelled_by_one_click(serve):
    served = serve(more={"stages": [LAX, *PIPELINE["stages"]], "audit": {"rate": 1, "max_unchecked_s": None}})
    served.show(10, 60)
    with sync_api.sync_playwright() as playwright:
        browser, page, errors = opened(playwright)
        page.goto(f"http://127.0.0.1:{served.port}/#/camera/gate")
        page.wait_for_selector("li.missed .picture", state="attached")
        page.locator("li.missed").first.scroll_into_view_if_needed()
        page.wait_for_selector("li.missed rect.box")
        page.click("text=The last stage was wrong here")
        page.wait_for_selector("text=the last stage was wrong, says page")
        page.click("text=Loosen lax: trust to 0.5")
        page.wait_for_selector("text=an audit found an answer of lax wrong")
        browser.close()
    assert errors == []
    assert served.run.status().streams["gate"].audits["lax"]["relabelled"] == 1
    assert [epoch.changes for epoch in served.run.epochs] == [{"lax": {"trust": 0.5}}]


def a_day(path, count):
    """A store of this many reviews of a day."""
    sink = StoreSink(StoreConfig(path=str(path)))
    sink.begin({"start": "2026-09-21T00:00:00+00:00", "pipeline": "page", "version": "0"})
    for number in range(count):
        at = 1_789_952_400 + 60 * number  # 1:00 UTC
        told = {"class": "person", "zone": "yard", "track_id": number}
        sink.tell([Event("zone.enter", "gate", number, 0, at, "in", f"e{number}", "sees", 0.0, Phase.BEGIN, told)])
    sink.close()


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")
def test_of_a_long_list_only_what_is_near_is_in_the_document(serve, tmp_path):
    a_day(tmp_path / "day.db", 600)
    served = serve(store=tmp_path / "day.db")
    with sync_api.sync_playwright() as playwright:
        browser, page, errors = opened(playwright, viewport={"width": 390, "height": 844}, timezone_id="UTC")
        page.goto(f"http://127.0.0.1:{served.port}/#/reviews")
        page.wait_for_selector(".review")
        first = page.inner_text(".review >> nth=0")
        page.focus(".review button >> nth=0")
        down = "window.scrollTo(0, document.documentElement.scrollHeight)"
        until(lambda: page.evaluate(down) or page.evaluate("document.querySelectorAll('.block').length") == 50, 30)
        page.wait_for_function("document.querySelectorAll('.review').length <= 150")
        assert page.inner_text(".review >> nth=0") == first  # who has the focus keeps it
        page.evaluate("document.activeElement.blur()")
        far = "[...document.querySelectorAll('.block')].find((each) => !each.querySelector('.review'))"
        found = page.evaluate(f"({far}).querySelector('p').textContent.split(' / ').length")
        assert found == 12  # what a search of the browser finds
        held = page.evaluate(f"(window.far = {far}).offsetHeight")
        page.evaluate("far.querySelector('p').dispatchEvent(new Event('beforematch'))")
        page.wait_for_function("far.querySelectorAll('.review').length === 12")
        assert abs(page.evaluate("far.offsetHeight") - held) <= 24  # nothing moves
        page.wait_for_function("document.querySelectorAll('.review').length <= 150")
        browser.close()
    assert errors == []


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")
def test_one_person_over_two_cameras_is_one_review(serve, tmp_path):
    sink = StoreSink(StoreConfig(path=str(tmp_path / "day.db")))
    sink.begin({"start": "2026-09-21T00:00:00+00:00", "pipeline": "page", "version": "0"})
    told = {"class": "person", "zone": "yard", "track_id": 1}
    for stream, at, more in (("gate", 0, {}), ("yard", 30, {"joins": "gate/e0"}), ("yard", 300, {})):
        place = stream, at, at, 1_789_952_400 + at
        sink.tell([Event("zone.enter", *place, "in", f"e{at}", "sees", 0.0, Phase.BEGIN, told | more)])
    sink.close()
    served = serve(store=tmp_path / "day.db")
    with sync_api.sync_playwright() as playwright:
        browser, page, errors = opened(playwright, timezone_id="UTC")
        page.goto(f"http://127.0.0.1:{served.port}/#/reviews")
        page.wait_for_selector(".review >> text=then on yard")
        assert page.locator(".review b").all_text_contents() == ["yard", "gate"]
        page.click(".review button >> nth=1")
        page.wait_for_selector(".review li >> text=then on yard")
        page.fill("input[list=cameras]", "yard")
        page.click("text=Show")
        until(lambda: page.locator(".review b").all_text_contents() == ["yard", "yard"])
        browser.close()
    assert errors == []


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")
def test_a_browser_marks_and_answers(asking):
    with sync_api.sync_playwright() as playwright:
        browser, page, errors = opened(playwright)
        page.goto(f"http://127.0.0.1:{asking.port}/#/camera/gate")
        page.wait_for_selector("text=On 4 events held back from teaching: F1 0.86")
        page.wait_for_selector("text=nobody has answered a question")
        page.fill("text=Mark an event of your own", "arrives")
        until(lambda: asking.show(136) or page.locator("text=Frame").count())
        page.click("text=It is not arrives")
        page.wait_for_selector("text=are not arrives")
        (mark,) = asking.browser.get("/api/marks").json["marks"]
        assert (mark["event"], mark["yes"], mark["ended"] - mark["began"]) == ("arrives", False, 2.0)
        page.click("text=Reviews")
        page.click(".review button")
        page.click("text=It is arrives")
        page.wait_for_selector(".marking >> text=it is")
        page.click("text=Own events")
        open_ones = len(asking.browser.get("/api/questions", event="right").json["questions"])
        page.wait_for_selector("h2:has-text('right')")
        page.click("text=It is not right")
        until(lambda: len(asking.browser.get("/api/questions", event="right").json["questions"]) == open_ones - 1)
        page.click("section:has-text('arrives') >> text=What was marked")
        page.click("text=Take back")
        until(lambda: len(asking.browser.get("/api/marks", event="arrives").json["marks"]) == 1)
        browser.close()
    assert errors == []
