"""The cheapest configuration whose lower bound lies above a floor.

What looks at some frames and holds their boxes costs nothing to evaluate, once a variant has looked at every frame.
What moves boxes or filters frames is replayed. Bounds count independent stretches of time, not frames, so short footage
ends with the safe configuration; the tracker's own control (`stages/track/aging.py`) loosens it while it runs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vidpipe.accuracy.held import held_for
from vidpipe.accuracy.series import Series
from vidpipe.core.progress import Progress
from vidpipe.sources.base import DECODE_ALL, Decoding, StreamSpec, Want
from vidpipe.stages.track.seen import By
from vidpipe.statistics.blocks import Estimate
from vidpipe.tuning.floor.configuration import SAFE, Configuration, Roles, holds, model_of_stage
from vidpipe.tuning.floor.decoding import LESS, decode_shares
from vidpipe.tuning.floor.evidence import evidence
from vidpipe.tuning.floor.export import export_ms
from vidpipe.tuning.floor.replay import Replayed, replay
from vidpipe.tuning.looks import Looks, Variant

STRIDES = (1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40, 50, 60)
_LOOKERS = 3  # variants, the last stage's included, with which boxes are moved: the cheapest that are accurate enough
_FLOWS: tuple[tuple[By, float], ...] = (("flow", 0.0), ("flow", 0.1))  # things that turn fast are lost by long steps
_CODEC: tuple[tuple[By, float], ...] = (("codec", 0.1),)  # as good as at every frame
_DEARER = 1.05  # times what safe costs, that one may cost whose time between looks may still grow
_MATTERS = 0.05  # share of what a configuration costs, that decoding less must save to be tried
_LONG_S = 1.2  # between looks, in the replay that shows how errors grow with age


@dataclass(frozen=True, slots=True, eq=False)
class Stretch:
    """A part of the footage.

    Attributes:
        truth: what the reference says of it.
        looks: of every variant that takes part, and of the last stage's model.
    """

    spec: StreamSpec
    truth: Series
    looks: Looks


@dataclass(frozen=True, slots=True)
class Tried:
    """A configuration on the footage.

    Attributes:
        cpu_ms: CPU time a frame: decoding, stages and looks.
        looks: the share of frames that a model looked at.
        guarded: whether the tracker adapted the time between looks meanwhile.
        settled_s: media seconds between looks that it had come to in the end.
    """

    configuration: Configuration
    estimate: Estimate
    cpu_ms: float
    looks: float
    guarded: bool
    settled_s: float = 0.0

    def holds(self, floor: float) -> bool:
        """Whether it is good enough on this footage."""
        return holds(self.configuration, floor, self.estimate.value, self.estimate.low, guarded=self.guarded)


@dataclass(frozen=True, slots=True)
class Search:
    """What a search has found.

    Attributes:
        tried: every configuration, the cheapest first.
        chosen: the one to run.
        static: the cheapest that only looks at every n-th frame and holds the boxes, by the same bound.
        safe: what looking at every frame costs.
    """

    tried: Sequence[Tried]
    chosen: Tried
    static: Tried
    safe: Tried


def search(
    roles: Roles,
    stream: str,
    stretches: Sequence[Stretch],
    floor: float,
    want: Want,
    progress: Progress,
    more: int = 0,
    decodings: Sequence[Decoding] = LESS,
) -> Search:
    """Find the cheapest way to answer this footage that holds a floor.

    Args:
        more: configurations that Optuna may try beside those that are always tried.
        decodings: ways to decode less that may be tried.
    """
    footage = _Footage(roles, stream, stretches, want, floor)
    held = footage.held()
    safe = next(tried for tried in held if tried.configuration.is_safe)
    progress.step(f"{stream}: replaying how errors grow between looks")
    moved = (replace(SAFE, motion=motion, step_s=step_s) for motion, step_s in footage.motions)
    begun = [*footage.begun(held), *moved, SAFE]
    begun = list(dict.fromkeys(begun))
    progress.step(f"{stream}: replaying {len(begun)} configurations")
    guarded = footage.replayed(begun, floor)
    best = _cheapest(guarded, floor, safe)
    short = [each for each in guarded if not each.holds(floor) and each.cpu_ms < best.cpu_ms]
    if short:
        stricter = [configuration for each in short for configuration in _stricter(each, floor)]
        progress.step(
            f"{stream}: replaying {len(stricter)} configurations with more care, in place of some that fell short"
        )
        guarded += footage.replayed(stricter, floor)
        best = _cheapest(guarded, floor, safe)
    varied = _variations(best, roles)
    progress.step(f"{stream}: replaying {len(varied)} variations of the cheapest")
    others = footage.replayed(varied, floor)
    if more:
        progress.step(f"{stream}: replaying {more} configurations that Optuna proposes")
        others += footage.explored(more)
    best = _cheapest([*guarded, *others], floor, safe)
    if decodings and footage.decode_share(best) >= _MATTERS:
        progress.step(f"{stream}: decoding is {footage.decode_share(best):.0%} of the cheapest: replaying with less")
        others += footage.decoding_less(best, floor, decodings)
    tried = sorted([*held, *guarded, *others], key=lambda each: each.cpu_ms)
    return Search(tried, _cheapest([*guarded, *others], floor, safe), _cheapest(held, floor, safe), safe)


def _cheapest(tried: Iterable[Tried], floor: float, safe: Tried) -> Tried:
    """Of those that hold the floor; safe where others cost clearly more, as it never gets any cheaper itself."""
    best = min((each for each in tried if each.holds(floor)), key=lambda each: each.cpu_ms, default=safe)
    return best if best.cpu_ms <= _DEARER * safe.cpu_ms else safe


def _stricter(tried: Tried, floor: float) -> Iterator[Configuration]:
    """The same with a tracker that goes no further than the evidence; or is held to more, by what it fell short."""
    configuration = tried.configuration
    if configuration.between_s:
        yield replace(configuration, longest_s=configuration.between_s)
    yield replace(configuration, believed=configuration.believed * (tried.estimate.value or 0.0) / floor)


def _variations(tried: Tried, roles: Roles) -> list[Configuration]:
    best = tried.configuration
    varied = []
    if tried.settled_s > best.between_s:
        best = replace(best, between_s=tried.settled_s)
        varied.append(best)
    if best.motion != "held":
        varied.append(replace(best, triggers=True))
    if roles.difference is not None:
        varied += [replace(each, difference=True) for each in (best, *varied)]
    return varied


class _Footage:
    """The stretches of a stream, and what configurations say of them.

    Attributes:
        believed: how far each variant agrees with the reference where it looks at every frame.
        motions: ways to move boxes, with the time between steps; by the codec only where it has vectors to tell.
    """

    def __init__(self, roles: Roles, stream: str, stretches: Sequence[Stretch], want: Want, floor: float) -> None:
        self._roles = roles
        self._stream = stream
        self._stretches = stretches
        self._want = want
        self._floor = floor
        self._big = Variant(model_of_stage(roles.pipeline, roles.last))
        first = stretches[0]
        self._truth = [stretch.truth for stretch in stretches]
        self._frames = sum(series.frames for series in self._truth)
        self._frame_s = 1 / first.truth.fps
        # A stretch of which nothing could be decoded has no price.
        self._decode_ms = float(
            np.nanmean([stretch.looks[self._big].predictions.decode_cpu_ms for stretch in stretches])
        )
        self._look_ms = {
            variant: float(np.nanmean([stretch.looks[variant].cpu_ms for stretch in stretches]))
            for variant in first.looks
        }
        self._sure = {
            variant: [stretch.looks[variant].predictions.sure() for stretch in stretches] for variant in first.looks
        }
        self._vectors_ms = export_ms(stream, first.spec) if roles.sees_motion else None
        self._decode_shares: dict[Decoding, float] = {DECODE_ALL: 1.0}
        self.motions = _FLOWS if self._vectors_ms is None else _FLOWS + _CODEC
        self.believed = {variant: self._estimate(self._sure[variant]) for variant in first.looks}

    def held(self) -> list[Tried]:
        """Every variant at every stride, its boxes held between looks; no replay is needed."""
        return [self._held(variant, stride) for variant in self.believed for stride in STRIDES]

    def begun(self, held: Sequence[Tried]) -> list[Configuration]:
        """Where the tracker may begin: for the cheapest variants, as far between looks as the evidence allows."""
        lookers = self._lookers()
        begun = []
        for variant in lookers:
            proven = [each for each in held if self._is_of(each, variant) and each.holds(self._floor)]
            if proven:
                best = max(proven, key=lambda each: each.configuration.between_s)
                found = [held_for(series, best.configuration.between_s)[0] for series in self._sure[variant]]
                begun.append(self._believing(best.configuration, best.estimate.low, found, None))
        long = [self._configuration(variant, *moved, _LONG_S) for variant in lookers for moved in self.motions]
        for configuration, tried in zip(long, self._replayed(long, None), strict=True):
            frames, low = self._lasts(tried)
            if frames:
                found, young = [run.series for run in tried], [_age(run.looked) < frames for run in tried]
                longest = replace(configuration, between_s=frames * self._frame_s)
                begun.append(self._believing(longest, low, found, young))
        return begun

    def _believing(
        self,
        configuration: Configuration,
        low: float,
        found: Sequence[Series],
        where: Sequence[NDArray[np.bool_]] | None,
    ) -> Configuration:
        """The configuration with what its looker's word is worth there: accuracy for agreement with itself."""
        if configuration.looker is None:
            return configuration
        itself = evidence(found, self._sure[configuration.looker], _of_frames(self._want), where).value
        return replace(configuration, believed=min(1.0, low / itself) if itself else configuration.believed)

    def replayed(
        self, configurations: Sequence[Configuration], floor: float | None, decoding: Decoding = DECODE_ALL
    ) -> list[Tried]:
        """The cascade under each of these; with a floor, the tracker adapts the time between looks.

        Args:
            decoding: that of all of them.
        """
        return [
            self._tried(configuration, runs, floor is not None)
            for configuration, runs in zip(configurations, self._replayed(configurations, floor, decoding), strict=True)
        ]

    def explored(self, trials: int) -> list[Tried]:
        """What Optuna finds in so many trials, in which the tracker does not adapt."""
        from vidpipe.tuning.floor.optuna_search import explore

        lookers = {str(variant): self._configuration(variant, "held", 0.0, 0.0) for variant in self.believed}
        with_difference = self._roles.difference is not None
        motions: list[By] = ["held", *dict.fromkeys(motion for motion, _ in self.motions)]
        return explore(
            lambda each: self.replayed(each, None), lookers, self._frame_s, trials, motions, difference=with_difference
        )

    def decode_share(self, tried: Tried) -> float:
        """What share of a configuration's cost decoding is."""
        return self._decode_ms / tried.cpu_ms

    def decoding_less(self, best: Tried, floor: float, decodings: Sequence[Decoding]) -> list[Tried]:
        """A configuration with fewer pictures decoded, in each way that saves enough of what it costs.

        The tracker learns nothing of pictures that were never seen, so these count by their lower bound.
        """
        specs = [stretch.spec for stretch in self._stretches]
        self._decode_shares |= dict(zip(decodings, decode_shares(self._stream, specs, decodings), strict=True))
        tried = []
        for decoding in decodings:
            if (1 - self._decode_shares[decoding]) * self.decode_share(best) >= _MATTERS:
                less = replace(best.configuration, decoding=decoding)
                tried += self.replayed([less], floor if best.guarded else None, decoding)
        return tried

    def _replayed(
        self, configurations: Sequence[Configuration], floor: float | None, decoding: Decoding = DECODE_ALL
    ) -> list[list[Replayed]]:
        """The replays of each configuration, one for each stretch, of which these pictures are decoded."""
        settings = [self._roles.settings(each, floor) for each in configurations]
        if not settings:
            return []
        runs = [
            replay(
                self._roles.pipeline,
                self._stream,
                stretch.spec.decoded(decoding),
                stretch.looks,
                settings,
                self._vectors_ms,
            )
            for stretch in self._stretches
        ]
        return [list(of_one) for of_one in zip(*runs, strict=True)]

    def _tried(self, configuration: Configuration, runs: Sequence[Replayed], guarded: bool) -> Tried:
        looks: Counter[Variant] = sum((Counter(run.looks) for run in runs), Counter())
        stages_ms = sum(run.stages_ms * run.series.frames for run in runs) / self._frames
        looks_ms = sum(number * self._look_ms[variant] for variant, number in looks.items()) / self._frames
        estimate = self._estimate([run.series for run in runs])
        cpu_ms = self._decode_ms * self._decode_shares[configuration.decoding] + stages_ms + looks_ms
        settled_s = _settled(runs[-1].looked) * self._frame_s if guarded else 0.0
        return Tried(configuration, estimate, cpu_ms, looks.total() / self._frames, guarded, settled_s)

    def _held(self, variant: Variant, stride: int) -> Tried:
        between_s = 0.0 if stride == 1 else stride * self._frame_s
        configuration = self._configuration(variant, "held", 0.0, between_s)
        if stride == 1:
            found, looked = self._sure[variant], self._frames
        else:
            made = [held_for(series, between_s) for series in self._sure[variant]]
            found, looked = [series for series, _ in made], sum(int(frames.sum()) for _, frames in made)
        share = looked / self._frames
        cpu_ms = self._decode_ms + share * self._look_ms[variant]
        return Tried(configuration, self._estimate(found), cpu_ms, share, guarded=False)

    def _configuration(self, variant: Variant, motion: By, step_s: float, between_s: float) -> Configuration:
        if variant == self._big:
            return Configuration(None, 1.0, motion, step_s, between_s)
        return Configuration(variant, self.believed[variant].low, motion, step_s, between_s)

    def _is_of(self, tried: Tried, variant: Variant) -> bool:
        return tried.configuration.looker == (None if variant == self._big else variant)

    def _lookers(self) -> list[Variant]:
        """The last stage's model, and the cheapest others that are accurate enough themselves."""
        able = [
            variant
            for variant, believed in self.believed.items()
            if variant != self._big and believed.low > self._floor
        ]
        return [self._big, *sorted(able, key=lambda each: self._look_ms[each])[: _LOOKERS - 1]]

    def _lasts(self, runs: Sequence[Replayed]) -> tuple[int, float]:
        """How many frames looks may lie apart, by how errors grow with the age of boxes, and the lower bound there.

        0: every frame must be looked at.

        Between two looks that lie far apart every age occurs once, so the frames of age 0 to n - 1 are what a look at
        every n-th frame would give.
        """
        ages = [_age(run.looked) for run in runs]
        found = [run.series for run in runs]
        oldest = max(int(age.max()) for age in ages)
        for frames in range(oldest, 1, -1):
            young = [age < frames for age in ages]
            low = evidence(found, self._truth, _of_frames(self._want), young).low
            if low >= self._floor:
                return frames, low
        return 0, 0.0

    def _estimate(self, found: Sequence[Series]) -> Estimate:
        return evidence(found, self._truth, self._want)


def _of_frames(want: Want) -> Want:
    """What can be counted of single frames, in place of runs of presence."""
    return "count" if want == "count" else "boxes"


def _settled(looked: NDArray[np.bool_]) -> int:
    """Frames between looks in the second half of a run; 0: every frame was looked at, or nearly none."""
    apart = np.diff(np.flatnonzero(looked[len(looked) // 2 :]))
    frames = int(np.median(apart)) if len(apart) else 0
    return frames if frames > 1 else 0


def _age(looked: NDArray[np.bool_]) -> NDArray[np.int64]:
    """How many frames ago the last look was, [frames]."""
    frames = np.arange(len(looked))
    return frames - np.maximum.accumulate(np.where(looked, frames, 0))
