"""`vidpipe archive` from a pipeline with recordings to what is left of it in a folder."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from vidpipe.archive.ahead.run import check_transforms, tracker_of
from vidpipe.archive.answering import Answerer, without_rules
from vidpipe.archive.archive import Archive, Watcher
from vidpipe.archive.folder import Folder
from vidpipe.archive.growing import growing
from vidpipe.archive.joining import Joiner, Joints
from vidpipe.core.errors import ConfigError, RunError
from vidpipe.core.extras import how_to_install, is_installed
from vidpipe.core.files import write_whole
from vidpipe.pipeline.plan import plan
from vidpipe.pipeline.spec import Pipeline, Stream
from vidpipe.results.parquet import check_installed, export_parquet
from vidpipe.results.provenance import Provenance, hashes_of
from vidpipe.results.recorded import RecordedResults
from vidpipe.results.report import build_report
from vidpipe.results.sinks.base import Sink
from vidpipe.results.sinks.events import EventsConfig, EventsFile
from vidpipe.results.store.sink import StoreConfig, StoreSink
from vidpipe.results.usage import machine
from vidpipe.runtime.driver.outcome import Outcome, notes_of, stage_errors, stream_errors
from vidpipe.runtime.tasks import LocalTaskWorkers, TaskWorkers
from vidpipe.sources.address import is_camera
from vidpipe.sources.own import is_own

CHUNK_S = 300.0
WARM_UP_S = 10.0


@dataclass(frozen=True, slots=True)
class Options:
    """How an archive is worked on, and what it leaves beside results and report.

    Attributes:
        workers: how many; None: one for each core.
        address: of a Ray whose machines they are on; None: they are processes of this machine.
        chunk_s: media seconds of a chunk at least.
        warm_up_s: media seconds at least that stages see before a chunk begins.
        store: keeps events and counts.
        parquet: whether results are written as Parquet, too.
        look_ahead: whether boxes between two looks come from both of them.
    """

    workers: int | None = None
    address: str | None = None
    chunk_s: float = CHUNK_S
    warm_up_s: float = WARM_UP_S
    store: Path | None = None
    parquet: bool = False
    look_ahead: bool = False


def run_archive(
    pipeline: Pipeline,
    out: Path,
    options: Options = Options(),
    *,
    watchers: Sequence[Watcher] = (),
    stop: threading.Event | None = None,
    wait: Callable[[float], object] = time.sleep,
    make_workers: Callable[[Pipeline, Options], TaskWorkers] | None = None,
) -> Outcome:
    """Answer all recordings of a pipeline, or go on where an earlier start on the same folder has ended.

    Args:
        pipeline: its streams are the recordings.
        stop: set, it ends in order; what is done stays.
        wait: for files that may be growing.
        make_workers: in place of those that the options name.

    Returns:
        How it ended, with the report that it has also written.

    Raises:
        ConfigError: it cannot be begun, or the folder belongs to an archive under other settings.
        RunError: the disk is full, or workers cannot be had; what is done stays.
    """
    cpu_before = time.process_time()
    stop = stop or threading.Event()
    streams = _recordings(pipeline)
    if options.parquet:
        check_installed()
    if options.look_ahead:
        check_transforms(pipeline)
        for name in streams:
            tracker_of(replace(pipeline, streams=streams), name)
    bare = replace(pipeline, streams={}, media=None, sinks=())
    told = Provenance(bare).told(bare, {})
    start = told.pop("start")
    told = {**told, "own": _own_code(pipeline), "chunk_s": options.chunk_s, "warm_up_s": options.warm_up_s}
    if options.look_ahead:
        told["look_ahead"] = True
    folder = Folder(out, told, start)
    workers: TaskWorkers | None = None
    try:
        unsettled = growing({name: Path(stream.spec.url) for name, stream in streams.items()}, wait)
        workers = (make_workers or _workers)(bare, options)
        sinks = _Sinks(pipeline, folder, options.store)
        joiner = Joiner(bare, sinks.every, folder.results, folder.start, stop.is_set)
        lengths = {"chunk_s": options.chunk_s, "warm_up_s": options.warm_up_s}
        archive = Archive(streams, folder, workers, joiner, watchers, **lengths, stop=stop)
        for name, why in unsettled.items():
            archive.leave_out(name, why)
        try:
            archive.run()
        finally:
            sinks.close(joiner, whole=not stop.is_set())
        if options.parquet:
            for name in joiner.joints:
                export_parquet(RecordedResults(folder.results(name)), folder.path / f"{name}.parquet")
        cpu_s = joiner.cpu_s + time.process_time() - cpu_before
        outcome = _outcome(replace(bare, streams=streams), archive, joiner, cpu_s, interrupted=stop.is_set())
        write_whole(folder.path / "report.json", json.dumps(outcome.report, indent=2) + "\n", "report")
        return outcome
    finally:
        if workers is not None:
            workers.close()
        folder.close()


def _own_code(pipeline: Pipeline) -> Mapping[str, str | None]:
    """The SHA-256 of the files that a user's own stages and transforms come from."""
    modules = {part.type.__module__ for part in pipeline.placed.values()}
    files = [getattr(sys.modules.get(name), "__file__", None) for name in modules if not name.startswith("vidpipe.")]
    return hashes_of(Path(file) for file in files if file is not None)


