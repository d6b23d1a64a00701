"""What stages did in each minute, and the states of streams: by what reports have counted more than the one before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from vidpipe.results.store.spans import MINUTE_S, start_of

StageRow = tuple[int, str, str, int, int, int, int, float]
StateRow = tuple[float, str, str, str]

ALL = ""  # in place of a stream's name: of all streams together


class _Total(NamedTuple):
    asked: int = 0
    answered: int = 0
    audited: int = 0
    missed: int = 0
    cpu_s: float = 0.0


class StageMinutes:
    """Takes the reports of one run."""

    def __init__(self) -> None:
        self._totals: dict[tuple[str, str], _Total] = {}
        self._states: dict[str, str] = {}

    def changes(self, report: Mapping[str, Any], now: float) -> tuple[list[StageRow], list[StateRow]]:
        """What is new since the last report.

        Args:
            report: as docs/results.md has it.
            now: UTC seconds.

        Returns:
            Of each stage and stream (minute, stream, stage, asked, answered, audited, missed, CPU seconds). A stage is
            asked for many streams in one call, so `asked` and CPU are of all together, under `ALL`. And of each live
            stream whose state is another one (UTC seconds, stream, state, detail).
        """
        minute = start_of(now, MINUTE_S)
        stages: list[StageRow] = []
        for (stream, stage), total in _totals(report):
            before = self._totals.get((stream, stage), _Total())
            # A process that died takes along what it counted last.
            more = _Total(*(max(0, new - old) for new, old in zip(total, before, strict=True)))  # type: ignore[arg-type]
            if any(more):
                stages.append((minute, stream, stage, *more))
            self._totals[stream, stage] = total
        states: list[StateRow] = []
        for stream, told in report["streams"].items():
            health = told.get("health")
            if health is not None and self._states.get(stream) != health["state"]:
                self._states[stream] = health["state"]
                states.append((now, stream, health["state"], health["detail"]))
        return stages, states


def _totals(report: Mapping[str, Any]) -> Iterator[tuple[tuple[str, str], _Total]]:
    audits: dict[str, tuple[int, int]] = {}
    for stream, told in report["streams"].items():
        for stage in {**told["by"], **told["audits"]}:
            audit = told["audits"].get(stage, {"audited": 0, "missed": 0})
            total = _Total(0, told["by"].get(stage, 0), audit["audited"], audit["missed"])
            yield (stream, stage), total
            audited, missed = audits.get(stage, (0, 0))
            audits[stage] = audited + audit["audited"], missed + audit["missed"]
    for stage, told in report["stages"].items():
        cpu_s = told["cpu_ms"] * told["asked"] / 1000
        yield (ALL, stage), _Total(told["asked"], told["answered"], *audits.get(stage, (0, 0)), cpu_s)
