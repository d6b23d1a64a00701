"""`tiers` of a configuration: which machines of a cluster, and which models."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidpipe.cascade.stage import DetectorName
from vidpipe.core.errors import ConfigError
from vidpipe.core.names import references, renamed
from vidpipe.core.settings import StageConfig
from vidpipe.pipeline.spec import Pipeline, Tier
from vidpipe.pipeline.yaml.load import load
from vidpipe.runtime.driver.epochs import config_with
from vidpipe.runtime.ray.likeness import hashes_of_models

PIPELINE = """
classes: {thing: thing}
models: {little: {path: little.onnx}, big: {path: big.onnx, threads: 2}}
stages:
  - {id: little, type: detect, on: edge, model: little, accept: 0.5}
  - {id: region, type: detect, on: cloud, model: little, accept: 0.5}
  - {id: big, type: detect, on: cloud, model: big}
streams: {yard: {url: yard.mp4, stages: {little: {accept: 0.7}}}}
"""

Loaded = Callable[..., Pipeline]


@pytest.fixture
def loaded(tmp_path: Path) -> Loaded:
    (tmp_path / "yard.yaml").write_text(PIPELINE)
    for name in ("little", "small", "big"):
        (tmp_path / f"{name}.onnx").write_text(name)

    def load_with(text: str, *sets: str) -> Pipeline:
        (tmp_path / "config.yaml").write_text(text)
        return load(tmp_path / "yard.yaml", config=tmp_path / "config.yaml", sets=sets)

    return load_with


def models(of: Pipeline) -> Mapping[str, Any]:
    return {stage.id: stage.config.model for stage in of.stages}  # type: ignore[attr-defined]


def test_a_model_that_differs_on_a_tier_has_another_name_there(loaded: Loaded) -> None:
    edge = "tiers: {edge: {models: {little: {path: small.onnx, threads: 1}, big: {threads: 1}}}}"
    pipeline = loaded(edge)
    assert models(pipeline) == {"little": "little@edge", "region": "little", "big": "big"}
    assert pipeline.streams["yard"].configs["little"].model == "little@edge"  # type: ignore[attr-defined]
    there = pipeline.models["little@edge"]
    assert (there.path, there.threads, pipeline.models["little"].threads) == ("small.onnx", 1, None)
    assert set(pipeline.models) == {"little", "big", "little@edge", "big@edge"}
    hashes = hashes_of_models(pipeline)
    assert set(hashes["little@edge"]) == {"small.onnx"}
    assert set(hashes["little"]) == {"little.onnx"}


def test_a_model_that_nobody_runs_any_more_is_left_out(loaded: Loaded) -> None:
    pipeline = loaded("tiers: {cloud: {models: {big: {threads: 1}}}}", "tiers.edge.models.little.threads=1")
    assert models(pipeline) == {"little": "little@edge", "region": "little", "big": "big@cloud"}
    assert set(pipeline.models) == {"little", "little@edge", "big@cloud"}


def test_a_stage_that_is_moved_takes_the_model_of_its_new_tier(loaded: Loaded) -> None:
    text = "tiers: {edge: {models: {little: {threads: 1}}}, cloud: {models: {little: {threads: 4}}}}"
    assert models(loaded(text))["little"] == "little@edge"
    assert models(loaded(text, "placement.little=cloud"))["little"] == "little@cloud"


def test_settings_that_change_while_it_runs_name_the_model_of_the_tier(loaded: Loaded) -> None:
    pipeline = loaded("tiers: {edge: {models: {little: {threads: 1}}}}")
    assert config_with(pipeline, "yard", "little", {"model": "big"}).model == "big"  # type: ignore[attr-defined]
    assert config_with(pipeline, "yard", "little", {"model": "little"}).model == "little@edge"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("tiers: {moon: {}}", "config.yaml:1: tiers: a name must be 'device', 'edge' or 'cloud', not 'moon'"),
        ("tiers: {edge: {machine: a, labels: {b: c}}}", "`machine` and `labels` both say where it is"),
        ("tiers: {edge: {labels: {site: north}}}", "the site of a machine is what its streams have as `at`"),
        ("tiers: {edge: {labels: {gpu: '!t4'}}}", "config.yaml:1: tiers.edge.labels.gpu: must be of the form"),
        ("tiers: {edge: {gpus: 1.5}}", "config.yaml:1: tiers.edge.gpus: is a part of one GPU, or a whole number"),
        ("tiers: {edge: {models: {litle: {threads: 1}}}}", "there is no model 'litle'; did you mean 'little'?"),
        (
            "tiers: {edge: {models: {little: {thread: 1}}}}",
            "config.yaml:1: models.little@edge: unknown field 'thread'; did you mean 'threads'?",
        ),
        ("tiers:\n  edge:\n    models:\n      little:\n        path: gone.onnx", "config.yaml:5: models.little@edge"),
    ],
)
def test_what_is_wrong_is_told_at_its_line(loaded: Loaded, text: str, said: str) -> None:
    with pytest.raises(ConfigError) as error:
        loaded(text)
    assert said in str(error.value)


class Inner(StageConfig):
    model: DetectorName = "a"


class Names(StageConfig):
    one: DetectorName = "a"
    several: list[DetectorName] = []
    by_class: dict[str, DetectorName] = {}
    inner: Inner = Inner()
    other: str = "a"


NAME = st.sampled_from("abc")


@given(
    st.builds(
        Names,
        one=NAME,
        several=st.lists(NAME, max_size=3),
        by_class=st.dictionaries(NAME, NAME, max_size=2),
        inner=st.builds(Inner, model=NAME),
    ),
    st.dictionaries(NAME, st.sampled_from("xyz")),
)
def test_names_are_changed_in_their_places_and_nowhere_else(settings: Names, names: dict[str, str]) -> None:
    fresh = renamed(settings, "model", names)
    before, after = list(references(settings, "model")), list(references(fresh, "model"))
    assert after == [(place, names.get(name, name)) for place, name in before]
    assert fresh.other == "a"
    assert list(fresh.by_class) == list(settings.by_class)
    assert renamed(settings, "model", {}) == settings


def test_every_tier_may_be_written(loaded: Loaded) -> None:
    pipeline = loaded("tiers: {device: {gpus: 0.5}, edge: {machine: shed}, cloud: {labels: {gpu: t4}, gpus: 2}}")
    said = {tier: spec.setting for tier, spec in pipeline.tiers.items()}
    assert said == {Tier.DEVICE: "0.5 GPU", Tier.EDGE: "machine shed", Tier.CLOUD: "labels gpu=t4, 2 GPUs"}
