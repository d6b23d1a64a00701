"""Whether other pictures build on one: read from the head of its packet, without decoding it."""

from __future__ import annotations

from av.video.codeccontext import VideoCodecContext

from vidpipe.sources.decoding.container import VideoPacket

_HEAD = 4096  # bytes of a packet in which its picture begins, or it counts as a reference
_B_PICTURE = {"mpeg4": 2, "mpeg1video": 3, "mpeg2video": 3}  # how these codecs number pictures of that type
_START = b"\0\0\1"


class References:
    """Tells reference pictures from others, for H.264, HEVC, MPEG-4, MPEG-1 and MPEG-2.

    Of a codec that it cannot read every picture counts as a reference.
    """

    def __init__(self, context: VideoCodecContext) -> None:
        self._codec = context.name
        self._length_size = _length_size(context)

    def __contains__(self, packet: VideoPacket) -> bool:
        """Whether others may build on the picture of this packet."""
        codec = self._codec
        if codec not in _B_PICTURE and codec not in ("h264", "hevc"):
            return True
        head = bytes(memoryview(packet)[:_HEAD])
        if codec in ("h264", "hevc"):
            return _is_reference(head, self._length_size, hevc=codec == "hevc")
        start = head.find(b"\0\0\1\xb6" if codec == "mpeg4" else b"\0\0\1\0")
        if start < 0 or start + 5 >= len(head):
            return True
        kind = head[start + 4] >> 6 if codec == "mpeg4" else head[start + 5] >> 3 & 7
        return kind != _B_PICTURE[codec]


def _length_size(context: VideoCodecContext) -> int:
    """Bytes of the length before each unit of H.264 and HEVC, as MP4 has it; 0: start codes stand there."""
    extradata, at = context.extradata, 21 if context.name == "hevc" else 4
    return (extradata[at] & 3) + 1 if extradata and len(extradata) > at and extradata[0] == 1 else 0


def _is_reference(head: bytes, length_size: int, *, hevc: bool) -> bool:
    """By the first slice: `nal_ref_idc` (H.264, 7.4.1), or a type of HEVC that is a sub-layer reference (7.4.2.2)."""
    start = length_size
    while True:
        if not length_size:
            start = head.find(_START, start) + 3
            if start < 3:
                return True
        if start >= len(head):
            return True
        unit = head[start]
        if hevc and (kind := unit >> 1 & 63) < 32:
            return kind > 14 or kind % 2 == 1
        if not hevc and unit & 31 in (1, 2, 5):
            return bool(unit & 0x60)
        if length_size:
            start += int.from_bytes(head[start - length_size : start], "big") + length_size
