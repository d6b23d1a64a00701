"""The Ray of a run: one of its own, or one that it joins."""

from __future__ import annotations

import logging
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import psutil
import ray
import ray._private.worker

from vidpipe.core.errors import RunError
from vidpipe.pipeline.plan import Plan
from vidpipe.pipeline.spec import Tier
from vidpipe.runtime.opening import opened
from vidpipe.runtime.ray import local
from vidpipe.runtime.ray.folder import Folder
from vidpipe.runtime.ray.tokens import kept, own_token, show_token

OPEN_FILES = 128  # that a process of Ray's may have to have
STORE_MB = 256  # at least
STORE_SHARE = 0.2  # of the machine's memory, at most
JOIN_S = 3.0  # for a Ray to show that it is there
LOOK_EVERY_S = 1.0  # whether it still is
SILENT_S = 20.0  # of an address that does not even refuse, after which it counts as gone
END_S = 30.0  # for the Ray that was used before to end
_EMPTY_SETTINGS = bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))  # a frame of HTTP/2: three of length, one of type, flags, stream


class Loss(NamedTuple):
    """What has ended of a Ray.

    Attributes:
        reaches_actors: those that run can still be called, for a minute or so.
    """

    reason: str
    reaches_actors: bool


class Cluster:
    """A Ray that is begun and ended by one thread, since the system ends Ray's processes with who started them.

    Runs of one process share it.

    Args:
        plan: of a run; None: somebody joins it to look at it.
        address: of a Ray to join; None: one of our own.
    """

    def __init__(self, plan: Plan | None, address: str | None) -> None:
        self._plan = plan
        self._address = address
        self._opened: Future[None] = Future()
        self._uses = False
        self._thread = threading.Thread(target=self._run, name="vidpipe-ray", daemon=True)
        self._watch: _Watch | None = None
        self._looked_at = 0.0

    def open(self, stop: threading.Event) -> bool:
        """Start a Ray of one machine that offers all tiers, or join the one at the address.

        Returns:
            Whether it is there; not where `stop` was set meanwhile.

        Raises:
            RunError: it does not start, or cannot be joined.
        """
        begins = _sharing.join(self._address)
        self._uses = True
        self._opened = _sharing.there
        if begins:
            _sharing.holds(self._thread)
        is_there = bool(opened([self._opened], stop))
        if is_there and not begins:
            self._watch = _Watch()
        return is_there

    def lost(self) -> Loss | None:
        """What has ended of it without which nothing goes on; to be asked now and then."""
        now = time.monotonic()
        if self._watch is None or now - self._looked_at < LOOK_EVERY_S:
            return None
        self._looked_at = now
        return self._watch.lost()

    def close(self, timeout_s: float) -> None:
        """Leave it, and end it where it is our own. One that is still starting is ended when it has started."""
        if self._uses and _sharing.leave() == 0:
            _sharing.wait_for_the_end(timeout_s)
        self._uses = False

    def _run(self) -> None:
        if self._address is None:
            with own_token():
                self._hold()
        else:
            with kept(), _modules_travel(self._plan):
                self._hold()

    def _hold(self) -> None:
        folder = Folder() if self._address is None else None
        guard = None
        try:
            self._connect(folder)
            guard = local.Guard(folder.path) if folder else None
            self._watch = _Watch()
        except Exception as error:
            self._opened.set_exception(error)
        else:
            self._opened.set_result(None)
        _sharing.wait_for_the_last()
        ray.shutdown()
        if guard is not None:
            guard.close()
        if folder is not None:
            folder.remove()

    def _start(self, folder: Folder, options: Mapping[str, Any]) -> None:
        resources = {tier.value: 1 for tier in Tier}
        try:
            local.start(resources, _store_bytes(self._plan), folder.path, **options)
        except Exception as error:
            if "timed out during startup" not in str(error):
                raise
            ray.shutdown()  # Ray gives its processes 30 s, which is too little where a machine is very busy
            local.start(resources, _store_bytes(self._plan), folder.path, **options)

    def _connect(self, folder: Folder | None) -> None:
        _prepare()
        options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
        try:
            if folder is not None:
                _check_open_files()
                self._start(folder, options)
                return
            assert self._address is not None
            _check_address(self._address)
            ray.init(address=self._address, **options)
        except Exception as error:
            where = "Ray does not start" if folder else f"the Ray at {self._address} cannot be joined"
            raise RunError(f"{where}: {_in_a_line(error)}") from error


