"""Second actors on a cluster, which take over from those that die: what takes seconds is done by then.

Ray starts a dead actor again, but that takes a new Python, its imports and the models: two to four seconds of CPU. The
one that was started again stands by in its turn.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError

from vidpipe.core.errors import ConfigError
from vidpipe.runtime.ray.likeness import Hashes
from vidpipe.runtime.ray.replies import cause

log = logging.getLogger(__name__)

AFTER_S = 5.0  # of a run, or since there is an actor without one; a short run would only pay for them
LOOK_EVERY_S = 0.5  # whether one that is started again is there


class Standbys:
    """The standbys of a run: one for each actor below the devices, and one for all devices of a site.

    Links find those below the devices by their names; the driver hands out those of devices.

    Args:
        hashes: of the files of models where the run is driven: who has others does not stand by.
        left: is told of one that is ended for that.
        wanted: whether there are any.
    """

    def __init__(self, hashes: Callable[[], Hashes], left: Callable[[Any], None], *, wanted: bool) -> None:
        self._hashes = hashes
        self._left = left
        self._wanted = wanted
        self._run = uuid.uuid4().hex
        self._due = float("inf")
        self._devices: dict[str, _Spare] = {}  # by site
        self._refused: set[str] = set()  # sites whose devices have none
        self._looked_at = 0.0
        self._segments: list[_Spare] = []

    @property
    def segments(self) -> list[Any]:
        """Those below the devices, also where they have taken over."""
        return [spare.actor for spare in self._segments]

    @property
    def devices(self) -> list[Any]:
        """Those that stand by in place of devices."""
        return [spare.actor for spare in self._devices.values()]

    def name(self, of: str) -> str:
        """How Ray knows the standby of an actor of that name; "" where there is to be none."""
        return f"vidpipe-{self._run}-{of}" if self._wanted else ""

    def expect(self) -> None:
        """There may be actors without one: in a while it is due to start those."""
        if self._wanted:
            self._due = min(self._due, time.monotonic() + AFTER_S)

    def is_due(self) -> bool:
        """Whether it is time to start those that lack; True once each time that some are expected.

        To be asked now and then: meanwhile who stands by is looked after.
        """
        now = time.monotonic()
        if now - self._looked_at > LOOK_EVERY_S:
            self._looked_at = now
            self._look()
        if now < self._due:
            return False
        self._due = float("inf")
        return True

    def has_device(self, site: str) -> bool:
        """Whether one stands by for the devices of a site, or none can."""
        return site in self._devices or site in self._refused

    def put_segment(self, name: str, actor: Any) -> None:
        """This one stands by for the actor of that name."""
        self._segments.append(_Spare(name, actor, self._hashes()))

    def put_device(self, site: str, name: str, actor: Any, below: Sequence[Any]) -> None:
        """This one, with those below it, stands by for devices of a site, from when it is there."""
        self._devices[site] = _Spare(name, actor, self._hashes(), below)

    def in_place_of(self, dead: Any, below: Sequence[Any], site: str) -> tuple[Any, Sequence[Any]]:
        """The device that takes over from one that has died, and those below it; that one itself where no other is
        there."""
        spare = self._devices.get(site)
        if spare is None or not spare.is_there:
            return dead, below
        self._devices[site] = _Spare(spare.name, dead, self._hashes(), below)
        return spare.actor, spare.below

    def _look(self) -> None:
        for spare in self._segments:
            if spare.unfit is not None:
                self._segments = [each for each in self._segments if each is not spare]
                self._end(spare)
        for site, spare in list(self._devices.items()):
            if spare.unfit is not None:
                del self._devices[site]
                self._refused.add(site)
                self._end(spare)
            elif not spare.is_coming:
                self._devices[site] = _Spare(spare.name, spare.actor, self._hashes(), spare.below)

    def _end(self, spare: _Spare) -> None:
        """Links would find one that only does not answer."""
        log.warning("%s has no standby: %s", spare.name, spare.unfit)
        self._left(spare.actor)
        ray.kill(spare.actor)


class _Spare:
    """An actor that stands by once it has told that its models are those of the run."""

    def __init__(self, name: str, actor: Any, hashes: Hashes, below: Sequence[Any] = ()) -> None:
        self.name = name
        self.actor = actor
        self.below = below
        self._called: Future[Any] = actor.check.remote(hashes).future()

    @property
    def _error(self) -> BaseException | None:
        return self._called.exception() if self._called.done() else None

    @property
    def unfit(self) -> ConfigError | None:
        """What keeps it from standing by for good."""
        error = self._error
        raised = cause(error) if isinstance(error, RayTaskError) else None
        return raised if isinstance(raised, ConfigError) else None

    @property
    def is_coming(self) -> bool:
        """Whether it is there, or has still to answer."""
        return not isinstance(self._error, RayError)

    @property
    def is_there(self) -> bool:
        return self._called.done() and self._called.exception() is None
