"""Teach an event: fit on the earlier examples, choose on what was not fitted to, and say what the later ones show."""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from vidpipe.core.errors import ConfigError
from vidpipe.core.nearest import did_you_mean
from vidpipe.statistics.wilson import wilson
from vidpipe.teaching.examples import Example, refuse_contradictions
from vidpipe.teaching.fit import (
    STRENGTHS,
    Shown,
    Thresholds,
    fit,
    held_out_scores,
    loss,
    thresholds,
    without_neighbours,
)
from vidpipe.teaching.judge import Judged, Span, judge
from vidpipe.teaching.recorded import Survey, blank, name_of, show, survey, told
from vidpipe.teaching.review import rates
from vidpipe.transforms.learnt.classifier import BOXES, EventClassifier

LEAST = 5  # examples of each class to fit by, without which nothing is learnt
_LEAST_HELD = 2  # of each class
_ENOUGH = 15  # of each class: fewer are warned of
_ALIKE = 1e-6  # that no feature differs by
_DIGITS = 6


@dataclass(frozen=True, slots=True)
class Lesson:
    """How to teach.

    Attributes:
        inputs: names of features; None: boxes, or where there are none all that the results hold.
        held: share of the examples of each class, the latest, that are neither fitted nor chosen on; 0: none, where
            others are held back elsewhere.
    """

    event: str
    inputs: Sequence[str] | None = None
    window_s: float = 2.0
    step_s: float = 0.5
    hold_s: float = 5.0
    k: int = 2
    n: int = 3
    held: float = 0.3


@dataclass(slots=True)
class Taught:
    """What came of it.

    Attributes:
        warnings: what makes it worth less, a sentence each.
    """

    classifier: EventClassifier
    judged: Judged
    warnings: list[str] = field(default_factory=list)


def teach(lesson: Lesson, examples: Sequence[Example], paths: Sequence[Path]) -> Taught:
    """Teach an event.

    Args:
        paths: results files, the oldest first; examples name them without their suffix.

    Raises:
        ConfigError: nothing can be learnt, and why.
    """
    warnings: list[str] = []
    _refuse_one_class(examples)
    found = survey(paths)
    examples = _placed(_with_recording(examples, found, warnings), paths, found)
    refuse_contradictions(examples)  # what two files say of one moment
    _refuse_one_class(examples)  # without those that were left out
    inputs = _inputs(lesson, found)
    settings = {"window_s": lesson.window_s, "step_s": lesson.step_s, "hold_s": lesson.hold_s}
    classifier = blank(lesson.event, found, inputs, **settings, k=lesson.k, n=lesson.n)
    shown = _with_windows(examples, show(classifier, paths, examples), warnings)
    _refuse_alike(shown, inputs)
    _warn(examples, warnings)
    early, late = _split(shown, lesson.held)
    early = without_neighbours(early, late, lesson.window_s)
    _refuse_few(early, late)
    strength, chosen = _choose(early, lesson)
    _refuse_chance(early, chosen)
    scorer = fit(early, strength)
    rounded = {
        "mean": [_short(value) for value in scorer.mean.tolist()],
        "scale": [max(_short(value), 10.0**-_DIGITS) for value in scorer.scale.tolist()],
        "weights": [_short(value) for value in scorer.weights.tolist()],
        "bias": _short(scorer.bias),
        "begin": _short(chosen.begin),
        "end": min(_short(chosen.end), _short(chosen.begin)),
    }
    classifier = EventClassifier.model_validate({**classifier.model_dump(by_alias=True), **rounded})
    judged = _judge(classifier, late, paths)
    figures: dict[str, Any] = {
        "held_back": judged.figures(),
        "chosen_on": {
            "yes": _share(chosen.right_yes, early, yes=True),
            "no": _share(chosen.right_no, early, yes=False),
        },
        "strength": strength,
        **({"reviewed": reviewed} if (reviewed := rates(examples)) else {}),
    }
    made_of = {
        "yes": sum(each.yes for each in shown),
        "no": sum(not each.yes for each in shown),
        "sha256": _hash(examples),
    }
    classifier = classifier.model_copy(update={"figures": figures, "taught": made_of}).sealed()
    if judged.found + judged.missed < _ENOUGH:
        warnings.append("few examples are held back: the intervals say how little the figures are worth")
    return Taught(classifier, judged, warnings)


