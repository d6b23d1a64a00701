"""A file of JSON lines that belongs to one run: whole lines or none, and nothing of an earlier run is lost."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from vidpipe.core.clock import REAL, Clock
from vidpipe.core.errors import ConfigError, RunError, VidpipeError
from vidpipe.core.files import check_writable, claim, put_aside
from vidpipe.core.settings import StageConfig
from vidpipe.results.sinks.base import ControlledRun, Sink

_BLOCK = 1 << 16

log = logging.getLogger(__name__)


class LinesConfig(StageConfig):
    """Settings of a sink that writes lines."""

    path: str = Field(description="the file; what an earlier run has left there goes on as FILE.1, FILE.2, ...")
    append: bool = Field(
        default=False, description="go on behind what earlier runs have left, in place of putting it aside"
    )
    rotate_mb: float | None = Field(
        default=None, gt=0, description="size at which a new file is begun, and this one goes on as FILE.1, ..."
    )
    rotate_daily: bool = Field(default=False, description="the same at midnight, by the time of this machine")


class _CutError(Exception):
    """Not all of a text was written.

    Attributes:
        rest: the lines that were not, half ones included.
    """

    def __init__(self, error: OSError, rest: int) -> None:
        super().__init__(error.strerror)
        self.rest = rest


class LinesFile:
    """A file that is written line by line, and belongs to this process until it is closed.

    Args:
        path: of the file.
        what: is in it, as messages call it: "results".
        keep: whether what an earlier run has left there goes on as `FILE.1`, `FILE.2`, ...: the first that is free.
        begins: how such a file begins: where something else is there, it is neither gone on with nor written over.
        append: whether what comes now goes on behind what an earlier run has left.
        tells: in the log where that went.
        descriptor: to write to in place of the file that `path` names.

    Attributes:
        append: as above.
        head: lines that each file begins with.
        kept: where it went.
        patient: what cannot be written is counted, told once, and left out, until it can be again: cameras go on. Else
            it is raised.
        written: lines that were.
        missing: lines that were not.
    """

    def __init__(
        self,
        path: Path,
        what: str,
        *,
        keep: bool,
        begins: bytes = b"",
        append: bool = False,
        tells: bool = False,
        descriptor: int | None = None,
    ) -> None:
        self.append = append
        self.head = b""
        self.kept: Path | None = None
        self.patient = False
        self.written = 0
        self.missing = 0
        self._path = path
        self._what = what
        self._keep = keep
        self._begins = begins
        self._tells = tells
        self._headed = False  # the head stands before what comes next
        self._head_repeats = False
        self._failing = ""  # why lines are left out now
        self._failed = ""  # the same of the last time
        self._descriptor = descriptor
        self._file: FileIO | None = None

    def __str__(self) -> str:
        return f"{self._what} {self._path}"

    def begin(self, head: bytes = b"", *, repeats: bool = False) -> None:
        """Open it, unless it is a pipe or device, which may wait for a reader until the first line.

        Args:
            head: lines that each file begins with.
            repeats: whether they also stand between what an earlier run has left and what comes.

        Raises:
            ConfigError: it cannot be opened, or another run writes it.
        """
        self.head, self._head_repeats = head, repeats
        if self._descriptor is None and (self._path.is_file() or not self._path.exists()):
            try:
                self._opened()
            except _CutError as error:
                self._let_go()
                raise ConfigError(f"{self} cannot be written on: {error}") from None

    def write(self, text: bytes) -> None:
        """Write some lines, each of them whole or not at all. Raises RunError, unless it is patient."""
        rest = text.count(b"\n")
        try:
            file = self._opened()
            rest = self._write(file, text)
        except _CutError as error:
            rest = error.rest
            if not self.patient:
                raise RunError(f"{self} cannot be written on: {error}") from None
            self._leave_out(str(error))
        except VidpipeError as error:
            if not self.patient:
                raise
            self._leave_out(str(error).rpartition(": ")[2])
        else:
            self._go_on()
        finally:
            self.missing += rest
            self.written += text.count(b"\n") - rest

    @property
    def size(self) -> int:
        """Bytes that are in it; 0 of a pipe, device, or file that is not open yet."""
        return 0 if self._file is None or not self._path.is_file() else self._file.tell()

    def turn(self) -> None:
        """Go on in a new file: what is there goes on as `FILE.1`, or the next that is free. Raises RunError."""
        try:
            put_aside(self._path)
        except OSError as error:
            if self.patient:
                return  # it grows on, and the next line tries again
            raise RunError(f"{self} cannot be put aside: {error.strerror}") from None
        self._let_go()
        try:
            self._opened()
        except (_CutError, VidpipeError) as error:
            if not self.patient:
                raise RunError(f"{self} cannot be written on: {error}") from None

    def flush(self) -> None:
        """Have what was written outlive a loss of power, where it is a file. Raises RunError, unless it is patient."""
        if self._file is not None and self._path.is_file():
            try:
                os.fsync(self._file.fileno())
            except OSError as error:
                if not self.patient:
                    raise RunError(f"{self} cannot be written on: {error.strerror}") from None

    def close(self) -> None:
        """Finish it. Raises RunError, also where lines are missing."""
        if self._file is not None:
            try:
                self._file.close()
            except OSError as error:
                raise RunError(f"{self} cannot be finished: {error.strerror}") from None
        if self.patient and self.missing:
            raise RunError(f"{self}: {self.missing} lines are missing, as it could not be written on: {self._failed}")

    def _leave_out(self, why: str) -> None:
        if self._file is not None and not self._path.is_file():
            self._let_go()  # a pipe: it is opened again once somebody reads
        if not self._failing:
            log.warning("%s cannot be written on: %s; lines are left out until it can", self, why)
            self._failed = why
        self._failing = why

    def _go_on(self) -> None:
        if self._failing:
            log.warning("%s can be written on again; %d lines are missing", self, self.missing)
            self._failing = ""

    def _let_go(self) -> None:
        assert self._file is not None
        with suppress(OSError):
            self._file.close()
        self._file, self._headed = None, False

    def _write(self, file: FileIO, text: bytes) -> int:
        """How many lines were not written: none, or it raises _CutError."""
        written = 0
        try:
            while written < len(text):
                written += file.write(text[written:]) or 0
        except OSError as error:
            half_line = written - text.rfind(b"\n", 0, written) - 1
            with suppress(OSError):  # a device or pipe keeps it
                end = file.tell() - half_line
                file.truncate(end)
                file.seek(end)
            raise _CutError(error, text.count(b"\n", written - half_line)) from None
        return 0

    def _opened(self) -> FileIO:
        if self._file is None:
            try:
                self._file = self._open()
            except OSError as error:
                raise ConfigError(f"{self} cannot be written: {error.strerror}") from None
        if not self._headed:
            self._write(self._file, self.head)
            self._headed = True
        return self._file

    def _open(self) -> FileIO:
        if self._descriptor is not None:
            return FileIO(self._descriptor, "wb", closefd=False)
        if self._path.exists() and not self._path.is_file():
            return self._open_pipe()
        held = claim(self._path, self._what, make=True)
        assert held is not None
        if os.fstat(held).st_size:
            if self.append:
                return self._behind(held)
            if self._keep:
                os.close(self._put_aside(held))
                held = claim(self._path, self._what, make=True)
                assert held is not None
            else:
                self._check_ours(held)
        os.ftruncate(held, 0)
        return FileIO(held, "r+b")

    def _open_pipe(self) -> FileIO:
        """A pipe waits for its first reader, and for no further one: then whoever opens it is told that nobody is."""
        if not self._failing:
            return FileIO(self._path, "wb")
        file = FileIO(os.open(self._path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC), "wb")
        os.set_blocking(file.fileno(), True)
        return file

    def _put_aside(self, held: int) -> int:
        try:
            self.kept = put_aside(self._path)
        except OSError as error:
            os.close(held)
            raise ConfigError(
                f"{self} are there already and cannot be put aside: {error.strerror}; move them, or take another file"
            ) from None
        if self._tells:
            log.warning("earlier %s of %s are now %s", self._what, self._path, self.kept)
        return held

    def _check_ours(self, held: int) -> None:
        if os.pread(held, len(self._begins), 0) != self._begins:
            os.close(held)
            raise ConfigError(f"{self}: something else is there, or the same of another version: move it away")

    def _behind(self, held: int) -> FileIO:
        """The file, to go on behind its last whole line: a process that was killed may have left half of one."""
        self._check_ours(held)
        end = os.fstat(held).st_size
        while end and (block := os.pread(held, min(end, _BLOCK), max(0, end - _BLOCK))).find(b"\n") < 0:
            end -= len(block)
        end = end and max(0, end - _BLOCK) + block.rfind(b"\n") + 1
        file = FileIO(held, "r+b")
        file.truncate(end)
        file.seek(end)
        self._headed = end > 0 and not self._head_repeats
        return file


class LinesSink(Sink):
    """A sink that writes lines to a file, given by an option of the command or named in a pipeline.

    On cameras it bears a full disk, and a pipe that nobody reads any more: see `LinesFile.patient`.

    Args:
        path: of the file; None: the one of its settings, whose earlier content is kept.
        keep, descriptor: as of `LinesFile`.
        config: settings, where they come from an option.
        clock: that days are told by.

    Attributes:
        what: is in it, as messages call it.
    """

    Config = LinesConfig
    config: LinesConfig = LinesConfig(path="")

    what: ClassVar[str]

    def __init__(
        self,
        path: Path | None = None,
        *,
        keep: bool = False,
        descriptor: int | None = None,
        config: LinesConfig | None = None,
        clock: Clock = REAL,
    ) -> None:
        self._by_option = path is not None
        if path is not None:
            self.config = config or self.Config.model_validate({"path": str(path)})
        self._keep = keep or not self._by_option
        self._descriptor = descriptor
        self._clock = clock
        self._day = ""
        self._file: LinesFile | None = None

    def __str__(self) -> str:
        return str(self.lines)

    @property
    def begins(self) -> bytes:
        """How a file of these lines begins."""
        return b""

    @property
    def lines(self) -> LinesFile:
        """The file; of one that a pipeline names the path is known when the settings are."""
        if self._file is None:
            self._file = LinesFile(
                Path(self.config.path),
                self.what,
                keep=self._keep,
                begins=self.begins,
                append=self.config.append,
                tells=not self._by_option,
                descriptor=self._descriptor,
            )
        return self._file

    @property
    def kept(self) -> Path | None:
        """Where what was there before went."""
        return self.lines.kept

    @property
    def counts(self) -> Mapping[str, int]:
        lines = self.lines
        return {"written": lines.written, "missing": lines.missing} if lines.missing else {}

    def attach(self, run: ControlledRun) -> None:
        self.lines.patient = self._descriptor is None and any(
            stream.spec.live for stream in run.pipeline.streams.values()
        )

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def try_out(self, event: Mapping[str, Any]) -> str:
        """See whether the file can be written; nothing is. Raises ConfigError."""
        check_writable(Path(self.config.path), self.what)
        return "can be written; the event is not kept"

    def _begin(self, provenance: Mapping[str, Any], head: bytes, *, repeats: bool = False) -> None:
        """Open the file, or a new one where this one is due. Raises ConfigError."""
        path = Path(self.config.path)
        goes_on = self.config.append or "follows" in provenance  # what came until a moment ago is no earlier run's
        self.lines.append = goes_on
        self._day = _day(path.stat().st_mtime if goes_on and path.is_file() else self._clock.utc())
        self.lines.begin(head, repeats=repeats)
        self._turn_if_due()

    def _turn_if_due(self) -> None:
        """Begin a new file where this one is full, or of another day. Raises RunError."""
        config = self.config
        if config.rotate_mb is None and not config.rotate_daily:
            return
        today = _day(self._clock.utc())
        is_full = config.rotate_mb is not None and self.lines.size >= config.rotate_mb * 1e6
        if is_full or (config.rotate_daily and today != self._day):
            if self.lines.size > len(self.lines.head):
                self.lines.turn()
            self._day = today


def _day(utc: float) -> str:
    return time.strftime("%Y-%m-%d", time.localtime(utc))
