"""Beginning a run that goes on when its shell has gone."""

from __future__ import annotations

import os
import select
import sys
from typing import NoReturn

from vidpipe.cli.runs.place import Place

_SHOWN = 20  # lines of the log, where it did not begin
_STARTED = b"+"


class Background:
    """A process in the background, as it sees itself; who began it waits until it has started, or ended before.

    Args:
        started: the end of a pipe that it tells through.
    """

    def __init__(self, started: int) -> None:
        self._started: int | None = started

    def has_started(self) -> None:
        """Let go of whoever began it."""
        if self._started is not None:
            os.write(self._started, _STARTED)
            os.close(self._started)
            self._started = None


def go_to_background(place: Place) -> Background:
    """Split this process in two: one returns from here in the background, the other waits and leaves.

    No thread must have begun yet. What the one in the background says goes to the log of the run.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    hear, tell = os.pipe()
    log = os.open(place.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    child = os.fork()
    if child:
        os.close(tell)
        _wait_and_leave(child, hear, place)
    os.close(hear)
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDONLY)
    for descriptor, number in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(descriptor, number)
    os.close(nothing)
    os.close(log)
    return Background(tell)


def _wait_and_leave(child: int, hear: int, place: Place) -> NoReturn:
    """End as the run begins: well where it has started, else with what it said and its exit status."""
    try:
        select.select([hear], [], [])
        started = os.read(hear, 1) == _STARTED
    except KeyboardInterrupt:
        os.kill(child, 2)
        started = False
    if started:
        sys.stdout.write(
            f"{place.name} runs: vidpipe status {place.name}, vidpipe logs {place.name}, vidpipe stop {place.name}\n"
        )
        sys.stdout.flush()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    sys.stderr.write("\n".join(place.log.read_text(errors="replace").splitlines()[-_SHOWN:]) + "\n")
    sys.stderr.flush()
    os._exit(os.waitstatus_to_exitcode(status) if os.WIFEXITED(status) else 1)
