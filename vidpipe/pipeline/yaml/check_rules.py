"""Rules against the streams that they are for: which hold where, and names that lead nowhere."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from pydantic import ValidationError

from vidpipe.core.nearest import did_you_mean
from vidpipe.core.registry import STAGES, TRANSFORMS
from vidpipe.pipeline.yaml.check_places import check_lines, check_zones
from vidpipe.pipeline.yaml.checks import Entries
from vidpipe.pipeline.yaml.diagnostics import Keys
from vidpipe.pipeline.yaml.document import Document
from vidpipe.transforms.learnt.features import EMBEDDING
from vidpipe.transforms.rules.rules import RULES
from vidpipe.transforms.rules.spec import TRACKED, RulesConfig, RuleSpec, SpanSpec, names

_NOBODY_KNOWN = "no stage tells who is who from one frame to the next"
_WAY_OUT = "add a stage of type track, or take occupancy or presence, which do without"


def check_rules(document: Document, classes: Collection[str] | None, *, tracked: bool) -> dict[str, RulesConfig]:
    """The rules of each stream, those of zones and lines that no rule names included.

    Args:
        classes: that there are; None where only a loaded model will tell.
        tracked: some stage or transform gives identities, see `tells_who_is_who`.
    """
    streams = document.mapping(("streams",))
    zones = {stream: check_zones(document, stream) for stream in streams}
    lines = {stream: check_lines(document, stream) for stream in streams}
    written = list(_rules(document))
    for keys, rule in written:
        _check_names(document, keys, rule, classes)
        _check_learnt(document, keys, rule, classes)
        _check_joins(document, keys, rule)
        if streams:
            _check_places(document, keys, rule, lines if rule.kind == "line" else zones)
        if rule.kind in TRACKED and not tracked:
            document.mistake(keys, f"a rule of kind {rule.kind}, but {_NOBODY_KNOWN}: {_WAY_OUT}", at=(*keys, "kind"))
    if not tracked:
        _refuse_lines(document, lines)
    schedules = _schedules(document)
    return {
        stream: RulesConfig.model_construct(
            zones=zones[stream],
            lines=lines[stream],
            rules=list(_of_stream(stream, [rule for _, rule in written], zones[stream], lines[stream], tracked)),
            schedules=schedules,
        )
        for stream in streams
    }


def _rules(document: Document) -> Iterator[tuple[Keys, RuleSpec]]:
    """The rules that are well-formed, each with its place."""
    written = document.value(("rules",))
    first: dict[str, Keys] = {}
    for index, value in enumerate(written if isinstance(written, list) else []):
        keys: Keys = ("rules", index)
        try:
            rule = RuleSpec.model_validate(value)
        except ValidationError:
            continue  # has been said, where the fields are checked
        if first.setdefault(rule.id, keys) != keys:
            where = document.mark((*first[rule.id], "id"))
            document.mistake(keys, f"another rule has the id '{rule.id}' already: {where}", at=(*keys, "id"))
        yield keys, rule


def _schedules(document: Document) -> dict[str, list[SpanSpec]]:
    try:
        return {
            name: [SpanSpec.model_validate(span) for span in spans]
            for name, spans in document.mapping(("schedules",)).items()
        }
    except (ValidationError, TypeError):
        return {}  # has been said


def _check_names(document: Document, keys: Keys, rule: RuleSpec, classes: Collection[str] | None) -> None:
    for name in names(rule.classes) or ():
        if classes is not None and name not in classes:
            document.mistake((*keys, "class"), f"there is no class '{name}'{did_you_mean(name, classes)}")
    schedules = document.mapping(("schedules",))
    if isinstance(rule.active, str) and rule.active not in schedules:
        near = did_you_mean(rule.active, schedules) or ": write it under `schedules`"
        document.mistake((*keys, "active"), f"there is no schedule '{rule.active}'{near}")


def _check_learnt(document: Document, keys: Keys, rule: RuleSpec, classes: Collection[str] | None) -> None:
    """What a rule of kind learnt goes by is there: stages of the device, a transform that describes, classes."""
    stages = _parts(document, "stages")
    on = {str(each.get("id", each.get("type"))): str(each.get("on", "device")) for each in stages}
    for name in rule.recorded if stages else ():  # rules that change while a run goes on come without stages
        if name == EMBEDDING:
            if not _describes(document):
                document.mistake(keys, "it goes by what boxes look like, but there is no transform of type describe")
        elif name not in on:
            document.mistake(
                keys, f"it goes by features of a stage '{name}', which is not there{did_you_mean(name, on)}"
            )
        elif on[name] in ("edge", "cloud"):
            document.mistake(keys, f"it goes by features of {name}, which is on {on[name]}: put that stage on device")
    for name in rule.event.classes if rule.event is not None else ():
        if classes is not None and name not in classes:
            document.mistake(keys, f"its event was taught with class '{name}', which is not there", at=(*keys, "event"))


def _check_joins(document: Document, keys: Keys, rule: RuleSpec) -> None:
    """Boxes are described, or nobody knows whose alarm an event may join."""
    if rule.joins is not None and _parts(document, "stages") and not _describes(document):
        message = "it joins alarms by what people look like, but there is no transform of type describe"
        document.mistake(keys, message, at=(*keys, "joins"))


def _describes(document: Document) -> bool:
    return any(each.get("type") == "describe" for each in _parts(document, "transforms"))


def _parts(document: Document, name: str) -> Sequence[Mapping[str, object]]:
    """The stages or transforms; none where rules come alone, which change while a run goes on."""
    value = document.value((name,))
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []


def _check_places(document: Document, keys: Keys, rule: RuleSpec, there: Mapping[str, Mapping[str, object]]) -> None:
    """The streams that a rule names are there, and have the zones or lines that it names."""
    what = "line" if rule.kind == "line" else "zone"
    if missing := [stream for stream in rule.streams or () if stream not in there]:
        message = f"there is no stream '{missing[0]}'{did_you_mean(missing[0], there)}"
        document.mistake((*keys, "streams"), message)
        return
    streams = [stream for stream in there if rule.streams is None or stream in rule.streams]
    known = sorted({name for stream in streams for name in there[stream]})
    for name in rule.places or ():
        if name not in known:
            where = f"streams.NAME.{what}s" if rule.streams is None else f"that of {', '.join(rule.streams)}"
            near = did_you_mean(name, known) or f": write it under `{where}`"
            document.mistake((*keys, what), f"no stream has a {what} '{name}'{near}")
    if rule.places is None and rule.kind in TRACKED and not known:
        document.mistake(
            keys, f"a rule of kind {rule.kind}, but no stream has a {what}: write it under `streams.NAME.{what}s`"
        )


def tells_who_is_who(types: Iterable[object]) -> bool:
    """Whether some stage or transform of these types, by their names in YAML, gives identities; of those that are not
    vidpipe's own nobody knows.
    """
    own = {**STAGES.builtin, **TRANSFORMS.builtin}
    return any(not isinstance(name, str) or name == "track" or name not in own for name in types)


def _refuse_lines(document: Document, lines: Mapping[str, Mapping[str, object]]) -> None:
    for stream, own in lines.items():
        for name in own:
            message = f"is a line, but {_NOBODY_KNOWN}: add a stage of type track"
            document.mistake(("streams", stream, "lines", name), message)


def _of_stream(
    stream: str,
    rules: Sequence[RuleSpec],
    zones: Collection[str],
    lines: Collection[str],
    tracked: bool,
) -> Iterator[RuleSpec]:
    """The rules that hold on a stream, each with those of its places that are there; then the obvious ones."""
    left_zones, left_lines = dict.fromkeys(zones), dict.fromkeys(lines)
    for rule in rules:
        if rule.streams is not None and stream not in rule.streams:
            continue
        there, left, field = (lines, left_lines, "line") if rule.kind == "line" else (zones, left_zones, "zone")
        if rule.places is None and rule.kind not in TRACKED:
            yield rule  # of the whole picture
            continue
        own = [name for name in there if rule.places is None or name in rule.places]
        if own:
            for name in own:
                left.pop(name, None)
            yield rule.model_copy(update={field: own})
    yield from obvious(left_zones, left_lines, tracked=tracked)


def obvious(zones: Iterable[str], lines: Iterable[str], *, tracked: bool) -> Iterator[RuleSpec]:
    """The rules of zones and lines that no rule names."""
    for name in zones:
        yield RuleSpec.model_validate({"id": name, "kind": "zone" if tracked else "presence", "zone": name})
    for name in lines:
        yield RuleSpec.model_validate({"id": name, "kind": "line", "line": name})


def check_id(document: Document, entries: Entries) -> None:
    """No stage or transform is called as rules are in reports."""
    for entry in entries.every:
        if entry.written.get("id") == RULES:
            message = f"'{RULES}' is what tells of zones, lines and rules in reports: take another id"
            document.mistake(entry.keys, message, at=(*entry.keys, "id"))
