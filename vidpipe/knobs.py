"""The settings that a frame is treated with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vidpipe.stages.base import StageConfig


@dataclass(frozen=True, slots=True)
class Knobs:
    """One version of all stages' settings for one stream.

    Attributes:
        version: counts up when a tuner changes something; stands in every result.
        stages: the configuration in force, by stage id.
    """

    version: int = 0
    stages: Mapping[str, StageConfig] = field(default_factory=dict)
