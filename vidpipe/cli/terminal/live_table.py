"""The table of a run with live streams: how each of them fares, at every moment."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from rich.markup import escape
from rich.table import Table

from vidpipe.cli.terminal.drawing import Drawing
from vidpipe.core.answer import Answer, boxes_by_class
from vidpipe.core.clock import REAL, Clock
from vidpipe.pipeline.spec import Pipeline
from vidpipe.results.collector import Collector
from vidpipe.results.status import StreamStatus, stream_statuses
from vidpipe.sources.base import StreamInfo
from vidpipe.sources.health import State

QUIET_EVERY_S = 60.0  # between lines where there is no terminal to draw a table on
_DRAW_EVERY_S = 0.5
_NAME, _STATE, _BY = 18, 11, 10  # columns
_OTHER = 17  # for age and rate, and between columns; what is left shows what is seen
_ACCURACY = 6  # the same for accuracy, where a floor is asked of any stream
_STYLES = {State.LIVE: "green", State.OVERLOADED: "yellow"} | dict.fromkeys(
    (State.DEGRADED, State.STALLED, State.BACKING_OFF), "red"
)


class LiveTable(Drawing):
    """A `Watcher` that draws on stderr; where that is no terminal it tells of each new state, and of all at times."""

    def __init__(self, pipeline: Pipeline, clock: Clock = REAL) -> None:
        super().__init__()
        self._name = pipeline.name
        self._clock = clock
        self._drawn_at = self._said_at = clock.monotonic()
        self._states: dict[str, State] = {}

    def started(self, infos: Sequence[StreamInfo]) -> None: ...

    def progressed(self, collector: Collector) -> None:
        now = self._clock.monotonic()
        if now - self._drawn_at < _DRAW_EVERY_S:
            return
        self._drawn_at = now
        statuses = stream_statuses(collector.status_monitors)
        if self._console.is_terminal:
            self._live.update(table(self._name, collector, statuses, self._console.width), refresh=True)
        else:
            self._say(statuses, now)

    def _say(self, statuses: Mapping[str, StreamStatus], now: float) -> None:
        for stream, status in statuses.items():
            state = status.health.state
            if self._states.get(stream, State.CONNECTING) is not state:
                why = f": {status.health.detail}" if status.health.detail else ""
                self._print(f"{stream} is {state}{why}")
            self._states[stream] = state
        if now - self._said_at > QUIET_EVERY_S:
            self._said_at = now
            counts = {state: sum(status.health.state is state for status in statuses.values()) for state in State}
            told = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
            answered = sum(status.rates.answered for status in statuses.values())
            self._print(f"{told}; {answered:.0f} frames a second answered")

    def _print(self, line: str) -> None:
        self._console.print(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {line}", markup=False)


def table(name: str, collector: Collector, statuses: Mapping[str, StreamStatus], width: int) -> Table:
    """A row for each live stream, in so many columns; 80 are enough."""
    told = {stream: collector.ledgers[stream].accuracy.summary() for stream in statuses}
    promised = any(accuracy["floor"] is not None for accuracy in told.values())
    left = max(10, width - _NAME - _STATE - _BY - _OTHER - promised * _ACCURACY)
    title = f"{name}: {collector.frames_in()} frames"
    drawn = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for column, width in (("stream", _NAME), ("state", _STATE), ("seen now", left)):
        drawn.add_column(column, no_wrap=True, overflow="ellipsis", max_width=width)
    drawn.add_column("looked", justify="right", no_wrap=True)
    drawn.add_column("by", no_wrap=True, overflow="ellipsis", max_width=_BY)
    drawn.add_column("fps", justify="right", no_wrap=True)
    if promised:
        drawn.add_column("right", justify="right", no_wrap=True)
    for stream, status in statuses.items():
        state = status.health.state
        style = _STYLES.get(state, "")
        newest = collector.newest(stream)
        trouble = state not in (State.LIVE, State.OVERLOADED)
        drawn.add_row(
            escape(stream),
            f"[{style}]{state}[/]" if style else str(state),
            escape(status.health.detail if trouble or newest is None else seen(newest.answer)),
            _age(collector.look_age_s(stream)),
            escape(newest.answer.by if newest is not None else ""),
            f"{status.rates.answered:.1f}",
            *([_accuracy(told[stream])] if promised else []),
        )
    return drawn


def seen(answer: Answer) -> str:
    """The boxes of an answer by class: `2 person, 1 car`."""
    return ", ".join(f"{count} {name}" for name, count in boxes_by_class(answer).most_common()) or "nothing"


def _accuracy(told: Mapping[str, Any]) -> str:
    """F1, or what else is asked for: red where the floor is not held for sure, yellow where that may be chance."""
    if told["f1"] is None:
        return "?"
    style = "green" if told["held"] else "red" if told["sure"] else "yellow"
    return f"{told['f1']:.2f}" if told["held"] is None else f"[{style}]{told['f1']:.2f}[/]"


def _age(seconds: float | None) -> str:
    if seconds is None:
        return "never"
    return f"{seconds:.1f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