def _refuse_one_class(examples: Sequence[Example]) -> None:
    yes = sum(each.yes for each in examples)
    if not examples:
        raise ConfigError("there are no examples: mark a few dozen moments, half of them yes and half no")
    for count, what in ((yes, "yes"), (len(examples) - yes, "no")):
        if not count:
            raise ConfigError(
                f"no example says {what}: mark moments of both kinds, also some that are easily mistaken for it"
            )


def _with_recording(examples: Sequence[Example], found: Survey, warnings: list[str]) -> list[Example]:
    """Examples of a store with the name of the results of their run; those whose results are not given are left out."""
    names = {run: recording for recording, run in found.runs.items() if run}
    without = [each for each in examples if each.run and each.run not in names]
    if without:
        runs = sorted({each.run for each in without})
        if len(without) == len(examples):
            raise ConfigError(
                f"{without[0]}: its run began {runs[0]}, and no results that are given are of that run: name what "
                "`vidpipe run --results` wrote then"
            )
        warnings.append(
            f"{len(without)} of {len(examples)} examples are left out, as results of their runs are not given: those "
            f"that began {', '.join(runs[:3])}{' and others' if len(runs) > 3 else ''}"
        )
    return [
        replace(each, recording=names[each.run], run="") if each.run else each
        for each in examples
        if not each.run or each.run in names
    ]


def _placed(examples: Sequence[Example], paths: Sequence[Path], found: Survey) -> list[Example]:
    """Examples with the name of their recording."""
    names = [name_of(path) for path in paths]
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise ConfigError(f"two results files are called {twice[0]}: examples could not tell them apart, so rename one")
    placed = []
    for each in examples:
        if each.recording and each.recording not in names:
            near = did_you_mean(each.recording, names)
            raise ConfigError(
                f"{each.where}: there are no results of '{each.recording}'{near}: name them with --results"
            )
        there = [name for name, stream in found.streams if stream == each.stream and each.recording in ("", name)]
        if not there:
            near = did_you_mean(each.stream, [stream for _, stream in found.streams])
            raise ConfigError(f"{each.where}: no results of a stream '{each.stream}'{near}")
        if len(there) > 1:
            raise ConfigError(f"{each.where}: {each.stream} is in {there[0]} and {there[1]}: add a column `recording`")
        begin, end = found.streams[there[0], each.stream]
        if each.end < begin or each.begin > end:
            raise ConfigError(f"{each}: results of {each.stream} go from {begin:g} to {end:g} s")
        placed.append(replace(each, recording=there[0]))
    return placed


def _inputs(lesson: Lesson, found: Survey) -> list[str]:
    known = [*([BOXES] if found.classes else []), *sorted(found.features)]
    if lesson.inputs is None:
        if not known:
            raise ConfigError(
                "the results hold no boxes and no features: run with a rule {id: NAME, kind: learnt, features: "
                "[STAGE]} first"
            )
        return known[:1] if found.classes else known
    for name in lesson.inputs:
        if name not in known:
            raise ConfigError(
                f"the results hold no features '{name}'{did_you_mean(name, known)}: run with a rule {{id: NAME, "
                f"kind: learnt, features: [{name}]}} first"
            )
    return list(lesson.inputs)


def _with_windows(examples: Sequence[Example], shown: Sequence[Shown | str], warnings: list[str]) -> list[Shown]:
    """Those of which something is known, in order of time."""
    blind = [(each, why) for each, why in zip(examples, shown, strict=True) if isinstance(why, str)]
    known = [each for each in shown if not isinstance(each, str)]
    if blind:
        example, why = blind[0]
        what = f"no features of {why} there" if why else "no results there"
        if len(blind) > len(examples) / 2:
            raise ConfigError(f"{example}: {what}, and so for {len(blind)} of {len(examples)} examples")
        warnings.append(f"{len(blind)} of {len(examples)} examples are left out; {example}: {what}")
    return sorted(known, key=lambda each: (each.order, each.begin, each.stream))


def _refuse_alike(shown: Sequence[Shown], inputs: Sequence[str]) -> None:
    windows = np.concatenate([each.windows for each in shown])
    if np.ptp(windows, axis=0).max() < _ALIKE:
        raise ConfigError(
            f"all {len(shown)} examples look the same by {' and '.join(inputs)}, both yes and no: nothing that is seen "
            "of them differs. Are their times those of the results? Else the features do not show the event"
        )


