"""Between looks boxes are moved on; a look comes when it is due or something asks for it, and late answers catch up."""

from __future__ import annotations

import pickle
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from tests.stages.conftest import ask, opened
from tests.stages.track.conftest import FPS, at, found, measured, scene, shifted, texture
from vidpipe.core.answer import Answer, How, nothing
from vidpipe.core.frame import Frame
from vidpipe.core.picture import BgrPicture
from vidpipe.core.settings import Knobs
from vidpipe.models.base import Classes, ModelSpec
from vidpipe.models.boxes import iou
from vidpipe.models.library import Library
from vidpipe.sources.base import StreamSpec
from vidpipe.sources.files.file import FileSource
from vidpipe.stages.track.track import Track
from vidpipe.stages.track.tracks import Tracks

BOX, NEW = (40, 80, 80, 160), (200, 80, 240, 160)
track = partial(opened, Track)
patient = partial(track, refresh_s=60)


def look(stage, frame, *boxes, **columns):
    """The frame is passed on and answered at once; what becomes of the answer."""
    assert ask(stage, frame) is None
    return stage.learn(frame, measured(frame.seq, found(*boxes, **columns)))


def place(box, seq, step=4):
    return shifted(box, step * seq)


def overlap(answer, box):
    boxes = answer.detections.xyxy
    return float(iou(boxes, np.array(box, np.float32)).max(initial=0)) if len(boxes) else 0.0


