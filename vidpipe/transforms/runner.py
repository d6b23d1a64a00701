"""The transforms of one stream, called one after another on each result; what they raise costs that result only."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any

from vidpipe.answer import Answer
from vidpipe.event import Event
from vidpipe.frame import Frame
from vidpipe.knobs import Knobs
from vidpipe.seat import Meter
from vidpipe.transforms.base import Moment, Transform

log = logging.getLogger(__name__)


class TransformRunner:
    """Completes the results of one stream. For one thread.

    Args:
        transforms: opened, in the order in which they see a result.
    """

    def __init__(self, transforms: Sequence[Transform[Any]]) -> None:
        self._transforms = transforms
        self._meters = {transform.id: Meter() for transform in transforms}

    def __bool__(self) -> bool:
        return bool(self._transforms)

    def complete(
        self, frame: Frame | None, answer: Answer, moment: Moment, knobs: Knobs
    ) -> tuple[Answer, list[Event]]:
        """The answer as it is to be published, and what happened at it."""
        events: list[Event] = []
        for transform in self._transforms:
            meter = self._meters[transform.id]
            transform.config = knobs.stages.get(transform.id, transform.config)
            cpu, wall = time.thread_time_ns(), time.perf_counter_ns()
            try:
                completed = transform.apply(frame, answer, moment)
                answer = answer if completed is None else completed
            except Exception as error:
                meter.count(error, "apply")
            events += transform.take_events()
            meter.asked += 1
            meter.wall_ns += time.perf_counter_ns() - wall
            meter.cpu_ns += time.thread_time_ns() - cpu
        return answer, events

    def snapshot(self) -> dict[str, Any]: ...

    def restore(self, states: Mapping[str, Any]) -> None: ...
