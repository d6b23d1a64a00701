"""Keeping addresses off the command line, which everybody on a machine may read (`ps`), and which Ray writes down."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence

_VARIABLE = "VIDPIPE_ARGUMENT_{}"
_PLACE = re.compile(r"\$\{env:VIDPIPE_ARGUMENT_(\d+)\}")
_MAY_BE_SECRET = re.compile(r"://.*[@?=]|.+:.+@.+")


def hide_addresses(arguments: Sequence[str]) -> list[str]:
    """The arguments of this command, after making sure that no address with a password stands on its command line.

    Where one does, the program is started anew in its place, with such arguments in the environment, which only the
    same user can read. For the tenth of a second until then they can be seen; `${env:NAME}` avoids even that.
    """
    hidden = {i: argument for i, argument in enumerate(arguments) if _MAY_BE_SECRET.search(argument)}
    if hidden and len(sys.orig_argv) > len(arguments):
        own = sys.orig_argv[: len(sys.orig_argv) - len(arguments)]
        places = {i: "${env:" + _VARIABLE.format(i) + "}" for i in hidden}
        shown = [places.get(i, argument) for i, argument in enumerate(arguments)]
        variables = {_VARIABLE.format(i): argument for i, argument in hidden.items()}
        os.execve(sys.executable, [*own, *shown], os.environ | variables)
    return [_shown_again(argument) for argument in arguments]


def _shown_again(argument: str) -> str:
    """An argument as it was before; nothing that this process starts inherits it."""
    match = _PLACE.fullmatch(argument)
    return argument if match is None else os.environ.pop(_VARIABLE.format(match[1]), argument)
