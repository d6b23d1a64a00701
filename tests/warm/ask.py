"""Asking the template for a process; as a program it loads next to nothing, and does what `python -m` does.

python ask.py MODULE ARGUMENTS...
"""

import json
import os
import socket
import struct
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

PLACE = "WARM_TEMPLATE"  # names the socket to a program that is to ask the template of who started it


def ask(
    place: str, module: str, arguments: Sequence[str], folder: str, env: Mapping[str, str], files: Mapping[int, int]
) -> socket.socket:
    """Have the template fork a process that runs a module as a program.

    Args:
        files: the descriptors that it has, as it knows them and as they are here.

    Returns:
        Who tells the number of its process and, once it has ended, how: four bytes each.
    """
    program = {"module": module, "arguments": list(arguments), "folder": folder, "environment": dict(env)}
    program |= {"niceness": os.getpriority(os.PRIO_PROCESS, 0), "files": list(files)}
    asked = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    asked.connect(place)
    socket.send_fds(asked, [json.dumps(program).encode()], list(files.values()))
    return asked


def stand_for(module: str, arguments: Sequence[str]) -> NoReturn:
    """Have it run in a process of its own, stay as long as that, and end as it has."""
    with ask(os.environ[PLACE], module, arguments, str(Path.cwd()), os.environ, {1: 1, 2: 2}) as told:
        told.recv(4)  # the number of its process
        (status,) = struct.unpack("i", told.recv(4))
    sys.exit(status if status >= 0 else 128 - status)


if __name__ == "__main__":
    stand_for(sys.argv[1], sys.argv[2:])
