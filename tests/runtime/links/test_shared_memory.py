"""Shared memory between the two ends of a link."""

import os
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidpipe.runtime.links.shared_memory import Address, SharedMemoryPool, SharedMemoryView

SIZE = 1 << 16


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 9000)), max_size=60))
def test_places_never_overlap(steps):
    """Whatever is taken and freed in whatever order: places are disjoint, inside, and clear of the token."""
    pool = SharedMemoryPool(SIZE)
    taken = []
    for give_back, nbytes in steps:
        if give_back and taken:
            pool.free(taken.pop(nbytes % len(taken)))
        elif (slot := pool.take(nbytes)) is not None:
            assert slot.size == nbytes
            taken.append(slot)
        edges = sorted((slot.start, slot.start + slot.size) for slot in taken)
        assert all(start >= end for (_, end), (start, _) in pairwise(edges))
        assert not edges or (edges[0][0] >= 16 and edges[-1][1] <= SIZE)


def test_all_room_comes_back():
    pool = SharedMemoryPool(SIZE)
    slots = []
    while (slot := pool.take(5000)) is not None:
        slots.append(slot)
    assert len(slots) == (SIZE - 64) // 5056
    for slot in reversed(slots):
        pool.free(slot)
    assert pool.take(SIZE - 64) is not None


def test_another_process_sees_what_was_written():
    pool = SharedMemoryPool(SIZE)
    slot = pool.take(4)
    pool.view(slot)[:] = np.frombuffer(b"seen", np.uint8)
    program = (
        "from vidpipe.runtime.links.shared_memory import Address, SharedMemoryView, Slot\n"
        f"view = SharedMemoryView(Address({os.getpid()}, {pool.address.descriptor}, {SIZE}, {pool.address.token!r}))\n"
        f"print(view.view(Slot({slot.start}, {slot.size})).tobytes().decode())"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "seen"


@pytest.mark.parametrize(
    "changes", [{"pid": 2**22 + 1}, {"descriptor": 9999}, {"size": SIZE * 2}, {"token": b"0" * 16}]
)
def test_what_is_not_ours_is_refused(changes):
    """As where sender and receiver are on two machines whose processes have the same number."""
    address = SharedMemoryPool(SIZE).address._replace(**changes)
    assert isinstance(address, Address)
    with pytest.raises(OSError, match=r".+"):
        SharedMemoryView(address)
