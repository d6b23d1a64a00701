"""What moves boxes where nobody has said it: flow, until looks have borne vectors out. What must hold:

- nothing goes by vectors before enough boxes, as old as they become, were compared;
- boxes whose vectors disagree are judged by themselves;
- where there are no vectors all is as with flow; a restart forgets nothing.
"""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import clips
from tests.sources.decoding.test_vectors import FPS, HEIGHT, WIDTH, box_of, frames_of, picture
from tests.stages.conftest import ask
from tests.stages.track.conftest import found, measured
from tests.stages.track.test_track import overlap, track
from vidpipe.core.frame import Frame
from vidpipe.core.motion import CELL
from vidpipe.stages.track.choice import Choice
from vidpipe.stages.track.flow import no_points
from vidpipe.stages.track.tracks import Tracks

GROUND = [(x, 2, x + 32, 50) for x in range(5, 290, 40)]  # where nothing ever moves
EVERY = 5  # frames between looks


def tracks(boxes, unity=1.0):
    count = len(boxes)
    named = found(*boxes)
    named.tracker_id = np.arange(count)
    still, ones = np.zeros((count, 2), np.float32), np.ones(count, np.float32)
    return Tracks(named, np.array(boxes, np.float32), still, no_points(count), ones, 0 * ones, unity * ones)


def learnt(looks, old=EVERY, lost=0, unity=1.0, choice=None):
    """After looks at ten boxes each, of which vectors have lost so many, and flow none."""
    choice = choice or Choice()
    boxes = [(20 * i, 10, 20 * i + 15, 40) for i in range(10)]
    astray = [(x0, 200, x1, 230) if i < lost else (x0, y0, x1, y1) for i, (x0, y0, x1, y1) in enumerate(boxes)]
    for _ in range(looks):
        choice.learn(old, tracks(boxes), tracks(astray, unity), found(*boxes))
    return choice


@pytest.mark.parametrize(
    ("choice", "by"),
    [
        (Choice(), "flow"),
        (learnt(3), "flow"),
        (learnt(12), "both"),
        (learnt(12, unity=0.1), "flow"),
        (learnt(12, choice=learnt(12, unity=0.1)), "codec"),
        (learnt(12, choice=learnt(12, unity=0.1, lost=1)), "both"),
        (learnt(12, lost=1), "flow"),
        (learnt(12, old=2), "flow"),
        (learnt(12, old=3), "both"),
    ],
    ids=[
        "nothing is known",
        "too few looks",
        "of disunited boxes nothing is known",
        "of united boxes nothing is known",
        "both kinds are proven",
        "disunited boxes are lost",
        "one box in ten is lost",
        "boxes were younger",
        "boxes were half as old",
    ],
)
def test_vectors_move_what_was_proven_to_hold(choice, by):
    assert choice.means(EVERY) == by


def test_where_vectors_hold_what_flow_loses_they_are_taken():
    choice, box, off = Choice(), (0, 0, 40, 40), (60, 60, 100, 100)
    for _ in range(80):
        choice.learn(EVERY, tracks([off]), tracks([box]), found(box))
    assert choice.means(EVERY) == "both"


def test_what_a_look_finds_of_another_class_bears_nothing_out():
    choice, box, off = Choice(), (0, 0, 40, 40), (60, 60, 100, 100)
    for _ in range(80):
        choice.learn(EVERY, tracks([box]), tracks([off]), found(box, labels=[1]))
    assert choice.means(EVERY) == "both", "flow has lost it as well"
    for _ in range(20):
        choice.learn(EVERY, tracks([box]), tracks([off]), found(box))
    assert choice.means(EVERY) == "flow"


@given(st.lists(st.tuples(st.integers(0, 10), st.integers(1, 30)), max_size=40), st.integers(1, 30))
def test_law_a_loss_never_speaks_for_vectors(looks, old):
    choice, worse = Choice(), Choice()
    for lost, age in looks:
        learnt(1, age, lost, choice=choice)
        learnt(1, age, min(10, lost + 1), choice=worse)
    assert worse.means(old) == "flow"
    if choice.means(old) != "flow":
        assert sum(lost for lost, age in looks if 2 * age >= old) <= 0.02 * 10 * len(looks)


def test_once_much_is_known_little_is_tried():
    proven = learnt(12, choice=learnt(12, unity=0.1))
    for choice in (learnt(24, lost=1), learnt(12), proven):
        assert sum(choice.tries(EVERY) for _ in range(80)) == 10
        assert all(choice.tries(3 * EVERY) for _ in range(8)), "of boxes that become as old nothing is known"


def encoded(path, frames=75, **options):
    return frames_of(clips.encode(path, size=(WIDTH, HEIGHT), frames=frames, fps=FPS, picture=picture, **options))


