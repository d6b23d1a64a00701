"""Where the stages of a pipeline stand: segments, and the links between them."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from vidpipe.cascade.audit import AuditSpec
from vidpipe.core.settings import StageConfig
from vidpipe.models.inputs import NetworkInputs
from vidpipe.pipeline.spec import LinkSpec, Pipeline, PlacedStage, Tier

_LIVE_STREAMS = 8  # in one device actor
_OPEN = 8  # recordings that are open at a time in all, at least; else two for each core, as some wait for answers
_AS_PLACED: Mapping[str, StageConfig] = {}
SITE_TIERS = (Tier.DEVICE, Tier.EDGE)  # of which each site has its own


@dataclass(frozen=True, slots=True)
class Segment:
    """A run of neighbouring stages on one tier: the unit that becomes an actor.

    Attributes:
        name: its tier, with its first stage where the tier has several segments.
        per_stream: the stages up to the first shared one; in the first segment they run in the stream's thread.
        shared: the first shared stage and all behind it; they run in one thread that takes what is waiting.
    """

    name: str
    tier: Tier
    stages: tuple[PlacedStage, ...]

    @property
    def per_stream(self) -> tuple[PlacedStage, ...]:
        return self.stages[: self._first_shared()]

    @property
    def shared(self) -> tuple[PlacedStage, ...]:
        return self.stages[self._first_shared() :]

    @property
    def isolated(self) -> bool:
        return any(stage.isolate for stage in self.stages)

    def _first_shared(self) -> int:
        return next((i for i, stage in enumerate(self.stages) if stage.type.shared), len(self.stages))


@dataclass(frozen=True, slots=True)
class Link:
    """The way from one segment to the next.

    Attributes:
        far: whether the next one stands on a slower tier.
        first: the stage that frames come to there.
        audit: which of its answers are checked.
        leads_to: what messages call the actor at its lower end, where each site has one of its own; "": `lower`.
        below: all stages that a frame may come to behind it.
        inputs: of the pipeline's detectors; None where pictures cross at a size that does not depend on them.
    """

    upper: str
    lower: str
    spec: LinkSpec
    far: bool = True
    first: PlacedStage | None = None
    audit: AuditSpec = field(default_factory=AuditSpec)
    leads_to: str = ""
    below: tuple[PlacedStage, ...] = ()
    inputs: NetworkInputs | None = None

    @property
    def name(self) -> str:
        return f"{self.upper}-{self.lower}"

    @property
    def end(self) -> str:
        """What messages call the actor at its lower end."""
        return self.leads_to or self.lower

    def cut_model(self, configs: Mapping[str, StageConfig] = _AS_PLACED) -> str | None:
        """The model whose head may run before this link, as it alone looks at what crosses; None: there is no one such.

        Args:
            configs: settings of stages that are in force in place of their own, by id.
        """
        stages = [stage for stage in self.below if not stage.only_when_away]
        if len(stages) != 1:
            return None
        return stages[0].type.cut_model(configs.get(stages[0].id, stages[0].config))


@dataclass(frozen=True, slots=True)
class Place:
    """What one actor runs: neighbouring segments, for the streams of one site or for all.

    Attributes:
        segments: their indices in the plan.
        name: as messages and reports have it, "site-a/edge"; further actors of the same kind have a number behind.
        tier: of the first segment.
        site: "": it belongs to none.
    """

    segments: range
    name: str
    tier: Tier
    site: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """A pipeline cut into segments. The sources stand in the first segment, which is always on the device.

    Attributes:
        ahead: how many frames of a stream may be asked while one is open.
        unordered: no stage learns: answers may be completed in any order that keeps a stream's own.
        groups: the streams of each device actor, all of one site.
        at_once: how many recordings of a group are open at a time; the others wait for their turn.
        hold_bytes: what links may have to hold of one stream's open pictures.
        shortened: why `ahead` is less than the pipeline asks for; "" where it is not.
        pictures: whether results bring the picture that they are of.
        traces: the share of frames that are traced.
    """

    pipeline: Pipeline
    segments: tuple[Segment, ...]
    links: tuple[Link, ...]
    ahead: int
    unordered: bool
    groups: tuple[tuple[str, ...], ...]
    at_once: int
    hold_bytes: float = float("inf")
    shortened: str = ""
    pictures: bool = False
    traces: float = 0.0

    @property
    def here(self) -> int:
        """How many segments run here: those above the first link with an address. A server runs the others."""
        below = (index for index, link in enumerate(self.links, 1) if link.spec.address is not None)
        return next(below, len(self.segments))

    @property
    def way_out(self) -> Link | None:
        """The link to the server that runs the segments which do not run here."""
        return self.links[self.here - 1] if self.here < len(self.segments) else None

    def actors(self, *, one_machine: bool) -> tuple[range, ...]:
        """The segments that run here and share an actor, as runs of their indices.

        On a cluster each has its own. On one machine they would pay for calls that bring nobody anything. There a
        segment is apart from the next one only where either is isolated, where the link between them is made slower on
        purpose, and where several device actors need the same one below them.
        """
        cuts = [i for i in range(1, self.here) if not one_machine or self._is_apart(i)]
        return tuple(range(start, end) for start, end in pairwise((0, *cuts, self.here)))

    def _is_apart(self, index: int) -> bool:
        """Whether this segment and the one above it never share an actor."""
        upper, lower = self.segments[index - 1 : index + 1]
        shared_by_many = index == 1 and len(self.groups) > 1
        return upper.isolated or lower.isolated or self.links[index - 1].spec.shaper is not None or shared_by_many

    @property
    def sites(self) -> tuple[str, ...]:
        """Those that its streams belong to, in their order; "" among them where a stream belongs to none."""
        return tuple(dict.fromkeys(map(self.pipeline.site, self.pipeline.streams)))

    def way_down(self, site: str, *, one_machine: bool) -> tuple[Place, ...]:
        """The actors that frames of this site may come to, from the device down.

        On a cluster each site has its own device and edge, and the cloud is common to all that ask for none of their
        own. On one machine sites share all that is below the device.
        """
        own_tiers = SITE_TIERS + (Tier.CLOUD,) * (site in self.pipeline.own_clouds)
        places = []
        for segments in self.actors(one_machine=one_machine):
            first = self.segments[segments[0]]
            has_own = segments[0] == 0 or (first.tier in own_tiers and not one_machine)
            own = site if has_own else ""
            places.append(Place(segments, f"{own}/{first.name}" if own else first.name, first.tier, own))
        return tuple(places)

    def learns_below(self, index: int) -> bool:
        """Whether a stage below this segment's per-stream stages learns, so that it must be told when to."""
        return _learns_below(self.segments[index:], self.pipeline, device=index == 0)


