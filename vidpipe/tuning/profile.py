"""What was learnt of a stream, as a folder that a run picks up by the stream's name.

    PROFILES/NAME/profile.json   which version counts, and of each: settings, what it was made for, the evidence
    PROFILES/NAME/v1/            files of version 1: scene.npz, gate.gate or gates/

Nothing in it is a picture of a thing, but for what a gate goes on learning from, `gates/examples.npz`; `scene.npz`
holds the empty scene, 160 pixels wide.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache, partial
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from vidpipe.cascade.stage import Stage
from vidpipe.core.errors import ConfigError, RunError, SourceError
from vidpipe.core.files import unread, write_whole
from vidpipe.core.frame import Frame
from vidpipe.core.settings import Knobs, StageConfig
from vidpipe.models.resolve import resolve
from vidpipe.models.stores.paths import with_weights
from vidpipe.pipeline.models import models_of
from vidpipe.pipeline.spec import Pipeline, PlacedStage, Stream, Tier
from vidpipe.sources.base import StreamSpec
from vidpipe.sources.open import open_source
from vidpipe.stages.difference.difference import Difference, DifferenceConfig
from vidpipe.stages.difference.scene import Scene
from vidpipe.stages.gate.gate import GateConfig, GateStage
from vidpipe.stages.sample import Sample, SampleConfig
from vidpipe.tuning.paths import FILE, folder_of

FORMAT = 1
_LARGE = 64 << 20  # bytes of a model that are read to know it again: its first, and its length

Settings = dict[str, dict[str, Any]]
"""Of filters, by their type: what their Config takes. Paths are relative to the version's folder."""


@dataclass(frozen=True, slots=True)
class _Filter:
    """A filter that a profile may set, in the order in which frames come to them.

    Attributes:
        off: settings of a stage that passes every frame on.
        paths: of its settings, those that are files or folders.
        keeps: of its settings, those that stay as the pipeline has them.
    """

    name: str
    type: type[Stage[Any]]
    off: StageConfig
    paths: tuple[str, ...] = ()
    keeps: tuple[str, ...] = ()


FILTERS = (
    _Filter("sample", Sample, SampleConfig(fps=1000)),
    _Filter("difference", Difference, DifferenceConfig(enabled=False), ("scene",)),
    _Filter("gate", GateStage, GateConfig(enabled=False), ("weights",), ("want",)),
)


class Version(BaseModel):
    """One state of a profile; written once, never changed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: int = Field(ge=1)
    made_at: str
    vidpipe: str
    reason: str
    size: tuple[int, int]
    classes: list[str]
    model: str
    settings: Settings
    says: str
    evidence: dict[str, Any]


class Profile(BaseModel):
    """All versions of a stream's profile.

    Attributes:
        current: the version that runs use; 0: none.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: int
    stream: str
    current: int
    versions: list[Version]

    def version(self, number: int) -> Version | None:
        return next((version for version in self.versions if version.version == number), None)


@dataclass(frozen=True, slots=True)
class Applied:
    """A pipeline with the profiles of its streams.

    Attributes:
        lines: what became of each profile that there is, for the user.
    """

    pipeline: Pipeline
    lines: list[str]


def read(profiles: Path, stream: str) -> Profile | None:
    """The profile of a stream; None where there is none. Raises ConfigError where it cannot be read."""
    path = folder_of(profiles, stream) / FILE
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"profile {path} cannot be read: {unread(error)}") from None
    try:
        data = json.loads(text)
        found = data.get("format") if isinstance(data, dict) else None
        if found != FORMAT:
            raise ConfigError(f"profile {path} is of format {found}, this vidpipe reads {FORMAT}: specialize again")
        return Profile.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise ConfigError(f"profile {path} is damaged: {place}: {first['msg']}: specialize again") from None
    except json.JSONDecodeError as error:
        raise ConfigError(f"profile {path} is damaged (line {error.lineno}): specialize again") from None


