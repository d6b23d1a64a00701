"""The map of the camera graph in a real browser. What must hold: it shows each way of the graph with the share and time
that the API has, in the picture and in the table; it complains of nothing, fits a telephone, and axe finds nothing; a
store of which nothing is known says so.
"""

from __future__ import annotations

from itertools import pairwise

import pytest

from tests.across.walked import stored, walk
from tests.serve.test_axe import Looking, looking  # noqa: F401
from tests.serve.test_browser import CHROMIUM, a_day, opened, sync_api
from vidpipe.testing.walk import Walk, WalkScene, WalkSpec

_CUT = """map => {
    const box = map.getBoundingClientRect();
    return [...map.querySelectorAll('text')].filter((text) => {
        const its = text.getBoundingClientRect();
        return its.left < box.left - 1 || its.right > box.right + 1;
    }).map((text) => `${text.textContent}: ${text.getBBox().x} to ${text.getBBox().x + text.getBBox().width}`);
}"""
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
        assert page.eval_on_selector("svg.ways", _CUT) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        browser.close()
    assert errors == []


def test_long_and_hostile_names_stay_text_within_the_map(serve, tmp_path):
    """All around the circle, and the way back to the same camera."""
    names = [f"<b>{name}</b> of the northern car park" for name in ("left", "right", "up", "down", "inner")]
    walks = (*(Walk(a, b, 0.6, 40, 8) for a, b in pairwise(names)), Walk(names[-1], names[-1], 0.5, 30, 5))
    served = serve(store=stored(WalkScene(WalkSpec({names[0]: 1.0}, walks, 3600.0, 1.0, 2)), tmp_path))
    with sync_api.sync_playwright() as playwright:
        browser, page, errors = opened(playwright, viewport={"width": 390, "height": 844})
        page.goto(f"http://127.0.0.1:{served.port}/#/system")
        page.wait_for_selector("svg.ways")
        assert page.locator("svg.ways .way").count() == 5
        assert page.locator("main b").count() == 0
        assert page.locator("svg.ways .name").all_text_contents()[0].startswith("<b>")
        assert page.eval_on_selector("svg.ways", _CUT) == []
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
