"""A plan of recordings, in one process or with an actor for the device: what is published, and bytes on the link."""

from __future__ import annotations

import threading

from tests.runtime import local
from vidpipe.runtime.inline import InlineEngine


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
