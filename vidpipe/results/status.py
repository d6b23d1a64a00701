"""How live streams fare: what their sources tell of themselves, and what became of their pictures."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from vidpipe.core.clock import REAL, Clock
from vidpipe.results.ledger import StreamLedger
from vidpipe.sources.health import Health, State
from vidpipe.sources.queue import NO_TIME, OVERLOADED

LOOK_EVERY_S = 0.5  # between two looks at a source
_WINDOW_S = 5.0  # over which rates are taken
_SILENT_S = 10.0  # without word of a source, after which the process that holds it counts as gone
_HOUR_S = 3600.0
_UNANSWERED_S = 5.0  # without an answer to what was passed on, after which a stream counts as degraded
_OVERLOAD_SHARE = 0.02  # of the pictures of late that nobody had time for


class HealthPoll:
    """Asks sources for their health now and then; for the process that holds them."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._due = clock.monotonic()

    def __call__(self, sources: Iterable[tuple[str, Health | None]]) -> dict[str, Health]:
        """The health of live streams by name, when it is time again; else nothing."""
        now = self._clock.monotonic()
        if now < self._due:
            return {}
        self._due = now + LOOK_EVERY_S
        return {stream: health for stream, health in sources if health is not None}


class Rates(NamedTuple):
    """Frames a second of late, and the bit rate.

    Attributes:
        received: over the wire.
        decoded: of these.
        admitted: came to the stages.
        answered: of these, those that were not lost to overload or failure.
    """

    received: float = 0.0
    decoded: float = 0.0
    admitted: float = 0.0
    answered: float = 0.0
    kbit_s: float = 0.0


@dataclass(frozen=True, slots=True)
class StreamStatus:
    """How a live stream fares at one moment.

    Attributes:
        health: as its source tells; where it is live, with `degraded` as state while nobody answers what its stages
            pass on, and `overloaded` where nobody has time for its pictures.
        age_s: since the newest picture; None before the first.
        reconnects_h, stalls_h: within the last hour.
    """

    health: Health
    age_s: float | None
    rates: Rates
    reconnects_h: int
    stalls_h: int

    def report(self) -> dict[str, Any]:
        """As plain data."""
        health = self.health
        return {
            "state": health.state.value,
            "detail": health.detail,
            "last_frame_age_s": None if self.age_s is None else round(self.age_s, 3),
            "fps": {name: round(value, 3) for name, value in self.rates._asdict().items() if name != "kbit_s"},
            "kbit_s": round(self.rates.kbit_s, 1),
            "received": health.received,
            "decoded": health.decoded,
            "reconnects": health.reconnects,
            "stalls": health.stalls,
            "reconnects_h": self.reconnects_h,
            "stalls_h": self.stalls_h,
            "out_of_sight_s": round(health.gap_s, 3),
            "codec": health.codec,
            "decoder": health.decoder,
            "width": health.width,
            "height": health.height,
        }


class _Sample(NamedTuple):
    at: float
    received: int = 0
    decoded: int = 0
    admitted: int = 0
    answered: int = 0
    bytes: int = 0
    refused: int = 0
    overloaded: int = 0
    no_time: int = 0


