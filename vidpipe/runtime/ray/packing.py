"""Arguments of actors as plain bytes, which a machine reads only where it may."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ray

from vidpipe.core.extensions import find_on
from vidpipe.runtime.ray.likeness import Driver


def pack_arguments(search_paths: Sequence[str], *arguments: Any) -> bytes:
    """Arguments as plain bytes: Ray would keep handles among them in the object store, which a restart of the actor
    may find empty.

    Args:
        search_paths: where custom modules lie; they must be known before anything that is of them can be unpacked.
    """
    packed = bytes(ray.cloudpickle.dumps(arguments))
    travelling = [name for name in ray.cloudpickle.list_registry_pickle_by_value() if name.encode() in packed]
    return bytes(ray.cloudpickle.dumps((tuple(Driver.here(sorted(travelling))), tuple(search_paths), packed)))


def unpack_arguments(packed: bytes) -> Any:
    """What `pack_arguments` packed; raises ConfigError, before any of it is run, where this machine may not run it."""
    driver, search_paths, arguments = ray.cloudpickle.loads(packed)
    Driver(*driver).check()
    find_on(search_paths)
    return ray.cloudpickle.loads(arguments)
