"""Looks at a cluster as a run would that begins there, and goes on behind what would end that run.

What is looked at, and how, is what a run looks at (`likeness.py`, `devices.py`): so nothing is found here that would
not be found there, and the other way round.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from vidpipe.core.errors import RunError, VidpipeError
from vidpipe.core.names import references
from vidpipe.pipeline.plan import Plan
from vidpipe.pipeline.spec import Pipeline, Tier
from vidpipe.runtime.machine import Machine
from vidpipe.runtime.ray.cluster import Cluster
from vidpipe.runtime.ray.devices import places_of
from vidpipe.runtime.ray.likeness import (
    ALLOW_MODULES,
    Clock,
    Driver,
    Hashes,
    check_models,
    clock_of,
    hashes_of_models,
)
from vidpipe.runtime.ray.machines import Machines, machines
from vidpipe.runtime.ray.packing import pack_arguments, unpack_arguments
from vidpipe.runtime.ray.replies import got, told

_ANSWER_S = 60.0  # for a machine to start a process and import vidpipe there, while it is busy
_LEAVE_S = 10.0


class Software(NamedTuple):
    """What a machine has.

    Attributes:
        python, ray: versions.
        allows_modules: whether it runs modules that a pipeline brings.
    """

    machine: str
    python: str
    ray: str
    allows_modules: bool


class InspectingActor:
    """Stands on a machine, and says what is there."""

    def software(self, driver: Driver) -> Software:
        """Raises ConfigError where this machine may not run what that driver sends."""
        driver.check()
        allows = os.environ.get(ALLOW_MODULES) == "1"
        return Software(socket.gethostname(), Driver.here().python, ray.__version__, allows)

    def clock(self) -> tuple[str, float]:
        """The name of this machine, and its time in UTC seconds."""
        return socket.gethostname(), time.time()

    def models(self, packed: bytes) -> dict[str, list[str]]:
        """The files that are not here, by model: packed are the pipeline, names of models and hashes on the driver.

        Raises:
            ConfigError: one of them is another file here, or this machine runs no modules that the pipeline brings.
        """
        pipeline, names, hashes = unpack_arguments(packed)
        check_models(pipeline, names, hashes)
        here = hashes_of_models(pipeline, names)
        missing = {
            name: [file for file, known in files.items() if known and here.get(name, {}).get(file) is None]
            for name, files in hashes.items()
            if name in names
        }
        return {name: files for name, files in missing.items() if files}


@dataclass(slots=True)
class Inspected:
    """What was found of a machine.

    Attributes:
        error: what would end a run, with what to do about it; what comes behind it was not looked at.
        missing: files of models that are not there, by model; those are fetched, or missed.
    """

    machine: Machine
    software: Software | None = None
    clock: Clock | None = None
    error: VidpipeError | None = None
    missing: Mapping[str, Sequence[str]] = field(default_factory=dict)


@contextmanager
def joined(address: str, plan: Plan | None) -> Iterator[list[Machine]]:
    """Join the Ray there inside the block; its machines.

    Raises:
        RunError: it cannot be joined: nobody answers, it is no Ray, it takes another token, or has other versions.
    """
    cluster = Cluster(plan, address)
    try:
        cluster.open(threading.Event())
        yield machines()
    finally:
        cluster.close(_LEAVE_S)


def inspect(there: Sequence[Machine], pipeline: Pipeline | None, patience_s: float = _ANSWER_S) -> list[Inspected]:
    """Look at machines of the cluster that this process has joined, at all of them side by side.

    Args:
        pipeline: whose models are held against those here, where its stages would stand.
    """
    hashes = hashes_of_models(pipeline) if pipeline is not None else {}
    with ThreadPoolExecutor(max(1, len(there)), "inspect") as pool:
        return list(pool.map(lambda machine: _inspected(machine, pipeline, hashes, patience_s), there))


def check_tiers(address: str, plan: Plan) -> None:
    """Raises ConfigError where no machine of the joined cluster is there for a place, with what to start."""
    Machines(address, plan.pipeline.tiers).check(places_of(plan, plan.sites))


def _inspected(machine: Machine, pipeline: Pipeline | None, hashes: Hashes, patience_s: float) -> Inspected:
    found = Inspected(machine)
    there = NodeAffinitySchedulingStrategy(machine.node, soft=False)
    actor = ray.remote(num_cpus=0, scheduling_strategy=there)(InspectingActor).remote()
    try:
        found.software = got([actor.software.remote(Driver.here())], patience_s)[0]
        found.clock = clock_of(lambda: told(actor.clock.remote(), patience_s))
        if pipeline is not None and (names := _models_at(pipeline, machine.tiers)):
            packed = pack_arguments(pipeline.search_paths, pipeline, names, hashes)
            found.missing = told(actor.models.remote(packed), patience_s)
    except VidpipeError as error:
        found.error = error
    except RayError as error:
        found.error = RunError(f"it does not answer ({type(error).__name__}): look at Ray's logs there")
    finally:
        ray.kill(actor)
    return found


def _models_at(pipeline: Pipeline, tiers: Mapping[Tier, float]) -> set[str]:
    """Names of the models of the stages that may stand where these tiers are."""
    stages = [stage for stage in pipeline.stages if stage.tier in tiers]
    return {name for stage in stages for _, name in references(stage.config, "model")}
