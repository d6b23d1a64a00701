"""Queries on a camera, while it goes on. What must hold:

- one connection for all; one picture reaches each, and each has one answer for it, without a gap;
- one that joins begins at the next picture, one that ends or breaks takes nothing along; settings change for one alone;
- what cannot be shared is said, and read by itself; what contradicts is refused before anything begins.
"""

from __future__ import annotations

import queue
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.builders import boxes
from tests.waiting import until
from vidpipe.cascade.stage import Stage
from vidpipe.cli.runs.orders import QueriesOrders
from vidpipe.core.answer import Answer, How
from vidpipe.core.errors import ConfigError, RunError
from vidpipe.core.frame import Frame
from vidpipe.core.settings import Knob, StageConfig
from vidpipe.pipeline.spec import Pipeline
from vidpipe.pipeline.yaml import build
from vidpipe.results.records import Result
from vidpipe.results.sinks.base import Sink
from vidpipe.runtime.driver.queries import Queries
from vidpipe.runtime.driver.session import Run
from vidpipe.sources.own import PictureSource, Shot

PICTURES: queue.Queue[int | None] = queue.Queue()
OPENED: list[str] = []


class Fed(PictureSource):
    """A camera that sends a picture when the test says so: one of the brightness that it is given."""

    live = True

    def pictures(self) -> Iterator[Shot]:
        OPENED.append(self.name)
        count = 0
        while (level := PICTURES.get()) is not None:
            yield Shot(count / 10, np.full((48, 64, 3), level, np.uint8))
            count += 1

    def close(self) -> None:
        PICTURES.put(None)


class SeesConfig(StageConfig):
    kind: int = Knob(0)
    raises: int = -1


class Sees(Stage[SeesConfig]):
    """Finds one box of a class; raises on pictures of one brightness."""

    Config = SeesConfig

    def answer(self, frames: Sequence[Frame]) -> list[Answer | None]:
        if frames[0].bgr()[0, 0, 0] == self.config.raises:
            raise ValueError("not this one")
        assert not frames[0].bgr().flags.writeable
        return [Answer(boxes(self.config.kind), How.MEASURED, self.id, frame.seq) for frame in frames]


class Kept(Sink):
    def __init__(self, breaks: bool = False) -> None:
        self.results: list[Result] = []
        self._breaks = breaks

    def write(self, results: Sequence[Result], published_at: float) -> None:
        if self._breaks:
            raise RunError("the disk is full")
        self.results += results

    def numbers(self) -> list[int]:
        return [result.seq for result in self.results]


def pipeline(kind: int = 0, raises: int = -1, **stream: Any) -> Pipeline:
    return build.Pipeline(
        [{"id": "sees", "type": Sees, "kind": kind, "raises": raises}],
        classes={f"class{i}": f"class{i}" for i in range(10)},
        streams={"cam": {"url": f"{__name__}:Fed", **stream}},
        audit={"rate": 0, "max_unchecked_s": None},
    )


class Session:
    """Queries with a sink for each."""

    def __init__(self, **pipelines: Pipeline) -> None:
        self.kept: dict[str, Kept] = {}
        self.breaks: set[str] = set()
        self.queries = Queries(pipelines, self._run)

    def _run(self, pipeline: Pipeline, share: Any) -> Run:
        kept = self.kept[share.name] = Kept(share.name in self.breaks)
        return Run(pipeline, engine="inline", sinks=[kept], results=False, share=share)

    def feed(self, level: int, *queries: str) -> None:
        """Send a picture, and wait until each of these has answered it."""
        before = {name: len(self.kept[name].results) for name in queries}
        PICTURES.put(level)
        until(lambda: all(len(self.kept[name].results) > count for name, count in before.items()))


@pytest.fixture(autouse=True)
def empty():
    OPENED.clear()
    while not PICTURES.empty():
        PICTURES.get()


def test_queries_join_and_leave_while_the_others_go_on():
    session = Session(door=pipeline(1), yard=pipeline(2))
    with session.queries as queries:
        for level in range(5):
            session.feed(level, "door", "yard")
        queries.add("queue", pipeline(3))
        for level in range(3):
            session.feed(level, "door", "yard", "queue")
        ended = queries.remove("yard")
        assert not ended.errors
        assert ended.report["streams"]["cam"]["how"] == {"measured": 8}
        queries["door"].apply(stages={"sees": {"kind": 4}})
        for level in range(4):
            session.feed(level, "door", "queue")
        PICTURES.put(None)
        outcomes = queries.join()
    assert OPENED == ["cam"]
    assert {name: each.numbers() for name, each in session.kept.items()} == {
        "door": list(range(12)),
        "yard": list(range(8)),
        "queue": list(range(7)),
    }
    assert [r.pts for r in session.kept["queue"].results] == pytest.approx([i / 10 for i in range(7)])
    kinds = {name: [r.answer.detections.class_id[0] for r in each.results] for name, each in session.kept.items()}
    assert kinds == {"door": [1] * 8 + [4] * 4, "yard": [2] * 8, "queue": [3] * 7}
    assert [r.epoch for r in session.kept["queue"].results] == [0] * 7
    assert outcomes["queue"].report["streams"]["cam"]["shared_with"] == ["door", "yard"]


