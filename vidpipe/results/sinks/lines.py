"""A file of JSON lines that belongs to one run: whole lines or none, and nothing of an earlier run is lost."""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from vidpipe.core.errors import ConfigError, RunError
from vidpipe.core.files import claim, put_aside
from vidpipe.core.settings import StageConfig
from vidpipe.results.sinks.base import Sink

log = logging.getLogger(__name__)


class LinesConfig(StageConfig):
    """Settings of a sink that writes lines."""

    path: str = Field(description="the file; what an earlier run has left there goes on as FILE.1, FILE.2, ...")


class LinesFile:
    """A file that is written line by line, and belongs to this process until it is closed.

    Args:
        path: of the file.
        what: is in it, as messages call it: "results".
        keep: whether what an earlier run has left there goes on as `FILE.1`, `FILE.2`, ...: the first that is free.
        tells: of that in the log.
        descriptor: to write to in place of the file that `path` names.

    Attributes:
        kept: where it went.
    """

    def __init__(
        self, path: Path, what: str, *, keep: bool, tells: bool = False, descriptor: int | None = None
    ) -> None:
        self.kept: Path | None = None
        self._path = path
        self._what = what
        self._keep = keep
        self._tells = tells
        self._descriptor = descriptor
        self._file: FileIO | None = None

    def __str__(self) -> str:
        return f"{self._what} {self._path}"

    def begin(self) -> bool:
        """Open it, unless it is a pipe or device, which may wait for a reader until the first line; whether it is open.

        Raises:
            ConfigError: it cannot be opened, or another run writes it.
        """
        if self._descriptor is None and (self._path.is_file() or not self._path.exists()):
            self._opened()
            return True
        return False

    def write(self, text: bytes) -> None:
        """Write some lines, each of them whole or not at all. Raises RunError."""
        file = self._opened()
        written = 0
        try:
            while written < len(text):
                written += file.write(text[written:]) or 0
        except OSError as error:
            half_line = written - text.rfind(b"\n", 0, written) - 1
            with suppress(OSError):  # a device or pipe keeps it
                file.truncate(file.tell() - half_line)
            raise RunError(f"{self} cannot be written on: {error.strerror}") from None

    def close(self) -> None:
        """Finish it. Raises RunError."""
        if self._file is None:
            return
        try:
            self._file.close()
        except OSError as error:
            raise RunError(f"{self} cannot be finished: {error.strerror}") from None

    def _opened(self) -> FileIO:
        if self._file is None:
            try:
                self._file = self._open()
            except OSError as error:
                raise ConfigError(f"{self} cannot be written: {error.strerror}") from None
        return self._file

    def _open(self) -> FileIO:
        if self._descriptor is not None:
            return FileIO(self._descriptor, "wb", closefd=False)
        if self._path.exists() and not self._path.is_file():
            return FileIO(self._path, "wb")
        held = claim(self._path, self._what, make=True)
        assert held is not None
        if self._keep and os.fstat(held).st_size:
            try:
                self.kept = put_aside(self._path)
                if self._tells:
                    log.warning("earlier %s of %s are now %s", self._what, self._path, self.kept)
            except OSError as error:
                raise ConfigError(
                    f"{self} are there already and cannot be put aside: {error.strerror}; "
                    "move them, or take another file"
                ) from None
            finally:
                os.close(held)
            held = claim(self._path, self._what, make=True)
            assert held is not None
        os.ftruncate(held, 0)
        return FileIO(held, "r+b")


class LinesSink(Sink):
    """A sink that writes lines to a file, given by an option of the command or named in a pipeline.

    Args:
        path: of the file; None: the one of its settings, whose earlier content is kept.
        keep, descriptor: as of `LinesFile`.

    Attributes:
        what: is in it, as messages call it.
    """

    Config = LinesConfig

    what: ClassVar[str]

    def __init__(self, path: Path | None = None, *, keep: bool = False, descriptor: int | None = None) -> None:
        self._file = None if path is None else LinesFile(path, self.what, keep=keep, descriptor=descriptor)

    def __str__(self) -> str:
        return str(self.lines)

    @property
    def lines(self) -> LinesFile:
        """The file; of one that a pipeline names the path is known when the settings are."""
        if self._file is None:
            self._file = LinesFile(Path(self.config.path), self.what, keep=True, tells=True)
        return self._file

    @property
    def kept(self) -> Path | None:
        """Where what was there before went."""
        return self.lines.kept

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
