"""What the page costs, and how fast it is, in a real Chromium: `python -m benchmarks.page [PART ...]`.

It needs `pip install 'vidpipe[browser]'` and Chromium. Parts are opening, costs, hostile and scrolling.

- Eight cameras (768x576, ten pictures a second, all of them live): CPU of the process that serves them, with the wall
  open in a browser and with nobody looking, in turns; likewise with one camera open.
- Until a browser that has nothing of the page shows the wall with a picture, and until one that was there before does.
- Results a second beside hundreds of connections that say nothing, send a byte at a time or take nothing.
- How long each frame takes while a day of ten thousand events is scrolled.
"""

from __future__ import annotations

import os
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from vidpipe import Answer, How, PictureSource, Shot, Stage
from vidpipe.core.event import Event, Phase
from vidpipe.core.frame import Frame
from vidpipe.pipeline.yaml.build import Pipeline
from vidpipe.results.store.sink import StoreConfig, StoreSink
from vidpipe.runtime.driver.session import Run
from vidpipe.serve.page import Page

CAMERAS, FPS, EVENTS = 8, 10, 10_000
SECONDS, TURNS = 6, 3
_MOVES = 16  # pictures that a camera shows in turns


class Camera(PictureSource):
    """Pictures at their own pace, until it is closed."""

    live = True

    def pictures(self) -> Iterator[Shot]:
        random = np.random.default_rng(0)
        still = np.kron(random.integers(0, 255, (18, 24, 3), np.uint8), np.ones((32, 32, 1), np.uint8))
        shown = [np.roll(still, 8 * place, 1) for place in range(_MOVES)]
        began = time.monotonic()
        for number in range(10**9):
            time.sleep(max(0.0, began + number / FPS - time.monotonic()))
            yield Shot(number / FPS, shown[number % _MOVES], time.time())


class Sees(Stage):
    """Somebody, always."""

    def answer(self, frames: list[Frame]) -> list[Answer]:
        import supervision as sv

        box = sv.Detections(np.array([[300, 200, 380, 420]], np.float32), confidence=np.ones(1, np.float32))
        box.class_id, box.data = np.zeros(1, int), {"class_name": np.array(["person"])}
        return [Answer(box, How.MEASURED, self.id, frames[0].seq)]


def say(text: str) -> None:
    print(text, flush=True)  # noqa: T201


def pipeline() -> Pipeline:
    streams = {f"camera {number}": "benchmarks.page:Camera" for number in range(CAMERAS)}
    return Pipeline([{"id": "sees", "type": "benchmarks.page:Sees"}], classes={"person": "person"}, streams=streams)


def a_day(path: Path) -> None:
    """A store of a day of ten thousand events, nearly each a review of its own."""
    sink = StoreSink(StoreConfig(path=str(path)))
    sink.begin({"start": "2026-09-21T00:00:00+00:00", "pipeline": "page", "version": "0"})
    begin = time.time() - 86_400
    for number in range(EVENTS):
        at = begin + 86_400 * number / EVENTS
        stream, data = f"camera {number % CAMERAS}", {"class": "person", "zone": "yard", "track_id": number}
        told = Event("zone.enter", stream, number, at - begin, at, "in", f"e{number}", "sees", 0.0, Phase.BEGIN, data)
        sink.tell([told])
    sink.close()


@contextmanager
def served(store: Path) -> Iterator[tuple[Run, str]]:
    page = Page(0, "127.0.0.1", store=store)
    try:
        with Run(pipeline(), engine="inline", sinks=[page], results=False) as run:
            yield run, page.address
    finally:
        page.leave()


def cpu(seconds: float) -> float:
    """Cores that this process takes."""
    began, used = time.monotonic(), time.process_time()
    time.sleep(seconds)
    return (time.process_time() - used) / (time.monotonic() - began)


def rate(run: Run, seconds: float) -> float:
    """Results a second."""

    def done() -> int:
        return sum(stream.frames_in for stream in run.status().streams.values())

    began, before = time.monotonic(), done()
    time.sleep(seconds)
    return (done() - before) / (time.monotonic() - began)


