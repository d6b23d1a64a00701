"""What leaves a device's streams for the collector: answers, audits, snapshots, ends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from vidpipe.cascade.audit import Audit, Look
from vidpipe.cascade.cascade import Completed
from vidpipe.cascade.reachback import Correction
from vidpipe.cascade.runner import Meter
from vidpipe.core.answer import Answer, How
from vidpipe.core.event import Event
from vidpipe.core.frame import Frame, Image, Missing
from vidpipe.core.settings import StageConfig
from vidpipe.results.carried import Carried
from vidpipe.sources.base import Resume
from vidpipe.sources.health import Health
from vidpipe.transforms.base import Moment

if TYPE_CHECKING:
    import supervision as sv


class Covered(StrEnum):
    """Why the answer to a frame was not waited for: something else was published in its place."""

    LATE = "late"  # it is open on a slower tier
    AWAY = "away"  # that tier cannot be reached
    OVERLOADED = "overloaded"  # nobody had time for it
    STOPPED = "stopped"  # the run was asked to end


class Result(NamedTuple):
    """An answer as a sink gets it, with what is known of its frame; one for every picture of a stream.

    Attributes:
        epoch: of the settings that the frame was treated under; 0: those that the run began with.
        since: as of `Frame`: what the latency counts from, by the monotonic clock of the batch's `machine`.
        covered: why the answer is a fallback; None where it is the frame's own answer.
        size: (width, height) of the stream's pictures; None where none has come yet.
        picture: uint8 BGR [h, w, 3], where the run was asked for pictures; None for one that never became a frame.
        look: what the last stage found, before any transform, where this is what it saw; None for all other answers.
        audits: whose outcome has become known since the stream's result before: `audit`, and late ones.
        model: that measured the boxes, by its name in the pipeline; None: none did, or nobody knows.
        settings: changes of settings that came into force since the stream's result before, as the report has them.
        degraded: why the answer is worth less than it would be, for people: "cloud away for 12 s"; "" where it is not.
        corrections: of earlier answers, that have become known since the stream's result before.
    """

    stream: str
    seq: int
    pts: float
    captured_at: float | None
    since: float
    epoch: int
    answer: Answer
    audit: Audit | None = None
    covered: Covered | None = None
    size: tuple[int, int] | None = None
    picture: Image | None = None
    look: Look | None = None
    audits: tuple[Audit, ...] = ()
    model: str | None = None
    settings: tuple[Mapping[str, Any], ...] = ()
    degraded: str = ""
    corrections: tuple[Correction, ...] = ()

    @property
    def moment(self) -> Moment:
        """The place of the answer in its stream."""
        place = self.stream, self.seq, self.pts, self.captured_at, *(self.size or (0, 0))
        return Moment(*place, self.epoch, self.audits, self.model, self.degraded, self.corrections)

    @property
    def detections(self) -> sv.Detections:
        """The boxes of the answer."""
        return self.answer.detections

    @property
    def how(self) -> How:
        """How the answer came about."""
        return self.answer.how


def published(
    item: Frame | Missing,
    completed: Completed,
    covered: Covered | None,
    epoch: int,
    size: tuple[int, int] | None,
    look: Look | None = None,
    audits: tuple[Audit, ...] = (),
    model: str | None = None,
    corrections: tuple[Correction, ...] = (),
    *,
    pictures: bool,
) -> Result:
    """What is published of a picture; `covered`, `epoch`, `size`, `look`, `audits`, `model` and `corrections` as
    of `Result`.

    Args:
        pictures: whether it brings its picture.
    """
    known = (item.stream, item.seq, item.pts, item.captured_at, item.since, epoch)
    picture = item.keep(item.bgr()) if pictures and isinstance(item, Frame) else None
    degraded = str(completed.away or "")
    answer, audit = completed.answer, completed.audit
    known_since = audits, model, (), degraded, corrections
    return Result(*known, answer, audit, covered, size, picture, look, *known_since)


class Snapshot(NamedTuple):
    """State of a stream's stages and transforms, pickled, by id; of those below the device, as last seen.

    Attributes:
        seq: of the last result that transforms had seen.
    """

    stream: str
    states: dict[str, bytes]
    seq: int


class Ended(NamedTuple):
    """A stream that gives no more answers.

    Attributes:
        error: what broke it off, or None where it came to its end.
        notes: what a user should know of the recording ("ended after 412 of 795 frames").
        health: of a live source, at its end.
        failures: what went wrong beside the stream, which went on: a frame sink that could take no more. A line each.
    """

    stream: str
    error: Exception | None = None
    notes: tuple[str, ...] = ()
    health: Health | None = None
    failures: tuple[str, ...] = ()


class LateAnswer(NamedTuple):
    """An answer that came when another had been published in its place.

    Attributes:
        by: who gave it.
        fallback: who had given what was published.
        epoch: as of `Result`.
        held: what was published against this answer, where the last stage gave it; None where an audit says so.
    """

    stream: str
    by: str
    fallback: str
    epoch: int = 0
    held: Audit | None = None


class LateAudit(NamedTuple):
    """An audit that came when the answer to its frame had been published.

    Attributes:
        epoch: as of `Result`.
        stood: what was published is the answer that was audited.
    """

    stream: str
    epoch: int
    audit: Audit
    stood: bool


class ShadowAnswer(NamedTuple):
    """What a variant said of a frame, that nobody publishes.

    Attributes:
        number, place: of the question, and of the variant among those that it asks.
        seq, pts: of the frame.
        cpu_ms: what the answer took.
    """

    stream: str
    number: int
    place: int
    seq: int
    pts: float
    answer: Answer
    cpu_ms: float


@dataclass(slots=True)
class Batch:
    """What came since the last time that somebody asked, in order.

    Attributes:
        events: what transforms saw happen, each behind the answer at which it happened; what ends with a stream may
            come without an answer.
        refused: frames that stages passed on and nobody looked at, for newer ones took their place; by stream.
        reached_back: what reachback counts, by stream; see `StreamLedger.reachback`.
        health: of live sources, now and then.
        machine: which the streams are read on, as `usage.machine` tells; "" where that is not known.
        begun_anew: streams whose process has died; what is counted of their sources begins with 0 again.
        asked: of a process that goes carefully, the picture that is asked alone now: stream and number.
    """

    published: list[Result] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    late_audits: list[LateAudit] = field(default_factory=list)
    late_answers: list[LateAnswer] = field(default_factory=list)
    shadows: list[ShadowAnswer] = field(default_factory=list)
    snapshots: list[Snapshot] = field(default_factory=list)
    ended: list[Ended] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    reached_back: dict[str, Counter[str]] = field(default_factory=dict)
    health: dict[str, Health] = field(default_factory=dict)
    begun_anew: list[str] = field(default_factory=list)
    asked: tuple[str, int] | None = None
    machine: str = ""

    def __bool__(self) -> bool:
        late = self.late_audits or self.late_answers or self.shadows
        came = self.published or self.events or late or self.snapshots or self.ended or self.refused or self.health
        return bool(came or self.begun_anew or self.asked or self.reached_back)


class Position(NamedTuple):
    """Where a stream goes on after a restart.

    Attributes:
        resume: behind this picture; None: from the beginning.
        last: the last published answer, if any.
        states: of the stream's stages and transforms, pickled, by id.
        since: what was published since they were taken, in order, where a transform asks for it.
        configs: settings of the transforms, whole, by id, by the epochs of `since`.
        poison: pictures that are not to be tried again.
        careful: the process died here before: ask and answer the next pictures one at a time, each told of before, so
            that it will be known on which one it dies.
        model: that measured the boxes of `last`, as of `Result`.
    """

    resume: Resume | None = None
    last: Answer | None = None
    states: Mapping[str, bytes] = {}
    since: Sequence[Result] = ()
    configs: Mapping[int, Mapping[str, StageConfig]] = {}
    poison: frozenset[int] = frozenset()
    careful: bool = False
    model: str | None = None


T = TypeVar("T", Meter, Carried)


class Counts(NamedTuple):
    """What a process has counted so far.

    Attributes:
        stages: by stage id.
        models: (pictures, wall ns, CPU ns) by model name.
        links: by link name.
        deaths: of processes, by the name of what ran there: UTC seconds, of each one that was seen.
        shadows: by variant.
        media: pictures and clips, by stream.
        shared: pictures at which another query had looked already, by model.
    """

    stages: dict[str, Meter]
    models: dict[str, tuple[int, int, int]]
    links: dict[str, Carried]
    deaths: Mapping[str, tuple[float, ...]] = {}
    shadows: Mapping[str, Meter] = {}
    media: Mapping[str, Counter[str]] = {}
    shared: Mapping[str, int] = {}

    def __add__(self, other: Counts) -> Counts:  # type: ignore[override]
        stages = _joined(self.stages, other.stages, Meter())
        shadows = _joined(self.shadows, other.shadows, Meter())
        deaths = {name: times + self.deaths.get(name, ()) for name, times in other.deaths.items()}
        models, links = _add(self.models, other.models), _joined(self.links, other.links, Carried())
        media = {stream: Counter(counts) for stream, counts in self.media.items()}
        for stream, counts in other.media.items():
            media.setdefault(stream, Counter()).update(counts)
        shared = Counter(self.shared) + Counter(other.shared)
        return Counts(stages, models, links, {**self.deaths, **deaths}, shadows, media, shared)

    def past(self) -> Counts:
        """The same of a process that has ended: nothing of it is so now."""
        return self._replace(links={name: carried._replace(now=None) for name, carried in self.links.items()})


def _joined(one: Mapping[str, T], other: Mapping[str, T], none: T) -> dict[str, T]:
    total = dict(one)
    for name, counts in other.items():
        total[name] = total.get(name, none) + counts
    return total


def _add(one: Mapping[str, tuple[int, ...]], other: Mapping[str, tuple[int, ...]]) -> dict[str, Any]:
    total: dict[str, tuple[int, ...]] = dict(one)
    for name, counts in other.items():
        total[name] = tuple(map(sum, zip(total[name], counts, strict=True))) if name in total else counts
    return total
