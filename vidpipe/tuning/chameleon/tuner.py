"""Chameleon as a tuner: golden is asked in the shadow of the run, and what is chosen is put in force."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from math import floor
from typing import Self

from pydantic import Field, model_validator

from vidpipe.core.answer import How, nothing
from vidpipe.core.errors import ConfigError, VidpipeError
from vidpipe.core.nearest import did_you_mean
from vidpipe.models.base import Size
from vidpipe.pipeline.models import models_of
from vidpipe.pipeline.spec import Pipeline
from vidpipe.runtime.driver.status import Status
from vidpipe.runtime.driver.tuner import Change, Tuner, TunerConfig
from vidpipe.runtime.shadow.ask import Shadow, Variant
from vidpipe.tuning.chameleon.policy import Policy, Rules
from vidpipe.tuning.chameleon.space import Configuration, Look, Space
from vidpipe.tuning.chameleon.trial import Trial
from vidpipe.tuning.knobs import sample_and_detect


class ChameleonConfig(TunerConfig):
    every_s: float = Field(
        default=0.1, gt=0, description="seconds between two calls, each of which may ask for a frame"
    )
    models: list[str] = Field(default=[], description="to choose from, the dearest first; default: the one in use")
    sizes: list[Size] = Field(default=[], description="of their inputs; default: as each model has it")
    fps: float = Field(default=10.0, gt=0, le=1000, description="looks a second of the golden configuration")
    strides: list[int] = Field(default=[1, 2, 5, 10], description="one in so many of these looks; rising, from 1")
    alpha: float = Field(default=0.9, gt=0, lt=1, description="F1 against golden that a configuration must have")
    segment_s: float = Field(default=4.0, gt=0, description="media seconds from one trial to the next")
    profile_s: float = Field(default=1.0, gt=0, description="media seconds of a trial")
    window: int = Field(default=4, ge=1, le=16, description="segments from one full profile to the next, at first")
    k: int = Field(default=5, ge=1, description="configurations of a profile that later segments try, at first")
    tries: bool = Field(default=True, description="try them in each later segment; else the cheapest holds")
    near: list[list[str]] = Field(
        default=[],
        description="streams that may share a profile, a list for each place; default: any two that are alike",
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.strides[:1] != [1] or self.strides != sorted(set(self.strides)):
            raise ValueError("strides begin with 1 and rise")
        if self.profile_s > self.segment_s:
            raise ValueError("profile_s is longer than segment_s")
        if self.strides[-1] > self.looks:
            raise ValueError(f"a trial of {self.looks} looks says nothing of one look in {self.strides[-1]}")
        return self

    @property
    def looks(self) -> int:
        """Looks of golden in a trial."""
        return max(1, round(self.fps * self.profile_s))


@dataclass(slots=True)
class _Judged:
    """A stream and what is being tried on it.

    Attributes:
        asked: the open question, and the looks that it is about.
        next_pts: media time from which the next frame is asked for.
        in_force: what was put in force last.
    """

    segment: int = -1
    trial: Trial | None = None
    asked: tuple[Future[Shadow], list[Look]] | None = None
    next_pts: float = 0.0
    in_force: Configuration | None = None


class Chameleon(Tuner):
    """Sets model, size and frame rate of each stream as `vidpipe.tuning.chameleon` decides.

    It needs a pipeline of a `sample` and a `detect`. Golden and what is held against it are shadow asks: nothing waits
    for them, and the report has their cost under `shadows`. Where the machine has no time for as many as a trial wants,
    frames lie further apart than they should, so that every stride looks worse than it is, never better.
    """

    Config = ChameleonConfig

    config: ChameleonConfig

    def begin(self, pipeline: Pipeline) -> None:
        config = self.config
        self._sample, self._detect = sample_and_detect(pipeline, "chameleon")
        models = config.models or [str(models_of(pipeline)[1])]
        for name in models:
            if name not in pipeline.models:
                near = did_you_mean(name, pipeline.models)
                raise ConfigError(f"the tuner 'chameleon': there is no model '{name}'{near}")
        self._sizes: list[Size | None] = [*sorted(config.sizes, key=_pixels, reverse=True)] or [None]
        self._space = Space(dict.fromkeys(models, len(self._sizes)), config.strides)
        self._policy = Policy(
            self._space,
            Rules(
                alpha=config.alpha,
                segment_s=config.segment_s,
                profile_s=config.profile_s,
                window=config.window,
                k=config.k,
                tries=config.tries,
            ),
            config.near,
        )
        self._streams: dict[str, _Judged] = {}

    def tune(self, status: Status) -> Sequence[Change]:
        changes = []
        for name, stream in status.streams.items():
            if stream.state == "ended":
                self._policy.remove(name)
                self._streams.pop(name, None)
            elif stream.frames_in:
                judged = self._streams.setdefault(name, _Judged())
                self._go_on(name, judged, stream.pts)
                chosen = self._policy.chosen(name)
                if chosen is not None and chosen != judged.in_force:
                    judged.in_force = chosen
                    changes.append(self._change(name, chosen))
        return changes

    def _go_on(self, name: str, judged: _Judged, pts: float) -> None:
        """Take what came of the last question, and ask the next."""
        segment = floor(pts / self.config.segment_s)
        if judged.asked is not None and judged.asked[0].done():
            self._take(judged, *judged.asked)
        trial = judged.trial
        if trial is not None and (trial.done or segment != judged.segment):
            self._policy.learn(name, trial.question, trial.f1())
            judged.trial, judged.asked = None, None
        if segment != judged.segment:
            judged.segment, judged.next_pts = segment, pts
            if (question := self._policy.question(name, segment)) is not None:
                judged.trial = Trial(question, self.config.looks, self.config.alpha)
        if judged.trial is not None and judged.asked is None and pts >= judged.next_pts:
            self._ask(name, judged, judged.trial.wanted())

    def _ask(self, name: str, judged: _Judged, looks: list[Look]) -> None:
        try:
            judged.asked = self.ask(name, [Variant(self._detect, self._settings(look)) for look in looks]), looks
        except VidpipeError:  # too much is asked at the moment, or the stream has just ended: later, or never
            judged.asked = None

    def _take(self, judged: _Judged, future: Future[Shadow], looks: list[Look]) -> None:
        judged.asked = None
        if judged.trial is None or future.cancelled() or future.exception() is not None:
            return
        shadow = future.result()
        if shadow.answers[0].how is How.FAILED:  # golden: there is nothing to hold the others against
            return
        seen = {}
        for look, answer, cpu_ms in zip(looks, shadow.answers, shadow.cpu_ms, strict=True):
            failed = (
                answer.how is How.FAILED
            )  # a size that the network does not take: it sees nothing, and costs nothing
            seen[look] = nothing() if failed else answer.detections
            if not failed:
                self._space.note(look, cpu_ms)
        judged.trial.take(seen)
        judged.next_pts = shadow.pts + 1 / self.config.fps - self.config.every_s / 2

    def _change(self, name: str, chosen: Configuration) -> Change:
        golden = self._space.golden
        share = self._space.cost(chosen) / self._space.cost(golden)
        leader = self._policy.leader(name)
        by = "" if leader == name else f", as {leader} found"
        stages = {self._sample: {"fps": self.config.fps / chosen.stride}, self._detect: self._settings(chosen.look)}
        return Change(stages, [name], f"{share:.0%} of golden's cost{by}")

    def _settings(self, look: Look) -> Mapping[str, object]:
        return {"model": look.model, "size": self._sizes[look.level]}


def _pixels(size: Size) -> int:
    return size * size if isinstance(size, int) else size[0] * size[1]