def _in_a_line(error: Exception) -> str:
    """What Ray says first; of versions that do not fit all of it, as those stand in the lines below."""
    lines = [line.strip() for line in str(error).strip().splitlines() if line.strip()] or [type(error).__name__]
    return " ".join(lines) if lines[0].startswith("Version mismatch") else lines[0]


class _Sharing:
    """Who uses Ray in this process: it knows one Ray at a time, which several runs may share.

    Attributes:
        users: how many runs.
        address: of the Ray; None: of our own.
    """

    def __init__(self) -> None:
        self.users = 0
        self.address: str | None = None
        self.changed = threading.Condition()
        self.there: Future[None] = Future()
        self._holder: threading.Thread | None = None

    def holds(self, thread: threading.Thread) -> None:
        """This one begins the next Ray and ends it, whoever of its users leaves last."""
        self.wait_for_the_end(END_S)
        self._holder = thread
        thread.start()

    def wait_for_the_end(self, timeout_s: float) -> None:
        """Return when the Ray that was left is gone: Ray cannot begin in a process in which it still ends."""
        if self._holder is not None:
            self._holder.join(timeout_s)

    def join(self, address: str | None) -> bool:
        """Use Ray; whether it has still to be begun, by the caller. Raises RunError where another one is in use."""
        with self.changed:
            if self.users and address != self.address:
                used = f"the Ray at {self.address}" if self.address else "a Ray of its own"
                raise RunError(f"another run of this process uses {used}: end it first, or run on the same one")
            self.users += 1
            if self.users == 1:
                self.address, self.there = address, Future()
            return self.users == 1

    def leave(self) -> int:
        """Use it no more; how many runs still do."""
        with self.changed:
            self.users -= 1
            self.changed.notify_all()
            return self.users

    def wait_for_the_last(self) -> None:
        """Return when nobody uses it any more."""
        with self.changed:
            self.changed.wait_for(lambda: self.users == 0)


_sharing = _Sharing()


class _Watch:
    """Looks whether the processes without which Ray cannot go on are still there."""

    def __init__(self) -> None:
        node = ray._private.worker._global_node
        self._processes = dict(_own_processes(node))
        if "raylet" not in self._processes and (raylet := _raylet_here(node)) is not None:
            self._processes["raylet"] = raylet
        self._gcs: str | None = None if "gcs_server" in self._processes else node.gcs_address
        self._seen_at = time.monotonic()

    def lost(self) -> Loss | None:
        for name, process in self._processes.items():
            if not _lives(process):
                return Loss(f"Ray's {name} has ended", reaches_actors=name != "raylet")
        if self._gcs is None:
            return None
        try:
            socket.create_connection(_host_and_port(self._gcs), timeout=1).close()
        except ConnectionRefusedError:
            return Loss(f"there is no Ray at {self._gcs} any more", reaches_actors=True)
        except OSError:  # the network may come back
            silent_s = time.monotonic() - self._seen_at
            reason = f"nothing was heard of the Ray at {self._gcs} for {silent_s:.0f} s"
            return Loss(reason, reaches_actors=True) if silent_s > SILENT_S else None
        self._seen_at = time.monotonic()
        return None


def _prepare() -> None:
    logging.getLogger("ray").setLevel(logging.ERROR)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # Actors are what the machine is for here; by default they run at nice 15, behind everything else.
    os.environ.setdefault("RAY_worker_niceness", "0")
    # How long Ray looks for the reason of a death before it tells of the death.
    os.environ.setdefault("RAY_timeout_ms_task_wait_for_death_info", "50")
    # A record of every call, kept for a dashboard that does not run: tens of megabytes within an hour of footage.
    os.environ.setdefault("RAY_task_events_report_interval_ms", "0")
    # Ray tells of each actor's death in 900 letters on stdout; the engine says it in a line.
    ray._private.worker.listen_error_messages = _hear_nothing


