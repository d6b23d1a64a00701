"""The transforms of one stream, called one after another on each result; what they raise costs that result only."""

from __future__ import annotations

import logging
import pickle
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from vidpipe.answer import Answer
from vidpipe.contract import Contract
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
        classes: names of the pipeline's classes.
        closed: called once at the end.
        pack: makes bytes of a transform's state that `pickle.loads` reads.
    """

    def __init__(
        self,
        transforms: Sequence[Transform[Any]] = (),
        classes: Sequence[str] = (),
        closed: Callable[[TransformRunner], None] = lambda _: None,
        pack: Callable[[Any], bytes] = pickle.dumps,
    ) -> None:
        self._transforms = transforms
        self._contracts = {transform.id: Contract(transform.id, classes) for transform in transforms}
        self._meters = {transform.id: Meter() for transform in transforms}
        self._closed = closed
        self._pack = pack

    def __bool__(self) -> bool:
        """Whether there is anything to complete results with."""
        return bool(self._transforms)

    def complete(self, frame: Frame | None, answer: Answer, moment: Moment, knobs: Knobs) -> tuple[Answer, list[Event]]:
        """The answer as it is to be published, and what happened at it."""
        events: list[Event] = []
        for transform in self._transforms:
            meter = self._meters[transform.id]
            cpu, wall = time.thread_time_ns(), time.perf_counter_ns()
            try:
                transform.config = knobs.stages.get(transform.id, transform.config)
                completed = transform.apply(frame, answer, moment)
                if completed is not None:
                    self._contracts[transform.id].check_result(completed, moment)
                    meter.answered += 1
                    answer = completed
                events += transform.take_events()
            except BaseException as error:
                self._count(transform, error, "apply")
            meter.asked += 1
            meter.wall_ns += time.perf_counter_ns() - wall
            meter.cpu_ns += time.thread_time_ns() - cpu
        return answer, events

    def snapshot(self) -> dict[str, bytes]:
        """What the transforms keep, by id; those without state are left out."""
        kept: dict[str, bytes] = {}
        for transform in self._transforms:
            try:
                state = transform.snapshot()
                if state is not None:
                    kept[transform.id] = self._pack(state)
            except BaseException as error:
                self._count(transform, error, "snapshot")
        return kept

    def restore(self, states: Mapping[str, bytes]) -> None:
        """Take up what `snapshot` gave; a transform that cannot begins anew."""
        for transform in self._transforms:
            if transform.id in states:
                try:
                    transform.restore(pickle.loads(states[transform.id]))
                except BaseException as error:
                    self._count(transform, error, "restore")

    def meters(self) -> dict[str, Meter]:
        """What each has done and cost so far, by id: `answered` are the results that it changed."""
        return dict(self._meters)

    def close(self) -> None:
        """Close all transforms."""
        for transform in self._transforms:
            try:
                transform.close()
            except BaseException as error:
                self._count(transform, error, "close")
        self._transforms = ()
        self._closed(self)

    def _count(self, transform: Transform[Any], error: BaseException, callback: str) -> None:
        meter = self._meters[transform.id]
        if meter.errors == 0:
            log.debug("transform %s raised in %s", transform.id, callback, exc_info=error)
        meter.count(error, callback)
