"""Whether a machine of a cluster is like the one that drives the run: by its software, its models and its clock."""

from __future__ import annotations

import logging
import os
import platform
import socket
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import vidpipe
from vidpipe.core.errors import ConfigError
from vidpipe.models.resolve import files_of
from vidpipe.pipeline.spec import Pipeline
from vidpipe.results.provenance import hashes_of

log = logging.getLogger(__name__)

ALLOW_MODULES = "VIDPIPE_ALLOW_MODULES"
OFF_S = 0.5  # of a clock, from which on it is told: so much older every picture seems
_ASKED = 3  # times: the answer that was there soonest says most


class Driver(NamedTuple):
    """What a machine is held against.

    Attributes:
        vidpipe, python: versions.
        modules: of the user's own, that travel with the plan, as the machine may not have them.
    """

    vidpipe: str
    python: str
    modules: tuple[str, ...] = ()

    @classmethod
    def here(cls, modules: Iterable[str] = ()) -> Driver:
        """What this machine has, with what it sends."""
        return cls(vidpipe.__version__, platform.python_version(), tuple(modules))

    def check(self) -> None:
        """Raises ConfigError where this machine may not run what that driver sends; nothing of it was read by then."""
        here = Driver.here()
        for what, there, own in (("vidpipe", self.vidpipe, here.vidpipe), ("Python", self.python, here.python)):
            if there != own:
                raise ConfigError(
                    f"machine {socket.gethostname()} has {what} {own}, and the run is driven by {what} {there}: "
                    "install the same on both"
                )
        if self.modules and os.environ.get(ALLOW_MODULES) != "1":
            raise ConfigError(
                f"machine {socket.gethostname()} runs no modules of others, and the pipeline brings "
                f"{', '.join(self.modules)}: start Ray there with {ALLOW_MODULES}=1, or install them there as a package"
            )


Hashes = Mapping[str, Mapping[str, str | None]]


def hashes_of_models(pipeline: Pipeline, names: Collection[str] | None = None) -> Hashes:
    """The SHA-256 of the files of each model, by name; None of those that are not on this machine.

    Args:
        names: of models; None: all.
    """
    folders = [Path(folder) for folder in pipeline.search_paths]
    wanted = {name: spec for name, spec in pipeline.models.items() if names is None or name in names}
    return {name: hashes_of(files_of(spec, folders)) for name, spec in wanted.items()}


def check_models(pipeline: Pipeline, names: Collection[str], driver: Hashes) -> None:
    """Raises ConfigError where a file of one of these models is another one here.

    One that is not here is fetched when the model loads, or missed then.
    """
    for model, files in hashes_of_models(pipeline, names).items():
        for file, own in files.items():
            theirs = driver.get(model, {}).get(file)
            if own is not None and theirs is not None and own != theirs:
                raise ConfigError(
                    f"model {model}: {file} on machine {socket.gethostname()} is another file (SHA-256 {own[:12]}...) "
                    f"than where the run is driven ({theirs[:12]}...): copy one of them over the other"
                )


class Clock(NamedTuple):
    """How another machine's clock compares with ours.

    Attributes:
        ahead_s: seconds that it is ahead.
        within_s: how far off that may be, as the answer took twice as long.
    """

    machine: str
    ahead_s: float
    within_s: float

    @property
    def is_off(self) -> bool:
        return abs(self.ahead_s) > OFF_S + self.within_s

    def __str__(self) -> str:
        way = "ahead of" if self.ahead_s > 0 else "behind"
        return f"the clock of machine {self.machine} is {abs(self.ahead_s):.1f} s {way} ours"


def clock_of(ask: Callable[[], tuple[str, float]], clock: Callable[[], float] = time.time) -> Clock:
    """How another machine's clock compares with ours.

    Args:
        ask: gives the name of the machine, and the UTC seconds there.
    """
    answers = []
    for _ in range(_ASKED):
        asked_at = clock()
        machine, there = ask()
        took_s = clock() - asked_at
        answers.append(Clock(machine, there - (asked_at + took_s / 2), took_s / 2))
    return min(answers, key=lambda answer: answer.within_s)


def tell_clock(ask: Callable[[], tuple[str, float]], clock: Callable[[], float] = time.time) -> float:
    """How far another machine's clock is ahead of ours, in seconds; told where it matters. As `clock_of`."""
    found = clock_of(ask, clock)
    if found.is_off:
        log.warning("%s: times and ages of what is read there are wrong by as much; keep both by NTP", found)
    return found.ahead_s
