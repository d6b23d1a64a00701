"""How a run is talked to: a line of JSON each way on its socket, one question a connection."""

from __future__ import annotations

import json
import socket
from typing import Any

from vidpipe.cli.runs.place import Place
from vidpipe.core.errors import ConfigError, RunError, VidpipeError

MOST_BYTES = 65536  # of a question
_ANSWER_S = 330.0  # new settings may load a model
_KINDS: dict[str, type[VidpipeError]] = {"config": ConfigError, "run": RunError}


def ask(place: Place, question: dict[str, Any]) -> dict[str, Any]:
    """What a run answers.

    Raises:
        ConfigError: as the run raised it, or it does not go on.
        RunError: as the run raised it, or it does not answer.
    """
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(_ANSWER_S)
            connection.connect(str(place.socket))
            connection.sendall(pack(question))
            connection.shutdown(socket.SHUT_WR)
            answer = read(connection, None)
    except (ConnectionRefusedError, FileNotFoundError):
        if place.is_running():
            raise RunError(f"run {place.name} is just beginning or ending: ask again") from None
        how = "" if place.ended() is not None else ": its process was killed"
        raise ConfigError(f"run {place.name} does not go on{how}") from None
    except (OSError, ValueError) as error:
        raise RunError(f"run {place.name} does not answer: {error}") from None
    if kind := _KINDS.get(answer.get("error", "")):
        raise kind(answer["message"])
    return answer


def pack(message: dict[str, Any]) -> bytes:
    """A message as it travels."""
    return json.dumps(message, default=str).encode() + b"\n"


def read(connection: socket.socket, most: int | None) -> dict[str, Any]:
    """The message that comes; raises OSError where none does, ValueError where it is none or has too many bytes."""
    parts: list[bytes] = []
    while not (parts and parts[-1].endswith(b"\n")) and (part := connection.recv(MOST_BYTES)):
        parts.append(part)
        if most is not None and sum(map(len, parts)) > most:
            raise ValueError("it is too long")
    message = json.loads(b"".join(parts) or b"null")
    if not isinstance(message, dict):
        raise ValueError("it is not a JSON object")
    return message
