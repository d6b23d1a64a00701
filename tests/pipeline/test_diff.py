"""What may change while a run goes on."""

from __future__ import annotations

from dataclasses import replace

import pytest

from vidpipe.models.base import Classes
from vidpipe.pipeline.diff import changes
from vidpipe.pipeline.spec import Pipeline, Stream
from vidpipe.sources.base import StreamSpec


def pipeline(**fields: object) -> Pipeline:
    streams = {name: Stream(StreamSpec(url=f"{name}.mp4", **fields)) for name in ("gate", "yard")}
    return Pipeline("street", Classes({}), {}, (), streams)


@pytest.mark.parametrize("fields", [{"floor": 0.9}, {"want": "count"}, {"floor": 0.9, "want": "presence"}])
def test_another_accuracy_may_be_asked_of_a_stream_that_goes_on(fields):
    old = pipeline()
    new = replace(old, streams={**old.streams, "gate": pipeline(**fields).streams["gate"]})
    found = changes(old, new)
    assert found
    assert (found.promised, found.changed, found.turned) == (["gate"], [], {})
    assert found.going_on == ["gate", "yard"]
    assert str(found) == "another accuracy asked of gate"


def test_with_another_source_it_begins_anew():
    old, new = pipeline(), pipeline(floor=0.9, end_s=9.0)
    found = changes(old, new)
    assert (found.promised, found.changed) == ([], ["gate", "yard"])


def test_nothing_has_changed():
    assert not changes(pipeline(floor=0.9), pipeline(floor=0.9))
