"""A gate's file: what was written is read, and what is no good is told apart."""

from __future__ import annotations

import io
import json
import stat
from dataclasses import replace

import numpy as np
import pytest

from vidpipe.core.errors import ModelError
from vidpipe.models.gate import Gate, GateNetwork, Normal

NORMAL = Normal(np.zeros((6, 8), np.float32), np.zeros(3, np.float32), np.ones(3, np.float32))
EMPTY = Gate("yard", (96, 72), ("person",), 0.1, 0.9, NORMAL, b"<xml/>", b"\x00\x01", (6, 8), {"architecture": "53x2"})


def test_what_was_written_is_read(tmp_path):
    file = tmp_path / "yard.gate"
    EMPTY.save(file)
    read = Gate.load(file)
    assert replace(read, normal=NORMAL) == replace(EMPTY, normal=NORMAL) or _plain(read) == _plain(EMPTY)
    np.testing.assert_array_equal(read.normal.high, NORMAL.high)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def _plain(gate: Gate) -> list[object]:
    return [getattr(gate, name) for name in Gate.__slots__ if name != "normal"]


def test_every_byte_is_checked(tmp_path):
    """One byte of the weights flips: without its checksum the gate would answer, and wrongly."""
    file = tmp_path / "yard.gate"
    replace(EMPTY, weights=bytes(4000)).save(file)
    data = bytearray(file.read_bytes())
    places = range(40, len(data) - 400, 97)
    for place in places:
        broken = bytearray(data)
        broken[place] ^= 0x40
        file.write_bytes(broken)
        try:
            read = Gate.load(file)
        except ModelError as error:
            assert "damaged or cannot be read" in str(error)  # noqa: PT017
        else:  # a byte that means nothing: the date of a member
            assert _plain(read) == _plain(replace(EMPTY, weights=bytes(4000)))


def test_another_version(tmp_path):
    file = tmp_path / "yard.gate"
    EMPTY.save(file)
    with np.load(file) as archive:
        arrays = dict(archive)
    header = json.loads(arrays["header"].tobytes()) | {"version": 99}
    arrays["header"] = np.frombuffer(json.dumps(header).encode(), np.uint8)
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    file.write_bytes(buffer.getvalue())
    with pytest.raises(ModelError, match=r"yard.gate: of version 99, wanted is 1: train it anew$"):
        Gate.load(file)


def test_no_file(tmp_path):
    with pytest.raises(ModelError, match=r"none.gate: there is no such file$"):
        Gate.load(tmp_path / "none.gate")


def test_no_network():
    with pytest.raises(ModelError, match=r"^gate of stream yard: OpenVINO cannot read it"):
        GateNetwork(EMPTY)
