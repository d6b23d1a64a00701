"""What sees frames and answers together, where the frames are: drawn video, later clips."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from vidpipe.answer import Answer
from vidpipe.frame import Frame
from vidpipe.sources.base import StreamInfo


class TapWriter(Protocol):
    """One stream's end of a tap."""

    def write(self, frame: Frame | None, answer: Answer, ledger: Mapping[str, int]) -> None:
        """Take an answer, in order of `seq`.

        Args:
            frame: valid during the call only; None for a picture that never became one.
            answer: as it is published.
            ledger: how many frames of the stream each stage has answered so far.
        """
        ...

    def close(self) -> None: ...


class Tap(Protocol):
    """Opens a writer for each stream, in the process that holds its frames; must pickle."""

    def open(self, info: StreamInfo, *, resumed: bool) -> TapWriter:
        """Begin; `resumed` after a restart in mid-stream, when what was written before must be left alone."""
        ...
