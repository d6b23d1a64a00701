"""What each stream may get: the configurations that were tried of it, with what they take and what they are worth."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from vidpipe.core.errors import ConfigError, VidpipeError
from vidpipe.core.settings import Knobs
from vidpipe.pipeline.spec import LinkSpec, Pipeline
from vidpipe.sources.address import is_camera
from vidpipe.sources.base import StreamSpec
from vidpipe.sources.open import open_source
from vidpipe.tuning.budget.limits import CPU, BudgetConfig, links_of
from vidpipe.tuning.budget.pictures import Video, picture_mb
from vidpipe.tuning.budget.plan import Option, Wish, demand_of, exact, fits, least, unbeaten
from vidpipe.tuning.floor.configuration import CAREFUL, Configuration, Roles, holds
from vidpipe.tuning.floor.profile import Basis, Point, Tuned, configuration_of


@dataclass(frozen=True, slots=True)
class Setting:
    """What an option does to a stream.

    Attributes:
        floor: what its tracker holds; None: nothing.
        looks: share of the frames that are looked at.
    """

    configuration: Configuration
    floor: float | None
    looks: float = 1.0

    def __str__(self) -> str:
        return str(self.configuration)


@dataclass(slots=True)
class Offers:
    """What all streams may get.

    Attributes:
        wishes: what keeps to the floor of each stream.
        anything: what there is without regard to floors, for a run that has to do with less.
        untuned: streams of which nothing is known, and why.
        notes: what the user should know.
    """

    wishes: dict[str, Wish] = field(default_factory=dict)
    anything: dict[str, Wish] = field(default_factory=dict)
    untuned: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def offers(roles: Roles, profiles: Path, config: BudgetConfig) -> Offers:
    """What the streams of a pipeline may get.

    Raises:
        ConfigError: nothing is known of any stream, or one cannot keep to the latency.
    """
    pipeline = roles.pipeline
    found = Offers()
    tuned = dict(_tuned(pipeline, profiles, found.untuned))
    if not tuned:
        why = "; ".join(found.untuned.values()) or "there are no streams"
        raise ConfigError(f"a budget chooses between what `vidpipe tune` has tried of each stream: {why}")
    videos = _videos(pipeline, tuned)
    dearest = max(each.safe.cpu_ms for each in tuned.values())
    for name, stream in pipeline.streams.items():
        cost, floor = _Cost(roles, name, videos[name], config), stream.spec.floor
        if (known := tuned.get(name)) is not None:
            # A plan may be made anew while the streams run, when what they decode is settled.
            points = [point for point in known.frontier if configuration_of(point).decodes_all]
            every = [(_holds(point, known, floor), cost.option(point, known)) for point in points]
        else:
            every = [(True, cost.careful(dearest, floor))]
        able = [(holds, option) for holds, option in every if option is not None]
        if not any(holds for holds, _ in able):
            raise ConfigError(
                f"a budget of latency_ms={config.latency_ms or 0:g}: stream {name} cannot keep to it: links alone add "
                f"{cost.added_ms(None):.0f} ms to a look of the last stage"
            )
        weight = stream.spec.weight
        found.wishes[name] = Wish(unbeaten(option for holds, option in able if holds), weight)
        found.anything[name] = Wish(unbeaten(option for _, option in able), weight)
    if config.latency_ms is not None and not any(spec.shaper for spec in pipeline.links.values()):
        found.notes.append(
            f"latency_ms={config.latency_ms:g} leaves nothing out: what links add is known only where they have a "
            "`shaper`"
        )
    if config.mbps is not None and not links_of(pipeline):
        found.notes.append(f"mbps={config.mbps:g} leaves nothing out: all stages stand on one tier")
    return found


def impossible(found: Offers, limits: Mapping[str, float], config: BudgetConfig) -> str:
    """Why no plan fits: which limit, and what it would take."""
    scarce = []
    for resource, limit in limits.items():
        plan = least(found.wishes, resource, {})
        if plan is not None and not fits(plan, {resource: limit}):
            scarce.append((resource, plan))
    if not scarce:  # each limit by itself could be kept
        resource = next(iter(limits))
        plan = least(found.wishes, resource, limits)
        scarce = [(resource, plan)] if plan is not None else []
    floors = ""
    if exact(found.anything, limits) is not None:
        floors = " with the floors of its streams"
    parts = [f"a budget of {config} cannot be kept{floors}"]
    for resource, plan in scarce:
        shares = ", ".join(
            f"stream {name} {option.demand.get(resource, 0.0):.3g} ({option.what})" for name, option in plan.items()
        )
        parts.append(f"{said(resource)} must be {_up(demand_of(plan)[resource]):.3g} at least: {shares}")
    return "; ".join(parts)


def said(resource: str) -> str:
    """A resource as the user calls it."""
    return resource if resource == CPU else f"mbps of {resource}"


def _up(amount: float) -> float:
    """Rounded up to three digits, so that who writes it is not refused again."""
    unit = 10.0 ** (np.floor(np.log10(amount)) - 2)
    return float(np.ceil(amount / unit) * unit)


def _tuned(pipeline: Pipeline, profiles: Path, untuned: dict[str, str]) -> Iterator[tuple[str, Tuned]]:
    basis = Basis(pipeline)
    for name, stream in pipeline.streams.items():
        spec = stream.spec
        try:
            tuned = basis.read(profiles, name)
        except ConfigError as error:
            untuned[name] = str(error)
            continue
        if tuned is None:
            untuned[name] = f"stream {name} was never tuned: `vidpipe tune` it first"
        elif spec.floor is not None and spec.want != tuned.want:
            untuned[name] = f"stream {name} was tuned for {tuned.want}, not for {spec.want}: `vidpipe tune` it again"
        else:
            yield name, tuned


def _holds(point: Point, tuned: Tuned, floor: float | None) -> bool:
    """Whether a configuration keeps to a floor, by the rules by which `tune` chooses."""
    if floor is None:
        return True
    if point.guarded and floor > tuned.floor:  # its tracker adapted to less
        return point.low >= floor
    return holds(configuration_of(point), floor, point.f1, point.low, guarded=point.guarded)


def _videos(pipeline: Pipeline, tuned: Mapping[str, Tuned]) -> dict[str, Video]:
    """What each stream brings; of one of which that is not known, as much as the others bring at most."""
    known: dict[str, Video] = {}
    for name, stream in pipeline.streams.items():
        one = tuned.get(name)
        if one is not None and one.fps and one.picture:
            known[name] = Video(one.fps, *one.picture)
        elif (video := _announced(name, stream.spec)) is not None:
            known[name] = video
    if not known:
        raise ConfigError("how many pictures a second the streams have is not known: `vidpipe tune` them again")
    fps, widths, heights = zip(*known.values(), strict=True)
    most = Video(max(fps), max(widths), max(heights))
    return {name: known.get(name, most) for name in pipeline.streams}


def _announced(name: str, spec: StreamSpec) -> Video | None:
    """What a recording says of itself."""
    if is_camera(spec.url):
        return None
    try:
        info = open_source(name, spec.recording, knobs=Knobs()).info
    except VidpipeError:  # the run will say so
        return None
    return Video(info.fps, info.width, info.height) if info.fps else None


class _Cost:
    """What configurations of a stream take."""

    def __init__(self, roles: Roles, stream: str, video: Video, config: BudgetConfig) -> None:
        self._pipeline, self._video, self._config = roles.pipeline, video, config
        self._links = links_of(roles.pipeline)
        self._tier = {stage.id: stage.tier for stage in roles.pipeline.stages}
        self._last, self._little = roles.last, roles.little
        self._waits = not roles.pipeline.detours(stream)

    def option(self, point: Point, tuned: Tuned) -> Option | None:
        """A point of the frontier; None where nothing is known of its accuracy, or it looks too late."""
        looker = None if point.look is None else self._little
        if point.f1 is None or not self._is_soon(looker):
            return None
        setting = Setting(configuration_of(point), tuned.floor if point.guarded else None, point.looks)
        return Option(point.f1, self._demand(point.cpu_ms, point.looks, looker), setting)

    def careful(self, cpu_ms: float, floor: float | None) -> Option | None:
        """A look of the last stage at every frame; None where that is too late."""
        return Option(1.0, self._demand(cpu_ms, 1.0, None), Setting(CAREFUL, floor)) if self._is_soon(None) else None

    def added_ms(self, looker: str | None) -> float:
        """What links add to a look, as far as it is known; nothing where nobody waits for it."""
        if not self._waits:
            return 0.0
        specs = [self._spec(link) for link in self._links_to(looker or self._last)]
        return sum(
            shaper.delay_ms + shaper.jitter_ms + 1000 * picture_mb(self._video, spec) / (shaper.rate_mbps or np.inf)
            for spec in specs
            if (shaper := spec.shaper) is not None
        )

    def _is_soon(self, looker: str | None) -> bool:
        return self._config.latency_ms is None or self.added_ms(looker) <= self._config.latency_ms

    def _demand(self, cpu_ms: float, looks: float, looker: str | None) -> dict[str, float]:
        """What is taken of each resource.

        Args:
            looks: share of the frames that are looked at.
            looker: the stage that does; None: the last one. Audits reach that in any case.
        """
        demand = {CPU: cpu_ms * self._video.fps / 1000}
        reached = self._links_to(looker or self._last)
        for link in self._links_to(self._last):
            share = looks if link in reached else self._pipeline.audit.rate
            demand[link] = share * self._video.fps * picture_mb(self._video, self._spec(link))
        return demand

    def _links_to(self, stage: str) -> list[str]:
        """The links that a frame crosses on its way to a stage."""
        tier = self._tier[stage]
        below = [number for number, link in enumerate(self._links, 1) if link.endswith(f"-{tier}")]
        return self._links[: below[0]] if below else []

    def _spec(self, link: str) -> LinkSpec:
        return self._pipeline.links.get(link, LinkSpec())
