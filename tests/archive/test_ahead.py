"""Looking ahead: every frame gets one answer whatever looks come to, and boxes between two looks come from both."""

from dataclasses import replace

import numpy as np
import pytest
import supervision as sv
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import clips
from tests.archive.conftest import FRAMES, READ
from tests.archive.test_processes import chunks
from vidpipe.archive.ahead.between import Between, Way, without_look
from vidpipe.archive.ahead.looks import LookAhead
from vidpipe.archive.run import Options
from vidpipe.core.answer import Answer, How, nothing
from vidpipe.core.errors import ConfigError
from vidpipe.core.frame import Frame
from vidpipe.core.picture import YuvPicture
from vidpipe.stages.track.track import Track, TrackConfig
from vidpipe.stages.track.tracks import Tracks
from vidpipe.statistics.agreement import match, together

SIZE = 160, 120


def boxes(*rows, ids=None):
    xyxy = np.array(rows, np.float32).reshape(-1, 4)
    found = sv.Detections(xyxy=xyxy, confidence=np.ones(len(xyxy), np.float32), class_id=np.zeros(len(xyxy), int))
    found.data = {"class_name": np.full(len(xyxy), "thing")}
    found.tracker_id = np.array(ids if ids is not None else [], int) if ids is not None else None
    return found


def way(steps, ids, left=False):
    """Boxes at each step [steps, n, 4]."""
    at = np.array(steps, float).reshape(len(steps), -1, 4)
    measured = boxes(*np.nan_to_num(at[0]), ids=ids)
    return Way(measured, at, np.ones(at.shape[:2]), np.full(at.shape[1], left), Tracks.none(), 0)


