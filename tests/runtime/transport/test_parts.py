"""Where the stage behind a link asks for parts of a picture, these alone cross, and it sees what it would have seen."""

from __future__ import annotations

import pickle
from dataclasses import replace

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import clips
from tests.builders import answer
from tests.runtime import linked
from tests.runtime.crossing import inline, linked_up
from vidpipe.cascade.audit import AuditSpec
from vidpipe.cascade.cascade import Ticket
from vidpipe.cascade.stage import Stage
from vidpipe.core.answer import How
from vidpipe.core.frame import Frame
from vidpipe.core.picture import BgrPicture, YuvPicture
from vidpipe.core.settings import Knobs, StageConfig
from vidpipe.pipeline.plan import Link, plan
from vidpipe.pipeline.spec import LinkSpec, PlacedStage, Tier
from vidpipe.runtime.transport import codec
from vidpipe.runtime.transport.parts import parts_of
from vidpipe.runtime.transport.size import own_size, picture_size, scaled

SIZE = (320, 240)
FRAMES = 12


class Looks(Stage[StageConfig]):
    """Looks at one place of two frames of three, and says what it saw there; the others it passes on."""

    shared = True
    can_be_last = False

    @classmethod
    def parts(cls, config, frame, size):
        scale = np.array([size[0] / frame.width, size[1] / frame.height] * 2)
        place = np.array([[80, 60, 140, 120]]) * scale
        return place.round().astype(np.int64) if frame.seq % 3 else None

    def answer(self, frames):
        return [self._answer(frame) for frame in frames]

    def _answer(self, frame):
        height, width = frame.bgr().shape[:2]
        places = self.parts(self.config, frame, (width, height))
        if places is None:
            return None
        x0, y0, x1, y1 = places[0]
        seen = int(frame.bgr()[y0:y1, x0:x1].astype(int).sum())
        return replace(answer(self.id, 0, as_of=frame.seq), reason=f"saw {seen}", partial=True)

    @classmethod
    def learns(cls, config):
        return False


class PassesAllOn(Looks):
    """Breaks its word."""

    def answer(self, frames):
        return [None] * len(frames)


class SeesAll(linked.Measures):
    """Says what it sees in the whole picture."""

    def answer(self, frames):
        seen = [int(frame.bgr().astype(int).sum()) for frame in frames]
        return [replace(told, reason=f"saw {each}") for told, each in zip(super().answer(frames), seen, strict=True)]


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return clips.encode(tmp_path_factory.mktemp("parts") / "clip.mp4", frames=FRAMES, size=SIZE)


def laid(clip, first, spec, *, audited=0.0):
    stages = [(linked.Passes, Tier.DEVICE), (first, Tier.EDGE), (SeesAll, Tier.EDGE)]
    built = linked.pipeline({"cam": clip}, stages, links={"device-edge": spec})
    return plan(replace(built, audit=AuditSpec(rate=audited, max_unchecked_s=None)))


def told(results):
    return [(each.seq, each.answer.how, each.answer.by, each.answer.reason) for each in results]


SPECS = [LinkSpec(), LinkSpec(codec="jpeg"), LinkSpec(codec="jpeg", width=160)]


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("run", [inline, linked_up])
@pytest.mark.parametrize("audited", [0.0, 0.5])
def test_answers_are_those_of_whole_pictures_for_fewer_bytes(clip, monkeypatch, spec, run, audited):
    """Also where some answers are checked: who checks sees all of the picture."""
    made = laid(clip, Looks, spec, audited=audited)
    published, nbytes = run(made)
    for module in ("vidpipe.runtime.inline", "vidpipe.runtime.transport.packing"):
        monkeypatch.setattr(f"{module}.parts_of", lambda ticket, link, spec, size: None)
    whole, whole_nbytes = run(made)
    assert told(published) == told(whole)
    assert len(published) == FRAMES
    assert {how for _, how, _, _ in told(published)} == {How.MEASURED}
    assert nbytes < (0.6 if not audited else 0.9) * whole_nbytes


def test_both_engines_count_the_same_bytes(clip):
    for spec in SPECS:
        made = laid(clip, Looks, spec)
        assert inline(made)[1] == linked_up(made)[1]


