"""The transforms of one stream, called one after another on each result; what they raise costs that result only."""

from __future__ import annotations

import logging
import pickle
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from vidpipe.cascade.contract import Contract
from vidpipe.cascade.runner import CpuSample, Meter
from vidpipe.core.answer import Answer
from vidpipe.core.event import Event
from vidpipe.core.frame import Frame
from vidpipe.core.settings import Knobs, StageConfig
from vidpipe.transforms.base import Moment, Transform

T = TypeVar("T")

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
        self._at_end: dict[str, Meter] | None = None
        self._cpu_sample = CpuSample()
        self._asked = 0
        self._newest: tuple[str, Moment] | None = None  # who gave the newest answer, and its place
        self._closed = closed
        self._pack = pack

    def __bool__(self) -> bool:
        """Whether there is anything to complete results with."""
        return bool(self._transforms)

    def complete(self, frame: Frame | None, answer: Answer, moment: Moment, knobs: Knobs) -> tuple[Answer, list[Event]]:
        """The answer as it is to be published, and what happened at it."""
        events: list[Event] = []
        self._newest = answer.by, moment
        weight = self._cpu_sample.weight(self._asked)
        self._asked += 1
        for transform in self._transforms:
            meter = self._meters[transform.id]
            cpu = time.thread_time_ns() if weight else 0
            wall = time.perf_counter_ns()
            transform.config = knobs.stages.get(transform.id, transform.config)
            completed = self._call(transform, "apply", self._apply, transform, frame, answer, moment, events)
            if completed is not None:
                meter.answered += 1
                answer = completed
            meter.asked += 1
            meter.wall_ns += time.perf_counter_ns() - wall
            if weight:
                meter.cpu_ns += weight * (time.thread_time_ns() - cpu)
        return answer, events

    def snapshot(self) -> dict[str, bytes]:
        """What the transforms keep, by id; those without state are left out."""
        states = {each.id: self._call(each, "snapshot", self._snapshot, each) for each in self._transforms}
        return {id: state for id, state in states.items() if state is not None}

    def restore(self, states: Mapping[str, bytes]) -> None:
        """Take up what `snapshot` gave; a transform that cannot begins anew."""
        for transform in self._transforms:
            if transform.id in states:
                self._call(transform, "restore", _restore, transform, states[transform.id])

    def catch_up(
        self,
        results: Iterable[tuple[Answer, Moment]],
        configs: Mapping[int, Mapping[str, StageConfig]] | None = None,
    ) -> None:
        """Have transforms see what was published since that snapshot.

        Args:
            configs: the settings in force then, whole, by transform, by the epoch of the result.
        """
        for answer, moment in results:
            in_force = (configs or {}).get(moment.epoch, {})
            self._newest = answer.by, moment
            for transform in self._transforms:
                transform.config = in_force.get(transform.id, transform.config)
                self._call(transform, "published", transform.published, answer, moment)
        for transform in self._transforms:
            transform.take_events()

    def ended(self) -> list[Event]:
        """What ends with the stream, behind its last result."""
        if self._newest is None:
            return []
        by, moment = self._newest
        events: list[Event] = []
        for transform in self._transforms:
            self._call(transform, "ended", transform.ended, moment)
            events += [replace(event, by=by) for event in transform.take_events()]
        return events

    def meters(self) -> dict[str, Meter]:
        """What each has done and cost so far, by id: `answered` are the results that it changed; any thread may ask."""
        if self._at_end is not None:
            return self._at_end
        return {each.id: self._meters[each.id].with_counts(f"transform {each.id}", [each]) for each in self._transforms}

    def close(self) -> None:
        """Close all transforms and let go of them; what they have counted stays."""
        for transform in self._transforms:
            self._call(transform, "close", transform.close)
        self._at_end = self.meters()
        self._transforms = ()
        self._closed(self)

    def _apply(
        self, transform: Transform[Any], frame: Frame | None, answer: Answer, moment: Moment, events: list[Event]
    ) -> Answer | None:
        completed = transform.apply(frame, answer, moment)
        if completed is not None:
            self._contracts[transform.id].check_result(completed, moment)
        events += [replace(event, by=answer.by) for event in transform.take_events()]
        return completed

    def _snapshot(self, transform: Transform[Any]) -> bytes | None:
        state = transform.snapshot()
        return None if state is None else self._pack(state)

    def _call(self, transform: Transform[Any], callback: str, work: Callable[..., T], *given: Any) -> T | None:
        """Call a transform; what it raises, whatever it is, is counted, and costs it this call."""
        try:
            return work(*given)
        except BaseException as error:
            meter = self._meters[transform.id]
            if meter.errors == 0:
                log.debug("transform %s raised in %s", transform.id, callback, exc_info=error)
            meter.count(error, callback)
            return None


def _restore(transform: Transform[Any], state: bytes) -> None:
    transform.restore(pickle.loads(state))
