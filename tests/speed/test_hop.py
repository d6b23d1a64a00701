"""What it costs to hand a frame to another actor on this machine, by the size of its picture."""

import pytest

from tests.speed.conftest import fresh, noise
from vidpipe.cascade.cascade import Ticket
from vidpipe.core.settings import StageConfig
from vidpipe.models.base import Classes
from vidpipe.pipeline.plan import plan
from vidpipe.pipeline.spec import LinkSpec, Pipeline, PlacedStage, ShaperSpec, Stream, Tier
from vidpipe.sources.base import StreamSpec
from vidpipe.stages.difference.difference import Difference

pytestmark = pytest.mark.ray

SMALL, LARGE = noise(64, 48), noise(768, 576)


@pytest.fixture
def link(cluster):
    """Makes a link to an actor whose one stage answers at once."""
    import ray

    from benchmarks.stages import Nothing
    from vidpipe.runtime.ray.actors import SegmentActor
    from vidpipe.runtime.ray.packing import pack_arguments
    from vidpipe.runtime.ray.peer import link_to

    ray.init(address=cluster, log_to_driver=False, logging_level="warning")

    def make(spec):
        stages = (
            PlacedStage("difference", Difference, Difference.Config()),
            PlacedStage("nothing", Nothing, StageConfig(), Tier.EDGE),
        )
        streams = {"cam": Stream(StreamSpec(url="x"))}
        laid = plan(Pipeline("hop", Classes({}), {}, stages, streams, links={"device-edge": spec}))
        kind = ray.remote(num_cpus=0, max_concurrency=4, concurrency_groups={"control": 2})(SegmentActor)
        actor = kind.remote(pack_arguments((), laid, range(1, 2), None))
        ray.get(actor.ready.remote())
        return link_to(actor, laid.links[0])

    yield make
    ray.shutdown()


def _hop(link, picture):
    numbers = iter(range(10**9))

    def go():
        asked = link.ask(Ticket(fresh(picture, next(numbers))), complete=True)
        assert asked.completed.result(60).answer.by == "nothing"

    return go


def test_a_picture_costs_no_more_than_the_call_itself(ratio, link):
    """Its planes lie in memory that both sides have: a call with 663 KB is at most twice one with 5 KB."""
    same = link(LinkSpec())
    assert ratio(_hop(same, LARGE), _hop(same, SMALL), rounds=60) < 2.0


def test_shared_memory_beats_the_message(ratio, link):
    """Through an emulated link that does nothing the planes travel in the message, through Ray's object store."""
    shared, message = link(LinkSpec()), link(LinkSpec(shaper=ShaperSpec()))
    assert ratio(_hop(shared, LARGE), _hop(message, LARGE), rounds=60) < 0.9
