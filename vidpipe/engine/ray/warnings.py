"""What vidpipe's loggers say in actors, brought to the driver: an actor's own output is seen by nobody."""

from __future__ import annotations

import logging
import threading
from collections import deque
from functools import cache
from typing import NamedTuple

KEPT = 50  # of each process; of more that come between two questions the oldest are lost


class Said(NamedTuple):
    """One message, without a traceback, as what led to it may hold an address."""

    logger: str
    level: int
    message: str


class Latest(NamedTuple):
    """The newest messages of a process, and how many there have been: who asks again knows which are new to him."""

    total: int = 0
    newest: tuple[Said, ...] = ()

    def repeat(self, heard: int) -> None:
        """Log here those that came behind so many."""
        new = min(self.total - heard, len(self.newest))
        for logger, level, message in self.newest[len(self.newest) - new :]:
            logging.getLogger(logger).log(level, "%s", message)


class Warnings(logging.Handler):
    """Keeps the newest warnings and errors that are logged."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._newest: deque[Said] = deque(maxlen=KEPT)
        self._total = 0
        self._changing = threading.Lock()

    def emit(self, record: logging.LogRecord) -> None:
        try:
            said = Said(record.name, record.levelno, record.getMessage())
        except Exception:
            self.handleError(record)
            return
        with self._changing:
            self._newest.append(said)
            self._total += 1

    def latest(self) -> Latest:
        """From any thread."""
        with self._changing:
            return Latest(self._total, tuple(self._newest))


@cache
def kept() -> Warnings:
    """The warnings of this process, from the first call on."""
    warnings = Warnings()
    logging.getLogger("vidpipe").addHandler(warnings)
    return warnings