class StatusMonitor:
    """Follows one live stream, by its ledger and what its source tells.

    Attributes:
        away: parts of the pipeline that nobody reaches, and since when, by the monotonic clock.
    """

    def __init__(self, ledger: StreamLedger, clock: Clock = REAL) -> None:
        self._ledger = ledger
        self._clock = clock
        self._health = Health(State.CONNECTING)
        self._before = self._health  # counted by processes that have died
        self._samples: deque[_Sample] = deque()  # of late
        self._first: _Sample | None = None
        self._last: _Sample | None = None
        self._events: deque[tuple[float, int, int]] = deque()  # (at, reconnects, stalls) of the last hour
        self._unanswered: tuple[float, float] | None = None  # first and last time that what was passed on was not
        self.away: Mapping[str, float] = {}

    def note(self, *, answered: bool) -> None:
        """Whether what the stream's stages passed on has now been answered."""
        now = self._clock.monotonic()
        if answered:
            self._unanswered = None
        elif self._unanswered is None or now - self._unanswered[1] > _UNANSWERED_S:
            self._unanswered = (now, now)
        else:
            self._unanswered = (self._unanswered[0], now)

    def look(self, health: Health) -> None:
        """What the source tells now."""
        now = self._clock.monotonic()
        health = _with_counts_of(health, self._before)
        reconnects, stalls = health.reconnects - self._health.reconnects, health.stalls - self._health.stalls
        if reconnects or stalls:
            self._events.append((now, reconnects, stalls))
        while self._events and now - self._events[0][0] > _HOUR_S:
            self._events.popleft()
        self._health = health
        self._last = self._sample(now)
        if self._first is None:
            self._first = self._last
        self._samples.append(self._last)
        while len(self._samples) > 2 and now - self._samples[1].at > _WINDOW_S:
            self._samples.popleft()

    def begin_anew(self) -> None:
        """The process that holds the source has died: what the next one tells is counted from 0."""
        self._before = self._health

    def end(self, health: Health | None) -> None:
        """The stream gives no more; what its source told last, if it was open."""
        if health is not None:
            self.look(health)
        self._health = replace(self._health, state=State.STOPPED)
        self._samples.clear()

    def report(self) -> dict[str, Any]:
        """What `--report` has of the stream: as `status`, with rates over the whole run."""
        status = self.status()
        if self._first is not None and self._last is not None:
            status = replace(status, rates=_rates(self._first, self._last))
        return status.report()

    def status(self) -> StreamStatus:
        """How the stream fares now."""
        health = self._health
        silent_s = self._clock.monotonic() - self._samples[-1].at if self._samples else 0.0
        if health.state is State.LIVE and silent_s > _SILENT_S and not self.away:
            health = replace(health, state=State.STALLED, detail=f"no word of its process for {silent_s:.0f} s")
        elif health.state is State.LIVE and (degraded := self._degraded()):
            health = replace(health, state=State.DEGRADED, detail=degraded)
        elif health.state is State.LIVE and (share := self._overload()) > _OVERLOAD_SHARE:
            detail = f"no time for {100 * share:.0f} % of its pictures"
            health = replace(health, state=State.OVERLOADED, detail=detail)
        age_s = None if health.last_frame_at is None else max(0.0, self._clock.utc() - health.last_frame_at)
        reconnects = sum(count for _, count, _ in self._events)
        stalls = sum(count for _, _, count in self._events)
        return StreamStatus(health, age_s, self._rates(), reconnects, stalls)

    def _sample(self, now: float) -> _Sample:
        health, ledger = self._health, self._ledger
        return _Sample(
            now,
            health.received,
            health.decoded,
            ledger.admitted,
            ledger.answered,
            health.bytes,
            ledger.refused,
            ledger.dropped[OVERLOADED],
            ledger.dropped[NO_TIME],
        )

    def _rates(self) -> Rates:
        return _rates(self._samples[0], self._samples[-1]) if self._samples else Rates()

    def _degraded(self) -> str:
        """Why answers are worth less now; "" where they are not."""
        now = self._clock.monotonic()
        if self.away:
            return ", ".join(f"{name} away for {max(0.0, now - since):.0f} s" for name, since in self.away.items())
        if self._unanswered is None or now - self._unanswered[1] > _UNANSWERED_S:
            return ""  # nothing is passed on: what was last may have given way to a newer picture
        seconds = now - self._unanswered[0]
        return f"no answer to what was passed on for {seconds:.0f} s" if seconds > _UNANSWERED_S else ""

    def _overload(self) -> float:
        """The share of the pictures of late that nobody had time for."""
        if len(self._samples) < 2:
            return 0.0
        first, last = self._samples[0], self._samples[-1]
        # A frame that was refused may be published as overloaded as well: the same frame, seen from two ends.
        lost = max(last.refused - first.refused, last.overloaded - first.overloaded) + last.no_time - first.no_time
        return lost / max(1, last.received - first.received)


_COUNTS = ("received", "decoded", "bytes", "reconnects", "stalls", "gap_s")


def _with_counts_of(health: Health, before: Health) -> Health:
    return replace(health, **{name: getattr(health, name) + getattr(before, name) for name in _COUNTS})


def _rates(first: _Sample, last: _Sample) -> Rates:
    seconds = last.at - first.at
    if seconds <= 0:
        return Rates()
    received, decoded, admitted, answered, nbytes = (
        (new - old) / seconds for new, old in zip(last[1:6], first[1:6], strict=True)
    )
    return Rates(received, decoded, admitted, answered, nbytes * 8 / 1000)


def stream_statuses(monitor: Mapping[str, StatusMonitor]) -> dict[str, StreamStatus]:
    """How all live streams fare now, by name."""
    return {stream: each.status() for stream, each in monitor.items()}
