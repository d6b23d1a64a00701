"""Log lines as JSON, and the frame that each is about.

A line is about the frame that its thread treats just then, or about what its message begins with: `stream %s: ...`.
What an actor logs brings both along, as its time.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

from vidpipe.core.frame import Frame

treated: ContextVar[tuple[str, object]] = ContextVar("treated")
"""The stream that the running code treats, and of it what: the number of a frame, or what a stage was called with."""

_BEGINS = "stream %s: "


def about(record: logging.LogRecord) -> tuple[str | None, int | None]:
    """The stream and the number of the frame that a line is about; in the thread that logs it."""
    if hasattr(record, "stream"):
        return record.stream, getattr(record, "seq", None)
    stream, what = treated.get((None, None))
    if record.msg is not None and str(record.msg).startswith(_BEGINS) and isinstance(record.args, tuple):
        named = str(record.args[0])
        stream, what = named, what if named == stream else None
    return stream or None, _number(what)


def _number(what: object) -> int | None:
    """Of a frame; of several that a stage was asked about nobody knows which it is."""
    if isinstance(what, int):
        return what
    first = what[0] if isinstance(what, tuple) and what else None
    if isinstance(first, tuple):
        first = first[0] if len(first) == 1 else None
    return first.seq if isinstance(first, Frame) else None


class JsonFormatter(logging.Formatter):
    """A line as one JSON object: `time` (UTC), `level`, `logger`, `message`, `stream`, `seq`, `run`.

    `stream`, `seq` and `run` are null where there is none; `exception` is there with a traceback only.

    Args:
        run: that the lines are of.
        hide: takes what may not be shown out of a text.
    """

    def __init__(self, run: str | None = None, hide: Callable[[str], str] = lambda text: text) -> None:
        super().__init__()
        self.run = run
        self._hide = hide

    def format(self, record: logging.LogRecord) -> str:
        stream, seq = about(record)
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": self._hide(record.getMessage()),
            "stream": stream,
            "seq": seq,
            "run": self.run,
        }
        if record.exc_info:
            line["exception"] = self._hide(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False)
