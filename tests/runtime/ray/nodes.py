"""A real cluster on this machine with a node for each tier, whose nodes and actors can be killed."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import psutil
from ray.exceptions import RayError

from vidpipe import Run
from vidpipe.runtime.ray.local import bare_nodes

TIERS = ("device", "edge", "cloud")


class Nodes:
    """A node for each tier, and the one that all others are told of by, on which no actor stands.

    Args:
        options: of all nodes.
    """

    def __init__(self, **options: Any) -> None:
        from ray.cluster_utils import Cluster

        self._options = {"num_cpus": 0, **options}
        with bare_nodes():
            self._cluster = Cluster(initialize_head=True, head_node_args=dict(self._options))
        self._nodes: dict[str, Any] = {}
        for tier in TIERS:
            self.bring(tier)

    @property
    def address(self) -> str:
        """Where a run joins it."""
        return self._cluster.address

    def bring(self, tier: str) -> None:
        """Start the node of a tier, if it is not there."""
        if tier not in self._nodes:
            with bare_nodes():
                self._nodes[tier] = self._cluster.add_node(wait=False, resources={tier: 1}, **self._options)

    def take(self, tier: str) -> None:
        """Kill the node of a tier with all that runs on it: its cord is pulled."""
        node = self._nodes.pop(tier)
        pids = [process.pid for process in self._of(node)]
        self._cluster.remove_node(node, allow_graceful=False)
        for pid in pids:
            _kill(pid)

    def is_here(self, tier: str) -> bool:
        """Whether the node of a tier is there."""
        return tier in self._nodes

    def kill_actor(self, session: Run, tier: str, number: int) -> bool:
        """Kill one of the actors of a run that stand on a tier, its standby or another; whether one was there.

        Args:
            number: which one, counted round.
        """
        engine: Any = session._engine  # noqa: SLF001 - nobody else knows their handles
        segments = [segment.tier for segment in engine._plan.segments]  # noqa: SLF001
        below, standbys = engine._segments, engine._standbys.actors  # noqa: SLF001
        if tier == "device":
            actors = [*(device.actor for device in engine._devices), *standbys[len(below) :]]  # noqa: SLF001
        else:
            place = segments.index(tier) - 1
            actors = [below[place], *standbys[place : place + 1]]
        pid = actors[number % len(actors)].__ray_call__.remote(lambda _: os.getpid()).future()
        try:
            return _kill(pid.result(2))
        except (TimeoutError, RayError):
            return False

    def kill_head(self) -> None:
        """Kill what all nodes are told of by."""
        (gcs,) = self._cluster.head_node.all_processes["gcs_server"]
        _kill(gcs.process.pid)

    def shutdown(self) -> None:
        """End all of it."""
        self._cluster.shutdown()

    def _of(self, node: Any) -> Iterator[psutil.Process]:
        for started in node.all_processes.get("raylet", ()):
            with suppress(psutil.Error):
                yield from psutil.Process(started.process.pid).children(recursive=True)


def _kill(pid: int) -> bool:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
        return True
    return False