def costs(browser: Any, address: str) -> None:
    found: dict[str, list[float]] = {"nobody looks": [], "the wall": [], "one camera": []}
    for _ in range(TURNS):
        for name, path in zip(found, (None, "", "camera/camera%200"), strict=True):
            tab = browser.new_page(viewport={"width": 1440, "height": 900}) if path is not None else None
            if tab is not None:
                tab.goto(f"{address}#/{path}")
            time.sleep(2)
            found[name].append(cpu(SECONDS))
            if tab is not None:
                tab.close()
    alone = median(found["nobody looks"])
    for name, cores in found.items():
        say(f"{name}: {median(cores):.3f} of a core, {median(cores) - alone:+.3f}")


_READY = ".tile .none[hidden]"


def opening(browser: Any, address: str) -> None:
    for name in ("one file", "cold", "warm"):
        took = []
        for _ in range(7):
            context = browser.new_context(viewport={"width": 1440, "height": 900})
            tab = context.new_page()
            if name == "warm":
                tab.goto(address)
                tab.wait_for_selector(_READY, state="attached")
            began = time.monotonic()
            if name == "one file":  # what the browser and the machine take by themselves
                tab.goto(f"{address}static/icon.svg")
                took.append((time.monotonic() - began,))
            else:
                tab.goto(address)
                tab.wait_for_selector(".tile a")
                there = time.monotonic() - began
                tab.wait_for_selector(_READY, state="attached")
                took.append((there, time.monotonic() - began))
            context.close()
        for what, seconds in zip(("can be clicked", "a picture is there"), zip(*took, strict=True), strict=False):
            say(f"{name}: {what} after {median(seconds):.2f} s ({min(seconds):.2f} to {max(seconds):.2f})")


def hostile(run: Run, address: str) -> None:
    port = int(address.rpartition(":")[2].strip("/"))
    host = f"Host: 127.0.0.1:{port}\r\n"
    sent = [
        "",
        f"GET / HTTP/1.1\r\n{host}",
        f"POST /api/rules HTTP/1.1\r\n{host}Content-Type: application/json\r\nContent-Length: 60000\r\n\r\n",
        f"GET /api/live?stream=camera%200&fps=30 HTTP/1.1\r\n{host}\r\n",
        f"GET /api/told?answers=10 HTTP/1.1\r\n{host}\r\n",
    ]
    before = rate(run, SECONDS)
    with ExitStack() as opened:
        for number in range(500):
            connection = opened.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10))
            connection.sendall(sent[number % len(sent)].encode())
        beside = rate(run, SECONDS)
    say(f"results a second: {before:.1f}, beside 500 hostile connections {beside:.1f}")


_SCROLL = """async () => {
  const took = [];
  let most = 0;
  const there = () => document.querySelectorAll('.review').length;
  let last = performance.now();
  const end = last + 12000;
  while (performance.now() < end) {
    window.scrollBy(0, 60);
    await new Promise(requestAnimationFrame);
    const now = performance.now();
    took.push(now - last);
    most = Math.max(most, there());
    last = now;
  }
  took.sort((one, other) => one - other);
  const at = (share) => took[Math.floor(share * (took.length - 1))];
  const late = took.filter((ms) => ms > 25).length;
  return { frames: took.length, median: at(0.5), most: at(0.95), late, reviews: most };
}"""


def scrolling(browser: Any, address: str) -> None:
    for name, path in (("an empty page", "static/icon.svg"), ("reviews", "#/reviews")):
        tab = browser.new_page(viewport={"width": 1440, "height": 900})
        tab.goto(f"{address}{path}")
        if name == "reviews":
            tab.wait_for_selector(".review")
        told = tab.evaluate(_SCROLL)
        say(
            f"scrolling {name}: {told['frames']} frames in 12 s, {told['median']:.1f} ms in the middle, 95 % in "
            f"{told['most']:.1f} ms, {told['late']} took more than 25 ms; {told['reviews']} reviews at most in it"
        )
        tab.close()


def main() -> None:
    """Measure all of it, or the parts that are named, and print."""
    from playwright.sync_api import sync_playwright

    say(f"load {os.getloadavg()[0]:.0f}")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        a_day(store := Path(folder) / "day.db")
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        with served(store) as (run, address):
            time.sleep(3)
            parts = {
                "opening": lambda: opening(browser, address),
                "costs": lambda: costs(browser, address),
                "hostile": lambda: hostile(run, address),
                "scrolling": lambda: scrolling(browser, address),
            }
            for name in sys.argv[1:] or parts:
                parts[name]()
        browser.close()


if __name__ == "__main__":
    main()
