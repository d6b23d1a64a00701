"""The tuner that has all streams looked at equally often, as often as a CPU budget allows."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from vidpipe.pipeline.spec import Pipeline
from vidpipe.runtime.driver.status import Status
from vidpipe.runtime.driver.tuner import Change, Tuner, TunerConfig
from vidpipe.tuning.knobs import sample_and_detect

_ENOUGH = 0.1  # a change of the rate by less than this share is not worth an epoch
_NEWEST = 0.5  # weight of the newest figure in what a look is known to take


class UniformConfig(TunerConfig):
    cpu: float = Field(gt=0, description="CPU seconds a second that the looks of all streams may take")
    least: float = Field(default=0.2, gt=0, description="frames a second that each stream is looked at in any case")
    most: float = Field(default=30.0, gt=0, le=1000, description="frames a second that no stream exceeds")


class Uniform(Tuner):
    """One rate for all streams: the budget, shared by them, over what a look has taken of late.

    It needs a pipeline of a `sample` and a `detect`. What is spent on every frame (decoding) is not in the budget.
    """

    Config = UniformConfig

    def begin(self, pipeline: Pipeline) -> None:
        self._sample, self._detect = sample_and_detect(pipeline, "uniform")
        self._look_ms: float | None = None
        self._asked, self._cpu_ms = 0, 0.0
        self._set: tuple[float, frozenset[str]] | None = None

    def tune(self, status: Status) -> Sequence[Change]:
        streams = frozenset(name for name, stream in status.streams.items() if stream.state != "ended")
        look_ms = self._measured(status)
        if not streams or not look_ms:
            return []
        fps = self.config.cpu * 1000 / look_ms / len(streams)
        fps = max(self.config.least, min(self.config.most, fps))
        if self._set is not None and self._set[1] == streams and abs(fps / self._set[0] - 1) < _ENOUGH:
            return []
        self._set = fps, streams
        reason = f"{look_ms:.3g} ms a look, {len(streams)} streams"
        return [Change({self._sample: {"fps": fps}}, sorted(streams), reason)]

    def _measured(self, status: Status) -> float | None:
        """CPU ms of a look of late; None: nobody has looked yet."""
        if (work := status.stages.get(self._detect)) is not None:
            asked, cpu_ms = int(work["asked"]), work["asked"] * work["cpu_ms"]
            if asked > self._asked:
                newest = (cpu_ms - self._cpu_ms) / (asked - self._asked)
                known = newest if self._look_ms is None else self._look_ms
                self._look_ms = known + _NEWEST * (newest - known)
            self._asked, self._cpu_ms = asked, cpu_ms
        return self._look_ms
