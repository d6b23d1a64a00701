"""Room for frames on a link: credit, and places for their pictures in memory that both ends have."""

from __future__ import annotations

from vidpipe.core.frame import Frame, Image
from vidpipe.pipeline.spec import LinkSpec
from vidpipe.runtime.links.shared_memory import SharedMemoryPool, Slot
from vidpipe.runtime.transport.credit import Credit


class Room:
    """What a link has room for. Not for several threads at once.

    Args:
        pool: None where pictures travel in the message.
    """

    def __init__(self, spec: LinkSpec, pool: SharedMemoryPool | None) -> None:
        self._credit = Credit(spec)
        self._pool = pool
        self._raw = spec.codec == "raw"

    @property
    def under_way(self) -> int:
        """Bytes of the frames that take credit."""
        return self._credit.nbytes

    def needed(self, frame: Frame) -> int:
        """What a picture takes; of a coded one that is known only once it is packed."""
        return frame.picture.nbytes if self._raw else 0

    def fits(self, nbytes: int) -> bool:
        """Whether there is credit for a frame of that size."""
        return self._credit.fits(nbytes)

    def take(self, nbytes: int, *, counted: bool) -> Slot | None:
        """For a frame of that size; `counted`: it takes credit."""
        if counted:
            self._credit.take(nbytes)
        return self._pool.take(nbytes) if nbytes and self._pool else None

    def correct(self, nbytes: int) -> None:
        """A frame that takes credit is so many bytes larger than was known."""
        self._credit.correct(nbytes)

    def give_back(self, nbytes: int, slot: Slot | None, *, counted: bool) -> None:
        """The frame is no more under way."""
        if counted:
            self._credit.give_back(nbytes)
        if slot is not None and self._pool is not None:
            self._pool.free(slot)

    def memory(self, slot: Slot | None) -> Image | None:
        """Where the picture goes, uint8 [n]; None: there is no such place."""
        return self._pool.view(slot) if self._pool and slot else None
