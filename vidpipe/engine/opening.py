"""Waiting for what opens in threads of its own, as long as nobody asks for the end."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, wait
from threading import Event
from typing import TypeVar

T = TypeVar("T")

LOOK_S = 0.05  # between looks whether the end was asked for


def opened(opening: Sequence[Future[T]], stop: Event) -> list[T]:
    """What all of these open to, in their order; once `stop` is set only what is open by then.

    Raises what kept one of them from opening.
    """
    waiting = set(opening)
    while waiting and not stop.is_set():
        _, waiting = wait(waiting, LOOK_S, FIRST_EXCEPTION)
        for each in opening:
            if each not in waiting:
                each.result()
    return [each.result() for each in opening if each.done()]