def add(
    profiles: Path, stream: str, made: Mapping[str, Any], files: Mapping[str, Callable[[Path], None]]
) -> tuple[Version, Path]:
    """Write a new version, which counts from now on; gives it and its folder.

    Args:
        made: the fields of `Version` but for its number, time and vidpipe's version.
        files: what writes each, by name.

    Raises:
        RunError: the folder cannot be written.
    """
    try:
        known = read(profiles, stream)
    except ConfigError:  # what cannot be read cannot be gone on with
        known = None
    versions = known.versions if known else []
    number = max((version.version for version in versions), default=0) + 1
    now = datetime.now(UTC).isoformat(timespec="seconds")
    version = Version(version=number, made_at=now, vidpipe=version_of("vidpipe"), **made)
    folder = folder_of(profiles, stream) / f"v{number}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        folder.parent.chmod(0o700)  # a view of somebody's yard is nobody else's business
    except OSError as error:
        raise RunError(f"profile {folder} cannot be written: {error.strerror}") from None
    for name, write_to in files.items():
        write_to(folder / name)
    _write(profiles, Profile(format=FORMAT, stream=stream, current=number, versions=[*versions, version]))
    return version, folder


def use(profiles: Path, stream: str, number: int) -> Profile:
    """Make another version count, 0 for none; raises ConfigError where there is no such version."""
    profile = read(profiles, stream)
    if profile is None:
        raise ConfigError(f"stream {stream} has no profile in {profiles}")
    if number and profile.version(number) is None:
        there = ", ".join(str(version.version) for version in profile.versions)
        raise ConfigError(f"the profile of stream {stream} has no version {number}; there is {there}, and 0 for none")
    changed = profile.model_copy(update={"current": number})
    _write(profiles, changed)
    return changed


def apply(pipeline: Pipeline, profiles: Path, *, look: bool) -> Applied:
    """Set the filters of each stream that has a profile; those that the pipeline lacks are put in before its stages.

    A profile that does not fit, or cannot be read, is left out, and a line says why: the stream runs without it.

    Args:
        look: open recordings, to see whether they are of the camera that was learnt. Of cameras the stages find out.
    """
    lines: list[str] = []
    settings: dict[str, Settings] = {}
    model = cache(partial(model_digest, pipeline))  # read once, and only where there is a profile
    for name in pipeline.streams:
        try:
            found = _settings(pipeline, profiles, name, model)
            if found is not None:
                _check_scene(name, pipeline.streams[name].spec, found[0], look=look)
        except ConfigError as error:
            lines.append(f"{error}; stream {name} runs without it")
            continue
        if found is not None:
            settings[name], line = found
            lines.append(line)
    for filter_ in FILTERS:
        if any(filter_.name in of_stream for of_stream in settings.values()):
            pipeline = _with(pipeline, filter_)
    streams = {name: _set(pipeline, stream, settings.get(name, {})) for name, stream in pipeline.streams.items()}
    return Applied(replace(pipeline, streams=streams), lines)


def model_digest(pipeline: Pipeline, name: str | None = None) -> str:
    """Tells a model from others, by default the last stage's; empty where there is none."""
    name = models_of(pipeline)[1] if name is None else name
    if name is None:
        return ""
    spec = pipeline.models[name]
    known = resolve(spec, [Path(path) for path in pipeline.search_paths], pipeline.classes)
    digest = hashlib.sha256(repr((known.size, known.threshold, spec.slicing)).encode())
    if spec.precision != "auto":
        digest.update(spec.precision.encode())
    for file in with_weights(known.file) if known.file else ():
        digest.update(str(file.stat().st_size).encode())
        with file.open("rb") as opened:
            digest.update(opened.read(_LARGE))
    return digest.hexdigest()[:32]