@pytest.mark.parametrize("run", [inline, linked_up])
def test_a_stage_that_breaks_its_word_costs_its_frames_and_shows_nobody_half_a_picture(clip, run):
    published, _ = run(laid(clip, PassesAllOn, LinkSpec()))
    assert len(published) == FRAMES
    for seq, how, by, reason in told(published):
        if seq % 3:
            assert (how, by) == (How.FAILED, "s1")
            assert "only parts" in reason
        else:
            assert how is How.MEASURED


@settings(deadline=None)
@given(
    size=st.tuples(st.integers(33, 200), st.integers(33, 200)),
    corners=st.lists(st.tuples(*[st.floats(0, 1)] * 4), min_size=1, max_size=3),
    spec=st.sampled_from([LinkSpec(), LinkSpec(codec="jpeg", quality=60), LinkSpec(codec="jpeg", width=64)]),
    planar=st.booleans(),
    seed=st.integers(0, 9),
)
def test_what_was_asked_for_arrives_as_it_would_in_the_whole_picture(size, corners, spec, planar, seed):
    """To the bit; of YUV without its edge of odd pixels, which FFmpeg reads beyond."""
    pixels = np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), np.uint8)
    picture = YuvPicture(av.VideoFrame.from_ndarray(pixels, format="bgr24").reformat(format="yuv420p"))
    sent = Frame("cam", 1, 0.0, picture if planar else BgrPicture(pixels), *size)

    class Asks(Looks):
        @classmethod
        def parts(cls, config, frame, size):
            ends = np.array([[min(a, c), min(b, d), max(a, c), max(b, d)] for a, b, c, d in corners])
            boxes = (ends * [*size, *size]).astype(np.int64)
            return boxes[(boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])]

    first = PlacedStage("asks", Asks, StageConfig())
    link = Link("device", "edge", spec, True, first, AuditSpec(rate=0))
    places = parts_of(Ticket(sent), link, link.spec, picture_size(sent, link, link.spec))
    if places is None:
        return
    packed = codec.pack(Ticket(sent), spec, complete=True, places=places)
    got = codec.unpack(pickle.loads(pickle.dumps(packed)), Knobs()).frame
    whole = codec.unpack(codec.pack(Ticket(sent), spec, complete=True), Knobs()).frame
    assert got.in_parts
    assert not whole.in_parts
    assert got.bgr().shape == whole.bgr().shape
    width, height = (side // 2 * 2 for side in scaled(own_size(sent, spec), spec))
    for x0, y0, x1, y1 in Asks.parts(None, sent, scaled(own_size(sent, spec), spec)).tolist():
        ours, theirs = (view[y0 : min(y1, height), x0 : min(x1, width)] for view in (got.bgr(), whole.bgr()))
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("how", ["due", "straight", "audited"])
def test_a_frame_that_somebody_else_looks_at_crosses_whole(how):
    sent = Frame("cam", 1, 0.0, BgrPicture(np.zeros((120, 160, 3), np.uint8)), 160, 120)
    rate = 1.0 if how == "audited" else 0.0
    link = Link("device", "edge", LinkSpec(), True, PlacedStage("s", Looks, StageConfig()), AuditSpec(rate=rate))
    assert (
        parts_of(
            Ticket(sent, due=how == "due", straight=how == "straight"),
            link,
            link.spec,
            picture_size(sent, link, link.spec),
        )
        is None
    )


def test_most_of_a_picture_crosses_whole():
    """Parts have a head each, and are busier than the rest."""

    class Wide(Looks):
        @classmethod
        def parts(cls, config, frame, size):
            return np.array([[0, 0, size[0], size[1] // 2 + 8]])

    sent = Frame("cam", 1, 0.0, BgrPicture(np.zeros((120, 160, 3), np.uint8)), 160, 120)
    link = Link("device", "edge", LinkSpec(), True, PlacedStage("s", Wide, StageConfig()), AuditSpec(rate=0))
    assert parts_of(Ticket(sent), link, link.spec, picture_size(sent, link, link.spec)) is None
