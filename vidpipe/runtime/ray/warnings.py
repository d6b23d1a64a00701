"""What vidpipe's loggers say in actors, brought to the driver: an actor's own output is seen by nobody."""

from __future__ import annotations

import logging
import threading
from collections import deque
from functools import cache
from typing import NamedTuple

from vidpipe.core.logs import about

KEPT = 50  # of each process; of more that come between two questions the oldest are lost


class Said(NamedTuple):
    """One message, without a traceback, as what led to it may hold an address; `at`: UTC seconds of that machine."""

    logger: str
    level: int
    message: str
    at: float
    stream: str | None
    seq: int | None


class Latest(NamedTuple):
    """The newest messages of a process, and how many there have been: who asks again knows which are new to him."""

    total: int = 0
    newest: tuple[Said, ...] = ()

    def repeat(self, heard: int) -> None:
        """Log here those that came behind so many."""
        new = min(self.total - heard, len(self.newest))
        for said in self.newest[len(self.newest) - new :]:
            logger = logging.getLogger(said.logger)
            if logger.isEnabledFor(said.level):
                where = {"stream": said.stream, "seq": said.seq}
                record = logger.makeRecord(said.logger, said.level, "", 0, "%s", (said.message,), None, extra=where)
                record.created = said.at
                logger.handle(record)


class Warnings(logging.Handler):
    """Keeps the newest warnings and errors that are logged."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._newest: deque[Said] = deque(maxlen=KEPT)
        self._total = 0
        self._changing = threading.Lock()

    def emit(self, record: logging.LogRecord) -> None:
        try:
            said = Said(record.name, record.levelno, record.getMessage(), record.created, *about(record))
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
