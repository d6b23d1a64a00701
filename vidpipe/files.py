"""Files that are written at once, at the end of long work."""

from __future__ import annotations

from pathlib import Path

from vidpipe.errors import ConfigError, RunError


def check_writable(path: Path, what: str) -> None:
    """Raise ConfigError now, rather than find out when the work is done; `what` is what the user calls the file."""
    try:
        with path.open("a"):
            pass
    except OSError as error:
        raise ConfigError(f"{what} {path} cannot be written: {error.strerror}") from None


def write_whole(path: Path, text: str, what: str) -> None:
    """All of the text or, where the disk is full, the old file: never half of it. Raises RunError."""
    part = path.with_name(f".{path.name}.part")
    try:
        if path.exists() and not path.is_file():  # /dev/stdout, a pipe: written to, never replaced
            path.write_text(text)
            return
        part.write_text(text)
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise RunError(f"{what} {path} cannot be written: {error.strerror}") from None
