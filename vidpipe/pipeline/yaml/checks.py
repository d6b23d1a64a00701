"""What must hold between the parts of a document: names that resolve, tiers that go down, pictures that may leave.

Each check looks at whatever is sound by itself and notes what is wrong as mistakes of the document, so that together
they find everything that there is to find.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import psutil
from pydantic import ValidationError

from vidpipe.core.errors import ConfigError, SourceError
from vidpipe.core.extensions import Kind
from vidpipe.core.names import references
from vidpipe.core.nearest import did_you_mean
from vidpipe.core.registry import SINKS, SOURCES, STAGES, TRANSFORMS, TUNERS
from vidpipe.core.settings import StageConfig, is_knob
from vidpipe.pipeline.models import with_models_on
from vidpipe.pipeline.spec import Part, Tier, why_not_again
from vidpipe.pipeline.yaml.diagnostics import Keys
from vidpipe.pipeline.yaml.document import Document
from vidpipe.pipeline.yaml.messages import explain
from vidpipe.pipeline.yaml.spec import PipelineFile, StageSpec, settings_of
from vidpipe.sources.address import check_address, is_camera
from vidpipe.sources.base import SITE
from vidpipe.sources.own import is_own

Known = Mapping[str, Collection[str] | None]
"""The names that there are of each kind, "model" and "class"; None where only a loaded model will tell."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A stage or transform of the document, as far as it could be understood.

    Attributes:
        keys: its place in the document.
        written: what the user wrote.
        tier: None where it is wrong.
        type: None where it was not found.
        config: its own settings; None where one of them is wrong.
    """

    keys: Keys
    written: Mapping[str, Any]
    tier: Tier | None
    type: type[Any] | None
    config: StageConfig | None


def check_fields(document: Document) -> None:
    """Fields that nobody knows, fields that are missing, values of the wrong type or out of bounds."""
    try:
        PipelineFile.model_validate(document.data)
    except ValidationError as error:
        explain(document, error, PipelineFile)


@dataclass(frozen=True, slots=True)
class Entries:
    """What a document has of stages and transforms.

    Attributes:
        misplaced: transforms that are written among the stages, as they once were.
    """

    stages: Sequence[Entry]
    transforms: Sequence[Entry]
    misplaced: Sequence[Entry]

    @property
    def every(self) -> list[Entry]:
        """All of them."""
        return [*self.stages, *self.misplaced, *self.transforms]


def check_stages(document: Document, known: Known, search_paths: Sequence[str]) -> Entries:
    """Each stage and transform by itself, then all together; gives what could be understood of them."""
    written = _entries(document, "stages", STAGES, search_paths)
    misplaced = [entry for entry in written if _is_transform(entry.written)]
    stages = [entry for entry in written if entry not in misplaced]
    entries = Entries(stages, _entries(document, "transforms", TRANSFORMS, search_paths), misplaced)
    for entry in entries.every:
        if entry.config:
            _check_names(document, entry.config, entry.keys, known)
    _check_ids(document, entries.every)
    _check_order(document, stages)
    _check_reachback(document, stages)
    return entries


def check_parts(document: Document, search_paths: Sequence[str]) -> tuple[list[Part], Part | None]:
    """The sinks and the tuner that the document names."""
    written = document.value(("sinks",))
    places: list[Keys] = [("sinks", index) for index in range(len(written) if isinstance(written, list) else 0)]
    sinks = [part for keys in places if (part := _part(document, keys, SINKS, search_paths))]
    return sinks, _part(document, ("tuner",), TUNERS, search_paths) if document.mapping(("tuner",)) else None


def _part(document: Document, keys: Keys, kind: Kind, search_paths: Sequence[str]) -> Part | None:
    written = document.mapping(keys)
    found = _found(document, keys, kind, search_paths)
    values = {name: value for name, value in written.items() if name != "type"}
    config = _settings(document, found, values, keys, also=("type",)) if found else None
    return Part(found, config) if found and config else None


def check_streams(
    document: Document, known: Known, entries: Entries, search_paths: Sequence[str]
) -> dict[str, dict[str, StageConfig]]:
    """Each stream against the stages; gives the settings that differ for it, whole, by stage or transform id."""
    of_sites = _check_sites(document, known, entries)
    beyond = next((entry for entry in entries.stages if entry.tier not in (None, Tier.DEVICE)), None)
    differing: dict[str, dict[str, StageConfig]] = {}
    for name in document.mapping(("streams",)):
        keys: Keys = ("streams", name)
        leaves = document.value((*keys, "leaves_device"))
        if beyond and leaves in ("never", "crops"):
            sent = f"stage '{beyond.written.get('id')}' on {beyond.tier} is sent whole frames"
            document.mistake((*keys, "leaves_device"), f"'{leaves}', but {sent}: put it on device, or write 'frames'")
        _check_address(document, (*keys, "url"))
        _check_recorded(document, keys)
        _check_own(document, keys, search_paths)
        site = str(document.value((*keys, "at")))
        of_site = of_sites.get(site, {})
        under = {stage: document.mapping(("sites", site, "stages", stage)) for stage in of_site}
        differing[name] = of_site | _check_own_settings(document, keys, known, entries, under)
    return differing


def _check_sites(document: Document, known: Known, entries: Entries) -> dict[str, dict[str, StageConfig]]:
    """Each site against streams and stages; gives the settings that differ for its streams, by site.

    Sites need not be written. Where some are, every one stands there, so that a slip does not make one more.
    """
    written, streams = document.mapping(("sites",)), document.mapping(("streams",))
    at = {name: site for name in streams if isinstance(site := document.value(("streams", name, "at")), str)}
    named = {name: site for name, site in at.items() if re.fullmatch(SITE, site)}
    unknown = {name: site for name, site in named.items() if written and site not in written}
    for name, site in unknown.items():
        document.mistake(("streams", name, "at"), f"there is no site '{site}'{did_you_mean(site, written)}")
    if streams and named == at and not unknown:
        for site in written.keys() - at.values():
            document.mistake(("sites", site), f"no stream is at this site{did_you_mean(site, at.values())}")
    return {site: _check_own_settings(document, ("sites", site), known, entries, {}) for site in written}


def _check_own_settings(
    document: Document, keys: Keys, known: Known, entries: Entries, under: Mapping[str, Mapping[str, Any]]
) -> dict[str, StageConfig]:
    """The settings of stages that differ for a stream or a site, whole, by stage or transform id.

    Args:
        under: what counts where it says nothing itself, as written, by stage or transform id.
    """
    differing = {}
    for stage in document.mapping((*keys, "stages")):
        place: Keys = (*keys, "stages", stage)
        if config := _override(document, place, entries.every, under.get(stage, {})):
            _check_names(document, config, place, known, only=document.mapping(place))
            differing[stage] = config
    return differing


def _check_own(document: Document, keys: Keys, search_paths: Sequence[str]) -> None:
    """A source of the user's own is there, and its settings are; nothing else has settings of that kind."""
    url, written = document.value((*keys, "url")), document.mapping((*keys, "settings"))
    if not isinstance(url, str) or not is_own(url):
        if written:
            document.mistake((*keys, "settings"), "only a source of your own has settings: `url: module:Class`")
        return
    try:
        kind = SOURCES.find(url, search_paths)
    except ConfigError as error:
        document.mistake((*keys, "url"), str(error))
    else:
        _settings(document, kind, written, (*keys, "settings"))


