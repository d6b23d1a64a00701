"""The tuner that sets given settings once: what those that adapt are held against."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import Field

from vidpipe.pipeline.spec import Pipeline
from vidpipe.runtime.driver.epochs import changed
from vidpipe.runtime.driver.status import Status
from vidpipe.runtime.driver.tuner import Change, Tuner, TunerConfig


class StaticConfig(TunerConfig):
    every_s: float = Field(default=1.0, gt=0, description="seconds until they are set")
    stages: dict[str, dict[str, Any]] = Field(description="the settings, by stage id and field")
    streams: list[str] | None = Field(default=None, description="whose; default: of all")


class Static(Tuner):
    """Sets its settings at the first call, and then nothing more."""

    Config = StaticConfig

    _done = False

    def begin(self, pipeline: Pipeline) -> None:
        changed(pipeline, self.config.stages, self.config.streams, 1)

    def tune(self, status: Status) -> Sequence[Change]:
        if self._done:
            return []
        self._done = True
        return [Change(self.config.stages, self.config.streams, "as configured")]
