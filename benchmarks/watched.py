"""A stream that the tuner of floors watches, replayed: its trials and audits are answered from looks that are known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.day import FPS
from benchmarks.policies import STREAM, VARIANTS, Footage, agreement, detections
from vidpipe.accuracy.series import Boxes, Series
from vidpipe.core.answer import Answer, How
from vidpipe.results.accuracy import Evidence
from vidpipe.runtime.driver.status import Status, StreamNow
from vidpipe.runtime.shadow.ask import Shadow
from vidpipe.statistics.accuracy import Sums
from vidpipe.tuning.floor.configuration import Configuration
from vidpipe.tuning.floor.profile import with_settings
from vidpipe.tuning.floor.replay import replay
from vidpipe.tuning.floor.tuner import Floor, FloorConfig
from vidpipe.tuning.looks import Variant

LITTLE = VARIANTS[1]


class Watched(NamedTuple):
    """What is published, and what the tuner changed on the way: media seconds, and its reason."""

    series: Series
    changes: list[tuple[float, str]]


def damaged(footage: Footage, at_s: float, share: float = 0.5) -> Footage:
    """The footage with a little model that, from a time on, sees nothing in the right part of the picture."""
    look = footage.looks[LITTLE]
    series = look.predictions.series
    middle = series.boxes.xyxy[:, [0, 2]].mean(axis=1)
    seen = (middle < (1 - share) * series.width) | (series.boxes.frame < round(at_s * FPS))
    blind = replace(look, predictions=replace(look.predictions, series=series.where(seen)))
    return replace(footage, looks={**footage.looks, LITTLE: blind})


def watched(footage: Footage, begin: Configuration, floor: float) -> Watched:
    """Replay with the tuner called once a second of media time; what it changes is in force from the next frame on.

    A change begins the tracker anew, which a run does not.
    """
    roles, step = footage.roles, round(FPS)
    tuner, stream = Floor(), _Street(footage)
    tuner.config = FloorConfig()
    tuner.begin(with_settings(roles, {STREAM: (begin, floor)}))
    tuner.ask = stream.ask
    stream.go_on(roles.settings(begin, floor))
    for now in range(step, footage.frames, step):
        for change in tuner.tune(stream.status(now, floor)):
            stream.go_on(change.stages, change.reason)
    return Watched(_joined(stream.parts), stream.changes)


class _Street:
    """The stream as its tuner sees it.

    Attributes:
        parts: answers under each of the settings, up to the end of the footage.
        changes: when and why settings changed.
    """

    def __init__(self, footage: Footage) -> None:
        self.parts: list[tuple[int, Series]] = []
        self.changes: list[tuple[float, str]] = []
        self._footage = footage
        self._truth = footage.part(0, footage.frames).truth
        self._seen = {each: detections(look.predictions.sure()) for each, look in footage.looks.items()}
        self._audited = np.random.default_rng(0).random(footage.frames) < footage.roles.pipeline.audit.rate
        self._now = 0
        self._looked = np.zeros(footage.frames, bool)
        self._by_big = np.zeros(footage.frames, bool)

    def go_on(self, settings: Any, reason: str = "") -> None:
        """Answer what is left under these settings."""
        footage, roles = self._footage, self._footage.roles
        left = footage.part(self._now, footage.frames)
        (run,) = replay(roles.pipeline, STREAM, left.spec, left.looks, [settings])
        self.parts.append((self._now, run.series))
        self._by_big[self._now :] = run.looked & (not settings[roles.little]["enabled"])
        if reason:
            self.changes.append((self._now / FPS, reason))

    def ask(self, stream: str, variants: Sequence[Any]) -> Future[Shadow]:
        """What the variants say of the frame of now, at once."""
        answers = []
        for asked in variants:
            who = Variant(asked.settings["model"], asked.settings["size"]) if asked.settings else VARIANTS[0]
            answers.append(Answer(self._seen[who][self._now], How.MEASURED, asked.stage, self._now))
        future: Future[Shadow] = Future()
        future.set_result(Shadow(stream, self._now, self._now / FPS, tuple(answers), (0.0,) * len(answers)))
        return future

    def status(self, now: int, floor: float) -> Status:
        """After so many frames."""
        self._now = now
        last = self._footage.roles.last
        by = {last: int(self._by_big[:now].sum())}
        accuracy = {"floor": floor, "want": "boxes"}
        evidence = {len(self.changes): self._evidence(now)}
        stream = StreamNow("running", now, now / FPS, {}, by, len(self.changes), {}, "", None, {}, accuracy, evidence)
        epochs: Any = self.changes
        return Status("running", 0.0, {STREAM: stream}, {}, {}, epochs, 0, 0, is_held=False)

    def _evidence(self, now: int) -> Evidence:
        """Of what was published under the settings in force: all looks of the big model, and audits of the rest."""
        begun, series = self.parts[-1]
        hits, trials = agreement(series.part(0, now - begun), self._truth.part(begun, now))
        cheap, audited = ~self._by_big[begun:now], self._audited[begun:now]
        told = Evidence(frames=Counter(cheap=int((cheap & ~audited).sum())))
        told.looked["boxes"] = _sums(hits[~cheap], trials[~cheap])
        if (cheap & audited).any():
            told.audits["cheap"] = {"boxes": _sums(hits[cheap & audited], trials[cheap & audited])}
        return told


def _sums(hits: NDArray[np.float64], trials: NDArray[np.float64]) -> Sums:
    sums = Sums()
    for hit, tried in zip(hits, trials, strict=True):
        sums = sums.and_frame(hit, tried)
    return sums


def _joined(parts: Sequence[tuple[int, Series]]) -> Series:
    """The answers of each settings up to where the next begin."""
    begins = [begun for begun, _ in parts]
    whole = parts[0][1]
    ends = [*begins[1:], whole.frames]
    cut = [series.part(0, end - begun).boxes for (begun, series), end in zip(parts, ends, strict=True)]
    frame = np.concatenate([boxes.frame + begun for boxes, begun in zip(cut, begins, strict=True)])
    columns = {name: np.concatenate([getattr(boxes, name) for boxes in cut]) for name in ("xyxy", "score", "label")}
    boxes = Boxes.of(frame, columns["xyxy"], score=columns["score"], label=columns["label"])
    return replace(whole, boxes=boxes)
