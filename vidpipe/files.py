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


def write_whole(path: Path, content: str | bytes, what: str, *, private: bool = False) -> None:
    """All of the content or, where the disk is full, the old file: never half of it. Raises RunError.

    Args:
        private: nobody but its owner may read it, from the first byte on.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        if path.exists() and not path.is_file():  # /dev/stdout, a pipe: written to, never replaced
            _write(path, content)
            return
        if private:
            part.unlink(missing_ok=True)
            part.touch(mode=0o600)
        _write(part, content)
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise RunError(f"{what} {path} cannot be written: {error.strerror}") from None


def _write(path: Path, content: str | bytes) -> None:
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.write_text(content)
