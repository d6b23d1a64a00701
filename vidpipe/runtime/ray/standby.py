"""Second actors on a cluster, which take over from those that die: what takes seconds is done by then.

Ray starts a dead actor again, but that takes a new Python, its imports and the models: two to four seconds of CPU. The
one that was started again stands by in its turn.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any

from ray.exceptions import RayError

AFTER_S = 5.0  # of a run; a short one would only pay for them
LOOK_EVERY_S = 0.5  # whether one that is started again is there


class Standbys:
    """The standbys of a run: one for each actor below the devices, and one for all devices of a site.

    Links find those below the devices by their names; the driver hands out those of devices.

    Args:
        wanted: whether there are any.
    """

    def __init__(self, *, wanted: bool) -> None:
        self._wanted = wanted
        self._run = uuid.uuid4().hex
        self._due = float("inf")
        self._devices: dict[str, _Spare] = {}  # by site
        self._looked_at = 0.0
        self._segments: list[Any] = []

    @property
    def segments(self) -> list[Any]:
        """Those below the devices, also where they have taken over."""
        return list(self._segments)

    @property
    def devices(self) -> list[Any]:
        """Those that stand by in place of devices."""
        return [spare.actor for spare in self._devices.values()]

    def name(self, of: str) -> str:
        """How Ray knows the standby of an actor of that name; "" where there is to be none."""
        return f"vidpipe-{self._run}-{of}" if self._wanted else ""

    def begin(self) -> None:
        """The run has begun."""
        self._due = time.monotonic() + AFTER_S if self._wanted else float("inf")

    def is_due(self) -> bool:
        """Whether it is time to start them; True once. To be asked now and then."""
        now = time.monotonic()
        if now - self._looked_at > LOOK_EVERY_S:
            self._looked_at = now
            for site, spare in self._devices.items():
                if not spare.is_coming:
                    self._devices[site] = _Spare(spare.actor, spare.below)
        if now < self._due:
            return False
        self._due = float("inf")
        return True

    def put_segment(self, actor: Any) -> None:
        """This one stands by."""
        self._segments.append(actor)

    def put_device(self, site: str, actor: Any, below: Sequence[Any]) -> None:
        """This one, with those below it, stands by for devices of a site, from when it is there."""
        self._devices[site] = _Spare(actor, below)

    def in_place_of(self, dead: Any, below: Sequence[Any], site: str) -> tuple[Any, Sequence[Any]]:
        """The device that takes over from one that has died, and those below it; that one itself where no other is
        there."""
        spare = self._devices.get(site)
        if spare is None or not spare.is_there:
            return dead, below
        self._devices[site] = _Spare(dead, below)
        return spare.actor, spare.below


class _Spare:
    """A device that stands by once it answers."""

    def __init__(self, actor: Any, below: Sequence[Any]) -> None:
        self.actor = actor
        self.below = below
        self._called: Future[Any] = actor.word.remote().future()

    @property
    def is_coming(self) -> bool:
        """Whether it is there, or has still to answer."""
        return not (self._called.done() and isinstance(self._called.exception(), RayError))

    @property
    def is_there(self) -> bool:
        return self._called.done() and self.is_coming
