"""`placement` of a configuration: the same pipeline on other tiers, where only the configuration differs."""

from __future__ import annotations

import pytest

from vidpipe.core.errors import ConfigError
from vidpipe.pipeline.yaml.load import load

PIPELINE = """
classes: {thing: thing}
models: {big: {path: big.onnx}}
stages:
  - {id: difference, type: difference, on: device}
  - {id: big, type: detect, on: cloud, model: big}
"""


@pytest.fixture
def placed(tmp_path):
    """The tiers that stages get by a configuration."""
    (tmp_path / "yard.yaml").write_text(PIPELINE)
    (tmp_path / "big.onnx").touch()

    def tiers(text, *sets):
        (tmp_path / "config.yaml").write_text(text)
        loaded = load(tmp_path / "yard.yaml", config=tmp_path / "config.yaml", sets=sets)
        return [stage.tier.value for stage in loaded.stages]

    return tiers


def test_a_configuration_moves_stages_to_other_tiers(placed):
    assert placed("placement: {}") == ["device", "cloud"]
    assert placed("placement: {big: edge}\nlinks: {device-edge: {codec: jpeg}}") == ["device", "edge"]
    assert placed("placement: {big: edge}", "stages.big.on=device") == ["device", "device"]
    assert placed("placement: {big: cloud}", "placement.big=edge") == ["device", "edge"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("placement: {bog: edge}", "config.yaml:1: placement.bog: there is no stage 'bog'; did you mean 'big'?"),
        ("placement: {big: moon}", "config.yaml:1: placement.big"),
        ("placement: {difference: cloud, big: edge}", "frames never go back up"),
        ("placement: {big: edge}\nlinks: {device-cloud: {codec: raw}}", "this pipeline has no such link"),
        (
            "placement: {difference: edge}\nlinks: {device-edge: {codec: jpeg, split: {bits: 4}}}",
            "config.yaml:2: links.device-edge.split: only one stage, of type detect, may look at what crosses a link "
            "that is split, not difference, big",
        ),
    ],
)
def test_what_is_wrong_is_told_at_its_line(placed, text, said):
    with pytest.raises(ConfigError) as refused:
        placed(text)
    assert said in str(refused.value)
