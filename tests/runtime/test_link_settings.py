"""Settings of links against each other, against `ahead` and the number of streams. What must hold:

- no combination hangs: every picture of every stream has its answer;
- the answers are those of the engine without links, whatever the links are set to.
"""

from __future__ import annotations

import threading
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests import clips
from tests.runtime import local
from tests.runtime.linked import Measures, Passes, Repeats, SharedRepeats, pipeline
from vidpipe.pipeline.plan import plan
from vidpipe.pipeline.spec import LinkSpec, Tier
from vidpipe.runtime.inline import InlineEngine

FRAMES = 14

CASCADES = {
    "nobody learns": [(Passes, Tier.DEVICE), (Measures, Tier.EDGE)],
    "the device learns": [(Repeats, Tier.DEVICE), (Measures, Tier.EDGE)],
    "the edge learns": [(Passes, Tier.DEVICE), (SharedRepeats, Tier.EDGE), (Measures, Tier.CLOUD)],
    "all learn": [(Repeats, Tier.DEVICE), (SharedRepeats, Tier.EDGE), (Measures, Tier.CLOUD)],
    "shared on the device": [(SharedRepeats, Tier.DEVICE), (SharedRepeats, Tier.EDGE), (Measures, Tier.CLOUD)],
}

SPECS = st.builds(
    LinkSpec,
    codec=st.sampled_from(["raw", "raw", "jpeg", "webp"]),
    width=st.sampled_from([None, 64]),
    batch_frames=st.integers(1, 6),
    batch_ms=st.sampled_from([0.0, 0.0, 5.0]),
    credit_frames=st.integers(1, 9),
    credit_mb=st.sampled_from([0.001, 0.03, 0.1, 64]),
)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return clips.encode(tmp_path_factory.mktemp("settings") / "clip.mp4", frames=FRAMES, size=(128, 96))


@pytest.mark.long
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    cascade=st.sampled_from(sorted(CASCADES)),
    links=st.fixed_dictionaries({"device-edge": SPECS, "edge-cloud": SPECS}),
    ahead=st.integers(0, 10),
    streams=st.integers(1, 4),
)
def test_no_combination_hangs_nor_changes_an_answer(clip, cascade, links, ahead, streams):
    named = {f"cam{i}": clip for i in range(streams)}
    laid = plan(pipeline(named, CASCADES[cascade], links=links, ahead=ahead))
    linked = local.Device(laid, local.segments(laid)[-1])
    linked.run()
    assert set(linked.errors.values()) == {None}
    assert _answers(linked.published) == _answers(_inline(laid))
    assert {stream: len(answers) for stream, answers in _answers(linked.published).items()} == dict.fromkeys(
        named, FRAMES
    )


def _answers(published):
    by_stream = {}
    for record in published:
        answer = record.answer
        told = (record.seq, answer.how, answer.by, answer.as_of, answer.reason, len(answer.detections))
        by_stream.setdefault(record.stream, []).append(told)
    return by_stream


def _inline(laid):
    engine = InlineEngine(laid)
    engine.open(threading.Event())
    engine.start()
    published, ended = [], 0
    deadline = time.monotonic() + 30
    while ended < len(laid.pipeline.streams):
        assert time.monotonic() < deadline, "hangs"
        for batch in engine.take(0.2):
            published += batch.published
            ended += len(batch.ended)
    engine.close(5)
    return published
