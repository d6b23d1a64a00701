"""Whether a JPEG picture is all there: FFmpeg shows one that was cut off without a word, grey or smeared below."""

from __future__ import annotations

_SCAN, _END = 0xDA, b"\xff\xd9"


def is_whole(data: bytes) -> bool:
    """Whether the end of a picture is there (ITU-T T.81, annex B).

    Segments before the picture's first scan are passed over: they may hold a thumbnail, with an end of its own. Within
    a scan no other byte stands behind 0xFF that could be taken for it.
    """
    at = data.find(b"\xff\xd8") + 2
    while 2 <= at < len(data) - 4:
        if data[at] != 0xFF:
            return False
        kind = data[at + 1]
        if kind == 0xFF:  # a fill byte
            at += 1
            continue
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if kind == _SCAN:
            return data.find(_END, at) >= 0
    return False
