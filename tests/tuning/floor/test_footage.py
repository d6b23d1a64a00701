"""Footage to tune on: what is looked at, who is left out and why, and what cannot be tuned on."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.clips import encode, scribble
from tests.models.bright import bright_network
from tests.models.networks import constant_network, yolo_columns
from tests.tuning.conftest import YARD
from tests.tuning.floor.conftest import ALONE, PAIR, Silent, stretch_of
from tests.tuning.footage import clip
from vidpipe.core.errors import ConfigError
from vidpipe.pipeline.yaml.load import load
from vidpipe.tuning.floor.configuration import roles_of
from vidpipe.tuning.floor.footage import gather
from vidpipe.tuning.floor.trial import try_reference
from vidpipe.tuning.looks import Variant


def gathered(pipeline, floor=0.7, for_s=None, stream="cam"):
    return gather(roles_of(pipeline), stream, floor, "boxes", for_s, Silent())


def test_short_footage_is_looked_at_whole_by_all_who_may_be_of_use(made):
    footage = gathered(made(PAIR), floor=0.5)
    (stretch,) = footage.stretches
    assert footage.video_s == pytest.approx(12, abs=0.1)
    assert footage.tuned_s == pytest.approx(footage.video_s, abs=0.1)
    assert set(stretch.looks) == {Variant("big"), Variant("little")}
    assert footage.dropped[Variant("big", (32, 32))] == "its network does not take that size"
    assert footage.looked_s > 0


def test_who_is_too_bad_at_every_frame_is_left_out_with_the_figure(made):
    """Little finds one thing of two."""
    footage = gathered(made(PAIR), floor=0.9)
    assert set(footage.stretches[0].looks) == {Variant("big")}
    assert footage.dropped[Variant("little")].startswith("agrees with the last stage to 0.6")


def test_what_a_look_costs_is_known_though_the_first_pictures_cannot_be_decoded(made, tmp_path):
    whole = encode(tmp_path / "whole.avi", codec="mpeg4", gop=1, frames=200)
    damaged = scribble(whole, tmp_path / "damaged.avi", range(20))
    for _ in range(2):  # the second time from the cache
        (stretch,) = gathered(made(ALONE, damaged)).stretches
        look = stretch.looks[Variant("big")]
        assert not look.predictions.series.known[:20].any()
        assert look.cpu_ms > 0
        assert look.predictions.decode_cpu_ms > 0
        assert look.spent_s > 0


def test_for_takes_so_much_of_it(made):
    footage = gathered(made(ALONE, start_s=2.0), for_s=6.0)
    (stretch,) = footage.stretches
    assert (stretch.spec.start_s, stretch.spec.end_s) == (2.0, 8.0)
    assert footage.tuned_s == pytest.approx(6, abs=0.1)


def test_long_footage_is_looked_at_in_stretches_all_over(made, tmp_path):
    encode(tmp_path / "long.mp4", frames=600, fps=2, size=(64, 48))
    footage = gathered(made(ALONE, tmp_path / "long.mp4"))
    assert footage.video_s == pytest.approx(300, abs=1)
    assert footage.tuned_s == pytest.approx(0.4 * 300, rel=0.1)
    begins = [stretch.spec.start_s for stretch in footage.stretches]
    assert begins == sorted(begins)
    assert begins[0] == 0
    assert footage.stretches[-1].spec.end_s == pytest.approx(300, abs=1)
    for stretch in footage.stretches:
        assert stretch.truth.frames == pytest.approx(40, abs=1)


def yard(tmp_path, **options):
    bright_network(tmp_path / "bright.onnx")
    (tmp_path / "yard.yaml").write_text(YARD)
    return load(tmp_path / "yard.yaml", sources={"cam": str(clip(tmp_path / "yard.mp4", **options))})


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"seconds": 3, "visits": 0}, "stream cam: 3.0 s of footage are too few to tune on: 5 s are needed"),
        ({"seconds": 8, "visits": 0}, "stream cam: big found no thing in 8 s: "),
        ({"seconds": 8, "visits": 2, "pan": 8}, "stream cam: the camera moves, by 4"),
    ],
)
def test_what_cannot_be_tuned_on_is_told(tmp_path, options, why):
    with pytest.raises(ConfigError) as told:
        gathered(yard(tmp_path, **options))
    assert str(told.value).startswith(why)


def test_a_start_behind_the_end_is_told(made):
    with pytest.raises(ConfigError):
        gathered(made(ALONE, start_s=60.0))


def test_a_model_that_repeats_itself_passes_its_trial(made, tmp_path):
    constant_network(tmp_path / "big.onnx", {"out": yolo_columns([(32, 32, 16, 16, 0, 0.9)], 2)})
    pipeline = made(ALONE.replace("family: yolo", "family: yolo, names: [person, car]"), end_s=6.0)
    trial = try_reference(pipeline, "cam", [stretch_of(roles_of(pipeline))], Variant("big"))
    assert (trial.repeats, trial.ghosts) == (1.0, 0.0)


def test_a_model_that_flickers_does_not_and_the_threshold_that_would_help_is_found(made):
    """Its second thing scores little more than its threshold."""
    pipeline = made(ALONE, end_s=6.0)
    stretch = stretch_of(roles_of(pipeline))
    look = stretch.looks[Variant("big")]
    series = look.predictions.series
    # Every other frame the things of one class have gone.
    cars = series.boxes.label == 1
    least = min(look.predictions.thresholds.values())
    score = series.boxes.score.copy()
    score[cars] = least + 0.02
    gone = cars & (series.boxes.frame % 2 == 0)
    flickers = replace(series, boxes=replace(series.boxes, score=score)).where(~gone)
    predictions = replace(look.predictions, series=flickers)
    looks = {Variant("big"): replace(look, predictions=predictions)}
    trial = try_reference(pipeline, "cam", [replace(stretch, looks=looks)], Variant("big"))
    assert trial.next_frame < 0.9
    assert trial.ghosts > 0.2
    assert trial.near > 0.2
    assert least < trial.clean_threshold <= 0.6
