"""What `vidpipe plan` goes by: the machines that there are, and what the pipeline takes on this one."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import psutil
from pydantic import ValidationError

from vidpipe.bench.cost.kept import costs_file, keep_costs, read_costs
from vidpipe.bench.cost.planning import measure_costs, this_processor
from vidpipe.cli.terminal.steps import Steps
from vidpipe.core.errors import ConfigError
from vidpipe.core.nearest import did_you_mean
from vidpipe.pipeline.plan import Plan
from vidpipe.pipeline.yaml.diagnostics import InvalidPipelineError
from vidpipe.pipeline.yaml.messages import explain
from vidpipe.pipeline.yaml.read import read
from vidpipe.tuning.planner.costs import Costs, cost_key
from vidpipe.tuning.planner.nodes import Nodes, lines, one_machine
from vidpipe.tuning.planner.reports import costs_of_report

Engine = Literal["inline", "ray"]
MEASURE_S = 60.0  # media seconds of each stream at most, where nobody says


def nodes_of(path: Path | None, mbps: Sequence[str]) -> Nodes:
    """The machines of a file, with the rates of lines that the command line names; without a file this machine.

    Raises:
        ConfigError: with every mistake that there is.
    """
    nodes = one_machine(_cores(), psutil.virtual_memory().total / 1e9) if path is None else read_nodes(path)
    return nodes.limited(dict(_rate(each) for each in mbps)) if mbps else nodes


def read_nodes(path: Path) -> Nodes:
    """The file after `--nodes`. Raises ConfigError with every mistake in it."""
    document = read(path, str(path))
    if not document.mistakes:
        try:
            return Nodes.model_validate(document.data)
        except ValidationError as error:
            explain(document, error, Nodes)
    raise InvalidPipelineError(document.ordered())


def measured(
    laid: Plan, seconds: float | None, engine: Engine, cameras: int | None, only: Sequence[str] | None = None
) -> Costs:
    """Run each stream of a plan for a while, keep what it takes, and return it. Raises as `measure_costs` does."""
    pipeline = laid.pipeline
    if not pipeline.streams:
        raise ConfigError("nothing to measure: give a clip or a camera with --source, or streams with --config")
    with Steps() as steps:
        costs = measure_costs(
            pipeline, seconds or MEASURE_S, engine, cameras or len(pipeline.streams), lambda what: steps.step(what)
        )
    return keep_costs(costs_file(pipeline.name, costs.processor, costs.cores, engine), costs)


def known(laid: Plan, engine: Engine) -> tuple[Costs | None, str]:
    """What was measured earlier of all streams of a plan; None and why where that is not so.

    Raises:
        ConfigError: what is kept cannot be read.
    """
    pipeline = laid.pipeline
    costs = read_costs(costs_file(pipeline.name, this_processor(), _cores(), engine))
    if not pipeline.streams:
        return None, "it has no streams"
    for name in pipeline.streams:
        if costs is None or name not in costs.streams:
            return None, f"what stream {name} takes was not measured on this machine"
        if costs.streams[name].key != cost_key(pipeline, name):
            return None, f"what stream {name} takes was measured under other settings"
    return costs, ""


def reported(path: Path, laid: Plan) -> Costs:
    """What the report of a former run tells. Raises ConfigError."""
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"--report {path} cannot be read: {error.strerror}") from None
    except ValueError:
        raise ConfigError(f"--report {path} is not JSON") from None
    return costs_of_report(report, laid, processor=this_processor(), cores=_cores())


def _rate(text: str) -> tuple[str, float]:
    """Of "edge-cloud=5". Raises ConfigError."""
    name, _, value = (part.strip() for part in text.partition("="))
    if name not in lines():
        raise ConfigError(f"--mbps: there is no link '{name}'{did_you_mean(name, lines())}")
    try:
        rate = float(value)
    except ValueError:
        rate = math.nan
    if not 0 < rate < math.inf:
        raise ConfigError(f"--mbps {text}: a rate is a number above 0, as in {name}=5")
    return name, rate


def _cores() -> int:
    return os.cpu_count() or 1
