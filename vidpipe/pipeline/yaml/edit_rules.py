"""Rules, zones and lines of one stream that change while it runs: to other rules, or to what is wrong with them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from vidpipe.core.errors import ConfigError
from vidpipe.core.nearest import did_you_mean
from vidpipe.core.registry import STAGES, TRANSFORMS
from vidpipe.pipeline.spec import Pipeline
from vidpipe.pipeline.yaml.check_rules import check_rules, obvious, tells_who_is_who
from vidpipe.pipeline.yaml.diagnostics import InvalidPipelineError, Mark
from vidpipe.pipeline.yaml.document import Document
from vidpipe.pipeline.yaml.messages import explain
from vidpipe.pipeline.yaml.spec import ConfigFile
from vidpipe.transforms.rules.rules import RULES
from vidpipe.transforms.rules.spec import RulesConfig, RuleSpec

Written = Mapping[str, Any]
"""Rules, zones and lines as YAML has them: {"rules": [{"id": ...}], "zones": {NAME: POINTS}, "lines": ...}."""

_PARTS = ("rules", "zones", "lines")


def edit_rules(
    pipeline: Pipeline,
    stream: str,
    *,
    add: Written | None = None,
    change: Written | None = None,
    remove: Mapping[str, Sequence[str]] | None = None,
) -> RulesConfig:
    """The rules of a stream with some of them added, changed and removed; zones and lines likewise.

    A zone that is removed is taken from the rules that name others as well.

    Args:
        add: what is not there yet.
        change: what is there, whole, as it is to be.
        remove: names of zones and lines, ids of rules.

    Raises:
        ConfigError: no such stream, or name; something is there already; or with every mistake in what would come out.
    """
    if stream not in pipeline.streams:
        raise ConfigError(f"there is no stream '{stream}'{did_you_mean(stream, pipeline.streams)}")
    config = pipeline.streams[stream].configs.get(RULES)
    if not isinstance(config, RulesConfig):
        raise ConfigError("this run has no place for rules: begin it with `rules: []` in its pipeline")
    tracked = _is_tracked(pipeline)
    own = list(obvious(config.zones, config.lines, tracked=tracked))
    parts: dict[str, dict[str, Any]] = {
        "rules": {rule.id: _plain(rule) for rule in config.rules if rule not in own},
        "zones": dict(config.zones),
        "lines": dict(config.lines),
    }
    touched = {part: _touched(part, parts[part], add or {}, change or {}, remove or {}) for part in _PARTS}
    if not any(touched.values()):
        raise ConfigError("nothing to change: give `add`, `change` or `remove` of rules, zones or lines")
    for field, part in (("zone", "zones"), ("line", "lines")):
        _let_go(parts["rules"], field, parts[part], touched["rules"])
    return _checked(pipeline, stream, parts, config, tracked=tracked)


def _touched(part: str, there: dict[str, Any], add: Written, change: Written, remove: Written) -> set[str]:
    """Make the changes to one part; the names that they are about."""
    for verb, given in (("add", add), ("change", change), ("remove", remove)):
        if unknown := [name for name in given if name not in _PARTS]:
            raise ConfigError(f"{verb}: there is no '{unknown[0]}'; there is {', '.join(_PARTS)}")
    kind = part.removesuffix("s")
    added, changed = (_by_name(part, verb, given.get(part)) for verb, given in (("add", add), ("change", change)))
    removed = remove.get(part) or ()
    if isinstance(removed, str):
        raise ConfigError(f"remove: {part} must be a list of names, not '{removed}'")
    for name in added:
        if name in there:
            raise ConfigError(f"add: there is a {kind} '{name}' already: give it under `change`, or another name")
    for verb, names in (("change", changed), ("remove", removed)):
        for name in names:
            if name not in there:
                raise ConfigError(f"{verb}: there is no {kind} '{name}'{did_you_mean(name, there)}")
    there |= {**added, **changed}
    for name in removed:
        if there.pop(name, None) is None or name in changed:
            raise ConfigError(f"remove: {kind} '{name}' is named twice")
    return {*added, *changed, *removed}


def _by_name(part: str, verb: str, given: Any) -> dict[str, Any]:
    """What is written of one part, by name; rules are a list in which each has its id."""
    if given is None:
        return {}
    if part != "rules":
        if not isinstance(given, Mapping):
            raise ConfigError(f"{verb}: {part} must be {{NAME: POINTS}}, not {given!r}")
        try:
            return {str(name): [list(point) for point in points] for name, points in given.items()}
        except TypeError:
            raise ConfigError(f"{verb}: {part} must be {{NAME: POINTS}}, each point [x, y], not {given!r}") from None
    found: dict[str, Any] = {}
    rules = [given] if isinstance(given, Mapping | RuleSpec) else given
    if not isinstance(rules, Sequence) or not all(isinstance(rule, Mapping | RuleSpec) for rule in rules):
        raise ConfigError(f"{verb}: rules must be a list in which each has its id, kind and more, not {given!r}")
    for rule in rules:
        written = _plain(rule) if isinstance(rule, RuleSpec) else dict(rule)
        id = written.get("id")
        if not isinstance(id, str) or id in found:
            raise ConfigError(f"{verb}: each rule needs an id of its own, not {id!r}")
        found[id] = written
    return found


def _let_go(rules: Mapping[str, dict[str, Any]], field: str, places: Collection[str], touched: Collection[str]) -> None:
    """Take what has been removed from rules that name other places, too."""
    for id, rule in rules.items():
        named = rule.get(field)
        if id in touched or not isinstance(named, list):
            continue
        rule[field] = [name for name in named if name in places]
        if not rule[field]:
            raise ConfigError(f"remove: rule '{id}' is for {field} '{named[0]}' alone: remove or change it as well")


def _checked(
    pipeline: Pipeline, stream: str, parts: Mapping[str, Mapping[str, Any]], config: RulesConfig, *, tracked: bool
) -> RulesConfig:
    """The rules that come out, checked as those of a file."""
    spec = pipeline.streams[stream].spec
    hidden = {"mask": spec.mask, "regions": spec.regions}
    written = {
        "streams": {stream: {"url": "", **hidden, "zones": parts["zones"], "lines": parts["lines"]}},
        "rules": list(parts["rules"].values()),
        "schedules": {
            name: [span.model_dump(mode="json", by_alias=True) for span in spans]
            for name, spans in config.schedules.items()
        },
    }
    mark = Mark(f"rules of {stream}")
    document = Document(written, {(): mark}, [mark.file])
    try:
        ConfigFile.model_validate(written)
    except ValidationError as error:
        explain(document, error, ConfigFile)
    fresh = check_rules(document, pipeline.classes.names or None, tracked=tracked)[stream]
    if document.mistakes:
        raise InvalidPipelineError(document.ordered())
    left = {rule.id for rule in fresh.rules}
    return fresh.model_copy(update={"off": tuple(id for id in config.off if id in left)})


def _plain(rule: RuleSpec) -> dict[str, Any]:
    """A rule that holds on this stream, as YAML would have it."""
    plain = rule.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude={"streams"})
    return plain | {name: [plain[name]] for name in ("zone", "line") if isinstance(plain.get(name), str)}


def _is_tracked(pipeline: Pipeline) -> bool:
    names = [STAGES.name_of(stage.type) for stage in pipeline.stages]
    names += [TRANSFORMS.name_of(transform.type) for transform in pipeline.transforms if transform.id != RULES]
    return tells_who_is_who(names)
