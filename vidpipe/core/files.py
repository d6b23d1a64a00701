"""Files that are written: what keeps them from it, whose they are meanwhile, and all of one at once."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from pathlib import Path

from vidpipe.core.errors import ConfigError, RunError


def check_writable(path: Path, what: str, *, replaced: bool = False) -> None:
    """Raise ConfigError now, rather than find out when the work is done; nothing is made or changed.

    Args:
        what: as the user calls the file.
        replaced: by another, that is written beside it.
    """
    try:
        why = _hindrance(path, replaced)
    except OSError as error:
        why = error.errno or errno.EIO
    if why:
        raise ConfigError(f"{what} {path} cannot be written: {os.strerror(why)}")


def check_takes_files(folder: Path, what: str) -> None:
    """Raise ConfigError where no file can be made in this folder; nothing is made.

    Args:
        what: as the user calls the folder.
    """
    try:
        why = _folder_hindrance(folder)
    except OSError as error:
        why = error.errno or errno.EIO
    if why:
        raise ConfigError(f"{what} {folder} cannot be written: {os.strerror(why)}")


def unread(error: Exception) -> str:
    """Why a text file could not be read, or written; its name, which an OSError says again, is left out."""
    if isinstance(error, UnicodeDecodeError):
        return "it is no text"
    return getattr(error, "strerror", None) or str(error)


def make_folder(folder: Path) -> Path:
    """Have a folder there, with those above it, and return it. Raises ConfigError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"folder {folder} cannot be made: {error.strerror}") from None
    return folder


def data_folder() -> Path:
    """Where vidpipe keeps what it learns and what waits: `$XDG_DATA_HOME/vidpipe`, or `~/.local/share/vidpipe`."""
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "vidpipe"


def write_whole(path: Path, content: str | bytes, what: str, *, private: bool = False) -> None:
    """All of the content or, where the disk is full or power is lost, the old file: never half of it. Raises RunError.

    Args:
        private: nobody but its owner may read it, from the first byte on.
    """
    in_place = path.parent == Path("/dev") or (path.exists() and not path.is_file())  # stdout, a pipe: never replaced
    if path.is_symlink() and not in_place:
        path = Path(os.path.realpath(path))  # what a link leads to is replaced, not the link
    part = path.with_name(f".{path.name}.part")
    try:
        if in_place:
            _write(path, content)
            return
        if private:
            part.unlink(missing_ok=True)
            part.touch(mode=0o600)
        _write(part, content)
        _sync(part)  # else some file systems have the new name, after a loss of power, and none of the content
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise RunError(f"{what} {path} cannot be written: {error.strerror}") from None


def claim(path: Path, what: str, *, make: bool) -> int | None:
    """Take a file for this process alone, until it closes the descriptor or ends, however it ends.

    Args:
        what: as the user calls the file.
        make: it, where it is not there.

    Returns:
        A descriptor for reading and writing, whose content is untouched; None where there is no file and none was made.

    Raises:
        ConfigError: it cannot be written, or another process has it.
    """
    try:
        while True:
            held = os.open(path, os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT if make else 0), 0o666)
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if _is_at(held, path):  # else whoever had it has moved it away meanwhile
                    return held
            except BaseException:
                os.close(held)
                raise
            os.close(held)
    except BlockingIOError:
        raise ConfigError(f"{what} {path} is being written by another run; take another file") from None
    except OSError as error:
        if error.errno == errno.ENOENT and not make:
            return None
        raise ConfigError(f"{what} {path} cannot be written: {error.strerror}") from None


def put_aside(path: Path) -> Path:
    """Move a file to the first free of NAME.1, NAME.2, ..., and return where it is. Raises OSError."""
    number = 1
    while os.path.lexists(aside := path.with_name(f"{path.name}.{number}")):
        number += 1
    path.rename(aside)
    return aside


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _hindrance(path: Path, replaced: bool) -> int:
    """The number of the error that writing would end with, or 0."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return _folder_hindrance(Path(os.path.realpath(path)).parent)
    if stat.S_ISDIR(mode):
        return errno.EISDIR
    if not stat.S_ISREG(mode):
        return 0 if os.access(path, os.W_OK) else errno.EACCES
    with path.open("r+b"):
        pass
    return _folder_hindrance(Path(os.path.realpath(path)).parent) if replaced else 0


def _folder_hindrance(folder: Path) -> int:
    if not stat.S_ISDIR(folder.stat().st_mode):
        return errno.ENOTDIR
    if os.access(folder, os.W_OK | os.X_OK):
        return 0
    return errno.EROFS if os.statvfs(folder).f_flag & os.ST_RDONLY else errno.EACCES


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _write(path: Path, content: str | bytes) -> None:
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.write_text(content)
