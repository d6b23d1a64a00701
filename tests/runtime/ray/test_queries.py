"""Several queries on one stream, on Ray. What must hold:

- the answers of each are those that it gives alone, to the byte; each has one for every picture, also where the process
  that all of them share dies;
- a stream is opened once, and of a picture that two ask about one look is made;
- one that joins, leaves or breaks takes nothing along; what cannot be shared so is refused.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.builders import boxes
from tests.models.networks import following_network
from tests.runtime.test_queries import NAMES, Kept, alone
from tests.waiting import until
from vidpipe.cascade.stage import Stage
from vidpipe.core.answer import Answer, How
from vidpipe.core.errors import ConfigError
from vidpipe.core.frame import Frame
from vidpipe.core.settings import Knob, StageConfig
from vidpipe.pipeline.spec import Pipeline, Tier, TierSpec
from vidpipe.pipeline.yaml import build
from vidpipe.runtime.driver.queries import Queries
from vidpipe.runtime.driver.session import Run
from vidpipe.sources.own import PictureSource, Shot, SourceConfig

pytestmark = pytest.mark.ray

COUNT = 24


class FedConfig(SourceConfig):
    folder: str


class Fed(PictureSource):
    """Pictures that the test allows by files in a folder, each brighter than the one before; it notes who opens it."""

    Config = FedConfig

    def pictures(self) -> Iterator[Shot]:
        folder = Path(self.config.folder)
        with (folder / "opened").open("a") as opened:
            opened.write(f"{os.getpid()}\n")
        for number in range(COUNT):
            while self.live and not (folder / str(number)).exists():
                if (folder / "over").exists():
                    return
                time.sleep(0.01)
            yield Shot(number / 10, np.full((48, 64, 3), 10 * number, np.uint8))


class FedCamera(Fed):
    live = True


class SeesConfig(StageConfig):
    kind: int = Knob(0)
    raises_at: int = -1
    dies_at: int = -1
    once: str = ""


class Sees(Stage[SeesConfig]):
    """Finds one box of a class in each picture; raises at one, or ends its process there the first time."""

    Config = SeesConfig

    def answer(self, frames: Sequence[Frame]) -> list[Answer | None]:
        (frame,) = frames
        if frame.seq == self.config.raises_at:
            raise ValueError("not this one")
        if frame.seq == self.config.dies_at and not Path(self.config.once).exists():
            Path(self.config.once).touch()
            os._exit(1)
        return [Answer(boxes(self.config.kind), How.MEASURED, self.id, frame.seq)]


def sees(folder: Path, source: str = "Fed", **config: Any) -> Pipeline:
    return build.Pipeline(
        [{"id": "sees", "type": Sees, **config}],
        classes={f"class{i}": f"class{i}" for i in range(10)},
        streams={"cam": {"url": f"{__name__}:{source}", "settings": {"folder": str(folder)}}},
        audit={"rate": 0, "max_unchecked_s": None},
    )


def looks(folder: Path, classes: Sequence[str], stages: Sequence[Mapping[str, Any]] = ()) -> Pipeline:
    """Big, in the cloud, behind other stages."""
    return build.Pipeline(
        [*stages, {"id": "big", "type": "detect", "model": "big", "on": "cloud"}],
        classes={name: name for name in classes},
        models={"big": {"path": str(folder / "big.onnx"), "threshold": 0.2, "threads": 1}},
        streams={"cam": {"url": f"{__name__}:Fed", "settings": {"folder": str(folder)}}},
        audit={"rate": 0.2, "seed": 1, "max_unchecked_s": None},
    )


class Session:
    """Queries on Ray with a sink for each."""

    def __init__(self, **pipelines: Pipeline) -> None:
        self.kept: dict[str, Kept] = {}
        self.queries = Queries(pipelines, self._run)

    def _run(self, pipeline: Pipeline, share: Any) -> Run:
        self.kept[share.name] = Kept()
        return Run(pipeline, engine="ray", sinks=[self.kept[share.name]], results=False, share=share)

    def numbers(self, query: str) -> list[int]:
        return [result[1] for result in self.kept[query].results]


def opened(folder: Path) -> int:
    return len((folder / "opened").read_text().splitlines())


@pytest.mark.long
def test_queries_share_a_stream_and_looks_and_answer_as_each_does_alone(tmp_path):
    following_network(tmp_path / "big.onnx", [(20, 20, 16, 16, 0, 0.9), (40, 30, 12, 12, 1, 0.6)], NAMES)
    pipelines = {
        "door": looks(tmp_path, ["car"]),
        "yard": looks(tmp_path, ["car", "dog"]),
        "still": looks(tmp_path, ["dog"], [{"id": "difference", "type": "difference", "threshold": 60}]),
    }
    session = Session(**pipelines)
    with session.queries as queries:
        outcomes = queries.join()
    assert opened(tmp_path) == 1
    for name, each in pipelines.items():
        assert not outcomes[name].errors
        assert session.kept[name].results == alone(each)
        stream = outcomes[name].report["streams"]["cam"]
        assert sum(stream["how"].values()) == COUNT
        assert stream["shared_with"] == sorted(pipelines.keys() - {name})
    models = {name: outcome.report["models"]["big"] for name, outcome in outcomes.items()}
    made = sum(each["calls"] - each.get("shared", 0) for each in models.values())
    assert models["door"]["calls"] == models["yard"]["calls"] == COUNT
    assert made == COUNT


@pytest.mark.long
def test_where_the_shared_process_dies_each_query_still_answers_every_picture(tmp_path):
    pipelines = {
        "door": sees(tmp_path, kind=1),
        "yard": sees(tmp_path, kind=2, dies_at=10, once=str(tmp_path / "died")),
    }
    session = Session(**pipelines)
    with session.queries as queries:
        outcomes = queries.join()
    assert (tmp_path / "died").exists()
    for name, each in pipelines.items():
        assert not outcomes[name].errors
        assert session.kept[name].results == alone(each)


@pytest.mark.long
def test_queries_join_leave_and_break_while_the_others_go_on(tmp_path):
    session = Session(door=sees(tmp_path, "FedCamera", kind=1), yard=sees(tmp_path, "FedCamera", kind=2, raises_at=1))
    number = iter(range(COUNT))

    def feed(*queries: str) -> None:
        before = {name: len(session.kept[name].results) for name in queries}
        (tmp_path / str(next(number))).touch()
        until(lambda: all(len(session.kept[name].results) > count for name, count in before.items()))

    with session.queries as queries:
        for _ in range(3):
            feed("door", "yard")
        queries.add("shelf", sees(tmp_path, "FedCamera", kind=3))
        until(lambda: queries["shelf"].state == "running")
        feed("door", "yard", "shelf")
        left = queries.remove("yard")
        feed("door", "shelf")
        (tmp_path / "over").touch()
        outcomes = queries.join()
    assert any("not this one" in error for error in left.errors)
    assert session.numbers("door") == list(range(5))
    assert session.numbers("yard") == list(range(4))
    assert session.numbers("shelf") == list(range(2))
    assert not outcomes["door"].errors
    assert not outcomes["shelf"].errors
    assert opened(tmp_path) == 1


@pytest.mark.long
def test_one_that_comes_after_all_others_have_ended_begins_on_a_ray_of_its_own(tmp_path):
    session = Session(door=sees(tmp_path, kind=1))
    with session.queries as queries:
        queries["door"].join(60)
        assert not queries.add("late", sees(tmp_path, kind=2)).join(60).errors
    assert session.numbers("late") == list(range(COUNT))


def test_what_is_shared_on_one_machine_alone_is_refused_elsewhere(tmp_path):
    pooled = replace(sees(tmp_path), tiers={Tier.DEVICE: TierSpec(pool=True)})
    for pipeline, address, said in (
        (sees(tmp_path), "10.0.0.9:6379", "without the address of a cluster"),
        (pooled, None, "leave `pool` out"),
    ):
        make = lambda pipeline, share, at=address: Run(  # noqa: E731
            pipeline, engine="ray", address=at, results=False, share=share
        )
        with pytest.raises(ConfigError, match=said):
            Queries({"door": pipeline}, make).start()
