"""What tuning has chosen, kept and picked up by name; what is of no use is told, and the run goes on without it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tests.tuning.floor.conftest import ALONE, PAIR
from vidpipe.core.errors import ConfigError
from vidpipe.sources.base import BLIND_S, Decoding
from vidpipe.statistics.blocks import Estimate
from vidpipe.tuning.floor.apply import apply_tuned
from vidpipe.tuning.floor.configuration import CAREFUL, SAFE, Configuration, roles_of
from vidpipe.tuning.floor.profile import check_place, configuration_of, point, read, tuned_of, write
from vidpipe.tuning.floor.search import Search, Tried
from vidpipe.tuning.floor.trial import Trial
from vidpipe.tuning.looks import Variant

CHOSEN = Configuration(Variant("little", (32, 64)), 0.97, "flow", 0.1, 0.48, triggers=True, difference=True)
SURE = Estimate(0.95, 0.91, 0.98, 0.04, 40)


def tried(configuration, cpu_ms, guarded=True):
    return Tried(configuration, SURE, cpu_ms, 0.2, guarded)


@pytest.fixture
def tuned(made):
    """What was chosen for a pipeline's stream, kept; with what else is given."""

    def keep(folder, text=PAIR, chosen=CHOSEN, floor=0.9, **more):
        pipeline = made(text)
        safe = tried(SAFE, 20.0, guarded=False)
        best = tried(chosen, 4.0)
        found = Search([best, safe], best, safe, safe)
        trial = Trial(0.99, 0.98, None, 0.0, 0.0, 0.3)
        told = tuned_of(
            roles_of(pipeline),
            "cam",
            floor,
            "boxes",
            found,
            trial,
            key="k",
            refused="",
            dropped={Variant("big", 320): "too bad"},
            seconds=(60.0, 60.0, None),
            cost={},
        )
        told = told.model_copy(update=more)
        write(folder, told)
        return told

    return keep


def configs(pipeline):
    return pipeline.streams["cam"].configs


@pytest.mark.parametrize(
    "chosen",
    [
        CHOSEN,
        SAFE,
        CAREFUL,
        replace(CAREFUL, believed=0.98),
        replace(CHOSEN, looker=Variant("little", 320)),
        replace(CHOSEN, decoding=Decoding("nonref", 10.0)),
    ],
)
def test_it_comes_back_as_it_was_written(tuned, tmp_path, chosen):
    told = tuned(tmp_path / "p", chosen=chosen)
    assert read(tmp_path / "p", "cam") == told
    assert configuration_of(read(tmp_path / "p", "cam").chosen) == chosen
    assert configuration_of(point(tried(chosen, 1.0))) == chosen


def test_a_run_takes_up_what_was_chosen_with_the_floor_that_it_was_chosen_for(tuned, made, tmp_path):
    tuned(tmp_path / "p")
    pipeline, (line,) = apply_tuned(made(), tmp_path / "p")
    assert line.startswith("stream cam: tuned on ")
    assert "for boxes at 0.9: little at 64x32 looks every 0.48 s" in line
    assert line.endswith("5.0 times less CPU expected")
    little, track = configs(pipeline)["little"], configs(pipeline)["track"]
    assert (little.enabled, little.model, tuple(little.size)) == (True, "little", (32, 64))
    assert (track.begin_s, track.motion, track.step_s) == (0.48, "flow", 0.1)
    assert track.floor == pytest.approx(0.9 / 0.97)
    assert configs(pipeline)["difference"].enabled
    assert (pipeline.streams["cam"].spec.floor, pipeline.streams["cam"].spec.want) == (0.9, "boxes")
    assert pipeline.tuner is not None


