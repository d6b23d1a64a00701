"""What crosses to a server and back. What must hold:

- frames, settings, answers, questions and counts come out as they went in, arrays bit for bit;
- what cannot cross is left out and told, or costs its frame; it is never a pickle;
- whatever bytes come, nothing but MalformedError is raised, and nothing of them is run.
"""

from __future__ import annotations

import os
import pickle
from collections import Counter
from contextlib import suppress
from dataclasses import replace

import msgpack
import numpy as np
import pytest
import supervision as sv
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays, scalar_dtypes

from tests.builders import Told, answer, boxes, frame
from vidpipe.cascade.audit import Audit
from vidpipe.cascade.cascade import Away, Completed, Ticket
from vidpipe.cascade.runner import Meter
from vidpipe.core.settings import Knob, Knobs, StageConfig
from vidpipe.pipeline.plan import plan
from vidpipe.pipeline.spec import LinkSpec, PlacedStage, Tier
from vidpipe.pipeline.yaml.load import load
from vidpipe.results.carried import Carried
from vidpipe.results.records import Counts
from vidpipe.runtime.links.job import Command, CompleteOrder
from vidpipe.runtime.remote.counts import read_counts, write_counts
from vidpipe.runtime.remote.messages import (
    Answered,
    AskCounts,
    Bye,
    Prepare,
    Reader,
    Restore,
    SettingsError,
    ShadowQuestion,
    Writer,
    read_answer,
    write_answer,
)
from vidpipe.runtime.remote.values import CannotCrossError, MalformedError, pack, unpack
from vidpipe.runtime.shadow.ask import Reply, ShadowAsk
from vidpipe.runtime.transport import codec
from vidpipe.runtime.worker import Settings
from vidpipe.sources.view import View
from vidpipe.stages.detect.acceptance import Decision
from vidpipe.stages.detect.low_confidence import LowConfidenceBoxes
from vidpipe.statistics.agreement import Matched

PLAN = plan(load("pair"))
STAGES = {stage.id: stage.config for stage in PLAN.pipeline.stages}
LEFT: list[tuple[str, str]] = []
WRITER, READER = Writer(list(STAGES), lambda *left: LEFT.append(left)), Reader(PLAN)

plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.lists(inner).map(tuple) | st.dictionaries(st.text() | st.integers(0, 9), inner),
    max_leaves=10,
)
numbers = scalar_dtypes().filter(lambda dtype: dtype.kind in "biufc")


@given(plain)
def test_plain_values_come_out_as_they_went_in(value):
    assert unpack(pack(value)) == value


@given(numbers.flatmap(lambda dtype: arrays(dtype, array_shapes(min_dims=0, min_side=0))))
def test_arrays_come_out_bit_for_bit(array):
    made = unpack(pack(array))
    assert (made.dtype, made.shape, made.tobytes()) == (array.dtype, array.shape, array.tobytes())
    assert made.flags.writeable


def test_records_come_out_as_they_went_in():
    found = boxes(1, 2)
    found.tracker_id = np.array([3, 4])
    found.mask = np.ones((2, 4, 5), bool)
    found.data["names"] = np.array(["a", "\u00e4"], object)
    low = LowConfidenceBoxes(
        answer("s", 1), np.ones((1, 4), np.float32), Decision(True, False, {1: 0.5}, {}, 0.1, "so")
    )
    for value in (
        found,
        low,
        Reply(answer("x"), 1, 2),
        Audit("s", np.bool_(True), False, Matched(1, 2)),
        np.float32(0.3),
    ):
        assert pickle.dumps(unpack(pack(value))) == pickle.dumps(unpack(pack(unpack(pack(value)))))
    made = unpack(pack(found))
    assert list(made.data["names"]) == ["a", "\u00e4"]
    assert unpack(pack(low)).decision == low.decision
    assert isinstance(made, sv.Detections)


@pytest.mark.parametrize("value", [object(), {1, 2}, np.array([object()]), 2**70, lambda: 0, np.zeros(2, "O")])
def test_what_cannot_cross_is_said(value):
    with pytest.raises(CannotCrossError):
        pack(value)


@pytest.mark.parametrize("spec", [LinkSpec(), LinkSpec(codec="jpeg", width=64)], ids=["raw", "jpeg"])
def test_a_frame_comes_out_as_it_went_in_without_what_cannot_cross(spec):
    LEFT.clear()
    sent = frame(3, size=(66, 48))
    sent.features.update(little=answer("little", 1), own={1, 2})
    packed = codec.pack(Ticket(sent, due=True), spec, complete=False)
    made = READER.read(WRITER.write(packed))
    for name, value in packed._asdict().items():
        if name not in ("features", "picture"):
            assert getattr(made, name) == value
    assert made.features.keys() == {"little"}
    assert [np.array_equal(one, two) for one, two in zip(made.picture, packed.picture, strict=True)]
    (left,) = LEFT
    assert left == ("own", "a set cannot cross: plain values and arrays can")
    codec.unpack(made, Knobs())