def _check_address(document: Document, keys: Keys) -> bool:
    """A camera's address must be one; what stands in a file is for the machine to see that reads the camera.

    Returns:
        Whether nothing is wrong with it.
    """
    written = document.value(keys)
    if isinstance(written, str) and is_camera(written):
        try:
            check_address(written)
        except SourceError as error:
            document.mistake(keys, str(error))
            return False
    return True


def _check_recorded(document: Document, keys: Keys) -> None:
    """A camera is recorded from another address of the same camera; of a recording there is no better picture."""
    url, recorded = document.value((*keys, "url")), document.value((*keys, "record_url"))
    if not isinstance(recorded, str):
        return
    if not is_camera(recorded):
        document.mistake((*keys, "record_url"), "must be a camera's address: rtsp://, rtsps://, http:// or https://")
    elif _check_address(document, (*keys, "record_url")) and isinstance(url, str) and not is_camera(url):
        document.mistake((*keys, "record_url"), "only a camera has another address to record from: leave it out")


def check_links(document: Document, entries: Sequence[Entry]) -> None:
    """A link is named for the tiers that it joins; the sources stand on the device, above the first stage."""
    if not all(entry.tier for entry in entries):
        return
    places = [(Tier.DEVICE, False), *((entry.tier, entry.written.get("isolate") is True) for entry in entries)]
    behind = {
        f"{upper}-{lower}": entries[index:]
        for index, ((upper, alone), (lower, apart)) in enumerate(pairwise(places))
        if upper != lower or alone or apart
    }
    for name in document.mapping(("links",)):
        if name not in behind:
            there = did_you_mean(name, list(behind)) or ": all of it runs in one place"
            document.mistake(("links", name), f"this pipeline has no such link{there}")
        elif document.mapping(("links", name)).get("split") is not None:
            _check_split(document, ("links", name, "split"), behind[name])
        _check_credit(document, ("links", name, "credit_mb"))


