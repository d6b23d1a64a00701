"""Keeping addresses secret that were typed: off the command line, which everybody on a machine may read (`ps`) and
which Ray writes down, and out of what is said of a command line that was wrong.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from vidpipe.sources.address import Address

_VARIABLE = "VIDPIPE_ARGUMENT_{}"
_PLACE = re.compile(r"\$\{env:VIDPIPE_ARGUMENT_(\d+)\}")
_MAY_BE_SECRET = re.compile(r"://.*[@?=]|.+:.+@.+")
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://.*", re.DOTALL)
_WITH_PASSWORD = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:/+[^\s/'\"]*:[^\s'\"]*@[^\s'\",;)]*")


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


def without_addresses(message: str, arguments: Sequence[str]) -> str:
    """A message in which an address shows scheme and host only, be it one of the arguments or not."""
    for written, shown in sorted(_typed(arguments), key=lambda pair: len(pair[0]), reverse=True):
        message = message.replace(written, shown)
    return _WITH_PASSWORD.sub(lambda match: str(Address(match[0])), message)


def _typed(arguments: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Every address among the arguments, as messages spell it, and what may be shown of it."""
    for argument in arguments:
        address = _ADDRESS.search(argument)
        if address or _MAY_BE_SECRET.search(argument):
            written = address[0] if address else argument
            shown = str(Address(written)) if address else "an address that is not shown"
            # A parser may end it at "=", and a path takes two slashes for one; quotes may come escaped.
            for spelt in (written, written.partition("=")[0], str(Path(written))):
                yield spelt, shown
                yield repr(spelt)[1:-1], shown
