"""A cluster that a run is to join: whether it is there, and whether its machines are like this one."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from vidpipe.cli.doctor.finding import Finding, note, ok, problem
from vidpipe.core.errors import ConfigError, RunError, VidpipeError
from vidpipe.core.extras import how_to_install, is_installed
from vidpipe.pipeline.plan import plan
from vidpipe.pipeline.spec import Pipeline

if TYPE_CHECKING:
    from vidpipe.runtime.ray.inspection import Inspected

_ADVICE = re.compile(r": (?=start|end|install|copy|set|pip|look)")  # how these errors say what to do about it
_JOIN = "is it started (`ray start --head`), is the address right, and does a firewall let this machine through?"


def cluster(address: str, pipeline: Pipeline | None) -> Iterator[Finding]:
    """All that is found about it.

    Args:
        pipeline: whose tiers and models are looked for there, too.
    """
    if not is_installed("ray"):
        yield problem("cluster", "the package ray is not installed here", how_to_install("ray"))
        return
    from vidpipe.runtime.ray.inspection import check_tiers, inspect, joined

    laid = None if pipeline is None else plan(pipeline)
    try:
        with joined(address, laid) as there:
            yield ok("cluster", f"{len(there)} {'machine' if len(there) == 1 else 'machines'} at {address}")
            if laid is not None:
                yield _tiers(lambda: check_tiers(address, laid))
            for found in inspect(there, pipeline):
                yield from machine_of_cluster(found)
    except RunError as error:
        yield _problem("cluster", error) if "RAY_AUTH" in str(error) else problem("cluster", str(error), _JOIN)


def machine_of_cluster(found: Inspected) -> Iterator[Finding]:
    """What was found of one of its machines."""
    about = f"machine {found.machine}"
    if found.error is not None:
        yield _problem(about, found.error)
    if found.clock is not None and found.clock.is_off:
        yield note(about, str(found.clock), "times of what is read there are wrong by as much: keep both by NTP")
    for model, files in found.missing.items():
        yield note(
            about,
            f"model {model}: {', '.join(files)} is not there",
            "a run fetches it there where it can be fetched; else copy it to the same place",
        )
    if found.software is not None and found.error is None:
        has = f"Python {found.software.python}, Ray {found.software.ray}, the same vidpipe as here"
        brings = "runs modules that pipelines bring" if found.software.allows_modules else "runs no modules of others"
        yield ok(about, f"{has}; {brings}")


def _tiers(check: Callable[[], None]) -> Finding:
    try:
        check()
    except ConfigError as error:
        return _problem("tiers", error)
    return ok("tiers", "each has a machine")


def _problem(about: str, error: VidpipeError) -> Finding:
    said, *do = _ADVICE.split(str(error), maxsplit=1)
    return problem(about, said, do[0] if do else "see docs/deploy.md")
