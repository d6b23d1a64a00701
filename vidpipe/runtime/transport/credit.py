"""How much may be under way on a link at a time."""

from __future__ import annotations

from vidpipe.pipeline.spec import LinkSpec


class Credit:
    """Bounds the frames and bytes under way; one frame may be, however large it is. Not for several threads at once."""

    def __init__(self, spec: LinkSpec) -> None:
        self._most_frames = spec.credit_frames
        self._most_bytes = spec.credit_mb * 1e6
        self._frames = 0
        self._bytes = 0

    @property
    def nbytes(self) -> int:
        """Bytes under way."""
        return self._bytes

    def fits(self, nbytes: int) -> bool:
        """Whether there is credit for a frame of that size."""
        return not self._frames or (self._frames < self._most_frames and self._bytes + nbytes <= self._most_bytes)

    def take(self, nbytes: int) -> None:
        """A frame is under way."""
        self._frames += 1
        self._bytes += nbytes

    def give_back(self, nbytes: int) -> None:
        """It is no more."""
        self._frames -= 1
        self._bytes -= nbytes

    def correct(self, nbytes: int) -> None:
        """A frame under way takes so many bytes more than was known."""
        self._bytes += nbytes
