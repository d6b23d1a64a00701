"""Several queries on one stream. What must hold:

- the answers of each are those that it gives alone, to the byte, whatever the others ask, with audits and all;
- a recording is opened once, a picture decoded once, and a look that two ask for is made once, and counted by both;
- one that fails, ends or joins disturbs no other: each has one answer for every picture.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests import clips
from tests.models.networks import following_network
from vidpipe.core.settings import Knobs
from vidpipe.pipeline.spec import Pipeline
from vidpipe.pipeline.yaml import build
from vidpipe.results.records import Result
from vidpipe.results.sinks.base import Sink
from vidpipe.runtime.driver.queries import Queries
from vidpipe.runtime.driver.session import Run
from vidpipe.sources import shared
from vidpipe.sources.base import StreamSpec
from vidpipe.sources.decoding.packets import PacketRing
from vidpipe.sources.open import packets_of
from vidpipe.sources.reading import origin

NAMES = ("car", "dog", "cat")
FRAMES = 24


class Kept(Sink):
    """Keeps of each result what two equal runs have in common, to the byte."""

    def __init__(self) -> None:
        self.results: list[Any] = []

    def write(self, results: Sequence[Result], published_at: float) -> None:
        for each in results:
            answer, boxes = each.answer, each.answer.detections
            arrays = boxes.xyxy, boxes.confidence, boxes.class_id, boxes.tracker_id, boxes.data.get("class_name")
            seen = [None if array is None else np.asarray(array).tobytes() for array in arrays]
            said = answer.how, answer.by, answer.as_of, answer.reason, each.audits, each.model, each.epoch
            self.results.append((each.stream, each.seq, each.pts, each.size, *said, *seen))


@pytest.fixture(scope="module")
def places(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("queries")
    boxes = [(20, 20, 16, 16, 0, 0.9), (40, 30, 12, 12, 1, 0.6), (30, 40, 10, 14, 2, 0.3)]
    return {
        "clip": clips.encode(folder / "clip.mp4", frames=FRAMES),
        "big": following_network(folder / "big.onnx", boxes, NAMES),
        "little": following_network(folder / "little.onnx", boxes[:2], NAMES, shift_px=12),
    }


STAGE = st.sampled_from(
    [
        {"id": "difference", "type": "difference", "threshold": 60},
        {"id": "difference", "type": "difference", "threshold": 300},
        {"id": "sample", "type": "sample", "fps": 12},
        {"id": "track", "type": "track", "refresh_s": 0.2, "change": 1},
        {"id": "track", "type": "track", "refresh_s": 0.2, "change": 1, "motion": "codec"},
        {"id": "little", "type": "detect", "model": "little", "agreement": 0.6, "on": "edge"},
    ]
)


def _is_deterministic(query: Mapping[str, Any]) -> bool:
    """Where no stage learns, answers are completed as they come, and what has gone unchecked depends on how fast."""
    learns = any(stage["type"] != "sample" for stage in query["stages"])
    return learns or query["audit"]["max_unchecked_s"] is None


QUERY = st.fixed_dictionaries(
    {
        "stages": st.lists(STAGE, max_size=2, unique_by=lambda stage: stage["id"]).map(
            lambda stages: sorted(stages, key=lambda stage: stage.get("on", "device"))
        ),
        "classes": st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True),
        "threshold": st.sampled_from([0.2, 0.5, 0.7]),
        "audit": st.fixed_dictionaries(
            {
                "rate": st.sampled_from([0, 0.2, 0.5]),
                "seed": st.integers(0, 3),
                "max_unchecked_s": st.sampled_from([None, 0.3]),
            }
        ),
        "ahead": st.sampled_from([0, 3]),
        "codec": st.sampled_from(["raw", "jpeg"]),
    }
).filter(_is_deterministic)


def pipeline(places: Mapping[str, Path], query: Mapping[str, Any], **streams: Any) -> Pipeline:
    """A query as a checked pipeline."""
    models = {
        name: {"path": str(places[name]), "threshold": query["threshold"], "threads": 1} for name in ("big", "little")
    }
    used = {stage.get("model") for stage in query["stages"]} | {"big"}
    return build.Pipeline(
        [*query["stages"], {"id": "big", "type": "detect", "model": "big", "on": "cloud"}],
        classes={name: name for name in query["classes"]},
        models={name: spec for name, spec in models.items() if name in used},
        streams=streams or {"cam": str(places["clip"])},
        audit=query["audit"],
        ahead=query["ahead"],
        links={"device-edge" if "little" in used else "device-cloud": {"codec": query["codec"]}},
    )


def alone(pipeline: Pipeline) -> list[Any]:
    kept = Kept()
    with Run(pipeline, engine="inline", sinks=[kept], results=False) as run:
        assert not run.join(60).errors
    return kept.results


def together(pipelines: Mapping[str, Pipeline]) -> tuple[dict[str, list[Any]], dict[str, dict[str, Any]]]:
    kept = {name: Kept() for name in pipelines}

    def make(pipeline, share):
        return Run(pipeline, engine="inline", sinks=[kept[share.name]], results=False, share=share)

    with Queries(pipelines, make) as queries:
        outcomes = queries.join()
    assert not any(outcome.errors for outcome in outcomes.values()), outcomes
    return {name: each.results for name, each in kept.items()}, {n: each.report for n, each in outcomes.items()}


PLAIN = {
    "stages": [{"id": "difference", "type": "difference", "threshold": 60}],
    "classes": ["car"],
    "threshold": 0.5,
    "audit": {"rate": 0.2, "seed": 0, "max_unchecked_s": None},
    "ahead": 0,
    "codec": "raw",
}


@pytest.mark.long
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(queries=st.lists(QUERY, min_size=2, max_size=3))
def test_answers_are_those_of_each_query_alone(places, queries):
    pipelines = {f"q{number}": pipeline(places, query) for number, query in enumerate(queries)}
    said, reports = together(pipelines)
    for name, each in pipelines.items():
        assert said[name] == alone(each)
        assert sum(reports[name]["streams"]["cam"]["how"].values()) == FRAMES
        assert reports[name]["streams"]["cam"]["shared_with"] == sorted(pipelines.keys() - {name})


def test_recordings_that_wait_for_their_turn_are_shared_too(places, monkeypatch):
    opened = []
    monkeypatch.setattr(
        shared, "open_source", lambda *a, _open=shared.open_source, **o: opened.append(a[0]) or _open(*a, **o)
    )
    streams = {f"cam{number}": str(places["clip"]) for number in range(4)}
    queries = {"door": PLAIN, "yard": PLAIN | {"classes": ["dog"]}}
    pipelines = {
        name: replace(pipeline(places, query, **streams), streams_per_actor=1) for name, query in queries.items()
    }
    said, _ = together(pipelines)
    assert sorted(opened) == sorted(streams)
    assert {name: len(each) for name, each in said.items()} == {"door": 4 * FRAMES, "yard": 4 * FRAMES}


def test_clips_of_a_recording_are_cut_from_the_file_that_others_read(places):
    sources, spec = shared.SharedSources(), StreamSpec(url=str(places["clip"]))
    ring = PacketRing(1.0, 1_000_000)
    taken = [sources.open(query, "cam", spec, knobs=Knobs(), ring=ring) for query in ("door", "yard")]
    assert packets_of("cam", spec, origin(taken[1]), ring) is not None
    for each in taken:
        each.close()


def test_a_picture_is_decoded_once_and_looked_at_once(places, monkeypatch):
    opened = []
    monkeypatch.setattr(
        shared, "open_source", lambda *a, _open=shared.open_source, **o: opened.append(a) or _open(*a, **o)
    )
    queries = {
        "door": PLAIN | {"stages": []},
        "yard": PLAIN | {"stages": [], "classes": ["dog", "cat"], "threshold": 0.2},
    }
    _, reports = together({name: pipeline(places, query) for name, query in queries.items()})
    assert len(opened) == 1
    looks = [reports[name]["models"]["big"] for name in queries]
    assert [each["calls"] for each in looks] == [FRAMES, FRAMES]
    assert sum(each.get("shared", 0) for each in looks) == FRAMES
