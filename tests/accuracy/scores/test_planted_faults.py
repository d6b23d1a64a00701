"""Faults of known size, planted in answers that were perfect: the right score falls, by as much as can be reasoned."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.bench.builders import CLASSES, answers, series
from vidpipe.accuracy.figures import BoxScore
from vidpipe.accuracy.reference.predictions import Predictions, predict
from vidpipe.accuracy.scores.box_score import box_score, by_class, count, moving
from vidpipe.accuracy.scores.leak import leaked
from vidpipe.accuracy.scores.precision import ap50
from vidpipe.accuracy.scores.presence import presence
from vidpipe.accuracy.scores.staleness import newest
from vidpipe.accuracy.scores.tracks import track_score
from vidpipe.accuracy.series import Boxes, Series
from vidpipe.models.base import Classes, ModelSpec
from vidpipe.sources.base import StreamSpec

FRAMES = 1200  # two minutes at 10 frames a second
STEP_PX = 4.0  # that everything moves from frame to frame
SIZES = np.array([(20.0, 40.0), (80.0, 50.0)])  # a person, a vehicle
ZONES = {"left": [(0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0)]}


def scene(seed: int = 1) -> Series:
    """People and vehicles cross the picture, 2 to 4 s each and a pause of more than 1 s between two of a kind."""
    rng = np.random.default_rng(seed)
    parts = []
    for label, every in enumerate((60, 70)):
        for track, begin in enumerate(range(10, FRAMES - 50, every)):
            frames = np.arange(begin, begin + rng.integers(20, 41)) + rng.integers(0, 8)
            x, y = rng.uniform(0, 400), rng.uniform(150, 180) + 200 * label
            corner = np.stack([x + STEP_PX * np.arange(len(frames)), np.full(len(frames), y)], axis=1)
            corner += rng.normal(0, 0.05, corner.shape)  # a detector trembles
            score = rng.uniform(0.6, 1.0, len(frames))
            parts.append((frames, np.hstack([corner, corner + SIZES[label]]), score, label, 100 * label + track))
    counts = [len(frames) for frames, *_ in parts]
    frames, xyxy, score, label, track = zip(*parts, strict=True)
    boxes = Boxes.of(
        np.concatenate(frames),
        np.concatenate(xyxy),
        score=np.concatenate(score),
        label=np.repeat(label, counts),
        track=np.repeat(track, counts),
    )
    return replace(series(FRAMES), boxes=boxes)


def shuffled(whole: Series) -> Series:
    """Each answer on another frame."""
    to = np.random.default_rng(0).permutation(whole.frames)
    boxes = replace(whole.boxes, frame=to[whole.boxes.frame])
    return replace(whole, boxes=boxes[np.argsort(boxes.frame, kind="stable")])


def shifted(whole: Series, px: float = 10.0) -> Series:
    return replace(whole, boxes=replace(whole.boxes, xyxy=whole.boxes.xyxy + np.float32([px, 0, px, 0])))


def doubled(whole: Series) -> Series:
    """Each box twice: what two models leave that nobody merged."""
    return whole.where(np.repeat(np.arange(len(whole.boxes)), 2))


def fragmented(whole: Series) -> Series:
    """Every third box comes with its left half as a box of its own: an object cut by the border of a tile."""
    count = len(whole.boxes)
    rows = np.sort(np.append(np.arange(count), np.arange(0, count, 3)))
    half = np.append(False, rows[1:] == rows[:-1])
    boxes = whole.boxes[rows]
    xyxy, score = boxes.xyxy.copy(), boxes.score.copy()
    xyxy[half, 2] = xyxy[half][:, [0, 2]].mean(axis=1)
    score[half] /= 2
    return replace(whole, boxes=replace(boxes, xyxy=xyxy, score=score))


def silent(whole: Series) -> Series:
    """A gate that says of every frame that there is nothing."""
    return whole.where(np.zeros(len(whole.boxes), bool))


def alarmed(whole: Series) -> Series:
    """Everything is everywhere, always."""
    kinds = len(whole.classes)
    frame = np.repeat(np.arange(whole.frames), kinds)
    label = np.tile(np.arange(kinds), whole.frames)
    picture = np.tile([0.0, 0.0, whole.width, whole.height], (len(frame), 1))
    return replace(whole, boxes=Boxes.of(frame, picture, label=label))


def confused(whole: Series) -> Series:
    """People are called vehicles, and vehicles people."""
    return replace(whole, boxes=replace(whole.boxes, label=1 - whole.boxes.label))


def held(whole: Series, every: int) -> Series:
    """The answer to each `every`-th frame, until the next."""
    looked = np.arange(whole.frames) // every * every
    return newest(answers(whole, published_at=np.arange(whole.frames).tolist()), looked.astype(float))


def renamed(whole: Series, every: int = 10) -> Series:
    """Every thing gets a new identity each second."""
    boxes = whole.boxes
    return replace(whole, boxes=replace(boxes, track=boxes.track + 1000 * (boxes.frame // every)))


def boxes_of(found: Series, truth: Series) -> BoxScore:
    return box_score(count(found, truth), truth.pts)


def presence_of(found: Series, truth: Series) -> float | None:
    return presence(found, truth, ZONES)[0].f1


SCENE = scene()
BOXES = len(SCENE.boxes)


def test_the_scene_is_worth_scoring():
    per_frame = np.bincount(SCENE.boxes.frame, minlength=FRAMES)
    assert BOXES > 1000
    assert 0.1 < (per_frame == 0).mean() < 0.5
    runs = {place: score.found for place, score in presence(SCENE, SCENE, ZONES)[1].items()}
    assert runs["person"] == 19
    assert runs["vehicle"] == 17
    assert 0 < runs["person in left"] < 19


def test_perfect_answers_score_1():
    assert boxes_of(SCENE, SCENE) == BoxScore(f1=1, precision=1, recall=1, tp=BOXES, fp=0, fn=0, low=1, high=1)
    assert boxes_of(SCENE, moving(SCENE)).f1 == 1
    _, by_place = presence(SCENE, SCENE, ZONES)
    assert {(one.f1, one.begin_delay_s, one.end_delay_s) for one in by_place.values()} == {(1, 0, 0)}
    assert ap50(SCENE, SCENE) == dict.fromkeys(CLASSES, 1)
    assert track_score(SCENE, SCENE).model_dump() == {"mota": 1, "idf1": 1, "hota": 1, "switches": 0}


def test_answers_on_other_frames():
    # Whoever is there in a third of the frames is there in a third of the others too, but somewhere else.
    assert boxes_of(shuffled(SCENE), SCENE).f1 < 0.1
    # No gap reaches a second any more: one run, from beginning to end.
    total, by_place = presence(shuffled(SCENE), SCENE, {})
    assert by_place["person"].found == by_place["vehicle"].found == 0
    assert total.f1 == 0


def test_boxes_shifted_by_10_px():
    # Of 20 px in width, 10 are common to both and 30 are of either: IoU 1/3. Of 80 px it is 70/90.
    scores = by_class(count(shifted(SCENE), SCENE), CLASSES)
    assert (scores["person"].f1, scores["vehicle"].f1) == (0, 1)
    assert ap50(shifted(SCENE), SCENE) == {"person": 0, "vehicle": 1}
    assert presence(shifted(SCENE), SCENE, {})[0].f1 == 1


def test_boxes_doubled():
    found = boxes_of(doubled(SCENE), SCENE)
    assert (found.precision, found.recall, found.f1) == (0.5, 1, pytest.approx(2 / 3))
    tracks = track_score(doubled(SCENE), SCENE)
    assert (tracks.mota, tracks.idf1) == (0, pytest.approx(2 / 3))  # as many false as there are
    assert presence_of(doubled(SCENE), SCENE) == 1


def test_tile_fragments():
    found = boxes_of(fragmented(SCENE), SCENE)
    assert (found.tp, found.fn) == (BOXES, 0)
    assert found.fp == -(-BOXES // 3)
    assert found.f1 == pytest.approx(6 / 7, abs=1e-3)


def test_a_stage_that_returns_the_reference():
    # No score can see it: that is what the check is for.
    frames = len(np.unique(SCENE.boxes.frame))
    assert boxes_of(SCENE, SCENE).f1 == 1
    assert leaked(answers(SCENE), SCENE, asked=40) == frames - 40
    assert leaked(answers(held(SCENE, 10)), SCENE, asked=FRAMES // 10) == 0
    for harmed in (shuffled, shifted, silent, alarmed, confused):
        assert leaked(answers(harmed(SCENE)), SCENE, asked=0) == 0


def test_a_pipeline_that_always_says_nothing():
    found = boxes_of(silent(SCENE), SCENE)
    assert (found.f1, found.precision, found.recall, found.fn) == (0, None, 0, BOXES)
    assert presence_of(silent(SCENE), SCENE) == 0
    assert ap50(silent(SCENE), SCENE) == dict.fromkeys(CLASSES, 0)
    assert track_score(silent(SCENE), SCENE).mota is None
    # Where there is nothing to find it is neither good nor bad.
    empty = silent(SCENE)
    assert boxes_of(empty, empty).f1 is None
    assert presence_of(empty, empty) is None
    assert ap50(empty, empty) == dict.fromkeys(CLASSES)
    assert track_score(empty, empty).idf1 is None


def test_a_pipeline_that_always_says_everything():
    assert boxes_of(alarmed(SCENE), SCENE).f1 == 0
    total, _ = presence(alarmed(SCENE), SCENE, {})
    assert (total.found, total.false, total.f1) == (0, 2, 0)
    # Where it never stops being true, it is right.
    assert presence_of(alarmed(SCENE), alarmed(SCENE)) == 1


def test_classes_swapped():
    assert boxes_of(confused(SCENE), SCENE).f1 == 0
    assert presence(confused(SCENE), SCENE, {})[0].f1 < 0.3  # some come and go together, by chance
    # Whoever does not tell classes apart sees no fault.
    people, same = (replace(one, boxes=replace(one.boxes, label=0 * one.boxes.label)) for one in (SCENE, SCENE))
    assert boxes_of(people, same).f1 == 1


@pytest.mark.parametrize("every", [2, 4, 10, 20])
def test_an_answer_held_too_long(every):
    boxes = SCENE.boxes
    _, first, of_track = np.unique(boxes.track, return_index=True, return_inverse=True)
    age = boxes.frame - boxes.frame[first][of_track]
    scores = by_class(count(held(SCENE, every), SCENE), CLASSES)
    # 4 px a frame: a person of 20 px is found for 1 frame after a look (16/24), a vehicle of 80 px for 6 (56/104), if
    # the thing was there at the look. Predictions fall at any age alike.
    for label, keeps in enumerate((1, 6)):
        right_for = np.minimum(np.minimum(age[boxes.label == label], keeps) + 1, every)
        assert scores[CLASSES[label]].recall == pytest.approx((right_for / every).mean(), abs=0.04)
    total, _ = presence(held(SCENE, every), SCENE, {})
    assert 0 <= total.begin_delay_s < every / 10 + 1e-6
    assert 0 <= total.end_delay_s < every / 10 + 1e-6


def test_answers_that_come_half_a_second_late():
    times = np.arange(FRAMES) / 10
    late = answers(SCENE, published_at=(times + 0.5).tolist())
    scores = by_class(count(newest(late, times + 1e-6), SCENE), CLASSES)
    # Five frames are 20 px: nothing in common for a person, 60/100 for a vehicle, but for its first five frames.
    assert scores["person"].f1 == 0
    assert scores["vehicle"].f1 == pytest.approx(1 - 5 * 17 / (SCENE.boxes.label == 1).sum())


def test_a_new_identity_each_second():
    score = track_score(renamed(SCENE), SCENE)
    assert boxes_of(renamed(SCENE), SCENE).f1 == 1
    ids = len(np.unique(renamed(SCENE).boxes.track)) - len(np.unique(SCENE.boxes.track))
    assert score.switches == ids
    assert score.mota == pytest.approx(1 - ids / BOXES)
    assert 10 / 41 <= score.idf1 < 10 / 20  # of 2 to 4 s, one second is the best that one name covers


def predictions(assets: Path, model: str) -> Predictions:
    """A real detector at the first 100 frames of a real street."""
    return predict(
        StreamSpec(url=str(assets / "videos" / "vtest.avi")),
        "vtest",
        ModelSpec(path=str(assets / "models" / f"{model}.xml"), threshold=0.4),
        Classes({"person": ["person"]}),
        part=(0, 100),
        progress=lambda _: None,
    )


@pytest.fixture(scope="module")
def street(assets: Path) -> Series:
    return predictions(assets, "person-vehicle-bike-detection-2003").sure()


@pytest.mark.footage
def test_faults_in_a_real_detectors_answers(street):
    total = len(street.boxes)
    assert total > 300
    assert boxes_of(street, street).f1 == 1
    assert boxes_of(street, moving(street)).f1 == 1
    assert boxes_of(doubled(street), street).precision == 0.5
    assert boxes_of(fragmented(street), street).fp == -(-total // 3)
    assert boxes_of(silent(street), street).f1 == 0
    assert boxes_of(alarmed(street), street).f1 == 0
    assert (
        boxes_of(held(street, 2), street).f1
        > boxes_of(held(street, 10), street).f1
        > boxes_of(held(street, 50), street).f1
    )
    assert boxes_of(shuffled(street), street).f1 < boxes_of(held(street, 2), street).f1
    # Shifted by 10 px, a box of 30 px in width has half of what it covers together with itself in common.
    widths = street.boxes.xyxy[:, 2] - street.boxes.xyxy[:, 0]
    assert boxes_of(shifted(street), street).tp == pytest.approx((widths >= 30).sum(), abs=0.05 * total)


@pytest.mark.footage
def test_a_leak_of_real_answers(street, assets):
    seen = len(np.unique(street.boxes.frame))
    assert leaked(answers(street), street, asked=0) == seen  # no two pictures gave the same
    assert leaked(answers(street), street, asked=30) == seen - 30
    assert leaked(answers(held(street, 4)), street, asked=25) == 0
    other = predictions(assets, "person-vehicle-bike-detection-2000").sure()
    assert len(other.boxes) > 0
    assert leaked(answers(other), street, asked=0) == 0


def crowd(seed: int, boxes: int, *, apart: bool) -> Boxes:
    """Boxes of 2 classes in 4 frames, scores all different; apart: no two of a frame overlap."""
    rng = np.random.default_rng(seed)
    place = rng.permutation(64)[:boxes]  # 4 frames of 16 cells
    corner = 100.0 * np.stack([place % 4, place // 4 % 4], axis=1) if apart else rng.uniform(0, 60, (boxes, 2))
    corner = corner + rng.uniform(0, 20, (boxes, 2))
    xyxy = np.hstack([corner, corner + rng.uniform(30, 60, (boxes, 2))])
    score, label = rng.permutation(boxes) / 100 + 0.1, rng.integers(0, 2, boxes)
    return Boxes.of(place // 16, xyxy, score=score, label=label, track=rng.integers(0, 6, boxes))


def of(boxes: Boxes) -> Series:
    return replace(series(4), boxes=boxes)


SEEDS, SIZE = st.integers(0, 2**32 - 1), st.integers(0, 64)


@given(SEEDS, SIZE, SEEDS, SIZE, st.booleans())
@settings(deadline=None)
def test_f1_is_a_share_or_undefined(seed, size, other_seed, other_size, apart):
    found, truth = of(crowd(seed, size, apart=apart)), of(crowd(other_seed, other_size, apart=apart))
    score = boxes_of(found, truth)
    assert (score.f1 is None) == (size == other_size == 0)
    assert score.f1 is None or 0 <= score.f1 <= 1
    assert (score.tp + score.fp, score.tp + score.fn) == (size, other_size)
    place = presence(found, truth, ZONES)[0].f1
    assert place is None or 0 <= place <= 1
    assert all(value is None or 0 <= value <= 1 for value in ap50(found, truth).values())
    tracks = track_score(found, truth)
    assert tracks.idf1 is None or (0 <= tracks.idf1 <= 1 and tracks.mota <= 1)


@given(SEEDS, SIZE, SEEDS, SIZE)
@settings(deadline=None)
def test_swapping_roles_swaps_false_and_missed(seed, size, other_seed, other_size):
    """Where boxes of one side do not overlap, none has two to match: whoever chooses first, the pairs are the same."""
    one, other = of(crowd(seed, size, apart=True)), of(crowd(other_seed, other_size, apart=True))
    there, back = count(one, other), count(other, one)
    assert (there.tp == back.tp).all()
    assert (there.fp == back.fn).all()
    assert (there.fn == back.fp).all()


@given(SEEDS, SIZE, SEEDS, SIZE)
@settings(deadline=None)
def test_in_a_crowd_the_choice_by_score_costs_half_at_most(seed, size, other_seed, other_size):
    """Greedy pairings leave no pair open, so no other pairing has more than twice as many."""
    one, other = of(crowd(seed, size, apart=False)), of(crowd(other_seed, other_size, apart=False))
    there, back = count(one, other).tp.sum(), count(other, one).tp.sum()
    assert there <= 2 * back
    assert back <= 2 * there


@given(SEEDS, SIZE, SEEDS, SIZE, st.booleans())
@settings(deadline=None)
def test_the_order_of_boxes_means_nothing(seed, size, other_seed, other_size, apart):
    found, truth = crowd(seed, size, apart=apart), crowd(other_seed, other_size, apart=apart)

    def mixed(boxes: Boxes) -> Boxes:
        rows = np.random.default_rng(seed).permutation(len(boxes))
        return boxes[rows[np.argsort(boxes.frame[rows], kind="stable")]]

    scores: list[Callable[[Series, Series], Any]] = [
        boxes_of,
        lambda found, truth: presence(found, truth, ZONES),
        ap50,
        lambda found, truth: track_score(found, truth).idf1,
        lambda found, truth: leaked(answers(found), truth, 0),
    ]
    for score in scores:
        assert score(of(mixed(found)), of(mixed(truth))) == score(of(found), of(truth))