@pytest.mark.parametrize("spec", [LinkSpec(), LinkSpec(codec="webp")], ids=["raw", "webp"])
def test_parts_of_a_picture_come_out_as_they_went_in(spec):
    places = np.array([[0, 0, 16, 16], [32, 16, 64, 48]])
    packed = codec.pack(Ticket(frame(3, size=(66, 48))), spec, complete=True, places=places)
    body = WRITER.write(packed)
    made = codec.unpack(READER.read(body), Knobs()).frame
    assert np.array_equal(made.bgr(), codec.unpack(packed, Knobs()).frame.bgr())
    assert made.in_parts
    for wrong in ([0, 0, 16, 99], [-16, 0, 16, 16], [16, 0, 16, 16], [0, 0, 2**40, 16]):
        lies = packed._replace(picture=packed.picture._replace(places=np.array([wrong, places[1]])))
        with pytest.raises(MalformedError):
            READER.read(WRITER.write(lies))


def test_all_else_comes_out_as_it_went_in():
    view = View([[(0.0, 0.0), (1.0, 0.0), (1.0, 1.0)]], [])
    command = READER.read(WRITER.write(Command("a", Settings(Knobs(3, STAGES), view, 2.0, True))))
    assert command.settings.knobs == Knobs(3, STAGES)
    assert list(map(list, command.settings.view.polygons)) == [[[(0.0, 0.0), (1.0, 0.0), (1.0, 1.0)]], []]
    assert command.settings[2:] == (2.0, True)
    ask = ShadowAsk(1, 0, "big", "big", STAGES["big"])
    packed = codec.pack(Ticket(frame(1)), LinkSpec(), complete=False)
    assert READER.read(WRITER.write(ShadowQuestion(packed, [ask]))).asks == [ask]
    assert READER.read(WRITER.write(Prepare({"big": [STAGES["big"]], "not here": []}))) == Prepare(
        {"big": [STAGES["big"]]}
    )
    assert READER.read(WRITER.write(Restore({"a": {"big": b"x", "above": b"y"}}))) == Restore({"a": {"big": b"x"}})
    for message in (CompleteOrder("a", 3), AskCounts(), Bye()):
        assert READER.read(WRITER.write(message)) == message
    completed = Completed(answer("big", 1), Audit("s", False, True), {"big": b"state"}, Away("cloud", 1.5))
    made = read_answer(write_answer(Answered(7, completed, held_s=0.25)))
    assert (made.to, made.held_s, *made.value[1:]) == (7, 0.25, *completed[1:])
    counts = Counts(
        {"big": Meter(1, 2, 3, 4, Counter(answer=1), "why", Counter(x=2))}, {"m": (1, 2, 3)}, {"l": Carried(4, 5)}
    )
    assert read_counts(unpack(pack(write_counts(counts)))) == counts


MESSAGES = [
    WRITER.write(codec.pack(Ticket(frame(3)), LinkSpec(codec="jpeg"), complete=True)),
    WRITER.write(codec.pack(Ticket(frame(3)), LinkSpec(), complete=True, places=np.array([[0, 0, 16, 16]]))),
    WRITER.write(Command("a", Settings(Knobs(3, STAGES)))),
    write_answer(Answered(7, Completed(answer("big", 1, 2), Audit("s", False, True)))),
]


@settings(max_examples=300)
@given(
    st.sampled_from(MESSAGES), st.lists(st.tuples(st.integers(0, 5000), st.binary(min_size=1, max_size=4)), max_size=4)
)
def test_damage_is_no_crash(message, damage):
    """Whatever comes out of it has the types that it should have, or it is refused."""
    damaged = bytearray(message)
    for place, data in damage:
        place %= len(damaged)
        damaged[place : place + len(data)] = data
    for read in (READER.read, read_answer):
        with suppress(MalformedError):
            read(damaged)


def test_nonsense_is_refused():
    for size in (0, 1, 10, 1000):
        with pytest.raises(MalformedError):
            READER.read(os.urandom(size) + b"\xc1")
    nested = b""
    for _ in range(3000):
        nested = msgpack.packb(msgpack.ExtType(1, nested))
    for body in (nested, b"\x91" * 100_000, msgpack.packb(["_read_frame"]), msgpack.packb(["config", "big", {}])):
        with pytest.raises(MalformedError):
            READER.read(body)


def test_a_picture_of_another_size_than_it_says_is_refused():
    packed = codec.pack(Ticket(frame(3)), LinkSpec(), complete=True)
    for picture in (packed.picture._replace(width=10_000), packed.picture._replace(height=-48)):
        with pytest.raises(MalformedError, match="another size"):
            READER.read(WRITER.write(packed._replace(picture=picture)))


class Files(StageConfig):
    path: str = "own"
    level: int = Knob(1)


class KeepsFiles(Told):
    Config = Files


def test_a_run_may_turn_knobs_and_name_no_files_of_a_server():
    stage = PlacedStage("keeps", KeepsFiles, Files(), Tier.CLOUD)
    laid = plan(replace(PLAN.pipeline, stages=(*PLAN.pipeline.stages[:-1], stage)))
    writer, reader = Writer(["keeps"], lambda *_: None), Reader(laid)
    turned = writer.write(Command("a", Settings(Knobs(1, {"keeps": Files(level=2)}))))
    assert reader.read(turned).settings.knobs.stages["keeps"].level == 2
    named = writer.write(Command("a", Settings(Knobs(1, {"keeps": Files(path="/etc/passwd")}))))
    with pytest.raises(SettingsError, match="stage keeps: path is no knob, and the server's is another") as refused:
        reader.read(named)
    assert refused.value.stream == "a"
