"""The stages whose knobs are tuned: a frame-rate knob, and the model behind it that answers."""

from __future__ import annotations

from typing import NamedTuple

from vidpipe.core.errors import ConfigError
from vidpipe.pipeline.spec import Pipeline
from vidpipe.stages.detect.detect import Detect
from vidpipe.stages.sample import Sample


class Tuned(NamedTuple):
    """Ids of the two stages."""

    sample: str
    detect: str


def sample_and_detect(pipeline: Pipeline, tuner: str) -> Tuned:
    """The stages of a pipeline that consists of a `sample` and a `detect`.

    Args:
        tuner: who asks, as errors call it.

    Raises:
        ConfigError: it consists of others.
    """
    kinds = [stage.type for stage in pipeline.stages]
    if kinds != [Sample, Detect]:
        has = ", ".join(stage.id for stage in pipeline.stages)
        raise ConfigError(
            f"the tuner '{tuner}' needs a pipeline of two stages, one of type sample and behind it one of type detect; "
            f"this one has {has}"
        )
    return Tuned(*(stage.id for stage in pipeline.stages))
