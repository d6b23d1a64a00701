"""Chunk files hold answers as they are, and nothing is read of one that is damaged."""

import random
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest
import supervision as sv
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.builders import boxes
from vidpipe.archive.chunk_file import ChunkWriter, End, Told, read
from vidpipe.cascade.audit import Audit, Look
from vidpipe.cascade.reachback import Correction
from vidpipe.cascade.runner import Meter
from vidpipe.core.answer import Answer, How
from vidpipe.core.errors import RunError
from vidpipe.core.event import Event, Phase
from vidpipe.results.carried import Carried
from vidpipe.results.records import Counts, Covered, Result
from vidpipe.runtime.remote.values import CannotCrossError
from vidpipe.statistics.agreement import Matched

BOXES = [sv.Detections.empty(), boxes(0, 3), boxes(1)]
TEXT = st.text(max_size=5)
MATCHED = st.just(Matched(1, 3))
AUDITS = st.builds(Audit, st.sampled_from("ab"), st.booleans(), st.booleans(), MATCHED, MATCHED, st.just(2), st.just(7))
CORRECTIONS = st.builds(
    Correction, TEXT, st.booleans(), st.just(3), st.just(0.3), st.none(), st.just(1), st.just(9), st.just(6), st.just(4)
)
ANSWERS = st.builds(
    Answer,
    st.sampled_from(BOXES),
    st.sampled_from(How),
    st.sampled_from(["big", "source"]),
    st.integers(-1, 10**9),
    TEXT,
    st.booleans(),
    st.sampled_from(["", "little"]),
)
EVENTS = st.builds(
    Event,
    *(TEXT, st.just("cam"), st.integers(0, 10**9), st.floats(0, 1e6), st.none() | st.floats(0, 1e9), TEXT, TEXT),
    by=TEXT,
    age_s=st.none() | st.floats(0, 10),
    phase=st.sampled_from(Phase),
    data=st.dictionaries(TEXT, st.none() | st.integers(-5, 5) | st.lists(TEXT, max_size=2)),
)
RESULTS = st.builds(
    Result,
    st.just("cam"),
    st.integers(0, 10**9),
    st.floats(0, 1e6),
    st.none() | st.floats(0, 1e10),
    st.just(0.0),
    st.integers(0, 5),
    ANSWERS,
    st.none() | AUDITS,
    st.none() | st.sampled_from(Covered),
    st.none() | st.just((640, 480)),
    picture=st.none(),
    settings=st.just(()),
    look=st.none() | st.just(Look(3, 2)),
    audits=st.lists(AUDITS, max_size=2).map(tuple),
    model=st.none() | st.just("big"),
    degraded=st.sampled_from(["", "cloud away"]),
    corrections=st.lists(CORRECTIONS, max_size=2).map(tuple),
)
TOLD = st.lists(st.builds(Told, RESULTS, st.lists(EVENTS, max_size=2).map(tuple)), max_size=6)
METER = Meter(5, 4, 30, 20)
METER.count(ValueError("no"), "answer")
COUNTS = Counts({"big": METER}, {"big": (3, 2, 1)}, {"device-cloud": Carried(7, 700)})


def written(told, end):
    writer = ChunkWriter()
    for each in told:
        writer.add(each)
    return writer.end(end)


def plain(told):
    """What can be compared: boxes cannot."""
    answer = replace(told.result.answer, detections=None)
    return told._replace(result=told.result._replace(answer=answer))


@settings(deadline=None, max_examples=15, suppress_health_check=list(HealthCheck))
@given(TOLD, st.integers(1, 3))
def test_law_what_is_written_is_read(tmp_path_factory, told, block):
    file = tmp_path_factory.mktemp("chunk") / "a.chunk"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("vidpipe.archive.chunk_file._BLOCK", block)
        file.write_bytes(written(told, End(COUNTS, 1.5, 0.5, ("a note",), "broken off")))
    *read_again, end = read(file, "cam")
    assert list(map(plain, read_again)) == list(map(plain, told))
    assert end == End(COUNTS, 1.5, 0.5, ("a note",), "broken off")
    for one, other in zip(read_again, told, strict=True):
        assert np.array_equal(one.result.detections.xyxy, other.result.detections.xyxy)
        assert one.result.detections.xyxy.dtype == other.result.detections.xyxy.dtype


def test_a_reused_answer_takes_no_room_and_is_the_same_object():
    one = Result("cam", 0, 0.0, None, 0.0, 0, Answer(boxes(*range(9)), How.REUSED, "difference", 0))
    once, often = (len(written([Told(one._replace(seq=seq)) for seq in range(count)], End())) for count in (1, 200))
    assert often < 60 * 200 < once * 200


def test_law_a_damaged_file_is_refused_and_nothing_else_is_raised(tmp_path):
    chance = random.Random(5)
    told = [
        Told(Result("cam", seq, seq / 10, None, 0.0, 0, Answer(boxes(1), How.MEASURED, "big", seq))) for seq in range(4)
    ]
    whole = written(told, End(COUNTS))
    for _ in range(100):
        damaged = bytearray(whole)
        if chance.random() < 0.5:
            del damaged[chance.randrange(len(damaged)) :]
        else:
            damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
        (tmp_path / "a.chunk").write_bytes(damaged)
        with suppress(RunError):  # a number in an answer may have become another one
            list(read(tmp_path / "a.chunk", "cam"))
    (tmp_path / "a.chunk").write_bytes(whole[:-1])
    with pytest.raises(RunError, match=r"a\.chunk is damaged .*delete it, and start again"):
        list(read(tmp_path / "a.chunk", "cam"))


def test_what_no_file_can_hold_is_refused():
    odd = boxes(1)
    odd.data["secret"] = np.array([object()], object)
    with pytest.raises(CannotCrossError):
        written([Told(Result("cam", 0, 0.0, None, 0.0, 0, Answer(odd, How.MEASURED, "big", 0)))], End())