def _check_split(document: Document, keys: Keys, behind: Sequence[Entry]) -> None:
    """A model can be cut where nobody else needs the picture."""
    looking = [entry for entry in behind if not entry.written.get("only_when_away")]
    if any(entry.type is None or entry.config is None for entry in looking):
        return
    models = [entry.type and entry.config and entry.type.cut_model(entry.config) for entry in looking]
    if len(models) != 1 or models[0] is None:
        there = ", ".join(str(entry.written.get("id")) for entry in looking)
        document.mistake(
            keys, f"only one stage, of type detect, may look at what crosses a link that is split, not {there}"
        )


def _check_credit(document: Document, keys: Keys) -> None:
    """On one machine the frames of a link lie in memory that is set aside for its whole credit."""
    megabytes, there = document.value(keys), psutil.virtual_memory().total / 1e6
    if isinstance(megabytes, int | float) and megabytes > there:
        document.mistake(keys, f"is more memory than this machine has: {there:.0f} MB")


def _entries(document: Document, field: str, kind: Kind, search_paths: Sequence[str]) -> list[Entry]:
    written = document.value((field,))
    places: list[Keys] = [(field, index) for index in range(len(written) if isinstance(written, list) else 0)]
    return [_entry(document, keys, kind, search_paths) for keys in places]


def _entry(document: Document, keys: Keys, kind: Kind, search_paths: Sequence[str]) -> Entry:
    written = document.mapping(keys)
    tier = written.get("on", Tier.DEVICE)
    found = _found(document, keys, TRANSFORMS if _is_transform(written) else kind, search_paths)
    config = _settings(document, found, settings_of(written), keys, also=StageSpec.model_fields) if found else None
    known = Tier(tier) if tier in list(Tier) else None
    return Entry(keys, written, known, found, _with_models_there(document, known, config))


def _is_transform(written: Mapping[str, Any]) -> bool:
    """Whether this is one of vidpipe's transforms, also where it is written among the stages."""
    name = written.get("type")
    return isinstance(name, str) and name in TRANSFORMS.builtin


def _found(document: Document, keys: Keys, kind: Kind, search_paths: Sequence[str]) -> type[Any] | None:
    """The class that is named there as `type`; None where there is none."""
    name = document.mapping(keys).get("type")
    if isinstance(name, str) and name:
        try:
            found: type[Any] = kind.find(name, search_paths)
            return found
        except ConfigError as error:
            document.mistake(keys, str(error), at=(*keys, "type"))
    return None


def _settings(
    document: Document, kind: type[Any], values: Mapping[str, Any], keys: Keys, also: Iterable[str] = ()
) -> StageConfig | None:
    try:
        config: StageConfig = kind.Config.model_validate(values)
        return config
    except ValidationError as error:
        explain(document, error, kind.Config, keys, also)
        return None


