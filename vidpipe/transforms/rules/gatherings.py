"""How many there are in a zone, or in the picture: rules of kinds occupancy, presence and absence.

They ask for no identities: so they work without a tracker as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vidpipe.core.event import Phase
from vidpipe.transforms.rules.objects import KEEP_S
from vidpipe.transforms.rules.seen import Seen
from vidpipe.transforms.rules.watch import Happening, Watch, Watches, span

_ROUNDING_S = 1e-6
_OCCUPANCY_S = 1.0  # for which there must be so many, where a rule does not say


@dataclass(slots=True)
class _State:
    """What is so at one watch.

    Attributes:
        since: media seconds since when it has been so; None: it is not.
        last: when it was last so.
        id: of the event; "": it has not been so for long enough.
        most: the greatest number that was told.
    """

    since: float | None = None
    last: float = 0.0
    id: str = ""
    most: int = 0


class Gatherings(Watches):
    """Each watch is so or not: enough are there, somebody is, nobody is. It begins once it has been so for a while,
    gaps of less than the time of grace left out, and ends when it has not been so for that time.
    """

    def __init__(self, watches: Sequence[Watch]) -> None:
        super().__init__(watches)
        self._states = [_State() for _ in watches]
        self._pts: float | None = None  # of the result before

    def see(self, seen: Seen, inside: NDArray[np.bool_]) -> Iterator[Happening]:
        """What happens as these boxes that count are inside, [m, watches]."""
        counts = np.count_nonzero(inside, axis=0).tolist() if len(inside) else [0] * len(self)
        asleep = self.sleeping(seen)
        for column, (state, count) in enumerate(zip(self._states, counts, strict=True)):
            rule = self.watches[column].rule
            is_so = (count == 0) if rule.kind == "absence" else count >= (rule.at_least or 1)
            is_so = is_so and column not in asleep
            if is_so or state.since is not None:
                yield from self._go_on(seen, column, state, is_so, count)
        self._pts = seen.pts

    def _go_on(self, seen: Seen, column: int, state: _State, is_so: bool, count: int) -> Iterator[Happening]:
        now, (begin_s, end_s) = seen.pts, self._times(column)
        # Over a gap in the stream nobody knows what was so: as with objects that nobody sees.
        broken_off = self._pts is not None and not 0 <= now - self._pts <= max(KEEP_S, end_s)
        if state.since is not None and (broken_off or (not is_so and now - state.last >= end_s - _ROUNDING_S)):
            if state.id:
                yield self._tell(seen, column, state, Phase.END, count)
            state.since, state.id, state.most = None, "", 0
        if not is_so:
            return
        if state.since is None:
            state.since = now
        state.last = now
        if not state.id and now - state.since >= begin_s - _ROUNDING_S:
            watch = self.watches[column]
            state.id, state.most = f"{watch.rule.id}/{watch.place}/{seen.seq}", count
            yield self._tell(seen, column, state, Phase.BEGIN, count)
        elif state.id and count > state.most and self.watches[column].rule.kind == "occupancy":
            state.most = count
            yield self._tell(seen, column, state, Phase.UPDATE, count)

    def _times(self, column: int) -> tuple[float, float]:
        """How long it must be so to begin, and not be so to end."""
        rule = self.watches[column].rule
        if rule.kind == "presence":
            return rule.confirm_s, rule.grace_s
        for_s = _OCCUPANCY_S if rule.for_s is None else rule.for_s
        return for_s, rule.confirm_s if rule.kind == "absence" else rule.grace_s

    def _tell(self, seen: Seen, column: int, state: _State, phase: Phase, count: int) -> Happening:
        watch = self.watches[column]
        about = watch.rule.classes
        only = about if isinstance(about, str) else about[0] if about and len(about) == 1 else None
        assert state.since is not None
        end = state.last if phase is Phase.END else None
        told: dict[str, Any] = {"zone": watch.place or None, "class": only, "count": count}
        if watch.rule.kind == "occupancy":
            told["most"] = state.most
        told |= {"dwell_s": round((state.last if end is not None else seen.pts) - state.since, 3)}
        return Happening(watch.rule.kind, phase, watch.rule.id, state.id, told | span(seen, state.since, end))
