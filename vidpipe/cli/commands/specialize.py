"""`vidpipe specialize`: footage of each stream to its profile, and what speaks for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from vidpipe.cli.commands.versions import use_version
from vidpipe.cli.per_stream import say_refused, with_streams
from vidpipe.cli.seconds import seconds
from vidpipe.cli.terminal.steps import Steps
from vidpipe.core.errors import ConfigError
from vidpipe.core.extras import how_to_install, is_installed
from vidpipe.tuning.optimiser import Budget, describe
from vidpipe.tuning.paths import profiles_dir
from vidpipe.tuning.specialize import SpecializeOptions, SpecializeResult, specialize


@dataclass(frozen=True, slots=True)
class SpecializeArguments:
    """What the user asked for."""

    pipeline: str
    config: Path | None
    sources: Sequence[str]
    sets: Sequence[str]
    for_: str | None
    max_miss: float
    max_false: float
    gates: bool
    learn: bool
    seed: int
    use: int | None
    out: Path | None


def run_specialize(arguments: SpecializeArguments) -> int:
    """Learn each stream of the pipeline; 2 where one of them cannot be learnt from, as its message says."""
    pipeline = with_streams(arguments, "learn from")
    profiles = arguments.out or profiles_dir()
    console = Console(highlight=False, soft_wrap=True, markup=False)
    if arguments.use is not None:
        for stream in pipeline.streams:
            console.print(use_version(profiles, stream, arguments.use))
        return 0
    if arguments.gates and not is_installed("torch"):
        raise ConfigError(f"to train gates takes torch: `{how_to_install('torch')}`, or leave them out: --no-gates")
    budget = Budget(arguments.max_miss, arguments.max_false)
    options = SpecializeOptions(
        budget, profiles, seconds("--for", arguments.for_), arguments.gates, arguments.learn, arguments.seed
    )
    refused: list[ConfigError] = []
    for stream in pipeline.streams:
        try:
            with Steps() as steps:
                learnt = specialize(pipeline, stream, options, steps)
        except ConfigError as error:
            refused.append(error)
        else:
            _print(learnt, options, console)
    say_refused(refused)
    return refused[0].exit_status if refused else 0


def _print(learnt: SpecializeResult, options: SpecializeOptions, console: Console) -> None:
    footage, verdict = learnt.footage, learnt.verdict
    choice, bare = verdict.choice, verdict.bare
    console.print(f"stream {learnt.stream}")
    console.print(
        f"  learnt from  {footage.frames} frames, {footage.truth.video_s:.0f} s; something in "
        f"{footage.present.mean():.1%} of them, {footage.visits} visits"
    )
    if choice.filters:
        console.print(f"  looks at     only what is {describe(choice, learnt.gates)}")
        console.print(
            f"  expected     {choice.cost_ms:.2f} ms of CPU a frame in place of {bare.cost_ms:.2f}: "
            f"{learnt.saves:.1f} times less; {footage.decode_ms / choice.cost_ms:.0%} of it decodes"
        )
        console.print(
            f"  misses       {choice.missed:.2%} of frames with something, at most {choice.missed_high:.2%} "
            f"({options.budget.miss:.2%} allowed); false {choice.false:.2%}, at most {choice.false_high:.2%}"
        )
        alone = learnt.version.evidence["visits_missed_at_most"]
        console.print(
            f"  evidence     {footage.seen_visits} visits: the bounds hold if later ones differ as these do from each "
            f"other; these alone say that at most {alone:.0%} of all visits are missed"
        )
        console.print(f"  looked at    {choice.looks:.1%} of all frames, audits included")
    else:
        console.print("  no filter    none pays within the budget: every frame is looked at, as before")
        cheapest = min(verdict.tried.items(), key=lambda item: item[1].cost_ms, default=None)
        if cheapest:
            name, best = cheapest
            console.print(f"  cheapest     {name}: {best.cost_ms:.2f} ms a frame, {bare.cost_ms:.2f} without")
    for line in learnt.version.evidence["why_not"]:
        console.print(f"  not used     {line}")
    for mask in learnt.masks:
        corners = ", ".join(f"[{x:g}, {y:g}]" for x, y in mask.polygon)
        console.print(f"  mask?        [{corners}]   changes {mask.restless:.0f} times more than the rest")
    cost = learnt.labels_cpu_s + learnt.training_cpu_s
    console.print(
        f"  cost         {learnt.labels_cpu_s:.0f} s of CPU for labels, {learnt.training_cpu_s:.0f} s to fit"
        + (
            f"; saves {learnt.saved_a_day_s:.0f} s a day, {cost / learnt.saved_a_day_s:.1%} of it is what it cost"
            if choice.filters
            else ""
        )
    )
    if options.learn:
        goes_on = "in every run" if choice.gate is not None else "by the detector alone: no gate is used"
        console.print(f"  learning     goes on {goes_on}")
    console.print(f"  profile      {learnt.folder}   version {learnt.version.version}")
