"""`vidpipe tune`: footage of each stream to the settings that hold a floor, and what speaks for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rich.console import Console

from vidpipe.cli.per_stream import say_refused, with_streams
from vidpipe.cli.profiles import with_profiles
from vidpipe.cli.seconds import seconds
from vidpipe.cli.terminal.steps import Steps
from vidpipe.core.errors import ConfigError
from vidpipe.core.files import write_whole
from vidpipe.sources.base import Want
from vidpipe.tuning.floor.page import page, score, would_lose
from vidpipe.tuning.floor.tune import TuneOptions, TuneResult, tune
from vidpipe.tuning.paths import profiles_dir

OPTUNA_TRIALS = 60


@dataclass(frozen=True, slots=True)
class TuneArguments:
    """What the user asked for."""

    pipeline: str
    config: Path | None
    sources: Sequence[str]
    sets: Sequence[str]
    floor: float
    want: Want
    for_: str | None
    out: Path | None
    search: Literal["built-in", "optuna"] = "built-in"
    trials: int | None = None

    @property
    def more(self) -> int:
        """Configurations that Optuna may try. Raises ConfigError where trials are asked for, and Optuna is not."""
        if self.search == "optuna":
            return OPTUNA_TRIALS if self.trials is None else self.trials
        if self.trials is not None:
            raise ConfigError("--trials-count is of --search optuna: the built-in search tries what it has to")
        return 0


def run_tune(arguments: TuneArguments) -> int:
    """Tune each stream of the pipeline; 2 where a floor is refused or a stream cannot be tuned, as a message says."""
    pipeline = with_streams(arguments, "tune on")
    profiles = arguments.out or profiles_dir()
    console = Console(highlight=False, soft_wrap=True, markup=False)
    pipeline = with_profiles(pipeline, profiles, console, tuned=False)
    options = TuneOptions(arguments.floor, profiles, arguments.want, seconds("--for", arguments.for_), arguments.more)
    refused: list[str] = []
    for stream in pipeline.streams:
        try:
            with Steps() as steps:
                result = tune(pipeline, stream, options, steps)
        except ConfigError as error:
            refused.append(str(error))
            continue
        write_whole(result.folder / "tuned.html", page(result.tuned), "report")
        _print(result, console)
        if result.tuned.refused:
            refused.append(f"stream {stream}: {result.tuned.refused}")
    say_refused(refused)
    return 2 if refused else 0


def _print(result: TuneResult, console: Console) -> None:
    tuned = result.tuned
    chosen, safe = tuned.chosen, tuned.safe
    console.print(f"stream {tuned.stream}: {tuned.want} at {tuned.floor:g} or better")
    if result.reused:
        console.print(f"  tuned before {tuned.made_at}: nothing has changed since")
    console.print(f"  footage      {tuned.video_s:.0f} s, of which {tuned.tuned_s:.0f} s were looked at")
    console.print(f"  chosen       {chosen.says}")
    console.print(
        f"  cost         {chosen.cpu_ms:.2f} ms of CPU a frame in place of {safe.cpu_ms:.2f}: "
        f"{safe.cpu_ms / chosen.cpu_ms:.1f} times less; static at the floor takes {tuned.static.cpu_ms:.2f}"
    )
    console.print(
        f"  accuracy     {score(chosen.f1)} on this footage, {score(chosen.low)} at least, by {chosen.blocks} "
        "independent stretches of time"
    )
    if chosen.low < tuned.floor and not tuned.refused:
        if not chosen.guarded:
            then = "looks at every frame"
        elif chosen.between_s:
            then = "begins from there, as looks at even distances prove it, and adapts"
        else:
            then = "begins with every frame, and loosens as it proves itself"
        console.print(f"  not proven   the footage is too short for more: a run {then}")
    if tuned.next_cheaper is not None:
        console.print(f"  next cheaper {would_lose(tuned, tuned.next_cheaper)}")
    if tuned.more_s is not None:
        console.print(f"  more footage some {tuned.more_s:.0f} s more like this could prove a cheaper one")
    trial = tuned.trial
    console.print(
        f"  reference    repeats itself to {score(trial['repeats'])}; {trial['near_threshold'] or 0:.0%} of its boxes "
        f"score near their threshold, {trial['ghosts'] or 0:.0%} come and go within a frame"
    )
    for variant, why in tuned.dropped.items():
        console.print(f"  not used     {variant}: {why}")
    cost = tuned.cost
    console.print(
        f"  tuning       took {cost['looks_cpu_s']:.0f} s of CPU for looks and {cost['search_cpu_s']:.0f} s to search: "
        f"{cost['tuning_over_every_frame']:.2f} times a look at every frame"
    )
    console.print(f"  profile      {result.folder}   tuned.json, and tuned.html to look at")