def _hear_nothing(worker: Any, threads_stopped: threading.Event) -> None:
    """In place of Ray's own way to print what its processes complain of."""


def _check_open_files() -> None:
    """Raise where Ray's processes would fail one after the other, for minutes and in their own words."""
    import resource

    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if 0 <= most < OPEN_FILES:
        raise ConnectionError(
            f"a process may have only {most} files open, and it needs {OPEN_FILES}: "
            f"raise the limit with ulimit -n 4096, or run with --engine inline"
        )


def _store_bytes(plan: Plan | None) -> int:
    """Room for what all links may have under way, twice over, within what the machine can spare."""
    if plan is None:
        return int(STORE_MB * 1e6)
    under_way = sum(link.spec.credit_mb for link in plan.links) * max(1, len(plan.groups))
    most = STORE_SHARE * psutil.virtual_memory().total
    return int(min(max(STORE_MB, 2 * under_way) * 1e6, max(most, STORE_MB * 1e6)))


def _check_address(address: str) -> None:
    """Raises, within seconds, where no Ray answers; Ray itself would try for a minute, and say nothing meanwhile."""
    if ":" not in address:
        return  # "auto": Ray knows where
    try:
        with socket.create_connection(_host_and_port(address), timeout=JOIN_S) as connection:
            if not os.environ.get("RAY_USE_TLS"):
                _greet(connection)
        if not address.startswith("ray://"):
            show_token(address)
    except TimeoutError:
        raise ConnectionError("it does not answer") from None
    except OSError as error:
        raise ConnectionError(error.strerror or str(error)) from None


def _greet(connection: socket.socket) -> None:
    """Raises where the other side does not speak HTTP/2 as Ray does: it answers a greeting with its settings."""
    connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + _EMPTY_SETTINGS)
    connection.settimeout(JOIN_S)
    head = connection.recv(len(_EMPTY_SETTINGS), socket.MSG_WAITALL)
    if head[3:4] != _EMPTY_SETTINGS[3:4]:
        raise ConnectionError("what answers there is no Ray")


def _host_and_port(address: str) -> tuple[str, int]:
    runtime, _, port = address.removeprefix("ray://").rpartition(":")
    if not runtime or not port.isdigit() or not 0 < int(port) < 65536:
        raise ConnectionError("an address is a host and a port, as in 10.0.0.5:6379")
    return runtime.strip("[]"), int(port)


@contextmanager
def _modules_travel(plan: Plan | None) -> Iterator[None]:
    """Have custom stages travel with the plan, and what they import from beside them: other machines have neither."""
    folders = [] if plan is None else [Path(path).resolve() for path in plan.pipeline.search_paths]
    known = ray.cloudpickle.list_registry_pickle_by_value()
    own = [module for module in list(sys.modules.values()) if _lies_in(module, folders)]
    own = [module for module in own if module.__name__ not in known]
    for module in own:
        ray.cloudpickle.register_pickle_by_value(module)
    try:
        yield
    finally:
        for module in own:
            ray.cloudpickle.unregister_pickle_by_value(module)


def _lies_in(module: ModuleType, folders: list[Path]) -> bool:
    """Whether a module, or the package that it is of, lies in one of these folders."""
    name = getattr(module, "__name__", "").partition(".")[0]
    top = sys.modules.get(name)
    file = getattr(top, "__file__", None)
    if file is None or name in ("__main__", "vidpipe"):
        return False
    place = Path(file).resolve()
    return (place.parent.parent if place.name == "__init__.py" else place.parent) in folders


def _own_processes(node: Any) -> Iterator[tuple[str, psutil.Process]]:
    """What this process has started of a Ray."""
    for name in ("gcs_server", "raylet"):
        for started in node.all_processes.get(name, ()):
            yield name, psutil.Process(started.process.pid)


def _raylet_here(node: Any) -> psutil.Process | None:
    """The raylet of a joined Ray through which this process works; it runs on the same machine."""
    mark = f"--raylet_socket_name={node.raylet_socket_name}"
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if mark in process.cmdline():
                return process
    return None


def _lives(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False
