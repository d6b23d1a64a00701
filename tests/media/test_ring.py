"""The ring of packets: what it holds, what it lets go, and what can be cut from it. It never copies a packet."""

from __future__ import annotations

import math
from typing import Any, cast

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import clips
from vidpipe.sources.decoding.packets import Coding, Kept, KeptConnection, PacketRing, parameter_sets

CODING = cast(Coding, "coding")


def kept(*, key: bool = False, size: int = 100) -> Kept:
    packet = av.Packet(size)
    packet.is_keyframe = key
    return Kept(cast(Any, packet), CODING)


def filled(ring: PacketRing, count: int, *, gop: int = 5, size: int = 100, period_s: float = 0.1) -> list[Kept]:
    """So many pictures, shown in the order in which they come."""
    packets = []
    for seq in range(count):
        packets.append(kept(key=seq % gop == 0, size=size))
        ring.add(packets[-1])
        ring.tell(packets[-1], seq, seq * period_s)
    return packets


def test_packets_are_held_by_reference() -> None:
    ring = PacketRing(10, 10_000)
    packets = filled(ring, 10)
    assert [each.packet for each in ring.between(0.0, 9.0)] == [each.packet for each in packets]


def test_it_reaches_back_as_far_as_asked_and_to_the_key_frame_before() -> None:
    ring = PacketRing(1.0, 10**9)
    filled(ring, 100)
    found = [each.seq for each in ring.between(-math.inf, math.inf)]
    assert found == list(range(85, 100))  # a second before 9.9 lies in the group of 85


def test_what_is_needed_stays_while_there_is_room() -> None:
    ring = PacketRing(0.5, 10**9)
    ring.keep_from(2.0)
    filled(ring, 100)
    assert ring.between(2.0, 9.0)[0].seq == 20
    ring.keep_from(math.inf)
    filled(ring, 1, period_s=0.0)
    assert ring.between(-math.inf, 9.8)[0].seq == 90
    small = PacketRing(0.5, 3000)
    small.keep_from(2.0)
    filled(small, 100)
    assert small.nbytes <= 3000


def test_one_group_that_is_too_large_is_let_go_and_the_next_key_frame_begins_anew() -> None:
    ring = PacketRing(10, 1000)
    filled(ring, 30, gop=1000)
    assert len(ring) == 0
    assert ring.coding is None
    filled(ring, 5)
    assert [each.seq for each in ring.between(0, 9)] == [0, 1, 2, 3, 4]


def test_nothing_is_kept_before_a_key_frame() -> None:
    ring = PacketRing(10, 1000)
    ring.add(kept())
    assert len(ring) == 0


def test_what_is_not_shown_yet_is_not_cut_nor_what_builds_on_it() -> None:
    """Decoded in the order I P B: the B is shown before the P, on which it builds."""
    ring = PacketRing(10, 10_000)
    i, p, b = kept(key=True), kept(), kept()
    for each in (i, p, b):
        ring.add(each)
    ring.tell(i, 0, 0.0)
    ring.tell(b, 1, 0.1)
    assert ring.between(0, 9) == [i]
    assert ring.newest == 0.0
    ring.tell(p, 2, 0.2)
    assert ring.between(0, 9) == [i, p, b]
    assert ring.newest == 0.2


def test_over_a_lost_connection_what_was_never_shown_goes_with_what_builds_on_it() -> None:
    ring = PacketRing(10, 10_000)
    i, p, b = kept(key=True), kept(), kept()
    for each in (i, p, b):
        ring.add(each)
    ring.tell(i, 0, 0.0)
    ring.tell(b, 1, 0.1)
    ring.break_off()
    ring.add(kept())  # before a key frame
    again = kept(key=True)
    ring.add(again)
    ring.tell(again, 9, 0.9)
    assert ring.between(0, 9) == [i, again]
    assert ring.nbytes == 200


@given(
    groups=st.lists(st.tuples(st.integers(1, 12), st.integers(1, 400)), min_size=1, max_size=30),
    seconds=st.floats(0.1, 5),
    limit=st.integers(500, 5000),
    broken=st.sets(st.integers(0, 100), max_size=4),
)
def test_law_it_is_bounded_and_begins_with_a_key_frame(
    groups: list[tuple[int, int]], seconds: float, limit: int, broken: set[int]
) -> None:
    ring = PacketRing(seconds, limit)
    seq = 0
    for count, size in groups:
        for place in range(count):
            if seq in broken:
                ring.break_off()
            each = kept(key=place == 0, size=size)
            ring.add(each)
            ring.tell(each, seq, seq / 10)
            seq += 1
            found = ring.between(-math.inf, math.inf)
            assert ring.nbytes <= limit
            assert ring.nbytes == sum(kept.packet.size for kept in found)
            assert not found or found[0].key
            assert [kept.seq for kept in found] == sorted(kept.seq or 0 for kept in found)


def test_other_parameter_sets_are_another_coding(tmp_path: Any) -> None:
    ring = PacketRing(100, 10**9)
    codings = []
    for size in ((160, 120), (160, 120), (320, 240)):
        path = clips.encode(tmp_path / "clip.ts", frames=20, gop=10, size=size)  # with start codes, as RTP is read
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            connection = KeptConnection(ring, stream)
            codings += [connection.keep(packet, 0.0).coding for packet in container.demux(stream) if packet.size]
    assert len(set(codings)) == 2
    assert codings[0] == codings[39] != codings[40]
    assert [str(each) for each in (codings[0], codings[40])] == ["h264 160x120", "h264 320x240"]


def test_damaged_parameter_sets_leave_the_coding_as_the_connection_said(tmp_path: Any) -> None:
    path = clips.encode(tmp_path / "clip.ts", frames=5)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        connection = KeptConnection(PacketRing(100, 10**9), stream)
        broken = av.Packet(b"\0\0\0\1\x67junk\0\0\1\x68\0\0\1\x65")
        broken.is_keyframe = True
        assert str(connection.keep(cast(Any, broken), 0.0).coding) == "h264 160x120"


@pytest.mark.parametrize(
    ("codec", "head", "sets"),
    [
        ("h264", b"\0\0\0\1\x67abc\0\0\1\x68d\0\0\1\x65eeee", b"\0\0\1\x67abc\0\0\1\x68d"),
        ("h264", b"\0\0\1\x65eeee", b""),
        ("h264", b"", b""),
        ("hevc", b"\0\0\1\x40\1v\0\0\1\x42\1s\0\0\1\x44\1p\0\0\1\x26\1x", b"\0\0\1\x40\1v\0\0\1\x42\1s\0\0\1\x44\1p"),
    ],
)
def test_parameter_sets(codec: str, head: bytes, sets: bytes) -> None:
    assert parameter_sets(codec, head) == sets
