"""From what a user wrote to a pipeline that can run, or to everything that is wrong with it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, cast

from vidpipe.core.errors import ConfigError
from vidpipe.core.nearest import did_you_mean
from vidpipe.core.settings import StageConfig
from vidpipe.pipeline.spec import Part, Pipeline, PlacedStage, PlacedTransform, Stream, Tier
from vidpipe.pipeline.yaml.check_models import check_models, classes_of
from vidpipe.pipeline.yaml.check_rules import check_id, check_rules, tells_who_is_who
from vidpipe.pipeline.yaml.checks import Entries, check_fields, check_links, check_parts, check_stages, check_streams
from vidpipe.pipeline.yaml.diagnostics import InvalidPipelineError, Keys, Mark, Mistake
from vidpipe.pipeline.yaml.document import Document
from vidpipe.pipeline.yaml.examine_models import examine_models
from vidpipe.pipeline.yaml.overrides import override
from vidpipe.pipeline.yaml.read import read
from vidpipe.pipeline.yaml.spec import ConfigFile, PipelineFile
from vidpipe.pipeline.yaml.tiers import in_use, put_models_of_tiers
from vidpipe.sources.address import is_camera, looks_secret
from vidpipe.sources.base import Want
from vidpipe.transforms.rules.rules import RULES, Rules
from vidpipe.transforms.rules.spec import RulesConfig


def load(
    pipeline: str | Path,
    *,
    config: Path | None = None,
    sources: Mapping[str, str] | None = None,
    sets: Sequence[str] = (),
    otherwise: Mapping[str, str] | None = None,
    floor: float | None = None,
    want: Want | None = None,
    media: Path | None = None,
    notes: list[str] | None = None,
    ruled: bool = False,
) -> Pipeline:
    """Read a pipeline and check all of it; no camera is opened.

    Args:
        pipeline: a file, or the name of one (`find_pipeline`).
        config: a file with streams and links, which counts where both files say something.
        sources: further streams, URL by name; for a stream of the configuration that has no URL, its URL.
        sets: "stages.detect.accept=0.4": single values that go before what the files say.
        otherwise: URL by name for streams that have none after all that.
        floor: accuracy asked of each stream that says nothing of its own, see `StreamSpec`.
        want: what that is of, the same.
        media: the folder of pictures and clips, whatever the files say.
        notes: given, model files are read too, which takes a second, and what of them cannot be checked yet is added
            here. Otherwise they are read when the pipeline runs.
        ruled: rules may come while it runs: there is place for them, also where nobody has written any.

    Returns:
        The pipeline; without streams where none were given.

    Raises:
        InvalidPipelineError: with every mistake that there is.
        ConfigError: there is no such pipeline.
    """
    path = find_pipeline(pipeline)
    document = _gather(path, config, sources or {}, sets)
    for stream, url in (otherwise or {}).items():
        if not document.has(("streams", stream, "url")):
            _add_source(document, stream, url)
    _promise(document, {"floor": floor, "want": want})
    if ruled:
        document.data.setdefault("rules", [])
    if media is not None:
        document.put(("media", "folder"), str(media), Mark("--media"))
        document.origins.append("--media")
    search_paths = tuple(dict.fromkeys([str(path.resolve().parent), str(Path.cwd())]))
    return checked(document, path.stem, search_paths, notes)


def checked(document: Document, name: str, search_paths: tuple[str, ...], notes: list[str] | None) -> Pipeline:
    """The pipeline that a document describes; raises with every mistake that there is."""
    put_models_of_tiers(document)
    check_fields(document)
    known = {"model": document.mapping(("models",)), "class": check_models(document, search_paths)}
    entries = check_stages(document, known, search_paths)
    differing = check_streams(document, known, entries, search_paths)
    tracked = tells_who_is_who(entry.written.get("type") for entry in entries.every)
    rules = check_rules(document, known["class"], tracked=tracked)
    if ruled := document.has(("rules",)) or any(rules.values()):
        check_id(document, entries)
    check_links(document, entries.stages)
    parts = check_parts(document, search_paths)
    if notes is not None:
        notes += examine_models(document, entries.every, search_paths)
        for entry in entries.misplaced:
            kind = entry.written["type"]
            notes.append(f"{document.path(entry.keys)}: {kind} is a transform now: write it under `transforms:`")
    if document.mistakes:
        raise InvalidPipelineError(document.ordered())
    if ruled:
        for stream, config in rules.items():
            differing[stream][RULES] = config
    return _build(document, name, entries, differing, parts, search_paths, ruled=ruled)


def find_pipeline(pipeline: str | Path) -> Path:
    """The file that a name means: the file itself, or NAME.yaml in ./pipelines or among those of vidpipe.

    Raises:
        ConfigError: there is none; names the nearest.
    """
    name = str(pipeline)
    if is_camera(name):
        raise ConfigError("a camera's address stands where the pipeline should: give it as --source")
    if Path(pipeline).is_file():
        return Path(pipeline)
    if looks_secret(name):
        raise ConfigError("what may be an address stands where the pipeline should: give it as --source, with rtsp://")
    if name.endswith((".yaml", ".yml")) or os.sep in name:
        raise ConfigError(f"pipeline {name}: no such file")
    folders = [Path("pipelines"), shipped()]
    for folder in folders:
        if (folder / f"{name}.yaml").is_file():
            return folder / f"{name}.yaml"
    near = did_you_mean(name, [file.stem for folder in folders for file in folder.glob("*.yaml")], listed=20)
    raise ConfigError(f"no pipeline '{name}' in ./pipelines or among those of vidpipe{near}")


def shipped() -> Path:
    """The folder of the pipelines that come with vidpipe: inside an installed package, beside it in a checkout."""
    package = Path(__file__).parents[2]
    inside = package / "pipelines"
    return inside if inside.is_dir() else package.parent / "pipelines"


def _gather(path: Path, config: Path | None, sources: Mapping[str, str], sets: Sequence[str]) -> Document:
    """One document of all that was written, the later going before the earlier."""
    files = [read(file, _shown(file)) for file in (path, config) if file]
    if any(file.mistakes and not file.data for file in files):  # unreadable: the rest would be about what it lacks
        raise InvalidPipelineError([mistake for file in files for mistake in file.mistakes])
    document, *configuration = files
    for other in configuration:
        _drop_foreign(other)
        document.merge(other)
        document.data.setdefault("rules", [])  # it may be read again, and have some by then
    for name, url in sources.items():
        _add_source(document, name, url)
    _put_placement(document)
    for assignment in sets:
        override(document, assignment)
    if any(assignment.startswith("placement") for assignment in sets):
        _put_placement(document)
    return document


def _put_placement(document: Document) -> None:
    """Write the tiers of `placement` over those of the stages, so that what is wrong with them is told at its line."""
    stages = document.value(("stages",))
    written = stages if isinstance(stages, list) else []
    places = {str(stage.get("id")): place for place, stage in enumerate(written) if isinstance(stage, dict)}
    for stage, tier in document.mapping(("placement",)).items():
        keys: Keys = ("placement", stage)
        if stage not in places:
            document.mistake(keys, f"there is no stage '{stage}'{did_you_mean(stage, places)}")
        elif tier in list(Tier):
            document.put(("stages", places[stage], "on"), tier, document.mark(keys))


def _drop_foreign(configuration: Document) -> None:
    for key in PipelineFile.model_fields.keys() - ConfigFile.model_fields.keys():
        if configuration.has((key,)):
            configuration.mistake((key,), "belongs in the pipeline file, not in the configuration")
            del configuration.data[key]


def _add_source(document: Document, name: str, url: str) -> None:
    keys, mark = ("streams", name, "url"), Mark(f"--source {name}")
    document.origins.append(mark.file)
    if document.has(keys):
        message = f"has a url already ({document.mark(keys)}): take another name, or --set streams.{name}.url=..."
        document.mistakes.append(Mistake(mark, f"streams.{name}", message))
    elif all(isinstance(document.value(above), dict | None) for above in (keys[:1], keys[:2])):
        document.put(keys, url, mark)


def _promise(document: Document, promised: Mapping[str, float | str | None]) -> None:
    """Ask this of every stream that says nothing of its own."""
    for field, value in promised.items():
        if value is None:
            continue
        mark = Mark(f"--{field}")
        document.origins.append(mark.file)
        for name, stream in document.mapping(("streams",)).items():
            if isinstance(stream, dict) and field not in stream:
                document.put(("streams", name, field), value, mark)


def _shown(path: Path) -> str:
    """A file as messages name it: from the working directory where it lies below it."""
    absolute, here = path.absolute(), Path.cwd()
    return str(absolute.relative_to(here) if absolute.is_relative_to(here) else path)


def _build(
    document: Document,
    name: str,
    entries: Entries,
    differing: Mapping[str, Mapping[str, StageConfig]],
    parts: tuple[Sequence[Part], Part | None],
    search_paths: tuple[str, ...],
    *,
    ruled: bool,
) -> Pipeline:
    spec = PipelineFile.model_validate(document.data)
    by_id = {stage.id: stage for stage in spec.stages}
    stages = tuple(
        PlacedStage(stage.id, entry.type, entry.config, stage.on, stage.isolate, stage.only_when_away)
        for entry in entries.stages
        if entry.type and entry.config and (stage := by_id[str(entry.written["id"])])
    )
    transforms = tuple(
        PlacedTransform(str(entry.written["id"]), entry.type, entry.config)
        for entry in (*entries.misplaced, *entries.transforms)
        if entry.type and entry.config
    )
    if ruled:  # behind all others: they go by what is published
        transforms += (PlacedTransform(RULES, cast("type[Any]", Rules), RulesConfig()),)
    return Pipeline(
        name=spec.name or name,
        classes=classes_of(spec.classes),
        models=in_use(
            spec, chain((entry.config for entry in entries.every), *(own.values() for own in differing.values()))
        ),
        stages=stages,
        transforms=transforms,
        sinks=tuple(parts[0]),
        tuner=parts[1],
        media=spec.media,
        streams={name: Stream(stream, differing[name]) for name, stream in spec.streams.items()},
        own_clouds=frozenset(name for name, site in spec.sites.items() if site.cloud == "own"),
        audit=spec.audit,
        reachback=spec.reachback,
        links=spec.links,
        tiers=spec.tiers,
        ahead=spec.ahead,
        late=spec.late,
        streams_per_actor=spec.streams_per_actor,
        standby=spec.standby,
        search_paths=search_paths,
    )
