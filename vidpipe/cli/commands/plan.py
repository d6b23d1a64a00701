"""`vidpipe plan`: segments, actors, tiers, links, and what all of it is expected to take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from vidpipe.cli.profiles import with_profiles
from vidpipe.cli.seconds import seconds
from vidpipe.cli.terminal.rows import print_json
from vidpipe.core.errors import ConfigError
from vidpipe.pipeline.plan import Plan, plan
from vidpipe.pipeline.yaml.load import load
from vidpipe.sources.open import expand

if TYPE_CHECKING:
    from vidpipe.cli.costs import Engine
    from vidpipe.tuning.planner.capacity import Carries
    from vidpipe.tuning.planner.costs import Costs
    from vidpipe.tuning.planner.loads import Shortage
    from vidpipe.tuning.planner.nodes import Nodes


@dataclass(frozen=True, slots=True)
class PlanOptions:
    """What the user asked for."""

    pipeline: str
    config: Path | None
    sources: Sequence[str]
    sets: Sequence[str]
    profiles: Path | None
    engine: Engine
    nodes: Path | None = None
    mbps: Sequence[str] = ()
    cameras: int | None = None
    how_many: bool = False
    measure: bool = False
    for_: str | None = None
    report: Path | None = None
    json: bool = False
    auto: bool = False
    out: Path | None = None

    @property
    def asks(self) -> bool:
        """Whether an answer needs costs; else they are shown where they are known."""
        return bool(self.nodes or self.mbps or self.cameras or self.how_many or self.json or self.auto)


def show_plan(options: PlanOptions) -> None:
    """Print what a pipeline becomes, and what that is expected to take.

    Raises:
        ConfigError: as `check` would say; what it takes is asked for and not known, or does not fit.
        RunError: a run that measures ended before its time.
    """
    console = Console(highlight=False, soft_wrap=True, quiet=options.json)
    loaded = load(options.pipeline, config=options.config, sources=expand(*options.sources), sets=options.sets)
    # Costs are known of what tuning begins with or without; what it may choose, --auto looks up itself.
    laid = plan(loaded if options.auto else with_profiles(loaded, options.profiles, console))
    if options.out is not None and not options.auto:
        raise ConfigError("--out is where --auto writes its configuration: give both, or neither")
    # What measures is slow to import.
    from vidpipe.cli.costs import nodes_of
    from vidpipe.cli.terminal.plan_table import print_actors

    nodes = nodes_of(options.nodes, options.mbps)
    print_actors(laid, console)
    costs = _costs(options, laid, console)
    if costs is None:
        return
    if options.auto:
        from vidpipe.cli.commands.auto import plan_cameras

        told = plan_cameras(loaded, options.config, options.profiles, costs, nodes, options.out, console)
        if options.json:
            print_json([told])
    elif options.how_many:
        _how_many(options, laid, costs, nodes, console)
    else:
        _expected(options, laid, costs, nodes, console)


def _costs(options: PlanOptions, laid: Plan, console: Console) -> Costs | None:
    from vidpipe.cli.costs import known, measured, reported

    if options.report is not None:
        return reported(options.report, laid)
    if options.measure:
        return measured(laid, seconds("--for", options.for_), options.engine, options.cameras)
    costs, why = known(laid, options.engine)
    if costs is None:
        hint = f"{why}: `vidpipe plan --measure` runs each stream for a while to find out"
        if options.asks:
            raise ConfigError(f"a plan cannot say what it takes: {hint}, or --report FILE.json of a former run tells")
        if laid.pipeline.streams:
            console.print(hint)
    return costs


def _expected(options: PlanOptions, laid: Plan, costs: Costs, nodes: Nodes, console: Console) -> None:
    from vidpipe.cli.terminal.plan_table import as_json, print_expected
    from vidpipe.tuning.planner.costs import repeated
    from vidpipe.tuning.planner.expect import expect

    cameras = None if options.cameras is None else repeated(list(laid.pipeline.streams), options.cameras)
    expected = expect(laid, costs, nodes, cameras)
    print_expected(expected, nodes, console)
    if options.json:
        print_json([as_json(expected)])
    # Recordings wait for their answers: they take longer, and lose nothing.
    paced = options.asks or any(stream.spec.live for stream in laid.pipeline.streams.values())
    if expected.shortages and paced:
        raise ConfigError(_refusal(expected.shortages))
    if expected.shortages:
        slower = expected.shortages[0].times
        console.print(
            f"recordings take {slower:.2g} times as long as they last, as {expected.shortages[0].what} is short"
        )


def _how_many(options: PlanOptions, laid: Plan, costs: Costs, nodes: Nodes, console: Console) -> None:
    from vidpipe.cli.terminal.plan_table import as_json, print_expected
    from vidpipe.tuning.planner.capacity import how_many

    carries = how_many(laid, costs, nodes)
    print_expected(carries.expected, nodes, console)
    binds = str(carries.binds) if carries.binds is not None else ""
    if options.json:
        print_json([{"cameras": carries.cameras, "binds": binds, **as_json(carries.expected)}])
    if not carries.cameras:
        raise ConfigError(_refusal(carries.expected.shortages))
    console.print(f"these machines carry {carries.cameras} cameras like {_like(laid)}{_accuracy(carries)}")
    console.print(f"one more is too much: {binds}" if binds else "nothing that is known limits them")


def _like(laid: Plan) -> str:
    names = list(laid.pipeline.streams)
    return f"stream {names[0]}" if len(names) == 1 else f"streams {', '.join(names)} in turns"


def _accuracy(carries: Carries) -> str:
    from vidpipe.cli.terminal.plan_table import accuracy

    told: list[Any] = [accuracy(each.f1, each.low) for each in carries.expected.cameras]
    if not all(told):
        return "; how accurate their answers are is not known: no audit tells"
    return f", at an F1 against the last stage of {', '.join(dict.fromkeys(told))}"


def _refusal(shortages: Sequence[Shortage]) -> str:
    more = f"; beside it {len(shortages) - 1} more do not fit" if len(shortages) > 1 else ""
    return f"it does not fit: {shortages[0]}{more}"
