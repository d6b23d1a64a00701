"""A plan of recordings, in one process or with an actor for the device: what is published, and bytes on the link."""

from __future__ import annotations

import threading
from dataclasses import replace

from tests.runtime import linked, local
from vidpipe.models.base import ModelSpec
from vidpipe.pipeline.plan import plan
from vidpipe.pipeline.spec import PlacedStage, Stream, Tier
from vidpipe.runtime.inline import InlineEngine
from vidpipe.sources.base import StreamSpec
from vidpipe.stages.detect.detect import Detect, DetectConfig


def inline(made):
    engine = InlineEngine(made)
    engine.open(threading.Event())
    engine.start()
    published, ended = [], []
    while not ended:
        batch = engine.take(1)
        published += [result for each in batch for result in each.published]
        ended += [end for each in batch for end in each.ended]
    nbytes = engine.counts().links["device-edge"].bytes
    engine.close(5)
    return published, nbytes


def linked_up(made):
    device = local.Device(made, local.segments(made)[-1])
    device.run()
    return device.published, device.actor.word().counts.links["device-edge"].bytes


def laid(clip, model, link, *between, first=linked.Passes, big=Detect, configs=None, **options):
    """A plan of one recording: a stage on the device, a link, stages on the edge, the last of which runs the model.

    Args:
        between: classes of stages on the edge before the last one.
        first, big: the classes of the first one and of the last.
        options: of the model.
    """
    stages = (
        PlacedStage("first", first, first.Config()),
        *(PlacedStage(f"s{i}", kind, kind.Config(), Tier.EDGE) for i, kind in enumerate(between)),
        PlacedStage("big", big, DetectConfig(model="big"), Tier.EDGE),
    )
    built = replace(
        linked.pipeline({"cam": clip}, [(first, Tier.DEVICE)], links={"device-edge": link}),
        models={"big": ModelSpec(path=str(model), threads=1, **options)},
        stages=stages,
        streams={"cam": Stream(StreamSpec(url=str(clip)), configs or {})},
    )
    return plan(built)
