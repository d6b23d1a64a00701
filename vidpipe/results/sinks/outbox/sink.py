"""A sink that delivers events to another program, however long that is away: outbox, retries, order, counts."""

from __future__ import annotations

import hashlib
import json
import logging
import random
import sqlite3
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, ClassVar

from pydantic import ConfigDict, Field

from vidpipe.core.clock import REAL, Clock
from vidpipe.core.errors import RunError, contained
from vidpipe.core.event import Event
from vidpipe.core.files import data_folder, make_folder
from vidpipe.core.settings import StageConfig
from vidpipe.results.events import as_json
from vidpipe.results.records import Result
from vidpipe.results.sinks.base import Sink
from vidpipe.results.sinks.outbox.box import Box

log = logging.getLogger(__name__)

_COUNTS = (
    "inherited",
    "made",
    "delivered",
    "retries",
    *(f"dropped_{why}" for why in ("full", "old", "refused", "disk")),
)
CLOSE_S = 2.0  # at the end of a run, to deliver what still can be


class LaterError(RunError):
    """It could not be delivered now: it is tried again.

    Args:
        after_s: not before so many seconds.
    """

    def __init__(self, why: str, after_s: float = 0.0) -> None:
        super().__init__(why)
        self.after_s = after_s


class RefusedError(RunError):
    """The first of the events will never be taken: it goes to the dead letters, and the next one is sent."""


class OutboxConfig(StageConfig):
    """Settings of every sink with an outbox; those of one's own inherit from it."""

    model_config = ConfigDict(hide_input_in_errors=True)  # which may be a password

    kinds: list[str] = Field(default=["*"], description="which kinds of events go there, patterns with `*`")
    streams: list[str] = Field(default=["*"], description="of which streams, the same")
    outbox: str | None = Field(
        default=None, description="file in which events wait; default: one by destination, in `~/.local/share/vidpipe`"
    )
    most_waiting: int = Field(default=10_000, ge=1, description="events that may wait; beyond, the oldest are dropped")
    give_up_s: float = Field(default=7 * 86400, gt=0, description="age at which an event that waits is dropped")
    retry_s: float = Field(default=1, gt=0, description="until what failed is tried again; doubled at each failure")
    retry_most_s: float = Field(default=60, gt=0, description="but no longer than this")


