"""How a command ends: what it says of an error, and the end of its process."""

from __future__ import annotations

import logging
import os
import sys
import threading
from contextlib import suppress
from typing import Any, NoReturn

INTERRUPTED = 130
"""Exit status of a command that was asked to end before it was done."""


def usage(error: Any) -> str:
    """On one line what typer says in a box of seven."""
    said = error.format_message().replace("Value error, ", "").rstrip(".")
    command = error.ctx.command_path if error.ctx else "vidpipe"
    return f"{said[0].lower()}{said[1:]} (see {command} --help)"


def fail(message: str, status: int, cause: BaseException | None) -> NoReturn:
    """Say on one line why the command ends, and end it; with `cause` its traceback before."""
    if cause is not None:
        logging.getLogger(__name__).error("", exc_info=cause)
    sys.stderr.write(f"vidpipe: {message}\n")
    leave(status)


def leave(status: int) -> NoReturn:
    """End the process.

    Python's own end aborts it where a thread is inside a decoder or a model that does not come back. What such threads
    hold ends with the process.
    """
    if any(thread.daemon and thread.name.startswith("vidpipe-") for thread in threading.enumerate()):
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError):  # nobody may read it any more
                stream.flush()
        os._exit(status)
    sys.exit(status)
