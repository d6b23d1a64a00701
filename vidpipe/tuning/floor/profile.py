"""What tuning has chosen for a stream: a file beside what `specialize` has learnt of it, which runs pick up by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from vidpipe.accuracy.reference.model import folders
from vidpipe.accuracy.series import Series
from vidpipe.core.errors import ConfigError, ModelError, RunError
from vidpipe.core.files import check_writable, unread, write_whole
from vidpipe.core.settings import with_values
from vidpipe.models.base import Precision
from vidpipe.models.resolve import resolve
from vidpipe.models.stores import int8
from vidpipe.pipeline.spec import Pipeline, Stream
from vidpipe.sources.base import DECODE_ALL, Decoding, StreamSpec, Want
from vidpipe.stages.track.seen import By
from vidpipe.tuning.floor.configuration import TRIGGER, Configuration, Roles, model_of_stage, roles_of
from vidpipe.tuning.floor.search import Search, Tried
from vidpipe.tuning.floor.trial import Trial
from vidpipe.tuning.looks import Variant
from vidpipe.tuning.paths import TUNED, folder_of, int8_of
from vidpipe.tuning.profile import model_digest

FORMAT = 2


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Look(_Part):
    """Which variant looks: a model, a size of its input, and a precision."""

    model: str
    size: int | tuple[int, int] | None
    precision: Precision | None = None


class Point(_Part):
    """A configuration on the footage, as the frontier has it.

    Attributes:
        says: what it is, in a line.
        f1, low, high: against the reference, with the bounds that it was judged by.
        blocks: independent stretches of time that the bounds rest on.
        cpu_ms: CPU time a frame.
        looks: share of frames that a model looks at.
        believed, longest_s, change, failing, still, decoding: as in `Configuration`.
    """

    says: str
    look: Look | None
    believed: float = Field(ge=0, le=1)
    motion: By
    step_s: float = Field(ge=0)
    between_s: float = Field(ge=0)
    longest_s: float | None = Field(gt=0)
    triggers: bool
    difference: bool
    guarded: bool
    f1: float | None
    low: float
    high: float
    blocks: int
    cpu_ms: float = Field(gt=0)
    looks: float
    change: float = TRIGGER
    failing: float = TRIGGER
    still: float | None = None
    decoding: Decoding = DECODE_ALL


class Tuned(_Part):
    """What was chosen for one stream, and what speaks for it; `tuned.json`.

    Attributes:
        model: tells the last stage's model from others.
        little: the same of the one that may look in its place; empty where there is none.
        stages: ids and types that the pipeline had.
        key: of all that the choice depends on: the same again has the same.
        frontier: all that was tried, the cheapest first.
        static: the cheapest that holds boxes between looks at even distances, by the same bound.
        trial: how well the reference repeats itself.
        more_s: media seconds of footage that it would take to choose the next cheaper one; None: none would be.
        fps: pictures a second of the footage; None where an earlier vidpipe has tuned.
        picture: their (width, height), the same.
    """

    format: int = FORMAT
    stream: str
    made_at: str
    vidpipe: str
    floor: float = Field(gt=0, lt=1)
    want: Want
    classes: list[str]
    model: str
    little: str
    stages: list[tuple[str, str]]
    key: str
    refused: str
    chosen: Point
    next_cheaper: Point | None
    static: Point
    safe: Point
    frontier: list[Point]
    trial: dict[str, float | None]
    dropped: dict[str, str]
    video_s: float
    tuned_s: float
    more_s: float | None
    cost: dict[str, float]
    fps: float | None = None
    picture: tuple[int, int] | None = None


def point(tried: Tried) -> Point:
    """A configuration as the file has it."""
    configuration, estimate = tried.configuration, tried.estimate
    looker = configuration.looker
    return Point(
        says=str(configuration),
        look=None if looker is None else Look(**looker._asdict()),
        believed=configuration.believed,
        motion=configuration.motion,
        step_s=configuration.step_s,
        between_s=round(configuration.between_s, 4),
        longest_s=configuration.longest_s and round(configuration.longest_s, 4),
        triggers=configuration.triggers,
        difference=configuration.difference,
        guarded=tried.guarded,
        f1=estimate.value,
        low=estimate.low,
        high=estimate.high,
        blocks=estimate.blocks,
        cpu_ms=tried.cpu_ms,
        looks=tried.looks,
        change=configuration.change,
        failing=configuration.failing,
        still=configuration.still,
        decoding=configuration.decoding,
    )


def configuration_of(point: Point) -> Configuration:
    """The way back."""
    looker = None if point.look is None else Variant(point.look.model, point.look.size, point.look.precision)
    return Configuration(
        looker,
        point.believed,
        point.motion,
        point.step_s,
        point.between_s,
        point.longest_s,
        point.triggers,
        point.change,
        point.failing,
        point.difference,
        point.still,
        point.decoding,
    )


class Basis:
    """What a choice rests on: classes, stages and models of a pipeline. Models are read once, and only where asked for.

    Attributes:
        classes, stages, model, little: as in `Tuned`.
    """

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self.classes = list(pipeline.classes.names)

    @cached_property
    def stages(self) -> list[tuple[str, str]]:
        """Raises ConfigError where the last stage is no `detect`."""
        stages = self._roles.pipeline.stages  # with the tracker that a floor puts in
        return [(stage.id, f"{stage.type.__module__}:{stage.type.__qualname__}") for stage in stages]

    @cached_property
    def model(self) -> str:
        return model_digest(self._pipeline)

    @cached_property
    def little(self) -> str:
        """Raises ConfigError as `stages` does."""
        little = self._roles.little
        return "" if little is None else model_digest(self._pipeline, model_of_stage(self._pipeline, little))

    def read(self, profiles: Path, stream: str) -> Tuned | None:
        """What was chosen for a stream; None where nothing was.

        Raises:
            ConfigError: it cannot be read, or is of no use for this pipeline.
        """
        tuned = read(profiles, stream)
        if tuned is not None and (why := self._why_not(tuned) or self._lacking(profiles, tuned)):
            raise ConfigError(f"what was tuned for stream {stream} {why}: tune again")
        return tuned

    def _why_not(self, tuned: Tuned) -> str:
        """Why what was chosen is of no use for this pipeline; empty where it is."""
        if tuned.format != FORMAT:
            return f"is of format {tuned.format}, this vidpipe reads {FORMAT}"
        if tuned.classes != self.classes:
            return f"is for classes {', '.join(tuned.classes)}"
        if tuned.stages != self.stages:
            return "was made for other stages"
        if tuned.model != self.model:
            return "was measured against another model than the last stage's"
        if tuned.little != self.little:
            return "was chosen with another model before the last stage's"
        return ""

    def _lacking(self, profiles: Path, tuned: Tuned) -> str:
        """Which int8 network of what was chosen, or may be, is missing or damaged; empty: none."""
        looks = [point.look for point in (tuned.chosen, *tuned.frontier) if point.look is not None]
        for model in dict.fromkeys(look.model for look in looks if look.precision == "int8"):
            paths = folders(self._pipeline)
            known = resolve(self._pipeline.models[model], paths, self._pipeline.classes)
            try:
                if known.file is not None:
                    int8.find(int8_of(profiles, tuned.stream), known.file, known.size)
            except ModelError as error:
                return f"needs an int8 network: {error}"
        return ""

    @cached_property
    def _roles(self) -> Roles:
        return roles_of(self._pipeline)


def tuned_of(
    roles: Roles,
    stream: str,
    floor: float,
    want: Want,
    found: Search,
    trial: Trial,
    *,
    key: str,
    refused: str,
    dropped: Mapping[Variant, str],
    seconds: tuple[float, float, float | None],
    cost: Mapping[str, float],
    footage: Series | None = None,
) -> Tuned:
    """What is to be remembered of a search.

    Args:
        seconds: media seconds of all footage, of what was tuned on, and what more it would take.
        footage: a stretch of it; None: nothing is remembered of its pictures.
    """
    basis = Basis(roles.pipeline)
    cheaper = [each for each in found.tried if each.cpu_ms < found.chosen.cpu_ms and each.guarded]
    return Tuned(
        stream=stream,
        made_at=datetime.now(UTC).isoformat(timespec="seconds"),
        vidpipe=version_of("vidpipe"),
        floor=floor,
        want=want,
        classes=basis.classes,
        model=basis.model,
        little=basis.little,
        stages=basis.stages,
        key=key,
        refused=refused,
        chosen=point(found.chosen),
        next_cheaper=point(cheaper[-1]) if cheaper else None,
        static=point(found.static),
        safe=point(found.safe),
        frontier=[point(each) for each in found.tried],
        trial={
            "next_frame": trial.next_frame,
            "mirrored": trial.mirrored,
            "shifted": trial.shifted,
            "repeats": trial.repeats,
            "near_threshold": trial.near,
            "ghosts": trial.ghosts,
            "clean_threshold": trial.clean_threshold,
        },
        dropped={str(variant): why for variant, why in dropped.items()},
        video_s=seconds[0],
        tuned_s=seconds[1],
        more_s=seconds[2],
        cost=dict(cost),
        fps=round(footage.fps, 3) if footage is not None else None,
        picture=(footage.width, footage.height) if footage is not None else None,
    )


def check_place(profiles: Path, stream: str) -> None:
    """Raises ConfigError where a stream's profile cannot be kept: told before its footage is looked at."""
    folder = folder_of(profiles, stream)
    there = next(each for each in (folder, *folder.parents) if each.exists())
    check_writable(there / TUNED, "profile", replaced=True)


