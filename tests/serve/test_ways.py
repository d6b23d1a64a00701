"""The map of the camera graph in a real browser. What must hold: it shows each way of the graph with the share and time
that the API has, in the picture and in the table; it complains of nothing, fits a telephone, and axe finds nothing; a
store of which nothing is known says so.
"""

from __future__ import annotations

import pytest

from tests.across.walked import stored, walk
from tests.serve.test_axe import Looking, looking  # noqa: F401
from tests.serve.test_browser import CHROMIUM, a_day, opened, sync_api

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")


@pytest.mark.parametrize("width", [390, 1440])
def test_the_map_shows_what_the_graph_says(serve, tmp_path, width):
    served = serve(store=stored(walk(2), tmp_path))
    told = served.browser.get("/api/cameras/graph").json
    assert len(told["paths"]) == 4
    with sync_api.sync_playwright() as playwright:
        browser, page, errors = opened(playwright, viewport={"width": width, "height": 844})
        page.goto(f"http://127.0.0.1:{served.port}/#/system")
        page.wait_for_selector("svg.ways")
        assert page.locator("svg.ways .way").count() == 4
        names = page.locator("svg.ways .name").all_text_contents()
        assert sorted(names) == told["cameras"]
        texts = page.locator("svg.ways text").all_text_contents()
        rows = [row.split("\t") for row in page.inner_text("[aria-label='Ways between cameras'] tbody").splitlines()]
        for path, row in zip(told["paths"], rows, strict=True):
            takes = f"{path['earliest_s']:.0f} to {path['latest_s']:.0f} s"
            assert [cell.strip() for cell in row][:2] == [path["from"], path["to"]]
            assert [cell.strip() for cell in row][-1] == takes
            assert takes in texts
        shown = page.eval_on_selector(
            "svg.ways",
            "map => { const box = map.getBoundingClientRect(); return [...map.querySelectorAll('text')].every((text) =>"
            " { const its = text.getBoundingClientRect(); return its.left >= box.left && its.right <= box.right; }); }",
        )
        assert shown, "no label is cut off"
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        browser.close()
    assert errors == []


def test_of_a_store_that_knows_nothing_that_is_said(serve, tmp_path):
    a_day(tmp_path / "day.db", 3)
    served = serve(store=tmp_path / "day.db")
    with sync_api.sync_playwright() as playwright:
        browser, page, _ = opened(playwright)
        page.goto(f"http://127.0.0.1:{served.port}/#/system")
        page.wait_for_selector("text=no run has written a result")
        assert page.locator("svg.ways").count() == 0
        browser.close()


def test_axe_finds_nothing(serve, looking: Looking, tmp_path):  # noqa: F811
    served = serve(store=stored(walk(2), tmp_path))
    looking.at("ways", f"http://127.0.0.1:{served.port}/#/system", "svg.ways", "td:has-text('shop')")
    assert not looking.wrong
