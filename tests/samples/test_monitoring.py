"""Dashboard and alerts ask for metrics that there are, in PromQL that can be read."""

from __future__ import annotations

import json
import re

import promql_parser
import pytest
import yaml

from tests.builders import answer
from tests.samples.conftest import SAMPLES
from vidpipe.cascade.audit import Audit
from vidpipe.cascade.runner import Meter
from vidpipe.results.carried import Carried
from vidpipe.results.collector import Collector
from vidpipe.results.records import Batch, Counts, Result
from vidpipe.results.sinks.metric_families import families
from vidpipe.results.status import stream_statuses
from vidpipe.statistics.agreement import Matched

FOLDER = SAMPLES / "monitoring"
DASHBOARD = json.loads((FOLDER / "dashboard.json").read_text())
ALERTS = [rule for group in yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"] for rule in group["rules"]]
OF_PROMETHEUS = {"up"}


def panels():
    return [(panel["title"], target["expr"]) for panel in DASHBOARD["panels"] for target in panel["targets"]]


EXPRESSIONS = [*panels(), *((rule["alert"], rule["expr"]) for rule in ALERTS)]


@pytest.fixture(scope="module")
def told():
    """What each metric may be asked for: its labels, by its name in the exposition."""
    collector = Collector(["gate"], live=["gate"])
    collector.promise("gate", 0.9, "boxes")
    audit = Audit("cheap", False, False, Matched(3, 8), Matched(1, 2), 4)
    collector.take(Batch(published=[Result("gate", 0, 0.0, None, 0.0, 0, answer("cheap"), audit)]))
    collector.counts = lambda: Counts({"s": Meter()}, {"m": (1, 1, 1)}, {"l": Carried(1, 1)}, {"a": (1.0,)})
    collector.sink_counts = lambda: {"mqtt": {"waiting": 1, "delivered": 1}}
    made = list(families(collector, stream_statuses(collector.status_monitors)))
    labels = {family.name: set(family._labelnames) for family in made}  # noqa: SLF001 - some have no sample yet
    names = {}
    for family in made:
        ending = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}.get(family.type, [""])
        names |= {family.name + each: labels[family.name] | {"le"} for each in ending}
    return names


@pytest.mark.parametrize(
    ("title", "expression"), EXPRESSIONS, ids=[f"{title}-{n}" for n, (title, _) in enumerate(EXPRESSIONS)]
)
def test_each_expression_can_be_read_and_asks_for_what_there_is(told, title, expression):
    promql_parser.parse(expression.replace("$stream", "gate"))
    asked = re.findall(r"\b(vidpipe_\w+|up)\b(?:\{([^}]*)\})?", expression)
    assert asked
    for name, matchers in asked:
        assert name in told or name in OF_PROMETHEUS
        for label in re.findall(r'(\w+)=~?"', matchers):
            assert label in told.get(name, {"job"}), f"{name} has no label {label}"


def test_what_a_message_names_is_there(told):
    for rule in ALERTS:
        kept = set().union(*(told.get(name, set()) for name in re.findall(r"\bvidpipe_\w+", rule["expr"]))) | {
            "instance"
        }
        named = set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]))
        assert named <= kept, rule["alert"]


def test_panels_do_not_overlap():
    taken = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken
        assert max(x for x, _ in cells) < 24
        taken |= cells


def test_what_prometheus_reads_names_the_alerts():
    read = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
    assert read["rule_files"] == ["alerts.yml"]
    (job,) = read["scrape_configs"]
    assert job["job_name"] in ALERTS[0]["expr"]
