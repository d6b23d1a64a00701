"""Machines of a cluster that are not like the one that drives the run: refused, or told of, before any frame."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

import vidpipe
from tests import clips
from tests.models.networks import constant_network, ssd_table
from tests.runtime.conftest import Runner
from vidpipe.core.errors import ConfigError
from vidpipe.pipeline.yaml.load import load
from vidpipe.runtime.driver.run import run
from vidpipe.runtime.ray import engine, likeness
from vidpipe.runtime.ray.inspection import InspectingActor
from vidpipe.runtime.ray.likeness import Driver, check_models, hashes_of_models, tell_clock
from vidpipe.runtime.ray.packing import pack_arguments, unpack_arguments

PIPELINE = """
classes: {person: person}
models: {big: {path: big.onnx, family: ssd, names: [person], threshold: 0.3}}
stages: [{id: big, type: detect, on: edge, model: big}]
"""
HERE = socket.gethostname()


def test_another_version_is_refused_before_anything_that_came_is_read(monkeypatch):
    class Boom:
        def __reduce__(self):
            return (print, ("it was read",))

    monkeypatch.setattr(vidpipe, "__version__", "9.9")
    packed = pack_arguments((), Boom())
    monkeypatch.undo()
    with pytest.raises(
        ConfigError, match=rf"machine {HERE} has vidpipe .*, and the run is driven by vidpipe 9\.9: ins"
    ):
        unpack_arguments(packed)
    with pytest.raises(ConfigError, match="has Python "):
        Driver(vidpipe.__version__, "2.7.18").check()


def test_modules_of_others_run_where_that_is_allowed(monkeypatch):
    monkeypatch.delenv("VIDPIPE_ALLOW_MODULES")
    bringing = Driver.here(("mystages",))
    with pytest.raises(ConfigError, match="brings mystages: start Ray there with VIDPIPE_ALLOW_MODULES=1, or install"):
        bringing.check()
    Driver.here().check()
    monkeypatch.setenv("VIDPIPE_ALLOW_MODULES", "1")
    bringing.check()


@pytest.mark.parametrize(
    ("offs", "told"),
    [((0.3, 0.3, 0.3), False), ((7.0, 7.0, 7.0), True), ((-7.0, -7.0, -7.0), True)],
)
def test_a_clock_that_is_off_is_told_once_with_how_much(caplog, offs, told):
    now = iter(range(100))
    asked = iter(offs)
    ahead_s = tell_clock(lambda: ("box", next(now) + next(asked)), clock=lambda: next(now))
    assert ahead_s == pytest.approx(offs[0])
    assert ("the clock of machine box is 7.0 s " in caplog.text) is told
    assert caplog.text.count("clock of machine") == told


def test_an_answer_that_took_long_says_little_of_a_clock(caplog):
    now = iter([0.0, 10.0, 20.0, 30.0, 40.0, 50.0])
    there = iter([9.0, 29.0, 49.0])
    assert tell_clock(lambda: ("box", next(there)), clock=lambda: next(now)) == 4
    assert caplog.text == ""


@pytest.fixture
def pipeline(tmp_path):
    constant_network(tmp_path / "big.onnx", {"out": ssd_table([(20, 20, 30, 30, 0, 0.9)])})
    (tmp_path / "pipeline.yaml").write_text(PIPELINE)
    clip = clips.encode(tmp_path / "clip.mp4", frames=10)
    return load(tmp_path / "pipeline.yaml", sources={"a": str(clip)})


def test_a_model_in_another_file_is_refused(pipeline):
    here = hashes_of_models(pipeline)
    assert len(here["big"]["big.onnx"]) == 64
    check_models(pipeline, ["big"], here)
    check_models(pipeline, ["big"], {"big": {"big.onnx": None}})
    other = {"big": {"big.onnx": "0" * 64}}
    check_models(pipeline, [], other)  # it is used elsewhere
    with pytest.raises(ConfigError, match=f"model big: big.onnx on machine {HERE} is another file"):
        check_models(pipeline, ["big"], other)


def test_who_inspects_finds_what_a_run_would(pipeline):
    def inspected(hashes):
        return InspectingActor().models(pack_arguments(pipeline.search_paths, pipeline, ["big"], hashes))

    assert inspected(hashes_of_models(pipeline)) == {}
    with pytest.raises(ConfigError, match="is another file"):
        inspected({"big": {"big.onnx": "0" * 64}})
    Path(pipeline.search_paths[0], "big.onnx").unlink()
    assert inspected({"big": {"big.onnx": "0" * 64}}) == {"big": ["big.onnx"]}


@pytest.mark.long
@pytest.mark.ray
def test_a_run_on_machines_that_are_not_alike_does_not_begin(pipeline, cluster, monkeypatch, tmp_path):
    assert run(pipeline, address=cluster).exit_status == 0
    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(engine, "hashes_of_models", lambda _: {"big": {"big.onnx": "0" * 64}})
        with pytest.raises(ConfigError, match=r"model big: big\.onnx on machine .* is another file"):
            run(pipeline, address=cluster)
    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(likeness.vidpipe, "__version__", "9.9")
        with pytest.raises(ConfigError, match=r"^machine .* and the run is driven by vidpipe 9\.9: install the same"):
            run(pipeline, address=cluster)
    assert run(pipeline, address=cluster).exit_status == 0


@pytest.mark.long
@pytest.mark.ray
def test_modules_do_not_travel_to_machines_that_run_none(tmp_path, monkeypatch):
    from ray.cluster_utils import Cluster

    from vidpipe.runtime.ray.local import bare_nodes

    Runner(tmp_path, "ray", None)
    (tmp_path / "pipeline.yaml").write_text("classes: {even: even, odd: odd}\nstages: [{id: r, type: mystages:Read}]")
    loaded = load(tmp_path / "pipeline.yaml", sources={"a": str(clips.encode(tmp_path / "clip.mp4", frames=10))})
    monkeypatch.delenv("VIDPIPE_ALLOW_MODULES")
    with bare_nodes():
        machines = Cluster(initialize_head=True, head_node_args={"resources": {"device": 1}, "num_cpus": 0})
    try:
        with pytest.raises(
            ConfigError, match=r"^machine .* runs no modules of others, and the pipeline brings mystages"
        ):
            run(loaded, address=machines.address)
    finally:
        machines.shutdown()
    assert run(loaded).exit_status == 0  # on this machine they are the user's own
