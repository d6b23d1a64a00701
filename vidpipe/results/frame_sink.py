"""What sees frames and answers together, where the frames are: drawn video, later clips."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from vidpipe.cascade.audit import Audit
from vidpipe.core.answer import Answer
from vidpipe.core.errors import VidpipeError, contained
from vidpipe.core.frame import Frame, Missing
from vidpipe.sources.base import StreamInfo

if TYPE_CHECKING:
    from vidpipe.sources.decoding.packets import Packets

log = logging.getLogger(__name__)


class FrameSinkWriter(Protocol):
    """One stream's end of a frame sink."""

    def write(self, item: Frame | Missing, answer: Answer, ledger: Mapping[str, int]) -> None:
        """Take an answer, in order of `seq`.

        Args:
            item: a frame, valid during the call only; or what is known of a picture that never became one.
            answer: as it is published.
            ledger: how many frames of the stream each stage has answered so far.
        """
        ...

    def close(self) -> None: ...


@runtime_checkable
class SeesAudits(Protocol):
    """A `FrameSinkWriter` that is also shown the frames on which audits found an answer wrong."""

    def audited(self, frame: Frame, audit: Audit, checked: Answer) -> None:
        """Take one, whenever the outcome becomes known.

        Args:
            frame: valid during the call only.
            checked: what the last stage found.
        """
        ...


@runtime_checkable
class TakesPackets(Protocol):
    """A `FrameSinkWriter` that also wants what the camera sends, as it is."""

    def take_packets(self, packets: Packets | None) -> None:
        """Know where the stream's encoded pictures are kept, None: nowhere; called before the first `write`."""
        ...


class FrameSink(Protocol):
    """Opens a writer for each stream, in the process that holds its frames; must pickle."""

    def open(self, info: StreamInfo, *, resumed: bool) -> FrameSinkWriter:
        """Begin; `resumed` after a restart in mid-stream, when what was written before must be left alone.

        Others may still fail to open: nothing that is there already is to be changed before the first `write`.
        """
        ...


class StreamFrameSinks:
    """All writers of one stream. One that raises is told of and gets no more: the stream goes on without it.

    Attributes:
        failures: what writers raised, a line each.
    """

    def __init__(self, stream: str, writers: Sequence[FrameSinkWriter] = ()) -> None:
        self.failures: list[str] = []
        self._stream = stream
        self._writers = list(writers)

    @classmethod
    def opened(
        cls, frame_sinks: Sequence[FrameSink], info: StreamInfo, *, resumed: bool, must: bool
    ) -> StreamFrameSinks:
        """The writers of these frame sinks.

        Args:
            must: what a frame sink raises is raised; else, while a run goes on, it is a failure like any other.
        """
        writers = cls(info.name)
        for frame_sink in frame_sinks:
            try:
                writers._writers.append(frame_sink.open(info, resumed=resumed))
            except BaseException as error:
                if must:
                    writers.close()
                    raise
                writers._fail(frame_sink, error)
        return writers

    def write(self, item: Frame | Missing, answer: Answer, ledger: Mapping[str, int]) -> None:
        """Hand an answer to each; see `FrameSinkWriter.write`."""
        for writer in list(self._writers):
            self._guard(writer, partial(writer.write, item, answer, ledger))

    def take_packets(self, packets: Packets | None) -> None:
        """Tell each that wants to know where packets are kept; see `TakesPackets`."""
        for writer in list(self._writers):
            if isinstance(writer, TakesPackets):
                self._guard(writer, partial(writer.take_packets, packets))

    def audited(self, frame: Frame, audit: Audit, checked: Answer) -> None:
        """Show a frame to each that wants it; see `SeesAudits`."""
        for writer in list(self._writers):
            if isinstance(writer, SeesAudits):
                self._guard(writer, partial(writer.audited, frame, audit, checked))

    def close(self) -> None:
        """Finish each."""
        for writer in self._writers:
            try:
                writer.close()
            except BaseException as error:
                self._fail(writer, error)
        self._writers = []

    def _guard(self, writer: FrameSinkWriter, hand: Callable[[], None]) -> None:
        try:
            hand()
        except BaseException as error:  # a user's frame sink may raise anything, also what would end this thread
            self._writers.remove(writer)
            self._fail(writer, error)
            with suppress(BaseException):  # what it could not write it cannot finish either
                writer.close()

    def _fail(self, frame_sink: object, error: BaseException) -> None:
        log.debug("a frame sink raised", exc_info=error)
        said = str(error) if isinstance(error, VidpipeError) else f"{_name(frame_sink)}: {contained(error)}"
        self.failures.append(f"stream {self._stream}: {(said.splitlines() or [_name(frame_sink)])[0]}")
        log.warning("%s; the stream goes on without it", self.failures[-1])


def _name(frame_sink: object) -> str:
    """What a user calls it: its own words for itself, where it has any."""
    return type(frame_sink).__name__ if type(frame_sink).__str__ is object.__str__ else str(frame_sink)
