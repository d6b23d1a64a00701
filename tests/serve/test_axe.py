"""All views of the page in a real browser, in light and in dark, on a telephone and on a screen. What must hold:

- axe finds nothing serious in any of them, whatever state they are in: full, empty, wrong, or with a form open;
- none of them is wider than the screen.

`VIDPIPE_SHOTS=FOLDER` keeps a picture of each, to be looked at.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from tests.serve.conftest import PIPELINE
from tests.serve.test_browser import CHROMIUM, LAX, opened, sync_api
from tests.waiting import until
from vidpipe.results.store.sink import StoreConfig, StoreSink
from vidpipe.serve.page import Server
from vidpipe.serve.site import Site
from vidpipe.testing.clock import HandClock

axe = pytest.importorskip(
    "axe_playwright_python.sync_playwright", reason="axe is not installed: pip install 'vidpipe[browser]'"
)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")

WIDTHS = {"light": 1440, "dark": 390}  # each width once: colours do not depend on it


class Looking:
    """A browser that looks at one view after another, and what was wrong with them."""

    def __init__(self, playwright, scheme):
        self.scheme = scheme
        self.width = WIDTHS[scheme]
        self.wrong = {}
        # axe is no script of the page's
        how = {"color_scheme": scheme, "bypass_csp": True, "viewport": {"width": self.width, "height": 844}}
        self.browser, self.page, _ = opened(playwright, **how)

    def at(self, name, address, *there, then=lambda page: None):
        """Look at a view, once all of these selectors are there."""
        self.page.goto("about:blank")
        self.page.goto(address)
        for selector in there:
            self.page.wait_for_selector(selector)
        then(self.page)
        if folder := os.environ.get("VIDPIPE_SHOTS"):
            file = Path(folder) / f"{name}-{self.scheme}-{self.width}.png"
            self.page.screenshot(path=file, full_page=True)
        violations = axe.Axe().run(self.page).response["violations"]
        wrong = [
            f"{each['id']}: {each['nodes'][0]['html'][:120]}"
            for each in violations
            if each["impact"] in ("serious", "critical")
        ]
        if (wide := self.page.evaluate("document.documentElement.scrollWidth")) > self.width:
            wrong.append(f"{wide} pixels wide")
        if wrong:
            self.wrong[name] = wrong


@pytest.fixture(params=["light", "dark"])
def looking(request):
    with sync_api.sync_playwright() as playwright:
        looking = Looking(playwright, request.param)
        yield looking
        looking.browser.close()


def clicked(*texts):
    """Clicks one after the other, each once it is there."""

    def click(page):
        for text in texts:
            page.locator(text).first.click()

    return click


def test_views_of_a_run(serve, looking, tmp_path):
    path, media = tmp_path / "yard.db", tmp_path / "media"
    served = serve(
        "gate",
        "<b>a camera with a long name</b>",
        sinks=[StoreSink(StoreConfig(path=str(path)))],
        store=path,
        media=media,
        more={
            "streams": {
                name: {"zones": {"all": [[0, 0], [1, 0], [1, 1], [0, 1]]}}
                for name in ("gate", "<b>a camera with a long name</b>")
            },
            "rules": [{"id": "in", "kind": "zone", "confirm_s": 0}],
            "media": {"folder": str(media), "clips": False, "pictures": "frame"},
        },
    )

    other = "<b>a camera with a long name</b>"

    def events():
        """Rows are written with the results behind them."""
        for stream in ("gate", other):
            served.show(50, stream=stream)
        return served.browser.get("/api/events").json["events"]

    until(lambda: len(events()) == 2)
    event = events()[0]["id"]
    until(lambda: served.browser.get("/api/event/picture", id=event).status == 200)
    with closing(sqlite3.connect(path, timeout=10)) as store, store:
        for stream in ("gate", other):
            vector = np.array([1, 0.5], "<f2").tobytes()
            row = (1, stream, 7, 0.0, 4e9, "looks@1", 2, 1, vector)
            store.execute("INSERT INTO embedding VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
    page = f"http://127.0.0.1:{served.port}/#/"
    looking.at("wall", page, ".tile canvas", "text=gate")
    looking.at("camera", f"{page}camera/gate", "polygon.zone", "text=Who answers")
    looking.at("nothing", f"{page}camera/nobody", "text=There is no such camera")
    looking.at("drawing", f"{page}camera/gate", "text=Draw one", then=clicked("text=Draw one"))
    looking.at("refused", f"{page}camera/gate", "text=Draw one", then=clicked("text=Draw one", "text=Keep it"))
    looking.at("settings", f"{page}camera/gate", "text=Settings", then=clicked("summary"))
    looking.at("reviews", f"{page}reviews", ".review img", then=clicked(".review button", ".review .list"))
    looking.at("no-reviews", f"{page}reviews?day=2001-01-01", "text=Nothing happened then")
    looking.at("alike", f"{page}reviews?alike={event}", ".alike img")
    looking.at("no-event", f"{page}reviews?alike=nobody", "text=there is no such event")
    looking.at("no-marks", f"{page}own", "text=Nothing is marked yet")
    looking.at("system", f"{page}system", "td:has-text('driver')", "td:has-text('sees')")
    assert not looking.wrong


def test_what_was_missed(serve, looking):
    clock = HandClock()
    served = serve(
        clock=clock, more={"stages": [LAX, *PIPELINE["stages"]], "audit": {"rate": 1, "max_unchecked_s": None}}
    )
    served.show(10, 60, 90)
    until(lambda: all(audit["picture"] for audit in served.browser.get("/api/missed", stream="gate").json))

    def act(page):
        page.locator("li.missed").first.scroll_into_view_if_needed()
        page.wait_for_selector("li.missed rect.box")
        page.click("text=The last stage was wrong here")
        page.wait_for_selector("text=the last stage was wrong, says page")
        page.click("text=Loosen lax: trust to 0.5")
        page.wait_for_selector("text=an audit found an answer of lax wrong")

    looking.at("missed", f"http://127.0.0.1:{served.port}/#/camera/gate", "li.missed .picture", then=act)
    clock.set_utc(clock.utc() - 3600)
    served.show(95)
    looking.at("troubles", f"http://127.0.0.1:{served.port}/", "#troubles:has-text('was set back')", ".tile")
    assert not looking.wrong


def test_events_of_ones_own(asking, looking):
    page = f"http://127.0.0.1:{asking.port}/#/"
    told = {"event": "right", "stream": "gate", "begin": 4.0, "end": 6.0, "yes": True}
    assert asking.browser.post("/api/mark", told).status == 200

    def name(tab):
        tab.fill("text=Mark an event of your own", "right")
        asking.show(136)
        tab.wait_for_selector("text=It is right")

    looking.at("taught", f"{page}camera/gate", "text=On 4 events held back", then=name)
    looking.at("own", f"{page}own", "text=It is not right", "text=On 4 events held back", then=clicked("summary"))
    looking.at(
        "marking",
        f"{page}reviews",
        ".review",
        then=lambda tab: (clicked(".review button", ".review .list")(tab), name(tab)),
    )
    assert not looking.wrong


def test_views_without_a_store_and_of_who_signs_in(serve, users, looking):
    users.add_user("ann", "correct horse", "admin", ["*"])
    users.add_user("eve", "correct horse", "viewer", ["gate"])
    served = serve("gate", "yard")
    page = f"http://127.0.0.1:{served.port}/#/"

    def enter(name, password):
        def sign_in(page):
            page.fill("text=Name", name)
            page.fill("text=Password", password)
            page.click("button:has-text('Sign in')")

        return sign_in

    looking.at("sign-in", page, "h1:has-text('Sign in')")
    wrong = "#notice:has-text('password')"
    looking.at(
        "wrong-password", page, "h1", then=lambda tab: (enter("eve", "wrong")(tab), tab.wait_for_selector(wrong))
    )
    looking.at(
        "viewer",
        page,
        "h1",
        then=lambda tab: (enter("eve", "correct horse")(tab), tab.wait_for_selector("text=Sign out")),
    )
    looking.at("viewed", f"{page}camera/gate", "text=What was missed", "text=None yet")
    looking.at("no-store", f"{page}reviews", "text=Nothing is kept")
    looking.page.click("text=Sign out")
    looking.page.wait_for_selector("h1:has-text('Sign in')")
    assert not looking.wrong


def test_a_page_without_a_run(users, looking, tmp_path):
    server = Server(Site({}, None, (), users), 0, "127.0.0.1")
    try:
        looking.at("no-run", server.address, "h1:has-text('Reviews')", "text=Nothing is kept")
    finally:
        server.close()
    assert not looking.wrong
