"""The page in a real browser, where there is one: Chromium, driven by Playwright. What must hold:

- the wall and a camera show the picture with its boxes, without an error of the page or of its policy;
- it is there within a second, and fits a telephone;
- a zone that is drawn is in force; and going away leaves nobody looking.
"""

from __future__ import annotations

import shutil

import pytest

from tests.serve.conftest import wanted
from tests.waiting import until

sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed (pip install playwright)")
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
