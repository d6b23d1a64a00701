"""The motion gate, by what it makes of pictures whose movement is known."""

from __future__ import annotations

import numpy as np
import pytest

from tests.bench.baselines.conftest import ran
from tests.builders import answer
from tests.stages.conftest import ask, frame, opened
from vidpipe.bench.baselines.motion_gate import Motion, MotionGate, MotionGateConfig
from vidpipe.bench.baselines.pipelines import motion
from vidpipe.core.answer import How
from vidpipe.models.base import Classes, ModelSpec
from vidpipe.pipeline.spec import Pipeline, PlacedStage, Stream
from vidpipe.sources.base import StreamSpec
from vidpipe.stages.detect.detect import Detect, DetectConfig

ROWS, COLUMNS = 240, 320
SCENE = np.random.default_rng(7).integers(60, 190, (ROWS // 20, COLUMNS // 20)).repeat(20, 0).repeat(20, 1)
NOISE = np.random.default_rng(8).normal(0, 2, (40, ROWS, COLUMNS))


def picture(number=0, *, square=None, light=0.0):
    """The scene with a camera's noise; a white square of 30 pixels with its left edge at `square`; more light."""
    scene = SCENE + NOISE[number % len(NOISE)] + light
    if square is not None:
        scene[100:130, square : square + 30] = 250
    return scene.clip(0, 255).astype(np.uint8)


def calibrated(hidden=None, **config):
    """A detector that has seen the still scene for 10 seconds."""
    motion = Motion(MotionGateConfig(**config), (ROWS, COLUMNS), hidden)
    for number in range(50):
        motion.seen(picture(number))
    assert not motion.calibrating
    return motion


def saw(motion, pictures):
    return [motion.seen(each) for each in pictures]


def test_calibration_takes_seconds():
    """Ten frames of "motion" against the black average, then as many as weight 0.2 takes to come near."""
    motion = Motion(MotionGateConfig(), (ROWS, COLUMNS), None)
    calibrating = []
    for number in range(40):
        motion.seen(picture(number))
        calibrating.append(motion.calibrating)
    assert calibrating == sorted(calibrating, reverse=True)
    assert 15 <= sum(calibrating) <= 25


def test_noise_is_no_motion():
    assert saw(calibrated(), [picture(number) for number in range(50)]) == [False] * 50


def test_a_square_that_moves_is_motion():
    assert saw(calibrated(), [picture(n, square=20 + 8 * n) for n in range(30)]) == [True] * 30


@pytest.mark.parametrize(
    ("config", "moved"),
    [({}, True), ({"contour_area": 2000}, False), ({"threshold": 255}, False), ({"improve_contrast": False}, True)],
)
def test_settings(config, moved):
    assert saw(calibrated(**config), [picture(square=150)]) == [moved]


def test_what_is_hidden_does_not_move():
    hidden = np.zeros((ROWS, COLUMNS), bool)
    hidden[:, 140:200] = True
    assert saw(calibrated(hidden), [picture(square=150), picture(square=20)]) == [False, True]


def test_lightning_is_no_motion():
    """More than 80 % changed: motion counts for nothing until the average has followed; contrast would hide a part."""
    motion = calibrated(improve_contrast=False)
    flash = [picture(n, light=60) for n in range(3)]
    assert saw(motion, flash) == [False] * 3
    assert motion.calibrating
    assert saw(motion, [picture(n) for n in range(3)]) == [False] * 3
    assert not motion.calibrating


def test_half_a_picture_is_motion():
    """Less than the lightning threshold is taken for movement, however large."""
    half = picture()
    half[:, : COLUMNS // 2] = np.clip(half[:, : COLUMNS // 2].astype(int) + 60, 0, 255)
    assert saw(calibrated(improve_contrast=False), [half]) == [True]


def test_a_slow_drift_of_exposure_is_absorbed():
    """One grey level in two seconds; the same at a jump of 40 is motion or lightning."""
    motion = calibrated(improve_contrast=False)
    assert not any(saw(motion, [picture(n, light=n / 10) for n in range(400)]))


def test_what_stays_is_absorbed():
    """An object that comes and stays is motion for a while: weight 0.01 takes it in within a minute."""
    moved = saw(calibrated(), [picture(n, square=150) for n in range(300)])
    first_still = moved.index(False)
    assert 20 < first_still < 300
    assert not any(moved[first_still:])


def run(pictures, *classes, **config):
    """What the stage does with each picture: None passed on, else its answer; what is passed on is measured."""
    stage, said = opened(MotionGate, **config), []
    for seq, each in enumerate(pictures):
        asked = frame(each, seq)
        said.append(ask(stage, asked))
        if said[-1] is None:
            stage.learn(asked, answer("big", *classes, as_of=seq))
    return said


def test_the_stage_repeats_the_last_answer():
    still = [picture(n) for n in range(40)]
    said = run([*still, picture(square=50), picture(square=70), *still[:2]])
    passed = [seq for seq, each in enumerate(said) if each is None]
    calibration = passed.index(40)
    assert passed == [*range(calibration), 40, 41]
    assert [(each.how, each.as_of, each.reason) for each in said if each] == [
        *[(How.REUSED, calibration - 1, "no motion")] * (40 - calibration),
        *[(How.REUSED, 41, "no motion")] * 2,
    ]


@pytest.mark.parametrize(("classes", "said"), [((), "change of light"), ((0,), None)])
def test_lightning(classes, said):
    """Nothing new is looked for; what was there is followed."""
    pictures = [*[picture(n) for n in range(40)], picture(light=60)]
    last = run(pictures, *classes, improve_contrast=False)[-1]
    assert (last.reason if last else None) == said


def test_what_was_not_measured_is_not_learnt():
    stage = opened(MotionGate)
    assert ask(stage, frame(picture(), 0)) is None
    stage.learn(frame(picture(), 0), answer("engine", as_of=-1))
    assert ask(stage, frame(picture(), 1)) is None


@pytest.mark.footage
def test_cars_trigger_it(assets, tmp_path):
    """Cars come into car-detection.mp4, an empty road else, at 4.5, 14.5 and 25 seconds."""
    little = ModelSpec(path=str(assets / "models/person-vehicle-bike-detection-2000.xml"), threshold=0.4)
    cars = Pipeline(
        name="cars",
        classes=Classes({"vehicle": ["vehicle"]}),
        models={"little": little},
        stages=(PlacedStage("little", Detect, DetectConfig(model="little")),),
        streams={"cars": Stream(StreamSpec(url=str(assets / "videos/car-detection.mp4")))},
    )
    lines, report = ran(motion(cars, "little"), tmp_path)
    seen = [line["pts"] for line in lines if line["how"] == "measured" and line["detections"]]
    assert [any(at <= pts < at + 2 for pts in seen) for at in (4.5, 14.5, 25)] == [True] * 3
    looked_at_most = report["stages"]["motion"]["asked"]
    assert looked_at_most == len({int(line["pts"] * 5 + 0.005) for line in lines})
    assert report["models"]["little"]["calls"] < looked_at_most
