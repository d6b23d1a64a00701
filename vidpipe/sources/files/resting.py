"""Of a recording, groups of pictures in which nothing happens are left undecoded, but for the key frame.

That nothing happens is known before anything is left out: no packet of the group is larger than those of a still
picture, and the key frame behind it shows what was there before (`DecodePolicy`). Where either says otherwise the whole
group is decoded, from its own key frame on: what begins in it is seen from its first picture.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from fractions import Fraction

import av

from vidpipe.core.frame import Image
from vidpipe.sources.decoding.container import VideoPacket
from vidpipe.sources.decoding.decode_policy import DecodePolicy
from vidpipe.sources.files.decoder import FileDecoder, KeyDecoder, Stamped, group_of

_STILL_S = 2.0  # without motion, until groups are looked at before they are decoded: none is seen late for that
_EVERY_S = 0.2  # from one picture that is looked at to the next, while all are decoded
_KEPT = 64  # packets whose pictures are awaited: more than any order of B-frames needs


class Resting:
    """Decides group by group what a decoder is given.

    Args:
        key_decoder: makes one for key frames alone, when it is first wanted.
        max_blind_s: the longest group that is left out where packets are not known to announce motion, seconds.
        tick: of stamps, seconds.
        preview: of a picture as stages see it.
    """

    def __init__(
        self,
        decode: FileDecoder,
        key_decoder: Callable[[], KeyDecoder],
        max_blind_s: float,
        tick: Fraction,
        preview: Callable[[av.VideoFrame], Image],
    ) -> None:
        self._decode = decode
        self._open = key_decoder
        self._decode_key: KeyDecoder | None = None
        self._policy = DecodePolicy(max_blind_s, still_s=_STILL_S, sways=True)
        self._max_blind_s = max_blind_s
        self._tick = float(tick)
        self._preview = preview
        self._sent: dict[int, int] = {}  # bytes by stamp, 0 of key frames: until their pictures come
        self._largest = 0  # of packets since the last picture that was looked at
        self._seen_s = self._key_s = -math.inf  # times of that picture, and of the last key frame
        self._peeked: tuple[VideoPacket, av.VideoFrame] | None = None

    @property
    def notes(self) -> list[str]:
        """Why nothing was left out, where that is known; complete at the end."""
        policy = self._policy
        if self._decode.left_out or policy.sizes.tell or policy.group_s <= self._max_blind_s:
            return []
        apart = f"{policy.group_s:.1f} s apart" if policy.group_s < math.inf else "missing but for one"
        return [
            f"max_blind_s {self._max_blind_s:g} left nothing undecoded: key frames are {apart}, and packets were not "
            "seen to announce motion"
        ]

    def batches(self, packets: Iterator[VideoPacket]) -> Iterator[list[Stamped]]:
        """The pictures that come out as each packet goes in or is left out."""
        packet = next(packets, None)
        while packet is not None:
            self._begin_group(packet)
            if packet.is_keyframe and self._policy.idle:
                group, packet = group_of(packet, packets)
                yield from self._group(group, packet)
            else:
                yield from self._decoded(packet)
                packet = next(packets, None)

    def _group(self, group: list[VideoPacket], following: VideoPacket | None) -> Iterator[list[Stamped]]:
        """Decode all of a group, or its key frame alone; `following`: the packet behind it."""
        picture = self._alone(group[0])
        if picture is None or following is None or not self._is_still(group, following):
            self._policy.doubt()
            for packet in group:
                yield from self._decoded(packet)
            return
        yield from self._decode.key_frame(group, picture)

    def _is_still(self, group: list[VideoPacket], following: VideoPacket) -> bool:
        """Whether nothing happens between a key frame and the next."""
        begin_s, end_s = self._at(group[0]), self._at(following)
        if begin_s is None or end_s is None or end_s <= begin_s or not following.is_keyframe:
            return False
        if not self._policy.may_rest((packet.size for packet in group[1:]), end_s - begin_s):
            return False
        picture = self._alone(following)
        if picture is None:
            return False
        self._policy.saw(self._preview(picture), end_s, following.size, key=True)
        self._seen_s = end_s if self._policy.idle else -math.inf
        return self._policy.idle

    def _alone(self, packet: VideoPacket) -> av.VideoFrame | None:
        """The picture of a key frame, decoded by itself once."""
        if self._peeked is None or self._peeked[0] is not packet:
            self._decode_key = self._decode_key or self._open()
            picture = self._decode_key(packet)
            self._peeked = None if picture is None else (packet, picture)
        return self._peeked and self._peeked[1]

    def _decoded(self, packet: VideoPacket) -> Iterator[list[Stamped]]:
        """Decode a packet, and look at what comes out."""
        stamp = self._decode.stamp(packet)
        if stamp is not None:
            self._sent[stamp] = 0 if packet.is_keyframe else packet.size
            if len(self._sent) > _KEPT:
                del self._sent[next(iter(self._sent))]
        for frames in self._decode(packet):
            for at, frame in frames:
                if at is not None and at in self._sent and not frame.is_corrupt:
                    self._see(frame, at * self._tick, self._sent.pop(at))
            yield frames

    def _see(self, frame: av.VideoFrame, at: float, size: int) -> None:
        """Look at some pictures, each for those since the one before: to look at all costs half of decoding."""
        self._largest = max(self._largest, size)
        if at >= self._seen_s + _EVERY_S or not size:
            self._policy.saw(self._preview(frame), at, self._largest, key=not size)
            self._seen_s, self._largest = at, 0

    def _begin_group(self, packet: VideoPacket) -> None:
        at = self._at(packet)
        if packet.is_keyframe and at is not None:
            if at < self._key_s:  # another recording is joined to the first
                self._policy.begin()
                self._seen_s = -math.inf
            self._key_s = at
            self._policy.wants(packet.size, at, key=True)
            self._policy.settle(self._seen_s)

    def _at(self, packet: VideoPacket) -> float | None:
        stamp = self._decode.stamp(packet)
        return None if stamp is None else stamp * self._tick