def test_boxes_move_on_until_the_next_look_is_due():
    stage, answers = track(refresh_s=0.5), {}
    for seq in range(16):
        frame = at(seq, place(BOX, seq))
        answers[seq] = ask(stage, frame)
        if answers[seq] is None:
            stage.learn(frame, measured(seq, found(place(BOX, seq))))
    looks = [seq for seq, answer in answers.items() if answer is None]
    assert looks == [0, 5, 10, 15]
    for seq, answer in answers.items():
        if answer is not None:
            assert (answer.how, answer.by, answer.as_of) == (How.TRACKED, "track", seq // 5 * 5)
            assert answer.reason == f"1 boxes moved on from frame {answer.as_of}"
            assert overlap(answer, place(BOX, seq)) > 0.8
            assert answer.detections.tracker_id.tolist() == [1]


@pytest.mark.parametrize(("jump", "fewer"), [(0, True), (40, False)])
def test_the_time_between_looks_adapts(jump, fewer):
    """A thing that stands still needs few looks; one that leaps while nobody looks at it many."""
    stage, looks = track(refresh_s=2, agreement=0.9, change=1, failing=1), []
    for seq in range(100):
        box = shifted(BOX, (seq // 5) % 4 * jump)
        frame = at(seq, box, seeds=[seq // 5 if jump else 1])
        if ask(stage, frame) is None:
            looks.append(seq)
            stage.learn(frame, measured(seq, found(box)))
    assert looks[0] == 0
    assert (len(looks) < 15) == fewer
    assert np.diff(looks).max() <= 20


def test_looks_of_different_models_say_nothing_of_the_time_between_them():
    """One sees two things, the other one of them; flow follows both without fault, for as long as it is asked to."""
    stage, looks = track(refresh_s=1, agreement=0.9, change=1, failing=1), []
    for seq in range(100):
        if ask(stage, at(seq, BOX, NEW)) is None:
            by, boxes = ("big", (BOX, NEW)) if len(looks) % 2 else ("little", (BOX,))
            looks.append(seq)
            stage.learn(at(seq, BOX, NEW), replace(measured(seq, found(*boxes)), by=by))
    assert np.diff(looks).min() >= 2


def test_every_frame_is_looked_at_and_named_where_refresh_is_0():
    stage = track(refresh_s=0)
    named = [look(stage, at(seq, place(BOX, seq)), place(BOX, seq)) for seq in range(5)]
    assert [answer.detections.tracker_id.tolist() for answer in named] == [[1]] * 5
    assert [answer.as_of for answer in named] == list(range(5))


def test_an_answer_is_completed_not_changed():
    stage, frame = patient(), at(0, BOX)
    assert ask(stage, frame) is None
    told = measured(0, found(BOX, labels=[1]))
    completed = stage.learn(frame, told)
    assert told.detections.tracker_id is None
    assert completed.detections.data["class_name"].tolist() == ["vehicle"]
    assert (completed.how, completed.by) == (told.how, told.by)


def test_what_nobody_measured_is_not_learnt():
    stage, frame = patient(), at(3, BOX)
    assert ask(stage, frame) is None
    assert stage.learn(frame, Answer(found(BOX), How.REUSED, "cache", 1)) is None
    assert ask(stage, at(4, BOX)) is None  # still nothing is known


def test_something_new_triggers_a_look():
    stage = patient()
    look(stage, at(0, BOX), BOX)
    assert ask(stage, at(1, place(BOX, 1))) is not None
    assert ask(stage, at(2, place(BOX, 2), NEW)) is None
    assert stage.counts == {"look by refresh": 1, "look by change": 1}


def test_known_things_that_move_trigger_none():
    stage = patient()
    look(stage, at(0, BOX), BOX)
    assert all(ask(stage, at(seq, place(BOX, seq))) is not None for seq in range(1, 20))


def test_lost_tracks_trigger_a_look():
    stage = patient(change=1)
    look(stage, at(0, BOX, NEW), BOX, NEW)
    assert ask(stage, at(1, BOX, NEW)) is not None
    assert ask(stage, at(2)) is None  # both have gone from where they were


def test_behind_a_cut_boxes_are_followed_from_the_first_look_on():
    stage = patient()
    look(stage, at(0, BOX), BOX)
    elsewhere = texture(9, 320, 240)
    look(stage, at(1, BOX, ground=elsewhere), BOX)
    assert stage.counts["broken off"] == 1
    answer = ask(stage, at(2, place(BOX, 1), ground=elsewhere))
    assert answer.detections.xyxy[0, 0] - BOX[0] == pytest.approx(4, abs=0.5)


def test_a_cut_drops_all_tracks_and_triggers_a_look():
    stage = patient(change=1, failing=1)
    look(stage, at(0, BOX), BOX)
    elsewhere = texture(7, 320, 240)
    cut = at(1, ground=elsewhere)
    assert ask(stage, cut) is None
    assert stage.fallback(cut) is None  # nothing is known of this scene
    assert stage.counts["broken off"] == 1
    stage.learn(cut, measured(1, found()))
    answer = ask(stage, at(2, ground=elsewhere))
    assert (len(answer.detections), answer.as_of) == (0, 1)


@pytest.mark.parametrize("size", [(640, 480), (160, 120), (321, 241)])
def test_pictures_of_another_size_begin_anew(size):
    stage = patient()
    look(stage, at(0, BOX), BOX)
    width, height = size
    other = Frame("cam", 1, 0.1, BgrPicture(np.dstack([texture(1, width, height)] * 3)), width, height)
    assert ask(stage, other) is None
    assert stage.learn(other, measured(1, found((10, 10, 50, 60)))).detections.tracker_id is not None


def test_time_that_goes_back_begins_anew():
    stage = patient()
    look(stage, at(50, BOX), BOX)
    assert ask(stage, Frame("cam", 51, 0.0, at(0, BOX).picture, 320, 240)) is None


@pytest.mark.parametrize("boxes", [[], [(0, 0, 0, 0)], [(300, 200, 340, 260)], [(-10, -10, 400, 300)]])
def test_empty_answers_and_boxes_at_the_edge(boxes):
    stage = patient(change=1, failing=1)
    look(stage, at(0), *boxes)
    answer = ask(stage, at(1))
    assert len(answer.detections) <= len(boxes)
    assert (np.asarray(answer.detections.xyxy) <= [320, 240, 320, 240]).all()


def test_hundreds_of_objects():
    corners = np.random.default_rng(0).uniform(0, 280, (400, 2)) * [1, 0.7]
    boxes = np.concatenate([corners, corners + np.array([20, 40])], axis=1)
    stage = patient(change=1, failing=1)
    completed = look(stage, at(0), *boxes)
    assert len(set(completed.detections.tracker_id.tolist())) == 400
    assert ask(stage, at(1)).how is How.TRACKED


def test_a_late_answer_is_brought_to_the_present():
    """Glimpse's active cache: the boxes are those of frame 0, the answer is known only after frame 8."""
    stage = patient(in_flight=1)
    first = at(0, BOX)
    assert ask(stage, first) is None
    for seq in range(1, 9):
        late = at(seq, place(BOX, seq, 5))
        assert ask(stage, late) is None  # nothing is known yet
        assert stage.fallback(late) is None
    stage.learn(first, measured(0, found(BOX)))
    answer = ask(stage, at(9, place(BOX, 9, 5)))
    assert answer.as_of == 0
    assert overlap(answer, place(BOX, 9, 5)) > 0.7


def test_looks_under_way_are_bounded_and_their_answers_build_on_each_other():
    stage = track(refresh_s=0.2, in_flight=2, change=1, failing=1)
    look(stage, at(0, BOX), BOX)
    passed = {seq: at(seq, place(BOX, seq)) for seq in range(1, 10) if ask(stage, at(seq, place(BOX, seq))) is None}
    assert list(passed) == [2, 4]
    for seq, frame in passed.items():
        completed = stage.learn(frame, measured(seq, found(place(BOX, seq))))
        assert completed.detections.tracker_id.tolist() == [1]
    answer = ask(stage, at(10, place(BOX, 10)))
    assert answer is None  # room again
    assert overlap(stage.fallback(at(10, place(BOX, 10))), place(BOX, 10)) > 0.8


def test_answers_out_of_order_do_not_turn_back_time():
    stage = track(refresh_s=0.1, in_flight=4, change=1, failing=1)
    look(stage, at(0, BOX), BOX)
    frames = [at(seq, place(BOX, seq)) for seq in range(1, 4)]
    assert [ask(stage, frame) for frame in frames] == [None] * 3
    stage.learn(frames[2], measured(3, found(place(BOX, 3))))
    assert stage.learn(frames[0], measured(1, found(place(BOX, 1)))) is None
    assert stage.fallback(frames[2]).as_of == 3


def test_a_checked_answer_is_learnt():
    """An audit: the stage had answered, and is told what the last stage saw."""
    stage = patient(change=1)
    look(stage, at(0, BOX), BOX)
    audited = at(1, BOX, NEW)
    assert ask(stage, audited) is not None
    completed = stage.learn(audited, measured(1, found(BOX, NEW)))
    assert sorted(completed.detections.tracker_id.tolist()) == [1, 2]
    assert len(ask(stage, at(2, BOX, NEW)).detections) == 2


def test_a_look_that_went_past_is_learnt_too():
    """A stage above was checked: this one is not asked, and told what was seen."""
    stage = patient(change=1)
    look(stage, at(0, BOX), BOX)
    ask(stage, at(1, place(BOX, 1)))
    past = at(2, place(BOX, 2), NEW)
    completed = stage.learn(past, measured(2, found(place(BOX, 2), NEW)))
    assert sorted(completed.detections.tracker_id.tolist()) == [1, 2]
    assert ask(stage, at(3, place(BOX, 3), NEW)).as_of == 2


@pytest.mark.parametrize(("fps", "apart"), [(10, 1), (30, 3), (60, 6)])
def test_between_steps_of_flow_things_go_on_as_they_went(fps, apart, monkeypatch):
    """Flow ten times a second: at higher rates boxes go on at their velocity in between, and are as right."""
    stage, steps = patient(), []
    step = Tracks.step
    monkeypatch.setattr(Tracks, "step", lambda self, *way: steps.append(way[1].seq) or step(self, *way))
    for seq in range(4 * apart + 3):
        asked = Frame("cam", seq, seq / fps, at(0, shifted(BOX, seq)).picture, 320, 240)
        answer = ask(stage, asked)
        if answer is None:
            stage.learn(asked, measured(seq, found(shifted(BOX, seq))))
        elif seq > 2 * apart:
            assert overlap(answer, shifted(BOX, seq)) > 0.85
    assert np.diff(steps).tolist() == [apart] * (len(steps) - 1)


def test_an_audit_is_as_good_as_a_look_and_saves_the_next():
    stage, looks = track(refresh_s=0.5), []
    for seq in range(16):
        frame = at(seq, place(BOX, seq))
        answer = ask(stage, frame)
        if answer is None or seq == 3:
            stage.learn(frame, measured(seq, found(place(BOX, seq))))
        if answer is None:
            looks.append(seq)
    assert looks == [0, 8, 13]


def test_an_audit_that_is_late_is_learnt_too():
    stage = patient(change=1)
    look(stage, at(0, BOX), BOX)
    audited = at(1, BOX, NEW)
    ask(stage, audited)
    assert stage.fallback(audited).as_of == 0
    ask(stage, at(2, BOX, NEW))
    stage.learn(audited, measured(1, found(BOX, NEW)))
    assert len(ask(stage, at(3, BOX, NEW)).detections) == 2


def test_identities_survive_a_restart():
    """The first frame is looked at: what was followed was followed in pictures, which no snapshot holds."""
    stage = patient()
    look(stage, at(0, BOX), BOX)
    state = pickle.loads(pickle.dumps(stage.snapshot()))
    ask(stage, at(1, place(BOX, 1)))  # goes on; the snapshot does not
    other = patient()
    other.restore(state)
    first = at(2, place(BOX, 2), NEW)
    assert ask(other, first) is None
    assert sorted(other.learn(first, measured(2, found(place(BOX, 2), NEW))).detections.tracker_id.tolist()) == [1, 2]
    assert overlap(ask(other, at(3, place(BOX, 3), NEW)), place(BOX, 3)) > 0.8


def test_frames_without_anything():
    stage = patient()
    look(stage, at(0))
    answer = ask(stage, at(1))
    assert (len(answer.detections), answer.how) == (0, How.TRACKED)
    frame = at(2, BOX)
    assert ask(stage, frame) is None
    stage.learn(frame, Answer(nothing(), How.EMPTY, "gate", 2))
    assert ask(stage, at(3, ground=scene(BOX))) is not None  # what a look found nothing in triggers no more


@pytest.mark.footage
def test_people_are_followed_for_a_second_between_looks(assets):
    """On real footage boxes moved on for up to a second agree with a model's more often than boxes that are held."""
    name = "person-vehicle-bike-detection-2001.xml"
    spec = ModelSpec(path=str(assets / "models" / name), threshold=0.4)
    detector = Library({"m": spec}, Classes({"person": ["person"]}), threads=2).detector("m")
    stage = track(refresh_s=1.0, change=1, failing=1)
    moved_hits = held_hits = wanted_count = 0
    held = np.empty((0, 4))
    for frame in FileSource("cam", StreamSpec(url=str(assets / "videos" / "vtest.avi"), end_s=12), knobs=Knobs()):
        (wanted,) = detector.detect([frame.bgr()]) if frame.seq % 3 == 0 else (None,)
        answer = ask(stage, frame)
        if answer is None:
            (wanted,) = detector.detect([frame.bgr()])
            held = wanted.xyxy
            stage.learn(frame, measured(frame.seq, wanted))
        elif wanted is not None and len(wanted):
            wanted_count += len(wanted)
            moved_hits += hits(answer.detections.xyxy, wanted.xyxy)
            held_hits += hits(held, wanted.xyxy)
    assert wanted_count > 100
    assert moved_hits > 1.3 * held_hits
    assert moved_hits > 0.8 * wanted_count


def hits(boxes, wanted):
    return int((iou(np.asarray(boxes)[None], np.asarray(wanted)[:, None]) >= 0.5).any(axis=1).sum())


def test_where_the_stream_breaks_off_nothing_is_followed():
    stage = patient()
    look(stage, at(0, BOX), BOX)
    assert ask(stage, at(1, place(BOX, 1))) is not None
    anew = at(2, place(BOX, 2))
    anew.discontinuity = 1
    assert ask(stage, anew) is None


def followed(seconds=20, fps=FPS, wrong_from=1000, pts=None, by=lambda seq: "big", **options):
    """A thing that stands still, seen by a stage with a floor; frames that were looked at, and what was answered.

    From frame `wrong_from` on it leaps at each frame.
    """
    stage, looks, answers = track(refresh_s=2, change=1, failing=1, **options), [], {}
    for seq in range(round(seconds * fps)):
        box = shifted(BOX, 25 * int(np.random.default_rng(seq).integers(7))) if seq >= wrong_from else BOX
        frame = at(seq, box)
        frame.pts = seq / fps if pts is None else pts(seq)
        answers[seq] = ask(stage, frame)
        if answers[seq] is None:
            looks.append(seq)
            stage.learn(frame, replace(measured(seq, found(box)), by=by(seq)))
    return looks, answers


def test_what_one_model_has_proven_is_not_taken_for_true_of_one_that_stands_in_for_it():
    """On its boxes it has to prove itself; what was known of the other holds again once that one looks again."""
    looks, _ = followed(90, floor=0.8, motion="held", by=lambda seq: "little" if 500 <= seq < 700 else "big")
    parts = (400, 500), (500, 580), (720, 900)
    before, meanwhile, after = ([each for each in looks if begin <= each < end] for begin, end in parts)
    assert np.diff(before).max() == 20
    assert 1 in np.diff(meanwhile)
    assert np.median(np.diff(meanwhile)) < 5
    assert np.median(np.diff(after)) == 20


def test_a_single_look_of_another_model_leaves_the_time_between_looks():
    looks, _ = followed(60, floor=0.8, motion="held", by=lambda seq: "audit" if 440 <= seq < 460 else "big")
    assert np.diff([each for each in looks if each >= 400]).min() >= 10


@pytest.mark.parametrize("motion", ["flow", "held"])
def test_with_a_floor_every_frame_is_looked_at_until_looks_have_proven_more(motion):
    looks, answers = followed(70, floor=0.8, motion=motion, wrong_from=400)
    assert looks[:8] == list(range(8))
    steady = np.diff([look for look in looks if 300 <= look < 400])
    assert steady.max() == 20, "up to the longest"
    leaping = [look for look in looks if look >= 600]
    assert len(leaping) > 0.9 * 100
    reason = "boxes moved on from frame" if motion == "flow" else "boxes held from frame"
    assert all(reason in answer.reason for answer in answers.values() if answer is not None)


def test_with_a_floor_it_begins_where_it_is_told_to():
    looks, _ = followed(4, floor=0.8, motion="held", begin_s=0.5)
    assert np.diff(looks[1:5]).tolist() == [5, 5, 5], "behind the first one that comes early"


def test_frames_that_come_unevenly_keep_the_time_between_looks():
    """Of a camera whose rate halves now and then."""
    looks, _ = followed(60, floor=0.8, motion="held", pts=lambda seq: seq / FPS + (seq // 100) * 3.0)
    assert np.diff(looks[-5:]).max() <= 20


def test_held_boxes_stay_where_they_were_found_and_nothing_is_followed_between():
    stage = track(refresh_s=1, motion="held", change=1, failing=1)
    look(stage, at(0, BOX), BOX)
    first = ask(stage, at(1, place(BOX, 1)))
    for seq in range(2, 10):
        answer = ask(stage, at(seq, place(BOX, seq)))
        assert answer.detections is first.detections, "they are made and checked once"
        assert answer.detections.xyxy.tolist() == [list(map(float, BOX))]
        assert answer.detections.tracker_id.tolist() == [1]
    assert ask(stage, at(10, place(BOX, 10))) is None


def test_motion_may_be_turned_on_between_looks():
    """Of the pictures before nothing was kept to follow points in: boxes stay for a step, and then go on."""
    stage = track(refresh_s=60, motion="held", change=1, failing=1)
    look(stage, at(0, BOX), BOX)
    ask(stage, at(1, place(BOX, 1)))
    stage.config = stage.config.model_copy(update={"motion": "flow"})
    for seq in range(2, 12):
        answer = ask(stage, at(seq, place(BOX, 1 + min(seq, 3)), seeds=[1]))
    assert answer.detections.tracker_id.tolist() == [1]
    moved = [ask(stage, at(seq, place(BOX, seq - 8), seeds=[1])) for seq in range(12, 17)]
    assert moved[-1].detections.xyxy[0, 0] - moved[0].detections.xyxy[0, 0] == pytest.approx(16, abs=2)