def _settings(pipeline: Pipeline, profiles: Path, stream: str, model: Callable[[], str]) -> tuple[Settings, str] | None:
    """What the current version of a stream's profile sets, with a line on it; None where there is none.

    Args:
        model: gives the pipeline's `model_digest`.

    Raises:
        ConfigError: it was made for something else, or is damaged.
    """
    profile = read(profiles, stream)
    if profile is None or profile.current == 0:
        return None
    version = profile.version(profile.current)
    what = f"profile of stream {stream}"
    if version is None:
        raise ConfigError(f"{what} is damaged: version {profile.current} is missing")
    if version.classes != list(pipeline.classes.names):
        raise ConfigError(f"{what} is for classes {', '.join(version.classes)}: specialize again")
    if version.model != model():
        raise ConfigError(f"{what} was learnt from another model than the last stage's: specialize again")
    folder = folder_of(profiles, stream) / f"v{version.version}"
    settings = {name: _located(name, values, folder, what) for name, values in version.settings.items()}
    return settings, f"{what}: version {version.version} of {version.made_at[:10]}: {version.says}"


def _check_scene(name: str, stream: StreamSpec, settings: Settings, *, look: bool) -> None:
    """Raise ConfigError where the learnt scene is damaged, or a recording's first picture is not of it."""
    path = settings.get("difference", {}).get("scene")
    if not path:
        return
    try:
        scene = Scene.read(Path(path))
    except ConfigError as error:
        raise ConfigError(f"profile of stream {name}: {error}: specialize again") from None
    if stream.live or not look:
        return
    try:
        source = open_source(name, stream, knobs=Knobs())
    except SourceError:  # the run itself will tell
        return
    with closing(source):
        first = next((picture for picture in source if isinstance(picture, Frame)), None)
    if first is None:
        return
    why = scene.differs((first.width, first.height), first.preview().astype(np.float32))
    if why:
        raise ConfigError(f"profile of stream {name} is of another camera: {why}")


def _located(name: str, values: Mapping[str, Any], folder: Path, what: str) -> dict[str, Any]:
    """Settings with the paths of their files whole."""
    filter_ = next((one for one in FILTERS if one.name == name), None)
    if filter_ is None:
        raise ConfigError(f"{what} sets a filter '{name}', which this vidpipe does not know: specialize again")
    files = {key: str((folder / values[key]).absolute()) for key in filter_.paths if values.get(key)}
    missing = next((path for path in files.values() if not Path(path).exists()), None)
    if missing:
        raise ConfigError(f"{what} is damaged: {missing} is missing: specialize again")
    return {**values, **files}


def _with(pipeline: Pipeline, filter_: _Filter) -> Pipeline:
    """The pipeline with such a stage on the device; one that is put in stands behind those before it, and is off."""
    if _place(pipeline, filter_) is not None:
        return pipeline
    names = [one.name for one in FILTERS]
    before = [place + 1 for one in FILTERS[: names.index(filter_.name)] if (place := _place(pipeline, one)) is not None]
    at = max(before, default=0)
    taken = {stage.id for stage in pipeline.stages}
    name = next(name for name in (filter_.name, f"learnt-{filter_.name}") if name not in taken)
    stage = PlacedStage(name, filter_.type, filter_.off, Tier.DEVICE)
    return replace(pipeline, stages=(*pipeline.stages[:at], stage, *pipeline.stages[at:]))


def _place(pipeline: Pipeline, filter_: _Filter) -> int | None:
    """Where the pipeline has such a stage on the device, or None."""
    places = (
        place for place, stage in enumerate(pipeline.stages) if stage.type is filter_.type and stage.tier is Tier.DEVICE
    )
    return next(places, None)


def _set(pipeline: Pipeline, stream: Stream, settings: Settings) -> Stream:
    """The stream with these filters set, and the others as they are."""
    configs = dict(stream.configs)
    for filter_ in FILTERS:
        place = _place(pipeline, filter_)
        if place is not None and filter_.name in settings:
            stage = pipeline.stages[place]
            own = configs.get(stage.id, stage.config)
            kept = {name: getattr(own, name) for name in filter_.keeps}
            configs[stage.id] = filter_.type.Config.model_validate({**kept, **settings[filter_.name]})
    return replace(stream, configs=configs)


def _write(profiles: Path, profile: Profile) -> None:
    write_whole(folder_of(profiles, profile.stream) / FILE, profile.model_dump_json(indent=2) + "\n", "profile")