class OutboxSink(Sink):
    """Base class of sinks that send events elsewhere: a subclass says only how, in `send`.

    Each event is on disk before anything else is done with it, and stays there until it is delivered. A thread of its
    own sends them in order, the oldest first; what fails is tried again, so that a receiver that is away slows nothing
    and misses nothing. What is sent again has the same id: after a kill -9 the newest events may come twice, none is
    missing. In its counts `inherited + made = delivered + waiting + dropped_...`.

    Args:
        config: its settings, where it is not made by a pipeline.

    Attributes:
        at_once: events that `send` is given at a time.
    """

    Config: ClassVar[type[StageConfig]] = OutboxConfig
    config: OutboxConfig
    at_once = 1

    def __init__(self, config: OutboxConfig | None = None, *, clock: Clock = REAL) -> None:
        if config is not None:  # else its pipeline sets them
            self.config = config
        self._clock = clock
        self._chance = random.Random()
        self._run = ""
        self._box: Box | None = None
        self._changed = threading.Condition()
        self._closing = False
        self._failures = 0  # in a row
        self._due = 0.0
        self._why = ""
        self._counts: Counter[str] = Counter()
        self._disk_told = False
        self._thread = threading.Thread(target=self._deliver_all, name="vidpipe-outbox", daemon=True)

    @property
    def destination(self) -> str:
        """What tells this receiver from others, which a file is named after. It is never shown."""
        return str(self)

    def open(self) -> None:
        """Look up what is needed to send, such as a password. Raises ConfigError."""

    def send(self, events: Sequence[Mapping[str, Any]]) -> None:
        """Deliver events, as docs/results.md has them; called in the sink's own thread.

        It may take its time, but has to end: with `LaterError`, or any other exception, if all of them are to be sent
        again; with `RefusedError` if the first will never be taken.
        """
        raise TypeError(
            f"{type(self).__name__} has no method `send`: a sink with an outbox must say how events are sent"
        )

    def end(self) -> None:
        """Release what `send` has opened; called in the sink's own thread."""

    def write(self, results: Sequence[Result], published_at: float) -> None:
        """Results are not sent."""

    def begin(self, provenance: Mapping[str, Any]) -> None:
        """Open the outbox, and begin to deliver what an earlier run has left in it. Raises ConfigError."""
        self.open()
        self._run = str(provenance["start"])
        self._box = Box(self._file(), self.config.most_waiting)
        self._counts["inherited"] = self._box.waiting
        self._thread.start()

    def tell(self, events: Sequence[Event]) -> None:
        """Put events into the outbox; they are on disk when this returns."""
        assert self._box is not None, "begin comes first"
        bodies = [as_json(event, self._run) for event in events if self._wants(event)]
        if not bodies:
            return
        try:
            added, beyond = self._box.put([(key_of(body), json.dumps(body)) for body in bodies], self._clock.utc())
        except sqlite3.Error as error:
            self._counts["made"] += len(bodies)
            self._counts["dropped_disk"] += len(bodies)
            if not self._disk_told:
                self._disk_told = True
                log.warning(
                    "%s: outbox %s cannot be written: %s; events are lost, and counted", self, self._box.path, error
                )
            return
        self._disk_told = False
        self._counts["made"] += added
        self._counts["dropped_full"] += beyond
        with self._changed:
            self._changed.notify_all()

    def close(self) -> None:
        """Deliver what can be delivered at once; the rest waits for the next run."""
        if self._box is None:
            return
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join(CLOSE_S)
        waiting = self._box.waiting
        self._box.close()
        if waiting:
            why = f": {self._why}" if self._why else ""
            log.warning("%s: %d events wait in %s for the next run%s", self, waiting, self._box.path, why)

    def try_out(self, event: Mapping[str, Any]) -> str:
        """Send one event past the outbox. Raises VidpipeError."""
        self.open()
        try:
            self.send([event])
        except Exception as error:
            raise contained(error) from None
        finally:
            self.end()
        return "delivered"

    @property
    def counts(self) -> Mapping[str, int]:
        """What became of events."""
        waiting = 0 if self._box is None else self._box.waiting
        return {name: self._counts[name] for name in _COUNTS} | {"waiting": waiting}

    def _file(self) -> Path:
        if self.config.outbox is not None:
            return Path(self.config.outbox).expanduser()
        digest = hashlib.sha256(self.destination.encode()).hexdigest()[:12]
        return make_folder(data_folder() / "outbox") / f"{type(self).__name__.lower()}-{digest}.db"

    def _wants(self, event: Event) -> bool:
        of_kind = any(fnmatchcase(event.kind, pattern) for pattern in self.config.kinds)
        return of_kind and any(fnmatchcase(event.stream, pattern) for pattern in self.config.streams)

    def _deliver_all(self) -> None:
        assert self._box is not None
        while self._goes_on(self._box):
            try:
                self._deliver_some(self._box)
            except sqlite3.Error as error:
                self._fail(RunError(f"outbox {self._box.path}: {error}"))
        try:
            self.end()
        except Exception as error:  # a user's own may raise anything
            log.debug("a sink raised", exc_info=error)

    def _goes_on(self, box: Box) -> bool:
        """Wait until something is to be sent; whether it is, rather than the end."""
        with self._changed:
            while not self._closing:
                if not box.waiting:
                    self._clock.wait_for(self._changed, lambda: self._closing or box.waiting)
                elif self._due > self._clock.monotonic():
                    self._clock.wait_for(self._changed, lambda: self._closing, self._due)
                else:
                    return True
        return bool(box.waiting) and not self._failures and not box.closed

    def _deliver_some(self, box: Box) -> None:
        messages, now = box.first(self.at_once), self._clock.utc()
        old = [message for message in messages if now - message.made > self.config.give_up_s]
        if old:
            self._counts["dropped_old"] += box.done(old)
            return
        if not messages:
            return
        try:
            self.send([json.loads(message.body) for message in messages])
        except RefusedError as error:
            log.warning("%s refuses event %s: %s; it is among the dead letters", self, messages[0].key, error)
            self._counts["dropped_refused"] += box.bury(messages[0], now, str(error))
        except Exception as error:  # a user's own may raise anything
            self._fail(error)
            return
        else:
            self._counts["delivered"] += box.done(messages)
        if self._failures:
            log.warning("%s takes events again", self)
            self._failures, self._why = 0, ""

    def _fail(self, error: Exception) -> None:
        """Try again later, and tell of it once."""
        self._why = str(contained(error))
        config, self._failures = self.config, self._failures + 1
        self._counts["retries"] += 1
        delay_s = min(config.retry_most_s, config.retry_s * 2 ** min(self._failures - 1, 30))
        # By chance, so that many who wait for one receiver do not all come at the moment at which it is back.
        delay_s *= self._chance.uniform(0.5, 1)
        self._due = self._clock.monotonic() + max(delay_s, error.after_s if isinstance(error, LaterError) else 0.0)
        if self._failures == 1:
            log.warning("%s takes no events: %s; they wait, and are sent again", self, self._why)


def key_of(event: Mapping[str, Any]) -> str:
    """What tells one phase of an event from all other messages, the same whenever it is sent."""
    return f"{event['id']}/{event['phase']}/{event['seq']}"
