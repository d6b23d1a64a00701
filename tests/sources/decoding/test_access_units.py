"""Pictures from pieces. What must hold:

- every byte of a picture comes out, in one unit with its stamp, whatever the pieces are;
- a picture is cut by no sender that fills its packets, whatever the sizes of its slices;
- once the end of pictures has been foreseen often enough, a picture comes out with its last piece, else with the next;
- on senders where that would be wrong it is not relied on.
"""

from itertools import cycle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidpipe.sources.decoding.access_units import AccessUnitAssembler, NalFragment

FULL = 1386
SPS, PPS, IDR, SLICE, FILLER = (b"\0\0\0\1" + bytes([kind]) for kind in (0x67, 0x68, 0x65, 0x41, 0x0C))


def slice_of(size, head=SLICE):
    """The pieces of a slice, as FFmpeg gives them: one whole if it fits into a packet, else all but the last are full.

    A packet has two bytes more for a whole slice, whose header is one of them, than for a fragment.
    """
    body = bytes([7]) * size
    first, rest = (body, b"") if size <= FULL + 1 else (body[:FULL], body[FULL:])
    return [head + first, *(rest[i : i + FULL] for i in range(0, len(rest), FULL))]


def picture(size=3000, slices=1, key=False, after=()):
    pieces = [SPS + b"x" * 20, PPS + b"x" * 4] if key else []
    for _ in range(slices):
        pieces += slice_of(size, IDR if key else SLICE)
    return [*pieces, *after]


def played(pictures, units=None):
    """What came out, and with which picture's piece: (picture number, whether with its own last piece)."""
    units = units or AccessUnitAssembler("h264")
    came = []
    for number, pieces in enumerate(pictures):
        for i, data in enumerate(pieces):
            for unit in units.add(NalFragment(data, number * 3600, number / 25 + i / 10_000, None)):
                came.append((unit, unit.packet.pts == number * 3600 and i == len(pieces) - 1))
    return came


@pytest.mark.parametrize("slices", [1, 4])
def test_pictures_come_out_whole_and_soon_with_their_last_piece(slices):
    pictures = [picture(slices=slices, key=i % 20 == 0) for i in range(200)]
    came = played(pictures)
    for number, (unit, _) in enumerate(came):
        assert bytes(unit.packet) == b"".join(pictures[number])
        assert (unit.packet.pts, unit.packet.is_keyframe) == (number * 3600, number % 20 == 0)
        assert unit.at == number / 25
    soon = [own for _, own in came]
    assert not any(soon[:25])
    assert all(soon[60:])


def test_what_fills_its_last_packet_waits_for_the_next_picture():
    came = played([picture(size=2 * FULL if i == 80 else 3000) for i in range(100)])
    assert [unit.packet.pts // 3600 for unit, own in came[60:] if not own] == [80]


@pytest.mark.parametrize(
    "pictures",
    [
        [picture(after=[FILLER + b"x" * 50]) for _ in range(200)],
        [[SLICE + b"x" * 900, b"x" * 1200, b"x" * 700] for _ in range(200)],
        [picture(slices=1 + i % 3) for i in range(200)],
    ],
    ids=["filler behind the slice", "packets that are not filled", "slices that vary"],
)
def test_where_it_would_be_wrong_it_is_not_relied_on(pictures):
    came = played(pictures)
    assert [bytes(unit.packet) for unit, _ in came] == [b"".join(pieces) for pieces in pictures][: len(came)]
    assert len(came) >= 199


def test_one_mistake_costs_one_picture_and_trust():
    units = AccessUnitAssembler("h264")
    played([picture() for _ in range(100)], units)
    came = played([picture(slices=2) for _ in range(10)], units)
    cut, *others = [bytes(unit.packet) for unit, _ in came]
    assert cut == b"".join(picture(slices=1))
    assert {len(data) for data in others} == {len(b"".join(picture(slices=2)))}
    assert not any(own for _, own in came[1:])


@given(st.lists(st.tuples(st.integers(1, 6000), st.booleans()), min_size=1, max_size=80))
def test_law_every_byte_comes_out_in_order(sizes):
    pictures = [picture(size, key=key) for size, key in sizes]
    came = played([*pictures, picture()])
    assert [bytes(unit.packet) for unit, _ in came][: len(pictures)] == [b"".join(pieces) for pieces in pictures]


SLICES = st.one_of(st.integers(1, 6000), st.integers(FULL - 3, FULL + 3), st.integers(2 * FULL - 2, 2 * FULL + 2))


@given(st.integers(1, 4), st.lists(SLICES, min_size=1, max_size=30))
def test_law_no_picture_is_cut_whatever_the_sizes_of_its_slices(slices, sizes):
    size = cycle(sizes)
    pictures = [[piece for _ in range(slices) for piece in slice_of(next(size))] for _ in range(60)]
    came = played([*pictures, picture(slices=slices)])
    assert [bytes(unit.packet) for unit, _ in came][: len(pictures)] == [b"".join(pieces) for pieces in pictures]
    assert not any(unit.spoilt for unit, _ in came)


def test_a_slice_that_fits_whole_into_a_packet_is_no_measure_of_one_that_does_not():
    pictures = [
        slice_of(FULL + 1) + slice_of(FULL + 1) if i == 60 else picture(size=1500, slices=2, key=i % 25 == 0)
        for i in range(200)
    ]
    came = played(pictures)
    assert [bytes(unit.packet) for unit, _ in came] == [b"".join(pieces) for pieces in pictures]
    assert [unit.packet.pts // 3600 for unit, own in came[60:] if not own] == [60]


def test_what_builds_on_a_picture_that_was_cut_says_so_up_to_the_next_key_frame():
    units = AccessUnitAssembler("h264")
    played([picture(key=i % 20 == 0) for i in range(100)], units)
    came = played([picture(slices=2, key=i == 6) for i in range(10)], units)
    assert [unit.spoilt for unit, _ in came] == [False] + 5 * [True] + 3 * [False]


def test_hevc_has_other_numbers():
    sps, idr, slice_ = (b"\0\0\0\1" + bytes([kind << 1, 1]) for kind in (33, 19, 1))
    pictures = [[sps + b"x" * 30, *slice_of(3000, idr)] if i % 10 == 0 else slice_of(2000, slice_) for i in range(100)]
    came = played(pictures, AccessUnitAssembler("hevc"))
    assert [unit.packet.is_keyframe for unit, _ in came] == [i % 10 == 0 for i in range(len(came))]
    assert all(own for _, own in came[60:])
