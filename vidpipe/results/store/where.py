"""The conditions of a query."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vidpipe.core.errors import ConfigError
from vidpipe.results.store.spans import MINUTE_S, SPANS_S, start_of


class Where:
    """The conditions of a query; as text behind `WHERE`, with `values` for its question marks.

    Args:
        named: what columns must hold; None: anything.
    """

    def __init__(self, named: Mapping[str, Any]) -> None:
        self._conditions: list[str] = []
        self.values: list[Any] = []
        for column, value in named.items():
            if value is not None:
                self.also(f"{column} = ?", value)

    def between(self, column: str, since: float | None, until: float | None) -> None:
        """A time must lie between these, the latter not included; None: no bound."""
        if since is not None:
            self.also(f"{column} >= ?", since)
        if until is not None:
            self.also(f"{column} < ?", until)

    def also(self, condition: str, *values: Any) -> None:
        """This must hold, too."""
        self._conditions.append(condition)
        self.values += values

    def and_also(self, condition: str, *values: Any) -> Where:
        """These and another one."""
        more = Where({})
        more._conditions, more.values = [*self._conditions, condition], [*self.values, *values]
        return more

    def __str__(self) -> str:
        return f"WHERE {' AND '.join(self._conditions)}" if self._conditions else ""


def counted(named: Mapping[str, Any], since: float | None, until: float | None, every_s: int) -> Where:
    """The conditions of counts: of hours where these will do, and of whole rows."""
    if every_s < MINUTE_S or every_s % MINUTE_S:
        raise ConfigError(f"counts are kept by minute: {every_s} s must be whole minutes")
    where = Where({"span": span_of(every_s), **named})
    first = None if since is None else start_of(since, every_s)
    where.between("start", first, None if until is None else -start_of(-until, every_s))
    return where


def span_of(every_s: int) -> int:
    """Seconds that each of the kept counts stands for, which rows of `every_s` are made of."""
    return max(span for span in SPANS_S if every_s % span == 0)