def plan(pipeline: Pipeline) -> Plan:
    """Cut a pipeline into segments: a new one at each change of tier, and around each isolated stage."""
    runs = [_Run(Tier.DEVICE, [])]
    for stage in pipeline.stages:
        last = runs[-1]
        apart = stage.isolate or (last.stages and last.stages[-1].isolate)
        if stage.tier != last.tier or apart:
            runs.append(_Run(stage.tier, []))
        runs[-1].stages.append(stage)
    segments = _named(runs)
    links = tuple(_link(segments, index, pipeline) for index in range(1, len(segments)))
    groups, at_once = _groups(pipeline)
    laid = Plan(pipeline, segments, links, pipeline.ahead, False, groups, at_once)
    if not any(_learns(stage, pipeline) for stage in pipeline.stages):
        return replace(laid, ahead=max(pipeline.ahead, _unordered_depth(links)), unordered=True)
    if not laid.learns_below(0):
        return laid
    waiting = [_most_waiting(pipeline, group, at_once) for group in groups]
    shares = [_Share(link, max(waiting, default=0) if i == 0 else sum(waiting)) for i, link in enumerate(links)]
    least = min(shares, key=lambda share: share.ahead, default=None)
    laid = replace(laid, hold_bytes=min((share.nbytes for share in shares), default=float("inf")))
    if least is None or least.ahead >= pipeline.ahead:
        return laid
    return replace(laid, ahead=least.ahead, shortened=least.why(pipeline.ahead))


