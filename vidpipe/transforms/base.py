"""The contract of a transform: it completes the results of a stream, whichever stage answered, and emits events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

from vidpipe.cascade.audit import Audit
from vidpipe.cascade.reachback import Correction
from vidpipe.cascade.stage import Context
from vidpipe.core.answer import Answer
from vidpipe.core.event import Event, Phase
from vidpipe.core.frame import Frame
from vidpipe.core.settings import StageConfig

C = TypeVar("C", bound=StageConfig)


@dataclass(frozen=True, slots=True)
class Moment:
    """The place of an answer in its stream.

    Attributes:
        seq: number of the picture.
        pts: media seconds.
        captured_at: UTC seconds, or None for a recording that does not say.
        width, height: of the picture in pixels; 0 before the first picture that could be decoded.
        epoch: of the settings that it was answered under.
        audits: whose outcome has become known since the result before: of this answer, or of late ones.
        model: that measured the boxes, by its name in the pipeline; None: none did, or nobody knows.
        degraded: why the answer is worth less than it would be: "cloud away for 12 s"; "" where it is not.
        corrections: of earlier answers, that have become known since the result before.
    """

    stream: str
    seq: int
    pts: float
    captured_at: float | None
    width: int
    height: int
    epoch: int
    audits: tuple[Audit, ...] = ()
    model: str | None = None
    degraded: str = ""
    corrections: tuple[Correction, ...] = ()


class Transform(Generic[C]):
    """Base class of all transforms. There is one instance for each stream, in the process that holds its frames.

    A stage gets only the frames that come down to it. A transform gets every published result of its stream, in order
    of `seq`, also repeated and fallback ones. Sinks, drawn video and iterators get what it changes; no stage learns
    from it.

    Calls come in this order: `open`, after a restart `restore` and `published`, `apply` for each result, `ended`,
    `close`.

    Attributes:
        needs_frame: whether it looks at pictures. If not, it works also in archives that look ahead: there most answers
            are known only once their pictures are gone.
        config: the settings in force for this result.
        id: of this transform in the pipeline, as `by` of its events.
    """

    shared: ClassVar[bool] = False
    needs_frame: ClassVar[bool] = True
    Config: ClassVar[type[StageConfig]] = StageConfig

    config: C
    id: str = ""
    _emitted: list[Event] | None = None

    def open(self, context: Context) -> None:
        """Load what is heavy. Called once, in the thread that makes all later calls."""

    def apply(self, frame: Frame | None, answer: Answer, moment: Moment) -> Answer | None:
        """The answer as it is to be published; None leaves it as it is.

        Must neither keep the frame nor write into it or into the answer (`dataclasses.replace`). If it raises, this
        result stays as it was.

        Args:
            frame: None for a picture that never became one; the answer then carries the last detections.
            answer: as the cascade, or the transform before this one, gave it.
        """
        raise TypeError(f"{type(self).__name__} has no method `apply`: a transform must say what it does with a result")

    def published(self, answer: Answer, moment: Moment) -> None:
        """After a restart: what was published between the last snapshot and the end of the process, in order.

        With this a transform whose state depends on results alone continues exactly where it was. What it emits here
        is left out, as it was emitted then.

        Args:
            answer: as it was published, behind all transforms.
        """

    def ended(self, moment: Moment) -> None:
        """The stream has come to its end, was stopped, or begins anew with another picture: emit what ends with it.

        Not called where its process dies: another one goes on from the last `snapshot`.

        Args:
            moment: of its last result.
        """

    def emit(
        self,
        kind: str,
        moment: Moment,
        *,
        phase: Phase = Phase.BEGIN,
        id: str = "",
        rule: str = "",
        age_s: float | None = None,
        **data: Any,
    ) -> None:
        """Emit an event at this result; it goes to sinks and to `Run.events`, after the result itself.

        Args:
            id: the same for all phases of one thing that lasts; without one it is made of the place.
            rule: as of `Event`; without a name of its own it is this transform.
            age_s: as of `Event`.
            data: fields of the event; those that all events may have are in docs/results.md. `config` and `model` are
                those of the moment, unless they are given.
        """
        if self._emitted is None:
            self._emitted = []
        rule = rule or self.id
        id = id or f"{rule}/{kind}/{moment.seq}.{len(self._emitted)}"
        place = moment.stream, moment.seq, moment.pts, moment.captured_at
        told = {"config": str(moment.epoch), "model": moment.model, **data}
        self._emitted.append(Event(kind, *place, rule, id, age_s=age_s, phase=phase, data=told))

    def snapshot(self) -> Any:
        """State that must survive a restart, as something small that pickles; None for a transform without."""
        return None

    def restore(self, state: Any) -> None:
        """Continue with what `snapshot` of an earlier instance returned."""

    def close(self) -> None:
        """Release what `open` took. Not guaranteed to be called."""

    @property
    def counts(self) -> Mapping[str, int]:
        """Further counts for the report, by name; another thread may ask."""
        return {}

    def take_events(self) -> list[Event]:
        """What was emitted since this was last asked."""
        events, self._emitted = self._emitted, None
        return events or []
