"""What may be under way on a link: its credit, and memory that both ends have mapped."""

from __future__ import annotations

from vidpipe.cascade.cascade import Ticket
from vidpipe.core.frame import Image
from vidpipe.pipeline.spec import LinkSpec
from vidpipe.runtime.links.shared_memory import SharedMemoryPool, Slot
from vidpipe.runtime.transport.credit import Credit


class Room:
    """Takes and gives back; under the lock of the link.

    Args:
        memory: for the pictures; None: they travel in the message.
    """

    def __init__(self, spec: LinkSpec, memory: SharedMemoryPool | None) -> None:
        self._raw = spec.codec == "raw"
        self._credit = Credit(spec)
        self._memory = memory

    def nbytes(self, ticket: Ticket) -> int:
        """What a picture takes; of a coded one that is known only once it is packed."""
        return ticket.frame.picture.nbytes if self._raw else 0

    def fits(self, nbytes: int) -> bool:
        """Whether there is credit."""
        return self._credit.fits(nbytes)

    def take(self, nbytes: int, *, counted: bool) -> Slot | None:
        """Take credit, if it is `counted`, and memory, if there is some."""
        if counted:
            self._credit.take(nbytes)
        return self._memory.take(nbytes) if nbytes and self._memory else None

    def correct(self, nbytes: int) -> None:
        """So many bytes more than were taken are under way."""
        self._credit.correct(nbytes)

    def view(self, slot: Slot | None) -> Image | None:
        """The memory that was taken."""
        return self._memory.view(slot) if self._memory and slot else None

    def give_back(self, nbytes: int, slot: Slot | None, *, counted: bool) -> None:
        """Give back what `take` took."""
        if counted:
            self._credit.give_back(nbytes)
        if slot is not None and self._memory is not None:
            self._memory.free(slot)
