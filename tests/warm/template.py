"""A process that has loaded vidpipe once, and forks a command from itself each time that it is asked to.

Run as a program, with the path of the socket to listen on; it ends when its stdin does. Who connects sends arguments,
folder and environment of the command, and the descriptors of its stdout and stderr; he is told the number of its
process and, later, how it ended.
"""

from __future__ import annotations

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
from importlib import import_module
from typing import Any

# Ray and torch are loaded by the commands that need them, as ever.
LOADED = (
    *(f"vidpipe.cli.commands.{name}" for name in ("bench", "check", "plan", "probe", "run", "specialize", "versions")),
    *("vidpipe.runtime.inline", "vidpipe.runtime.driver.session"),
    *("vidpipe.models.runtimes.openvino", "cv2", "scipy.optimize", "supervision", "jinja2", "matplotlib.figure"),
)


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
    message, descriptors, _, _ = socket.recv_fds(asked, 1 << 20, 2)
    process = _fork()
    if process:
        for descriptor in descriptors:
            os.close(descriptor)
        asked.send(struct.pack("i", process))
        _, status = os.waitpid(process, 0)
        asked.send(struct.pack("i", os.waitstatus_to_exitcode(status)))
        os._exit(0)
    for place, descriptor in enumerate(descriptors, 1):
        os.dup2(descriptor, place)
        os.close(descriptor)
    program: dict[str, Any] = json.loads(message)
    return program


def _fork() -> int:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the libraries' idle threads stay behind, as they may
        return os.fork()


def _become(arguments: list[str], folder: str, environment: dict[str, str]) -> None:
    """Be a process that a terminal has started."""
    os.setsid()
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.path[0] = folder
    sys.argv[1:] = arguments
    sys.orig_argv = [sys.executable, "-m", "vidpipe.cli.main", *arguments]  # what begins itself anew begins so


if __name__ == "__main__":
    if os.fork():  # Ray kills the children of whoever leaves it
        os._exit(0)
    _become(**serve(sys.argv[1]))
    runpy.run_module("vidpipe.cli.main", run_name="__main__", alter_sys=True)
