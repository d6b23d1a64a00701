"""What actors say to whoever drives them: waited for, and where they have died or failed, why in one line."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from threading import Event
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayActorError, RayTaskError

import vidpipe
from vidpipe.core.errors import ConfigError, RunError, VidpipeError
from vidpipe.runtime.opening import LOOK_S
from vidpipe.runtime.ray.likeness import tell_clock

_CLOCK_S = 10.0


def got(references: Sequence[Any], timeout_s: float) -> list[Any]:
    """What all of them said; raises why one has died, or what went wrong in it."""
    try:
        values: list[Any] = told(list(references), timeout_s)
        return values
    except RayActorError as error:
        raise _death(error) from None


def opened(references: Sequence[Any], timeout_s: float, stop: Event) -> list[Any]:
    """What actors say that were told to open; nothing where `stop` is set before they have."""
    deadline = time.monotonic() + timeout_s
    waiting = list(references)
    while waiting and not stop.is_set():
        done, waiting = ray.wait(waiting, num_returns=len(waiting), timeout=LOOK_S)
        got(done, timeout_s)
        if time.monotonic() > deadline:
            raise RunError(f"an actor did not answer within {timeout_s:g} s")
    return [] if waiting else got(references, timeout_s)


def is_heard(reference: Any, timeout_s: float, is_silent: Callable[[], bool]) -> bool:
    """Wait for what an actor was told while the run goes on; False where it is away, or has just come back.

    Nobody waits for an actor that is silent: it will hear of it when it wakes, or another instance is told.
    """
    until = time.monotonic() + timeout_s
    while not ray.wait([reference], timeout=LOOK_S)[0]:
        if is_silent():
            return True
        if time.monotonic() > until:
            raise RunError(f"an actor did not answer within {timeout_s:g} s")
    try:
        return told(reference, timeout_s) is not False
    except RayActorError:
        return False


def told(references: Any, timeout_s: float) -> Any:
    """What actors said; raises RayActorError where one has died, and what went wrong in one as it was raised there."""
    try:
        return ray.get(references, timeout=timeout_s)
    except RayTaskError as error:
        raise cause(error) from None
    except GetTimeoutError:
        raise RunError(f"an actor did not answer within {timeout_s:g} s") from None


def cause(error: RayTaskError) -> Exception:
    """Our own error as it was raised in the actor, or what Ray tells of another one in one line."""
    raised = error.cause
    if isinstance(raised, VidpipeError):
        return raised
    return RunError(f"an actor failed: {type(raised).__name__}: {raised}".splitlines()[0])


def _death(error: RayActorError) -> VidpipeError:
    """Why an actor died while it was starting, in one line: of what its constructor raised, the last."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    last = lines[-1 if error.actor_init_failed else 0]
    refusal = f"{ConfigError.__module__}.{ConfigError.__qualname__}: "
    if last.startswith(refusal):
        return ConfigError(last.removeprefix(refusal))
    if "No module named 'vidpipe" in last:
        last = f"its machine has no vidpipe, or another one: pip install vidpipe=={vidpipe.__version__} there"
    return RunError(f"an actor died while it was starting: {last}")


def tell_clocks(actors: Sequence[Any]) -> None:
    """Tell of machines whose clock is another than ours."""
    for actor in actors:

        def ask(actor: Any = actor) -> tuple[str, float]:
            machine, now = told(actor.clock.remote(), _CLOCK_S)
            return machine, now

        tell_clock(ask)
