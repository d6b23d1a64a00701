"""Several queries on a camera that is there. What must hold: it sees one connection, however many come and go."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Sequence
from typing import Any

import pytest

from tests.builders import boxes
from tests.cameras.test_http import Camera
from tests.waiting import until
from vidpipe.cascade.stage import Stage
from vidpipe.core.answer import Answer, How
from vidpipe.core.frame import Frame
from vidpipe.pipeline.spec import Pipeline
from vidpipe.pipeline.yaml import build
from vidpipe.results.records import Result
from vidpipe.results.sinks.base import Sink
from vidpipe.runtime.driver.queries import Queries
from vidpipe.runtime.driver.session import Run


class Counted(Camera):
    """Tells how often it was connected to, and by how many now."""

    def do_GET(self) -> None:  # noqa: N802 - the name that the server calls
        self.server.came += 1
        self.server.there += 1
        try:
            super().do_GET()
        finally:
            self.server.there -= 1


class Answers(Stage[Any]):
    def answer(self, frames: Sequence[Frame]) -> list[Answer | None]:
        return [Answer(boxes(0), How.MEASURED, self.id, frame.seq) for frame in frames]


class Kept(Sink):
    def __init__(self) -> None:
        self.results: list[Result] = []

    def write(self, results: Sequence[Result], published_at: float) -> None:
        self.results += results


@pytest.fixture
def camera():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Counted)
    server.daemon_threads = True
    server.stopped, server.came, server.there = threading.Event(), 0, 0
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.stopped.set()
    server.shutdown()
    server.server_close()


def test_a_camera_sees_one_connection(camera):
    kept: dict[str, Kept] = {}

    def make(pipeline: Pipeline, share: Any) -> Run:
        kept[share.name] = Kept()
        return Run(pipeline, engine="inline", sinks=[kept[share.name]], results=False, share=share)

    def asks() -> Pipeline:
        url = f"http://127.0.0.1:{camera.server_port}/video.mjpg"
        classes = {f"class{i}": f"class{i}" for i in range(10)}
        return build.Pipeline([{"id": "all", "type": Answers}], classes=classes, streams={"cam": url})

    def more(*queries: str, count: int = 5) -> None:
        wanted = {name: len(kept[name].results) + count for name in queries}
        until(lambda: all(len(kept[name].results) >= wanted[name] for name in queries), 20)

    with Queries({"door": asks(), "yard": asks()}, make) as queries:
        more("door", "yard")
        queries.add("queue", asks())
        more("door", "yard", "queue")
        assert camera.came == 1
        queries.remove("door")
        more("yard", "queue")
        assert (camera.came, camera.there) == (1, 1)
        queries.remove("yard")
        queries.remove("queue")
        until(lambda: camera.there == 0)
        queries.add("later", asks())
        more("later")
        assert camera.came == 2
        queries.stop()
        queries.join()
    for each in kept.values():
        assert [result.seq for result in each.results] == list(range(len(each.results)))
    seen = {name: {result.captured_at for result in each.results} for name, each in kept.items()}
    assert seen["yard"] & seen["queue"]
