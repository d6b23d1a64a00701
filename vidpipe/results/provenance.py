"""What answers come from: versions, settings, models by hash, and streams. It holds no credential."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel

import vidpipe
from vidpipe.core.secrets import names_secret
from vidpipe.models.resolve import files_of
from vidpipe.pipeline.spec import Pipeline, PlacedStage, PlacedTransform, Stream
from vidpipe.sources.address import Address, is_camera, looks_secret
from vidpipe.transforms.rules.rules import RULES

Size = tuple[int, int]

_HIDDEN = "not shown"
_NOT_FOR_ANSWERS = frozenset({"source", "size", "zones", "lines", "clips", "weight", "want", "clock_offset_s"})


def stream_settings(stream: Stream) -> dict[str, Any]:
    """What of a stream its answers depend on beside the pictures: not the rules that are held against them."""
    told = _stream(stream, None)
    stages = {id: settings for id, settings in told.get("stages", {}).items() if id != RULES}
    return {**{name: value for name, value in told.items() if name not in _NOT_FOR_ANSWERS}, "stages": stages}


class Provenance:
    """Gathers it for one run. Models are hashed aside while they load: that takes a second for each gigabyte.

    Args:
        query: its name where it is one of several; "": it is alone.
    """

    def __init__(self, pipeline: Pipeline, query: str = "") -> None:
        self._query = query
        self._start = datetime.now(UTC).isoformat(timespec="milliseconds")
        threading.Thread(target=_models, args=(pipeline,), name="vidpipe-hash", daemon=True).start()

    def told(self, pipeline: Pipeline, sizes: Mapping[str, Size | None]) -> dict[str, Any]:
        """Plain data, fit for JSON.

        Args:
            sizes: (width, height) of each stream's pictures, so far as it is known.
        """
        return {
            "version": vidpipe.__version__,
            **({"query": self._query} if self._query else {}),
            "pipeline": pipeline.name,
            "start": self._start,
            "settings": _settings(pipeline),
            "models": _models(pipeline),
            "streams": {name: _stream(each, sizes.get(name)) for name, each in pipeline.streams.items()},
        }


def _settings(pipeline: Pipeline) -> dict[str, Any]:
    """What the pipeline's files and `--set` have come to, defaults included."""
    stages = {stage.id: {**_part(stage), "on": stage.tier.value} for stage in pipeline.stages}
    return {
        "classes": {name: list(aliases) for name, aliases in pipeline.classes.mapping.items()},
        "models": {name: _shown(_plain(spec, exclude_none=True)) for name, spec in pipeline.models.items()},
        "stages": _shown(stages),
        "transforms": _shown({each.id: _part(each) for each in pipeline.transforms if each.id != RULES}),
        "audit": _plain(pipeline.audit),
        "links": {name: _plain(link, exclude_defaults=True) for name, link in pipeline.links.items()},
        "ahead": pipeline.ahead,
        "late": pipeline.late,
    } | ({"reachback": _plain(pipeline.reachback)} if pipeline.reachback is not None else {})


def _part(part: PlacedStage | PlacedTransform) -> dict[str, Any]:
    return {"type": f"{part.type.__module__}:{part.type.__qualname__}", **_plain(part.config)}


def _stream(stream: Stream, size: Size | None) -> dict[str, Any]:
    spec = stream.spec
    own = _plain(spec, exclude={"url", "record_url", "stages"}, exclude_defaults=True)
    stages = {stage: _plain(config) for stage, config in stream.configs.items()}
    return {
        "source": str(Address(spec.url)) if is_camera(spec.url) else spec.url,
        "size": None if size is None else list(size),
        **_shown(own),
        **({"stages": _shown(stages)} if stages else {}),
    }


def _models(pipeline: Pipeline) -> dict[str, Any]:
    """Each model's path, and the SHA-256 of its files, if they are on this machine."""
    folders = [Path(folder) for folder in pipeline.search_paths]
    return {
        name: {"path": _shown(spec.path), "sha256": hashes_of(files_of(spec, folders))}
        for name, spec in pipeline.models.items()
    }


def hashes_of(files: Iterable[Path]) -> dict[str, str | None]:
    """The SHA-256 of files, by name; None of those that are not there."""
    return {file.name: _sha256(file) for file in files}


_hashing = threading.Lock()


def _sha256(path: Path) -> str | None:
    try:
        known = path.stat()
        with _hashing:  # who comes while it is hashed waits, and finds it done
            return _hashed(path, known.st_size, known.st_mtime_ns)
    except OSError:
        return None


@lru_cache(maxsize=256)
def _hashed(path: Path, size: int, mtime_ns: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _plain(settings: BaseModel, **options: Any) -> dict[str, Any]:
    try:
        return settings.model_dump(mode="json", **options)
    except Exception:  # a user's own type that has no form in JSON
        return {name: str(value) for name, value in settings.model_dump(**options).items()}


def _shown(value: Any) -> Any:
    """The same, without what may be a credential: user's stages may have settings of any kind."""
    if isinstance(value, dict):
        return {
            name: _HIDDEN if each and names_secret(str(name)) and isinstance(each, str) else _shown(each)
            for name, each in value.items()
        }
    if isinstance(value, list):
        return [_shown(each) for each in value]
    if isinstance(value, str):
        if is_camera(value):
            return str(Address(value))
        return _HIDDEN if looks_secret(value) else value
    return value
