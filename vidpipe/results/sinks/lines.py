"""A file of JSON lines that belongs to one run: whole lines or none, and nothing of an earlier run is lost."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from vidpipe.core.errors import ConfigError, RunError
from vidpipe.core.files import check_writable, claim, put_aside
from vidpipe.core.settings import StageConfig
from vidpipe.results.sinks.base import Sink

_BLOCK = 1 << 16

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
        append: how what an earlier run has left begins, if what comes now is to go on behind it; None: it is not.
        tells: of that in the log.
        descriptor: to write to in place of the file that `path` names.

    Attributes:
        kept: where it went.
    """

    def __init__(
        self,
        path: Path,
        what: str,
        *,
        keep: bool,
        tells: bool = False,
        append: bytes | None = None,
        descriptor: int | None = None,
    ) -> None:
        self.kept: Path | None = None
        self._path = path
        self._what = what
        self._keep = keep
        self._tells = tells
        self._append = append
        self._head = b""
        self._goes_on = False  # behind what an earlier run has left
        self._descriptor = descriptor
        self._file: FileIO | None = None

    def __str__(self) -> str:
        return f"{self._what} {self._path}"

    def begin(self, head: bytes = b"") -> None:
        """Open it, unless it is a pipe or device, which may wait for a reader until the first line.

        Args:
            head: lines that each file begins with.

        Raises:
            ConfigError: it cannot be opened, or another run writes it.
        """
        self._head = head
        if self._descriptor is None and (self._path.is_file() or not self._path.exists()):
            self._opened()

    def write(self, text: bytes) -> None:
        """Write some lines, each of them whole or not at all. Raises RunError."""
        self._write(self._opened(), text)

    @property
    def size(self) -> int:
        """Bytes that are in it; 0 of a pipe, device, or file that is not open yet."""
        return 0 if self._file is None or not self._path.is_file() else self._file.tell()

    def turn(self) -> None:
        """Go on in a new file: what is there goes on as `FILE.1`, or the next that is free. Raises RunError."""
        try:
            put_aside(self._path)
        except OSError as error:
            raise RunError(f"{self} cannot be put aside: {error.strerror}") from None
        self.close()
        self._file, self._goes_on = None, False
        self._opened()

    def flush(self) -> None:
        """Have what was written outlive a loss of power, where it is a file. Raises RunError."""
        if self._file is not None and self._path.is_file():
            try:
                os.fsync(self._file.fileno())
            except OSError as error:
                raise RunError(f"{self} cannot be written on: {error.strerror}") from None

    def _write(self, file: FileIO, text: bytes) -> None:
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
            if self._head and not self._goes_on:
                self._write(self._file, self._head)
        return self._file

    def _open(self) -> FileIO:
        if self._descriptor is not None:
            return FileIO(self._descriptor, "wb", closefd=False)
        if self._path.exists() and not self._path.is_file():
            return FileIO(self._path, "wb")
        held = claim(self._path, self._what, make=True)
        assert held is not None
        if self._append is not None and os.fstat(held).st_size:
            return self._behind(held, self._append)
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

    def _behind(self, held: int, begins: bytes) -> FileIO:
        """The file, to go on behind its last whole line: a process that was killed may have left half of one."""
        file = FileIO(held, "r+b")
        if file.read(len(begins)) != begins:
            file.close()
            raise ConfigError(f"{self}: what is there is no such file, or of another version; move it away")
        end = os.fstat(held).st_size
        while end and (block := os.pread(held, min(end, _BLOCK), max(0, end - _BLOCK))).find(b"\n") < 0:
            end -= len(block)
        end = end and max(0, end - _BLOCK) + block.rfind(b"\n") + 1
        file.truncate(end)
        file.seek(end)
        self._goes_on = end > 0
        return file


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
            append = self.append
            self._file = LinesFile(Path(self.config.path), self.what, keep=True, tells=append is None, append=append)
        return self._file

    @property
    def append(self) -> bytes | None:
        """As of `LinesFile`, by the settings."""
        return None

    @property
    def kept(self) -> Path | None:
        """Where what was there before went."""
        return self.lines.kept

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def try_out(self, event: Mapping[str, Any]) -> str:
        """See whether the file can be written; nothing is. Raises ConfigError."""
        check_writable(Path(self.config.path), self.what)
        return "can be written; the event is not kept"
