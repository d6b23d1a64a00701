"""How many there are in a zone, or in the picture: rules of kinds occupancy, presence and absence.

They ask for no identities: so they work without a tracker as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vidpipe.core.event import Phase
from vidpipe.transforms.rules.objects import KEEP_S, Object
from vidpipe.transforms.rules.seen import Seen
from vidpipe.transforms.rules.spec import RuleSpec
from vidpipe.transforms.rules.watch import ROUNDING_S, Happening, Watch, span

_OCCUPANCY_S = 1.0  # for which there must be so many, where a rule does not say


@dataclass(slots=True)
class _State:
    """What is so at one watch.

    Attributes:
        since: media seconds since when it has been so; None: it is not.
        last: when it was last so.
        id: of the event; "": it has not been so for long enough.
        most: the greatest number that was told.
        count: of the newest result.
        as_of: of the look that the result rested on at which it began to be so.
    """

    since: float | None = None
    last: float = 0.0
    id: str = ""
    most: int = 0
    count: int = 0
    as_of: int = -1


class Gatherings:
    """Each watch is so or not: enough are there, somebody is, nobody is. It begins once it has been so for a while,
    gaps of less than the time of grace left out, and ends when it has not been so for that time.

    Args:
        watches: those of these kinds.
    """

    def __init__(self, watches: Sequence[Watch]) -> None:
        self._states = [(watch, _State()) for watch in watches]
        self._pts: float | None = None  # of the result before

    def go_on(self, before: Gatherings, numbers: Mapping[int, int]) -> None:
        """Take up what others knew.

        Args:
            numbers: of the watches that go on: their number here by the number there.
        """
        known = {numbers[watch.number]: state for watch, state in before._states if watch.number in numbers}
        self._states = [(watch, known.get(watch.number, state)) for watch, state in self._states]
        self._pts = before._pts

    def close(self, seen: Seen, over: Mapping[int, str]) -> Iterator[Happening]:
        """End what was told and goes on, of these watches, each with the reason for it."""
        for watch, state in self._states:
            if watch.number in over and state.since is not None:
                if state.id:
                    yield _tell(seen, watch, state, Phase.END, state.count, over[watch.number])
                state.since, state.id, state.most = None, "", 0

    def see(self, seen: Seen, objects: Iterable[Object]) -> Iterator[Happening]:
        """What happens as these objects are seen; each knows where it counts."""
        counts: dict[int, int] = {}
        for known in objects:
            for number in known.counted:
                counts[number] = counts.get(number, 0) + 1
        for watch, state in self._states:
            rule, count = watch.rule, counts.get(watch.number, 0)
            state.count = count
            is_so = watch.awake and (count == 0 if rule.kind == "absence" else count >= (rule.at_least or 1))
            if is_so or state.since is not None:
                yield from self._go_on(seen, watch, state, is_so, count)
        self._pts = seen.pts

    def _go_on(self, seen: Seen, watch: Watch, state: _State, is_so: bool, count: int) -> Iterator[Happening]:
        now, (begin_s, end_s) = seen.pts, _times(watch.rule)
        if state.since is not None:
            _put_back_end(seen, watch, state)
        # Over a gap in the stream nobody knows what was so: as with objects that nobody sees.
        broken_off = self._pts is not None and not 0 <= now - self._pts <= max(KEEP_S, end_s)
        # Not so at the result before, and so again too late: where results are rare nothing came in between.
        lapsed = self._pts is not None and state.last < self._pts and now - state.last > end_s + ROUNDING_S
        over = broken_off or lapsed or (not is_so and now - state.last >= end_s - ROUNDING_S)
        if state.since is not None and over:
            if state.id:
                yield _tell(seen, watch, state, Phase.END, count)
            state.since, state.id, state.most = None, "", 0
        if not is_so:
            return
        if state.since is None:
            state.since, state.as_of = now, seen.as_of
        state.last = now
        is_earlier = _put_back_begin(seen, watch, state)
        if not state.id and now - state.since >= begin_s - ROUNDING_S:
            state.id, state.most = f"{watch.rule.id}/{watch.place}/{seen.seq}", count
            yield _tell(seen, watch, state, Phase.BEGIN, count)
        elif state.id and count > state.most and watch.rule.kind == "occupancy":
            state.most = count
            yield _tell(seen, watch, state, Phase.UPDATE, count)
        elif state.id and is_earlier:
            yield _tell(seen, watch, state, Phase.UPDATE, count)


def _put_back_begin(seen: Seen, watch: Watch, state: _State) -> bool:
    """Have what is so begin when it began in truth, where that has become known of the look at which it did."""
    came = watch.rule.kind == "presence" and (watch.rule.at_least or 1) == 1
    if watch.place or not (came or watch.rule.kind == "absence"):
        return False  # in a zone: where it was then is not known
    before = state.since
    for each in seen.corrections:
        is_about = _is_only(watch, each.name) or (came and (watch.classes is None or each.name in watch.classes))
        if is_about and each.appeared == came and each.look == state.as_of:
            state.since = each.pts if state.since is None else min(state.since, each.pts)
    return state.since != before


def _put_back_end(seen: Seen, watch: Watch, state: _State) -> None:
    """Have what is so no more end when it ended in truth."""
    came = watch.rule.kind == "presence"
    if watch.place or watch.rule.kind not in ("presence", "absence"):
        return
    for each in seen.corrections:
        if _is_only(watch, each.name) and each.appeared != came and state.since is not None:
            state.last = max(state.since, min(state.last, each.pts))


def _is_only(watch: Watch, name: str) -> bool:
    return watch.classes == frozenset((name,))


def _times(rule: RuleSpec) -> tuple[float, float]:
    """How long it must be so to begin, and not be so to end."""
    if rule.kind == "presence":
        return rule.confirm_s, rule.grace_s
    for_s = _OCCUPANCY_S if rule.for_s is None else rule.for_s
    return for_s, rule.confirm_s if rule.kind == "absence" else rule.grace_s


def _tell(seen: Seen, watch: Watch, state: _State, phase: Phase, count: int, reason: str = "") -> Happening:
    only = next(iter(watch.classes)) if watch.classes is not None and len(watch.classes) == 1 else None
    assert state.since is not None
    end = state.last if phase is Phase.END else None
    told: dict[str, Any] = {"zone": watch.place or None, "class": only, "count": count}
    if watch.rule.kind == "occupancy":
        told["most"] = state.most
    told["dwell_s"] = round((seen.pts if end is None else end) - state.since, 3)
    if reason:
        told["reason"] = reason
    return watch.says(watch.rule.kind, phase, state.id, told | span(seen, state.since, end))