def write(profiles: Path, tuned: Tuned) -> Path:
    """Keep it; the folder. Raises RunError."""
    folder = folder_of(profiles, tuned.stream)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
    except OSError as error:
        raise RunError(f"profile {folder} cannot be written: {error.strerror}") from None
    write_whole(folder / TUNED, tuned.model_dump_json(indent=2) + "\n", "profile")
    return folder


def read(profiles: Path, stream: str) -> Tuned | None:
    """What was chosen for a stream; None where nothing was. Raises ConfigError where it cannot be read."""
    path = folder_of(profiles, stream) / TUNED
    try:
        return Tuned.model_validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"profile {path} cannot be read: {unread(error)}") from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise ConfigError(f"profile {path} is damaged: {place}: {first['msg']}: tune again") from None


def with_settings(
    roles: Roles, chosen: Mapping[str, tuple[Configuration, float | None]], profiles: Path | None = None
) -> Pipeline:
    """The pipeline with configurations of some of its streams, each with the floor that its tracker holds.

    Args:
        profiles: where the int8 networks of the streams lie; None: no configuration takes one.
    """
    pipeline = roles.pipeline
    streams = dict(pipeline.streams)
    for name, (configuration, floor) in chosen.items():
        settings = roles.settings(configuration, floor)
        if profiles is not None and roles.little is not None and (folder := int8_of(profiles, name)).is_dir():
            settings[roles.little]["calibrated"] = str(folder.absolute())  # also for what a tuner sets later
        stream = _set(pipeline, pipeline.streams[name], settings)
        streams[name] = replace(stream, spec=_decoded(stream.spec, configuration.decoding))
    return replace(pipeline, streams=streams)


def _decoded(spec: StreamSpec, decoding: Decoding) -> StreamSpec:
    """The stream with what was chosen of its decoding; what the user has set besides stays.

    A live stream keeps its own: where its floor breaks, every picture must be there to look at.
    """
    if spec.live or decoding == DECODE_ALL:
        return spec
    told = {"skip_frame": decoding.skip_frame, "max_blind_s": decoding.max_blind_s or spec.max_blind_s}
    return spec.model_copy(update=told)


def _set(pipeline: Pipeline, stream: Stream, settings: Mapping[str, Mapping[str, Any]]) -> Stream:
    configs = dict(stream.configs)
    for stage in pipeline.stages:
        if changed := settings.get(stage.id):
            own = configs.get(stage.id, stage.config)
            configs[stage.id] = with_values(own, changed)
    return replace(stream, configs=configs)
