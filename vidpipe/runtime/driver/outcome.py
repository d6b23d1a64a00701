"""How a run ended."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Any

from vidpipe.core.errors import RunError, VidpipeError
from vidpipe.pipeline.spec import Pipeline
from vidpipe.results.collector import Collector
from vidpipe.results.records import Counts
from vidpipe.results.writer import Writer
from vidpipe.runtime.engine import Engine

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Outcome:
    """How a run ended.

    Attributes:
        report: as the report file has it.
        errors: what failed while it ran, a line each; frames may have `failed` answers for it.
        notes: faults of the footage, a line each.
        interrupted: it was asked to end before it was done.
        pipeline: as it was at the end.
    """

    report: dict[str, Any]
    errors: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    interrupted: bool = False
    pipeline: Pipeline | None = None

    @property
    def exit_status(self) -> int:
        return 130 if self.interrupted else 1 if self.errors else 0


def stage_errors(counts: Counts) -> list[str]:
    """What stages raised, a line for each."""
    return [
        f"stage {stage} raised {f'{meter.errors} times, first' if meter.errors > 1 else 'once'}: {meter.first_error}"
        for stage, meter in counts.stages.items()
        if meter.errors
    ]


def stream_errors(collector: Collector) -> list[str]:
    """What ended streams before their end, and frames that were lost between stages."""
    errors = [f"stream {end.stream} broke off: {end.error}" for end in collector.ended.values() if end.error]
    errors += [failure for end in collector.ended.values() for failure in end.failures]
    for stream, ledger in collector.ledgers.items():
        if count := ledger.engine_failures:
            errors.append(f"stream {stream}: {count} frames failed in the engine, first: {ledger.engine_failure}")
    return errors


def notes_of(collector: Collector) -> list[str]:
    """What is to be known of the footage, a line for each."""
    ends = collector.ended.values()  # what broke a stream off is told as an error
    return [f"{end.stream}: {note}" for end in ends for note in end.notes if note != str(end.error)]


def closed(writer: Writer, patience_s: float) -> list[str]:
    """Close the sinks; what of it went wrong."""
    try:
        writer.close(patience_s)
    except RunError as error:
        return [str(error)]
    return []


def counted(engine: Engine) -> tuple[Counts, str]:
    """What the engine has counted, and why it cannot say it up to this moment, if it cannot: a report is due."""
    try:
        return engine.counts(), ""
    except Exception as error:
        log.debug("counting at the end", exc_info=error)
        return engine.counts(fresh=False), told(error)


def told(error: Exception) -> str:
    """What broke the engine, as an error of the outcome."""
    return str(error) if isinstance(error, VidpipeError) else f"the engine failed: {type(error).__name__}: {error}"
