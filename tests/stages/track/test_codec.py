"""Boxes that go by the vectors of a codec: laws on made fields, and a thing that is followed through encoded clips."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.sources.decoding.test_vectors import ENCODERS, FPS, box_of, encode, frames_of
from tests.stages.conftest import ask
from tests.stages.track.conftest import found, measured
from tests.stages.track.test_track import overlap, track
from vidpipe.core.frame import Frame
from vidpipe.core.motion import CELL, Motion
from vidpipe.stages.track import codec
from vidpipe.stages.track.codec import Gathered, move

ROWS, COLUMNS = 15, 20
STEP_S = 0.04
BOX = (100.0, 80.0, 180.0, 160.0)
speeds = st.floats(-300, 300, width=32).map(lambda speed: np.float32(0 if abs(speed) < 20 else speed))


def field(*moving, reach_s=STEP_S):
    """Still ground, on which these boxes move: ((x0, y0, x1, y1), (vx, vy)) in pixels a second."""
    motion = Motion(
        np.zeros((ROWS, COLUMNS, 2), np.float32), np.ones((ROWS, COLUMNS), bool), origin=(0, 0), reach_s=reach_s
    )
    y, x = np.mgrid[:ROWS, :COLUMNS] * CELL + CELL / 2
    for (x0, y0, x1, y1), velocity in moving:
        motion.velocity[(x >= x0) & (x < x1) & (y >= y0) & (y < y1)] = velocity
    return motion


def moved(motion, *boxes, velocity=None, seconds=STEP_S, blind_s=0.0):
    expected = np.zeros((len(boxes), 2), np.float32) if velocity is None else np.array(velocity, np.float32) * seconds
    blind_s = np.full(len(boxes), blind_s, np.float32)
    return move(motion, np.array(boxes, np.float32).reshape(-1, 4), expected, seconds, blind_s)


@given(speeds, speeds)
def test_law_a_box_goes_where_its_vectors_go(x, y):
    there = moved(field((BOX, (x, y))), BOX)
    shift = np.array([x, y]) * STEP_S
    assert np.abs((there.boxes[0, :2] + there.boxes[0, 2:]) / 2 - (140, 120) - shift).max() <= 0.1 * np.abs(shift).max()
    assert there.trust.tolist() == [1.0]
    assert there.boxes[0, 2] - there.boxes[0, 0] == pytest.approx(80, abs=1)


@given(speeds, speeds)
def test_law_one_that_goes_on_as_expected_goes_exactly_so(x, y):
    there = moved(field((BOX, (x, y))), BOX, velocity=[(x, y)])
    assert there.boxes[0] == pytest.approx(np.array(BOX) + np.tile([x, y], 2) * STEP_S, abs=0.05)
    assert there.velocity[0] == pytest.approx(np.array([x, y]) * STEP_S, abs=1e-3)


@given(speeds, speeds)
def test_law_where_nothing_is_known_a_box_goes_on(x, y):
    there = moved(Motion.unknown(320, 240), BOX, velocity=[(x, y)])
    assert there.boxes[0] == pytest.approx(np.array(BOX) + np.tile([x, y], 2) * STEP_S, abs=1e-2)
    assert there.trust.tolist() == [0.0]


def test_over_a_gap_that_vectors_do_not_reach_over_a_box_goes_on_for_a_while_and_rests():
    motion = field((BOX, (500, 0)))
    assert moved(motion, BOX, velocity=[(50, 0)], seconds=0.08).boxes[0, 0] == pytest.approx(104)
    assert moved(motion, BOX, velocity=[(50, 0)], seconds=10).boxes[0, 0] == pytest.approx(110)
    reaching = motion._replace(reach_s=0.08)
    assert moved(reaching, BOX, seconds=0.08).boxes[0, 0] > 130


def test_vectors_that_reach_over_pictures_which_told_nothing_make_good_for_them():
    motion = field((BOX, (100, 0)), reach_s=3 * STEP_S)
    assert moved(motion, BOX, blind_s=2 * STEP_S).boxes[0, 0] == pytest.approx(112, abs=1)
    assert moved(motion, BOX, blind_s=10 * STEP_S).boxes[0, 0] == pytest.approx(112, abs=1)
    assert moved(motion, BOX).boxes[0, 0] == pytest.approx(104, abs=0.5)


def test_ground_in_a_box_does_not_hold_it_back():
    half = (100.0, 80.0, 140.0, 160.0)
    assert moved(field((half, (100, 0))), BOX).boxes[0, 0] == pytest.approx(104, abs=0.6)


def test_what_stands_before_a_box_does_not_take_it_along():
    nearer = (144.0, 64.0, 208.0, 208.0)
    there = moved(field((BOX, (-50, 0)), (nearer, (200, 0))), BOX, nearer)
    assert there.boxes[0, 0] == pytest.approx(98, abs=0.6)
    assert there.boxes[1, 0] == pytest.approx(152, abs=0.6)


@pytest.mark.parametrize("growth", [0.15, -0.15])
def test_a_box_grows_as_what_is_in_it_spreads(growth):
    motion = field()
    y, x = np.mgrid[:ROWS, :COLUMNS] * CELL + CELL / 2
    motion.velocity[..., 0], motion.velocity[..., 1] = growth * (x - 140), growth * (y - 120)
    there = moved(motion, BOX)
    assert there.boxes[0, 2] - there.boxes[0, 0] == pytest.approx(80 * (1 + growth * STEP_S), abs=0.2)


def test_boxes_outside_the_picture_and_none_at_all():
    outside = (-300.0, -300.0, -200.0, -200.0)
    there = moved(field((BOX, (100, 0))), outside, (0.0, 0.0, 0.0, 0.0), BOX)
    assert there.trust.tolist() == [0.0, 1.0, 1.0]
    assert there.boxes[0].tolist() == list(outside)
    assert moved(field()).boxes.shape == (0, 4)


def gathered(*motions, seconds=STEP_S):
    gathered = Gathered()
    for motion in motions:
        gathered.add(motion, seconds)
    return gathered.take()


@given(speeds, speeds, st.integers(1, 6))
def test_law_steps_that_are_gathered_lead_where_they_lead_one_by_one(x, y, steps):
    """Of what stays in its cells meanwhile."""
    velocity = np.array([x, y]) * min(1.0, CELL / (300 * steps * STEP_S))
    one = field((BOX, velocity))
    boxes = np.array([BOX], np.float32)
    for _ in range(steps):
        boxes = move(one, boxes, velocity[None].astype(np.float32) * STEP_S, STEP_S, np.zeros(1, np.float32)).boxes
    joined = gathered(*[one] * steps)
    assert joined.reach_s == pytest.approx(steps * STEP_S)
    together = moved(joined, BOX, velocity=[velocity], seconds=steps * STEP_S)
    assert together.boxes == pytest.approx(boxes, abs=0.3)
    assert together.trust.tolist() == [1.0]


def test_gathered_over_a_key_frame_a_box_goes_on_as_in_the_rest():
    moving, key = field((BOX, (100, 0))), Motion.unknown(320, 240)
    for told in ((moving, key, moving), (key, moving, moving), (moving, moving, key)):
        assert moved(gathered(*told), BOX, seconds=3 * STEP_S, velocity=[(100, 0)]).boxes[0, 0] == pytest.approx(112)


def test_gathered_with_vectors_that_reach_over_pictures_which_told_nothing():
    moving, blind = field((BOX, (100, 0)), reach_s=3 * STEP_S), Motion.unknown(320, 240)
    slower = field((BOX, (50, 0)))
    joined = gathered(blind, blind, moving, slower)
    assert joined.reach_s == pytest.approx(4 * STEP_S)
    assert joined.velocity[7, 8] == pytest.approx((87.5, 0), abs=0.5), "by the time that each tells of"
    behind = gathered(moving, slower)
    assert behind.reach_s == pytest.approx(4 * STEP_S), "so much of the time before the first was made good"


def test_where_most_of_a_step_is_not_told_a_box_goes_on_as_it_went():
    moving, key = field((BOX, (100, 0))), Motion.unknown(320, 240)
    joined = gathered(key, moving, key, key)
    assert not joined.known.any()
    assert moved(joined, BOX, seconds=4 * STEP_S, velocity=[(20, 0)]).boxes[0, 0] == pytest.approx(103.2)


def test_what_is_gathered_of_a_picture_of_another_size_counts_for_nothing():
    small = Motion.unknown(160, 120)
    joined = gathered(small, field((BOX, (100, 0))), field((BOX, (100, 0))))
    assert joined.known.shape == (ROWS, COLUMNS)
    assert joined.known.all()


def test_nothing_gathered_is_no_motion():
    assert Gathered().take() is None


def test_fast_things_are_moved_before_they_leave_the_cells_that_tell_of_them():
    gathered = Gathered()
    gathered.add(field(), STEP_S)
    assert not gathered.is_far(np.array([[300, -100]], np.float32))
    assert gathered.is_far(np.array([[0, 0], [0, -500]], np.float32))
    gathered.add(field(), STEP_S)
    assert gathered.is_far(np.array([[300, -100]], np.float32))
    assert not gathered.is_far(np.zeros((0, 2), np.float32))


def test_what_was_gathered_before_a_step_of_flow_is_no_part_of_the_next(tmp_path, monkeypatch):
    frames = frames_of(encode(tmp_path / "a.mp4"))
    told, moves = Frame.motion, []
    monkeypatch.setattr(Frame, "motion", lambda frame: None if frame.seq == frames[2].seq else told(frame))
    monkeypatch.setattr(
        codec, "move", lambda motion, *rest: moves.append((motion.reach_s, rest[2])) or move(motion, *rest)
    )
    stage = track(motion="codec", refresh_s=60, change=1, failing=1, step_s=2 / FPS)
    assert ask(stage, frames[0]) is None
    stage.learn(frames[0], measured(frames[0].seq, found(box_of(frames[0]))))
    for frame in frames[1:5]:
        ask(stage, frame)
    assert moves == [(pytest.approx(2 / FPS, abs=1e-3), pytest.approx(2 / FPS, abs=1e-3))]


def followed(frames, late=0):
    """A stage that is told of the thing in the first frame alone, so many frames later: how well it knows the last."""
    stage = track(motion="codec", refresh_s=60, change=1, failing=1)
    first = frames[0]
    assert ask(stage, first) is None
    for frame in frames[1 : late + 1]:
        assert ask(stage, frame) is None
        stage.forget(frame)
    stage.learn(first, measured(first.seq, found(box_of(first))))
    answers = [ask(stage, frame) for frame in frames[late + 1 :]]
    return overlap(answers[-1], box_of(frames[-1])), stage


@pytest.mark.parametrize("encoder", ENCODERS)
def test_a_box_follows_its_thing_through_key_frames(tmp_path, encoder):
    name, options = ENCODERS[encoder]
    known, stage = followed(frames_of(encode(tmp_path / name, **options)))
    assert known > 0.75
    assert not stage.counts["without vectors"]


@pytest.mark.parametrize("options", [{"rotation": 90}, {"rotation": 180, "hflip": True}])
def test_a_box_follows_its_thing_in_a_picture_that_was_turned(tmp_path, options):
    known, _ = followed(frames_of(encode(tmp_path / "a.mp4", **options)))
    assert known > 0.75


def test_a_late_answer_comes_to_the_present_by_the_vectors_since(tmp_path):
    known, _ = followed(frames_of(encode(tmp_path / "a.mp4", b_frames=2)), late=25)
    assert known > 0.75


@pytest.mark.parametrize(
    ("name", "options"), [("a.avi", {"codec": "mjpeg", "pix_fmt": "yuvj420p"}), ("a.mp4", {"codec": "libx265"})]
)
def test_where_there_are_no_vectors_it_goes_by_flow_and_says_so(tmp_path, name, options):
    frames = frames_of(encode(tmp_path / name, **options))
    known, stage = followed(frames)
    assert known > 0.75
    assert stage.counts["without vectors"] == len(frames)


def test_a_picture_that_is_lost_between_is_bridged(tmp_path):
    frames = frames_of(encode(tmp_path / "a.mp4"))
    known, _ = followed([frame for frame in frames if frame.seq % 7 != 3])
    assert known > 0.7


def test_other_settings_while_it_runs(tmp_path):
    """From flow to vectors, to held boxes and back: nothing is lost."""
    frames = frames_of(encode(tmp_path / "a.mp4"))
    stage = track(motion="flow", refresh_s=60, change=1, failing=1)
    assert ask(stage, frames[0]) is None
    stage.learn(frames[0], measured(0, found(box_of(frames[0]))))
    for motion, part in (("flow", frames[1:10]), ("codec", frames[10:20]), ("flow", frames[20:])):
        stage.config = stage.config.model_copy(update={"motion": motion})
        answers = [ask(stage, frame) for frame in part]
    assert overlap(answers[-1], box_of(frames[-1])) > 0.6
    assert frames[-1].pts == pytest.approx((len(frames) - 1) / FPS)
