"""Second actors on a cluster, which take over from those that die: what takes seconds is done by then.

Ray starts a dead actor again, but that takes a new Python, its imports and the models: two to four seconds of CPU. The
one that was started again stands by in its turn.
"""

from __future__ import annotations

import time
import uuid
from concurrent.futures import Future
from typing import Any

from ray.exceptions import RayError

AFTER_S = 5.0  # of a run; a short one would only pay for them
LOOK_EVERY_S = 0.5  # whether one that is started again is there


class Standbys:
    """The standbys of a run: one for each actor below the device, and one for all devices of a site.

    Links find those of segments by their names; the driver hands out that of the devices.

    Args:
        wanted: whether there are any.
    """

    def __init__(self, *, wanted: bool) -> None:
        self._wanted = wanted
        self._run = uuid.uuid4().hex
        self._due = float("inf")
        self._devices: dict[str, tuple[Any, Future[Any]]] = {}  # by site, and what is answered once that one is there
        self._looked_at = 0.0
        self._segments: list[Any] = []

    @property
    def actors(self) -> list[Any]:
        """All that stand by, and those of segments that have taken over."""
        return [*self._segments, *(device for device, _ in self._devices.values())]

    def name(self, actor: str) -> str:
        """What the standby of this actor is called in Ray; "" where there is to be none."""
        return f"vidpipe-{self._run}-{actor.replace('/', '-').replace(' ', '-')}" if self._wanted else ""

    def begin(self) -> None:
        """The run has begun."""
        self._due = time.monotonic() + AFTER_S if self._wanted else float("inf")

    def is_due(self) -> bool:
        """Whether it is time to start them; True once. To be asked now and then."""
        now = time.monotonic()
        if now - self._looked_at > LOOK_EVERY_S:
            self._looked_at = now
            for site, (device, called) in list(self._devices.items()):
                if not _is_coming(called):
                    self.put_device(site, device)
        if now < self._due:
            return False
        self._due = float("inf")
        return True

    def put_segment(self, actor: Any) -> None:
        """This one stands by."""
        self._segments.append(actor)

    def put_device(self, site: str, actor: Any) -> None:
        """This one stands by for the devices of a site, from when it is there."""
        self._devices[site] = actor, actor.word.remote().future()

    def in_place_of(self, site: str, dead: Any) -> Any:
        """The device that takes over from one that has died; that one itself where no other is there."""
        standby, called = self._devices.get(site, (None, None))
        if called is None or not called.done() or not _is_coming(called):
            return dead
        self.put_device(site, dead)
        return standby


def _is_coming(called: Future[Any]) -> bool:
    """Whether a standby is there, or has still to answer a call."""
    return not (called.done() and isinstance(called.exception(), RayError))
