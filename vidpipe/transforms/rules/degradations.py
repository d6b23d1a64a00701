"""When the answers of a stream are worth less, as a part of the pipeline is away: rules of kind degraded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vidpipe.core.event import Phase
from vidpipe.transforms.rules.seen import Seen
from vidpipe.transforms.rules.watch import ROUNDING_S, Happening, Watch, span

KIND = "stream.degraded"


@dataclass(slots=True)
class _State:
    """What is so at one watch.

    Attributes:
        since: media seconds of the first degraded answer; None: there is none.
        last: of the newest degraded answer.
        seq: its number.
        detail: who was away then.
        id: of the event; "": it has not been told.
    """

    since: float | None = None
    last: float = 0.0
    seq: int = 0
    detail: str = ""
    id: str = ""


class Degradations:
    """It begins with a degraded answer, and ends once boxes are published that were measured later than the last one.

    Between two looks a tracker moves boxes, which says nothing of whether the next look will come.

    Args:
        watches: those of this kind.
    """

    def __init__(self, watches: Sequence[Watch]) -> None:
        self._states = [(watch, _State()) for watch in watches]

    def go_on(self, before: Degradations, numbers: Mapping[int, int]) -> None:
        """Take up what others knew.

        Args:
            numbers: of the watches that go on: their number here by the number there.
        """
        known = {numbers[watch.number]: state for watch, state in before._states if watch.number in numbers}
        self._states = [(watch, known.get(watch.number, state)) for watch, state in self._states]

    def close(self, seen: Seen, over: Mapping[int, str]) -> Iterator[Happening]:
        """End what was told and goes on, of these watches, each with the reason for it."""
        for watch, state in self._states:
            if watch.number in over:
                yield from _end(seen, watch, state, over[watch.number])

    def see(self, seen: Seen) -> Iterator[Happening]:
        """What happens with the next result."""
        for watch, state in self._states:
            if seen.degraded and watch.awake:
                if state.since is None:
                    state.since = seen.pts
                state.last, state.seq, state.detail = seen.pts, seen.seq, seen.degraded
                if not state.id and seen.pts - state.since >= (watch.rule.for_s or 0.0) - ROUNDING_S:
                    state.id = f"{watch.rule.id}/{seen.seq}"
                    yield watch.says(KIND, Phase.BEGIN, state.id, {"detail": state.detail, **span(seen, state.since)})
            elif state.since is not None:
                fresh = seen.as_of > state.seq and seen.pts - state.last >= watch.rule.grace_s - ROUNDING_S
                if fresh or not watch.awake:
                    yield from _end(seen, watch, state)


def _end(seen: Seen, watch: Watch, state: _State, reason: str = "") -> Iterator[Happening]:
    if state.id and state.since is not None:
        told: dict[str, Any] = {"detail": state.detail, **({"reason": reason} if reason else {})}
        told |= {"dwell_s": round(state.last - state.since, 3), **span(seen, state.since, state.last)}
        yield watch.says(KIND, Phase.END, state.id, told)
    state.since, state.id = None, ""
