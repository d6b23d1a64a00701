"""Where runs that have a name are found: `~/.local/state/vidpipe/runs`, with a few files for each."""

from __future__ import annotations

import json
import os
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vidpipe.core.errors import ConfigError
from vidpipe.core.files import claim, write_whole

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,39}")
FORGET_DAYS = 30.0
_LOOKED_AT_S = 0.5  # longest for others to look whether a run goes on
_LONGEST = 100  # letters of a socket's path; the system takes 107


@dataclass(frozen=True, slots=True)
class Place:
    """The files of the run of one name.

    Attributes:
        socket: where it hears questions and orders.
        lock: held by its process as long as that lives.
        log: what it says, where it runs in the background.
        end: how it ended, once it has.
    """

    name: str
    folder: Path

    @property
    def socket(self) -> Path:
        return self.folder / f"{self.name}.sock"

    @property
    def lock(self) -> Path:
        return self.folder / f"{self.name}.lock"

    @property
    def log(self) -> Path:
        return self.folder / f"{self.name}.log"

    @property
    def end(self) -> Path:
        return self.folder / f"{self.name}.end.json"

    def take(self) -> int:
        """Have the name for this process, until it closes the descriptor or ends; raises ConfigError."""
        try:
            held = self._claim()
        except ConfigError:
            if not self.is_running():
                raise
            raise ConfigError(
                f"a run named {self.name} goes on: end it with vidpipe stop {self.name}, or take another name"
            ) from None
        assert held is not None
        self.end.unlink(missing_ok=True)
        return held

    def _claim(self) -> int | None:
        until = time.monotonic() + _LOOKED_AT_S
        while True:
            try:
                return claim(self.lock, "run", make=True)
            except ConfigError:  # perhaps by somebody who only looks whether it runs
                if time.monotonic() > until:
                    raise
                time.sleep(_LOOKED_AT_S / 10)

    def forget(self) -> None:
        """Remove what a run has left that has ended; raises ConfigError where it goes on."""
        try:
            held = claim(self.lock, "run", make=False)
        except ConfigError:
            raise ConfigError(f"run {self.name} goes on: end it with vidpipe stop {self.name}") from None
        for file in (self.socket, self.log, self.end, self.lock):
            file.unlink(missing_ok=True)
        if held is not None:
            os.close(held)

    def last_seen(self) -> float:
        """UTC seconds when its last run ended, or, where that was killed, when it began."""
        told = self.ended()
        if told is not None:
            return float(told["at"])
        return max((file.stat().st_mtime for file in (self.lock, self.log) if file.exists()), default=0.0)

    def is_running(self) -> bool:
        """Whether a process has the name."""
        try:
            held = claim(self.lock, "run", make=False)
        except ConfigError:
            return True
        if held is not None:
            os.close(held)
        return False

    def tell_end(self, told: dict[str, Any]) -> None:
        """Leave behind how the run ended."""
        write_whole(self.end, json.dumps(told) + "\n", "end of run")

    def ended(self) -> dict[str, Any] | None:
        """How the last run of that name ended; None where it was killed, or where there was none."""
        try:
            told: dict[str, Any] = json.loads(self.end.read_text())
        except (OSError, ValueError):
            return None
        return told


def runs_folder() -> Path:
    """`$VIDPIPE_RUNS`, or `vidpipe/runs` in `$XDG_STATE_HOME` or `~/.local/state`."""
    if own := os.environ.get("VIDPIPE_RUNS"):
        return Path(own)
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "vidpipe" / "runs"


def place_of(name: str, *, make: bool = False) -> Place:
    """The place of a run.

    Args:
        make: the folder, if it is not there.

    Raises:
        ConfigError: nothing can have that name, or the folder cannot be used.
    """
    if not _NAME.fullmatch(name):
        raise ConfigError(f"run {name!r}: a name is up to 40 letters, digits, or - _ . behind the first")
    place = Place(name, runs_folder())
    if len(os.fsencode(place.socket)) > _LONGEST:
        raise ConfigError(f"the folder of runs {place.folder} has too long a name: set VIDPIPE_RUNS to a shorter one")
    if make:
        try:
            place.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise ConfigError(f"the folder of runs {place.folder} cannot be made: {error.strerror}") from None
        if place.folder.stat().st_uid != os.getuid() or place.folder.stat().st_mode & 0o077:
            raise ConfigError(f"the folder of runs {place.folder} is open to others: chmod 700 {place.folder}")
    return place


def places() -> list[Place]:
    """Of all runs that have had a name, sorted by it; those that ended more than `FORGET_DAYS` ago are forgotten."""
    folder = runs_folder()
    if not folder.is_dir():
        return []
    known = [Place(file.stem, folder) for file in sorted(folder.glob("*.lock"))]
    return [place for place in known if not _is_forgotten(place)]


def _is_forgotten(place: Place) -> bool:
    if place.is_running() or time.time() - place.last_seen() < FORGET_DAYS * 86_400:
        return False
    try:
        place.forget()
    except (ConfigError, OSError):  # it has just begun, or somebody else forgets it
        return False
    return True


def the_place(name: str | None) -> Place:
    """The place of a run that goes on or went on; of the only one that goes on, where no name is given.

    Raises:
        ConfigError: there is none, or there are several.
    """
    known = places()
    if name is not None:
        place = place_of(name)
        if place not in known:
            names = ", ".join(each.name for each in known)
            raise ConfigError(f"there is no run named {name}" + (f"; there is {names}" if names else ""))
        return place
    going = [place for place in known if place.is_running()]
    if len(going) == 1:
        return going[0]
    if not going:
        raise ConfigError("no run with a name goes on: begin one with vidpipe run --detach NAME")
    raise ConfigError(f"several runs go on, say which: {', '.join(place.name for place in going)}")
