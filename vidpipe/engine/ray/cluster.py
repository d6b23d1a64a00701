"""Starting a local Ray, or joining one that runs."""

from __future__ import annotations

import logging
import os
import secrets
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ray

from vidpipe.engine.pipeline import Tier
from vidpipe.engine.plan import Plan
from vidpipe.errors import ConfigError, RunError

OPEN_FILES = 128  # that a process of Ray's may have to have
SHARE = 0.001  # of a tier's resource that an actor asks for: it says where to stand, not how much it uses


def connect(plan: Plan, address: str | None) -> None:
    """Start a Ray of one node that offers all tiers, or join the one at `address`; raises in one line."""
    logging.getLogger("ray").setLevel(logging.ERROR)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # Actors are what the machine is for here; by default they run at nice 15, behind everything else.
    os.environ.setdefault("RAY_worker_niceness", "0")
    # A record of every call, kept for a dashboard that does not run: tens of megabytes within an hour of footage.
    os.environ.setdefault("RAY_task_events_report_interval_ms", "0")
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address is None:
        _check_open_files()
        # Its processes know each other by a token; by itself Ray leaves one in the user's home, for good.
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
        # Not plain `ray.init()`: that would join whatever cluster an address file of this machine still names.
        options |= {
            "address": "local",
            "include_dashboard": False,
            "resources": {tier.value: 1 for tier in Tier},
            "object_store_memory": _store_bytes(plan),
        }
    else:
        options["address"] = address
        _send_modules(plan)
    try:
        with _own_signal_handlers(), _without_api_server():
            ray.init(**options)
    except Exception as error:
        where = f"the Ray at {address} cannot be joined" if address else "Ray does not start"
        raise RunError(f"{where}: {str(error).strip().splitlines()[0]}") from error
    if address is not None:
        _check_tiers(plan)


def disconnect() -> None:
    ray.shutdown()


@contextmanager
def _without_api_server() -> Iterator[None]:
    """Start no process for Ray's dashboard, which would only keep statistics of usage.

    Switched off they are not sent, but before it looks at the switch it asks the services of three clouds where it is.
    """
    from ray._private import services

    start = services.start_api_server
    services.start_api_server = lambda *_, **__: (None, None)  # what it gives where it cannot start
    try:
        yield
    finally:
        services.start_api_server = start


@contextmanager
def _own_signal_handlers() -> Iterator[None]:
    """Put back what Ray replaces: its handler of SIGTERM ends the process with a stack trace, and no report."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)


def placement(tier: Tier) -> dict[str, Any]:
    """Options of an actor that stands on this tier, restarts for ever, and whose calls are never repeated by Ray."""
    return {
        "num_cpus": 0,
        "resources": {tier.value: SHARE},
        "max_restarts": -1,
        "max_task_retries": 0,
    }


def _check_open_files() -> None:
    """Raise where Ray's processes would fail one after the other, for minutes and in their own words."""
    import resource

    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if 0 <= most < OPEN_FILES:
        raise RunError(
            f"Ray does not start: a process may have only {most} files open, and it needs {OPEN_FILES}: "
            f"raise the limit with ulimit -n 4096, or run with --engine inline"
        )


def _store_bytes(plan: Plan) -> int:
    """Room for what all links may have under way, twice over; Ray's default is a third of the machine's memory."""
    under_way = sum(link.spec.credit_mb for link in plan.links) * max(1, len(plan.groups))
    return int(max(256, 2 * under_way) * 1e6)


def _check_tiers(plan: Plan) -> None:
    offered = ray.cluster_resources()
    for segment in plan.segments:
        if offered.get(segment.tier.value, 0) < SHARE:
            ray.shutdown()
            raise ConfigError(
                f"no machine of the cluster offers the tier {segment.tier.value}: "
                f"""start one with ray start --address=... --resources='{{"{segment.tier.value}": 1}}'"""
            )


def _send_modules(plan: Plan) -> None:
    """Have custom stages travel with the plan: other machines do not have the user's files."""
    folders = [Path(path).resolve() for path in plan.pipeline.search_paths]
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if file and any(Path(file).resolve().parent == folder for folder in folders):
            ray.cloudpickle.register_pickle_by_value(module)
