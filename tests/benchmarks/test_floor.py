"""The comparison of floors on days that change, on a tiny scene whose looks are given. What must hold:

- a day has its phases, and no day repeats another;
- nobody is cheaper than hindsight at the same floor, and what looks with the big model at every frame is right;
- a floor is held where the big model looks, and its cost is that of its looks;
- the time that a breach lasts is counted from the breach.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from benchmarks import floor
from benchmarks.day import FPS, darkened, turned, write_days
from benchmarks.policies import (
    BIG,
    STREAM,
    VARIANTS,
    Answered,
    Footage,
    by_time,
    chameleon,
    floored,
    oracle,
    recovers,
    score,
    static,
)
from benchmarks.watched import damaged, watched
from vidpipe.accuracy.reference.predictions import Predictions
from vidpipe.accuracy.series import Boxes, Series
from vidpipe.core.frame import Frame
from vidpipe.core.settings import Knobs
from vidpipe.pipeline.yaml.load import load
from vidpipe.sources.open import open_source
from vidpipe.tuning.floor.configuration import CAREFUL, SAFE, roles_of
from vidpipe.tuning.looks import Look

CPU_MS = dict(zip(VARIANTS, (40.0, 10.0, 4.0), strict=True))
CLASSES = ("person", "vehicle", "bike")


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return write_days(tmp_path_factory.mktemp("floor") / "days.mp4", seed=3, days=2, minutes=0.2)


@pytest.fixture(scope="module")
def footage(clip):
    """Something goes to and fro; the little model does not see it in every third second, at the small size never."""
    pipeline = load("follow", sources={STREAM: str(clip)})
    frames = round(2 * 12 * FPS)
    at = np.arange(frames)
    seen = {BIG: at >= 0, VARIANTS[1]: at // FPS % 3 > 0, VARIANTS[2]: at < 0}
    return Footage(roles_of(pipeline), {each: look_of(frames, seen[each], CPU_MS[each]) for each in VARIANTS})


def look_of(frames, seen, cpu_ms):
    return Look(Predictions(series_of(frames, seen), dict.fromkeys(CLASSES, 0.3), (64, 64), 1.0, cpu_ms, 1.0, 99), 0)


def series_of(frames, seen):
    at = np.flatnonzero(seen)
    left = 200 + 3.0 * np.abs(at % 100 - 50)
    xyxy = np.column_stack([left, np.full(len(at), 100), left + 40, np.full(len(at), 200)])
    return Series(CLASSES, 640, 480, np.arange(frames) / FPS, np.ones(frames, bool), Boxes.of(at, xyxy, score=0.9))


def pictures_of(clip):
    spec = load("follow", sources={STREAM: str(clip)}).streams[STREAM].spec
    return [
        picture.bgr() for picture in open_source(STREAM, spec.recording, knobs=Knobs()) if isinstance(picture, Frame)
    ]


def test_a_day_has_its_phases_and_none_repeats_another(clip):
    pictures = pictures_of(clip)
    quarter = len(pictures) // 8
    light = [float(np.mean([each.mean() for each in pictures[i * quarter + quarter // 2 :][:5]])) for i in range(8)]
    assert light[0] < 0.95 * light[1]  # nights, not yet deep ones
    assert light[4] < 0.95 * light[5]
    assert np.abs(pictures[2 * quarter + 15].astype(int) - pictures[6 * quarter + 15]).mean() > 1


@pytest.mark.parametrize("asked", floor.FLOORS)
def test_hindsight_is_the_cheapest_and_holds(footage, asked):
    last = footage.part(120, 240)
    best = oracle(last, asked, footage)
    assert score(best, last.truth, asked, footage.safe_ms).f1 >= asked
    others = [static(last, last, asked, footage)[1], *(chameleon(last, asked, footage, tries=t) for t in (True, False))]
    assert all(best.cpu_ms <= other.cpu_ms + 1e-9 for other in others)


def test_judging_more_often_costs_more(footage):
    whole = footage.part(0, 240)
    often, rarely = (chameleon(whole, 0.9, footage, tries=tries).cpu_ms for tries in (True, False))
    assert often > rarely


def test_a_floor_costs_its_looks_and_holds(footage):
    whole = footage.part(0, 240)
    safe, careful = floored(whole, [(SAFE, 0.9), (CAREFUL, 0.9)], footage, scored_from=120)
    assert safe.series.frames == careful.series.frames == 120
    scored = score(careful, whole.truth.part(120, 240), 0.9, footage.safe_ms)
    assert scored.f1 >= 0.9
    assert scored.cost < 1.2
    assert safe.cpu_ms <= footage.safe_ms * 1.5


def test_a_breach_is_counted_from_its_time():
    truth = series_of(600, np.arange(600) >= 0)
    blind = Answered(series_of(600, ~((np.arange(600) >= 300) & (np.arange(600) < 400))), 1.0)
    seconds, worst = recovers(blind, truth, 30.0, 0.9)
    assert 10 < seconds <= 20
    assert worst < 0.05
    never = Answered(series_of(600, np.arange(600) < 300), 1.0)
    assert recovers(never, truth, 30.0, 0.9)[0] == math.inf
    assert recovers(Answered(truth, 1.0), truth, 30.0, 0.9) == (0.0, 1.0)


def test_a_damaged_looker_is_blind_from_its_time_on(footage):
    broken = damaged(footage, 12.0)
    was, now = (each.looks[VARIANTS[1]].predictions.series.boxes for each in (footage, broken))
    assert np.array_equal(now.frame[now.frame < 120], was.frame[was.frame < 120])
    assert (now.xyxy[now.frame >= 120][:, [0, 2]].mean(axis=1) < 320).all()


def test_the_tuner_of_floors_sees_what_it_would_of_a_run(footage):
    run = watched(damaged(footage, 12.0, share=0.9), replace(CAREFUL, looker=VARIANTS[1]), 0.9)
    assert run.series.frames == 240
    assert set(run.series.boxes.frame) <= set(range(240))
    assert [round(when) for when, _ in run.changes] == sorted(round(when) for when, _ in run.changes)


def test_stretches_without_objects_are_left_out():
    hits, trials = np.repeat([2.0, 0.0, 1.0], 10), np.repeat([2.0, 0.0, 2.0], 10)
    assert by_time(hits, trials, 1.0).tolist() == [1.0, 0.5]


def test_breaches_change_the_picture():
    picture = np.random.default_rng(0).integers(0, 255, (480, 640, 3), np.uint8)
    assert darkened(picture).mean() < 0.5 * picture.mean()
    assert turned(picture).shape == picture.shape
    assert not np.array_equal(turned(picture), picture)