def picture(seq, left):
    """A scene with a square of checks in it."""
    luma = (110 + 10 * np.sin(np.arange(SIZE[0]) / 7)).astype(np.uint8)[None].repeat(SIZE[1], axis=0)
    if left is not None:
        luma[50:74, left : left + 24] = np.where(np.indices((24, 24)).sum(axis=0) // 4 % 2, 225, 20)
    return Frame("cam", seq, seq / 10, YuvPicture(clips.of_luma(luma)), *SIZE)


def answered(config, lefts, fails=(), longest_s=None, finds=None):
    """What is said of frames with a square at these places, and which of them were looked at.

    `finds`: where looks find it; it is there by default.
    """
    looked = []

    def look(frame):
        looked.append(frame.seq)
        if frame.seq in fails:
            return Answer(nothing(), How.FAILED, "big", -1, "it raised")
        return Answer(found_at((finds or lefts)[frame.seq]), How.MEASURED, "big", frame.seq)

    ahead = LookAhead("cam", TrackConfig(**config), look, longest_s=longest_s)
    said = [each for seq, left in enumerate(lefts) for each in ahead.take(picture(seq, left))]
    return said + ahead.end(), looked, ahead


LEFTS = st.lists(st.one_of(st.none(), st.integers(0, 130)), min_size=1, max_size=40)


@settings(max_examples=40, deadline=None)
@given(
    lefts=LEFTS,
    fails=st.sets(st.integers(0, 39)),
    floor=st.sampled_from([None, 0.9]),
    refresh_s=st.sampled_from([0.0, 0.2, 1.0]),
    motion=st.sampled_from(["held", "flow"]),
)
def test_law_every_frame_is_said_once_and_in_order(lefts, fails, floor, refresh_s, motion):
    said, looked, _ = answered({"floor": floor, "refresh_s": refresh_s, "motion": motion}, lefts, fails)
    assert [each.seq for each in said] == list(range(len(lefts)))
    assert len(looked) == len(set(looked)), "no frame is looked at twice"
    for each in said:
        assert (each.look is not None) == (each.seq in looked and each.seq not in fails)
        if each.look is None and each.as_of >= 0:
            assert abs(each.seq - each.as_of) <= abs(each.seq - each.other) or each.other < 0


@settings(max_examples=60, deadline=None)
@given(
    first=st.tuples(st.floats(0, 60), st.floats(0, 60)),
    moves=st.tuples(st.floats(0, 80), st.floats(0, 40)),
    drifts=st.tuples(st.floats(-20, 20), st.floats(-20, 20)),
    share=st.floats(0.01, 0.99),
)
def test_law_what_both_ways_miss_evenly_is_made_good(first, moves, drifts, share):
    """Of a thing at constant speed, and flow that drifts at a constant rate, boxes are where the thing is."""
    steps = np.arange(5)[:, None] / 4
    true = np.array([[*first, first[0] + 20, first[1] + 20]]) + steps * np.array([*moves, *moves])
    onwards, back = true + steps * drifts[0], true + (1 - steps) * drifts[1]
    found, later = Between(way(onwards, [1]), way(back, [1]), steps[:, 0], (400, 400)).at(share)
    expected = np.array([*first, first[0] + 20, first[1] + 20]) + share * np.array([*moves, *moves])
    assert later == (share > 0.5)
    np.testing.assert_allclose(found.xyxy[0], np.clip(expected, 0, 400), atol=1e-3)


def test_who_one_look_alone_has_found_is_shown_half_of_the_way():
    stays = np.tile([10.0, 10, 30, 30], (3, 1))
    between = Between(way(stays, [1]), way(np.zeros((3, 0)), []), [0, 1, 2], SIZE)
    assert [len(between.at(pts)[0]) for pts in (0.5, 1.0, 1.5)] == [1, 1, 0]
    gone = np.concatenate([stays, np.full((2, 4), np.nan)])
    leaves = Between(way(gone, [1], left=True), way(np.zeros((5, 0)), []), [0, 1, 2, 3, 4], SIZE)
    assert [len(leaves.at(pts)[0]) for pts in (0.5, 1.9, 2.5, 3.5)] == [1, 1, 1, 0]


def test_a_look_is_held_out_whatever_identities_it_would_lend():
    """Boxes of both neighbours are the same thing where they meet, by no number that came through the look between."""
    still = np.tile([10.0, 10, 30, 30], (2, 1))
    moved = np.tile([12.0, 10, 32, 30], (2, 1))
    held_out = without_look(way(still, [1]), way(moved, [2]), 0.5, SIZE)
    np.testing.assert_allclose(held_out.xyxy, [[11, 10, 31, 30]])
    elsewhere = np.tile([80.0, 10, 100, 30], (2, 1))
    apart = without_look(way(still, [1]), way(elsewhere, [1]), 0.4, SIZE)
    np.testing.assert_allclose(apart.xyxy, [[10, 10, 30, 30]])


def test_both_ways_take_fewer_looks_and_hold_the_floor():
    lefts = [int(60 + 50 * np.sin(seq / 12)) for seq in range(300)]
    said, looked, ahead = answered({"floor": 0.9, "refresh_s": 1.0}, lefts)
    held = [match(each.detections, boxes([lefts[each.seq], 50, lefts[each.seq] + 24, 74])) for each in said]
    assert together(held).f1 >= 0.9
    assert len(looked) < 300 / 3
    assert ahead.aging.frames > 2
    assert set(range(5)) <= set(looked), "every frame is looked at until more is proven"


def looks_of_a_run(lefts, finds):
    """How many frames the tracker of a run has looked at."""
    stage, looks = Track(), 0
    stage.id, stage.config = "track", TrackConfig(floor=0.9, refresh_s=1.0)
    stage.open(None)
    for seq, left in enumerate(lefts):
        frame = picture(seq, left)
        if stage.answer([frame]) == [None]:
            looks += 1
            stage.learn(frame, Answer(found_at(finds[seq]), How.MEASURED, "big", seq))
    return looks


def found_at(left):
    return boxes() if left is None else boxes([left, 50, left + 24, 74])


CHANCE = np.random.default_rng(5)
MOVES = [int(60 + 50 * np.sin(seq / 12)) for seq in range(300)]
STAYS = [60] * 300
FLICKERS = [None if CHANCE.random() < 0.12 else 60 for _ in range(300)]
JUMPS = [int(CHANCE.integers(0, 130)) for _ in range(100)]


@pytest.mark.long
@pytest.mark.parametrize(("lefts", "finds"), [(MOVES, MOVES), (STAYS, FLICKERS), (JUMPS, JUMPS)])
def test_the_floor_is_held_by_about_as_many_looks_as_in_a_run_at_most(lefts, finds):
    """A thing that moves, one that a detector misses now and then, and one that is elsewhere in each frame.

    They are half a minute, most of which both need to prove anything.
    """
    said, looked, _ = answered({"floor": 0.9, "refresh_s": 1.0}, lefts, finds=finds)
    assert together(match(each.detections, found_at(finds[each.seq])) for each in said).f1 >= 0.9
    assert len(looked) <= 1.2 * looks_of_a_run(lefts, finds)


def test_what_passes_between_looks_is_no_proof():
    """A thing that is in one frame of ten alone is found by no neighbour, however few looks find it."""
    lefts = [60 if seq % 10 == 0 else None for seq in range(200)]
    _, looked, ahead = answered({"floor": 0.9, "refresh_s": 1.0}, lefts)
    assert len(looked) == 200
    assert ahead.aging.frames == 1


def test_where_nothing_holds_every_frame_is_looked_at():
    chance = np.random.default_rng(1)
    lefts = [int(chance.integers(0, 130)) for _ in range(200)]
    _, looked, ahead = answered({"floor": 0.9, "refresh_s": 1.0}, lefts)
    assert ahead.aging.frames == 1
    assert len(looked) == 200


def test_nothing_is_carried_over_a_cut():
    before = picture(0, 40)
    after = Frame("cam", 1, 0.1, YuvPicture(clips.of_luma(255 - before.luma())), *SIZE)
    found = boxes([40, 50, 64, 74])
    ahead = LookAhead("cam", TrackConfig(refresh_s=1), lambda frame: Answer(found, How.MEASURED, "big", frame.seq))
    said = ahead.take(before) + ahead.take(after) + ahead.end()
    assert [(each.seq, each.as_of) for each in said] == [(0, 0), (1, 1)]
    assert ahead.counts["broken off"] == 1


WIDE = """
classes: {even: even, odd: odd}
stages:
  - {id: track, type: track, refresh_s: 0.2, motion: held}
  - {id: big, type: mystages:Wide, on: cloud}
audit: {rate: 0.2}
"""
FINDS = '''

class Wide(Read):
    """Finds a wide thing that goes on by a pixel a picture; it slips at picture 45."""

    def measure(self, frame):
        n = number(frame)
        if n == 45:
            raise ValueError("it slips")
        boxes = sv.Detections(
            xyxy=np.array([[n, 20, n + 60, 56]], np.float32), confidence=np.array([0.9]),
            class_id=np.array([0]), data={"class_name": np.array(["even"])},
        )
        return Answer(boxes, How.MEASURED, self.id, frame.seq)
'''
DESCRIBES = """
models: {who: {path: "mystages:Vectors", family: embedder}}
transforms: [{id: looks, type: describe, model: who}]
"""
OWN = """
from vidpipe.transforms.base import Transform


class Own(Transform):
    def apply(self, frame, answer, moment):
        return None


class Blind(Own):
    needs_frame = False
"""
AHEAD = Options(chunk_s=0.75, warm_up_s=0.19, look_ahead=True)


@pytest.fixture
def wide(archiver):
    with (archiver.folder / "mystages.py").open("a") as stages:
        stages.write(FINDS + OWN)
    return archiver


def test_an_archive_that_looks_ahead_answers_every_frame_once_and_tells_who(wide):
    outcome = wide(WIDE, {"clip": wide.clip()}, AHEAD)
    lines, report = wide.lines(), wide.report()
    assert [line["seq"] for line in lines] == list(range(FRAMES))
    assert {line["how"] for line in lines} <= {"measured", "tracked", "failed"}
    clip = report["streams"]["clip"]
    assert clip["frames_in"] == FRAMES == sum(clip["how"].values())
    assert report["stages"]["track"]["answered"] > FRAMES / 3
    assert clip["audits"]["track"]["audited"] > 3
    assert clip["accuracy"]["f1"] == 1
    truth = [each["detections"][0]["xyxy"] for each in lines if each["how"] != "failed"]
    assert truth == [[n, 20, n + 60, 56] for n in range(FRAMES) if lines[n]["how"] != "failed"]
    tracked = [line for line in lines if line["how"] == "tracked"]
    assert any(line["as_of"] > line["seq"] for line in tracked)
    assert any("between frames" in line["reason"] for line in tracked)
    assert all(line["model"] is None or line["by"] for line in lines)
    assert outcome.exit_status == (1 if any(line["how"] == "failed" for line in lines) else 0)


def test_parquet_and_the_store_get_what_it_says(wide):
    parquet = pytest.importorskip("pyarrow.parquet")
    file = wide.folder / "events.db"
    options = replace(AHEAD, parquet=True, store=file)
    wide(WIDE, {"clip": wide.clip()}, options)
    rows = parquet.read_table(wide.folder / "out" / "clip.parquet").to_pylist()
    assert {row["seq"] for row in rows} == set(range(FRAMES))
    assert file.stat().st_size


def test_it_goes_on_to_the_same_bytes_after_a_worker_died(wide):
    clip = wide.clip()
    wide(WIDE, {"clip": clip}, AHEAD, out="whole")
    deaths = iter(["killed by SIGKILL", "", "killed by SIGKILL"])
    wide.dies = lambda task: next(deaths, "")
    wide(WIDE, {"clip": clip}, AHEAD)
    before = chunks(wide.folder / "out")
    first, *_ = before
    first.unlink()
    wide(WIDE, {"clip": clip}, AHEAD)
    assert wide.lines() == wide.lines(out="whole")


@pytest.mark.parametrize(
    ("pipeline", "says"),
    [
        (READ, "has none: add one"),
        (
            WIDE.replace("  - {id: track", "  - {id: difference, type: difference}\n  - {id: track"),
            "difference.enabled=false",
        ),
        (WIDE + DESCRIBES, "transform looks may look at pictures.*leave out one of the two"),
        (
            WIDE + "transforms: [{id: own, type: mystages:Own}]",
            "transform own may look at pictures.*needs_frame = False",
        ),
    ],
)
def test_a_pipeline_that_cannot_look_ahead_is_refused_with_what_to_do(wide, pipeline, says):
    with pytest.raises(ConfigError, match=says):
        wide(pipeline, {"clip": wide.clip()}, AHEAD)


def test_a_transform_that_needs_no_pictures_may_be_there(wide):
    wide(WIDE + "transforms: [{id: blind, type: mystages:Blind}]", {"clip": wide.clip()}, AHEAD)
    assert len(wide.lines()) == FRAMES


def test_an_archive_that_did_not_look_ahead_does_not_begin_to(wide):
    wide(WIDE, {"clip": wide.clip()}, Options(chunk_s=0.75, warm_up_s=0.19))
    with pytest.raises(ConfigError, match="look_ahead was null and is true"):
        wide(WIDE, {"clip": wide.folder / "clip.mp4"}, AHEAD)
