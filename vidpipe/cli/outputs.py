"""What a run writes: held against what it reads, and against each other, before anything is opened."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from vidpipe.core.errors import ConfigError, RunError
from vidpipe.core.files import check_writable, claim, write_whole
from vidpipe.models.resolve import files_of
from vidpipe.pipeline.spec import Part, Pipeline
from vidpipe.results.sinks.events import EventsConfig, EventsFile
from vidpipe.results.sinks.lines import LinesConfig, LinesSink
from vidpipe.results.sinks.results import ResultsFile
from vidpipe.results.sinks.video import VideoFrameSink
from vidpipe.results.store.file import default_path
from vidpipe.results.store.sink import StoreConfig, StoreSink
from vidpipe.sources.address import is_camera, secret_files

STDOUT = ("-", "/dev/stdout")
_SIZE = re.compile(r"(\d+\.?\d*)(kb|mb|gb)")
_MB = {"kb": 1e-3, "mb": 1.0, "gb": 1e3}


class Named(NamedTuple):
    """A file, and what the user wrote to have it read or written."""

    option: str
    path: Path

    def __str__(self) -> str:
        return f"{self.option}{'' if self.option.endswith('=') else ' '}{self.path}"


@dataclass(frozen=True, slots=True)
class Earlier:
    """What becomes of files of lines that earlier runs have left; where nothing is said, they are put aside.

    Attributes:
        append: what comes goes on behind them.
        overwrite: it takes their place.
        rotate: when a new file is begun: a size as `100MB`, `day`, or both with a comma.
    """

    append: bool = False
    overwrite: bool = False
    rotate: str | None = None

    def settings(self, path: Path) -> dict[str, Any]:
        """Of the sink that writes such a file; raises ConfigError."""
        if self.append and self.overwrite:
            raise ConfigError("--append and --overwrite: choose one of them")
        told: dict[str, Any] = {"path": str(path), "append": self.append}
        for when in (self.rotate or "").lower().replace(" ", "").split(",") if self.rotate is not None else ():
            size = _SIZE.fullmatch(when)
            if when == "day":
                told["rotate_daily"] = True
            elif size and float(size[1]) > 0:
                told["rotate_mb"] = float(size[1]) * _MB[size[2]]
            else:
                raise ConfigError(f"--rotate {self.rotate}: must be a size as 100MB, or day, or 100MB,day")
        if is_stdout(path) and (self.append or self.overwrite or self.rotate is not None):
            raise ConfigError("--append, --overwrite and --rotate are of files, and stdout is none: name a file")
        return told


class Outputs:
    """The files of one run.

    Args:
        sinks: that the pipeline names.
        events: where events go.
        earlier: what becomes of results and events of earlier runs.

    Attributes:
        video: the frame sink that draws, if one was asked for.
    """

    def __init__(
        self,
        results: Path | None,
        report: Path | None,
        video: Path | None,
        streams: Sequence[str],
        sinks: Sequence[Part] = (),
        events: Path | None = None,
        store: Path | None = None,
        earlier: Earlier | None = None,
    ) -> None:
        self._earlier = earlier or Earlier()
        if results is None and events is None and self._earlier != Earlier():
            raise ConfigError("--append, --overwrite and --rotate are of --results and --events: give one of these")
        self._settings = {path: self._earlier.settings(path) for path in (results, events) if path is not None}
        self.results = results
        self.events = events
        self.report = report
        self.video = None if video is None else VideoFrameSink(str(video), many=len(streams) > 1)
        self._store = store
        self._streams = streams
        named = {f"sinks.{place}.path": sink.config for place, sink in enumerate(sinks)}
        self._sinks = [
            Named(name, Path(config.path)) for name, config in named.items() if isinstance(config, LinesConfig)
        ]
        self._stores = [Named(name, config.file) for name, config in named.items() if isinstance(config, StoreConfig)]
        if store is not None:
            self._stores.append(Named("--store", store))

    def check(self, inputs: Sequence[Named]) -> None:
        """Refuse what cannot be written, and what would destroy an input or another output.

        Nothing is made or changed.

        Raises:
            ConfigError: names both options.
        """
        outputs = self.files()
        for number, output in enumerate(outputs):
            for other in (*inputs, *outputs[:number]):
                if _is_same(output.path, other.path):
                    raise ConfigError(f"{output} and {other} are the same file; write to another one")
            for lines in self._files_of_lines():
                if _is_put_aside(output.path, lines.path):
                    what = "events" if lines.option == "--events" else "results"
                    raise ConfigError(f"{output}: earlier {what} of {lines} may go there; write to another file")
        for option, path in outputs:
            if Named(option, path) in self._stores:
                if path != default_path() or path.parent.is_dir():  # that folder is made when it is needed
                    check_writable(path, "store")
            elif not is_stdout(path):
                _check(path, option.removeprefix("--"), self._files_of_lines())

    @property
    def on_stdout(self) -> bool:
        """Whether one of them is stdout: then nothing else is printed there."""
        return any(path is not None and is_stdout(path) for path in (self.results, self.events, self.report))

    def results_file(self, stdout: int | None) -> ResultsFile | None:
        """The sink of answers, if they were asked for; on `stdout`, a descriptor, where that is meant."""
        if self.results is None:
            return None
        config = LinesConfig.model_validate(self._settings[self.results])
        return ResultsFile(self.results, config=config, **self._options(self.results, stdout))

    def events_file(self, stdout: int | None) -> EventsFile | None:
        """The same of events."""
        if self.events is None:
            return None
        config = EventsConfig.model_validate(self._settings[self.events])
        return EventsFile(self.events, config=config, **self._options(self.events, stdout))

    def lines_files(self, stdout: int | None) -> list[LinesSink]:
        """The sinks of answers and events, as far as they were asked for."""
        return [sink for sink in (self.results_file(stdout), self.events_file(stdout)) if sink is not None]

    def stores(self) -> list[StoreSink]:
        """The sink that keeps events, if one was asked for."""
        return [] if self._store is None else [StoreSink(StoreConfig(path=str(self._store)))]

    def report_file(self, stdout: int | None) -> ReportFile | None:
        """The same of reports."""
        return None if self.report is None else ReportFile(self.report, stdout if is_stdout(self.report) else None)

    def _options(self, path: Path, stdout: int | None) -> dict[str, Any]:
        return {"keep": not self._earlier.overwrite, "descriptor": stdout if is_stdout(path) else None}

    def _files_of_lines(self) -> list[Named]:
        options = {"--results": self.results, "--events": self.events}
        return [Named(option, path) for option, path in options.items() if path is not None] + self._sinks

    def files(self) -> list[Named]:
        """All that are written."""
        files = self._files_of_lines() + self._stores
        if self.report is not None:
            files.append(Named("--report", self.report))
        if self.video is not None:
            files += [Named("--video", self.video.file_of(stream)) for stream in self._streams]
        return files


class ReportFile:
    """Where reports go, each in place of the one before.

    Args:
        descriptor: to write to in place of the file that `path` names.
    """

    def __init__(self, path: Path, descriptor: int | None) -> None:
        self._path = path
        self._descriptor = descriptor

    @property
    def takes_many(self) -> bool:
        """Not so a pipe, of which the reader expects one document."""
        return self._descriptor is None and (self._path.is_file() or not self._path.exists())

    def write(self, report: dict[str, Any]) -> None:
        """Write it whole or not at all; raises RunError."""
        text = json.dumps(report, indent=2) + "\n"
        if self._descriptor is None:
            write_whole(self._path, text, "report")
            return
        try:
            with open(self._descriptor, "w", closefd=False) as out:
                out.write(text)
        except OSError as error:
            raise RunError(f"report {self._path} cannot be written: {error.strerror}") from None


def inputs_of(pipeline: Pipeline, files: Sequence[Named], *, by_option: bool) -> list[Named]:
    """All files that a run reads.

    Args:
        files: the pipeline's own, and its configuration.
        by_option: whether streams were given by `--source`.
    """
    found = list(files)
    for name, stream in pipeline.streams.items():
        option = f"--source {name}=" if by_option else f"streams.{name}.url"
        for url in filter(None, (stream.spec.recording.url, stream.spec.record_url)):
            found += [Named(option, file) for file in secret_files(url)]
            if not is_camera(url) or Path(url).exists():
                found.append(Named(option, Path(url).expanduser()))
    folders = [Path(folder) for folder in pipeline.search_paths]
    for name, spec in pipeline.models.items():
        found += [Named(f"models.{name}.path", file) for file in files_of(spec, folders)]
    for stage in pipeline.stages:
        if file := getattr(sys.modules.get(stage.type.__module__), "__file__", None):
            found.append(Named(f"stages.{stage.id}.type", Path(file)))
    return found


def is_stdout(path: Path) -> bool:
    """Whether a user means stdout by it."""
    return str(path) in STDOUT


@contextmanager
def own_stdout() -> Iterator[int]:
    """A descriptor of stdout for one writer alone: whatever else is printed meanwhile goes to stderr."""
    sys.stdout.flush()
    own = os.dup(1)
    os.dup2(2, 1)
    try:
        yield own
    finally:
        sys.stdout.flush()
        os.dup2(own, 1)
        os.close(own)


def _check(path: Path, what: str, lines: Sequence[Named]) -> None:
    put_aside = path.is_file() and path.stat().st_size > 0 and path in [file.path for file in lines]
    check_writable(path, what, replaced=what == "report" or put_aside)
    if what == "report" and path.is_file() and not _is_report(path):
        raise ConfigError(f"--report {path}: what is there is no report: move it away, or write to another file")
    if path.is_file() and what != "report":
        held = claim(path, what, make=False)
        if held is not None:
            os.close(held)


def _is_report(path: Path) -> bool:
    """Whether nothing is lost where a report takes the place of what is there."""
    with path.open("rb") as file:
        begins = file.read(200)
    return not begins.strip() or (begins.startswith(b"{") and b'"finished"' in begins)


def _is_same(one: Path, other: Path) -> bool:
    """By whatever names and links they are reached; what is thrown away may be anybody's."""
    identity = _identity(one)
    return identity == _identity(other) and identity != _identity(Path(os.devnull))


def _identity(path: Path) -> Hashable:
    try:
        known = os.fstat(1) if is_stdout(path) else path.stat()
    except OSError:  # there is none yet
        return os.path.realpath(path)
    return known.st_dev, known.st_ino


def _is_put_aside(path: Path, results: Path) -> bool:
    name = re.escape(Path(os.path.realpath(results)).name)
    real = Path(os.path.realpath(path))
    return bool(re.fullmatch(rf"{name}\.\d+", real.name)) and real.parent == Path(os.path.realpath(results)).parent
