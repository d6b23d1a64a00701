"""What a plan will take of each machine and link, and how late answers will be: arithmetic on measured costs.

A segment's shared stages have one thread, which takes frames of all cameras in turns. What waits for it is a queue of
many even streams with service times of few kinds: by the formula of Pollaczek and Khinchine (M/D/1 where all frames
take the same), times the share of the arrivals that other cameras make, as a camera does not queue behind itself.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from itertools import pairwise

from vidpipe.core.errors import ConfigError
from vidpipe.models.library import threads_of_a_look
from vidpipe.pipeline.plan import Plan, Segment
from vidpipe.pipeline.spec import PlacedStage, Tier, TierSpec
from vidpipe.tuning.planner.costs import Costs, StreamCost
from vidpipe.tuning.planner.loads import CameraNeed, Expected, Load, Place, Traffic, shortages
from vidpipe.tuning.planner.nodes import Node, Nodes
from vidpipe.tuning.planner.standing import Standings, models_of, site_at, site_of, stand


def expect(
    laid: Plan,
    costs: Costs,
    nodes: Nodes,
    cameras: Mapping[str, int] | None = None,
    standings: Standings | None = None,
) -> Expected:
    """What a plan takes on these machines.

    Args:
        costs: of each of the plan's streams.
        cameras: how many stand for each stream; None: one.
        standings: of a plan of which this is a part, whose actors these cameras share; None: they have their own.

    Raises:
        ConfigError: a stream's costs are not known, or a tier has no machine.
    """
    return _Expecting(laid, costs, nodes, cameras or dict.fromkeys(laid.pipeline.streams, 1), standings).whole()


class _Expecting:
    def __init__(
        self, laid: Plan, costs: Costs, nodes: Nodes, cameras: Mapping[str, int], standings: Standings | None
    ) -> None:
        if unknown := [name for name in laid.pipeline.streams if name not in costs.streams]:
            raise ConfigError(f"what stream {unknown[0]} takes is not known: `vidpipe plan --measure` finds out")
        self._laid, self._costs, self._nodes = laid, costs, nodes
        self._cameras = {name: count for name, count in cameras.items() if count > 0}
        self._site = {name: site_of(laid, name) for name in self._cameras}
        self._total = sum(self._cameras.values())
        self._loads: dict[Place, Load] = {}
        self._traffic: dict[tuple[str, str | None], Traffic] = {}
        self._cpu: dict[str, float] = defaultdict(float)  # of one camera
        self._standings = stand(laid, nodes, self._cameras) if standings is None else standings
        self._pooled = set(self._standings.pools)
        self._notes = list(self._standings.notes)

    def whole(self) -> Expected:
        self._place()
        self._run()
        for stream, count in self._cameras.items():
            self._add(stream, count)
        for load in self._loads.values():
            self._queue(load)
            self._remember(load)
        for traffic in self._traffic.values():
            self._transmit(traffic)
        needs = [self._camera(stream, count) for stream, count in self._cameras.items()]
        loads = list(self._loads.values())
        found = shortages(loads, list(self._traffic.values()), self._nodes, self._standings.shortages)
        return Expected(loads, list(self._traffic.values()), needs, found, self._notes)

    def _key(self, segment: Segment, stream: str) -> Place:
        return Place(segment.name, site_at(self._laid.pipeline, segment.tier, self._site[stream]))

    def _place(self) -> None:
        """Have each segment stand where its actors do; inline they are one."""
        is_one = self._costs.engine == "inline" and not self._nodes.is_cluster
        for segment in self._laid.segments:
            stages = tuple(stage.id for stage in segment.stages)
            for place in dict.fromkeys(self._key(segment, stream) for stream in self._cameras):
                stood = self._standings.stood[place]
                where, actors = tuple(dict.fromkeys(stood.nodes)), 1 if is_one else stood.actors
                self._loads[place] = Load(place, segment.tier, where, stages, actors, gpus=stood.gpus)
                able = self._nodes.serving(segment.tier, place.site, self._narrowed(segment.tier))
                if segment is not self._laid.segments[0] and len(where) < len(able):
                    alone = "alone: it is one process" if stood.actors == 1 else f"alone: it has {stood.actors} actors"
                    self._notes.append(f"segment {segment.name} runs on {', '.join(where)} {alone}")

    def _narrowed(self, tier: Tier) -> TierSpec:
        return self._laid.pipeline.tiers.get(tier, TierSpec())

    def _run(self) -> None:
        """What the run takes by itself stands where most devices are: there is the driver."""
        first = self._laid.segments[0]
        if self._cameras:
            busiest = max(self._cameras, key=lambda stream: self._cameras[stream])
            self._load(first, busiest).cpu += self._costs.run_cpu
        for stream in self._cameras:
            if not self._costs.streams[stream].steady:
                self._notes.append(
                    f"stream {stream}: what it takes still changed when it was measured: measure longer (`--for`)"
                )

    def _add(self, stream: str, count: int) -> None:
        """What the cameras of a stream take of segments and links."""
        cost, site = self._costs.streams[stream], self._site[stream]
        segments = self._laid.segments
        self._take(segments[0], stream, count, cost.other_ms)
        for segment in segments:
            for stage in segment.stages:
                ms, _ = self._stage_ms(stage, cost, self._load(segment, stream))
                self._take(segment, stream, count, cost.stages[stage.id].asked * ms)
        for link, (upper, lower) in zip(self._laid.links, pairwise(segments), strict=True):
            picture, crossing = cost.picture(link), self._crossing(lower, cost)
            path = self._nodes.path(upper.tier, lower.tier)
            traffic = self._traffic.setdefault((link.name, site), Traffic(link.name, site, path))
            traffic.frames_s += cost.fps * count * crossing
            traffic.mbps += cost.fps * count * crossing * picture.bytes * 8e-6
            self._take(upper, stream, count, crossing * picture.pack_ms)
            self._take(lower, stream, count, crossing * picture.unpack_ms)

    def _take(self, segment: Segment, stream: str, count: int, ms: float) -> None:
        """Milliseconds of CPU for each frame of each of these cameras."""
        cpu = self._costs.streams[stream].fps * ms / 1000
        self._load(segment, stream).cpu += cpu * count
        self._cpu[stream] += cpu

    def _crossing(self, segment: Segment, cost: StreamCost) -> float:
        """Share of a stream's frames that come to a segment, or to one below it."""
        at = self._laid.segments.index(segment)
        below = [stage.id for each in self._laid.segments[at:] for stage in each.stages]
        return cost.crossing(below) if at else 1.0

    def _load(self, segment: Segment, stream: str) -> Load:
        return self._loads[self._key(segment, stream)]

    def _stage_ms(self, stage: PlacedStage, cost: StreamCost, load: Load) -> tuple[float, float]:
        """CPU and wall milliseconds of a stage that is asked about a frame, on the machine of its segment."""
        known, node = cost.stages[stage.id], min((self._nodes.nodes[name] for name in load.nodes), key=_slowest)
        model = next(iter(models_of(stage)), None)
        cpu_ratio = wall_ratio = 1.0
        if model in self._costs.models and self._laid.pipeline.models[model].threads is None:
            threads = threads_of_a_look(self._total, max(1, math.floor(node.cpus)))
            cpu_ratio, wall_ratio = self._costs.models[model].ratio(threads, cost.threads)
        left = self._left(stage, cost) / node.speed
        return known.cpu_ms * cpu_ratio * left, known.wall_ms * wall_ratio * left

    def _left(self, stage: PlacedStage, cost: StreamCost) -> float:
        """Share of its look that a stage still has to do: the head of a model that is cut stands before a link."""
        if stage.only_when_away:
            return 1.0
        links = [
            link
            for link in self._laid.links
            if link.cut_model() is not None and any(each.id == stage.id for each in link.below)
        ]
        return min((cost.picture(link).look for link in links), default=1.0)

    def _queue(self, load: Load) -> None:
        """How busy the thread of a segment's shared stages is, and how long frames wait for it."""
        segment = next(each for each in self._laid.segments if each.name == load.place.segment)
        cameras, squares = 0, 0.0
        for stream, count in self._cameras.items():
            if self._key(segment, stream) != load.place:
                continue
            cost = self._costs.streams[stream]
            cameras += count
            services = list(self._services(segment, cost, load))
            rate = cost.fps * count
            load.frames_s += rate * sum(share for share, _ in services)
            load.busy += rate / load.actors * sum(share * ms for share, ms in services) / 1000
            squares += rate / load.actors * sum(share * ms**2 for share, ms in services) / 1000
        if load.busy >= 1:
            load.wait_ms = math.inf
        elif load.busy:
            load.wait_ms = squares / (2 * (1 - load.busy)) * max(0.0, 1 - load.actors / cameras)

    def _services(self, segment: Segment, cost: StreamCost, load: Load) -> Iterable[tuple[float, float]]:
        """Shares of the frames by how long they take in the shared stages: a frame goes down until one answers."""
        asked = [cost.stages[stage.id].asked for stage in segment.shared]
        spent = 0.0
        for at, stage in enumerate(segment.shared):
            spent += self._stage_ms(stage, cost, load)[1]
            further = asked[at + 1] if at + 1 < len(asked) else 0.0
            yield max(0.0, asked[at] - further), spent

    def _remember(self, load: Load) -> None:
        memory = self._costs.memory
        if memory is None:
            return
        segment = next(each for each in self._laid.segments if each.name == load.place.segment)
        models = {name for stage in segment.stages for name in models_of(stage) if name in self._costs.models}
        load.memory_mb = 0.0
        for model in models:
            mb = self._costs.models[model].memory_mb
            pools = {(node, model) for node in load.nodes} & self._pooled
            self._pooled -= pools  # what several segments ask is there once
            pooled = any(name == model for _, name in self._standings.pools)
            load.memory_mb += len(pools) * (mb + memory.process_mb) if pooled else load.actors * mb
        if segment is self._laid.segments[0]:
            cameras = sum(count for stream, count in self._cameras.items() if self._key(segment, stream) == load.place)
            load.memory_mb += memory.run_mb + cameras * memory.stream_mb + (load.actors - 1) * memory.process_mb
        elif not self._shares_process(segment):
            load.memory_mb += load.actors * memory.process_mb

    def _shares_process(self, segment: Segment) -> bool:
        """Whether a segment stands in the process of the one above it, as on one machine it may."""
        if self._nodes.is_cluster:
            return False
        at = self._laid.segments.index(segment)
        return not any(indices[0] == at for indices in self._laid.actors(one_machine=True))

    def _transmit(self, traffic: Traffic) -> None:
        """How long a picture is under way, with its wait for those of other cameras."""
        if not traffic.frames_s:
            return
        megabits = traffic.mbps / traffic.frames_s
        others = 1 - 1 / sum(count for name, count in self._cameras.items() if self._site[name] == traffic.site)
        for name in traffic.lines:
            line = self._nodes.links[name].at(traffic.site)
            traffic.ms += line.ms
            if line.mbps is not None:
                sending_ms, busy = 1000 * megabits / line.mbps, traffic.mbps / line.mbps
                waiting_ms = busy * sending_ms / (2 * (1 - busy)) * others if busy < 1 else math.inf
                traffic.ms += sending_ms + waiting_ms

    def _camera(self, stream: str, count: int) -> CameraNeed:
        cost = self._costs.streams[stream]
        own_ms, look_ms, ways = 0.0, 0.0, 0.0
        segments = self._laid.segments
        for at, segment in enumerate(segments):
            load = self._load(segment, stream)
            crossing = self._crossing(segment, cost)
            if at:
                link = self._traffic[self._laid.links[at - 1].name, self._site[stream]]
                picture = cost.picture(self._laid.links[at - 1])
                ways += crossing * (link.ms + picture.pack_ms + picture.unpack_ms)
                look_ms += link.ms + picture.pack_ms + picture.unpack_ms
            shared = {stage.id for stage in segment.shared}
            waits = max((cost.stages[name].asked for name in shared), default=0.0) * load.wait_ms if shared else 0.0
            spent = waits + sum(
                cost.stages[stage.id].asked * self._stage_ms(stage, cost, load)[1] for stage in segment.stages
            )
            ways += spent
            own_ms += spent if segment.tier == Tier.DEVICE else 0.0
            look_ms += (load.wait_ms if shared else 0.0) + sum(
                self._stage_ms(stage, cost, load)[1] for stage in segment.stages if cost.stages[stage.id].asked
            )
        published = own_ms if self._laid.pipeline.detours(stream) else ways
        latency_ms = None if cost.other_wall_ms is None else published + cost.other_wall_ms
        cpu = self._cpu[stream]
        return CameraNeed(stream, self._site[stream], count, cpu, latency_ms, look_ms, cost.f1, cost.low)


def _slowest(node: Node) -> tuple[float, float]:
    return node.speed, node.cpus
