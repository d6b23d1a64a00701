"""Watching the floors of a run: back to careful settings where one is broken, a cheaper looker where it is proven.

The tracker of a stream adapts the time between looks by itself, within seconds. What it cannot see is whether whoever
looks in place of the last stage is right. Two things tell: the random audits of the run, and trials in its shadow, in
which the last stage and a cheaper variant are asked about the same frame, as often as a share of the stream's own cost
allows. Streams that are alike share what their trials say (`groups.py`), and take turns with them.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import Any, Self

from pydantic import Field, model_validator

from vidpipe.core.answer import How
from vidpipe.core.errors import ConfigError, VidpipeError
from vidpipe.core.nearest import did_you_mean
from vidpipe.pipeline.spec import Pipeline
from vidpipe.runtime.driver.status import Status, StreamNow
from vidpipe.runtime.driver.tuner import Change, Tuner, TunerConfig
from vidpipe.runtime.shadow.ask import Shadow
from vidpipe.runtime.shadow.ask import Variant as Asked
from vidpipe.sources.base import Want
from vidpipe.statistics.agreement import Matched, match, together
from vidpipe.statistics.blocks import BLOCK_S
from vidpipe.tuning.floor.configuration import CAREFUL, Configuration, Roles, model_of_stage, roles_of
from vidpipe.tuning.floor.groups import UNKNOWN, Judged, Trials, failed, judged
from vidpipe.tuning.looks import Variant

log = logging.getLogger(__name__)

_KEPT = 64  # trials of a stream that are believed: a scene changes
_TRIAL = 1.5  # looks that a trial costs
_NEWEST = (1, 3)  # trials that together, when they fall under the floor, make others come at once
_HURRY_S = BLOCK_S  # media time between those: sooner they would say the same thing twice
_SLOWEST_S = 60.0  # media time between trials of a looker in force, whatever its share: it may fail at any time
_NAMED = 4  # streams of a group, in a reason
_AGAIN_S = 120.0  # media time after a breach before anything is loosened; twice as long after each further one


class FloorConfig(TunerConfig):
    every_s: float = Field(default=1.0, gt=0, description="seconds between two looks at how streams fare")
    trials: float = Field(
        default=0.02, ge=0, le=1, description="share of a stream's cost that trials of a cheaper looker may take"
    )
    near: list[list[str]] = Field(
        default=[],
        description="streams that may share what trials say, a list for each place; default: any that are alike",
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        named = [stream for place in self.near for stream in place]
        if twice := [stream for stream in dict.fromkeys(named) if named.count(stream) > 1]:
            raise ValueError(f"near: {', '.join(twice)}: named more than once; a stream is in one place")
        return self


@dataclass(slots=True)
class _Watched:
    """A stream with a floor.

    Attributes:
        configuration: that is in force.
        since: number of the epoch that brought it.
        trials: what the cheaper looker has said against the last stage.
        judged: what these are worth, with those of its group.
        alone: it has left its group, and neither takes nor gives evidence until its own trials prove a looker.
        by_group: those with whose trials the looker in force was proven; empty: its own were enough.
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
    trials: list[Matched] = field(default_factory=list)
    judged: Judged = UNKNOWN
    alone: bool = False
    by_group: tuple[str, ...] = ()
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
        if len(self._roles.pipeline.stages) != len(pipeline.stages):
            raise ConfigError("a floor needs a stage `track` before the first `detect`; `hold_floors` puts one in")
        self._last = Asked(self._roles.last)
        self._streams: dict[str, _Watched] = {}
        self._place = {stream: number for number, streams in enumerate(self.config.near) for stream in streams}
        self._pipeline = pipeline
        for stream in self._place.keys() - pipeline.streams.keys():  # a reload may bring it yet
            near = did_you_mean(stream, pipeline.streams)
            log.warning("the tuner 'floor': near: there is no stream '%s' so far%s", stream, near)

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
        is_new = self._take(watched)
        now = self._estimate(watched, stream)
        if now is not None and now[1] < watched.floor and watched.configuration != CAREFUL:
            watched.breaches += 1
            again_s = _AGAIN_S * 2 ** (watched.breaches - 1)
            yield self._back(name, watched, status, again_s, f"measured {now[0]:.2f}, at most {now[1]:.2f}")
            return
        looker = self._looker(watched)
        if looker is None:
            return
        if is_new:
            yield from self._judge(name, watched, status, looker)
        if (
            watched.configuration.looker is None
            and stream.pts >= watched.careful_until
            and watched.judged.proves(watched.floor)
        ):
            yield self._put_in_force(name, watched, status, looker)
        self._ask(name, watched, stream)

    def _judge(self, name: str, watched: _Watched, status: Status, looker: Variant) -> Iterator[Change]:
        """See what the newest trial changes: of what is in force, of what is proven, of who is alike."""
        if watched.configuration.looker is not None:
            least = watched.configuration.believed if watched.by_group else watched.floor
            if (newest := failed(watched.trials, least)) is not None:
                reason = f"{looker} agrees with the last stage to {newest.value:.2f}, at most {newest.high:.2f}"
                if watched.by_group:
                    reason += f", not to {least:.2f} as {_on(watched.by_group)}"
                yield self._back(name, watched, status, _AGAIN_S, reason)
                return
            if any(_is_under(watched.floor, watched.trials[-newest:]) for newest in _NEWEST):
                _bring_forward(watched, status.streams[name].pts + _HURRY_S)
        others = {} if watched.alone else self._others(name, watched, looker)
        watched.judged = judged(watched.trials, others, watched.floor)
        if watched.judged.proves_alone(watched.floor):
            watched.alone = False

    def _put_in_force(self, name: str, watched: _Watched, status: Status, looker: Variant) -> Change:
        judged = watched.judged
        watched.by_group = () if judged.proves_alone(watched.floor) else judged.group
        together = judged.together
        reason = f"{looker} agrees with the last stage to {together.value:.2f}, at least {judged.low:.2f}"
        if watched.by_group:
            reason += f", {_on(watched.by_group)} too"
        return self._change(name, watched, status, replace(CAREFUL, looker=looker, believed=judged.low), reason)

    def _back(self, name: str, watched: _Watched, status: Status, again_s: float, why: str) -> Change:
        """Careful settings, for so many media seconds at least; and out of its group."""
        watched.careful_until = status.streams[name].pts + again_s
        self._leave(watched, status)
        return self._change(name, watched, status, CAREFUL, why)

    def _leave(self, watched: _Watched, status: Status) -> None:
        """What has changed for one may have changed for all: its group looks at once."""
        for name in watched.judged.group:
            other, stream = self._streams.get(name), status.streams.get(name)
            if other is not None and stream is not None:
                _bring_forward(other, stream.pts)
        watched.alone, watched.by_group = True, ()
        watched.judged = judged(watched.trials, {}, watched.floor)

    def _others(self, name: str, watched: _Watched, looker: Variant) -> Mapping[str, Trials]:
        """Trials of the same looker on streams that may be alike."""
        return {
            other: each.trials
            for other, each in self._streams.items()
            if other != name
            and not each.alone
            and self._place.get(other) == self._place.get(name)
            and self._looker(each) == looker
        }

    def _looker(self, watched: _Watched) -> Variant | None:
        """Whom its trials are about."""
        return watched.configuration.looker or self._cheaper()

    def _cheaper(self) -> Variant | None:
        """Who may look in place of the last stage."""
        roles = self._roles
        if roles.little is None:
            return None
        variant = Variant(model_of_stage(roles.pipeline, roles.little))
        return None if variant.model == model_of_stage(roles.pipeline, roles.last) else variant

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

    def _ask(self, name: str, watched: _Watched, stream: StreamNow) -> None:
        if not self.config.trials or watched.asked is not None or stream.pts < watched.next_pts:
            return
        looker = self._looker(watched)  # another one than before where settings have just changed
        if looker is None:
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
        """Media seconds to the next trial: later ones make up for those that came early."""
        wait_s = self._apart_s(watched, stream) + watched.owed_s
        watched.owed_s = 0.0
        return wait_s if watched.configuration.looker is None else min(wait_s, _SLOWEST_S)

    def _apart_s(self, watched: _Watched, stream: StreamNow) -> float:
        """Media seconds from one trial to the next, which costs about as much as a look and a half.

        Where the trials of a group have decided, for a looker or against it, its streams take turns.
        """
        begun_pts, begun_looks = watched.begun
        looks = self._looks(stream) - begun_looks
        between_s = (stream.pts - begun_pts) / looks if looks > 0 and stream.pts > begun_pts else 1.0
        in_force = watched.configuration.looker is not None
        decided = in_force or watched.judged.refutes(watched.floor)
        turns = 1 + len(watched.judged.group) if decided and not watched.alone else 1
        return turns * _TRIAL * between_s / self.config.trials

    def _looks(self, stream: StreamNow) -> float:
        """So far, those of the last stage and of the one in its place, which cost a part of it."""
        little = stream.by.get(self._roles.little, 0) if self._roles.little is not None else 0
        return stream.by.get(self._roles.last, 0) + (_TRIAL - 1) * little

    @staticmethod
    def _take(watched: _Watched) -> bool:
        """Take what came of the open trial; whether it is evidence."""
        asked = watched.asked
        if asked is None or not asked.done():
            return False
        watched.asked = None
        if asked.cancelled() or asked.exception() is not None:
            return False
        last, little = asked.result().answers
        if How.FAILED in (last.how, little.how):
            return False
        matched = match(little.detections, last.detections)
        if matched.boxes:
            watched.trials.append(matched)
            del watched.trials[:-_KEPT]
        return matched.boxes > 0

    def _change(self, name: str, watched: _Watched, status: Status, to: Configuration, why: str) -> Change:
        if to.looker != watched.configuration.looker and to.looker is None:
            watched.trials.clear()  # it has to prove itself anew
            watched.asked = None
            watched.judged = UNKNOWN
        watched.configuration, watched.since = to, len(status.epochs) + 1
        settings: dict[str, dict[str, Any]] = self._roles.settings(to, watched.floor)
        return Change(settings, [name], f"{why}, for a floor of {watched.floor:g}: {to}")


def _bring_forward(watched: _Watched, pts: float) -> None:
    """The next trial comes by then."""
    early_s = max(0.0, watched.next_pts - pts)
    watched.owed_s += early_s
    watched.next_pts -= early_s


def _is_under(floor: float, trials: Sequence[Matched]) -> bool:
    f1 = together(trials).f1
    return f1 is not None and f1 < floor


def _on(streams: Collection[str]) -> str:
    """Names of streams; of many the first."""
    named = ", ".join(list(streams)[:_NAMED])
    return f"on {named}" + (f" and {len(streams) - _NAMED} more" if len(streams) > _NAMED else "")


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
