"""The table of a run with live streams: how each of them fares, at every moment."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from vidpipe.engine.collector import Collector
from vidpipe.engine.pipeline import Pipeline
from vidpipe.engine.vitals import Condition, conditions
from vidpipe.sources.base import StreamInfo
from vidpipe.sources.health import State

QUIET_EVERY_S = 60.0  # between lines where there is no terminal to draw a table on
_DRAW_EVERY_S = 0.5
_COLUMNS = ("age", "in", "decoded", "admitted", "answered", "dropped", "reconn./h", "stalls/h", "kbit/s")
_STYLES = {State.LIVE: "green", State.OVERLOADED: "yellow", State.STALLED: "red", State.BACKING_OFF: "red"}


class LiveTable:
    """A `Watcher` that draws on stderr; where that is no terminal it tells of each new state, and of all at times."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._name = pipeline.name
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)
        self._live = Live(console=self._console, auto_refresh=False, transient=True)
        self._drawn_at = self._said_at = time.monotonic()
        self._states: dict[str, State] = {}

    def __enter__(self) -> LiveTable:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def started(self, infos: Sequence[StreamInfo]) -> None: ...

    def progressed(self, collector: Collector) -> None:
        now = time.monotonic()
        if now - self._drawn_at < _DRAW_EVERY_S:
            return
        self._drawn_at = now
        fares = conditions(collector.vitals)
        if self._console.is_terminal:
            self._live.update(table(self._name, collector, fares), refresh=True)
        else:
            self._say(fares, now)

    def _say(self, fares: Mapping[str, Condition], now: float) -> None:
        for stream, fare in fares.items():
            state = fare.health.state
            if self._states.get(stream, State.CONNECTING) is not state:
                why = f": {fare.health.detail}" if fare.health.detail else ""
                self._console.print(f"{stream} is {state}{why}", markup=False)
            self._states[stream] = state
        if now - self._said_at > QUIET_EVERY_S:
            self._said_at = now
            counts = {state: sum(fare.health.state is state for fare in fares.values()) for state in State}
            told = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
            answered = sum(fare.rates.answered for fare in fares.values())
            self._console.print(f"{told}; {answered:.0f} frames a second answered", markup=False)


def table(name: str, collector: Collector, fares: Mapping[str, Condition]) -> Table:
    """A row for each live stream."""
    title = f"{name}: {collector.frames_in()} frames"
    drawn = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for column in ("stream", "state"):
        drawn.add_column(column, no_wrap=True)
    for column in _COLUMNS:
        drawn.add_column(column, justify="right", no_wrap=True)
    for column in ("codec", "decoded by", "detail"):
        drawn.add_column(column, overflow="ellipsis", no_wrap=True)
    for stream, fare in fares.items():
        health, rates = fare.health, fare.rates
        style = _STYLES.get(health.state, "")
        drawn.add_row(
            escape(stream),
            f"[{style}]{health.state}[/]" if style else str(health.state),
            "" if fare.age_s is None else f"{fare.age_s:.1f} s",
            *(f"{fps:.1f}" for fps in rates[:4]),
            str(collector.ledgers[stream].dropped.total()),
            str(fare.reconnects_h),
            str(fare.stalls_h),
            f"{rates.kbit_s:.0f}",
            health.codec,
            health.decoder,
            escape(health.detail),
        )
    return drawn