def test_what_breaks_in_a_query_breaks_nothing_else():
    session = Session(door=pipeline(1, raises=7), yard=pipeline(2))
    with session.queries as queries:
        session.breaks.add("queue")
        queries.add("queue", pipeline(3))
        for level in (1, 7, 7, 2):
            session.feed(level, "door", "yard")
        PICTURES.put(None)
        outcomes = queries.join()
    assert [r.answer.how for r in session.kept["door"].results] == ["measured", "failed", "failed", "measured"]
    assert [r.answer.how for r in session.kept["yard"].results] == ["measured"] * 4
    assert outcomes["door"].errors[0].startswith("stage sees raised 2 times, first: ValueError: not this one")
    assert outcomes["queue"].errors == ["the disk is full"]
    assert not outcomes["yard"].errors
    assert all(sum(outcomes[name].report["streams"]["cam"]["how"].values()) == 4 for name in ("door", "yard"))


def test_a_query_that_cannot_begin_is_refused_and_the_others_go_on():
    session = Session(door=pipeline(1))
    broken = replace(pipeline(2), streams={})
    with session.queries as queries:
        session.feed(1, "door")
        with pytest.raises(ConfigError, match="query yard: nothing to run on"):
            queries.add("yard", broken)
        with pytest.raises(ConfigError, match="query 'door' runs already"):
            queries.add("door", pipeline(2))
        with pytest.raises(ConfigError, match="letters, digits"):
            queries.add("a/b", pipeline(2))
        with pytest.raises(ConfigError, match="there is no query 'gate': there are door"):
            queries.remove("gate")
        session.feed(1, "door")
        PICTURES.put(None)
        assert not queries.join()["door"].errors
    assert session.kept["door"].numbers() == [0, 1]


def test_where_one_cannot_begin_none_does(monkeypatch):
    class Broken(Sees):
        def open(self, context):
            raise ConfigError("no such class")

    broken = build.Pipeline([{"id": "sees", "type": Sees}], streams={"cam": f"{__name__}:Fed"})
    broken = replace(broken, stages=(replace(broken.stages[0], type=Broken),))
    session = Session(door=pipeline(1), yard=broken, queue=pipeline(3))
    with pytest.raises(ConfigError, match="query yard: no such class"):
        session.queries.start()
    assert session.queries["door"].state == "ended"
    assert OPENED == []


def test_other_pictures_of_a_camera_are_read_by_themselves(caplog):
    session = Session(door=pipeline(1), yard=pipeline(2, mask=[[(0, 0), (0.5, 0), (0.5, 0.5)]]))
    with session.queries:
        until(lambda: OPENED == ["cam", "cam"])
    assert "query yard reads stream cam by itself: other queries have another `mask` there" in caplog.text


def test_a_query_that_begins_anew_goes_on_behind_its_last_answer():
    session = Session(door=pipeline(1), yard=pipeline(2))
    with session.queries as queries:
        session.feed(1, "door", "yard")
        queries["yard"].pause("cam")
        until(lambda: queries["yard"].states()["cam"] == "paused")
        session.feed(2, "door")
        session.feed(2, "door")
        queries["yard"].resume("cam")
        answered = len(session.kept["yard"].results)
        until(lambda: session.feed(3, "door") or len(session.kept["yard"].results) > answered)
        PICTURES.put(None)
        queries.join()
    numbers = session.kept["yard"].numbers()
    assert numbers == list(range(len(numbers)))
    times = [r.pts for r in session.kept["yard"].results]
    assert times == sorted(times)
    assert OPENED == ["cam"]


def test_another_shell_changes_one_query_and_adds_and_removes_others():
    session = Session(door=pipeline(1), yard=pipeline(2))
    with session.queries as queries:
        orders = QueriesOrders(queries, lambda file: (file, pipeline(3))).all()
        session.feed(1, "door", "yard")
        with pytest.raises(ConfigError, match="say which by --query: door, yard"):
            orders["apply"]({"stages": {"sees": {"kind": 5}}})
        assert orders["apply"]({"stages": {"sees": {"kind": 5}}, "query": "yard"}) == {"epoch": 1, "streams": ["cam"]}
        assert orders["add"]({"pipeline": "queue"}) == {"query": "queue"}
        session.feed(1, "door", "yard", "queue")
        assert orders["remove"]({"query": "door"}) == {"query": "door"}
        session.feed(1, "yard", "queue")
        told = orders["status"]({})
        assert told["queries"] == {"door": "ended", "yard": "running", "queue": "running"}
        assert {name: now["frames_in"] for name, now in told["streams"].items()} == {
            "door/cam": 2,
            "yard/cam": 3,
            "queue/cam": 2,
        }
        orders["stop"]({})
        queries.join()
    assert [r.epoch for r in session.kept["door"].results] == [0, 0]
    assert [r.epoch for r in session.kept["yard"].results] == [0, 1, 1]
