"""A Ray of this machine for one run: on loopback, and without the processes that only clusters and people need.

Ray has no settings for either, so that a few of its own names are replaced while it starts.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import ray
import ray._private.node
import ray._private.ray_constants
import ray._private.services
import ray._private.worker

LOOPBACK = "127.0.0.1"
# The dashboard, the autoscaler, and what carries logs to the terminal: 150 MB of memory and two CPU seconds.
_NOT_NEEDED = ("start_api_server", "start_monitor", "start_log_monitor")
_PROGRAM = "_build_python_executable_command_memory_profileable"  # begins the command of each process that is Python
_usual_program: Callable[..., list[str]] = getattr(ray._private.services, _PROGRAM, lambda *_, **__: [])


def start(resources: Mapping[str, float], store_bytes: int, folder: Path, **options: Any) -> None:
    """Start it and connect to it; `folder` is where it keeps its sockets and logs.

    The thread that calls must live as long as this Ray: the system ends Ray's processes with it.
    """
    # Where Ray takes itself for a cluster it turns loopback into the address that other machines would use.
    on_loopback = _replaced(ray._private.ray_constants, {"ENABLE_RAY_CLUSTER": False})
    with bare_nodes(), on_loopback:
        # Not plain `ray.init()`: that would join whatever cluster an address file of this machine still names.
        ray.init(
            address="local",
            include_dashboard=False,
            num_cpus=0,  # for each of them Ray keeps an idle process at hand
            resources=dict(resources),
            object_store_memory=store_bytes,
            _node_ip_address=LOOPBACK,
            _temp_dir=str(folder),
            **options,
        )


@contextmanager
def bare_nodes() -> Iterator[None]:
    """Have nodes of Ray that are started meanwhile come without the processes that only clusters and people need."""
    nothing = dict.fromkeys(_NOT_NEEDED, _start_nothing)
    with (
        _replaced(ray._private.node.Node, nothing),
        _replaced(ray._private.services, {_PROGRAM: _program}),
    ):
        yield


class Guard:
    """A shell that removes what this Ray leaves as soon as this process is gone, however it went.

    The system ends what this process has started, but not what that has: two agents of Ray's would go on for a minute.
    """

    def __init__(self, folder: Path) -> None:
        (raylet,) = ray._private.worker._global_node.all_processes["raylet"]
        agents = [str(process.pid) for process in psutil.Process(raylet.process.pid).children()]
        self._shell = subprocess.Popen(
            ["/bin/sh", "-c", 'read _; kill -9 "$@"; rm -rf "$0"', str(folder), *agents],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # no signal from the terminal
        )

    def close(self) -> None:
        """Have it do that now."""
        assert self._shell.stdin is not None
        self._shell.stdin.close()
        self._shell.wait()


def _program(component: str, *given: Any, **more: Any) -> list[str]:
    """What the command of a process begins with: of a node's agents, what stands in their place."""
    constants = ray._private.ray_constants
    if component in (constants.PROCESS_TYPE_DASHBOARD_AGENT, constants.PROCESS_TYPE_RUNTIME_ENV_AGENT):
        return ["/bin/sh", str(Path(__file__).with_name("agent.sh"))]
    return _usual_program(component, *given, **more)


def _start_nothing(node: Any, **_: Any) -> None:
    node._webui_url = None


@contextmanager
def _replaced(owner: Any, values: Mapping[str, Any]) -> Iterator[None]:
    """Have these attributes of something meanwhile, as far as it has them at all."""
    before = {name: getattr(owner, name) for name in values if hasattr(owner, name)}
    for name in before:
        setattr(owner, name, values[name])
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(owner, name, value)
