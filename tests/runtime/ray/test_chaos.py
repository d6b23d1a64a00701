"""Eight live streams on a real cluster while actors and nodes are killed, a link is cut and settings change, at random:
for half a minute, with `make chaos` for an hour. `VIDPIPE_CHAOS_SEED` repeats the faults of an earlier run. What must
hold:

- every picture has one answer, and results, ledger and report count as many;
- the run goes on to its end, and somebody looks at each stream again once everybody is back.
"""

from __future__ import annotations

import logging
import os
import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from tests import clips
from tests.runtime.conftest import Runner
from tests.runtime.ray.nodes import TIERS, Nodes
from tests.waiting import until
from tests.warm.ask import PLACE
from tests.warm.forked import template
from vidpipe import Run
from vidpipe.pipeline.yaml.load import load

pytestmark = pytest.mark.ray

log = logging.getLogger(__name__)

SECONDS = float(os.environ.get("VIDPIPE_CHAOS_S", "30"))
SEED = int(os.environ.get("VIDPIPE_CHAOS_SEED", random.SystemRandom().randrange(2**32)))
HEAL_S = 90  # until all are back, on a machine that does other things as well
STREAMS, FPS = 8, 5
PIPELINE = """
classes: {even: even, odd: odd}
stages:
  - {id: difference, type: difference, on: device, threshold: 1}
  - {id: third, type: mystages:Third, on: device}
  - {id: counts, type: mystages:Counts, on: edge}
  - {id: spare, type: mystages:Read, on: edge, only_when_away: true}
  - {id: read, type: mystages:Read, on: cloud}
audit: {rate: 0.05, max_unchecked_s: 2}
links: {edge-cloud: {shaper: {delay_ms: 20, outages: OUTAGES}}}
"""


class Fault(NamedTuple):
    """Something that happens to a run.

    Attributes:
        at_s: when, since it began.
        what: "actor" or "node" is killed, or settings are "changed".
        tier: where.
        for_s: until a node is brought back.
    """

    at_s: float
    what: str
    tier: str
    for_s: float


def faults(seed: int, seconds: float) -> Iterator[Fault]:
    """What happens, drawn beforehand: so it is the same again, whatever the machine does."""
    draw, at_s = random.Random(seed), 0.0
    while (at_s := at_s + draw.uniform(2, 10)) < seconds:
        what = draw.choices(["actor", "node", "changed"], [6, 2, 2])[0]
        yield Fault(at_s, what, draw.choice(TIERS), draw.uniform(1, 10))


def outages(seed: int, seconds: float) -> list[dict[str, float]]:
    """When the link between edge and cloud is cut: about once in a quarter of a minute."""
    draw, at_s, cuts = random.Random(seed + 1), 0.0, []
    while (at_s := at_s + draw.uniform(5, 25)) < seconds:
        cuts.append({"start_s": round(at_s, 1), "for_s": round(draw.uniform(0.5, 6), 1)})
    return cuts


class Taken(threading.Thread):
    """Takes the results of a run.

    Attributes:
        counts: by stream, how many came; each is the next one.
        looked: by stream, the newest frame on which boxes were measured.
        pauses: longest time between two results of a stream.
    """

    def __init__(self, session: Run) -> None:
        super().__init__(daemon=True)
        self.session = session
        self.counts: dict[str, int] = {}
        self.looked: dict[str, int] = {}
        self.pauses: dict[str, float] = {}
        self.wrong: list[str] = []
        self._at: dict[str, float] = {}

    def run(self) -> None:
        for result in self.session:
            stream, now = result.stream, time.monotonic()
            if result.seq != self.counts.get(stream, 0):
                self.wrong.append(f"{stream}: {result.seq} came behind {self.counts.get(stream, 0) - 1}")
            self.counts[stream] = result.seq + 1
            self.looked[stream] = max(self.looked.get(stream, -1), result.answer.as_of)
            self.pauses[stream] = max(self.pauses.get(stream, 0.0), now - self._at.get(stream, now))
            self._at[stream] = now


@pytest.fixture
def nodes() -> Iterator[Nodes]:
    os.environ[PLACE] = template().place
    nodes = Nodes(setup_worker_path=str(Path(__file__).parents[2] / "warm" / "ray_worker.py"))
    yield nodes
    nodes.shutdown()


@pytest.mark.long
@pytest.mark.timeout(SECONDS + 4 * HEAL_S)
def test_faults_at_random_cost_no_picture(tmp_path: Path, nodes: Nodes) -> None:
    log.warning("chaos: VIDPIPE_CHAOS_SEED=%d VIDPIPE_CHAOS_S=%g", SEED, SECONDS)
    clip = clips.encode(tmp_path / "clip.mp4", frames=int((SECONDS + 3 * HEAL_S) * FPS), fps=FPS)
    runner = Runner(tmp_path, "ray", nodes.address)
    written = PIPELINE.replace("OUTAGES", str(outages(SEED, SECONDS)))
    (runner.folder / "pipeline.yaml").write_text(written)
    sources = {f"cam{number}": f"live+file:{clip}" for number in range(STREAMS)}
    with Run(load(runner.folder / "pipeline.yaml", sources=sources), engine="ray", address=nodes.address) as session:
        (taken := Taken(session)).start()
        until(lambda: len(taken.looked) == STREAMS, HEAL_S)
        happened = happen(session, nodes)
        for tier in TIERS:
            nodes.bring(tier)
        seen = dict(taken.counts)
        until(lambda: all(taken.looked[stream] > seen[stream] for stream in seen), HEAL_S)
        session.stop()
        taken.join(60)
        outcome = session.join(60)
    log.warning("%s; longest pauses %s", happened, np.round(sorted(taken.pauses.values()), 1))
    assert taken.wrong == []
    assert [error for error in outcome.errors if "failed in the engine" not in error] == []
    assert outcome.exit_status in (1, 130)
    for stream, told in outcome.report["streams"].items():
        assert told["frames_in"] == sum(told["how"].values()) == sum(told["by"].values()) == taken.counts[stream]
        assert told["how"].get("failed", 0) <= sum(happened.values())


def happen(session: Run, nodes: Nodes) -> dict[str, int]:
    """Let it all happen; how often what did."""
    began, happened, back = time.monotonic(), dict.fromkeys(("actor", "node", "changed"), 0), dict[str, float]()
    for number, fault in enumerate(faults(SEED, SECONDS)):
        while (now := time.monotonic() - began) < fault.at_s:
            for tier in [tier for tier, at_s in back.items() if now >= at_s]:
                del back[tier]
                nodes.bring(tier)
            time.sleep(0.1)
        happened[fault.what] += _do(fault, number, session, nodes)
        if fault.what == "node":
            back.setdefault(fault.tier, fault.at_s + fault.for_s)
    return happened


def _do(fault: Fault, number: int, session: Run, nodes: Nodes) -> bool:
    """Whether it could be done."""
    log.info("%s", fault)
    if fault.what == "actor":
        return nodes.kill_actor(session, fault.tier, number)
    if fault.what == "node":
        if there := nodes.is_here(fault.tier):
            nodes.take(fault.tier)
        return there
    stream = f"cam{number % STREAMS}"
    if number % 2:
        session.apply(stages={"difference": {"threshold": 1 + number % 5}}, streams=[stream])
    else:
        session.pause(stream)
        session.resume(stream)
    return True
