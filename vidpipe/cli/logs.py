"""What commands say on stderr, as text for people or as a JSON object a line for programs."""

from __future__ import annotations

import io
import logging
import sys
import threading
from collections.abc import Sequence
from enum import StrEnum
from functools import partial
from typing import TextIO

from vidpipe.cli.redact import without_addresses
from vidpipe.core.logs import JsonFormatter

_ERROR = "vidpipe: "  # what a line begins with that says why a command ends


class LogFormat(StrEnum):
    TEXT = "text"
    JSON = "json"


def begin(arguments: Sequence[str], level: int) -> None:
    """Log from now on, as text with the time and without addresses, tracebacks included.

    Args:
        arguments: of the command line, whose addresses are never shown.
        level: from which on lines are written.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_TextFormatter(arguments))
    logging.basicConfig(handlers=[handler], level=level)


def write_json() -> None:
    """From now on all lines on stderr are JSON objects: also notes, errors and what is told of progress."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.StreamHandler) and isinstance(handler.formatter, _TextFormatter):
            handler.setFormatter(JsonFormatter(hide=handler.formatter.hide))
            sys.stderr = _Lines(handler, sys.stderr)


def name_run(name: str) -> None:
    """Which run the lines are of; where they are text it is not said."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler.formatter, JsonFormatter):
            handler.formatter.run = name


class _TextFormatter(logging.Formatter):
    def __init__(self, arguments: Sequence[str]) -> None:
        super().__init__("%(asctime)s %(levelname)s: %(message)s")
        self.hide = partial(without_addresses, arguments=arguments)

    def format(self, record: logging.LogRecord) -> str:
        return self.hide(super().format(record))


class _Lines(io.TextIOBase, TextIO):
    """A stderr that logs each line that is written to it.

    Args:
        handler: writes them.
        stream: to which it does.
    """

    def __init__(self, handler: logging.Handler, stream: TextIO) -> None:
        self._handler = handler
        self._stream = stream
        self._rest = ""
        self._changing = threading.RLock()
        self._writing = False

    def write(self, text: str) -> int:
        with self._changing:
            if self._writing:  # a handler that fails says so here
                return len(text)
            self._writing = True
            try:
                *lines, self._rest = (self._rest + text).split("\n")
                for line in filter(str.strip, lines):
                    self._log(line)
            finally:
                self._writing = False
        return len(text)

    def _log(self, line: str) -> None:
        level = logging.ERROR if line.startswith(_ERROR) else logging.INFO
        message = line.removeprefix(_ERROR).strip()
        self._handler.emit(logging.LogRecord("vidpipe.cli", level, "", 0, message, None, None))

    def flush(self) -> None:
        self._stream.flush()

    def fileno(self) -> int:
        return self._stream.fileno()

    def isatty(self) -> bool:
        return False

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return "utf-8"
