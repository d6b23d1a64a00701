"""The contract of a stage: it answers a frame or passes it on, and learns what was answered below it."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from vidpipe.core.answer import Answer
from vidpipe.core.frame import Frame
from vidpipe.core.settings import StageConfig

if TYPE_CHECKING:
    from vidpipe.models.base import Detector, Embedder, Precision, Size, Tail
    from vidpipe.models.inputs import NetworkInputs
    from vidpipe.models.letterbox import NetworkInput


DetectorName = Annotated[str, Field(json_schema_extra={"names": "detector"}, description="a model of the pipeline")]
EmbedderName = Annotated[str, Field(json_schema_extra={"names": "embedder"}, description="an embedder of the pipeline")]


class Models(Protocol):
    """The models of the pipeline, loaded on first use and shared by the stages of one actor."""

    def detector(
        self, name: str, size: Size | None = None, precision: Precision | None = None, calibrated: str | None = None
    ) -> Detector:
        """A detector, for the calling thread.

        Args:
            size, precision, calibrated: of the variant that is asked for, in place of what the model has (`ModelSpec`).
        """
        ...

    def load(
        self, name: str, size: Size | None = None, precision: Precision | None = None, calibrated: str | None = None
    ) -> None:
        """Have a detector loaded for threads that will ask for it; from any thread. Raises ModelError."""
        ...

    def tail(self, name: str, behind: int) -> Tail:
        """The second half of a detector whose first half has looked at a frame already, for the calling thread.

        Args:
            behind: the operation behind which it is cut.
        """
        ...

    def embedder(self, name: str) -> Embedder: ...


@dataclass(frozen=True, slots=True)
class Context:
    """What a stage is given when it opens.

    Attributes:
        stage: the id that this stage has in the pipeline.
        stream: name of the stream that the instance serves; None for a shared stage.
        models: where to get the pipeline's models from.
        classes: names of the pipeline's classes; `class_id` indexes them.
        last: whether no stage comes after this one: then it answers every frame.
        live: whether the stream is live, so that it cannot wait; always False for a shared stage.
        live_streams: names of all live streams; kept up to date while streams come and go.
    """

    stage: str
    stream: str | None
    models: Models
    classes: Sequence[str]
    last: bool
    live: bool = False
    live_streams: Container[str] = ()


C = TypeVar("C", bound=StageConfig)


class Stage(Generic[C]):
    """Base class of all stages. A subclass overrides `answer`, and of the rest what it needs.

    Calls come in this order: `open`, `restore` (only after a restart), then for each frame `answer` and, if this stage
    passed it on, `learn` or `forget`; `close` last, though a killed process never gets there. With `shared = False`
    there is one instance for each stream, it is handed one frame a call, and its state lies in plain attributes. With
    `shared = True` one instance serves many streams and is handed whatever is waiting; what it keeps of a stream it
    keeps under `frame.stream`, bounded, and never lets it touch another stream's answers (`snapshot_stream`,
    `restore_stream`).

    Attributes:
        shared: one instance for each stream (False), or one for all streams of the actor (True: models).
        learns_checked: `learn` also gets frames on which a stage above is checked: they go straight to the last stage,
            past this one, which is not asked.
        stateless: its answer as the last stage depends on the frame and the settings alone, so that a shadow ask may
            have it answer under other settings.
        can_be_last: False for a filter, which by its nature passes frames on: no pipeline may end with it.
        config: the settings in force for the stream that this call is for; they may differ from call to call.
        id: of this stage in the pipeline, as `by` of its answers and key of its features and memos.
    """

    shared: ClassVar[bool] = False
    can_be_last: ClassVar[bool] = True
    learns_checked: ClassVar[bool] = False
    stateless: ClassVar[bool] = False
    Config: ClassVar[type[StageConfig]] = StageConfig

    config: C
    id: str = ""

    def open(self, context: Context) -> None:
        """Load what is heavy. Called once, in the thread that makes all later calls."""

    def answer(self, frames: Sequence[Frame]) -> list[Answer | None]:
        """The answers to these frames, same length and order; None passes a frame on to the next stage.

        Must not keep a frame or a view of it beyond the call (`Frame.keep` copies). An exception, or an answer that
        breaks the contract (docs/stages.md), makes the frame `failed`; the run goes on.
        """
        raise TypeError(f"{type(self).__name__} has no method `answer`: a stage must say which frames it answers")

    def learn(self, frame: Frame, answer: Answer) -> Answer | None:
        """What a later stage answered for a frame that this one passed on, in order of `seq`.

        Live, a late answer is learnt when it comes: that may be after those of newer frames.

        May return the answer completed (identities, merged regions): the stages above learn that one, and what
        leaves the first stage is published. The classic mistake is to learn from an answer that measured nothing: this
        frame itself was measured only if `answer.as_of == frame.seq`.
        """
        return None

    def forget(self, frame: Frame) -> None:
        """No answer will come for a frame that this one passed on: it was dropped, or the stage that got it failed."""

    def fallback(self, frame: Frame) -> Answer | None:
        """The best answer that is possible now for a frame that this stage passed on, while its answer is late."""
        return None

    def snapshot(self) -> Any:
        """State that must survive a restart, as something that pickles; None for a stage without.

        Called every few seconds for each stream, and sent elsewhere: leave out pictures, and whatever the next detector
        run restores. Not called for a shared stage: see `snapshot_stream`.
        """
        return None

    def restore(self, state: Any) -> None:
        """Continue with what `snapshot` of an earlier instance returned."""

    def snapshot_stream(self, stream: str) -> Any:
        """The same for a shared stage: what it keeps of one stream, as something small that pickles, or None.

        It must be a copy: the stage goes on while it travels.
        """
        return None

    def restore_stream(self, stream: str, state: Any) -> None:
        """Continue with what `snapshot_stream` of an earlier instance returned; called before any frame of it."""

    def close(self) -> None:
        """Release what `open` took. Not guaranteed to be called."""

    @property
    def counts(self) -> Mapping[str, int]:
        """Further counts for the report, by name; another thread may ask."""
        return {}

    @classmethod
    def prepare(cls, config: C, models: Models) -> None:
        """Load what these settings need, before they come into force in a stage that runs; from any thread."""

    @classmethod
    def parts(cls, config: C, frame: Frame, size: tuple[int, int]) -> NDArray[np.integer] | None:
        """Where it would look if this frame, whose picture is scaled to that size, came to it: then a link before this
        stage sends these parts alone, and the rest of the picture is grey.

        Asked above the link, of the class: all that is known are the settings, and what stages above left in
        `frame.features`. A stage that names parts must answer the frame, and by them alone.

        Args:
            size: (width, height) in pixels.

        Returns:
            xyxy [k, 4], whole pixels of the scaled picture; None: it needs all of it, or may pass the frame on.
        """
        return None

    @classmethod
    def cut_model(cls, config: C) -> str | None:
        """The detector that is all which looks at a picture here, so that it may be cut; None: there is no one such."""
        return None

    @classmethod
    def sees(cls, config: C, inputs: NetworkInputs) -> Sequence[NetworkInput] | None:
        """The networks that are all that it shows whole pictures to with these settings: then a link with a codec above
        it sends pictures no larger than these take.

        Asked of the class, above the link.

        Args:
            inputs: of the pipeline's detectors.

        Returns:
            None: it needs pictures as they are, since it looks at parts of them, or that is not known. So it is by
            default.
        """
        return None

    @classmethod
    def learns(cls, config: C) -> bool:
        """Whether `learn` does anything with these settings: a cascade in which no stage learns is pipelined freely."""
        return cls.learn is not Stage.learn
