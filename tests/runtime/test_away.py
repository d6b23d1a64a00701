"""A tier that is away while a stream goes on. What must hold:

- each frame is answered at once, and says who is away and for how long, in its result and on its line;
- a stage that stands in answers in place of that tier, and no longer once it is back.
"""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tests import clips
from tests.runtime import linked, local
from tests.runtime.linked import Measures, Passes, pipeline
from vidpipe.core.answer import How
from vidpipe.pipeline.plan import plan
from vidpipe.pipeline.spec import Tier
from vidpipe.results.records import Covered
from vidpipe.results.replay import seen_of
from vidpipe.results.sinks.results import ResultsFile
from vidpipe.runtime.links import link
from vidpipe.runtime.ray import peer
from vidpipe.runtime.ray.actors import SegmentActor
from vidpipe.sources.base import StreamSpec

FRAMES = 60


@pytest.fixture(autouse=True)
def _nothing_happens():
    yield
    linked.on_frame.clear()


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return clips.encode(tmp_path_factory.mktemp("away") / "clip.mp4", frames=FRAMES, size=(128, 96))


def _run(clip, stages, *, stand_in=None, back_at=None):
    """The results of a live stream whose last tier dies on the second frame, and may come back at another."""
    laid = pipeline({"cam": clip}, stages)
    placed = [replace(stage, only_when_away=stage.id == stand_in) for stage in laid.stages]
    live = replace(laid.streams["cam"], spec=StreamSpec(url=f"live+file:{clip}"))
    laid = plan(replace(laid, stages=tuple(placed), streams={"cam": live}))
    segments = [local.LocalActor(SegmentActor, laid, range(len(laid.segments) - 1, len(laid.segments)), None)]
    for index in range(len(laid.segments) - 2, 0, -1):
        segments.append(local.LocalActor(SegmentActor, laid, range(index, index + 1), segments[-1]))
    device = local.Device(laid, segments[-1])

    def dies():
        linked.on_frame.clear()
        segments[0].kill(stays_away=True)

    linked.on_frame["cam", 1] = dies
    device.actor.start()
    while device.errors.keys() != {"cam"}:
        device.take()
        if back_at is not None and len(device.published) >= back_at:
            segments[0].come_back()
            back_at = None
    return device.published


@pytest.mark.long
@pytest.mark.parametrize("far", [False, True])
def test_each_frame_says_who_is_away(clip, far, tmp_path):
    """On the next tier, or on the one behind it: there the first frames are only late."""
    stages = [(Passes, Tier.DEVICE), *([(Passes, Tier.EDGE)] if far else []), (Measures, Tier.CLOUD)]
    results = _run(clip, stages)
    assert [result.seq for result in results] == list(range(FRAMES))
    for result in results[10:]:
        assert result.covered is Covered.AWAY
        assert result.degraded.startswith("cloud away for ")
        assert result.answer.reason == result.degraded
    (file := ResultsFile(tmp_path / "results.jsonl")).begin({})
    file.write(results, 0.0)
    file.close()
    lines = [json.loads(line) for line in (tmp_path / "results.jsonl").read_text().splitlines()[1:]]
    assert [line.get("degraded", "") for line in lines] == [result.degraded for result in results]
    assert seen_of(lines[-1]).degraded == results[-1].degraded


@pytest.mark.long
def test_one_that_hangs_is_let_back_however_few_frames_it_holds(clip, monkeypatch):
    """Its calls return once it wakes, and none is made while it is away: nobody but who asks it hears of it."""
    monkeypatch.setattr(link, "PING_EVERY_S", 0.1)
    monkeypatch.setattr(peer, "SILENT_S", 0.2)
    laid = pipeline({"cam": clip}, [(Passes, Tier.DEVICE), (Measures, Tier.EDGE)])
    live = replace(laid.streams["cam"], spec=StreamSpec(url=f"live+file:{clip}"))
    laid = plan(replace(laid, streams={"cam": live}))
    (edge,) = local.segments(laid)
    device = local.Device(laid, edge)
    linked.on_frame["cam", 1] = edge.hang
    device.actor.start()
    slept = False
    while device.errors.keys() != {"cam"}:
        device.take()
        if not slept and any("away" in result.degraded for result in device.published):
            slept = True
            linked.on_frame.clear()
            edge.wake()
    assert slept
    assert device.published[-1].degraded == ""
    assert device.published[-1].answer.as_of > FRAMES // 2


@pytest.mark.long
def test_who_stands_in_answers_until_the_tier_is_back(clip):
    stages = [(Passes, Tier.DEVICE), (Measures, Tier.EDGE), (Measures, Tier.CLOUD)]
    results = _run(clip, stages, stand_in="s1", back_at=FRAMES // 3)
    assert [result.seq for result in results] == list(range(FRAMES))
    newest = [result.answer.as_of for result in results]
    assert newest == sorted(newest)
    assert newest[FRAMES // 4] > 0  # frames are looked at while it is away
    reasons = [result.answer.reason for result in results]
    assert all(result.audits == () and result.look is None for result in results if "away" in result.answer.reason)
    assert results[-1].degraded == ""
    assert "away" not in reasons[-1]
    assert results[-1].answer.as_of > FRAMES // 2
    assert results[-1].how in (How.MEASURED, How.REUSED)
