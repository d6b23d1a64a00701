"""The table of an archive: recordings, chunks, rate, time left."""

from __future__ import annotations

import time

from rich.table import Table

from vidpipe.archive.archive import Progress
from vidpipe.cli.terminal.drawing import Drawing

QUIET_EVERY_S = 10.0  # between lines where there is no terminal to draw a table on
_DRAW_EVERY_S = 0.5


class ArchiveTable(Drawing):
    """Draws on stderr; where that is no terminal it writes a line now and then."""

    def __init__(self) -> None:
        super().__init__()
        self._began = self._drawn_at = self._said_at = time.monotonic()

    def look(self, progress: Progress) -> None:
        """See `Watcher`."""
        now = time.monotonic()
        if self._console.is_terminal:
            if now - self._drawn_at >= _DRAW_EVERY_S:
                self._drawn_at = now
                self._live.update(table(progress, now - self._began), refresh=True)
        elif now - self._said_at >= QUIET_EVERY_S:
            self._said_at = now
            self._console.print(line(progress, now - self._began), markup=False)


def table(progress: Progress, seconds: float) -> Table:
    """How far it is after so many seconds of this start."""
    drawn = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    drawn.add_column("")
    for column in ("in all", "done", "at work", "left", "failed"):
        drawn.add_column(column, justify="right")
    known = progress.indexed + progress.left_out
    left = progress.recordings - progress.joined - progress.left_out
    drawn.add_row(
        "recordings",
        *(str(progress.recordings), str(progress.joined), "", str(left), str(progress.left_out) or ""),
    )
    waiting = progress.chunks - progress.done - progress.at_work
    more = "+" if known < progress.recordings else ""  # recordings that nobody has looked into
    drawn.add_row(
        "chunks",
        *(f"{progress.chunks}{more}", str(progress.done), str(progress.at_work), f"{max(0, waiting)}{more}"),
        str(progress.failed),
    )
    rate, left_s = pace(progress, seconds)
    drawn.caption = f"{rate:.1f} times real time, {_span(left_s)} left"
    drawn.caption_justify = "left"
    return drawn


def line(progress: Progress, seconds: float) -> str:
    """The same on one line."""
    rate, left_s = pace(progress, seconds)
    more = "" if progress.indexed + progress.left_out >= progress.recordings else "+"
    return (
        f"{progress.joined} of {progress.recordings} recordings, {progress.left_out} left out; "
        f"{progress.done} of {progress.chunks}{more} chunks, {progress.failed} failed; "
        f"{rate:.1f} times real time, {_span(left_s)} left"
    )


def pace(progress: Progress, seconds: float) -> tuple[float, float | None]:
    """How many times faster than they last recordings are answered, and the seconds that are left.

    Recordings that nobody has looked into yet are taken to be as long as the others. None: nobody can tell.
    """
    rate = progress.now_s / seconds if seconds > 0 else 0.0
    if not rate or not progress.indexed:
        return rate, None
    unknown = max(0, progress.recordings - progress.indexed - progress.left_out)
    mean_s = (progress.media_s + progress.left_s) / progress.indexed
    return rate, (progress.left_s + unknown * mean_s) / rate


def _span(seconds: float | None) -> str:
    if seconds is None:
        return "unknown time"
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
