"""Calls of actors that are waited for: what comes of them, in words of our own."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from threading import Event
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayActorError, RayTaskError

from vidpipe.core.errors import RunError, VidpipeError
from vidpipe.runtime.opening import LOOK_S


def get(references: Sequence[Any], timeout_s: float) -> list[Any]:
    """What actors said; raises what went wrong in one, or RunError where one has died or says nothing in time."""
    try:
        values: list[Any] = _told(list(references), timeout_s)
        return values
    except RayActorError as error:
        raise _death(error) from None


def wait_open(references: Sequence[Any], timeout_s: float, stop: Event) -> list[Any]:
    """What actors say that were told to open; nothing where `stop` is set before they have."""
    deadline = time.monotonic() + timeout_s
    waiting = list(references)
    while waiting and not stop.is_set():
        done, waiting = ray.wait(waiting, num_returns=len(waiting), timeout=LOOK_S)
        get(done, timeout_s)
        if time.monotonic() > deadline:
            raise _late(timeout_s)
    return [] if waiting else get(references, timeout_s)


def is_heard(reference: Any, timeout_s: float, is_silent: Callable[[], bool]) -> bool:
    """Wait for what an actor was told while the run goes on; False where it is away, or has just come back.

    Nobody waits for an actor that is silent: it will hear of it when it wakes, or another instance is told.
    """
    until = time.monotonic() + timeout_s
    while not ray.wait([reference], timeout=LOOK_S)[0]:
        if is_silent():
            return True
        if time.monotonic() > until:
            raise _late(timeout_s)
    try:
        return _told(reference, timeout_s) is not False
    except RayActorError:
        return False


def _told(references: Any, timeout_s: float) -> Any:
    """What actors said; raises RayActorError where one has died, and what went wrong in one as it was raised there."""
    try:
        return ray.get(references, timeout=timeout_s)
    except RayTaskError as error:
        raise cause_of(error) from None
    except GetTimeoutError:
        raise _late(timeout_s) from None


def cause_of(error: RayTaskError) -> Exception:
    """Our own error as it was raised in the actor, or what Ray tells of another one in one line."""
    cause = error.cause
    if isinstance(cause, VidpipeError):
        return cause
    return RunError(f"an actor failed: {type(cause).__name__}: {cause}".splitlines()[0])


def _late(timeout_s: float) -> RunError:
    return RunError(f"an actor did not answer within {timeout_s:g} s")


def _death(error: RayActorError) -> RunError:
    """Why an actor died while it was starting, in one line: of what its constructor raised, the last."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return RunError(f"an actor died while it was starting: {lines[-1 if error.actor_init_failed else 0]}")