def _override(
    document: Document, keys: Keys, entries: Sequence[Entry], beneath: Mapping[str, Any]
) -> StageConfig | None:
    """A stage's settings as a stream changes them. Stages that streams share can only change what is a knob.

    Args:
        beneath: what its site has changed before.
    """
    by_id = {str(entry.written.get("id")): entry for entry in entries}
    entry = by_id.get(str(keys[-1]))
    if entry is None:
        document.mistake(keys[:-1], f"there is no stage '{keys[-1]}'{did_you_mean(str(keys[-1]), by_id)}", at=keys)
        return None
    if entry.type is None or entry.config is None:
        return None
    changed = document.mapping(keys)
    for name in changed:
        field = entry.type.Config.model_fields.get(name)
        if entry.type.shared and field and not is_knob(field):
            knobs = [name for name, field in entry.type.Config.model_fields.items() if is_knob(field)]
            may = f"only {', '.join(knobs)} may" if knobs else "nothing may"
            document.mistake((*keys, name), f"cannot differ by stream, because streams share this stage: {may}")
    config = _settings(document, entry.type, {**settings_of(entry.written), **beneath, **changed}, keys)
    return _with_models_there(document, entry.tier, config)


def _with_models_there(document: Document, tier: Tier | None, config: StageConfig | None) -> StageConfig | None:
    if tier is None or config is None:
        return config
    return with_models_on(tier, config, document.mapping(("models",)))


def _check_names(
    document: Document, settings: StageConfig, keys: Keys, known: Known, only: Collection[str] | None = None
) -> None:
    for kind, names in known.items():
        for place, name in references(settings, kind):
            if names is not None and name not in names and (only is None or place[0] in only):
                document.mistake((*keys, *place), f"there is no {kind} '{name}'{did_you_mean(name, names)}")


def _check_ids(document: Document, entries: Sequence[Entry]) -> None:
    first: dict[str, Keys] = {}
    for entry in entries:
        name = entry.written.get("id")
        if isinstance(name, str) and first.setdefault(name, entry.keys) != entry.keys:
            where = document.mark((*first[name], "id"))
            document.mistake(entry.keys, f"another stage has the id '{name}' already: {where}", at=(*entry.keys, "id"))


def _check_order(document: Document, entries: Sequence[Entry]) -> None:
    """Tiers never go back up, and the last stage answers what all others passed on."""
    order = list(Tier)
    placed = [(entry, entry.tier) for entry in entries if entry.tier]
    for (_, upper), (entry, lower) in pairwise(placed):
        if order.index(lower) < order.index(upper):
            message = f"'{lower}' after '{upper}': frames never go back up; write '{upper}', or move it"
            document.mistake((*entry.keys, "on"), message)
    for place, (entry, tier) in enumerate(placed):
        if entry.written.get("only_when_away") is True:
            _check_stand_in(document, entry, tier, placed[place + 1][1] if place + 1 < len(placed) else None)
    if entries and entries[-1].type and not entries[-1].type.can_be_last:
        keys, name = entries[-1].keys, entries[-1].written["type"]
        message = f"type '{name}' passes frames on: the last stage must answer all, as detect does"
        document.mistake(keys, message, at=(*keys, "type"))


def _check_reachback(document: Document, entries: Sequence[Entry]) -> None:
    """The last stage can be asked of a frame that was answered before."""
    if document.value(("reachback",)) is not None and entries and entries[-1].type:
        stage = entries[-1]
        if stage.type and (why := why_not_again(str(stage.written["id"]), stage.type)):
            document.mistake(("reachback",), why)


def _check_stand_in(document: Document, entry: Entry, tier: Tier, lower: Tier | None) -> None:
    """A stage that answers for a tier that is away stands right above that tier."""
    if lower is None:
        message = "the last stage is the one that others stand in for: leave it out"
    elif lower == tier:
        message = f"the next stage stands on '{lower}', too, and is away when this one is: move it behind that one"
    else:
        return
    document.mistake((*entry.keys, "only_when_away"), message)
