"""`vidpipe doctor`: what would keep vidpipe from working well here, and what to do about it."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

from rich.console import Console

from vidpipe.cli.doctor.cluster import cluster
from vidpipe.cli.doctor.finding import Finding, State
from vidpipe.cli.doctor.machine import machine
from vidpipe.cli.doctor.pipeline import pipeline_findings
from vidpipe.cli.doctor.software import software
from vidpipe.cli.terminal.rows import print_json
from vidpipe.core.files import data_folder
from vidpipe.models.cache import cache_dir
from vidpipe.pipeline.spec import Pipeline
from vidpipe.pipeline.yaml.load import load
from vidpipe.sources.open import expand
from vidpipe.tuning.paths import profiles_dir

_STYLES = {State.OK: "green", State.NOTE: "yellow", State.PROBLEM: "bold red"}


def run_doctor(
    pipeline: str | None,
    config: Path | None,
    sources: Sequence[str],
    sets: Sequence[str],
    *,
    address: str | None = None,
    seconds: float,
    json: bool,
) -> int:
    """Print each finding as it is made; the exit status: 1 where there is a problem.

    Args:
        pipeline: whose models, streams and ports are looked at, too; None: only the machine.
        address: of a Ray that a run is to join; None: none is looked at.
        seconds: how long each camera is watched.
        json: print JSON lines.

    Raises:
        ConfigError: the pipeline is wrong; says all that `check` would.
    """
    folders = {"models' cache": cache_dir(), "profiles": profiles_dir(), "data": data_folder()}
    findings: Iterator[Finding] = chain(machine(folders), software())
    loaded: Pipeline | None = None
    if pipeline is not None:
        loaded = load(pipeline, config=config, sources=expand(*sources), sets=sets)
        findings = chain(findings, pipeline_findings(loaded, seconds))
    if address is not None:
        findings = chain(findings, cluster(address, loaded))
    console = Console(highlight=False, markup=False)
    count = dict.fromkeys(State, 0)
    for finding in findings:
        count[finding.state] += 1
        if json:
            print_json([finding._asdict()])
            sys.stdout.flush()
        else:
            _show(console, finding)
    if not json:
        console.print(f"problems: {count[State.PROBLEM]}, notes: {count[State.NOTE]}")
    return 1 if count[State.PROBLEM] else 0


def _show(console: Console, finding: Finding) -> None:
    console.print(f"{finding.state:<8}", style=_STYLES[finding.state], end="")
    console.print(f"{finding.about}: {finding.said}", soft_wrap=True)
    if finding.advice:
        console.print(f"        -> {finding.advice}", soft_wrap=True)
