"""What is kept elsewhere than where it is written: in an environment variable or a file."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from vidpipe.core.errors import ConfigError
from vidpipe.core.files import unread

if TYPE_CHECKING:
    from pydantic import SecretStr  # a tenth of a second, for which each question to a store would wait

_SECRET_NAME = re.compile(r"pass|secret|token|credential|api_?key|auth", re.IGNORECASE)
REFERENCE = re.compile(r"\$\{(env|file):([^}]*)\}")
"""How a text names a variable or a file that holds a part of it: its kind, and its name."""


def names_secret(name: str) -> bool:
    """Whether a setting of such a name may hold a credential."""
    return bool(_SECRET_NAME.search(name))


def look_up(written: SecretStr | None, what: str) -> str:
    """The text with each `${env:NAME}` and `${file:PATH}` looked up; "" of None.

    Args:
        what: it is, for the error: "a password".

    Raises:
        ConfigError: a variable or file is missing; it says nothing of their content.
    """

    def find(match: re.Match[str]) -> str:
        kind, name = match[1], match[2]
        if kind == "env":
            if name not in os.environ:
                raise ConfigError(f"the environment variable {name} is not set; it should hold {what}")
            return os.environ[name].strip()
        try:
            return Path(name).expanduser().read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"the file {name}, which should hold {what}, cannot be read: {unread(error)}") from None

    return "" if written is None else REFERENCE.sub(find, written.get_secret_value())
