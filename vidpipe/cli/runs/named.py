"""A run that has a name, in the foreground or in the background, from its beginning to what it leaves of its end."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TypeVar

from vidpipe.cli.ending import INTERRUPTED
from vidpipe.cli.runs.background import Background, go_to_background
from vidpipe.cli.runs.place import Place, place_of
from vidpipe.cli.runs.server import Orders, served
from vidpipe.core.errors import VidpipeError

T = TypeVar("T")


def run_named(
    name: str,
    run: Callable[[Callable[[T], AbstractContextManager[None]]], int],
    orders: Callable[[T], Orders],
    *,
    detach: bool,
) -> int:
    """Run under a name; the exit status: 0 also where it was asked to end, as that is how a service ends.

    Args:
        run: to the end; takes what is to be open while the run goes on, and returns the exit status.
        orders: what may be said to it meanwhile.
        detach: in the background, so that this returns in another process.

    Raises:
        ConfigError: a run of that name goes on, or nothing can have it.
    """
    place = place_of(name, make=True)
    held = place.take()
    background = go_to_background(place) if detach else None
    status = 1
    try:
        status = run(lambda session: _beside(orders(session), place, background))
        status = 0 if status == INTERRUPTED else status
    except VidpipeError as error:
        status = error.exit_status
        raise
    finally:
        place.tell_end({"at": time.time(), "exit_status": status})
        os.close(held)
    return status


@contextmanager
def _beside(orders: Orders, place: Place, background: Background | None) -> Iterator[None]:
    with served(orders, place):
        if background is not None:
            background.has_started()
        yield
