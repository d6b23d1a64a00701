"""How good the events are that users have taught: on examples that were held back, and by answers since."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vidpipe.pipeline.spec import Pipeline
from vidpipe.transforms.learnt.audited import Audited
from vidpipe.transforms.rules.rules import RULES
from vidpipe.transforms.rules.spec import RulesConfig


def taught_report(pipeline: Pipeline, audited: Mapping[tuple[str, str], Audited]) -> dict[str, dict[str, Any]]:
    """By stream and rule of kind learnt: `event`, `classifier` (the version of it that runs), `held_back` (what
    `vidpipe teach` found on the latest examples, None where it held none back), `audited` (as `Audited.report`).

    Args:
        audited: by stream and version of the classifier.
    """
    found: dict[str, dict[str, Any]] = {}
    for stream, known in pipeline.streams.items():
        rules = known.configs.get(RULES)
        if not isinstance(rules, RulesConfig):
            continue
        for rule in rules.rules:
            if rule.event is None or rule.id in rules.off:
                continue
            version = rule.event.version
            found.setdefault(stream, {})[rule.id] = {
                "event": rule.event.event,
                "classifier": version,
                "held_back": rule.event.figures.get("held_back"),
                "audited": audited.get((stream, version), Audited()).report(),
            }
    return found