def _warn(examples: Sequence[Example], warnings: list[str]) -> None:
    yes = sum(each.yes for each in examples)
    for count, what in ((yes, "yes"), (len(examples) - yes, "no")):
        if count < _ENOUGH:
            warnings.append(f"only {count} examples say {what}: {_ENOUGH} of each are a beginning")
    by_place: dict[tuple[str, str], list[Example]] = defaultdict(list)
    for each in examples:
        by_place[each.recording, each.stream].append(each)
    for there in by_place.values():
        there.sort(key=lambda each: each.begin)
        for one, other in pairwise(there):
            if other.begin < one.end:
                warnings.append(f"{other} overlaps {one}: the same moment counts twice")


def _split(shown: Sequence[Shown], share: float) -> tuple[list[Shown], list[Shown]]:
    """The earlier ones, and the latest, among which are enough of each class."""
    if not share:
        return list(shown), []
    want = {
        value: max(_LEAST_HELD, math.ceil(share * sum(each.yes == value for each in shown))) for value in (True, False)
    }
    held: Counter[bool] = Counter()
    cut = len(shown)
    while cut and any(held[value] < want[value] for value in want):
        cut -= 1
        held[shown[cut].yes] += 1
    return list(shown[:cut]), list(shown[cut:])


def _refuse_few(early: Sequence[Shown], late: Sequence[Shown]) -> None:
    for value, what in ((True, "yes"), (False, "no")):
        count = sum(each.yes == value for each in early)
        if count < LEAST:
            raise ConfigError(
                f"too few examples: {count} say {what} among the earlier ones, which are fitted to, and {LEAST} are "
                f"the least; the later {len(late)} are held back to see what it is worth. Mark more, over the "
                "whole time"
            )


def _choose(early: Sequence[Shown], lesson: Lesson) -> tuple[float, Thresholds]:
    """The strength with the least loss on examples that were not fitted to, and the thresholds that suit these best."""
    every = [(strength, held_out_scores(early, strength, lesson.window_s)) for strength in STRENGTHS]
    strength, scores = min(every, key=lambda each: loss(early, each[1]))
    return strength, thresholds(early, scores, lesson.k, lesson.n)


def _refuse_chance(early: Sequence[Shown], chosen: Thresholds) -> None:
    """Thresholds were chosen on the same examples: so little more than half is no better than chance."""
    yes, no = sum(each.yes for each in early), sum(not each.yes for each in early)
    rate = (chosen.right_yes / yes + chosen.right_no / no) / 2
    trials = 2 * min(yes, no)
    if wilson(rate * trials, trials)[0] <= 0.5:
        raise ConfigError(
            f"nothing better than chance was learnt: of examples that were not fitted to, {chosen.right_yes} of "
            f"{yes} yes and {chosen.right_no} of {no} no come out right. Look for wrong "
            "examples, or mark more; or the features do not show the event"
        )


def _judge(classifier: EventClassifier, late: Sequence[Shown], paths: Sequence[Path]) -> Judged:
    names = [name_of(path) for path in paths]
    streams: dict[str, set[str]] = defaultdict(set)
    for each in late:
        streams[names[each.order]].add(each.stream)
    spans = {value: [_span(each, names) for each in late if each.yes == value] for value in (True, False)}
    first: dict[tuple[str, str], float] = {}
    for each in late:
        key = names[each.order], each.stream
        first[key] = min(first.get(key, math.inf), each.begin)
    events = [event for event in told(classifier, paths, streams) if event.end >= first[event.recording, event.stream]]
    return judge(events, spans[True], spans[False], classifier.window_s / 2)


def _span(each: Shown, names: Sequence[str]) -> Span:
    return Span(names[each.order], each.stream, each.begin, each.end)


def _share(right: int, early: Sequence[Shown], *, yes: bool) -> dict[str, int]:
    return {"right": right, "of": sum(each.yes == yes for each in early)}


def _short(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")


def _hash(examples: Sequence[Example]) -> str:
    told = [[each.recording, each.stream, each.begin, each.end, each.yes] for each in examples]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()
