"""Rules, zones and lines of a stream as the page shows and edits them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic_core import to_jsonable_python

from vidpipe.pipeline.spec import Pipeline
from vidpipe.transforms.rules.rules import RULES
from vidpipe.transforms.rules.spec import RulesConfig

PARTS = ("rules", "zones", "lines")


def rules_of(pipeline: Pipeline, stream: str) -> RulesConfig | None:
    """Those of a stream; None where this run has no place for any."""
    config = pipeline.streams[stream].configs.get(RULES) if stream in pipeline.streams else None
    return config if isinstance(config, RulesConfig) else None


def by_name(config: RulesConfig | None) -> dict[str, Any]:
    """Each part by the names in it, as JSON."""
    if config is None:
        return {"rules": {}, "zones": {}, "lines": {}}
    plain = to_jsonable_python({"zones": config.zones, "lines": config.lines})
    rules = {rule.id: rule.model_dump(mode="json", by_alias=True, exclude_unset=True) for rule in config.rules}
    return {"rules": rules, **plain}


def names_in(part: str, edit: Mapping[str, Any]) -> set[str]:
    """What an edit is about."""
    named: set[str] = set()
    for verb in ("add", "change"):
        written = (edit.get(verb) or {}).get(part) or ()
        if part == "rules":
            named |= {str(rule.get("id")) for rule in written if isinstance(rule, Mapping)}
        elif isinstance(written, Mapping):
            named |= {*written}
    return named | {str(name) for name in (edit.get("remove") or {}).get(part) or ()}
