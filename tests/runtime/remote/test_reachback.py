"""Reachback over TLS: a server is asked of earlier frames, and what comes of it is what one machine finds."""

from __future__ import annotations

from typing import Any

import pytest

from tests.builders import answer
from tests.runtime.linked import pipeline
from tests.runtime.remote.conftest import FRAMES
from vidpipe.cascade.reachback import ReachbackSpec
from vidpipe.cascade.stage import Stage
from vidpipe.core.answer import How
from vidpipe.core.settings import StageConfig
from vidpipe.pipeline.spec import LinkSpec, Tier
from vidpipe.runtime.driver.session import Run

FIRST = 23


class Tenth(Stage[StageConfig]):
    """Passes on one frame of ten, and says of the others that nothing is there."""

    def answer(self, frames: Any) -> list[Any]:
        return [None if each.seq % 10 == 0 else answer(self.id, how=How.REUSED) for each in frames]


class Finds(Stage[StageConfig]):
    """Finds something from one frame on."""

    shared = True
    stateless = True

    def answer(self, frames: Any) -> list[Any]:
        return [answer(self.id, *([1] if each.seq >= FIRST else []), as_of=each.seq) for each in frames]


@pytest.mark.parametrize("codec", ["raw", "jpeg"])
def test_a_server_is_asked_again(serve, reaching, clip, codec):
    stages, links = [(Tenth, Tier.DEVICE), (Finds, Tier.CLOUD)], {"device-cloud": LinkSpec(codec=codec)}
    here = pipeline({"a": clip}, stages, links=links, reachback=ReachbackSpec())
    port = serve(here).port
    told = []
    for of in (here, reaching(here, port)):
        with Run(of, engine="inline") as run:
            results = list(run)
            report = run.join().report
        assert [result.seq for result in results] == list(range(FRAMES))
        told.append([(result.seq, result.corrections) for result in results if result.corrections])
        # Behind the look at 30 the filter says again that nothing is there: each later look agrees with the one before.
        assert report["streams"]["a"]["reachback"]["corrections"] == 1
    ((seq, (found,)),) = told[0]
    assert (seq, found.seq, found.within, found.look, found.frames) == (30, FIRST, 1, 30, 30 - FIRST)
    assert told[1] == told[0]
