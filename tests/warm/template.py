"""A process that has loaded vidpipe once, and forks a program from itself each time that it is asked to.

Run as a program, with the path of the socket to listen on; it ends when its stdin does. Who connects sends the name
of the module that is the program, its arguments, folder, environment, niceness and descriptors; he is told the number
of its process and, later, how it ended.
"""

from __future__ import annotations

import atexit
import fcntl
import gc
import json
import os
import runpy
import select
import signal
import socket
import struct
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from subprocess import PIPE, TimeoutExpired
from types import SimpleNamespace
from typing import Any

from tests.warm.forked import Measured

# Torch is loaded by the programs that need it, as ever; so is Ray, since it reads the environment as it is loaded.
LOADED = (
    *(f"vidpipe.cli.commands.{name}" for name in ("bench", "check", "plan", "probe", "run", "specialize", "versions")),
    *("vidpipe.runtime.inline", "vidpipe.runtime.driver.session"),
    *("attr", "filelock", "google.protobuf.message", "jsonschema", "msgpack", "requests"),  # what Ray loads
    *("vidpipe.models.runtimes.openvino", "cv2", "scipy.optimize", "supervision", "jinja2", "matplotlib.figure"),
)
MEASURE = "vidpipe.bench.cost.measure"
MOST_FILES = 8  # that a process is given
OUT_OF_THE_WAY = 100  # of the numbers that it knows them by


def serve(place: str) -> dict[str, Any]:
    """Returns in each process that is forked, ready to run what was asked for, with just that."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those that keep a process
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listening:
        listening.bind(place)
        listening.listen(64)
        for module in LOADED:
            import_module(module)
        gc.freeze()
        while True:
            if sys.stdin in select.select([listening, sys.stdin], [], [])[0]:
                sys.exit()
            asked, _ = listening.accept()
            with asked:
                if not _fork():
                    listening.close()
                    return _begin(asked)


def _begin(asked: socket.socket) -> dict[str, Any]:
    """Fork the process that was asked for, and tell how it ends; returns in that process alone."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    message, descriptors, _, _ = socket.recv_fds(asked, 1 << 20, MOST_FILES)
    process = _fork()
    if process:
        for descriptor in descriptors:
            os.close(descriptor)
        asked.send(struct.pack("i", process))
        _, status = os.waitpid(process, 0)
        with suppress(BrokenPipeError):  # nobody waits for a worker of Ray's
            asked.send(struct.pack("i", os.waitstatus_to_exitcode(status)))
        os._exit(0)
    program: dict[str, Any] = json.loads(message)
    aside = [fcntl.fcntl(descriptor, fcntl.F_DUPFD, OUT_OF_THE_WAY) for descriptor in descriptors]
    asked.close()
    for descriptor in descriptors:
        os.close(descriptor)
    for place, descriptor in zip(program.pop("files"), aside, strict=True):
        os.dup2(descriptor, place)
        os.close(descriptor)
    return program


def _fork() -> int:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the libraries' idle threads stay behind, as they may
        return os.fork()


def _become(module: str, arguments: list[str], folder: str, environment: dict[str, str], niceness: int) -> None:
    """Be a process that a terminal has started."""
    os.setsid()
    os.setpriority(os.PRIO_PROCESS, 0, niceness)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.path[0] = folder
    if module == MEASURE:  # it is begun with -P
        del sys.path[0]
    sys.argv[1:] = arguments
    sys.orig_argv = [sys.executable, "-m", module, *arguments]  # what begins itself anew begins so


def _fork_on(arguments: list[str]) -> None:
    """Have what the program starts in its turn come from the template too: what a bench measures, and Ray's workers."""
    measure = import_module(MEASURE)
    measure.subprocess = SimpleNamespace(Popen=Measured, PIPE=PIPE, TimeoutExpired=TimeoutExpired)
    if "ray" in arguments:  # `--engine ray`
        import_module("vidpipe.runtime.ray")
        constants = import_module("ray._private.ray_constants")
        constants.SETUP_WORKER_FILENAME = str(Path(__file__).with_name("ray_worker.py"))


class Ending:
    """Ends the process as soon as its threads have, and what it has registered for its end has been called.

    Taking apart all that the template has loaded would cost it a tenth of a CPU second. Made before anything else is
    registered: what is registered first is called last.
    """

    def __init__(self) -> None:
        self._status: int | None = 0
        atexit.register(self._leave)

    @contextmanager
    def by(self) -> Iterator[None]:
        """Learn of what is run in it which status is due."""
        try:
            yield
        except SystemExit as end:
            self._status = end.code & 0xFF if isinstance(end.code, int) else int(end.code is not None)
            raise
        except KeyboardInterrupt:
            self._status = None  # Python ends it by the signal, as ever
            raise
        except BaseException:
            self._status = 1
            raise

    def _leave(self) -> None:
        with suppress(OSError, ValueError):  # Python tells of those that cannot be written to
            for stream in (sys.stdout, sys.stderr):
                stream.flush()
            if self._status is not None:
                os._exit(self._status)


if __name__ == "__main__":
    if os.fork():  # Ray kills the children of whoever leaves it
        os._exit(0)
    ending = Ending()
    program = serve(sys.argv[1])
    _become(**program)
    with ending.by():
        _fork_on(program["arguments"])
        runpy.run_module(program["module"], run_name="__main__", alter_sys=True)