@pytest.mark.parametrize(
    ("url", "own", "decoding"),
    [
        ("clip.mp4", {}, Decoding("nonref", 10.0)),
        ("clip.mp4", {"skip_loop_filter": True}, Decoding("nonref", 10.0, skip_loop_filter=True)),
        ("live+file:clip.mp4", {}, Decoding()),
        ("rtsp://camera/1", {}, Decoding(max_blind_s=BLIND_S)),
    ],
)
def test_what_is_chosen_of_decoding_is_in_force_when_the_stream_is_opened(tuned, made, tmp_path, url, own, decoding):
    """Not of a live one: where its floor breaks, every picture must be there to look at."""
    tuned(tmp_path / "p", chosen=replace(CHOSEN, decoding=Decoding("nonref", 10.0)))
    pipeline = made()
    stream = pipeline.streams["cam"]
    stream = replace(stream, spec=stream.spec.model_copy(update={"url": url, **own}))
    pipeline, (line,) = apply_tuned(replace(pipeline, streams={"cam": stream}), tmp_path / "p")
    assert pipeline.streams["cam"].spec.decoding == decoding
    assert "pictures that no other builds on are not decoded" in line


def test_what_is_chosen_with_every_picture_decoded_leaves_to_the_user_what_is(tuned, made, tmp_path):
    tuned(tmp_path / "p")
    pipeline, _ = apply_tuned(made(skip_frame="nonref"), tmp_path / "p")
    assert pipeline.streams["cam"].spec.decoding == Decoding("nonref")


def test_a_floor_without_a_profile_begins_careful(made, tmp_path):
    pipeline, (line,) = apply_tuned(made(floor=0.8), tmp_path / "p")
    assert line == "stream cam begins with a look at every frame, and loosens as it proves 0.8"
    assert (configs(pipeline)["track"].floor, configs(pipeline)["track"].begin_s) == (0.8, 0.0)
    assert not configs(pipeline)["little"].enabled


def test_another_floor_than_it_was_tuned_for_is_told(tuned, made, tmp_path):
    tuned(tmp_path / "p")
    pipeline, lines = apply_tuned(made(floor=0.8), tmp_path / "p")
    assert lines[0] == "stream cam was tuned for boxes at 0.9, not for boxes at 0.8"
    assert configs(pipeline)["track"].floor == 0.8


def test_nothing_tuned_and_no_floor_changes_nothing(made, tmp_path):
    pipeline = made()
    assert apply_tuned(pipeline, tmp_path / "p") == (pipeline, [])


def other_model(made, tmp_path):
    made()
    (tmp_path / "little.onnx").write_bytes((tmp_path / "big.onnx").read_bytes())
    return made()


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        (lambda made, _: made(PAIR.replace("{person: person, car: car}", "{person: person}")), "is for classes person"),
        (lambda made, _: made(ALONE), "was made for other stages"),
        (lambda made, _: made(PAIR.replace("yolo}\n  little", "yolo, threshold: 0.4}\n  little")), "another model"),
        (other_model, "was chosen with another model before the last stage's"),
    ],
)
def test_what_was_tuned_for_something_else_is_told_and_left_out(tuned, made, tmp_path, changed, why):
    tuned(tmp_path / "p")
    pipeline = changed(made, tmp_path)
    applied, (line,) = apply_tuned(pipeline, tmp_path / "p")
    assert why in line
    assert line.endswith("tune again; stream cam runs without it")
    assert applied == pipeline


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda _: "",
        lambda _: "[]",
        lambda text: json.dumps(json.loads(text) | {"format": 99}),
        lambda text: text.replace('"believed": 0.97', '"believed": -1'),
        lambda text: text.replace('"cpu_ms": 4.0', '"cpu_ms": 0'),
        lambda text: text.replace('"between_s": 0.48', '"between_s": -3'),
        lambda text: text.replace('"floor": 0.9', '"floor": 1.9'),
    ],
)
def test_a_damaged_file_is_told_and_the_run_goes_on_without_it(tuned, made, tmp_path, damage):
    tuned(tmp_path / "p")
    file = tmp_path / "p/cam/tuned.json"
    before = file.read_text()
    file.write_text(damage(before))
    assert file.read_text() != before
    pipeline = made()
    applied, (line,) = apply_tuned(pipeline, tmp_path / "p")
    assert applied == pipeline
    assert line.endswith("stream cam runs without it")
    assert "tune again" in line


def test_a_place_that_cannot_be_written_to_is_told_before_anything_is_done(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="cannot be written: Not a directory"):
        check_place(tmp_path / "file", "cam")
    check_place(tmp_path / "new" / "folder", "cam")
    assert not (tmp_path / "new").exists()