def run(frames, motion="auto", late=0, stage=None):
    """Every fifth frame is looked at, and its answer comes so many frames later: answers, and the stage."""
    stage = stage or track(motion=motion, refresh_s=EVERY / FPS, change=1, failing=1)
    answers, due = [], {}
    for number, frame in enumerate(frames):
        answers.append(ask(stage, frame))
        if answers[-1] is None:
            due[number + late] = frame
        if (looked := due.pop(number, None)) is not None:
            boxes = [box_of(looked), *GROUND]
            stage.learn(looked, measured(looked.seq, found(*boxes)))
    return answers, stage


def lying(monkeypatch, lie):
    told = Frame.motion

    def motion(frame):
        true = told(frame)
        return None if true is None else true._replace(velocity=lie(true.velocity.copy(), frame))

    monkeypatch.setattr(Frame, "motion", motion)


def apart(velocity, frame):
    """Vectors of the thing that contradict each other."""
    x0, y0, x1, y1 = (box_of(frame) / CELL).astype(int)
    rows, columns = np.mgrid[y0 : y1 + 1, x0 : x1 + 1]
    velocity[rows, columns] += (600 * ((2 * rows + columns) % 4 - 1.5))[..., None]
    return velocity


@pytest.mark.parametrize("late", [0, 3])
def test_vectors_take_over_when_looks_have_proven_them(tmp_path, late):
    frames = encoded(tmp_path / "a.mp4")
    answers, stage = run(frames, late=late)
    assert stage.counts["boxes by flow"] > 0
    assert stage.counts["looks at both"] >= 4
    assert stage.counts["without vectors"] == 0
    before = stage.counts["boxes by vectors"]
    _, settled = run(encoded(tmp_path / "a.mp4"), late=late, stage=resumed(stage))
    assert settled.counts["boxes by vectors"] > before + settled.counts["boxes by flow"]
    assert overlap(answers[-1], box_of(frames[-1])) > 0.75


def resumed(stage):
    """Another instance that goes on where one has stopped, as after a restart."""
    other = track(**stage.config.model_dump())
    other.restore(pickle.loads(pickle.dumps(stage.snapshot())))
    return other


def test_vectors_that_lie_move_nothing(tmp_path, monkeypatch):
    lying(monkeypatch, lambda velocity, frame: velocity + 400)
    frames = encoded(tmp_path / "a.mp4")
    answers, stage = run(frames)
    assert stage.counts["looks at both"] >= 12
    assert stage.counts["boxes by vectors"] == 0
    assert overlap(answers[-1], box_of(frames[-1])) > 0.75
    steadily = run(frames, motion="flow")[0]
    assert [answer is None for answer in answers] == [answer is None for answer in steadily]


def test_a_box_whose_vectors_disagree_goes_by_flow_and_the_others_by_vectors(tmp_path, monkeypatch):
    lying(monkeypatch, apart)
    frames = encoded(tmp_path / "a.mp4")
    _, stage = run(frames)
    answers, stage = run(frames, stage=resumed(stage))
    assert stage.counts["boxes by vectors"] > 4 * stage.counts["boxes by flow"] / len(GROUND) > 0
    for answer, frame in zip(answers, frames, strict=True):
        if answer is not None and frame.pts > 0.5:
            assert overlap(answer, box_of(frame)) > 0.6


@pytest.mark.parametrize(
    ("name", "options"), [("a.avi", {"codec": "mjpeg", "pix_fmt": "yuvj420p"}), ("a.mp4", {"codec": "libx265"})]
)
def test_without_vectors_it_is_flow_and_says_so(tmp_path, name, options):
    frames = encoded(tmp_path / name, frames=30, **options)
    (answers, stage), (by_flow, _) = run(frames), run(frames, motion="flow")
    assert stage.counts["without vectors"] >= len(frames) - EVERY - 1
    assert stage.counts["looks at both"] == stage.counts["boxes by vectors"] == 0
    for one, other in zip(answers, by_flow, strict=True):
        assert (one is None) == (other is None)
        if one is not None:
            assert np.array_equal(one.detections.xyxy, other.detections.xyxy)


def test_it_may_be_chosen_and_left_while_it_runs(tmp_path):
    frames = encoded(tmp_path / "a.mp4")
    stage = track(motion="flow", refresh_s=EVERY / FPS, change=1, failing=1)
    for motion, part in (
        ("flow", frames[:12]),
        ("auto", frames[12:40]),
        ("codec", frames[40:50]),
        ("auto", frames[50:]),
    ):
        stage.config = stage.config.model_copy(update={"motion": motion})
        answers, _ = run(part, stage=stage)
    assert overlap(answers[-1], box_of(frames[-1])) > 0.75
