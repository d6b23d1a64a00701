"""Events that a user has taught by examples: rules of kind learnt."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vidpipe.core.event import REVIEW, Phase
from vidpipe.statistics.draw import draw
from vidpipe.transforms.learnt.boxes import BoxFeatures
from vidpipe.transforms.learnt.classifier import BOXES, EventClassifier
from vidpipe.transforms.learnt.smoothing import Smoothing
from vidpipe.transforms.learnt.window import Window
from vidpipe.transforms.rules.objects import KEEP_S
from vidpipe.transforms.rules.seen import Seen
from vidpipe.transforms.rules.watch import ROUNDING_S, Happening, Watch, span

KIND = "learnt"
UNKNOWN = "learnt.unknown"
"""Kind of the event that nothing is known, for want of features."""


class Look(NamedTuple):
    """What a classifier sees at one result.

    Attributes:
        window: features of the window that ends there, float64 [3 n]; None where some are not known.
        missing: name of those that are not.
    """

    window: NDArray[np.float64] | None
    missing: str = ""


class Looks:
    """Looks at the results of one stream, a step of the classifier apart; it pickles."""

    def __init__(self, classifier: EventClassifier) -> None:
        self._inputs = classifier.inputs
        self._step_s, self._hold_s = classifier.step_s, classifier.hold_s
        self._boxes = BoxFeatures(classifier.classes)
        self._window = Window(classifier.window_s)
        self._newest: dict[str, tuple[float, Sequence[float]]] = {}  # features by name, with their media seconds
        self._due: float | None = None
        self._pts: float | None = None  # of the result before

    def see(self, seen: Seen, age_s: float | None) -> Look | None:
        """Take the next result; None where no look is due.

        Args:
            age_s: of its boxes, as of `Ages`.
        """
        if self._pts is not None and not 0 <= seen.pts - self._pts <= max(KEEP_S, self._hold_s):
            self._forget()
        self._pts = seen.pts
        for name, features in seen.features.items():
            self._newest[name] = seen.pts, features
        if self._due is not None and seen.pts < self._due - ROUNDING_S:
            return None
        self._due = seen.pts + self._step_s
        parts = []
        for each in self._inputs:
            part = self._of_boxes(seen, age_s) if each.name == BOXES else self._held(seen.pts, each.name, each.size)
            if part is None:
                self._window.clear()
                return Look(None, each.name)
            parts.append(part)
        return Look(self._window.add(seen.pts, np.concatenate(parts)))

    def _of_boxes(self, seen: Seen, age_s: float | None) -> NDArray[np.float64] | None:
        known = seen.width > 0 and age_s is not None and age_s <= self._hold_s
        return self._boxes.of(seen) if known else None

    def _held(self, pts: float, name: str, size: int) -> NDArray[np.float64] | None:
        at, features = self._newest.get(name, (-np.inf, ()))
        if not -ROUNDING_S <= pts - at <= self._hold_s or len(features) not in (0, size):
            return None
        return np.array(features, np.float64) if len(features) else np.zeros(size)

    def _forget(self) -> None:
        self._window.clear()
        self._boxes.forget()
        self._newest.clear()
        self._due = None


class _State:
    """What is so at one watch.

    Attributes:
        since, last: media seconds of the first look that says so, and of the last one.
        best: greatest score of the event.
        id: of the event that goes on; "": none does.
        blind_since: since when nothing has been known; None: it is.
        blind_id: of the event that says so.
        window: number of the window whose looks are counted; -1: none yet.
        began: media seconds of its first look.
        so, looked: how many of its looks found that the event goes on, and how many there were.
    """

    def __init__(self, classifier: EventClassifier) -> None:
        self.looks = Looks(classifier)
        self.scorer = classifier.scorer
        self.smoothing = Smoothing(classifier.begin, classifier.end, classifier.k, classifier.n)
        self.since = self.last = 0.0
        self.best = 0.0
        self.id = ""
        self.blind_since: float | None = None
        self.blind_id = ""
        self.window = -1
        self.began = 0.0
        self.so = 0
        self.looked = 0


class Lessons:
    """Begins when k of n looks say that it is so, and ends when k of n say that it is not.

    It causes no look of a model and no embedding: it goes by what results hold. What is missing is held for `hold_s` of
    the classifier; then nothing is known, which is told, and ends what goes on.

    Args:
        watches: those of this kind.

    Attributes:
        counts: looks, those of which nothing is known, and questions to a person.
    """

    def __init__(self, watches: Sequence[Watch]) -> None:
        self._states = [
            (watch, watch.rule.event, _State(watch.rule.event)) for watch in watches if watch.rule.event is not None
        ]
        self.counts: Counter[str] = Counter()

    def go_on(self, before: Lessons, numbers: Mapping[int, int]) -> None:
        """Take up what others knew.

        Args:
            numbers: of the watches that go on: their number here by the number there.
        """
        known = {numbers[watch.number]: state for watch, _, state in before._states if watch.number in numbers}
        self._states = [(watch, event, known.get(watch.number, state)) for watch, event, state in self._states]
        self.counts = before.counts

    def close(self, seen: Seen, over: Mapping[int, str]) -> Iterator[Happening]:
        """End what was told and goes on, of these watches, each with the reason for it."""
        for watch, event, state in self._states:
            if watch.number in over:
                yield from _end(seen, watch, event, state, over[watch.number])
                yield from _see_again(seen, watch, event, state, over[watch.number])
                state.smoothing.clear()

    def see(self, seen: Seen, age_s: float | None, stream: str = "") -> Iterator[Happening]:
        """What happens with the next result.

        Args:
            age_s: of its boxes.
            stream: its name, on which chance depends.
        """
        for watch, event, state in self._states:
            look = state.looks.see(seen, age_s)
            if look is None:
                continue
            self.counts["looks"] += 1
            if look.window is None:
                self.counts["unknown"] += 1
                yield from _be_blind(seen, watch, event, state, look.missing)
                continue
            yield from _see_again(seen, watch, event, state)
            score = float(state.scorer.scores(look.window))
            for each in _look(seen, watch, event, state, score, stream):
                self.counts["asked"] += each.kind == REVIEW
                yield each


def _look(
    seen: Seen, watch: Watch, event: EventClassifier, state: _State, score: float, stream: str
) -> Iterator[Happening]:
    if not watch.awake:
        yield from _end(seen, watch, event, state)
        state.smoothing.clear()
        return
    was, on = state.smoothing.on, state.smoothing.look(score)
    if on and not was:
        # K of N have said so by now: it began as many looks ago, at the least.
        state.since, state.best = max(seen.pts - (event.k - 1) * event.step_s, 0.0), score
        state.id = f"{watch.rule.id}/{seen.seq}"
        yield watch.says(KIND, Phase.BEGIN, state.id, _told(event, state.best) | span(seen, state.since))
        if draw(f"{watch.rule.id}/begin", stream, seen.seq) < watch.rule.review:
            yield _ask(seen, watch, event, state.since, seen.pts, said=True)
    elif was and not on:
        yield from _end(seen, watch, event, state)
    if on:
        state.last, state.best = seen.pts, max(state.best, score)
    yield from _count(seen, watch, event, state, on, stream)


def _count(
    seen: Seen, watch: Watch, event: EventClassifier, state: _State, on: bool, stream: str
) -> Iterator[Happening]:
    """Count windows of time, and ask about a random share of those in which nothing was said to be so."""
    window = int(seen.pts // event.quiet_s)
    if window != state.window:
        whole = state.looked >= 2 and window == state.window + 1
        quiet = whole and not state.so and not on  # what begins now has begun some looks ago, in that window
        if quiet and draw(f"{watch.rule.id}/quiet", stream, state.window) < watch.rule.review:
            yield _ask(seen, watch, event, state.began, seen.pts, said=False)
        state.window, state.began, state.so, state.looked = window, seen.pts, 0, 0
    state.looked += 1
    state.so += on


def _ask(seen: Seen, watch: Watch, event: EventClassifier, begin: float, end: float, *, said: bool) -> Happening:
    told = {"event": event.event, "said": said, "classifier": event.version, **span(seen, begin, end)}
    return watch.says(REVIEW, Phase.BEGIN, f"{watch.rule.id}/review/{seen.seq}{'y' if said else 'n'}", told)


def _be_blind(seen: Seen, watch: Watch, event: EventClassifier, state: _State, missing: str) -> Iterator[Happening]:
    yield from _end(seen, watch, event, state, "unknown")
    state.smoothing.clear()
    state.window = -1
    if state.blind_since is None:
        state.blind_since = seen.pts
    if not state.blind_id and watch.awake and seen.pts - state.blind_since >= event.hold_s - ROUNDING_S:
        state.blind_id = f"{watch.rule.id}/unknown/{seen.seq}"
        told = {"event": event.event, "detail": f"no features of {missing}", **span(seen, state.blind_since)}
        yield watch.says(UNKNOWN, Phase.BEGIN, state.blind_id, told)


def _see_again(
    seen: Seen, watch: Watch, event: EventClassifier, state: _State, reason: str = ""
) -> Iterator[Happening]:
    if state.blind_id and state.blind_since is not None:
        told: dict[str, Any] = {"event": event.event, **({"reason": reason} if reason else {})}
        told |= {"dwell_s": round(seen.pts - state.blind_since, 3), **span(seen, state.blind_since, seen.pts)}
        yield watch.says(UNKNOWN, Phase.END, state.blind_id, told)
    state.blind_since, state.blind_id = None, ""


def _end(seen: Seen, watch: Watch, event: EventClassifier, state: _State, reason: str = "") -> Iterator[Happening]:
    if state.id:
        told = _told(event, state.best) | ({"reason": reason} if reason else {})
        told |= {"dwell_s": round(state.last - state.since, 3), **span(seen, state.since, state.last)}
        yield watch.says(KIND, Phase.END, state.id, told)
    state.id = ""


def _told(event: EventClassifier, score: float) -> dict[str, Any]:
    """What an event says of itself: its name, and as its score the greatest probability."""
    return {"event": event.event, "score": round(float(1 / (1 + np.exp(-np.clip(score, -30, 30)))), 4)}
