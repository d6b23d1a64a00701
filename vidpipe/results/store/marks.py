"""What people say of moments: this is an event of their own, or is not. Kept with the run whose moments they are."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from vidpipe.core.errors import ConfigError
from vidpipe.results.store.file import meaning, open_to_write
from vidpipe.results.store.verdicts import say


class Mark(NamedTuple):
    """One of them.

    Attributes:
        at: UTC seconds at which it was said.
        run: when the run began, as its results say.
        event: the event of their own.
        began, ended: the moment, in media seconds of the run's results.
        yes: whether it is the event.
        by: who says so.
        question: id of the event that asked; None: nobody did.
        said: of a question, whether the event was told there.
        classifier: of a question, the version of the classifier that is asked about.
    """

    at: float
    run: str
    stream: str
    event: str
    began: float
    ended: float
    yes: bool
    by: str
    question: str | None = None
    said: bool | None = None
    classifier: str | None = None


def keep(path: Path, mark: Mark) -> None:
    """Write a mark, beside whoever else writes, in place of what was said of the very same moment.

    Raises:
        ConfigError: the store cannot be written, or does not know the run; or the opposite is said of a moment that
            shares some of this one.
    """

    def write(connection: sqlite3.Connection, run: int) -> None:
        own = mark._replace(run=run)  # type: ignore[arg-type]
        against = connection.execute(_AGAINST, own._asdict()).fetchone()
        if against is not None:
            word = "not " if mark.yes else ""
            raise ConfigError(
                f"{against[2]} has said of {against[0]:.1f} to {against[1]:.1f} s of {mark.stream} that it is "
                f"{word}{mark.event}, and this moment shares some of that: take that back first"
            )
        connection.execute(_KEEP, own._asdict())

    if not say(path, mark.run, write):
        raise ConfigError("the store knows nothing of that run yet: mark it once some of its results are stored")


def take_back(path: Path, mark: int) -> None:
    """Delete a mark by its `id`. Raises ConfigError: the store cannot be written, or there is none."""
    try:
        with closing(open_to_write(path)) as connection:
            gone = connection.execute("DELETE FROM mark WHERE id = ?", (mark,)).rowcount
    except sqlite3.Error as error:
        raise ConfigError(meaning(path, error)) from None
    if not gone:
        raise ConfigError("there is no such mark: somebody has taken it back")


ASK = (
    "SELECT mark.id, mark.at, run.name AS run, stream, event, mark.began, mark.ended, yes, by, question, said, "
    "classifier FROM mark JOIN run ON run.id = mark.run {} ORDER BY mark.at, mark.id"
)
"""Asks for them in order of time; in the braces the conditions."""

UNANSWERED = "id NOT IN (SELECT question FROM mark WHERE question IS NOT NULL)"
"""Of events: nobody has answered them."""

AUDITED = (
    "SELECT stream, classifier, sum(said = 0), sum(said = 0 AND yes), sum(said = 1), sum(said = 1 AND NOT yes) "
    "FROM mark WHERE said IS NOT NULL AND classifier IS NOT NULL GROUP BY 1, 2"
)
"""Asks for stream, version of the classifier, and what answers about it come to, as `Audited`; of all runs."""

_AGAINST = (
    "SELECT began, ended, by FROM mark WHERE run = :run AND stream = :stream AND event = :event AND yes <> :yes "
    "AND began < :ended AND ended > :began AND NOT (began = :began AND ended = :ended) LIMIT 1"
)
_KEEP = (
    "INSERT INTO mark (at, run, stream, event, began, ended, yes, by, question, said, classifier) VALUES "
    "(:at, :run, :stream, :event, :began, :ended, :yes, :by, :question, :said, :classifier) ON CONFLICT DO UPDATE SET "
    "at = excluded.at, yes = excluded.yes, by = excluded.by, question = coalesce(excluded.question, question), "
    "said = coalesce(excluded.said, said), classifier = coalesce(excluded.classifier, classifier)"
)
