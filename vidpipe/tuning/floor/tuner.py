"""Watching the floors of a run: back to careful settings where one is broken, a cheaper looker where it is proven.

The tracker of a stream adapts the time between looks by itself, within seconds. What it cannot see is whether whoever
looks in place of the last stage is right. Two things tell: the random audits of the run, and trials in its shadow, in
which the last stage and a cheaper variant are asked about the same frame, as often as a share of the stream's own cost
allows.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from pydantic import Field

from vidpipe.core.answer import How
from vidpipe.core.errors import VidpipeError
from vidpipe.pipeline.spec import Pipeline
from vidpipe.runtime.driver.status import Status, StreamNow
from vidpipe.runtime.driver.tuner import Change, Tuner, TunerConfig
from vidpipe.runtime.shadow.ask import Shadow
from vidpipe.runtime.shadow.ask import Variant as Asked
from vidpipe.sources.base import Want
from vidpipe.statistics.agreement import Matched, match, together
from vidpipe.statistics.blocks import BLOCK_S, Estimate, estimate
from vidpipe.tuning.floor.configuration import CAREFUL, Configuration, Roles, model_of_stage, roles_of
from vidpipe.tuning.looks import Variant

_KEPT = 64  # trials of a stream that are believed: a scene changes
_FEWEST = 12  # of them, before a cheaper looker is put in force
_FAILED = 6  # of them, before one is taken out of force again
_ROOM = 0.5  # share of the error that the floor allows, which a looker must leave for the time between looks
_TRIAL = 1.5  # looks that a trial costs
_NEWEST = (1, 3)  # trials that together, when they fall under the floor, make others come at once
_HURRY_S = BLOCK_S  # media time between those: sooner they would say the same thing twice
_SLOWEST_S = 60.0  # media time between trials of a looker in force, whatever its share: it may fail at any time
_AGAIN_S = 120.0  # media time after a breach before anything is loosened; twice as long after each further one


class FloorConfig(TunerConfig):
    every_s: float = Field(default=1.0, gt=0, description="seconds between two looks at how streams fare")
    trials: float = Field(
        default=0.02, ge=0, le=1, description="share of a stream's cost that trials of a cheaper looker may take"
    )


@dataclass(slots=True)
class _Watched:
    """A stream with a floor.

    Attributes:
        configuration: that is in force.
        since: number of the epoch that brought it.
        trials: what the cheaper looker has said against the last stage.
        asked: the open trial.
        next_pts: media time of the next trial.
        owed_s: media time by which trials have come early, so that later ones wait.
        careful_until: media time before which nothing is loosened.
        breaches: how often it was back to careful settings.
        begun: media time, and looks of the last stage when it was first seen: a recording may begin anywhere.
    """

    floor: float
    want: Want
    configuration: Configuration
    since: int = 0
    trials: deque[Matched] = field(default_factory=lambda: deque(maxlen=_KEPT))
    asked: Future[Shadow] | None = None
    next_pts: float = 0.0
    owed_s: float = 0.0
    careful_until: float = 0.0
    breaches: int = 0
    begun: tuple[float, float] = (0.0, 0.0)


class Floor(Tuner):
    """Holds the `floor` of each stream that has one."""

    Config = FloorConfig

    config: FloorConfig

    def begin(self, pipeline: Pipeline) -> None:
        """See `Tuner.begin`."""
        self._roles: Roles = roles_of(pipeline)
        self._last = Asked(self._roles.last)
        self._streams: dict[str, _Watched] = {}
        self._pipeline = pipeline

    def tune(self, status: Status) -> Sequence[Change]:
        """See `Tuner.tune`."""
        changes: list[Change] = []
        for name, stream in status.streams.items():
            floor = stream.accuracy["floor"]
            if floor is None or stream.state == "ended":
                self._streams.pop(name, None)
                continue
            watched = self._streams.get(name)
            if watched is None:
                configuration = _in_force(self._roles, self._pipeline, name)
                watched = self._streams[name] = _Watched(floor, stream.accuracy["want"], configuration, stream.epoch)
                watched.begun = stream.pts, self._looks(stream)
            watched.floor, watched.want = floor, stream.accuracy["want"]
            changes += self._watch(name, watched, stream, status)
        return changes

    def _watch(self, name: str, watched: _Watched, stream: StreamNow, status: Status) -> Iterator[Change]:
        self._take(watched)
        now = self._estimate(watched, stream)
        if now is not None and now[1] < watched.floor and watched.configuration != CAREFUL:
            watched.breaches += 1
            watched.careful_until = stream.pts + _AGAIN_S * 2 ** (watched.breaches - 1)
            yield self._change(name, watched, status, CAREFUL, f"measured {now[0]:.2f}, at most {now[1]:.2f}")
            return
        in_force = watched.configuration.looker is not None
        looker = watched.configuration.looker or self._cheaper()
        if looker is None:
            return
        if in_force:
            failed = self._failed(watched)
            if failed is not None:
                watched.careful_until = stream.pts + _AGAIN_S
                reason = f"{looker} agrees with the last stage to {failed.value:.2f}, at most {failed.high:.2f}"
                yield self._change(name, watched, status, CAREFUL, reason)
        elif stream.pts >= watched.careful_until and self._is_proven(judged := _judge(watched.trials), watched):
            cheaper = replace(CAREFUL, looker=looker, believed=judged.low)
            reason = f"{looker} agrees with the last stage to {judged.value:.2f}, at least {judged.low:.2f}"
            yield self._change(name, watched, status, cheaper, reason)
        self._ask(name, watched, stream, looker)

    def _cheaper(self) -> Variant | None:
        """Who may look in place of the last stage."""
        roles = self._roles
        if roles.little is None:
            return None
        variant = Variant(model_of_stage(roles.pipeline, roles.little))
        return None if variant.model == model_of_stage(roles.pipeline, roles.last) else variant

    @staticmethod
    def _failed(watched: _Watched) -> Estimate | None:
        """What proves that the looker in force is not good enough; None: nothing does.

        The newest trials count, few or many: those that brought it there would hide for long that it has failed.
        """
        trials = list(watched.trials)
        newest = (_judge(trials[-number:]) for number in range(_FAILED, len(trials) + 1, _FAILED))
        return next((each for each in newest if each.high < watched.floor), None)

    @staticmethod
    def _is_proven(judged: Estimate, watched: _Watched) -> bool:
        least = watched.floor + _ROOM * (1 - watched.floor)
        return judged.blocks >= _FEWEST and judged.low >= least

    def _estimate(self, watched: _Watched, stream: StreamNow) -> tuple[float, float] | None:
        """Accuracy under the settings in force, and its upper bound; None where there is no evidence."""
        epochs = [each for number, each in stream.evidence.items() if number >= watched.since]
        if not epochs:
            return None
        together = epochs[0]
        for each in epochs[1:]:
            together += each
        told = together.estimate(watched.want)
        return None if told is None else (told.value, told.high)

    def _ask(self, name: str, watched: _Watched, stream: StreamNow, looker: Variant) -> None:
        if not self.config.trials or watched.asked is not None or stream.pts < watched.next_pts:
            return
        roles = self._roles
        assert roles.little is not None
        little = Asked(roles.little, looker._asdict())
        try:
            watched.asked = self.ask(name, [self._last, little])
        except VidpipeError:  # too much is asked at the moment, or the stream has just ended
            watched.asked = None
        watched.next_pts = stream.pts + self._wait_s(watched, stream)

    def _wait_s(self, watched: _Watched, stream: StreamNow) -> float:
        """Media seconds to the next trial: few where the looker in force seems to fail; later ones make up for it."""
        apart_s = self._apart_s(watched, stream)
        if watched.configuration.looker is None:
            return apart_s
        trials = list(watched.trials)
        if apart_s > _HURRY_S and any(_is_under(watched.floor, trials[-newest:]) for newest in _NEWEST):
            watched.owed_s += apart_s - _HURRY_S
            return _HURRY_S
        owed_s, watched.owed_s = watched.owed_s, 0.0
        return min(apart_s + owed_s, _SLOWEST_S)

    def _apart_s(self, watched: _Watched, stream: StreamNow) -> float:
        """Media seconds from one trial to the next, which costs about as much as a look and a half."""
        begun_pts, begun_looks = watched.begun
        looks = self._looks(stream) - begun_looks
        between_s = (stream.pts - begun_pts) / looks if looks > 0 and stream.pts > begun_pts else 1.0
        return _TRIAL * between_s / self.config.trials

    def _looks(self, stream: StreamNow) -> float:
        """So far, those of the last stage and of the one in its place, which cost a part of it."""
        little = stream.by.get(self._roles.little, 0) if self._roles.little is not None else 0
        return stream.by.get(self._roles.last, 0) + (_TRIAL - 1) * little

    def _take(self, watched: _Watched) -> None:
        asked = watched.asked
        if asked is None or not asked.done():
            return
        watched.asked = None
        if asked.cancelled() or asked.exception() is not None:
            return
        last, little = asked.result().answers
        if How.FAILED in (last.how, little.how):
            return
        matched = match(little.detections, last.detections)
        if matched.boxes:
            watched.trials.append(matched)

    def _change(self, name: str, watched: _Watched, status: Status, to: Configuration, why: str) -> Change:
        if to.looker != watched.configuration.looker and to.looker is None:
            watched.trials.clear()  # it has to prove itself anew
        watched.configuration, watched.since = to, len(status.epochs) + 1
        settings: dict[str, dict[str, Any]] = self._roles.settings(to, watched.floor)
        return Change(settings, [name], f"{why}, for a floor of {watched.floor:g}: {to}")


def _is_under(floor: float, trials: Sequence[Matched]) -> bool:
    f1 = together(trials).f1
    return f1 is not None and f1 < floor


def _judge(trials: Iterable[Matched]) -> Estimate:
    """Trials lie seconds apart: each is a block of its own."""
    right, boxes = np.array([(2.0 * each.right, each.boxes) for each in trials], float).reshape(-1, 2).T
    return estimate(right, boxes, np.arange(len(right)))


def _in_force(roles: Roles, pipeline: Pipeline, stream: str) -> Configuration:
    """The configuration that a stream begins with."""
    configs = {stage.id: pipeline.streams[stream].configs.get(stage.id, stage.config) for stage in pipeline.stages}
    looker = None
    if roles.little is not None and getattr(configs[roles.little], "enabled", False):
        little: Any = configs[roles.little]
        looker = Variant(little.model, little.size, little.precision)
    track: Any = configs[roles.track]
    difference = roles.difference is not None and bool(getattr(configs[roles.difference], "enabled", False))
    return Configuration(
        looker, 1.0, track.motion, track.step_s, track.begin_s, triggers=track.change < 1, difference=difference
    )
