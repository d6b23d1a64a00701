"""Precisions in tuning: what is not clearly cheaper is dropped, what is takes part, and runs really use it."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from tests.models.networks import following_network
from tests.tuning.floor.conftest import ALONE, OBJECTS, PAIR, SHIFT_PX, Silent
from vidpipe.core.errors import ModelError
from vidpipe.models.quantise import ENOUGH
from vidpipe.models.runtimes.openvino import convert
from vidpipe.models.stores import int8
from vidpipe.runtime.driver.session import Run
from vidpipe.statistics.blocks import Estimate
from vidpipe.tuning.floor import precisions
from vidpipe.tuning.floor.apply import apply_tuned
from vidpipe.tuning.floor.configuration import CAREFUL, SAFE, Configuration, roles_of
from vidpipe.tuning.floor.footage import gather
from vidpipe.tuning.floor.precisions import calibrated_in, cheaper
from vidpipe.tuning.floor.profile import Basis, configuration_of, read, tuned_of, with_settings, write
from vidpipe.tuning.floor.search import Search, Tried
from vidpipe.tuning.floor.trial import Trial
from vidpipe.tuning.looks import Variant
from vidpipe.tuning.paths import int8_of

BIG8, LITTLE8 = Variant("big", None, "int8"), Variant("little", None, "int8")
INT8 = Configuration(BIG8, 0.97, between_s=0.4)


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """One on which models can be quantised, and looks cost what `shares` says of what the model itself does.

    The int8 network of any model finds what big does, and one thing more.
    """
    stand_in = following_network(tmp_path / "int8.onnx", OBJECTS, ["person", "car"], shift_px=SHIFT_PX + 5)
    told = SimpleNamespace(shares={"f32": 2.0, "int8": 0.8}, calibrated=[])

    def quantised(spec, classes, pictures, folder, *, search_paths=()):
        told.calibrated.append((spec.path, len(pictures)))
        file = next(path / spec.path for path in search_paths if (path / spec.path).exists())
        return int8.keep(folder, file, None, len(pictures), lambda target: convert(stand_in, target))

    def look_ms(detectors, pictures, rounds):
        assert len(pictures) >= 1
        return {variant: 10.0 * told.shares.get(variant.precision, 1.0) for variant in detectors}

    monkeypatch.setattr(precisions, "others", lambda spec, paths: ["f32", "int8"])
    monkeypatch.setattr(precisions, "quantise", quantised)
    monkeypatch.setattr(precisions, "look_ms", look_ms)
    return told


def tried_on(pipeline, frames=300, folder=None):
    roles = roles_of(pipeline)
    roles = roles if folder is None else calibrated_in(roles, folder)
    dropped = {}
    worth, _ = cheaper(roles, "cam", [(pipeline.streams["cam"].spec, frames)], dropped, Silent())
    return worth, dropped


def test_what_is_clearly_cheaper_is_worth_looking_and_the_rest_is_dropped_with_the_figure(made, machine, tmp_path):
    machine.shares = {"f32": 2.0, "int8": 0.94}
    worth, dropped = tried_on(made(PAIR), folder=tmp_path / "int8")
    assert worth == [BIG8, LITTLE8]
    assert dropped == {
        Variant(model, None, "f32"): f"a look takes 2.00 times the CPU of {model}" for model in ("big", "little")
    }
    machine.shares["int8"] = 0.96
    worth, dropped = tried_on(made(PAIR), folder=tmp_path / "int8")
    assert worth == []
    assert dropped[BIG8] == "a look takes 0.96 times the CPU of big"


def test_int8_is_calibrated_on_frames_from_all_over_the_footage(made, machine, tmp_path):
    tried_on(made(PAIR), folder=tmp_path / "int8")
    assert machine.calibrated == [("big.onnx", ENOUGH), ("little.onnx", ENOUGH)]


def test_without_a_folder_to_keep_it_in_int8_is_left_out(made, machine):
    worth, dropped = tried_on(made(PAIR))
    assert (worth, machine.calibrated) == ([], [])
    assert BIG8 not in dropped


def test_nobody_looks_in_place_of_the_last_stage_of_a_pipeline_without_a_little_one(made, machine, tmp_path):
    assert tried_on(made(ALONE), folder=tmp_path / "int8") == ([], {})


def test_what_cannot_be_quantised_is_dropped_with_the_reason(made, machine, tmp_path, monkeypatch):
    def fails(*_, **__):
        raise ModelError("model x: NNCF cannot quantise it to int8: no")

    monkeypatch.setattr(precisions, "quantise", fails)
    worth, dropped = tried_on(made(PAIR), folder=tmp_path / "int8")
    assert worth == []
    assert dropped[BIG8] == dropped[LITTLE8] == "model x: NNCF cannot quantise it to int8: no"


def test_a_model_that_is_int8_already_keeps_its_own_networks(made, machine, tmp_path):
    pipeline = made(PAIR)
    own = pipeline.models["big"].varied(precision="int8", calibrated="mine")
    pipeline = replace(pipeline, models=pipeline.models | {"big": own})
    told = calibrated_in(roles_of(pipeline), tmp_path).pipeline.models
    assert told["big"] == own
    assert told["little"].calibrated == str(tmp_path)


def test_it_looks_at_all_the_footage_and_is_held_against_the_last_stage(made, machine, tmp_path):
    """Of a model that is out as it is no other precision is made."""
    footage = gather(calibrated_in(roles_of(made(PAIR)), tmp_path / "int8"), "cam", 0.9, "boxes", None, Silent())
    (stretch,) = footage.stretches
    assert set(stretch.looks) == {Variant("big"), BIG8}
    assert footage.dropped[Variant("little")].startswith("agrees with the last stage to 0.6")
    assert [path for path, _ in machine.calibrated] == ["big.onnx"]
    whole, close = (stretch.looks[each].predictions.sure() for each in (Variant("big"), BIG8))
    assert len(close.boxes) == pytest.approx(len(whole.boxes), rel=0.1)


def tuned(made, folder, chosen=INT8):
    pipeline = made(PAIR)
    sure = Estimate(0.95, 0.91, 0.98, 0.04, 40)
    safe, best = Tried(SAFE, sure, 20.0, 1.0, False), Tried(chosen, sure, 4.0, 0.2, True)
    told = tuned_of(
        roles_of(pipeline),
        "cam",
        0.9,
        "boxes",
        Search([best, safe], best, safe, safe),
        Trial(0.99, 0.98, None, 0.0, 0.0, 0.3),
        key="k",
        refused="",
        dropped={},
        seconds=(60.0, 60.0, None),
        cost={},
    )
    write(folder, told)
    return pipeline


@pytest.fixture
def kept(made, machine, tmp_path):
    """A stream that was tuned to look with big in int8; the pipeline."""
    tried_on(made(PAIR), folder=int8_of(tmp_path / "p", "cam"))
    return tuned(made, tmp_path / "p")


def test_a_precision_comes_back_as_it_was_written(kept, tmp_path):
    assert configuration_of(read(tmp_path / "p", "cam").chosen) == INT8
    assert str(INT8).startswith("big in int8 looks every 0.4 s")
    assert str(Variant("big", (32, 64), "f32")) == "big at 64x32 in f32"


def test_a_run_looks_with_the_network_that_was_made_for_its_stream(kept, tmp_path):
    pipeline, (line,) = apply_tuned(kept, tmp_path / "p")
    assert "big in int8 looks every 0.4 s" in line
    little = pipeline.streams["cam"].configs["little"]
    assert (little.model, little.size, little.precision) == ("big", None, "int8")
    assert little.calibrated == str(int8_of(tmp_path / "p", "cam"))
    with Run(replace(pipeline, tuner=None), engine="inline") as run:
        assert len(list(run)) == 300
        report = run.join().report
    assert report["models"]["big@int8"]["calls"] > 0


def test_careful_settings_go_back_to_the_precision_of_the_model_and_the_folder_stays(kept, tmp_path):
    pipeline, _ = apply_tuned(kept, tmp_path / "p")
    roles = roles_of(pipeline)
    for configuration in (CAREFUL, replace(CAREFUL, looker=Variant("little"))):
        little = with_settings(roles, {"cam": (configuration, 0.9)}).streams["cam"].configs["little"]
        assert little.precision is None or not little.enabled
        assert little.calibrated == str(int8_of(tmp_path / "p", "cam"))


@pytest.mark.parametrize(
    ("harm", "why"),
    [
        (lambda place: place.unlink(), "is damaged or not whole"),
        (lambda place: place.write_bytes(b"x"), "is damaged: its files are not what was written"),
        (lambda place: place.parent.rename(place.parent.parent / "elsewhere"), "no int8 network of it"),
    ],
)
def test_a_network_that_is_lost_or_damaged_is_told_and_the_run_goes_on_without_it(kept, tmp_path, harm, why):
    (big, _) = sorted(int8_of(tmp_path / "p", "cam").iterdir())
    harm(big / "network.bin")
    applied, (line,) = apply_tuned(kept, tmp_path / "p")
    assert applied == kept
    assert line.startswith("what was tuned for stream cam needs an int8 network: model ")
    assert why in line
    assert line.endswith("tune again; stream cam runs without it")


def test_another_precision_of_the_last_model_is_another_reference(made):
    exact = made(PAIR.replace("big.onnx,", "big.onnx, precision: f32,"))
    assert Basis(made(PAIR)).model != Basis(exact).model
