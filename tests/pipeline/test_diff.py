"""What may change while a run goes on."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.pipeline.conftest import GOOD, Write
from vidpipe.models.base import Classes
from vidpipe.pipeline.diff import changes
from vidpipe.pipeline.spec import Pipeline, Stream
from vidpipe.pipeline.yaml import load
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


@pytest.mark.parametrize("settings", ["stages: {little: {accept: 0.7}}", "stages: {}"])
def test_a_stream_whose_own_settings_change_goes_on(write: Write, settings: str) -> None:
    old, new = load(write(GOOD)), load(write(GOOD.replace("stages: {little: {accept: 0.8}}", settings)))
    found = changes(old, new)
    wanted = 0.7 if "0.7" in settings else {"person": 0.6, "vehicle": 0.5}
    assert (found.changed, found.going_on, found.turned) == ([], ["gate"], {"gate": {"little": {"accept": wanted}}})


def test_a_stream_with_another_setting_that_is_no_knob_begins_anew(write: Write) -> None:
    old, new = load(write(GOOD)), load(write(GOOD.replace("little: {accept: 0.8}", "difference: {blocks: 5}")))
    assert changes(old, new).changed == ["gate"]