@dataclass(frozen=True, slots=True)
class _Share:
    """What one stream may have of a link's credit for pictures that it holds open.

    Fixed beforehand for each stream: if it could hold what others leave, when it learns what would depend on how fast
    those are.

    Attributes:
        streams: how many wait for their answers behind this link at a time.
    """

    link: Link
    streams: int

    @property
    def ahead(self) -> int:
        return max(self.link.spec.credit_frames // max(self.streams, 1) - 1, 0)

    @property
    def nbytes(self) -> float:
        """Of decoded pictures; what a codec makes of them is too little to count."""
        return self.link.spec.credit_mb * 1e6 / max(self.streams, 1) if self.link.spec.codec == "raw" else float("inf")

    def why(self, wanted: int) -> str:
        streams = f"each of {self.streams} streams" if self.streams > 1 else "the stream"
        wants = max(self.streams, 1) * (wanted + 1)
        return (
            f"ahead is {self.ahead}, not {wanted}: on the link {self.link.name} the open frames of {streams} share "
            f"credit_frames: {self.link.spec.credit_frames}, and need {wants}"
        )


def _most_waiting(pipeline: Pipeline, group: Sequence[str], at_once: int) -> int:
    """Of a group's streams the most that wait for their answers at a time."""
    waiting = [pipeline.streams[name].spec.live for name in group if not pipeline.detours(name)]
    return sum(waiting) + min(at_once, len(waiting) - sum(waiting))


def _learns_below(segments: Sequence[Segment], pipeline: Pipeline, *, device: bool) -> bool:
    """Whether a stage learns that is not in the first segment's own head."""
    own = segments[0].shared if device else ()
    below = [stage for segment in segments[1:] for stage in segment.stages]
    return any(_learns(stage, pipeline) for stage in (*own, *below))


@dataclass(slots=True)
class _Run:
    tier: Tier
    stages: list[PlacedStage]


def _learns(stage: PlacedStage, pipeline: Pipeline) -> bool:
    """Whether a stage learns from some stream."""
    own = [stream.configs[stage.id] for stream in pipeline.streams.values() if stage.id in stream.configs]
    return any(stage.type.learns(config) for config in (stage.config, *own))


def _named(runs: Sequence[_Run]) -> tuple[Segment, ...]:
    tiers = Counter(run.tier for run in runs)
    return tuple(
        Segment(
            run.tier.value if tiers[run.tier] == 1 or not run.stages else f"{run.tier.value}:{run.stages[0].id}",
            run.tier,
            tuple(run.stages),
        )
        for run in runs
    )


def _link(segments: Sequence[Segment], index: int, pipeline: Pipeline) -> Link:
    """The link that leads to a segment."""
    upper, lower = segments[index - 1 : index + 1]
    spec = pipeline.links.get(f"{upper.tier}-{lower.tier}", LinkSpec())
    below = tuple(stage for segment in segments[index:] for stage in segment.stages)
    inputs = NetworkInputs.of(pipeline.models, pipeline.search_paths) if spec.fits_networks else None
    far = upper.tier != lower.tier
    return Link(upper.name, lower.name, spec, far, next(iter(below), None), pipeline.audit, below=below, inputs=inputs)


def _unordered_depth(links: Sequence[Link]) -> int:
    """Where no stage learns the order of answers changes nothing: as many frames as the first link has credit for."""
    return links[0].spec.credit_frames if links else 8


def _groups(pipeline: Pipeline) -> tuple[tuple[tuple[str, ...], ...], int]:
    """Streams of different sites apart, and of each live ones and recordings: few of those keep a core busy.

    Returns:
        The streams of each device actor, and how many recordings one of them has open at a time.
    """
    sites = dict.fromkeys(map(pipeline.site, pipeline.streams))
    live: list[tuple[str, ...]] = []
    replayed: list[tuple[str, ...]] = []
    for site in sites:
        here = [name for name in pipeline.streams if pipeline.site(name) == site]
        own = [name for name in here if pipeline.streams[name].spec.live]
        live += _shared_out(own, _parts(own, streams_per_actor(pipeline, live=True)))
        own = [name for name in here if not pipeline.streams[name].spec.live]
        # However many recordings there are, no more actors of a site than cores work through them.
        replayed += _shared_out(own, min(_parts(own, streams_per_actor(pipeline, live=False)), _cores()))
    at_once = max(1, max(_OPEN, 2 * _cores()) // max(1, len(replayed)))
    if pipeline.streams_per_actor:
        at_once = min(at_once, pipeline.streams_per_actor)
    return (*live, *replayed), at_once


def streams_per_actor(pipeline: Pipeline, *, live: bool) -> int:
    """How many streams of a kind one device actor has open."""
    return pipeline.streams_per_actor or (_LIVE_STREAMS if live else _cores())


def _parts(streams: Sequence[str], size: int) -> int:
    return -(-len(streams) // size)


def _shared_out(streams: Sequence[str], parts: int) -> Iterator[tuple[str, ...]]:
    """The streams in so many parts of about the same size, in their order."""
    bounds = [round(part * len(streams) / parts) for part in range(parts + 1)] if parts else []
    return (tuple(streams[start:end]) for start, end in pairwise(bounds))


def _cores() -> int:
    return os.cpu_count() or 1
