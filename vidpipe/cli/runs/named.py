"""A run that has a name, in the foreground or in the background, from its beginning to what it leaves of its end."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from vidpipe.cli.ending import INTERRUPTED
from vidpipe.cli.runs.background import Background, go_to_background
from vidpipe.cli.runs.place import Place, place_of
from vidpipe.cli.runs.server import served
from vidpipe.core.errors import VidpipeError
from vidpipe.runtime.driver.versions import Versions


def run_named(
    name: str, run: Callable[[Callable[[Versions], AbstractContextManager[None]]], int], *, detach: bool
) -> int:
    """Run under a name; the exit status: 0 also where it was asked to end, as that is how a service ends.

    Args:
        run: to the end; takes what is to be open while the run goes on, and returns the exit status.
        detach: in the background, so that this returns in another process.

    Raises:
        ConfigError: a run of that name goes on, or nothing can have it.
    """
    place = place_of(name, make=True)
    held = place.take()
    background = go_to_background(place) if detach else None
    status = 1
    try:
        status = run(lambda versions: _beside(versions, place, background))
        status = 0 if status == INTERRUPTED else status
    except VidpipeError as error:
        status = error.exit_status
        raise
    finally:
        place.tell_end({"at": time.time(), "exit_status": status})
        os.close(held)
    return status


@contextmanager
def _beside(versions: Versions, place: Place, background: Background | None) -> Iterator[None]:
    with served(versions, place):
        if background is not None:
            background.has_started()
        yield