class _Sinks:
    """What gets the results and events of all recordings."""

    def __init__(self, pipeline: Pipeline, folder: Folder, store: Path | None) -> None:
        self._events = folder.path / "events.jsonl"
        self._part = self._events.with_name(f".{self._events.name}.part")
        self.every: list[Sink] = []
        if pipeline.transforms:
            if "events" in pipeline.streams:
                raise ConfigError(f"stream events: {self._events} is where events go; give it another name")
            self.every.append(EventsFile(self._part, config=EventsConfig(path=str(self._part)), keep=False))
        if store is not None:
            self.every.append(StoreSink(StoreConfig(path=str(store))))

    def close(self, joiner: Joiner, *, whole: bool) -> None:
        """Keep what they got; events take their place only where all are told."""
        try:
            joiner.close()
            if whole and self._part.exists():
                self._part.replace(self._events)
        except OSError as error:
            raise RunError(f"events {self._events} cannot be written: {error.strerror}") from None
        finally:
            self._part.unlink(missing_ok=True)


def _recordings(pipeline: Pipeline) -> dict[str, Stream]:
    """The streams, each a file that waits for whoever looks at it; raises ConfigError for others."""
    if not pipeline.streams:
        raise ConfigError("nothing to answer: give recordings with --source or --list, or streams with --config")
    if pipeline.tuner is not None:
        raise ConfigError(
            "a tuner, or a floor, follows a stream from its beginning, and chunks begin anywhere: leave it out, and "
            "have `vidpipe tune` choose settings before"
        )
    for name, stream in pipeline.streams.items():
        if is_camera(stream.spec.url) or is_own(stream.spec.url):
            raise ConfigError(f"stream {name} is no recording: an archive is made of files; use `vidpipe run` for it")
    return {name: replace(stream, spec=stream.spec.waiting) for name, stream in pipeline.streams.items()}


def _workers(pipeline: Pipeline, options: Options) -> TaskWorkers:
    bare = without_rules(pipeline)
    make = partial(Answerer, bare, machine(), look_ahead=options.look_ahead)
    if options.address is None:
        return LocalTaskWorkers(options.workers or len(os.sched_getaffinity(0)), pipeline.search_paths, make)
    if not is_installed("ray"):  # its import is left to the package that prepares for it
        raise ConfigError(f"--address needs the package ray: `{how_to_install('ray')}`")
    from vidpipe.runtime.ray.tasks import RayTaskWorkers

    return RayTaskWorkers(plan(bare), options.address, options.workers, pipeline.search_paths, make)


def _outcome(pipeline: Pipeline, archive: Archive, joiner: Joiner, cpu_s: float, *, interrupted: bool) -> Outcome:
    collector, counts = joiner.collector, joiner.counts
    errors = [f"{name} is left out: {why}" for name, why in archive.left_out.items()]
    errors += joiner.errors + stage_errors(counts) + stream_errors(collector)
    known = {name: pipeline.streams[name] for name in collector.ledgers}
    joined = replace(pipeline, streams=known)
    report: dict[str, Any] = {
        "finished": not interrupted,
        "errors": errors,
        "run": joiner.provenance(joined, {}),
        **build_report(joined, collector, counts, archive.worked_s, cpu_s),
        "archive": _told(archive, joiner),
    }
    for name, joints in joiner.joints.items():
        report["streams"][name]["joints"] = joints.report()
    return Outcome(report, errors, notes_of(collector), interrupted, joined)


def _told(archive: Archive, joiner: Joiner) -> Mapping[str, Any]:
    """What the report says of recordings and chunks."""
    progress = archive.progress
    return {
        "recordings": progress.recordings,
        "joined": progress.joined,
        "left_out": archive.left_out,
        "chunks": progress.chunks,
        "deaths": archive.deaths,
        "failed_chunks": len(joiner.errors),
        "answering_s": round(joiner.answering_s, 3),
        **sum(joiner.joints.values(), Joints()).report(),
    }
