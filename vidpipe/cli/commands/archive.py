"""`vidpipe archive`: recordings in bulk, in chunks that workers answer side by side."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from vidpipe.cli.profiles import with_profiles
from vidpipe.cli.seconds import seconds
from vidpipe.cli.terminal.archive_table import ArchiveTable
from vidpipe.cli.terminal.summary import print_summary
from vidpipe.core.errors import ConfigError
from vidpipe.core.files import check_writable, unread
from vidpipe.pipeline.spec import Pipeline
from vidpipe.runtime.driver.outcome import Outcome

_SILENT = {"floor": None, "f1": None}
_SUMMED = 20  # recordings beyond which each has its line in the report alone


@dataclass(frozen=True, slots=True)
class ArchiveOptions:
    """What the user asked for."""

    pipeline: str
    config: Path | None
    sources: Sequence[str]
    sets: Sequence[str]
    list: Path | None
    out: Path
    workers: int | None
    address: str | None
    chunk: str
    warm_up: str
    store: Path | None
    parquet: bool
    profiles: Path | None
    look_ahead: bool = False


def run_archive_command(options: ArchiveOptions) -> int:
    """Work on the archive, and say what came of it; the exit status. Raises VidpipeError."""
    from vidpipe.archive.run import Options, run_archive

    pipeline = _loaded(options)
    if options.store is not None:
        check_writable(options.store, "store")
    chunk_s, warm_up_s = seconds("--chunk", options.chunk), _warm_up(options.warm_up)
    assert chunk_s is not None
    where = options.workers, options.address, chunk_s, warm_up_s, options.store
    how = Options(*where, options.parquet, options.look_ahead)
    with _stopped() as stop, ArchiveTable() as table:
        outcome = run_archive(pipeline, options.out, how, watchers=[table], stop=stop)
    _summarise(outcome.pipeline or pipeline, options.out, outcome)
    return outcome.exit_status


def _summarise(pipeline: Pipeline, out: Path, outcome: Outcome) -> None:
    report, told = outcome.report, outcome.report["archive"]
    if len(report["streams"]) > _SUMMED:
        silent = {name: {**stream, "accuracy": _SILENT} for name, stream in report["streams"].items()}
        outcome = replace(outcome, report={**report, "streams": silent})
    print_summary(pipeline, outcome)
    console = Console(stderr=True, soft_wrap=True, highlight=False)
    agree = told["f1_at_joint"]
    joints = f"; at {told['joints']} joints chunks agree by F1 {agree:.3f}" if agree is not None else ""
    console.print(
        f"{told['joined']} of {told['recordings']} recordings in {out}, {told['chunks']} chunks; "
        f"{told['asked_twice']} frames asked twice{joints}",
        markup=False,
    )
    for note in outcome.notes:
        console.print(f"note: {note}", markup=False)
    for error in outcome.errors:
        console.print(f"vidpipe: {error}", markup=False)
    if outcome.interrupted:
        console.print("vidpipe: interrupted; the same command goes on where it was", markup=False)


def _loaded(options: ArchiveOptions) -> Pipeline:
    from vidpipe.pipeline.yaml.load import load
    from vidpipe.sources.open import expand

    sources = expand(*options.sources, *_listed(options.list))
    return with_profiles(
        load(options.pipeline, config=options.config, sources=sources, sets=options.sets), options.profiles
    )


def _listed(file: Path | None) -> list[str]:
    """The recordings of a list, one a line; raises ConfigError where it cannot be read."""
    if file is None:
        return []
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"--list {file} cannot be read: {unread(error)}") from None
    return [line for line in text.splitlines() if line.strip()]


def _warm_up(text: str) -> float:
    """Seconds, and unlike other times also none."""
    return 0.0 if text.strip() in ("0", "0s") else seconds("--warm-up", text) or 0.0


@contextmanager
def _stopped() -> Iterator[threading.Event]:
    """Set by SIGINT and SIGTERM, so that it ends in order; a second one ends it at once."""
    stop = threading.Event()

    def ask(number: int, _: object) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
