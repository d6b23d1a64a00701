"""What a pipeline runs with: its models, cameras and recordings, and the ports that it listens at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from vidpipe.cli.doctor.finding import Finding, note, ok, problem
from vidpipe.core.errors import ConfigError, SourceError, VidpipeError
from vidpipe.core.settings import Knobs
from vidpipe.models.base import ModelSpec
from vidpipe.models.cache import fetched_dir
from vidpipe.models.resolve import resolve
from vidpipe.pipeline.spec import Part, Pipeline
from vidpipe.results.sinks import http
from vidpipe.sources.address import from_environment, is_camera
from vidpipe.sources.base import StreamSpec
from vidpipe.sources.open import open_source

_AT_ONCE = 8  # cameras; each takes one connection


def pipeline_findings(pipeline: Pipeline, seconds: float) -> Iterator[Finding]:
    """All that is found about it.

    Args:
        seconds: how long each camera is watched.
    """
    paths = [Path(path) for path in pipeline.search_paths]
    for name, spec in pipeline.models.items():
        yield model(name, spec, paths)
    with ThreadPoolExecutor(_AT_ONCE, "doctor") as pool:
        look = partial(stream, seconds=seconds)
        specs = {name: each.spec for name, each in pipeline.streams.items()}
        for findings in pool.map(look, specs, specs.values()):
            yield from findings
    for part in pipeline.sinks:
        yield from listening(part)


def model(name: str, spec: ModelSpec, search_paths: Sequence[Path]) -> Finding:
    """Whether its file is there; a model is fetched by the first run that needs it."""
    about = f"model {name}"
    try:
        known = resolve(spec, search_paths)
    except VidpipeError as error:
        return problem(about, str(error), "see docs/models.md")
    if known.file is None and known.origin != "python":
        return note(
            about, f"{spec.path} is not here yet", f"the first run fetches it; offline, put it in {fetched_dir()}"
        )
    return ok(about, f"{spec.path}, {known.family or 'of your own'}")


def stream(name: str, spec: StreamSpec, *, seconds: float) -> list[Finding]:
    """Whether pictures come of it."""
    about = f"stream {name}"
    try:
        if is_camera(from_environment(spec.url)):
            return _camera(about, spec, seconds)
        source = open_source(name, spec.model_copy(update={"live": False}), knobs=Knobs())
    except (SourceError, VidpipeError) as error:
        return [problem(about, str(error).removeprefix(f"{about}: "), "see docs/cameras.md")]
    try:
        info = source.info
        rate = f", {info.fps:g} pictures a second" if info.fps else ""
        return [ok(about, f"{info.width}x{info.height}{rate}")]
    finally:
        source.close()


def _camera(about: str, spec: StreamSpec, seconds: float) -> list[Finding]:
    from vidpipe.cli.camera_hints import hints
    from vidpipe.sources.cameras.errors import CameraError
    from vidpipe.sources.cameras.probe import probe

    try:
        found = probe(spec, seconds)
    except CameraError as error:
        return [problem(about, f"cannot be watched: {error}", "look closer with `vidpipe probe`")]
    said = f"{found.codec} {found.width}x{found.height}, {found.measured_fps:.1f} pictures a second"
    if not found.width:
        return [problem(about, f"no whole picture came within {seconds:g} s", "look longer with `vidpipe probe`")]
    return [note(about, said, hint) for hint in hints(found, from_environment(spec.url))] or [ok(about, said)]


def listening(part: Part) -> Iterator[Finding]:
    """Whether a sink that listens may."""
    port = getattr(part.config, "port", None)
    if port is None or getattr(part.config, "host", None) is not None:  # that of somebody else
        return
    yield port_is_free(f"port {port}", port, getattr(part.config, "address", "127.0.0.1"))


def port_is_free(about: str, port: int, address: str) -> Finding:
    """Whether one may listen there."""
    try:
        http.listening(port, address, "it", 1).close()
    except ConfigError as error:
        return problem(about, str(error), "or end who listens there")
    return ok(about, f"free at {address}")
