"""The answers of one chunk as bytes, by the schema that also crosses to servers: reading them runs no code."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, replace
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from vidpipe.cascade.audit import Look
from vidpipe.cascade.reachback import Correction
from vidpipe.cascade.runner import Meter
from vidpipe.core.answer import Answer, How
from vidpipe.core.errors import RunError
from vidpipe.core.event import Event, Phase
from vidpipe.results.carried import Carried
from vidpipe.results.records import Counts, Covered, Result
from vidpipe.runtime.remote.values import MalformedError, pack, unpack

if TYPE_CHECKING:
    import supervision as sv

SCHEMA = 2
_BLOCK = 512  # results that are packed together
_LENGTH = 4  # bytes that say how long a block is


class Told(NamedTuple):
    """A result, and what transforms saw happen at it."""

    result: Result
    events: tuple[Event, ...] = ()


class End(NamedTuple):
    """What is known once a chunk has been answered.

    Attributes:
        counts: what stages, models and links have done, the warm-up included.
        wall_s: that it took, with opening the stages.
        cpu_s: the same, and what its process took to begin, if it was its first.
        notes: what a user should know of the recording.
        broken_off: why pictures are lacking that should have come; "" where none are.
        failed: why nobody has answered it; "" where somebody has.
        schema: of the file.
    """

    counts: Counts = Counts({}, {}, {})
    wall_s: float = 0.0
    cpu_s: float = 0.0
    notes: tuple[str, ...] = ()
    broken_off: str = ""
    failed: str = ""
    schema: int = SCHEMA


class ChunkWriter:
    """Gathers the answers of a chunk, in order of `seq`. They are packed as they come: a chunk may be long."""

    def __init__(self) -> None:
        self._file = BytesIO()
        self._rows: list[list[Any]] = []
        self._last: sv.Detections | None = None  # a reused answer shares its detections with the one before

    def add(self, told: Told) -> None:
        """Raises CannotCrossError where an answer holds what no file can."""
        detections = told.result.answer.detections
        self._rows.append(_row(told, None if detections is self._last else detections))
        self._last = detections
        if len(self._rows) >= _BLOCK:
            self._flush()

    def end(self, end: End) -> bytes:
        """The whole file."""
        self._flush()
        self._put({**end._asdict(), "counts": _plain(end.counts)})
        return self._file.getvalue()

    def _flush(self) -> None:
        if self._rows:
            self._put(self._rows)
        self._rows, self._last = [], None

    def _put(self, value: Any) -> None:
        packed = pack(value)
        self._file.write(len(packed).to_bytes(_LENGTH, "big") + packed)


def failed(reason: str) -> bytes:
    """The file of a chunk that nobody could answer."""
    return ChunkWriter().end(End(failed=reason))


def read(file: Path, stream: str) -> Iterator[Told | End]:
    """What was answered, in order, and at last its end.

    Raises:
        RunError: the file cannot be read, or is damaged.
    """
    try:
        with file.open("rb") as opened:
            while length := opened.read(_LENGTH):
                value = unpack(opened.read(int.from_bytes(length, "big")))
                if isinstance(value, dict):
                    yield _end(value)
                    return
                yield from _told(value, stream)
        raise MalformedError("it has no end")
    except OSError as error:
        raise RunError(f"chunk {file} cannot be read: {error.strerror}") from None
    except (MalformedError, KeyError, TypeError, ValueError) as error:
        raise RunError(f"chunk {file} is damaged ({error}): delete it, and start again to have it answered") from None


def _row(told: Told, detections: sv.Detections | None) -> list[Any]:
    result, answer = told.result, told.result.answer
    measured = [answer.how.value, answer.by, answer.as_of, answer.reason, answer.partial, answer.audit_of]
    covered = None if result.covered is None else result.covered.value
    look = None if result.look is None else list(result.look)
    place = [result.seq, result.pts, result.captured_at, result.epoch]
    size, corrections = None if result.size is None else list(result.size), [list(each) for each in result.corrections]
    known = [size, look, list(result.audits), result.model, corrections]
    events = [list(_fields(event).values()) for event in told.events]
    return [place, measured, detections, result.audit, covered, known, result.degraded, events]


def _fields(event: Event) -> dict[str, Any]:
    fields = {name: getattr(event, name) for name in Event.__dataclass_fields__ if name != "look"}
    return {**fields, "phase": event.phase.value, "data": dict(event.data)}


def _told(rows: Iterable[list[Any]], stream: str) -> Iterator[Told]:
    last: sv.Detections | None = None
    for place, measured, detections, audit, covered, known, degraded, events in rows:
        seq, pts, captured_at, epoch = place
        how, by, as_of, reason, partial, audit_of = measured
        size, look, audits, model, corrections = known
        last = detections if detections is not None else last
        assert last is not None, "the first of a block brings its own"
        result = Result(
            stream,
            seq,
            pts,
            captured_at,
            0.0,
            epoch,
            Answer(last, How(how), by, as_of, reason, partial, audit_of),
            audit,
            None if covered is None else Covered(covered),
            None if size is None else (size[0], size[1]),
            None,
            None if look is None else Look(*look),
            tuple(audits),
            model,
            degraded=degraded,
            corrections=tuple(Correction(*each) for each in corrections),
        )
        yield Told(result, tuple(_event(fields) for fields in events))


def _event(fields: list[Any]) -> Event:
    event = Event(*fields)
    return replace(event, phase=Phase(event.phase))


def _plain(counts: Counts) -> dict[str, Any]:
    """What of the counts of a finished engine is not empty."""
    return {
        "stages": {id: _meter(meter) for id, meter in counts.stages.items()},
        "models": {name: list(figures) for name, figures in counts.models.items()},
        "links": {name: [carried.frames, carried.bytes] for name, carried in counts.links.items()},
    }


def _meter(meter: Meter) -> dict[str, Any]:
    return {**asdict(meter), "raised": dict(meter.raised), "counts": dict(meter.counts)}


def _end(told: Mapping[str, Any]) -> End:
    if told["schema"] != SCHEMA:
        raise ValueError(f"schema {told['schema']}")
    counts = told["counts"]
    return End(
        Counts(
            {id: _made(meter) for id, meter in counts["stages"].items()},
            {name: (calls, wall, cpu) for name, (calls, wall, cpu) in counts["models"].items()},
            {name: Carried(frames, size) for name, (frames, size) in counts["links"].items()},
        ),
        told["wall_s"],
        told["cpu_s"],
        told["notes"],
        told["broken_off"],
        told["failed"],
    )


def _made(meter: Mapping[str, Any]) -> Meter:
    return Meter(**{**meter, "raised": Counter(meter["raised"]), "counts": Counter(meter["counts"])})
